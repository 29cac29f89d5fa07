"""The headers that protect every page of shop and staff."""

from typing import Any

from chalicelib.config import settings
from chalicelib.web.urls import origin


def security_headers() -> dict[str, Any]:
    """Return the headers that protect every page. `form-action` names PayPal, because posts are redirected there."""
    headers = {
        "Content-Security-Policy": content_policy(forms_go_to=settings.paypal_web_url),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
    if settings.secure_cookies:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def content_policy(*, forms_go_to: str | None = None, uploads_to: str | None = None) -> str:
    """Return a Content-Security-Policy: only the shop's own resources, and the addresses that forms or uploads go to.

    `connect-src 'self'` is for robots.txt and pages, for the tools of browsers and for prefetching.
    """
    files = origin(uploads_to) if uploads_to else ""
    policy = {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "img-src": f"'self' {origin(settings.media_url) if settings.media_url else ''}",
        "connect-src": f"'self' {files}",
        "form-action": f"'self' {origin(forms_go_to) if forms_go_to else files}",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in policy.items())
