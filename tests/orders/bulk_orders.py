"""Thousands of orders in a moment: rows as the shop writes them, put there in batches."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.database.connection import shared_connection
from chalicelib.database.transactions import Transaction
from chalicelib.orders.base import OrderLine
from chalicelib.orders.enums import IssueKind
from chalicelib.orders.indexes import shard_of
from chalicelib.orders.models import Order
from chalicelib.orders.repository import new_order, update_order
from chalicelib.orders.search.search_index import OrderSearchEntry, number_term, search_terms_of

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
CUSTOMER = {
    "name": "Many Orders",
    "email": "many@example.com",
    "address": "Teststraße 1",
    "address2": "",
    "postal_code": "10115",
    "city": "Berlin",
    "region": "",
    "country": "DE",
    "phone": "",
}
STATES = ("paid", "shipped", "awaiting", "expired")
A_BATCH = 25  # BatchWriteItem


def placed_moment(number: int) -> datetime:
    """Return when the order of a number was placed: one a minute."""
    return FIRST + timedelta(minutes=number)


def order_id(number: int) -> str:
    """Return the ID of the order of a number."""
    return f"{number * 2654435761 % 2**128:032x}"


def stock_orders(numbers: Iterable[int], *, found_every: int = 1, **customer: str) -> None:
    """Write orders, a quarter in each of four states; one of `found_every` with the words it is found by."""
    pattern = _pattern(CUSTOMER | customer)
    words = search_terms_of(CUSTOMER | customer)
    rows: list[tuple[str, dict[str, Any]]] = []
    for number in numbers:
        row = _row(pattern, number)
        rows.append((Order.Meta.table_name, row))
        for word in [number_term(row["number"]["S"]), *words] if number % found_every == 0 else ():
            entry = {"prefix": {"S": word[:2]}, "entry": {"S": f"{word}#{row['placed_key']['S']}"}}
            rows.append((OrderSearchEntry.Meta.table_name, entry))
    _write(rows)


def raised(order_id: str, kind: str, detail: str) -> Order:
    """Ask staff to look at an order."""

    def raise_it(order: Order, _: Transaction) -> bool:
        order.open_issue(IssueKind(kind), detail)
        return True

    return update_order(order_id, raise_it)


def _pattern(customer: dict[str, str]) -> dict[str, Any]:
    order = new_order(
        lines=[OrderLine("MUG", "mug", "Pebble mug", {}, 2, 1850, "19")],
        customer=customer,
        shipping=490,
        taxes={"19": 669},
        cart="cart",
        cart_version=1,
    )
    order.paid_at, order.capture_id, order.reserved = order.placed_at, "CAPTURE", False
    order.next_check_at = None
    order.add_to_transaction(Transaction())
    raw: dict[str, Any] = order.serialize()
    return raw


def _row(pattern: dict[str, Any], number: int) -> dict[str, Any]:
    at = placed_moment(number).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    this, state = order_id(number), STATES[number % len(STATES)]
    return {
        **pattern,
        "id": {"S": this},
        "number": {"S": f"00000-{number:05d}"},
        "state": {"S": state},
        "placed_at": {"S": at},
        "placed_key": {"S": f"{at}#{this}"},
        "shard": {"S": shard_of(this)},
        "state_shard": {"S": f"{state}#{shard_of(this)}"},
    }


def _write(rows: list[tuple[str, dict[str, Any]]]) -> None:
    Order._get_connection()
    for start in range(0, len(rows), A_BATCH):
        request: dict[str, list[dict[str, Any]]] = {}
        for table, row in rows[start : start + A_BATCH]:
            request.setdefault(table, []).append({"PutRequest": {"Item": row}})
        answer = shared_connection()._make_api_call("BatchWriteItem", {"RequestItems": request})
        assert not answer.get("UnprocessedItems")
