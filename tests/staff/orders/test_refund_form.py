"""Refunds from the order's page."""

import re

from tests.call_counter import counted_calls
from tests.client import Answer, Shopper
from tests.shop import Shop
from tests.staff.staff_client import trail

TOTAL = "23.40"


def form_of(page: Answer) -> dict[str, str]:
    """Read the refund form of an order's page."""
    body = page.body[page.body.index('class="refund-new"') :]
    part = Answer(page.status, page.headers, [], body[: body.index("</form>")])
    names = set(re.findall(r'name="([^"]+)"', part.body)) - {"all_back"}
    return {name: part.field(name) for name in names}


def press(member: Shopper, order_id: str, **typed: str) -> Answer:
    """Open an order's page, fill in the form, press the button."""
    form = form_of(member.get(f"/staff/orders/{order_id}"))
    return send(member, order_id, {**form, "reason": "A crack.", **typed})


def send(member: Shopper, order_id: str, form: dict[str, str]) -> Answer:
    return member.post(f"/staff/orders/{order_id}/refunds", form)


def test_the_merchant_refunds_a_part_and_the_page_says_so(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid()

    answer = press(merchant, order_id, amount="5,5", note="Sorry!")
    page = merchant.follow(answer)

    assert "€5.50 refunded. We’ve emailed the customer." in page.text
    assert "€5.50 Completed" in page.text
    assert "A crack. · merchant@shop.example" in page.text
    assert "Note to the customer: “Sorry!”" in page.text
    assert "(€17.90 left)" in page.text
    assert form_of(page)["amount"] == "17.90"
    assert [int(row.amount) for row in shop.ledger()] == [2340, -550]
    (entry,) = [entry for entry in trail() if entry.action == "refunded"]
    assert (entry.actor, entry.subject) == ("merchant@shop.example", f"order {shop.order(order_id).number}")
    assert entry.after["left to refund"] == "17.90 EUR"


def test_a_refund_reads_its_order_once(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid()
    form = form_of(merchant.get(f"/staff/orders/{order_id}"))

    with counted_calls() as calls:
        answer = send(merchant, order_id, {**form, "amount": "5", "reason": "A crack."})

    assert answer.status == 303
    assert calls["GetItem"] == 3  # the session, the member, the order
    assert calls["TransactWriteItems"] == 2  # the decision, and what PayPal answered
    assert [refund["status"] for refund in shop.order(order_id).refunds.values()] == ["completed"]


def test_the_form_offers_the_remaining_amount_and_restocks_nothing_by_default(
    shop: Shop, merchant: Shopper
) -> None:
    _, order_id = shop.paid(MUG=2)

    form = form_of(merchant.get(f"/staff/orders/{order_id}"))
    page = merchant.follow(press(merchant, order_id))

    assert (form["amount"], form["restock-MUG"]) == ("41.90", "0")
    assert shop.stock("MUG") == 98
    assert "There’s nothing left to refund." in page.text
    assert 'class="refund-new"' not in page.body


def test_restocked_items_are_listed_with_their_options(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(TEA_50=1, TEA_100=1)
    page = merchant.follow(press(merchant, order_id, amount="1", **{"restock-TEA-100": "1"}))
    assert "Restocked: 1 × Green tea, TEA-100" in page.text


def test_one_tick_puts_all_units_back_and_a_number_some(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(MUG=3, BOWL=1)

    page = merchant.follow(press(merchant, order_id, amount="1", **{"restock-MUG": "1"}))
    assert "Restocked: 1 × Pebble mug" in page.text
    assert (shop.stock("MUG"), shop.stock("BOWL")) == (98, 0)
    press(merchant, order_id, amount="1", all_back="yes")
    assert (shop.stock("MUG"), shop.stock("BOWL")) == (100, 1)
    assert "restock-MUG" not in form_of(merchant.get(f"/staff/orders/{order_id}"))


WRONG = [
    ({"amount": "23.41"}, "amount", "You can refund at most €23.40."),
    ({"amount": "999999999999"}, "amount", "You can refund at most €23.40."),
    ({"amount": "€ 1,000,000,000,000.00"}, "amount", "You can refund at most €23.40."),
    ({"amount": "0"}, "amount", "above zero"),
    ({"amount": "-5"}, "amount", "The amount can’t be negative."),
    ({"amount": "5.001"}, "amount", "at most two decimals, such as 23.40"),
    ({"amount": "12.345"}, "amount", "at most two decimals"),
    ({"amount": ""}, "amount", "Please enter the amount to refund, such as 23.40."),
    ({"amount": "all"}, "amount", "“all” isn’t an amount. Please enter one such as 23.40."),
    ({"reason": ""}, "reason", "enter a reason"),
    ({"reason": "x" * 201}, "reason", "shorten"),
    ({"note": "one\x07two"}, "note", "one line"),
    ({"restock-MUG": "2"}, "restock-MUG", "At most 1"),
    ({"restock-MUG": "-1"}, "restock-MUG", "whole number"),
    ({"restock-MUG": "½"}, "restock-MUG", "whole number"),
]


def test_what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(
    shop: Shop, merchant: Shopper
) -> None:
    _, order_id = shop.paid()
    for wrong, field, words in WRONG:
        typed = {"amount": "5", "reason": "A crack.", "note": "For you", "restock-MUG": "1", **wrong}

        answer = press(merchant, order_id, **typed)

        assert answer.status == 400, wrong
        assert f'aria-describedby="refund-{field}-error"' in answer.body, wrong
        assert words in answer.text, wrong
        kept = form_of(answer)
        assert {name: kept[name] for name in typed} == typed
    answer = press(merchant, order_id, reason="", amount="99", **{"restock-MUG": "2"})
    assert answer.body.count('class="field-error"') == 3
    assert shop.order(order_id).refunds == {}
    assert shop.paypal.requests("refund") == []
    assert [entry for entry in trail() if entry.action == "refunded"] == []


def test_amount_and_units_are_taken_in_other_digits(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid()
    assert press(merchant, order_id, amount="٥٫٥٠", **{"restock-MUG": "１"}).status == 303
    (refund,) = shop.order(order_id).refunds.values()
    assert (int(refund["amount"]), refund["restocked"]) == (550, {"MUG": 1})


def test_a_form_submitted_twice_makes_one_refund_with_the_same_notice(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid()
    form = form_of(merchant.get(f"/staff/orders/{order_id}")) | {"amount": "5", "reason": "A crack."}

    for _ in range(2):
        answer = send(merchant, order_id, form)
        assert "€5.00 refunded" in merchant.follow(answer).text

    assert len(shop.order(order_id).refunds) == 1
    assert [int(row.amount) for row in shop.ledger()] == [2340, -500]


def test_going_back_and_sending_another_amount_by_the_same_form_is_refused(
    shop: Shop, merchant: Shopper
) -> None:
    _, order_id = shop.paid()
    form = form_of(merchant.get(f"/staff/orders/{order_id}")) | {"amount": "5", "reason": "A crack."}
    send(merchant, order_id, form)

    answer = send(merchant, order_id, {**form, "amount": "6"})

    assert answer.status == 409
    assert "already been submitted with a different refund" in answer.text
    assert form_of(answer)["form"] != form["form"]
    assert len(shop.order(order_id).refunds) == 1


def test_a_stale_form_shows_the_remaining_amount_and_keeps_the_input(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid()
    stale = form_of(merchant.get(f"/staff/orders/{order_id}")) | {"amount": "13.40", "reason": "A crack."}
    press(merchant, order_id, amount="10")

    answer = send(merchant, order_id, stale)

    assert answer.status == 409
    assert "changed from €23.40 to €13.40" in answer.text
    again = form_of(answer)
    assert (again["amount"], again["reason"], again["left"]) == ("13.40", "A crack.", "1340")
    assert send(merchant, order_id, again).status == 303
    assert sum(int(row.amount) for row in shop.ledger()) == 0


def test_paypals_refusals_are_shown_as_text(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid()
    shop.paypal.next_refund("pending")
    assert "PayPal is processing the refund" in merchant.follow(press(merchant, order_id, amount="1")).text
    shop.paypal.next_refund("REFUND_FAILED_INSUFFICIENT_FUNDS")
    page = merchant.follow(press(merchant, order_id, amount="1"))
    assert "failed. PayPal rejected it. Your PayPal balance is too low." in page.text
    assert "PayPal rejected a refund" in page.text  # what staff must look at
    shop.paypal.fault("refund", "cut_after", times=None)
    page = merchant.follow(press(merchant, order_id, amount="1"))
    assert "PayPal hasn’t answered yet" in page.text
    assert "(€21.40 left)" in page.text


def test_automatic_refunds_are_listed_too(shop: Shop, merchant: Shopper) -> None:
    _shopper, token = shop.placed()
    shop.paypal.next_capture("completed", value="1.00")
    shop.come_back(_shopper, token)
    (order,) = shop.orders()

    page = merchant.get(f"/staff/orders/{order.id}")

    assert "€1.00 Requested" in page.text
    assert "Automatic refund: Wrong amount paid" in page.text
    assert 'class="refund-new"' not in page.body


def test_an_order_that_nobody_paid_has_no_refund_form_and_takes_none(shop: Shop, merchant: Shopper) -> None:
    shop.placed()
    (order,) = shop.orders()
    assert "Refunds" not in merchant.get(f"/staff/orders/{order.id}").text

    answer = send(
        merchant,
        order.id,
        {"form": "a" * 32, "left": "2340", "amount": "5", "reason": "x", "restock-MUG": "0"},
    )

    assert answer.status == 409
    assert "There is no payment" in answer.text


def test_a_form_that_is_not_ours_is_refused(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid()
    for broken in ({"form": "../x"}, {"form": ""}, {"left": "-1"}, {"left": "lots"}):
        assert press(merchant, order_id, **broken).status == 400
    assert shop.order(order_id).refunds == {}


def test_finance_sees_refunds_and_can_make_none(shop: Shop, merchant: Shopper, finance: Shopper) -> None:
    _, order_id = shop.paid()
    form = form_of(merchant.get(f"/staff/orders/{order_id}")) | {"amount": "5", "reason": "A crack."}
    press(merchant, order_id, amount="10")

    page = finance.get(f"/staff/orders/{order_id}")

    assert "€10.00 Completed" in page.text
    assert 'class="refund-new"' not in page.body
    assert send(finance, order_id, form).status == 403
    assert len(shop.order(order_id).refunds) == 1


def test_an_order_that_does_not_exist_is_not_found(merchant: Shopper) -> None:
    assert send(merchant, "0" * 32, {"form": "a" * 32}).status == 404
