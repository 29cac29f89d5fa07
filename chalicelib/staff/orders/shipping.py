"""Ship one order from its page, or several together, each with its own carrier, number and result."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from chalice.app import Request, Response

from chalicelib.cleaning import clean_line, find_control_character
from chalicelib.config import settings
from chalicelib.database.reads import batch_get
from chalicelib.errors import ShopError
from chalicelib.orders.delivery.parcels import clean_tracking_number
from chalicelib.orders.models import Order
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.staff.orders import order_actions
from chalicelib.staff.orders.order_actions import Parcel
from chalicelib.staff.orders.order_filter import MAX_SELECTED, selected_order_ids
from chalicelib.web.forms import read_form

MAX_LENGTHS = {"carrier": 40, "tracking": 60, "link": 500}
_TRACKING = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./_-]*", re.ASCII)
_LINK = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]+)?([/?#][A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]*)?", re.ASCII)
_HOST = re.compile(r"(https://)([^/?#:@\s]+)")
_NOT_IN_A_LINK = re.compile(r"[|{}'^`]|[^\x00-\xa0]")
_SCHEME = re.compile("^https:", re.IGNORECASE)
_ROW = re.compile(r"(carrier|tracking|link)-([0-9a-f]{32})", re.ASCII)


def shipping_form(request: Request, member: StaffMember) -> Response:
    """Ask for carrier and tracking number of every selected order."""
    order_ids = selected_order_ids(request)
    if not order_ids:
        return layout.redirect_with_notice("/staff/orders", "Please select the orders to ship.")
    return _page(member, _read(order_ids), {}, {})


def ship_several(request: Request, member: StaffMember) -> Response:
    """Mark orders as shipped, independently of each other; show again those that could not be."""
    posted = read_form(
        request, most_fields=len(MAX_LENGTHS) * (MAX_SELECTED + 1), most_bytes=256 * 1024
    ).values
    order_ids = list(dict.fromkeys(match[2] for name in posted if (match := _ROW.fullmatch(name))))
    shipped, errors = [], {}
    orders = _read(order_ids[:MAX_SELECTED])
    for order in orders:
        parcel, wrong = parse_parcel(posted, f"-{order.id}", posted.get("carrier", ""))
        if not wrong:
            wrong = _ship(order, parcel, member)
        if wrong:
            errors[order.id] = wrong
        else:
            shipped.append(order)
    if not errors:
        return layout.redirect_with_notice("/staff/orders", _format_shipped(shipped))
    return _page(member, [order for order in orders if order.id in errors], dict(posted), errors, shipped)


def parse_parcel(
    posted: Mapping[str, str], ending: str = "", carrier: str = ""
) -> tuple[Parcel, dict[str, str]]:
    """Parse a parcel's fields, whose names have this ending; `carrier` is used if the parcel has none of its own."""
    values = {name: clean_line(posted.get(name + ending, "")) for name in MAX_LENGTHS}
    values["tracking"] = clean_tracking_number(values["tracking"])
    values["link"] = encode_link(_SCHEME.sub("https:", values["link"]))
    values["carrier"] = values["carrier"] or clean_line(carrier)
    errors = {name: message for name in MAX_LENGTHS if (message := _validate_field(name, values[name]))}
    return Parcel(**values), errors


def _validate_field(name: str, value: str) -> str | None:
    if len(value) > MAX_LENGTHS[name]:
        return f"Please shorten this to {MAX_LENGTHS[name]} characters."
    if name == "carrier":
        if not value:
            return "Please enter a carrier."
        control = find_control_character(value)
        return f"Please remove the control character {control}." if control else None
    if name == "tracking" and value and not _TRACKING.fullmatch(value):
        return "Please enter the number as it is on the label: letters, digits, spaces and hyphens."
    if name == "link" and value and not is_link(value):
        return "Please enter the whole link, beginning with https://, or leave it out."
    return None


def encode_link(link: str) -> str:
    """Return a link in ASCII, as a browser sends it: its host in IDNA, other letters and `|{}'` percent-encoded."""
    found = _HOST.match(link)
    if found is None:
        return link
    host = found[2]
    if not host.isascii():
        import idna  # here: it has large tables, which pages without a form do not need

        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return link
    return found[1] + host + _NOT_IN_A_LINK.sub(lambda each: quote(each[0]), link[found.end() :])


def is_link(value: str) -> bool:
    """Return whether a text is an https address that may be shown on a page and in an email."""
    try:
        host = urlsplit(value).hostname or ""
    except ValueError:
        return False
    return bool(_LINK.fullmatch(value)) and "." in host.strip(".")


def carrier_names() -> list[str]:
    """List the carriers that staff choose from; others may be entered."""
    return [carrier.name for carrier in settings.shop.carriers]


def _ship(order: Order, parcel: Parcel, member: StaffMember) -> dict[str, str]:
    """Ship one order; return its errors, which do not prevent the others from being shipped."""
    try:
        order_actions.ship(order.id, parcel, member.email, audit_log.writer_for(member, "marked as shipped"))
    except ShopError as refusal:
        return {"carrier": refusal.message}
    return {}


def _read(order_ids: list[str]) -> list[Order]:
    found = batch_get({Order: order_ids})[Order]
    return [found[order_id] for order_id in order_ids if order_id in found]


def _format_shipped(shipped: list[Order]) -> str:
    if not shipped:
        return "No orders to ship."
    numbers = ", ".join(order.number for order in shipped)
    return f"Marked as shipped, and the customers emailed: {numbers}."


def _page(
    member: StaffMember,
    orders: list[Order],
    form_data: dict[str, str],
    errors: dict[str, dict[str, str]],
    shipped: list[Order] | None = None,
) -> Response:
    rows = [_row(order, form_data, errors.get(order.id, {})) for order in orders]
    return layout.render_page(
        member,
        "staff/orders/ship.html",
        400 if errors else 200,
        rows=[row for row in rows if row["can"]],
        others=[row for row in rows if not row["can"]],
        carrier=form_data.get("carrier", ""),
        carriers=carrier_names(),
        longest=MAX_LENGTHS,
        shipped=_format_shipped(shipped) if shipped else "",
        wrong=bool(errors),
    )


def _row(order: Order, form_data: Mapping[str, str], errors: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": order.id,
        "number": order.number,
        "name": order.customer.get("name", ""),
        "town": order.customer.get("city", ""),
        "units": sum(order.unreturned_quantities.values()),
        "can": order.awaits_shipping,
        "why_not": order_actions.why_unshippable(order),
        "gone_back": order.refunded_or_reversed,
        "currency": order.currency,
        "typed": {name: form_data.get(f"{name}-{order.id}", "") for name in MAX_LENGTHS},
        "errors": errors,
    }
