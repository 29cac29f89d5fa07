"""Money that a bank takes back, and disputes: booked once, and told to staff once."""

from tests.fault_injection.scenario import IN_THE_CART, ON_THE_SHELF, Case, Rival, Scenario
from tests.fault_injection.scenarios.background_jobs import be_told_of_the_capture
from tests.fault_injection.scenarios.checkout_and_payment import OTHER_TAB, lose_the_return

# -- what came before ---------------------------------------------------------------------------------------


def have_it_taken_back(case: Case) -> None:
    """Pay; the buyer's bank takes the money back. No status of PayPal's says so, only its notification."""
    case.pay()
    _take_back(case)


def have_it_taken_back_unknown(case: Case) -> None:
    """Pay, but the process dies when PayPal has taken the money; the bank takes it back before the shop knows of it."""
    lose_the_return(case)
    _take_back(case)


def _take_back(case: Case) -> None:
    case.world.hush()
    case.things["capture"] = _capture(case)
    case.world.shop.paypal.reverse(case.things["capture"])


def have_it_disputed(case: Case) -> None:
    """Pay; the buyer opens a case at PayPal."""
    case.pay()
    case.world.hush()
    case.things["capture"] = _capture(case)
    _dispute(case)


def _dispute(case: Case) -> None:
    case.things["dispute"] = case.world.shop.paypal.open_dispute(case.things["capture"])["dispute_id"]


def _capture(case: Case) -> str:
    (capture,) = case.world.shop.paypal.captures(case.token)
    return str(capture["id"])


def have_it_won(case: Case) -> None:
    """Pay; a bank takes the money back, and PayPal decides for the shop. Of all that nothing was told yet."""
    case.pay()
    _take_back(case)
    _dispute(case)
    case.world.shop.paypal.resolve_dispute(case.things["dispute"], "seller")


# -- what else may happen -----------------------------------------------------------------------------------


def open_a_case(case: Case) -> None:
    """Let the buyer open a case about the same money."""
    _dispute(case)
    be_told_of_the_capture(case)


def lose_the_case(case: Case) -> None:
    """Let PayPal decide for the buyer, who gets the money back."""
    case.world.shop.paypal.resolve_dispute(case.things["dispute"], "buyer")
    be_told_of_the_capture(case)


# -- what comes after ---------------------------------------------------------------------------------------


def taken_back_once(case: Case) -> None:
    """The ledger says once that the money is gone; the order stays paid, and staff are asked to look once."""
    (order,) = case.orders()
    assert int(order.reversed) == int(order.total)
    assert [entry["event"] for entry in order.history].count("payment_reversed") == 1
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF - IN_THE_CART
    _each_told_once(case, "reversal", "dispute" if "dispute" in case.things else None)


def disputed_once(case: Case) -> None:
    """Staff are asked to look once; no money moved, unless PayPal decided so."""
    (order,) = case.orders()
    _each_told_once(case, "dispute", "reversal" if order.reversed else None)


def _each_told_once(case: Case, *kinds: str | None) -> None:
    (order,) = case.orders()
    told = [(issue["kind"], issue["detail"]) for issue in order.issues]
    assert len(set(told)) == len(told), told
    assert {kind for kind, _ in told} == set(filter(None, kinds)), told


def come_back_once(case: Case) -> None:
    """What was taken is booked once, what came back is booked once, and staff were told of each once."""
    (order,) = case.orders()
    kinds = [row.kind for row in case.world.shop.ledger() if row.order_id == order.id]
    assert sorted(kinds) == ["reversal", "reversal_cancelled", "sale"]
    assert int(order.reversed) == 0
    _each_told_once(case, "reversal", "dispute", "reversal_cancelled")


SCENARIOS = [
    Scenario(
        "a bank takes money back",
        have_it_taken_back,
        be_told_of_the_capture,
        ("paid",),
        check=taken_back_once,
        rivals=(Rival("a dispute", open_a_case),),
    ),
    Scenario(
        "taken back before it was known",
        have_it_taken_back_unknown,
        be_told_of_the_capture,
        ("paid",),
        check=taken_back_once,
        rivals=(OTHER_TAB,),
    ),
    Scenario(
        "a dispute that was won",
        have_it_won,
        be_told_of_the_capture,
        ("paid",),
        check=come_back_once,
        rivals=(OTHER_TAB,),
    ),
    Scenario(
        "a dispute",
        have_it_disputed,
        be_told_of_the_capture,
        ("paid",),
        check=disputed_once,
        rivals=(Rival("the end of the dispute", lose_the_case),),
    ),
]
