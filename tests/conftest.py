"""What every test stands on: a local cloud of its own worker, empty at the start of each test."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.cloud import LocalCloud, without_aws_settings
from infra.local.pieces import free_port

# chalicelib reads the environment once, when it is imported: everything is settled before.
_cloud = LocalCloud()
_scratch = Path(tempfile.mkdtemp(prefix="awning-tests-"))
PAYPAL_PORT = free_port()
for _name in set(os.environ) - set(without_aws_settings(os.environ)):
    del os.environ[_name]
os.environ.update(_cloud.environment)
os.environ.update(
    {
        "TABLE_PREFIX": "test-",
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "MEDIA_URL": f"{_cloud.endpoint_url}/test-awning-media",
        "CURRENCY": "EUR",
        "TIMEZONE": "UTC",
        "PAYPAL_API_URL": f"http://localhost:{PAYPAL_PORT}",
        "PAYPAL_WEB_URL": f"http://localhost:{PAYPAL_PORT}",
        "PAYPAL_CLIENT_ID": "test-client",
        "PAYPAL_CLIENT_SECRET": "test-secret",
        "PAYPAL_WEBHOOK_ID": "WH-TEST",
        "PAYPAL_WEBHOOK_ROOTS": str(_scratch / "paypal" / "roots.pem"),
    }
)


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """Run the local cloud."""
    with _cloud:
        yield _cloud


@pytest.fixture
def aws(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Empty tables, queues and buckets, and forget what the process remembers of the last test."""
    from chalicelib.catalog import service as catalog
    from chalicelib.web.cache import cache
    from infra.local.setup import make_shop_aws

    cloud.reset()
    make_shop_aws()
    cache.clear()
    catalog.forget()
    yield cloud


@pytest.fixture
def app(aws: LocalCloud) -> Any:
    """Return the Chalice app."""
    import app as module

    return module.app


@pytest.fixture
def setting() -> Iterator[Any]:
    """Change settings for one test: `setting(public_url="https://shop.example")`."""
    from chalicelib.config import settings

    before = dict(vars(settings))

    def change(**values: object) -> None:
        for name, value in values.items():
            object.__setattr__(settings, name, value)

    yield change
    change(**{name: value for name, value in before.items() if name in type(settings).__dataclass_fields__})
