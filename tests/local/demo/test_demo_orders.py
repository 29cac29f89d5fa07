"""The demo's orders are believable: each at its time, in every state, the money and the units in order."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib import clock
from chalicelib.orders.models import Order
from chalicelib.staff.models import AuditEntry
from infra.local.demo import catalog, order_plan, orders
from infra.local.demo.staff import make_demo_staff
from tests.invariants import check_money, check_stock, units
from tests.shop import Shop
from tests.telemetry.conftest import Counted
from tests.telemetry.conftest import counted as counted

TALES = dict(enumerate(["sent back", "broken", "disputed", "reversed", "left", "cancelled", "noted"]))

RECENTLY = {300: "paid", 150: "pending", 55: "declined", 20: "unpaid"}


@pytest.fixture
def demo(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Return a shop with a small demo catalog, the demo's staff, and the fake PayPal that `make run` starts."""
    goods = {
        "slug": "cup",
        "name": "Cup",
        "category": "tea",
        "variants": [
            {"sku": f"CUP-{colour}", "options": {"Colour": colour}, "price": "9.00", "stock": 40}
            for colour in ("RED", "BLUE")
        ],
    }
    file = tmp_path / "catalog.json"
    file.write_text(
        json.dumps({"categories": [{"slug": "tea", "name": "Tea"}], "products": [goods]}), "utf-8"
    )
    for module in (catalog, order_plan):
        monkeypatch.setattr(module, "DEMO_CATALOG", file)
    shop.put_on_shelf("cup", "Cup", {"CUP-RED": (900, None, 40), "CUP-BLUE": (900, None, 40)})
    monkeypatch.setattr("infra.local.fake_paypal.settings.CLIENT_ID", "test-client")
    monkeypatch.setattr(order_plan, "ORDERS_PER_DAY", (2, 1))
    monkeypatch.setattr(order_plan, "SPECIAL", {})
    monkeypatch.setattr(order_plan, "RECENTLY", {5: "paid"})
    monkeypatch.setattr(order_plan, "UNPACKED", 1)
    make_demo_staff("3fa9-01bc-77de-a0c4")
    return shop


def fill(shop: Shop, until: int = 1000) -> None:
    """Make the orders; the shop is ended once there are so many."""
    orders.make_demo_orders(lambda: shop.functions.drain("order-emails"), lambda: len(shop.orders()) >= until)


def test_the_demo_orders_cover_every_story_and_their_money_adds_up(
    demo: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_plan, "ORDERS_PER_DAY", (2, 2, 2, 1, 1, 1))
    monkeypatch.setattr(order_plan, "SPECIAL", TALES)
    monkeypatch.setattr(order_plan, "RECENTLY", RECENTLY)
    before = units(demo)
    fill(demo)

    made = sorted(demo.orders(), key=lambda order: str(order.placed_at))
    planned = sorted(order_plan.plan_orders(datetime.now(UTC)), key=lambda one: one.at)
    assert [order.customer["name"] for order in made] == [one.customer.name for one in planned]
    states = Counter(order.state for order in made)
    assert states == {"shipped": 5, "paid": 3, "pending": 1, "awaiting": 2, "expired": 1, "cancelled": 1}
    span = clock.now() - datetime.fromisoformat(made[0].placed_at)
    assert timedelta(days=5) < span < timedelta(days=7)
    assert Counter(issue["kind"] for order in made for issue in order.issues) == {"dispute": 1, "reversal": 1}
    assert min(int(order.refunded) for order in made if order.refunded) == 900
    assert orders.NOTE in [entry["detail"] for order in made for entry in order.history]
    assert not [order.number for order in made if order.emails_due]
    check_money(demo)
    check_stock(demo, before)
    check_times(demo, made)
    did = Counter(entry.action for entry in AuditEntry.scan() if entry.subject.startswith("order "))
    assert did == {"marked as shipped": 5, "refunded": 2, "cancelled": 1, "added a note": 1}


def check_times(demo: Shop, made: list[Order]) -> None:
    """Each order's history goes forward, up to now; both clocks are right again, and nothing old is delivered."""
    for order in made:
        times = [entry["at"] for entry in order.history]
        assert times == sorted(times), order.history
        assert times[-1] <= datetime.now(UTC).isoformat()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    assert abs(demo.paypal.now() - datetime.now(UTC)) < timedelta(seconds=1)
    assert demo.paypal.faults() == []
    assert demo.paypal.deliver_pending() == []


@pytest.mark.parametrize("until", [1000, 5])
def test_no_notification_of_the_demos_sales_is_missed(
    demo: Shop, monkeypatch: pytest.MonkeyPatch, counted: Counted, until: int
) -> None:
    monkeypatch.setattr(order_plan, "RECENTLY", RECENTLY)
    fill(demo, until)
    assert any(row.kind == "sale" for row in demo.ledger())
    demo.functions.fire("export_books")
    assert counted()["NotificationsMissing"] == 0

    with demo.later(hours=1):
        demo.paid(MUG=1)
    with demo.later(hours=5):
        demo.functions.fire("export_books")
        assert counted()["NotificationsMissing"] == 1


def test_what_was_cut_off_goes_on_and_what_is_done_is_done(demo: Shop) -> None:
    fill(demo, until=2)
    assert len(demo.orders()) == 2
    fill(demo)
    everybody = Counter(order.customer["email"] for order in demo.orders())
    assert len(everybody) == everybody.total() == len(order_plan.plan_orders(datetime.now(UTC)))

    fill(demo)
    assert len(demo.orders()) == everybody.total()


def test_an_order_that_broke_is_not_tried_for_ever(demo: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(orders, "_place", lambda planned: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fill(demo)
    assert abs(demo.paypal.now() - datetime.now(UTC)) < timedelta(seconds=1)
    fill(demo)
    assert len(demo.orders()) == len(order_plan.plan_orders(datetime.now(UTC))) - 1


def test_a_shop_with_orders_of_its_own_gets_none(demo: Shop) -> None:
    demo.paid(MUG=1)
    fill(demo)
    assert len(demo.orders()) == 1


@pytest.mark.parametrize("lacking", ["the fake PayPal", "the demo's catalog", "a merchant"])
def test_there_are_none_without(demo: Shop, monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    if lacking == "the fake PayPal":
        monkeypatch.setattr("infra.local.fake_paypal.settings.CLIENT_ID", "another")
    elif lacking == "the demo's catalog":
        monkeypatch.setattr(orders, "has_demo_catalog", lambda: False)
    else:
        monkeypatch.setattr(orders, "_merchant", lambda: None)
    fill(demo)
    assert demo.orders() == []


def test_the_whole_plan_sells_only_what_there_is_plenty_of() -> None:
    planned = order_plan.plan_orders(datetime(2026, 11, 22, 12, tzinfo=UTC))
    shelf = {
        variant["sku"]: variant["stock"]
        for product in json.loads(catalog.DEMO_CATALOG.read_text("utf-8"))["products"]
        for variant in product["variants"]
    }
    sold: Counter[str] = Counter()
    for one in planned:
        sold.update(one.goods)
    assert len(planned) == 42
    assert all(quantity <= shelf[sku] // 2 for sku, quantity in sold.items())
    assert set(order_plan.SPECIAL.values()) | set(order_plan.RECENTLY.values()) == {
        *("sent back", "broken", "left", "disputed", "reversed", "cancelled", "noted"),
        *("paid", "pending", "declined", "unpaid"),
    }
