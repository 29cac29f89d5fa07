"""The current request, and what may be read from it. No feature reads raw events."""

import hmac
from collections.abc import Mapping
from contextvars import ContextVar
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from chalice.app import Request

from chalicelib.config import settings
from chalicelib.errors import BadInput

SECRET_HEADER = "x-origin-secret"  # noqa: S105 - the header's name; only our own proxies know the value
_current: ContextVar[Request | None] = ContextVar("request", default=None)


def set_current(request: Request | None) -> None:
    """Store the request that this thread answers."""
    _current.set(request)


def current() -> Request | None:
    """Return the current request; None outside of one, as in a queue's function."""
    return _current.get()


def header(request: Request, name: str) -> str:
    """Return a header; "" if it is missing."""
    return str(request.headers.get(name) or "")


def is_prefetch(request: Request) -> bool:
    """Return whether a request is a HEAD or a browser's prefetch, so that nobody is waiting for the page."""
    return request.method == "HEAD" or bool(header(request, "sec-purpose"))


def client_ip(request: Request) -> str:
    """Return the IP address that a request comes from, "" if unknown; of an IPv6 address the /64 network.

    It is the address that API Gateway reports. If our own proxies are in front (PROXIES), API Gateway sees only
    the last of them, and each has added its client to X-Forwarded-For; entries further left were written by the
    visitor. Requests that bypass the proxies could forge the whole header, but lack the secret that the last
    proxy adds.
    """
    text = str(request.context.get("identity", {}).get("sourceIp") or "")
    if settings.proxies and _came_through_proxies(request):
        hops = [hop.strip() for hop in header(request, "x-forwarded-for").split(",")]
        text = hops[-1 - settings.proxies] if len(hops) > settings.proxies else ""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False))
    return text


def _came_through_proxies(request: Request) -> bool:
    sent, secret = (
        text.encode("utf-8", "replace") for text in (header(request, SECRET_HEADER), settings.origin_secret)
    )
    return bool(secret) and hmac.compare_digest(sent, secret)


def cookies(request: Request) -> dict[str, str]:
    """Return the cookies.

    Malformed ones are skipped; of two with one name the first counts: browsers send the nearest first.
    """
    found: dict[str, str] = {}
    for part in header(request, "cookie").split(";"):
        name, equals, value = part.strip().partition("=")
        if equals and name not in found:
            found[name] = value.strip('"')
    return found


def query(request: Request, name: str) -> str | None:
    """Return a query parameter. Raises BadInput if it is given twice."""
    parameters: Mapping[str, Any] = request.query_params or {}
    if name not in parameters:
        return None
    values = request.query_params.getlist(name) if request.query_params is not None else []
    if len(values) > 1:
        raise BadInput(f"The link contains “{name}” more than once.")
    return str(values[0])


def path(request: Request) -> str:
    """Return the requested path, without the shop's prefix. Chalice's own has names in place of parameters."""
    filled = str(request.path)
    for name, value in (request.uri_params or {}).items():
        filled = filled.replace(f"{{{name}}}", quote(str(value), safe=""))
    return filled


def current_url(request: Request) -> str:
    """Return the requested address within the shop: prefix, path and parameters."""
    parameters = request.query_params
    pairs = [(name, value) for name in parameters for value in parameters.getlist(name)] if parameters else []
    return base_path() + path(request) + ("?" + urlencode(pairs) if pairs else "")


def base_url() -> str:
    """Return the shop's own address, path prefix included, without a trailing slash.

    It is PUBLIC_URL; if that is unset, API Gateway's own address of the current request, stage included.
    """
    if settings.public_url:
        return settings.public_url
    request = current()
    if request is None:
        raise RuntimeError("PUBLIC_URL is not set, and there is no request to derive the shop's URL from")
    context = request.context
    return f"https://{context['domainName']}{_stage_prefix(context)}"


def base_path() -> str:
    """Return the path that every address of the shop begins with: "", or for example "/api"."""
    return urlsplit(base_url()).path


def _stage_prefix(context: Mapping[str, Any]) -> str:
    # With a stage, requestContext.path is the stage and the resource's path with its parameters filled in.
    segments = [segment for segment in str(context.get("path", "")).split("/") if segment]
    resource = [segment for segment in str(context.get("resourcePath", "")).split("/") if segment]
    stage = str(context.get("stage", ""))
    if segments and segments[0] == stage and (len(segments) > len(resource) or "{proxy+}" in resource):
        return f"/{stage}"
    return ""
