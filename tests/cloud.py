"""The local cloud as tests want it: empty, or with all that the shop needs, many hundred times."""

import os
import sys
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from urllib.parse import urlsplit

from infra.local.dynamodb_local import DynamoDBLocal
from infra.local.local_cloud import LocalCloud
from tests import ministack_snapshot


class Cloud(LocalCloud):
    """A cloud that knows how often it was emptied; on the second lane, DynamoDB Local keeps its tables."""

    keeps_tables = True
    resets = 0
    tables = DynamoDBLocal() if os.environ.get("DYNAMODB") == "local" else None

    @property
    def environment(self) -> dict[str, str]:
        """Return what leads here, and to DynamoDB Local for tables."""
        return super().environment | (self.tables.environment if self.tables else {})

    def __init__(self) -> None:
        super().__init__()
        self._kept: set[str] = set()

    def reset(self) -> None:
        """Empty it."""
        self.resets += 1
        super().reset()
        if self.tables:
            self.tables.reset()

    def renew(self) -> None:
        """Empty it, and make in it what the shop needs, where nothing expires: tests move the clock.

        What this process remembers of what was there is forgotten, too.
        """
        from chalicelib.catalog import categories
        from chalicelib.shop_settings import store
        from chalicelib.web.page_cache import cache
        from infra.local.create_resources import make_shop_aws

        cache.clear()
        categories.clear_category_cache()
        store.clear_settings_cache()
        if "empty" in self._kept:
            self.resets += 1
            self._ask("PUT", "empty")
            return
        self.reset()
        make_shop_aws(expiring=False)
        self.keep("empty")

    def keep(self, name: str) -> None:
        """Keep how it is, where it can."""
        if self.keeps_tables and not self.tables:
            self._ask("POST", name)
            self._kept.add(name)

    def is_again(self, name: str) -> bool:
        """Bring it to how it was kept, unless it has been used since it was renewed; return whether it is so now."""
        return name in self._kept and self._ask("PUT", f"{name}?unused") != HTTPStatus.CONFLICT

    def _ask(self, method: str, what: str) -> int:
        address = urlsplit(self.endpoint_url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
        connection.request(method, f"{ministack_snapshot.PATH}{what}")
        with closing(connection), connection.getresponse() as answer:
            assert answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.CONFLICT), answer.read()
            return answer.status

    def _command(self) -> list[str]:
        return [sys.executable, "-P", ministack_snapshot.__file__]
