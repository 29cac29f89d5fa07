"""Lists of orders: newest first, in pages, by state, days and text; as few calls for ten thousand as for ten."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib import clock
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.search import order_list, order_search
from chalicelib.orders.search.order_list import PAGE_SIZE, OrderFilter
from chalicelib.staff.orders import order_actions
from tests.call_counter import counted_calls
from tests.mail import order_factory as made
from tests.orders.bulk_orders import order_id, raised, stock_orders
from tests.shop import Shop

ALL = OrderFilter()

pytestmark = pytest.mark.usefixtures("aws")


def ids(orders: list[Order]) -> list[str]:
    """List the orders' IDs."""
    return [order.id for order in orders]


def walked(selection: OrderFilter) -> list[str]:
    """Walk through all pages; list the IDs in the order they came."""
    seen: list[str] = []
    after: str | None = None
    while True:
        page = order_list.list_orders(selection, after)
        seen += ids(page.orders)
        after = page.after
        if after is None:
            return seen


def questions() -> dict[str, Callable[[], Any]]:
    """Name every list that staff can ask for."""
    return {
        "all": lambda: order_list.list_orders(ALL),
        "by state": lambda: order_list.list_orders(OrderFilter("paid")),
        "of a day": lambda: order_list.list_orders(OrderFilter(None, date(2026, 1, 1), date(2026, 1, 1))),
        "raised": order_list.orders_with_issues,
        "pending": order_list.pending_orders,
        "a number": lambda: order_search.search_orders("00000 00007", ALL),
        "a name": lambda: order_search.search_orders("many orders", ALL),
        "an address": lambda: order_search.search_orders("many@example.com", OrderFilter("shipped")),
        "nothing": lambda: order_search.search_orders("nobody", ALL),
        "how many": lambda: order_list.count_up_to(ALL, 501),
    }


def costs() -> dict[str, Counter[str]]:
    """Count what each list asks of DynamoDB."""
    counted = {}
    for name, ask in questions().items():
        with counted_calls() as calls:
            ask()
        counted[name] = Counter(calls)
    return counted


@pytest.mark.slow
def test_ten_thousand_orders_cost_as_many_calls_as_ten() -> None:
    stock_orders(range(10))
    few = costs()
    stock_orders(range(10, 10_000), found_every=40)
    many = costs()
    assert few["all"] == many["all"] == {"Query": 4, "BatchGetItem": 1}
    for name, calls in many.items():
        assert calls["Scan"] == 0
        # What is found by text is read by hundreds, two hundred at most.
        most = few[name] + Counter(BatchGetItem=2 if name in ("a name", "an address") else 0)
        assert calls <= most, (name, calls)
    assert len(order_list.list_orders(ALL).orders) == PAGE_SIZE
    found = order_search.search_orders("many orders", ALL)
    assert found.has_more
    assert found.orders
    assert order_list.count_up_to(ALL, 501) == 501


@pytest.mark.parametrize("text", ["ab-" * 66, " ".join(["ab.cd.ef.gh.ij.kl.mn.op.qr.st.uv"] * 6)])
def test_a_question_of_many_parts_costs_few_calls(text: str) -> None:
    with counted_calls() as calls:
        assert order_search.search_orders(text, ALL).orders == []
    assert calls["Query"] <= order_search.MAX_QUERY_WORDS * (order_search.MAX_WORD_PARTS + 1)


def test_a_name_of_more_parts_than_are_looked_up_is_found_and_no_other(shop: Shop) -> None:
    shop.place(shop.shopper_with(MUG=1), name="Ann-Sophie Marie-Luise Lee")
    assert len(order_search.search_orders("ann-sophie-marie-luise-lee", ALL).orders) == 1
    assert order_search.search_orders("ann-sophie-marie-luise-lang", ALL).orders == []


def test_pages_list_every_order_once_from_newest_to_oldest() -> None:
    stock_orders(range(2 * PAGE_SIZE + 3))
    assert walked(ALL) == [order_id(number) for number in reversed(range(2 * PAGE_SIZE + 3))]
    paid = [order_id(number) for number in reversed(range(0, 2 * PAGE_SIZE + 3, 4))]
    assert walked(OrderFilter("paid")) == paid


@pytest.mark.parametrize("count", [PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1])
def test_a_full_page_does_not_promise_another(count: int) -> None:
    stock_orders(range(count))
    page = order_list.list_orders(ALL)
    assert len(page.orders) == min(count, PAGE_SIZE)
    assert (page.after is not None) == (count > PAGE_SIZE)


def test_every_order_is_read_a_hundred_at_a_time() -> None:
    stock_orders(range(250))
    steps = list(order_list.all_orders(ALL, None, list))
    assert [len(step) for step in steps] == [100, 100, 50]
    assert [order.id for step in steps for order in step] == [order_id(n) for n in reversed(range(250))]
    before = order_list.list_orders(ALL).after
    assert sum(map(len, order_list.all_orders(ALL, before, list))) == 250 - PAGE_SIZE


def test_all_are_counted_without_being_read() -> None:
    stock_orders(range(250))
    with counted_calls() as calls:
        assert order_list.count_all(ALL, order_list.LAST) == 250
        assert order_list.count_all(OrderFilter("paid"), order_list.LAST) == len(range(0, 250, 4))
        assert order_list.count_all(ALL, "2026-01-01T01:40:00.000Z") == 100
        assert order_list.count_all(OrderFilter(None, date(2026, 1, 2)), "2026-01-01") == 0
    assert dict(calls) == {"Query": 12}


@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        ("UTC", "2026-11-21T23:59:59.999", "2026-11-21"),
        ("UTC", "2026-11-22T00:00:00.000", "2026-11-22"),
        ("Europe/Berlin", "2026-11-21T22:59:59.999", "2026-11-21"),
        ("Europe/Berlin", "2026-11-21T23:00:00.000", "2026-11-22"),
        ("America/New_York", "2026-11-22T04:59:59.999", "2026-11-21"),
        ("Europe/Berlin", "2026-10-25T22:30:00.000", "2026-10-25"),  # a day of 25 hours
        ("America/Havana", "2026-11-01T03:59:59.999", "2026-10-31"),
        ("America/Havana", "2026-11-01T04:30:00.000", "2026-11-01"),  # midnight strikes, and strikes again
        ("America/Havana", "2026-11-01T05:30:00.000", "2026-11-01"),
        ("Africa/Cairo", "2026-04-23T21:59:59.999", "2026-04-23"),
        ("Africa/Cairo", "2026-04-23T22:00:00.000", "2026-04-24"),  # which begins at one o'clock
    ],
)
def test_a_day_is_the_shops_own(
    zone: str, at: str, day: str, setting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(timezone=ZoneInfo(zone))
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    order = made.placed()
    for shift in (-1, 0, 1):
        that = date.fromordinal(date.fromisoformat(day).toordinal() + shift)
        shown = ids(order_list.list_orders(OrderFilter(None, that, that)).orders)
        assert shown == ([order.id] if shift == 0 else [])
        assert OrderFilter(None, that, that).includes(order) == (shift == 0)


def test_an_order_moves_from_list_to_list_with_its_state() -> None:
    order = made.placed()
    for actions, state in (
        ((), "awaiting"),
        (("claim",), "capturing"),
        (("pend",), "pending"),
        (("pay",), "paid"),
    ):
        made.move(order, *actions)
        for other in ("awaiting", "capturing", "pending", "paid"):
            shown = ids(order_list.list_orders(OrderFilter(other)).orders)
            assert shown == ([order.id] if other == state else [])
        assert bool(order_list.pending_orders().orders) == (state == "pending")


def test_open_issues_are_listed_until_they_are_resolved() -> None:
    order = made.placed()
    assert not order_list.orders_with_issues().orders
    raised(order.id, "dispute", "PP-1 OPEN")
    assert ids(order_list.orders_with_issues().orders) == [order.id]
    order_actions.resolve_issue(order.id, 0, "", "merchant@shop.example")
    assert not order_list.orders_with_issues().orders


def test_mail_is_late_once_it_was_announced_again_until_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    order = made.paid()
    assert not order_list.orders_with_issues().orders
    update_order(order.id, lambda order, _: bool(order.defer_due_work(clock.timestamp() + 3600)))
    assert ids(order_list.orders_with_issues().orders) == [order.id]
    made.only(order, "none")
    assert not order_list.orders_with_issues().orders


# -- by text ----------------------------------------------------------------------------------------------


def place_customers(*customers: tuple[str, str]) -> dict[str, str]:
    """Store one paid order a customer; return name → ID."""
    placed = {}
    for number, (name, email) in enumerate(customers):
        stock_orders([number * 4], name=name, email=email)
        placed[name] = order_id(number * 4)
    return placed


FOUND: dict[str, set[str]] = {
    "ann": {"Ann Lee", "Annabel Ōno"},
    "ANN lee": {"Ann Lee"},
    "lee ann": {"Ann Lee"},
    "ono": {"Annabel Ōno"},
    "grossmann": {"Jürgen Großmann-Überlang"},
    "Großmann-Ü": {"Jürgen Großmann-Überlang"},
    "o’brien": {"Pat O’Brien"},
    "ann.lee@shop": {"Ann Lee"},
    "Ann.Lee@Shop.Example": {"Ann Lee"},
    "ann.l": {"Ann Lee"},
    "j+g": {"Jürgen Großmann-Überlang"},
    "山田": {"山田 太郎"},
    "shop.example": set(),  # half the world has the same domain
    "a": set(),
    "lee brien": set(),
    "%": set(),
    "# # #": set(),
}


def test_names_and_addresses_are_found_by_how_they_begin() -> None:
    placed = place_customers(
        ("Ann Lee", "Ann.Lee@shop.example"),
        ("Annabel Ōno", "abc@shop.example"),
        ("Jürgen Großmann-Überlang", "j+g@shop.example"),
        ("Pat O’Brien", "pat@shop.example"),
        ("山田 太郎", "taro@shop.example"),
    )
    for text, found in FOUND.items():
        assert set(ids(order_search.search_orders(text, ALL).orders)) == {placed[name] for name in found}, (
            text
        )


def test_a_number_is_found_however_it_is_written(shop: Shop) -> None:
    shop.placed()
    (order,) = shop.orders()
    left, right = order.number.split("-")
    for text in (
        order.number,
        left + right,
        f" {left} {right} ",
        f"#{left}–{right}",
        order.id,
        order.paypal_order_id or "",
    ):
        assert ids(order_search.search_orders(text, ALL).orders) == [order.id], text


def test_a_number_is_found_by_how_it_begins(shop: Shop) -> None:
    shop.placed()
    (order,) = shop.orders()
    left, right = order.number.split("-")
    for text in (left, left[:3], f"#{left[:4]}", f"{left}-", f"{left}-{right[:2]}", f"{left} {right[:4]}"):
        assert ids(order_search.search_orders(text, ALL).orders) == [order.id], text
    for text in (left[:2], left[1:], right, f"{left[:3]} nobody"):
        assert not order_search.search_orders(text, ALL).orders, text
    assert not order_search.search_orders(left, OrderFilter("paid")).orders


def test_the_beginning_of_a_number_costs_few_calls() -> None:
    stock_orders(range(300))
    with counted_calls() as calls:
        found = order_search.search_orders("00000-002", ALL)
    assert (len(found.orders), found.has_more, calls["Scan"], calls["Query"] <= 5) == (80, True, 0, True)


def test_a_text_is_looked_for_within_state_and_days() -> None:
    stock_orders(range(8), name="Ann Lee", email="ann@shop.example")
    paid = order_search.search_orders("ann", OrderFilter("paid")).orders
    assert ids(paid) == [order_id(4), order_id(0)]
    assert not order_search.search_orders(
        "ann", OrderFilter("paid", date(2026, 1, 2), date(2026, 1, 2))
    ).orders
