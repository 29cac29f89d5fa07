"""Payments that PayPal takes as pending: denied in the end, or while more is ordered."""

from tests.fault_injection.scenario import IN_THE_CART, ON_THE_SHELF, Case, Rival, Scenario
from tests.fault_injection.scenarios.checkout_and_payment import (
    RECONCILER,
    be_notified,
    place,
    sold,
    wait_for_the_bank,
)


def have_it_denied(case: Case) -> None:
    """Pay in a slow way; days later PayPal does not have the money."""
    wait_for_the_bank(case)
    (capture,) = case.world.shop.paypal.captures(case.token)
    case.world.shop.paypal.deny(capture["id"])


def want_more_while_waiting(case: Case) -> None:
    """While the payment is pending, put one unit more into the cart."""
    wait_for_the_bank(case)
    answer = case.shopper.post("/cart/lines", {"sku": case.sku, "quantity": "1"})
    assert answer.status == 303, answer.text


def be_completed(case: Case) -> None:
    """Let PayPal have the money of the first order, and tell of it."""
    (capture,) = case.world.shop.paypal.captures(case.token)
    if capture["status"] == "PENDING":
        case.world.shop.paypal.complete(capture["id"])
    be_notified(case)


def have_both_paid(case: Case) -> None:
    """Pay the second order, and let PayPal have the money of the first."""
    case.pay_up()
    be_completed(case)


def both_are_sold(case: Case) -> None:
    """The units of both orders are gone from the shelf, and the cart is empty."""
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF - IN_THE_CART - 1
    case.shopper.get("/cart")
    assert case.shopper.jar["cart_count"] == "0"


BANK = Rival("the bank", be_completed)


SCENARIOS = [
    Scenario(
        "pending, then denied",
        have_it_denied,
        be_notified,
        ("paid",),
        afterwards=Case.pay_up,
        check=sold,
        rivals=(RECONCILER,),
    ),
    Scenario(
        "order more while one is pending",
        want_more_while_waiting,
        place,
        ("paid", "paid"),
        afterwards=have_both_paid,
        check=both_are_sold,
        rivals=(BANK,),
    ),
]
