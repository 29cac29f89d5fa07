"""Rendered pages that are the same bytes for everybody, kept for some seconds in a warm process."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from chalice.app import Request, Response

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.web import requests
from chalicelib.web.pages import HTML

MOST_BYTES = 24 * 1024 * 1024


@dataclass(frozen=True)
class Rendered:
    """A page as it is sent."""

    body: str
    content_type: str
    etag: str
    made_at: float


class PageCache:
    """A bounded LRU of rendered pages."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._pages: OrderedDict[tuple[str, ...], Rendered] = OrderedDict()
        self._bytes = 0
        self._most_bytes = most_bytes
        self._lock = threading.Lock()  # the local server answers in threads; Lambda has one

    def get(self, key: tuple[str, ...]) -> Rendered | None:
        """Return a page that is young enough."""
        with self._lock:
            found = self._pages.get(key)
            if found is None or clock.now().timestamp() - found.made_at >= settings.shop.page_seconds:
                return None
            self._pages.move_to_end(key)
            return found

    def put(self, key: tuple[str, ...], rendered: Rendered) -> None:
        """Keep a page, and drop the ones longest unused beyond the bound."""
        with self._lock:
            old = self._pages.pop(key, None)
            self._bytes += len(rendered.body) - (len(old.body) if old else 0)
            self._pages[key] = rendered
            while self._bytes > self._most_bytes:
                _, dropped = self._pages.popitem(last=False)
                self._bytes -= len(dropped.body)

    def clear(self) -> None:
        """Forget everything: what was changed in this process is to be seen at once."""
        with self._lock:
            self._pages.clear()
            self._bytes = 0


cache = PageCache()


def public_page(
    request: Request, key: tuple[str, ...], make: Callable[[], str], content_type: str = HTML
) -> Response:
    """Answer with a page that is the same for everybody: from memory, or made now; 304 to who has it already.

    `key` names the page: its path and the parameters it knows. Unknown parameters never reach it.
    """
    key = (requests.base_url(), *key)
    rendered = cache.get(key)
    if rendered is None:
        body = make()
        etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:20]}"'
        rendered = Rendered(body, content_type, etag, clock.now().timestamp())
        cache.put(key, rendered)
    headers: dict[str, str | list[str]] = {
        "Content-Type": rendered.content_type,
        "Cache-Control": f"public, max-age={settings.shop.page_seconds}",
        "ETag": rendered.etag,
    }
    known = requests.header(request, "if-none-match").split(",")
    if {rendered.etag, "*"} & {tag.strip().removeprefix("W/") for tag in known}:
        return Response("", headers, 304)
    return Response(rendered.body, headers, 200)


def moved_page(address: str) -> Response:
    """Answer that a page has another address now. Kept no longer than pages are: addresses may come back."""
    headers: dict[str, str | list[str]] = {
        "Location": address,
        "Content-Type": HTML,
        "Cache-Control": f"public, max-age={settings.shop.page_seconds}",
    }
    return Response("", headers, 301)
