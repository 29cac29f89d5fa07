"""A shopper pays: every way that PayPal can answer a capture."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from unittest import mock

import pytest
import requests

from chalicelib import aws
from chalicelib.payments import capture_payment, settlement
from chalicelib.payments.paypal import api_client, gateway, values
from chalicelib.payments.paypal.errors import PayPalOutcomeUnknown, PayPalRejected
from infra.local.fake_paypal.payments.scripted_outcomes import REFUSALS
from tests.client import Answer, Shopper
from tests.shop import Shop, order_id_of, token_of


def test_paying_makes_a_paid_order_a_ledger_row_and_two_mails(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=2)
    assert shop.stock("MUG") == 98

    order = shop.order(order_id_of(shop.come_back(shopper, token)))

    assert (order.state, order.total, order.shipping) == ("paid", 4190, 490)
    (sale,) = shop.ledger()
    assert (sale.kind, sale.amount, sale.order_id, sale.paypal_id) == (
        "sale",
        4190,
        order.id,
        order.capture_id,
    )
    assert shop.mails() == ["merchant_order_paid", "order_paid"]
    assert shop.stock("MUG") == 98
    assert "Thank you, your order is paid" in shopper.get(f"/orders/{order.id}").text
    assert "Your cart is empty." in shopper.get("/cart").text
    assert [row.kind for row in shop.paypal.ledger()] == ["sale"]


def test_coming_back_twice_captures_once(shop: Shop) -> None:
    shopper, token = shop.placed()
    first = shop.come_back(shopper, token)
    second = shopper.get(f"/payments/paypal/return?token={token}")

    assert first.location == second.location
    assert len(shop.ledger()) == len(shop.paypal.ledger()) == 1
    assert len(shop.paypal.requests("capture")) == 1


def test_the_return_works_without_a_cookie(shop: Shop) -> None:
    _, token = shop.placed()
    order_id = order_id_of(shop.come_back(shop.shopper(), token))
    assert shop.order(order_id).state == "paid"


def test_cancelling_at_paypal_leads_back_to_a_full_cart(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    shop.paypal.cancel(token)

    back = shopper.get(f"/payments/paypal/cancel?token={token}")
    cart = shopper.follow(back)

    assert "You haven’t been charged" in cart.text
    assert 'class="notice notice-wait" role="status"' in cart.body  # unpaid is no success
    assert "Last bowl" in cart.text
    assert "sold out" not in cart.text.lower()
    assert shop.orders()[0].state == "awaiting"
    again = shop.place(shopper)
    assert token_of(again) == token


def test_a_declined_card_can_be_followed_by_a_good_one_on_the_same_paypal_order(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.decline(token)
    back = shopper.get(f"/payments/paypal/return?token={token}")
    page = shopper.follow(back)
    assert "PayPal declined this payment" in page.text
    shop.functions.drain("order-emails")
    assert "PayPal declined this payment" in shopper.get(back.location).text

    again = shopper.post(f"{back.location}/payment")
    assert token_of(again) == token
    shop.come_back(shopper, token)

    (order,) = shop.orders()
    assert order.state == "paid"
    assert len(shop.paypal.ledger()) == 1


def test_a_slow_payment_is_pending_then_completed_by_a_notification(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=3)
    shop.paypal.slow(token)
    back = shopper.get(f"/payments/paypal/return?token={token}")
    assert "Your payment is pending" in shopper.follow(back).text
    (order,) = shop.orders()
    assert order.state == "pending"
    assert shop.ledger() == []
    assert shop.mails() == ["payment_pending"]

    shop.paypal.complete(order.capture_id or "")
    shop.deliver_notifications()

    (order,) = shop.orders()
    assert order.state == "paid"
    assert [row.amount for row in shop.ledger()] == [order.total]


def test_a_slow_payment_that_is_denied_leaves_the_order_to_be_paid_again(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.slow(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    (order,) = shop.orders()

    shop.paypal.deny(order.capture_id or "")
    shop.deliver_notifications()

    (order,) = shop.orders()
    assert order.state == "awaiting"
    assert "payment_failed" in shop.mails()
    again = shopper.post(f"/orders/{order.id}/payment")
    assert token_of(again) != token
    shop.come_back(shopper, token_of(again))
    assert shop.orders()[0].state == "paid"
    assert len(shop.ledger()) == 1


@pytest.mark.parametrize("outcome", ["declined", "failed"])
def test_a_capture_that_says_no_leaves_the_order_unpaid_and_a_new_attempt_pays_it(
    shop: Shop, outcome: str
) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture(outcome)
    back = shop.come_back(shopper, token)
    order_id = order_id_of(back)
    assert shop.order(order_id).state == "awaiting"
    assert shop.ledger() == []
    assert "PayPal declined this payment" in shopper.follow(back).text

    again = token_of(shopper.post(f"/orders/{order_id}/payment"))
    assert again != token
    shop.come_back(shopper, again)

    assert shop.order(order_id).state == "paid"
    assert len(shop.paypal.ledger()) == 1


def test_an_order_that_was_not_approved_is_not_paid_and_stays_payable(shop: Shop) -> None:
    shopper, token = shop.placed()
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
    order = shop.order(order_id)
    assert (order.state, order.approved) == ("awaiting", False)
    assert "Your order isn’t paid yet" in shopper.get(f"/orders/{order_id}").text
    assert token_of(shopper.post(f"/orders/{order_id}/payment")) == token

    shop.come_back(shopper, token)
    assert shop.order(order_id).state == "paid"


SEND_BACK = sorted(
    set(REFUSALS["capture"]) - {"DUPLICATE_INVOICE_ID", "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED"}
)


@pytest.mark.parametrize("issue", SEND_BACK)
def test_a_refused_payment_is_shown_and_leads_back_to_the_same_paypal_order(shop: Shop, issue: str) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture(issue)
    back = shop.come_back(shopper, token)
    order_id = order_id_of(back)
    asked = "Please confirm your payment once more"
    told = asked if issue == "PAYER_ACTION_REQUIRED" else "PayPal declined this payment"
    assert told in shopper.follow(back).text
    assert shop.order(order_id).state == "awaiting"

    with shop.later(minutes=10):
        shop.reconcile()
    assert len(shop.paypal.requests("capture")) == 1
    assert token_of(shopper.post(f"/orders/{order_id}/payment")) == token
    shop.come_back(shopper, token)
    assert shop.order(order_id).state == "paid"


def test_a_paypal_order_with_too_many_tries_is_followed_by_a_new_one(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture("MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED")
    order_id = order_id_of(shop.come_back(shopper, token))
    again = token_of(shopper.post(f"/orders/{order_id}/payment"))
    assert again != token
    shop.come_back(shopper, again)
    assert shop.order(order_id).state == "paid"


def test_a_duplicate_invoice_number_does_not_block_an_honest_retry(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture("DUPLICATE_INVOICE_ID")
    order_id = order_id_of(shop.come_back(shopper, token))
    order = shop.order(order_id)
    assert (order.state, order.declined) == ("awaiting", False)

    again = token_of(shopper.post(f"/orders/{order_id}/payment"))

    assert again != token
    number = shop.paypal.order(again)["purchase_units"][0]["invoice_id"]
    assert number == f"AWN-{order.number}-2"
    shop.come_back(shopper, again)
    assert shop.order(order_id).state == "paid"
    assert shop.order(order_id).paid_paypal_order_id == again


def test_a_duplicate_invoice_number_that_is_our_own_capture_pays_the_order(shop: Shop) -> None:
    _, token = shop.placed()
    (order,) = shop.orders()
    shop.paypal.approve(token)
    gateway.capture_order(token, "an:earlier:one")
    real = gateway.get_order
    looks = iter([replace(real(token), captures=(), status="APPROVED")])
    duplicate = PayPalRejected("DUPLICATE_INVOICE_ID")

    with (
        mock.patch.object(gateway, "capture_order", side_effect=duplicate),
        mock.patch.object(gateway, "get_order", side_effect=lambda number: next(looks, None) or real(number)),
    ):
        capture_payment.capture_payment(order.id, shopper_present=True)

    assert shop.order(order.id).state == "paid"
    assert len(shop.ledger()) == 1


def test_an_order_captured_under_another_key_is_settled_as_a_success(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.approve(token)
    gateway.capture_order(token, "another:key")
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
    assert shop.order(order_id).state == "paid"
    assert len(shop.ledger()) == len(shop.paypal.ledger()) == 1


def test_a_hanging_paypal_is_left_in_time_and_the_page_says_who_is_asked(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.approve(token)
    shop.paypal.fault("capture", "hang", times=None)
    began = time.monotonic()
    with mock.patch.object(gateway, "SECONDS_PER_REQUEST", 1.0):
        back = shopper.get(f"/payments/paypal/return?token={token}")
    assert time.monotonic() - began < 5
    assert "Confirming your payment" in shopper.follow(back).text
    shop.paypal.clear_faults()
    with shop.later(minutes=3):
        shop.reconcile()
    assert "Thank you, your order is paid" in shopper.follow(back).text


def test_cancelling_in_one_tab_what_was_paid_in_another_shows_the_paid_order(shop: Shop) -> None:
    shopper, token = shop.placed()
    paid = shop.come_back(shopper, token)
    assert shopper.get(f"/payments/paypal/cancel?token={token}").location == paid.location


def test_the_secret_may_lie_in_the_parameter_store(shop: Shop, setting: Callable[..., None]) -> None:
    aws.client("ssm").put_parameter(Name="/shop/paypal", Value="test-secret", Type="SecureString")
    setting(paypal_client_secret="", paypal_client_secret_parameter="/shop/paypal")
    gateway._client.cache_clear()
    shop.paypal.revoke_tokens()
    try:
        _, order_id = shop.paid()
    finally:
        gateway._client.cache_clear()
    assert shop.order(order_id).state == "paid"


def test_a_secret_that_was_replaced_is_read_again(shop: Shop, setting: Callable[..., None]) -> None:
    ssm = aws.client("ssm")
    ssm.put_parameter(Name="/shop/replaced", Value="leaked-secret", Type="SecureString")
    setting(paypal_client_secret="", paypal_client_secret_parameter="/shop/replaced")
    gateway._client.cache_clear()
    try:
        shopper = shop.shopper_with(MUG=1)
        address = shop.place(shopper).location
        assert address.startswith("/orders/"), "no way to PayPal"
        ssm.put_parameter(Name="/shop/replaced", Value="test-secret", Type="SecureString", Overwrite=True)
        shop.come_back(shopper, token_of(shopper.post(f"{address}/payment")))
    finally:
        gateway._client.cache_clear()
    assert shop.orders()[0].state == "paid"


def test_an_order_captured_already_is_settled_as_a_success(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.clear_faults()
    assert shop.order(order_id).state == "capturing"
    with shop.later(minutes=3):
        shop.reconcile()
    assert shop.order(order_id).state == "paid"
    assert len(shop.ledger()) == len(shop.paypal.ledger()) == 1


@pytest.mark.parametrize("kind", ["503", "429", "cut_before", "cut_after", "bad_body", "html_body"])
def test_one_failing_answer_is_asked_for_again_under_the_same_key(shop: Shop, kind: str) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", kind, times=1)
    order_id = order_id_of(shop.come_back(shopper, token))

    assert shop.order(order_id).state == "paid"
    assert len(shop.paypal.ledger()) == len(shop.ledger()) == 1
    keys = {request.request_id for request in shop.paypal.requests("capture")}
    assert len(keys) == 1


def test_paypal_away_while_creating_leaves_an_order_that_can_be_paid_later(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.paypal.fault("create", "503", times=None)
    answer = shop.place(shopper)
    page = shopper.follow(answer)
    assert "We couldn’t reach PayPal" in page.text
    shop.paypal.clear_faults()

    order_id = order_id_of(answer)
    token = token_of(shopper.post(f"/orders/{order_id}/payment"))
    shop.come_back(shopper, token)

    assert shop.order(order_id).state == "paid"


@pytest.mark.parametrize(
    ("difference", "issue"),
    [
        ({"value": "1.00"}, "amount_mismatch"),
        ({"currency": "USD"}, "amount_mismatch"),
        ({"custom_id": "somebody-else"}, "order_mismatch"),
    ],
)
def test_money_that_is_not_ours_in_full_is_booked_refunded_and_raised(
    shop: Shop, difference: dict[str, str], issue: str
) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture("completed", **difference)
    order_id = order_id_of(shop.come_back(shopper, token))
    order = shop.order(order_id)
    assert order.state == "awaiting"
    assert [entry["kind"] for entry in order.issues] == [issue]
    assert "a payment that we can’t accept for this order" in shopper.get(f"/orders/{order_id}").text

    with shop.later(minutes=6):
        shop.reconcile()

    assert sum(row.amount for row in shop.ledger()) == 0
    assert [row.kind for row in shop.ledger()] == ["sale", "refund"]
    assert sum(row.amount for row in shop.paypal.ledger()) == 0
    assert "refund_completed" in shop.mails()


def test_money_paid_to_another_account_pays_no_order(shop: Shop) -> None:
    _, token = shop.placed()
    (order,) = shop.orders()
    shop.paypal.approve(token)
    with mock.patch.object(capture_payment, "settle_paypal_order"):
        capture_payment.capture_payment(order.id, shopper_present=True)
    paypal_order = gateway.get_order(token)

    order = settlement.settle_paypal_order(
        order.id, replace(paypal_order, payee=values.Payee("somebodyelse"))
    )

    assert order.state == "awaiting"
    assert [entry["kind"] for entry in order.issues] == ["payee_mismatch"]
    assert shop.ledger() == []
    assert order.open_refunds() == {}
    page = shop.shopper().get(f"/orders/{order.id}")
    assert "didn’t reach us" in page.text
    assert f"/orders/{order.id}/payment" not in page.body


def test_a_used_or_unknown_token(shop: Shop) -> None:
    shopper, token = shop.placed()
    first = shop.come_back(shopper, token)
    assert shop.shopper().get(f"/payments/paypal/return?token={token}").location == first.location
    for unknown in ("7AB12345CD678901E", "", "../../v1/x", "a" * 50, "ÄÖ"):
        assert shopper.get(f"/payments/paypal/return?token={unknown}").status == 404
        assert shopper.get(f"/payments/paypal/cancel?token={unknown}").status == 404


def test_paying_a_paid_order_shows_it_and_charges_nothing(shop: Shop) -> None:
    shopper, order_id = shop.paid()
    answer = shopper.post(f"/orders/{order_id}/payment")
    assert order_id_of(answer) == order_id
    assert len(shop.paypal.ledger()) == 1


def test_two_clicks_on_pay_at_once_make_one_paypal_order_and_no_error(shop: Shop) -> None:
    shop.paypal.fault("create", "503", times=None)
    shopper = shop.shopper_with(MUG=1)
    order_id = order_id_of(shop.place(shopper))
    shop.paypal.clear_faults()
    barrier = Barrier(4)

    def click(_: int) -> Answer:
        barrier.wait()
        return Shopper(shop.gateway).post(f"/orders/{order_id}/payment")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(click, range(4)))

    assert {token_of(answer) for answer in answers} == {shop.order(order_id).paypal_order_id}
    assert len(shop.order(order_id).payment_attempts) == 1


def test_returns_notifications_and_the_reconciler_at_once_capture_and_book_once(shop: Shop) -> None:
    _shopper, token = shop.placed(MUG=2)
    shop.paypal.approve(token)
    (order,) = shop.orders()
    barrier = Barrier(6)

    def settle(number: int) -> None:
        barrier.wait()
        if number % 2:
            Shopper(shop.gateway).get(f"/payments/paypal/return?token={token}")
        else:
            capture_payment.capture_payment(order.id, shopper_present=False)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(settle, range(6)))

    assert shop.order(order.id).state == "paid"
    assert len(shop.ledger()) == len(shop.paypal.ledger()) == 1
    assert shop.stock("MUG") == 98


def test_a_missing_custom_id_or_payee_does_not_send_good_money_back(shop: Shop) -> None:
    _, token = shop.placed()
    (order,) = shop.orders()
    shop.paypal.approve(token)
    with mock.patch.object(capture_payment, "settle_paypal_order"):
        capture_payment.capture_payment(order.id, shopper_present=True)
    paypal_order = gateway.get_order(token)
    bare = replace(paypal_order.captures[0], custom_id=None, payee=None)

    settled = settlement.settle_paypal_order(order.id, replace(paypal_order, payee=None, captures=(bare,)))

    assert settled.state == "paid"


def test_a_late_decline_of_an_earlier_attempt_does_not_end_the_living_one(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.next_capture("declined")
    order_id = order_id_of(shop.come_back(shopper, token))
    (declined,) = shop.paypal.captures(token)
    again = token_of(shopper.post(f"/orders/{order_id}/payment"))
    shop.paypal.approve(again)
    shop.paypal.fault("capture", "cut_after", times=None)
    shopper.get(f"/payments/paypal/return?token={again}")
    shop.paypal.clear_faults()
    assert shop.order(order_id).state == "capturing"

    capture_payment.settle_capture_id(declined["id"])

    assert shop.order(order_id).state == "capturing"
    with shop.later(minutes=3):
        shop.reconcile()
    assert shop.order(order_id).state == "paid"
    assert len(shop.ledger()) == len(shop.paypal.ledger()) == 1


def test_without_a_token_nothing_is_known_of_an_order(shop: Shop) -> None:
    gateway._client.cache_clear()
    shop.placed()
    (order,) = shop.orders()
    shop.paypal.revoke_tokens()
    shop.paypal.fault("token", "404", times=None)
    with shop.later(minutes=6):
        shop.reconcile()
    shop.paypal.clear_faults()
    assert shop.order(order.id).state == "awaiting"


@pytest.mark.parametrize("body", [b"<html>not found</html>", b"", b"{}", b'{"name": "NOT_FOUND"}', b"[1]"])
def test_a_404_that_is_not_paypals_own_is_not_known_rather_than_gone(body: bytes) -> None:
    answer = requests.Response()
    answer.status_code = 404
    answer._content = body
    with pytest.raises(PayPalOutcomeUnknown):
        api_client._read(answer)


def test_a_refusal_of_a_repeated_capture_that_took_the_money_pays_the_order(shop: Shop) -> None:
    _, token = shop.placed()
    (order,) = shop.orders()
    shop.paypal.approve(token)
    real = gateway.capture_order

    def take_the_money_and_refuse(paypal_id: str, request_id: str) -> values.PayPalOrder:
        real(paypal_id, request_id)
        raise PayPalRejected("DUPLICATE_REQUEST_ID")

    with mock.patch.object(gateway, "capture_order", take_the_money_and_refuse):
        capture_payment.capture_payment(order.id, shopper_present=True)

    assert shop.order(order.id).state == "paid"
