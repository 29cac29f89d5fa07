"""The filter above the list of orders, and the orders selected in it. Both are in the address."""

import re
from dataclasses import dataclass
from datetime import date

from chalice.app import Request

from chalicelib import ids
from chalicelib.cleaning import clean_line
from chalicelib.errors import BadInput
from chalicelib.mail.addresses import BadAddress, normalize
from chalicelib.orders.search.order_list import OrderFilter
from chalicelib.orders.views.staff_view import STATE_LABELS
from chalicelib.web.http_request import query

MAX_QUERY_LENGTH = 200
MAX_SELECTED = 100
PICK = "pick-"
_AFTER = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z#[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class OrderListQuery:
    """A filter as it was entered, its meaning, and its errors by field."""

    typed: dict[str, str]
    errors: dict[str, str]
    selection: OrderFilter
    after: str | None

    @property
    def text(self) -> str:
        """Return the search text; empty for a plain list."""
        return " ".join(_normalized(word) if "@" in word else word for word in self.typed["q"].split())

    @property
    def address(self) -> dict[str, str | None]:
        """Return the parameters that show the same list again, from the beginning."""
        return {name: value or None for name, value in self.typed.items()}


def read_question(request: Request) -> OrderListQuery:
    """Parse the filter in an address. Raises BadInput for what no form of ours sends."""
    form_data = {name: clean_line(query(request, name) or "") for name in ("q", "state", "day", "until")}
    after = query(request, "after")
    if form_data["state"] and form_data["state"] not in STATE_LABELS:
        raise BadInput("This order status doesn’t exist.")
    if after is not None and not _AFTER.fullmatch(after):
        raise BadInput("This page doesn’t exist. Please start again from the first page.")
    errors: dict[str, str] = {}
    first, last = (_day(form_data[name], name, errors) for name in ("day", "until"))
    if first and last and last < first:
        errors["until"] = "The end date can’t be before the start date."
    if last and not first and "day" not in errors:
        errors["day"] = "Please enter a start date."
    if len(form_data["q"]) > MAX_QUERY_LENGTH:
        errors["q"] = f"Please use at most {MAX_QUERY_LENGTH} characters."
    selection = OrderFilter(form_data["state"] or None, first, last or first)
    return OrderListQuery(form_data, errors, selection, after)


def selected_order_ids(request: Request) -> list[str]:
    """List the IDs of the selected orders. Raises BadInput for too many."""
    names = [str(name) for name in request.query_params or {}]
    found = [name.removeprefix(PICK) for name in names if name.startswith(PICK)]
    if len(found) > MAX_SELECTED:
        raise BadInput(f"Please select at most {MAX_SELECTED} orders at a time.")
    return [order_id for order_id in found if ids.is_id(order_id)]


def _normalized(word: str) -> str:
    """Return an email address as orders store it; the beginning of an address is unchanged."""
    try:
        return normalize(word)
    except BadAddress:
        return word


def _day(form_data: str, name: str, errors: dict[str, str]) -> date | None:
    if not form_data:
        return None
    try:
        if not re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", form_data, re.ASCII):
            raise ValueError(form_data)
        return date.fromisoformat(form_data)
    except ValueError:
        errors[name] = "Please enter a date such as 2026-11-22."
        return None
