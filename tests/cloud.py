"""The local cloud as tests want it: empty, or with all that the shop needs, many hundred times."""

import os
import sys
import urllib.request

from infra.local.dynamodb_local import DynamoDBLocal
from infra.local.local_cloud import LocalCloud
from tests import ministack_snapshot


class Cloud(LocalCloud):
    """A cloud that knows how often it was emptied; on the second lane, DynamoDB Local keeps its tables."""

    keeps_tables = True
    resets = 0
    tables = DynamoDBLocal() if os.environ.get("DYNAMODB") == "local" else None
    _is_kept = False

    @property
    def environment(self) -> dict[str, str]:
        """Return what leads here, and to DynamoDB Local for tables."""
        return super().environment | (self.tables.environment if self.tables else {})

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
        from chalicelib.web.page_cache import cache
        from infra.local.create_resources import make_shop_aws

        cache.clear()
        categories.clear_category_cache()
        if self._is_kept:
            self.resets += 1
            self._ask("PUT")
            return
        self.reset()
        make_shop_aws(expiring=False)
        if self.keeps_tables and not self.tables:
            self._ask("POST")
            self._is_kept = True

    def _ask(self, method: str) -> None:
        request = urllib.request.Request(f"{self.endpoint_url}{ministack_snapshot.PATH}", method=method)
        urllib.request.urlopen(request, timeout=10).close()

    def _command(self) -> list[str]:
        return [sys.executable, "-P", ministack_snapshot.__file__]
