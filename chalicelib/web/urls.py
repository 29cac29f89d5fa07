"""The shop's URLs: pages, absolute ones, static files."""

import hashlib
from functools import cache
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from chalicelib.web import http_request

STATIC = Path(__file__).with_name("static")
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def url(path: str, **query: str | None) -> str:
    """Return an address within the shop: the path prefix, the path, and the parameters that are not None."""
    parameters = {name: value for name, value in query.items() if value is not None}
    return http_request.base_path() + path + ("?" + urlencode(parameters) if parameters else "")


def origin(address: str) -> str:
    """Return scheme and host of an address, in lower case, as Origin headers and content policies name them."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()


def absolute_url(path: str) -> str:
    """Return an address that works outside the shop: in an email, at PayPal."""
    return http_request.base_url() + path


@cache
def static_files() -> dict[str, Path]:
    """Map hashed names, such as shop.0123456789ab.css, to the files."""
    files = sorted(file for file in STATIC.iterdir() if file.suffix in CONTENT_TYPES)
    return {
        f"{file.stem}.{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}{file.suffix}": file
        for file in files
    }


@cache
def _hashed_names() -> dict[str, str]:
    return {file.name: hashed for hashed, file in static_files().items()}


def static_url(name: str) -> str:
    """Return the address of a static file, content hash included. Raises KeyError for an unknown name."""
    return url(f"/static/{_hashed_names()[name]}")
