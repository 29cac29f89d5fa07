"""Holds: nobody keeps the shop's units from others without paying for them, and nobody who means to pay is refused."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.catalog.models import Stock
from chalicelib.orders.models import Order
from tests.call_counter import counted_calls
from tests.client import Answer, Shopper
from tests.dynamodb_faults import tampered
from tests.invariants import check_holds, check_money, check_stock, units
from tests.shop import CUSTOMER, Shop, order_id_of, token_of

BOTS, ELSEWHERE = "198.51.100.7", "203.0.113.9"
SHELF = {"TEA-50": 10, "TEA-100": 5, "MUG": 100, "BOWL": 1}
SHARES = {"TEA-50": 2, "TEA-100": 1, "MUG": 20, "BOWL": 1}  # a fifth, at least one
HOLD = timedelta(minutes=15)


def coming_from(address: str, shopper: Shopper) -> Shopper:
    """Let a shopper's requests come from an address."""
    shopper.source = address
    return shopper


def held_by_orders() -> dict[str, int]:
    """Count the units that orders keep unpaid."""
    return {row.sku: int(row.held) for row in Stock.scan(consistent_read=True)}


@dataclass
class Bot:
    """A program that orders as much as it can from one address, pays for nothing, and asks again and again."""

    shop: Shop
    orders: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def grab(self) -> None:
        """Order everything with new sessions: much, a little, and from one session again and again."""
        for quantities in ({"MUG": 20}, {"MUG": 7, "TEA_50": 1, "TEA_100": 1, "BOWL": 1}):
            shopper = coming_from(BOTS, self.shop.shopper())
            for sku, quantity in quantities.items():
                shopper.post("/cart/lines", {"sku": sku.replace("_", "-"), "quantity": str(quantity)})
            for flat in ("1", "2"):
                form = shopper.get("/checkout")
                if form.status == 200:
                    self._keep(
                        shopper.post(
                            "/checkout", {**CUSTOMER, "address2": flat, "total": form.field("total")}
                        )
                    )
        self.press_pay()

    def press_pay(self) -> None:
        """Ask to pay for what it ordered lately, so that it is kept once more."""
        payer = coming_from(BOTS, self.shop.shopper())
        for order_id in self.orders[-6:]:
            self.answers.append(payer.post(f"/orders/{order_id}/payment").status)

    def _keep(self, answer: Answer) -> None:
        self.answers.append(answer.status)
        if answer.status == 303 and "token=" in answer.location:
            self.orders.append(Order.find_by_lookup(f"paypal#{token_of(answer)}") or "")


@pytest.mark.slow
def test_a_bot_that_tries_for_an_hour_never_holds_more_than_a_fifth(shop: Shop) -> None:
    before = units(shop)
    bot, grabbed = Bot(shop), 0
    with ExitStack() as hour:
        for step in range(12):
            hour.enter_context(shop.later(minutes=5))
            bot.grab()
            held = held_by_orders()
            assert all(held[sku] <= most for sku, most in SHARES.items()), (step, held)
            grabbed = max(grabbed, sum(held.values()))
            check_holds(shop)
            if step % 4 == 0:
                shopper = coming_from(ELSEWHERE, shop.shopper_with(MUG=1, TEA_50=1))
                assert shop.come_back(shopper, token_of(shop.place(shopper))).status == 303
            shop.reconcile()
        assert grabbed >= 10, "the bot held next to nothing: this tried nothing"
        assert set(bot.answers) <= {303, 409}
        bot.press_pay()
        hour.enter_context(shop.later(minutes=HOLD.total_seconds() / 60))
        shop.reconcile()
        assert set(held_by_orders().values()) == {0}
        sold = sum(order.state == "paid" for order in shop.orders())
        assert sold == 3
        assert {sku: shop.stock(sku) for sku in SHELF} == {**SHELF, "MUG": 97, "TEA-50": 7}
        check_stock(shop, before)


def test_one_who_wants_more_than_a_fifth_buys_it_all_the_same(shop: Shop) -> None:
    before = units(shop)
    shopper = shop.shopper_with(TEA_100=3)
    answer = shop.place(shopper)
    (order,) = shop.orders()
    assert (order.reserved, shop.stock("TEA-100")) == (False, 5)
    assert "Your items aren’t reserved until you’ve paid" in shopper.get(f"/orders/{order.id}").text
    check_stock(shop, before)
    back = shop.come_back(shopper, token_of(answer))
    assert "your order is paid" in shopper.follow(back).text
    assert shop.stock("TEA-100") == 2
    check_stock(shop, before)


def test_an_order_without_a_hold_is_not_charged_if_its_units_are_sold(shop: Shop) -> None:
    before = units(shop)
    slow, slow_token = shop.placed(TEA_100=3)
    shop.paid(TEA_100=3)
    back = shop.come_back(slow, slow_token)
    assert "You haven’t been charged" in slow.follow(back).text
    assert shop.order(order_id_of(back)).state == "expired"
    assert len(shop.ledger()) == 1
    check_stock(shop, before)
    check_money(shop)


def test_what_is_not_there_is_refused_at_once_without_a_hold_too(shop: Shop) -> None:
    shopper = shop.shopper_with(TEA_100=3)
    shop.paid(TEA_100=3)
    refused = shop.place(shopper)
    assert (refused.status, "Only 2 of “Green tea” (TEA-100) left." in refused.text) == (409, True)


@pytest.mark.slow
def test_thirty_buyers_of_one_address_for_three_units_are_three_sales(shop: Shop) -> None:
    shop.put_on_shelf("lamp", "Lamp", {"LAMP": (1000, None, 3)})
    before = units(shop)
    placed = [shop.placed(LAMP=1) for _ in range(30)]
    backs = [shopper.follow(shop.come_back(shopper, token)).text for shopper, token in placed]
    assert sum("your order is paid" in back for back in backs) == 3
    assert sum("You haven’t been charged" in back for back in backs) == 27
    check_stock(shop, before)
    check_money(shop)


def test_two_sessions_that_race_from_one_address_do_not_both_hold(shop: Shop) -> None:
    """Each alone is within the bound; what was read says nothing of the other."""
    shoppers = [coming_from(BOTS, shop.shopper_with(MUG=15)) for _ in range(2)]
    forms = [{**CUSTOMER, "total": shopper.get("/checkout").field("total")} for shopper in shoppers]
    entered: list[Answer] = []

    def interfere(operation: str, _: dict[str, Any], ask: Any) -> Any:
        if operation == "TransactWriteItems" and not entered:
            entered.append(Answer(0, {}, [], ""))
            entered.append(shoppers[1].post("/checkout", forms[1]))
        return ask()

    with tampered(interfere):
        assert shoppers[0].post("/checkout", forms[0]).status == 303
    assert entered[1].status == 303
    assert sorted(order.held for order in shop.orders()) == [False, True]
    assert held_by_orders()["MUG"] == 15
    check_holds(shop)


def test_another_address_holds_its_own_fifth(shop: Shop) -> None:
    for address in (BOTS, ELSEWHERE, "2001:db8:1:2::1"):
        shop.place(coming_from(address, shop.shopper_with(MUG=15)))
    assert held_by_orders()["MUG"] == 45
    shop.place(coming_from("2001:db8:1:2::2", shop.shopper_with(MUG=15)))  # the same home
    assert held_by_orders()["MUG"] == 45
    check_holds(shop)


def test_many_homes_of_one_network_hold_two_fifths(shop: Shop) -> None:
    """A /48 is what one customer of a provider may have: 65,536 homes."""
    for home in range(5):
        shop.place(coming_from(f"2001:db8:7:{home:x}::1", shop.shopper_with(MUG=20)))
    assert held_by_orders()["MUG"] == 40
    check_holds(shop)
    shop.place(coming_from("2001:db8:8::1", shop.shopper_with(MUG=20)))  # the network beside it
    assert held_by_orders()["MUG"] == 60
    with shop.later(minutes=20):
        shop.reconcile()
        assert held_by_orders()["MUG"] == 0
        check_holds(shop)


def test_a_network_costs_one_row_more_for_each_line_and_no_call(shop: Shop) -> None:
    written = {}
    for address in (ELSEWHERE, "2001:db8:9::1"):
        shopper = coming_from(address, shop.shopper_with(MUG=1, TEA_100=1))
        form = {**CUSTOMER, "total": shopper.get("/checkout").field("total")}
        with counted_calls() as calls:
            assert shopper.post("/checkout", form).status == 303
        written[address] = calls
    assert written[ELSEWHERE] == written["2001:db8:9::1"]


def test_an_address_that_is_not_known_is_bounded_by_the_session(shop: Shop) -> None:
    for _ in range(2):
        shop.place(coming_from("nobody knows", shop.shopper_with(MUG=20)))
    assert held_by_orders()["MUG"] == 40


@pytest.mark.parametrize("answer", ["", "503"])
def test_coming_back_without_a_yes_takes_no_units_and_mails_nobody(shop: Shop, answer: str) -> None:
    bot, token = shop.placed(MUG=20, TEA_50=10, TEA_100=5, BOWL=1)
    (order,) = shop.orders()
    assert not order.held
    if answer:
        shop.paypal.fault("get", answer, times=9)
        shop.paypal.fault("capture", answer, times=9)
    taken: list[dict[str, int]] = []

    def look(operation: str, _: dict[str, Any], ask: Any) -> Any:
        taken.append({sku: shop.stock(sku) for sku in SHELF}) if operation == "TransactWriteItems" else None
        return ask()

    with tampered(look):
        for _ in range(3):
            bot.get(f"/payments/paypal/return?token={token}")
    assert shop.order(order.id).state == "awaiting"
    assert {sku: shop.stock(sku) for sku in SHELF} == SHELF
    assert taken == []

    shop.paypal.clear_faults()
    shop.paid(BOWL=1)
    bot.get(f"/payments/paypal/return?token={token}")
    assert (shop.order(order.id).state, shop.order(order.id).emails_due) == ("awaiting", {})
    shop.paypal.approve(token)
    bot.get(f"/payments/paypal/return?token={token}")
    assert shop.order(order.id).state == "expired"
