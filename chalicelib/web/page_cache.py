"""Rendered pages that are the same for everybody, cached for some seconds in a warm process.

While the database fails or does not answer, an older copy is sent instead of an error.
"""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Request, Response
from pynamodb.exceptions import PynamoDBException

from chalicelib import clock, deadlines
from chalicelib.config import settings
from chalicelib.errors import ServiceUnavailable, ShopError
from chalicelib.web import http_request
from chalicelib.web.responses import HTML

MAX_BYTES = 24 * 1024 * 1024
STALE_SECONDS = 24 * 60 * 60  # how long an older copy may be sent instead of an error
RENEW_SECONDS = 3.0  # to render a page of which there is an older copy
BACK_OFF_SECONDS = 5  # after a failure, during which older copies are sent immediately
FAILURES = (PynamoDBException, ClientError, BotoCoreError, ServiceUnavailable)
log = logging.getLogger("awning")


@dataclass(frozen=True)
class CachedPage:
    """A page as it is sent."""

    body: str
    content_type: str
    etag: str
    made_at: float
    seconds: float  # how long rendering took


class PageCache:
    """A bounded LRU of rendered pages."""

    def __init__(self) -> None:
        self._pages: OrderedDict[tuple[str, ...], CachedPage] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()  # the local server answers in threads; Lambda has one
        self._failed_at = 0.0

    def get(self, key: tuple[str, ...], seconds: float) -> CachedPage | None:
        """Return a page that is younger than `seconds`."""
        with self._lock:
            found = self._pages.get(key)
            if found is None or clock.now().timestamp() - found.made_at >= seconds:
                return None
            self._pages.move_to_end(key)
            return found

    @property
    def is_backing_off(self) -> bool:
        """Return whether rendering a page has just failed."""
        return clock.now().timestamp() - self._failed_at < BACK_OFF_SECONDS

    def note_failure(self) -> None:
        """Record that a page could not be rendered."""
        self._failed_at = clock.now().timestamp()

    def drop(self, key: tuple[str, ...]) -> None:
        """Remove one page: what it showed no longer exists."""
        with self._lock:
            dropped = self._pages.pop(key, None)
            self._bytes -= len(dropped.body) if dropped else 0

    def put(self, key: tuple[str, ...], rendered: CachedPage) -> None:
        """Add a page, and remove those unused longest beyond the bound."""
        with self._lock:
            old = self._pages.pop(key, None)
            self._bytes += len(rendered.body) - (len(old.body) if old else 0)
            self._pages[key] = rendered
            while self._bytes > MAX_BYTES:
                _, dropped = self._pages.popitem(last=False)
                self._bytes -= len(dropped.body)

    def clear(self) -> None:
        """Remove everything: a change made by this process is visible immediately."""
        with self._lock:
            self._pages.clear()
            self._bytes = 0
            self._failed_at = 0.0


cache = PageCache()


def public_page(
    request: Request, key: tuple[str, ...], make: Callable[[], str], content_type: str = HTML
) -> Response:
    """Return a response with a page that is the same for everybody: cached or rendered now; 304 if the browser has it.

    `key` names the page: its path and the parameters that it knows. Unknown parameters never reach it.
    """
    key = (http_request.base_url(), *key)
    rendered = cache.get(key, settings.shop.page_seconds) or _render(key, make, content_type)
    headers: dict[str, str | list[str]] = {
        "Content-Type": rendered.content_type,
        "Cache-Control": f"public, max-age={settings.shop.page_seconds}, stale-if-error={STALE_SECONDS}",
        "ETag": rendered.etag,
    }
    known = http_request.header(request, "if-none-match").split(",")
    if {rendered.etag, "*"} & {tag.strip().removeprefix("W/") for tag in known}:
        return Response("", headers, 304)
    return Response(rendered.body, headers, 200)


def _render(key: tuple[str, ...], make: Callable[[], str], content_type: str) -> CachedPage:
    """Render and cache a page; if the database fails or does not answer, return an older copy if there is one."""
    older = cache.get(key, STALE_SECONDS)
    if older is not None and cache.is_backing_off:
        return older
    began = time.monotonic()
    try:
        with deadlines.answering_within(RENEW_SECONDS + 2 * older.seconds) if older else nullcontext():
            body = make()
    except FAILURES as error:
        cache.note_failure()
        if older is None:
            raise
        log.warning("stale page served from cache: %s", type(error).__name__)
        return older
    except ShopError:
        cache.drop(key)
        raise
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:20]}"'
    rendered = CachedPage(body, content_type, etag, clock.now().timestamp(), time.monotonic() - began)
    cache.put(key, rendered)
    return rendered


def permanent_redirect(address: str) -> Response:
    """Redirect to a page's new address. Cached no longer than pages are: addresses may come back."""
    headers: dict[str, str | list[str]] = {
        "Location": address,
        "Content-Type": HTML,
        "Cache-Control": f"public, max-age={settings.shop.page_seconds}",
    }
    return Response("", headers, 301)
