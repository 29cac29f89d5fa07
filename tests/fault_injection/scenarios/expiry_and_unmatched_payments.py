"""Orders that end unpaid, and money that pays no order."""

from collections.abc import Callable

from tests.fault_injection.scenario import IN_THE_CART, ON_THE_SHELF, Case, Rival, Scenario
from tests.fault_injection.scenarios.checkout_and_payment import (
    NEWS_OF_THE_CAPTURE,
    NOTIFICATION,
    OTHER_TAB,
    RECONCILER,
    a_round,
    be_notified,
    come_back,
    come_back_undisturbed,
)
from tests.shop import token_of

# -- another cart -------------------------------------------------------------------------------------------


def cancel_and_buy_another_cart(case: Case) -> None:
    """Go back from PayPal without paying, take one unit more, order that."""
    world = case.world
    world.insist(case.shopper, "GET", f"/payments/paypal/cancel?token={case.token}")
    world.insist(case.shopper, "POST", f"/cart/lines/{case.sku}", form={"quantity": str(IN_THE_CART + 1)})
    answer = world.place(case.shopper, email=case.email)
    assert answer.status == 303, answer.text


def only_the_second_is_sold(case: Case) -> None:
    """Its units are gone from the shelf, those of the first are back on it."""
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF - IN_THE_CART - 1


# -- expiry -------------------------------------------------------------------------------------------------


def leave(case: Case) -> None:
    """Place the order, and leave; the reservation is over meanwhile."""
    case.place()
    case.world.pass_time(minutes=61)


def leave_for_long(case: Case) -> None:
    """Place the order, and leave; PayPal's order is about to be forgotten there."""
    leave(case)
    case.world.rounds(1)
    case.world.pass_time(hours=3)


def let_others_buy_it(case: Case) -> None:
    """Leave for so long that others buy the units; then say yes at PayPal all the same."""
    leave(case)
    case.world.rounds(1)
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF
    case.world.shop.paid(**{case.sku.replace("-", "_"): ON_THE_SHELF - IN_THE_CART + 1})
    case.world.shop.functions.drain("order-emails")
    case.world.shop.paypal.approve(case.token)


def all_is_back(case: Case) -> None:
    """All units are on the shelf again, and no money moved for them."""
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF


def told_and_not_charged(case: Case) -> None:
    """Who had approved is told that nothing was charged, and nothing was."""
    (order,) = case.orders()
    assert [entry.partition("#")[0] for entry in order.emails_sent] == ["order_expired"]
    assert case.world.shop.paypal.captures(case.token) == []


# -- money that pays no order -------------------------------------------------------------------------------


def approve_what_will_be_too_little(case: Case) -> None:
    """Approve; PayPal will take less than was ordered."""
    case.approve()
    case.world.shop.paypal.next_capture("completed", order_id=case.token, value="1.00")


def pay_too_little(case: Case) -> None:
    """Pay less than was ordered; it is to go back."""
    approve_what_will_be_too_little(case)
    come_back_undisturbed(case)


def pay_twice(case: Case) -> None:
    """Pay by a second attempt; then the first one, which had ended, is captured after all."""
    shop = case.world.shop
    case.place()
    shop.paypal.next_capture("MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED", order_id=case.token)
    shop.come_back(case.shopper, case.token)
    (order,) = case.orders()
    second = token_of(case.shopper.post(f"/orders/{order.id}/payment"))
    assert second != case.token
    shop.come_back(case.shopper, second)
    shop.functions.drain("order-emails")
    case.world.hush()
    _capture_behind_our_back(case)


def pay_after_closing(case: Case) -> None:
    """Order another cart; then the first order, cancelled by that, is captured after all, and no webhook comes."""
    case.place()
    shop = case.world.shop
    second = token_of(shop.place(case.shopper, email=case.email, city="Hamburg"))
    shop.come_back(case.shopper, second)
    shop.functions.drain("order-emails")
    _capture_behind_our_back(case)
    case.world.pass_time(hours=6)


def _capture_behind_our_back(case: Case) -> None:
    from chalicelib.payments.paypal import gateway

    case.world.shop.paypal.approve(case.token)
    gateway.capture_order(case.token, f"somebody:{case.token}")


def gone_back(issue: str) -> Callable[[Case], None]:
    """Check that money which pays no order was booked, refunded in full, once, and raised as an issue."""

    def check(case: Case) -> None:
        first = case.orders()[0]
        assert [each["kind"] for each in first.issues] == [issue]
        assert [refund["status"] for refund in first.refunds.values()] == ["completed"]
        rows = [row for row in case.world.shop.paypal.ledger() if row.order_id == case.token]
        assert [row.kind for row in rows] == ["sale", "refund"]
        assert sum(row.amount for row in rows) == 0

    return check


LOOK_AT_ITS_PAGE = Rival(
    "a look at its page", lambda case: case.shopper.get(f"/orders/{case.orders()[0].id}")
)

SCENARIOS = [
    Scenario(
        "cancel and buy another cart",
        Case.place,
        cancel_and_buy_another_cart,
        ("cancelled", "paid"),
        afterwards=Case.pay_up,
        check=only_the_second_is_sold,
        rivals=(RECONCILER,),
    ),
    Scenario(
        "a reservation falls",
        leave,
        a_round,
        ("expired",),
        check=all_is_back,
        rivals=(LOOK_AT_ITS_PAGE,),
        alone=True,
    ),
    Scenario(
        "expiry",
        leave_for_long,
        a_round,
        ("expired",),
        check=all_is_back,
        rivals=(LOOK_AT_ITS_PAGE,),
        alone=True,
    ),
    Scenario(
        "approved, and sold out",
        let_others_buy_it,
        come_back,
        ("expired",),
        check=told_and_not_charged,
        rivals=(NOTIFICATION, RECONCILER),
    ),
    Scenario(
        "too little was paid",
        approve_what_will_be_too_little,
        come_back,
        ("expired",),
        check=gone_back("amount_mismatch"),
        rivals=(NOTIFICATION, RECONCILER),
    ),
    Scenario(
        "a second payment",
        pay_twice,
        be_notified,
        ("paid",),
        check=gone_back("duplicate_capture"),
        rivals=(OTHER_TAB,),
    ),
    Scenario(
        "money for a closed order",
        pay_after_closing,
        a_round,
        ("cancelled", "paid"),
        check=gone_back("captured_after_close"),
        rivals=(NOTIFICATION,),
        alone=True,
        late=True,
    ),
    Scenario(
        "the reconciler refunds",
        pay_too_little,
        a_round,
        ("expired",),
        check=gone_back("amount_mismatch"),
        rivals=(NEWS_OF_THE_CAPTURE,),
        alone=True,
    ),
]
