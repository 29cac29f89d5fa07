"""Addresses that belong to no feature: static files, legal pages, health, and everything else."""

from chalice.app import Request, Response
from jinja2 import TemplateNotFound
from markupsafe import Markup

from chalicelib.errors import MethodNotAllowed, NotFound
from chalicelib.web.page_cache import public_page
from chalicelib.web.router import Routes, unknown_pages
from chalicelib.web.templates import render_public
from chalicelib.web.urls import CONTENT_TYPES, STATIC, absolute_url, static_files

routes = Routes(__name__)
LEGAL_PAGES = {"imprint": "Imprint", "terms": "Terms", "privacy": "Privacy", "returns": "Returns"}
LOGO = STATIC / "logo.svg"
DAY_SECONDS = 24 * 60 * 60
YEAR_SECONDS = 365 * 24 * 60 * 60


@routes.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    """Send a static file. Its name contains a hash of its content, so that it can be cached forever."""
    file = static_files().get(name)
    if file is None:
        raise NotFound("We couldn’t find this file.")
    headers: dict[str, str | list[str]] = {
        "Content-Type": CONTENT_TYPES[file.suffix],
        "Cache-Control": f"public, max-age={YEAR_SECONDS}, immutable",
    }
    return Response(file.read_text(encoding="utf-8"), headers)


@routes.get("/favicon.ico")
def favicon(request: Request) -> Response:
    """Send the favicon to browsers that request it here, not from a page's head."""
    headers: dict[str, str | list[str]] = {
        "Content-Type": CONTENT_TYPES[".svg"],
        "Cache-Control": f"public, max-age={DAY_SECONDS}",
    }
    return Response(LOGO.read_text(encoding="utf-8"), headers)


@routes.get("/pages/{name}")
def legal_page(request: Request, name: str) -> Response:
    """Show one of the texts that the merchant fills in, templates/pages/."""
    title = LEGAL_PAGES.get(name)
    if title is None:
        raise NotFound("We couldn’t find this page.")
    return public_page(request, ("pages", name), lambda: _render_legal_page(name, title))


def _render_legal_page(name: str, title: str) -> str:
    try:
        body = render_public(f"pages/{name}.html")
    except TemplateNotFound as error:
        raise NotFound("We couldn’t find this page.") from error
    escaped = Markup(body)  # noqa: S704 - rendered by Jinja
    return render_public(
        "pages/legal_layout.html", title=title, body=escaped, canonical=absolute_url(f"/pages/{name}")
    )


@routes.get("/health")
def health(request: Request) -> Response:
    """Answer that the shop is up, without calling any service."""
    return Response("ok", {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"})


@routes.any("/{proxy+}")
def not_found(request: Request) -> Response:
    """Answer every other address. Chalice passes {proxy+} to no view."""
    if request.method in ("GET", "HEAD"):
        path = "/" + (request.uri_params or {}).get("proxy", "")
        for beginning, view in unknown_pages.items():
            if path.startswith(beginning):
                return view(request)
        raise NotFound("This page doesn’t exist or has been removed.")
    raise MethodNotAllowed("Please go back and use the buttons on the page.")
