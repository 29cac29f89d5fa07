"""Placing an order, and paying it."""

from tests.faults.case import Case, Scenario


def place(case: Case) -> None:
    """Send the checkout form."""
    answer = case.world.place(case.shopper, email=case.email)
    assert answer.status == 303, answer.text


def come_back(case: Case) -> None:
    """Come back from PayPal; what the order owes is mailed."""
    address = f"/payments/paypal/return?token={case.token}&PayerID=PAYER"
    case.world.insist(case.shopper, "GET", address)
    case.world.drain("order-emails")


SCENARIOS = [
    Scenario("place an order", Case.fill_cart, place, ("awaiting",)),
    Scenario("pay by return", Case.approve, come_back, ("paid",)),
]
