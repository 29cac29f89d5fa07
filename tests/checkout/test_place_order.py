"""Placing an order: once, whole or not at all, whatever breaks on the way."""

import re
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from chalicelib import ids
from chalicelib.cart.models import Cart
from chalicelib.database import connection
from chalicelib.orders.models import Order, OrderLookup
from tests.client import Shopper
from tests.dynamodb_faults import answers_lost, conflicts, repeated, silence, tampered, watched
from tests.iam_policy_check import by_the_test
from tests.invariants import check_books, check_money, check_stock, check_two_rounds_are_enough, units
from tests.load.dynamodb_conflicts import conflict
from tests.shop import CUSTOMER, Shop, order_id_of, token_of
from tests.telemetry.conftest import Counted
from tests.telemetry.conftest import counted as counted

FORM = {**CUSTOMER, "total": "23.40"}  # one mug, to Germany


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.3)


def test_one_transaction_takes_the_stock_and_writes_order_number_and_cart(shop: Shop) -> None:
    before = units(shop)
    shopper = shop.shopper_with(MUG=2, TEA_50=1)
    with watched() as calls:
        shop.place(shopper)
    placing = next(arguments for operation, arguments in calls if operation == "TransactWriteItems")
    tables = sorted(
        next(iter(item.values()))["TableName"].removeprefix("test-") for item in placing["TransactItems"]
    )
    # The number, two words of the name, and the address: what staff find the order by. The session's count, and a hold a line.
    assert tables == [
        "carts",
        *["order-search"] * 4,
        "orders",
        "orders",
        *["rate-limits"] * 3,
        "stock",
        "stock",
    ]

    (order,) = shop.orders()
    assert (order.state, order.reserved) == ("awaiting", True)
    assert Order.find_by_lookup(f"number#{order.number}") == order.id
    assert (shop.stock("MUG"), shop.stock("TEA-50")) == (98, 9)
    check_stock(shop, before)


def test_an_order_has_an_unguessable_id_and_a_number_to_say_aloud(shop: Shop) -> None:
    shop.placed()
    (order,) = shop.orders()
    assert len(bytes.fromhex(order.id)) == 16
    assert re.fullmatch(r"[0-9]{5}-[0-9]{5}", order.number)


def test_the_cart_stays_until_the_order_is_paid(shop: Shop) -> None:
    shopper, token = shop.placed()
    assert "Pebble mug" in shopper.get("/cart").text
    shop.come_back(shopper, token)
    assert "Your cart is empty." in shopper.get("/cart").text
    assert shopper.jar["cart_count"] == "0"


# -- once -------------------------------------------------------------------------------------------------


def test_the_same_form_again_is_the_same_order(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    back_button = Shopper(shop.gateway, dict(shopper.jar))
    first = shopper.post("/checkout", FORM)
    again = shopper.post("/checkout", FORM)
    other_tab = back_button.post("/checkout", FORM)
    assert token_of(first) == token_of(again) == token_of(other_tab)
    assert (len(shop.orders()), shop.stock("MUG")) == (1, 99)
    assert len(shop.paypal.requests("create")) == 1


def test_the_last_piece_can_be_sent_twice_by_who_has_it(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    assert token_of(shop.place(shopper)) == token


def test_the_same_form_is_the_same_order_though_its_units_went_back_to_the_shelf(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    total = shopper.get("/checkout").field("total")
    with shop.later(minutes=61):
        shop.reconcile()
        assert shop.stock("BOWL") == 1
        assert token_of(shopper.post("/checkout", {**CUSTOMER, "total": total})) == token
        assert shop.stock("BOWL") == 0


def test_the_same_form_is_refused_where_others_bought_its_units(shop: Shop) -> None:
    before = units(shop)
    shopper, _ = shop.placed(BOWL=1)
    total = shopper.get("/checkout").field("total")
    with shop.later(minutes=61):
        shop.reconcile()
        shop.paid(BOWL=1)
        answer = shopper.post("/checkout", {**CUSTOMER, "total": total})
        assert (answer.status, answer.field("name")) == (409, CUSTOMER["name"])
        check_stock(shop, before)


def test_the_form_of_a_paid_order_sent_again_orders_nothing(shop: Shop) -> None:
    shopper, _ = shop.paid(MUG=1)
    assert shopper.post("/checkout", FORM).location.endswith("/cart")
    assert len(shop.orders()) == 1


def test_the_same_items_can_be_bought_again_after_payment(shop: Shop) -> None:
    shopper, _ = shop.paid(MUG=1)
    shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
    assert token_of(shop.place(shopper))
    assert sorted(order.state for order in shop.orders()) == ["awaiting", "paid"]


# -- another order ----------------------------------------------------------------------------------------


def test_a_different_cart_cancels_the_old_order_and_its_stock_returns(shop: Shop) -> None:
    before = units(shop)
    shopper, old = shop.placed(MUG=3)
    shopper.post("/cart/lines/MUG", {"quantity": "1"})
    shopper.post("/cart/lines", {"sku": "BOWL", "quantity": "1"})
    new = token_of(shop.place(shopper))

    assert new != old
    states = {order.paypal_order_id: (order.state, order.close_reason) for order in shop.orders()}
    assert states == {old: ("cancelled", "superseded"), new: ("awaiting", None)}
    assert (shop.stock("MUG"), shop.stock("BOWL")) == (99, 0)
    check_stock(shop, before)


def test_another_address_is_another_order_with_the_same_last_piece(shop: Shop) -> None:
    shopper, old = shop.placed(BOWL=1)
    new = token_of(shop.place(shopper, address="Andere Straße 2"))
    assert new != old
    assert sorted(order.state for order in shop.orders()) == ["awaiting", "cancelled"]
    assert shop.stock("BOWL") == 0


def test_the_superseded_order_cannot_be_paid_any_more(shop: Shop) -> None:
    shopper, old = shop.placed(MUG=1)
    shop.place(shopper, city="Potsdam")
    shop.come_back(shopper, old)
    assert shop.paypal.ledger() == []
    assert sorted(order.state for order in shop.orders()) == ["awaiting", "cancelled"]


def test_while_the_old_one_is_being_captured_nothing_else_is_ordered(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    (order,) = shop.orders()
    order.mark_capturing("claim")
    order.save()
    answer = shop.place(shopper, city="Potsdam")
    assert answer.status == 409
    assert "PayPal is still processing the payment for your previous order" in answer.text
    same = shopper.post("/checkout", FORM)
    assert order_id_of(same) == order.id
    assert shop.order(order.id).state == "capturing"
    assert token


def test_an_expired_order_is_followed_by_a_new_one(shop: Shop) -> None:
    shopper, old = shop.placed(BOWL=1)
    with shop.later(hours=4):
        shop.reconcile()
    assert shop.orders()[0].state == "expired"
    with shop.later(hours=4):
        assert token_of(shop.place(shopper)) != old
    assert shop.stock("BOWL") == 0


def test_an_order_row_that_is_gone_is_no_obstacle(shop: Shop) -> None:
    shopper, _ = shop.placed(MUG=1)
    shop.orders()[0].delete()
    assert shop.place(shopper).status == 303


# -- broken on the way ------------------------------------------------------------------------------------


def test_a_number_that_is_taken_is_followed_by_another(shop: Shop) -> None:
    OrderLookup("number#TAKE-NNNN", order_id="somebody's").save()
    numbers = iter(["TAKE-NNNN", "TAKE-NNNN", "FREE-NNNN"])
    with mock.patch.object(ids, "new_order_number", side_effect=lambda: next(numbers)):
        shop.placed(MUG=1)
    (order,) = shop.orders()
    assert (order.number, shop.stock("MUG")) == ("FREE-NNNN", 99)
    assert Order.find_by_lookup("number#TAKE-NNNN") == "somebody's"


def test_contention_is_tried_again(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    with conflicts(3):
        answer = shopper.post("/checkout", FORM)
    assert token_of(answer)
    assert (len(shop.orders()), shop.stock("MUG")) == (1, 99)


@pytest.mark.parametrize(
    ("table", "status", "words", "busy"),
    [
        ("stock", 503, "The shop is very busy. Your order wasn’t placed; please try again.", True),
        (
            "carts",
            409,
            "changed or ordered in another tab. This attempt didn’t place an order.",
            False,
        ),
    ],
)
def test_endless_contention_changes_nothing_and_the_message_depends_on_who_causes_it(
    shop: Shop, counted: Counted, table: str, status: int, words: str, *, busy: bool
) -> None:
    def contend(operation: str, arguments: dict[str, Any], ask: Callable[[], Any]) -> Any:
        if operation != "TransactWriteItems":
            return ask()
        names = [write["TableName"] for entry in arguments["TransactItems"] for write in entry.values()]
        raise conflict(operation, [name.endswith(table) for name in names])

    before = units(shop)
    shopper = shop.shopper_with(MUG=1)
    counted()
    with mock.patch("chalicelib.checkout.place_order.PLACING_SECONDS", 1.5), tampered(contend):
        answer = shopper.post("/checkout", FORM)
    assert (answer.status, answer.headers["retry-after"]) == (status, "5")
    assert words in answer.text
    assert answer.field("name") == CUSTOMER["name"]
    assert bool(counted()["Busy"]) == busy
    assert shop.orders() == []
    check_stock(shop, before)
    assert token_of(shopper.post("/checkout", FORM))


def test_waits_between_tries_differ(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    with mock.patch.object(time, "sleep") as sleep, conflicts(5):
        assert shopper.post("/checkout", FORM).status == 303
    waits = [call.args[0] for call in sleep.call_args_list]
    assert len(set(waits)) == len(waits) == 5
    assert all(0 < wait < 1 for wait in waits)


@pytest.mark.parametrize(
    "broken", [lambda: answers_lost("TransactWriteItems"), lambda: repeated("TransactWriteItems")]
)
def test_an_order_whose_answer_is_lost_is_found_again(shop: Shop, broken: Callable[[], Any]) -> None:
    before = units(shop)
    shopper = shop.shopper_with(MUG=1)
    with broken():
        answer = shopper.post("/checkout", FORM)
    assert token_of(answer)
    assert (len(shop.orders()), shop.stock("MUG")) == (1, 99)
    check_stock(shop, before)


def test_an_order_that_did_not_arrive_is_a_503_and_can_be_sent_again(shop: Shop) -> None:
    before = units(shop)
    shopper = shop.shopper_with(MUG=1)
    with silence("TransactWriteItems"):
        answer = shopper.post("/checkout", FORM)
    assert answer.status == 503
    assert shop.orders() == []
    assert token_of(shopper.post("/checkout", FORM))
    check_stock(shop, before)


def test_paypal_away_leaves_an_order_that_says_so_and_is_found_again(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.paypal.fault("create", "503", times=None)
    answer = shopper.post("/checkout", FORM)
    order_id = order_id_of(answer)
    assert "We couldn’t reach PayPal" in shopper.follow(answer).text
    shop.paypal.clear_faults()
    assert token_of(shopper.post("/checkout", FORM))
    assert [order.id for order in shop.orders()] == [order_id]


def test_a_process_that_dies_between_placing_and_paypal_leaves_an_order_to_pay(shop: Shop) -> None:
    before = units(shop)
    shopper = shop.shopper_with(MUG=1)
    with (
        mock.patch("chalicelib.checkout.routes.start_payment", side_effect=SystemExit),
        pytest.raises(SystemExit),
    ):
        shopper.post("/checkout", FORM)
    (order,) = shop.orders()
    assert (order.state, order.paypal_order_id) == ("awaiting", None)
    token = token_of(shopper.post("/checkout", FORM))
    shop.come_back(shopper, token)
    assert shop.order(order.id).state == "paid"
    check_stock(shop, before)
    check_money(shop)
    check_books(shop)
    check_two_rounds_are_enough(shop)


def test_a_process_that_dies_at_any_call_to_the_table_loses_no_piece(shop: Shop) -> None:
    before = units(shop)
    for survived in range(8):
        shopper = shop.shopper_with(MUG=1)
        with tampered(dying_after(survived)):
            answer = shopper.post("/checkout", FORM)
        assert answer.status in (303, 503)
        check_stock(shop, before)
        assert token_of(shopper.post("/checkout", FORM))
        (key,) = {order.cart for order in shop.orders() if order.cart == key_of(shopper)}
        assert len([order for order in shop.orders() if order.cart == key and order.state == "awaiting"]) == 1
        check_stock(shop, before)


def dying_after(calls: int) -> Callable[[str, dict[str, Any], Callable[[], Any]], Any]:
    """Let so many calls pass; the next takes effect, and from then on no answer comes."""
    from botocore.exceptions import ReadTimeoutError

    made: list[str] = []

    def tamper(operation: str, _: dict[str, Any], ask: Callable[[], Any]) -> Any:
        made.append(operation)
        if len(made) <= calls:
            return ask()
        if len(made) == calls + 1:
            ask()
        raise ReadTimeoutError(endpoint_url="http://dynamodb")

    return tamper


def key_of(shopper: Shopper) -> str:
    from chalicelib.cart import sessions

    return sessions.session_key(shopper.jar["session"])


def test_a_cart_that_ends_before_the_order_is_written_orders_nothing(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    turns = iter([True])

    def end(operation: str, _: dict[str, Any], ask: Callable[[], Any]) -> Any:
        if operation == "TransactWriteItems" and next(turns, False):
            with by_the_test():
                Cart(key_of(shopper)).delete()
        return ask()

    with tampered(end):
        answer = shopper.post("/checkout", FORM)
    assert answer.status == 400
    assert "nothing in your cart" in answer.text
    assert (shop.orders(), shop.stock("MUG")) == ([], 100)
