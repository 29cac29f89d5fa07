"""Placing an order, and paying it."""

from tests.client import Answer
from tests.fault_injection import lambda_process
from tests.fault_injection.lambda_process import Process
from tests.fault_injection.scenario import IN_THE_CART, ON_THE_SHELF, Case, Rival, Scenario
from tests.shop import token_of

RESTRICTED = "PAYEE_ACCOUNT_RESTRICTED"
AT_THE_OTHER_TILL = ON_THE_SHELF - IN_THE_CART

# -- what shoppers do ---------------------------------------------------------------------------------------


def place(case: Case) -> None:
    """Send the checkout form."""
    answer = case.world.place(case.shopper, email=case.email)
    assert answer.status == 303, answer.text


def come_back(case: Case) -> None:
    """Come back from PayPal."""
    case.world.insist(case.shopper, "GET", _return_address(case))


def come_back_undisturbed(case: Case) -> Answer:
    """Come back from PayPal, while something else happens."""
    return case.shopper.get(_return_address(case))


def pay_again(case: Case) -> None:
    """Press “Pay with PayPal” on the order's page, say yes at PayPal, come back."""
    answer = _press_pay(case)
    if "token=" in answer.location:
        case.token = token_of(answer)
        case.world.shop.paypal.approve(case.token)
        come_back(case)


def press_pay(case: Case) -> None:
    """Press “Pay with PayPal” for an order that is approved there: nobody is sent there again, unless PayPal forgot it."""
    answer = _press_pay(case)
    assert answer.status == 303, answer.text
    if case.world.hit is None or "token=" not in answer.location:
        assert "/orders/" in answer.location, answer.location
        return
    case.token = token_of(answer)
    case.world.shop.paypal.approve(case.token)
    come_back(case)


def pay_by_card(case: Case) -> None:
    """Press “Pay by card” for an order whose shopper was sent to log in at PayPal, say yes there, come back."""
    answer = _press_pay(case, pay_with="card")
    case.token = token_of(answer)
    case.world.shop.paypal.approve(case.token)
    come_back(case)


def _press_pay(case: Case, **form: str) -> Answer:
    (order,) = case.orders()
    return case.world.insist(case.shopper, "POST", f"/orders/{order.id}/payment", form=form)


def _return_address(case: Case) -> str:
    return f"/payments/paypal/return?token={case.token}&PayerID=PAYER"


# -- what happens by itself ---------------------------------------------------------------------------------


def be_notified(case: Case) -> None:
    """Let PayPal tell what happened."""
    case.world.notify(case.token)


def a_round(case: Case) -> None:
    """Let the reconciler run once, six minutes later."""
    case.world.pass_time(minutes=6)
    case.world.fire("reconcile_payments")


def come_back_and_be_notified(case: Case) -> None:
    """Come back, and then PayPal's notification comes."""
    come_back(case)
    be_notified(case)


def be_notified_and_looked_after(case: Case) -> None:
    """Never come back: PayPal tells of the yes, and the reconciler's next round takes the money."""
    case.world.notify(case.token)
    case.world.pass_time(minutes=3)
    case.world.fire("reconcile_payments")


# -- what came before ---------------------------------------------------------------------------------------


def approve_unnoticed(case: Case) -> None:
    """Approve; the notification of that is lost."""
    case.approve()
    case.world.hush()


def lose_the_return(case: Case) -> None:
    """Approve and come back, but the process dies when PayPal has taken the money."""
    approve_unnoticed(case)
    dying = Process(lambda: case.shopper.get(_return_address(case)))
    dying.run(
        lambda call: lambda_process.DIE_AFTER if call.operation.endswith("/capture") else lambda_process.GO
    )
    assert [order.state for order in case.orders()] == ["capturing"]
    assert len(case.world.shop.paypal.captures(case.token)) == 1


def choose_a_slow_way(case: Case) -> None:
    """Place the order, and say yes to a way of paying that takes PayPal days."""
    case.place()
    case.world.shop.paypal.slow(case.token)


def have_it_completed(case: Case) -> None:
    """Pay in a slow way; days later PayPal has the money."""
    wait_for_the_bank(case)
    _complete(case)


def wait_for_the_bank(case: Case) -> None:
    """Pay in a slow way, which PayPal has taken as pending."""
    choose_a_slow_way(case)
    come_back_undisturbed(case)
    case.world.shop.functions.drain("order-emails")
    case.world.hush()


def be_restricted(case: Case) -> None:
    """Fill the cart of a shop whose account PayPal has restricted, as it has told others before."""
    from chalicelib.payments.paypal import refusals
    from chalicelib.payments.paypal.errors import PayPalRejected

    case.fill_cart()
    case.world.shop.paypal.refuse("create", RESTRICTED, match=case.sku)
    refusals.clear_refused_payments()  # so each case is the first that owes the merchant a mail about it
    refusals.record_refusal(refusals.RefusalKind.PAYMENTS, PayPalRejected(RESTRICTED))


def choose_a_bad_card(case: Case) -> None:
    """Place the order, and say yes with a card that will be declined."""
    case.place()
    case.world.shop.paypal.decline(case.token)


def be_declined(case: Case) -> None:
    """Come back from PayPal with a card that is declined."""
    choose_a_bad_card(case)
    come_back_undisturbed(case)
    assert [order.declined for order in case.orders()] == [True]


# -- what comes after ---------------------------------------------------------------------------------------


def _complete(case: Case) -> None:
    (capture,) = case.world.shop.paypal.captures(case.token)
    case.world.shop.paypal.complete(capture["id"])


def hear_it_all_again(case: Case) -> None:
    """Let every notification come late, the ones that were taken once more: nothing changes."""
    case.world.shop.deliver_notifications()


def placed_once(case: Case) -> None:
    """One order at PayPal was made for it."""
    (order,) = case.orders()
    units = [each["purchase_units"][0] for each in case.world.shop.paypal.orders()]
    assert [unit.get("custom_id") for unit in units].count(order.id) == len(order.payment_attempts) == 1


def pay_once_it_works(case: Case) -> None:
    """PayPal takes payments again, and the shopper pays the order that was kept for them."""
    from chalicelib.payments.paypal import refusals

    assert [refusal.issue for refusal in refusals.current_refusals()] in ([RESTRICTED], [])
    case.world.shop.paypal.clear_faults()
    case.pay_up()


def sold(case: Case) -> None:
    """The units are gone from the shelf, the money is there, and the cart is empty."""
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF - IN_THE_CART
    case.shopper.get("/cart")
    assert case.shopper.jar["cart_count"] == "0"


# -- rivals -------------------------------------------------------------------------------------------------


def be_reconciled(case: Case) -> None:
    """Let the reconciler look at the case's orders that something is due for."""
    from chalicelib import clock
    from chalicelib.payments.reconciler import reconcile_order

    for order in case.orders():
        if order.due_at is not None and order.due_at <= clock.timestamp():
            reconcile_order(order.id)


def hear_of_the_capture(case: Case) -> None:
    """Let PayPal tell what became of the capture: of a refund it says no more of the order."""
    (capture,) = case.world.shop.paypal.captures(case.token)
    case.world.notify(capture["id"])


def sell_to_somebody_else(case: Case) -> None:
    """Let another shopper buy of the same product at another till."""
    shop = case.world.shop
    other = shop.shopper_with(**{case.sku.replace("-", "_"): AT_THE_OTHER_TILL})
    shop.come_back(other, token_of(shop.place(other, email=f"till-{case.number}@example.com")))
    case.things["sold at the other till"] = AT_THE_OTHER_TILL


NOTIFICATION = Rival("the notification", be_notified)
RECONCILER = Rival("the reconciler", be_reconciled, minutes=6)
OTHER_TAB = Rival("the other tab", come_back_undisturbed)
OTHER_TILL = Rival("the other till", sell_to_somebody_else)
NEWS_OF_THE_CAPTURE = Rival("the news of the capture", hear_of_the_capture)


SCENARIOS = [
    Scenario(
        "place an order",
        Case.fill_cart,
        place,
        ("paid",),
        afterwards=Case.pay_up,
        check=placed_once,
        rivals=(OTHER_TILL,),
        main=True,
    ),
    Scenario(
        "pay by return",
        Case.approve,
        come_back,
        ("paid",),
        check=sold,
        rivals=(NOTIFICATION, RECONCILER),
        main=True,
    ),
    Scenario(
        "pay by both at once",
        approve_unnoticed,
        come_back_and_be_notified,
        ("paid",),
        afterwards=hear_it_all_again,
        check=sold,
        rivals=(Rival("all notifications", lambda case: case.world.shop.deliver_notifications()),),
    ),
    Scenario(
        "pay by webhook only",
        lose_the_return,
        be_notified,
        ("paid",),
        check=sold,
        rivals=(OTHER_TAB, RECONCILER),
        main=True,
    ),
    Scenario(
        "never come back",
        Case.approve,
        be_notified_and_looked_after,
        ("paid",),
        check=sold,
        rivals=(OTHER_TAB,),
        alone=True,
    ),
    Scenario(
        "paid, and no webhook ever",
        lose_the_return,
        a_round,
        ("paid",),
        check=sold,
        rivals=(OTHER_TAB,),
        alone=True,
    ),
    Scenario(
        "approved, and no webhook ever",
        Case.approve,
        a_round,
        ("paid",),
        check=sold,
        rivals=(OTHER_TAB, NOTIFICATION),
        alone=True,
    ),
    Scenario(
        "pending",
        choose_a_slow_way,
        come_back,
        ("paid",),
        afterwards=_complete,
        check=sold,
        rivals=(NOTIFICATION,),
    ),
    Scenario(
        "pending, then completed",
        have_it_completed,
        be_notified,
        ("paid",),
        check=sold,
        rivals=(RECONCILER,),
    ),
    Scenario(
        "pending, then completed without a word",
        have_it_completed,
        a_round,
        ("paid",),
        check=sold,
        rivals=(NOTIFICATION,),
        alone=True,
    ),
    Scenario(
        "declined",
        choose_a_bad_card,
        come_back,
        ("paid",),
        afterwards=Case.pay_up,
        check=sold,
        rivals=(NOTIFICATION, RECONCILER),
    ),
    Scenario(
        "declined, then paid",
        be_declined,
        pay_again,
        ("paid",),
        check=sold,
        rivals=(NOTIFICATION, RECONCILER, OTHER_TAB),
        once_failed=frozenset({("conflict from here on", 6)}),
    ),
    Scenario(
        "pay by card instead",
        Case.place,
        pay_by_card,
        ("paid",),
        check=sold,
        rivals=(RECONCILER,),
    ),
    Scenario(
        "order while PayPal takes no payments",
        be_restricted,
        place,
        ("paid",),
        afterwards=pay_once_it_works,
        check=placed_once,
        rivals=(OTHER_TILL,),
    ),
    Scenario(
        "pay again after a lost return",
        Case.approve,
        press_pay,
        ("paid",),
        check=sold,
        rivals=(OTHER_TAB, NOTIFICATION),
    ),
]
