"""The cart's pages, and the product page if a product cannot be added."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from chalice.app import Request, Response

from chalicelib import clock, money
from chalicelib.cart import service, sessions
from chalicelib.cart.sessions import COUNT_COOKIE, Session
from chalicelib.catalog.models import MAX_QUANTITY_PER_LINE
from chalicelib.catalog.offers import find_slug
from chalicelib.catalog.product_details import product_view
from chalicelib.catalog.routes import product_values
from chalicelib.config import ShippingZone, settings
from chalicelib.errors import BadInput, NotFound, OutOfStock, ShopError
from chalicelib.shop_settings import delivery, taxes
from chalicelib.shop_settings.delivery import DELIVERY
from chalicelib.shop_settings.taxes import TAXES
from chalicelib.taxes.rules import Mode, TaxRules
from chalicelib.web import http_request
from chalicelib.web.flash import Flash
from chalicelib.web.forms import Form, read_form
from chalicelib.web.responses import html_response, redirect
from chalicelib.web.router import Routes
from chalicelib.web.templates import context_processor, render
from chalicelib.web.urls import url

routes = Routes(__name__)
# Characters that API Gateway, CloudFront and browsers leave unchanged in a path; other SKUs are sent in the
# form.
_PLAIN_SKU = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
FLASH = Flash("said")
FLASH_MESSAGES = {
    "added": ("good", "{} was added to your cart."),
    "changed": ("good", "Quantity of {} updated."),
    "removed": ("good", "Removed from your cart."),
    "left": (
        "wait",
        "You returned from PayPal without paying. You haven’t been charged, and your cart is unchanged.",
    ),
}


@context_processor
def cart_count(request: Request) -> Mapping[str, Any]:
    """Return the badge's count from the visitor's own cookie, without a read."""
    count = http_request.cookies(request).get(COUNT_COOKIE, "")
    return {"cart_count": int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0}


@routes.get("/cart")
def show(request: Request) -> Response:
    """Show the cart."""
    return _cart_page(request, sessions.load(request, DELIVERY, TAXES))


@routes.post("/cart/lines")
def add(request: Request) -> Response:
    """Add a product to the cart."""
    form = read_form(request)
    sku = form.text("sku")
    try:
        quantity = form.whole_number("quantity", "the quantity")
        session = service.add_line(sessions.session_id_of(request), sku, quantity)
    except (BadInput, NotFound, OutOfStock) as refusal:
        return _product_page(request, form, refusal)
    return redirect(url("/cart"), [*session.cookies(), flash_cookie("added", sku)])


@routes.post("/cart/lines/{sku}")
def change(request: Request, sku: str) -> Response:
    """Change a line's quantity; 0 removes it. The form's SKU takes precedence over the address's."""
    form = read_form(request)
    sku = form.text("sku") or unquote(sku)
    try:
        quantity = form.whole_number("quantity", "the quantity")
        session = service.set_quantity(sessions.session_id_of(request), sku, quantity)
    except (BadInput, NotFound, OutOfStock) as refusal:
        return _cart_page(request, sessions.load(request, DELIVERY, TAXES), refusal, sku)
    return redirect(
        url("/cart"), [*session.cookies(), flash_cookie("changed" if quantity else "removed", sku)]
    )


@routes.post("/cart/country")
def choose_country(request: Request) -> Response:
    """Keep where the cart is to be sent, by which its total is shown."""
    from chalicelib.cart import destinations  # no visit begins here

    form = read_form(request)
    session = sessions.load(request, DELIVERY, TAXES)
    if session.cart is None:
        return redirect(url("/cart"))  # no cookie before the first item
    try:
        destination = destinations.read_destination(form.values, delivery.current().countries)
    except BadInput as refusal:
        return _cart_page(request, session, refusal, typed={"country": "", "postal_code": "", **form.values})
    destinations.save_destination(session, destination)
    return redirect(url("/cart"), session.cookies())


def _product_page(request: Request, form: Form, refusal: ShopError) -> Response:
    """Show the product page again, with why the product was not added and how many are available."""
    sku, slug, asked = form.text("sku"), form.text("product"), 1
    with suppress(BadInput):
        asked = form.whole_number("quantity", "the quantity")
    session = sessions.load(request)
    try:
        product = product_view(find_slug(sku) or slug)
    except NotFound:
        raise refusal from None  # the product page does not exist either
    in_cart = session.quantity_of(sku)
    variant = next((variant for variant in product.variants if variant.sku == sku), None)
    available = variant.available + session.reserved_quantity(sku) if variant else MAX_QUANTITY_PER_LINE
    left = min(MAX_QUANTITY_PER_LINE, available) - in_cart
    values = {
        **product_values(product, variant),
        "problem": refusal.message
        if variant
        else "This option is no longer available. Please choose another.",
        "in_cart": in_cart,
        "quantity": max(1, min(asked, left)),
    }
    body = render("catalog/product.html", **values, cart_count=session.item_count)
    return html_response(body, refusal.status, session.cookies() if session.cart is not None else None)


def _cart_page(
    request: Request,
    session: Session,
    refusal: ShopError | None = None,
    refused: str = "",
    typed: Mapping[str, str] | None = None,
) -> Response:
    """Render the cart's page; `refusal` says why something was not changed.

    `refused` is the SKU whose quantity it was, or `typed` the destination's form.
    """
    lines = service.get_lines(session)
    beside_line = any(line.sku == refused and line.max_quantity for line in lines)
    summary = _summary(session, [line for line in lines if line.max_quantity]) if lines else {}
    prices = summary.get("prices", {})
    had_cookie = sessions.session_id_of(request) is not None
    body = render(
        "cart/cart.html",
        **(summary if typed is None else {**summary, "destination": typed}),
        lines=[_view(line, refusal if line.sku == refused else None, prices.get(line.sku)) for line in lines],
        destination_problem=refusal.message if refusal and typed is not None else "",
        can_checkout=bool(lines) and all(line.sellable for line in lines) and not summary["unserved"],
        status=_read_flash(request, lines),
        problem=refusal.message if refusal and typed is None and not beside_line else None,
        cookie_missing=not had_cookie,
        came_from_shop=_came_from_shop(request),
        cart_count=session.item_count,
    )
    cookies = session.cookies() if session.cart is not None or had_cookie else []
    if FLASH.name in http_request.cookies(request):
        cookies.append(FLASH.expired())
    return html_response(body, refusal.status if refusal else 200, cookies)


def _summary(session: Session, lines: list[service.CartLine]) -> dict[str, Any]:
    """Return what lines cost where they are to be sent, if that is known, or why they cannot be sent there."""
    # A visit begins with a page that needs no taxes.
    from chalicelib.cart import destinations
    from chalicelib.cart.totals import price_lines, sold_lines, totals_of, totals_view
    from chalicelib.taxes.assessment import CannotBeServed

    zones, rules = delivery.current(), taxes.current()
    destination = destinations.find_destination(session, zones.countries)
    items_total = sum(line.total for line in lines)
    totals, unserved = None, ""
    if destination is not None and lines:
        try:
            totals = totals_of(price_lines(lines), destination, zones, rules, clock.today())
        except CannotBeServed as refusal:
            unserved = str(refusal)
    skus = [line.sku for line in sold_lines(lines)]
    return {
        "items_total": items_total,
        "totals": totals and totals_view(totals, rules),
        "prices": dict(zip(skus, totals.assessment.prices, strict=True)) if totals else {},
        "price_hint": _price_hint(rules),
        "shipping_hint": shipping_hint(items_total, zones.zones[0]),
        "countries": zones.countries_by_name,
        "destination": {
            "country": destination.country if destination else next(iter(zones.countries)),
            "postal_code": destination.postal_code if destination else "",
        },
        "unserved": unserved,
    }


def _price_hint(rules: TaxRules) -> str:
    """Return what prices are without, or with."""
    if rules.mode is Mode.US:
        return "Prices don’t include sales tax."
    return rules.note if rules.mode is Mode.NONE else "Prices include VAT."


def _came_from_shop(request: Request) -> bool:
    """Return whether the previous page is one that adds to a cart or orders it.

    Browsers send that page's address through redirects, too, without cookies and scripts.
    """
    before = urlsplit(http_request.header(request, "referer"))
    places = tuple(url(path) for path in ("/products/", "/cart", "/checkout"))
    return before.netloc == urlsplit(http_request.base_url()).netloc and before.path.startswith(places)


def _view(line: service.CartLine, refusal: ShopError | None, charged: int | None) -> dict[str, Any]:
    """Return a line's values for templates; if its quantity was refused, with the reason and what is available.

    `charged` is its price where it is sent, None if that is not known. Where it is not the catalog's, nothing is struck out.
    """
    offer = line.offer
    listed = offer.price if offer else 0
    price = listed if charged is None else charged
    return {
        "sku": line.sku,
        "is_in_path": _PLAIN_SKU.fullmatch(line.sku) is not None,
        "slug": offer.slug if offer else "",
        "name": offer.name if offer else "Unavailable item",
        "label": offer.label if offer else "",
        "picture": offer.picture_key if offer else None,
        "alt": offer.alt if offer else "",
        "quantity": line.quantity,
        "price": price,
        "was": offer.was if offer and price == listed else None,
        "total": price * line.quantity,
        "notes": line.notes,
        "sellable": line.sellable,
        "max_quantity": line.max_quantity,
        "problem": refusal.message if refusal else "",
        "typed": line.max_quantity if isinstance(refusal, OutOfStock) else line.quantity,
    }


def shipping_hint(items_total: int, zone: ShippingZone) -> str:
    """Return what shipping costs in a zone, before an address is known."""
    if zone.free_from is not None and items_total >= zone.free_from:
        return f"Shipping ({zone.name}): free."
    rate = money.format_money(zone.rate, settings.currency)
    free = (
        f", free for orders of {money.format_money(zone.free_from, settings.currency)} or more"
        if zone.free_from is not None
        else ""
    )
    return f"Shipping ({zone.name}): {rate}{free}."


def flash_cookie(what: str, sku: str = "") -> str:
    """Return the cookie with the next cart page's message: a name of `FLASH_MESSAGES`, a dot, a SKU."""
    return FLASH.cookie(f"{what}.{sku}")


def _read_flash(request: Request, lines: list[service.CartLine]) -> dict[str, str] | None:
    what, _, sku = FLASH.read(request).partition(".")
    names = {line.sku: line.offer.quoted_name for line in lines if line.offer}
    tone, text = FLASH_MESSAGES.get(what, ("", ""))
    if not text or ("{}" in text and sku not in names):
        return None
    return {"tone": tone, "text": text.format(names.get(sku))}
