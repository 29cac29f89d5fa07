"""A message for the next page, in a cookie that lasts a minute: pages share no other state between two requests."""

import base64
import binascii
from dataclasses import dataclass

from chalice.app import Request

from chalicelib.web import http_request
from chalicelib.web.responses import set_cookie_header

SECONDS = 60
MAX_LENGTH = 500  # characters


@dataclass(frozen=True)
class Flash:
    """The cookie's name, and the pages it is for."""

    name: str
    path: str = ""
    same_site: str = "Lax"

    def cookie(self, text: str) -> str:
        """Return the Set-Cookie value that shows a text once; a longer text is cut."""
        value = base64.urlsafe_b64encode(text[:MAX_LENGTH].encode()).decode()
        return self._cookie(value, SECONDS)

    def expired(self) -> str:
        """Return the Set-Cookie value that removes the message."""
        return self._cookie("", 0)

    def read(self, request: Request | None) -> str:
        """Return the message to show; "" if there is none, or if the shop did not write it."""
        value = http_request.cookies(request).get(self.name, "") if request is not None else ""
        try:
            return base64.b64decode(value, altchars=b"-_", validate=True).decode()[:MAX_LENGTH]
        except (binascii.Error, ValueError):
            return ""

    def _cookie(self, value: str, seconds: int) -> str:
        return set_cookie_header(self.name, value, max_age=seconds, path=self.path, same_site=self.same_site)
