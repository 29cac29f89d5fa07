"""A live shop, that takes notifications of the real PayPal, which the tests themselves play."""

from pathlib import Path
from typing import Any

import pytest

from chalicelib.payments import webhook
from tests.payments.certificates import LIVE, pem, root


@pytest.fixture
def live(setting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the shop a live one that trusts `root()`; return `setting`."""
    (tmp_path / "roots.pem").write_bytes(pem(root()))
    setting(paypal_api_url=LIVE, paypal_webhook_roots=str(tmp_path / "roots.pem"))
    monkeypatch.setattr(webhook, "_keys", {})
    return setting
