"""A cart before it is ordered."""

from tests.fault_injection.scenario import IN_THE_CART, Case, Rival, Scenario
from tests.shop import token_of


def choose_paris(case: Case) -> None:
    """Choose a destination in the cart."""
    form = {"country": "FR", "postal_code": "75001"}
    answer = case.world.insist(case.shopper, "POST", "/cart/country", form=form)
    assert answer.status == 303, answer.text


def order_to_paris(case: Case) -> None:
    """Order and pay what the checkout shows for there."""
    page = case.shopper.get("/checkout")
    assert page.field("postal_code") == "75001"
    assert '<option value="FR" selected' in page.body
    case.token = token_of(
        case.world.shop.place(case.shopper, email=case.email, country="FR", postal_code="75001", city="Paris")
    )
    case.world.shop.come_back(case.shopper, case.token)


def sent_to_paris(case: Case) -> None:
    """The order has the shipping of France; a quantity that was changed meanwhile counts."""
    (order,) = case.orders()
    assert (order.customer["country"], order.shipping) == ("FR", 990)
    assert order.items == 1000 * (1 if "another tab" in case.label else IN_THE_CART)


SCENARIOS = [
    Scenario(
        "choose where the cart is sent",
        Case.fill_cart,
        choose_paris,
        ("paid",),
        afterwards=order_to_paris,
        check=sent_to_paris,
        rivals=(
            Rival(
                "another tab",
                lambda case: case.shopper.post(f"/cart/lines/{case.sku}", {"quantity": "1"}),
            ),
        ),
    ),
]
