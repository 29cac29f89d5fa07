"""The cart's pages."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from chalice.app import Request, Response

from chalicelib import money
from chalicelib.cart import service, sessions
from chalicelib.cart.sessions import BADGE, Session
from chalicelib.config import settings
from chalicelib.errors import BadInput, OutOfStock
from chalicelib.web import requests
from chalicelib.web.forms import read_form
from chalicelib.web.pages import context_processor, cookie, page, redirect, render, url
from chalicelib.web.routing import Routes

routes = Routes(__name__)
# What API Gateway, CloudFront and browsers leave alone in a path; others travel in the form.
_PLAIN_SKU = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
SAID = "said"  # what the next cart page says: a cookie of a minute, since the pages keep no other state
SAYINGS = {
    "added": "{} is in your cart.",
    "changed": "The quantity of {} is changed.",
    "removed": "It is out of your cart.",
    "left": "You came back from PayPal without paying. Nothing was charged, and your cart is as it was.",
}


@context_processor
def cart_count(request: Request) -> Mapping[str, Any]:
    """Feed the badge, from the visitor's own cookie: no read."""
    count = requests.cookies(request).get(BADGE, "")
    return {"cart_count": int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0}


@routes.get("/cart")
def show(request: Request) -> Response:
    """Show the cart."""
    session = sessions.load(request)
    return _cart_page(request, session)


@routes.post("/cart/lines")
def add(request: Request) -> Response:
    """Put something into the cart."""
    form = read_form(request)
    sku, quantity = form.text("sku"), form.whole_number("quantity", "the quantity")
    try:
        session = service.add_line(sessions.session_id_of(request), sku, quantity)
    except (BadInput, OutOfStock) as refusal:
        return _cart_page(request, sessions.load(request), problem=refusal.message, status=refusal.status)
    return redirect(url("/cart"), [*session.cookies(), say("added", sku)])


@routes.post("/cart/lines/{sku}")
def change(request: Request, sku: str) -> Response:
    """Change a line's quantity; 0 removes it. The form's SKU goes before that of the address."""
    form = read_form(request)
    sku = form.text("sku") or unquote(sku)
    quantity = form.whole_number("quantity", "the quantity")
    try:
        session = service.set_quantity(sessions.session_id_of(request), sku, quantity)
    except (BadInput, OutOfStock) as refusal:
        return _cart_page(request, sessions.load(request), problem=refusal.message, status=refusal.status)
    return redirect(url("/cart"), [*session.cookies(), say("changed" if quantity else "removed", sku)])


def _cart_page(request: Request, session: Session, problem: str | None = None, status: int = 200) -> Response:
    lines = service.look(session)
    items_total = sum(line.total for line in lines if line.most)
    body = render(
        "cart/cart.html",
        lines=[_view(line) for line in lines],
        items_total=items_total,
        shipping_hint=shipping_hint(items_total),
        can_checkout=bool(lines) and all(line.sellable for line in lines),
        status=_said(request, lines),
        problem=problem,
        cart_count=session.pieces,
    )
    had_cookie = sessions.session_id_of(request) is not None
    cookies = session.cookies() if session.cart is not None or had_cookie else []
    if SAID in requests.cookies(request):
        cookies.append(cookie(SAID, "", max_age=0))
    return page(body, status, cookies)


def _view(line: service.CartLine) -> dict[str, Any]:
    offer = line.offer
    return {
        "sku": line.sku,
        "is_in_path": _PLAIN_SKU.fullmatch(line.sku) is not None,
        "slug": offer.slug if offer else "",
        "name": offer.name if offer else "Something we sold before",
        "label": offer.label if offer else "",
        "picture": offer.picture_key if offer else None,
        "alt": offer.alt if offer else "",
        "quantity": line.quantity,
        "price": offer.price if offer else 0,
        "was": offer.was if offer else None,
        "total": line.total,
        "notes": line.notes,
        "sellable": line.sellable,
        "most": line.most,
    }


def shipping_hint(items_total: int) -> str:
    """Say what shipping costs in the first country, before an address is known."""
    zone = settings.shop.zones[0]
    if zone.free_from is not None and items_total >= zone.free_from:
        return f"Shipping ({zone.name}) is free."
    rate = money.spoken(zone.rate, settings.currency)
    free = (
        f", free from {money.spoken(zone.free_from, settings.currency)}" if zone.free_from is not None else ""
    )
    return f"Shipping ({zone.name}) {rate}{free}."


def say(what: str, sku: str = "") -> str:
    """Make the cookie of what the next cart page says: a name of `SAYINGS`, a dot, a SKU."""
    return cookie(SAID, f"{what}.{quote(sku, safe='')}", max_age=60)


def _said(request: Request, lines: list[service.CartLine]) -> str | None:
    what, _, sku = requests.cookies(request).get(SAID, "").partition(".")
    names = {quote(line.sku, safe=""): f"“{line.offer.name}”" for line in lines if line.offer}
    if what not in SAYINGS or ("{}" in SAYINGS[what] and sku not in names):
        return None
    return SAYINGS[what].format(names.get(sku))
