"""Two buttons, one form: PayPal's page to log in, or its page to type in a card."""

import pytest

from tests.client import Answer
from tests.shop import CUSTOMER, Shop, order_id_of, token_of


def landing_page(shop: Shop, answer: Answer) -> str:
    """Return the page that the PayPal order which a redirect leads to begins with."""
    token = token_of(answer)
    created = {
        one.json["payment_source"]["paypal"]["experience_context"]["landing_page"]
        for one in shop.paypal.requests("create")
        if one.json["purchase_units"][0]["invoice_id"]
        == shop.paypal.order(token)["purchase_units"][0]["invoice_id"]
    }
    (page,) = created
    return str(page)


@pytest.mark.parametrize(
    ("pressed", "page"),
    [({"pay_with": "paypal"}, "LOGIN"), ({"pay_with": "card"}, "GUEST_CHECKOUT"), ({}, "LOGIN")],
)
def test_each_button_leads_to_its_page(shop: Shop, pressed: dict[str, str], page: str) -> None:
    shopper = shop.shopper_with(MUG=1)
    answer = shop.place(shopper, **pressed)
    assert landing_page(shop, answer) == page
    shop.come_back(shopper, token_of(answer))
    assert shop.orders()[0].state == "paid"


@pytest.mark.parametrize("pay_with", ["cash", "PAYPAL", "card ,", "paypal\0", "1"])
def test_another_way_of_paying_is_refused_in_words(shop: Shop, pay_with: str) -> None:
    shopper = shop.shopper_with(MUG=1)
    answer = shop.place(shopper, pay_with=pay_with)
    assert (answer.status, shop.orders()) == (400, [])
    assert "with PayPal or by card" in answer.text
    assert CUSTOMER["address"] in answer.body, "what was typed is kept"

    order_id = token_and_id(shop)[1]
    answer = shopper.post(f"/orders/{order_id}/payment", {"pay_with": pay_with})
    assert answer.status == 400
    assert "with PayPal or by card" in answer.text


def token_and_id(shop: Shop) -> tuple[str, str]:
    _, token = shop.placed()
    return token, next(order.id for order in shop.orders() if order.paypal_order_id == token)


def test_both_pages_show_both_buttons_in_one_form_without_script(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.paypal.fault("create", "503", times=None)
    pages = [shopper.get("/checkout"), shopper.follow(shop.place(shopper))]
    for page in pages:
        form = page.body.partition('method="post"')[2].partition("</form>")[0]
        first, second = form.index('value="paypal"'), form.index('value="card"')
        assert first < second, "the Enter key presses the first"
        assert form.count('type="submit" name="pay_with"') == 2
        assert "by card" in form


def test_the_other_button_makes_another_attempt_and_each_leads_back_to_its_own(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    by_paypal = token_of(shop.place(shopper))
    (order,) = shop.orders()
    address = f"/orders/{order.id}/payment"

    by_card = shopper.post(address, {"pay_with": "card"})
    assert landing_page(shop, by_card) == "GUEST_CHECKOUT"
    for _ in range(2):
        assert token_of(shopper.post(address, {"pay_with": "card"})) == token_of(by_card)
        assert token_of(shopper.post(address, {"pay_with": "paypal"})) == by_paypal
        assert token_of(shopper.post(address)) == by_paypal
    assert len(shop.order(order.id).payment_attempts) == 2


@pytest.mark.parametrize("first", [0, 1])
def test_only_one_of_two_approved_attempts_is_captured(shop: Shop, first: int) -> None:
    shopper = shop.shopper_with(MUG=1)
    tokens = [token_of(shop.place(shopper))]
    (order,) = shop.orders()
    tokens.append(token_of(shopper.post(f"/orders/{order.id}/payment", {"pay_with": "card"})))

    shop.come_back(shopper, tokens[first])
    shop.come_back(shopper, tokens[1 - first])
    shop.deliver_notifications()
    for hours in (1, 8):
        with shop.later(hours=hours):
            shop.reconcile()

    order = shop.order(order.id)
    assert (order.state, order.paid_paypal_order_id, order.issues) == ("paid", tokens[first], [])
    assert [row.kind for row in shop.paypal.ledger()] == [row.kind for row in shop.ledger()] == ["sale"]


def test_an_approval_counts_though_the_shopper_presses_the_other_button(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    token = token_of(shop.place(shopper))
    (order,) = shop.orders()
    shop.paypal.approve(token)

    answer = shopper.post(f"/orders/{order.id}/payment", {"pay_with": "card"})

    assert order_id_of(answer) == order.id
    assert (shop.order(order.id).state, shop.order(order.id).paid_paypal_order_id) == ("paid", token)


def test_after_a_decline_a_card_payment_does_not_charge_the_first_attempt(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    declined = token_of(shop.place(shopper))
    (order,) = shop.orders()
    shop.paypal.decline(declined)
    shopper.get(f"/payments/paypal/return?token={declined}")

    by_card = token_of(shopper.post(f"/orders/{order.id}/payment", {"pay_with": "card"}))
    assert by_card != declined
    with shop.later(minutes=6):
        shop.reconcile()
    assert shop.order(order.id).state == "awaiting"
    shop.come_back(shopper, by_card)
    assert (shop.order(order.id).state, shop.order(order.id).paid_paypal_order_id) == ("paid", by_card)
    assert len(shop.paypal.ledger()) == 1


def test_a_lost_answer_to_one_button_is_not_met_by_the_other(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.paypal.fault("create", "cut_after", times=3)
    order_id = order_id_of(shop.place(shopper))
    by_card = shopper.post(f"/orders/{order_id}/payment", {"pay_with": "card"})
    token = token_of(by_card)
    bodies: dict[str | None, set[str]] = {}
    for one in shop.paypal.requests("create"):
        bodies.setdefault(one.request_id, set()).add(one.body)
    assert [len(sent) for sent in bodies.values()] == [1, 1], "a request id never comes with another body"
    shop.come_back(shopper, token)
    assert shop.order(order_id).paid_paypal_order_id == token
