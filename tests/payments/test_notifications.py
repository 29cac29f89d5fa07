"""PayPal's notifications: taken, queued, and settled by what PayPal answers to our own question."""

import pytest

from chalicelib.money import Money
from chalicelib.orders.models import Order
from tests.shop import Shop, order_id_of


def a_notification(shop: Shop) -> tuple[str, dict[str, str]]:
    shop.paid()
    sent = next(n for n in shop.paypal.notifications() if n.event_type == "PAYMENT.CAPTURE.COMPLETED")
    return sent.body, sent.headers


def test_a_genuine_notification_is_taken_and_may_come_twice(shop: Shop) -> None:
    body, headers = a_notification(shop)
    assert shop.notify(body, headers).status == 200
    assert shop.notify(body, headers).status == 200
    assert shop.functions.drain("payment-notifications") == 2
    assert len(shop.ledger()) == 1


@pytest.mark.parametrize("body", ["", "not json", "[]", "{}", '{"id": 1}', "null", "[" * 5000])
def test_a_signed_body_that_is_no_event_is_refused(shop: Shop, body: str) -> None:
    assert shop.notify(body, shop.paypal.sign(body.encode())).status == 400


def test_a_certificate_that_cannot_be_fetched_makes_paypal_come_again(shop: Shop) -> None:
    from chalicelib.payments import webhook

    webhook._keys.clear()
    body, headers = a_notification(shop)
    shop.paypal.fault("cert", "503", times=1)
    assert shop.notify(body, headers).status == 503
    assert shop.notify(body, headers).status == 200


def test_without_a_webhook_id_notifications_are_put_off(shop: Shop, setting: object) -> None:
    body, headers = a_notification(shop)
    setting(paypal_webhook_id="")  # type: ignore[operator]  # the fixture is a function
    assert shop.notify(body, headers).status == 503


def test_what_paypal_does_not_know_yet_comes_again(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.refund(shop.order(order_id).capture or "", "5.00")
    shop.paypal.deliver_pending()
    shop.paypal.fault("refund_get", "404", times=3)
    shop.functions.drain("payment-notifications", again=True)
    assert shop.order(order_id).refunded == 500


def test_a_refund_in_paypals_dashboard_is_booked_once(shop: Shop) -> None:
    _, order_id = shop.paid()
    capture = shop.order(order_id).capture or ""
    shop.paypal.refund(capture, "5.00")
    shop.paypal.refund(capture, "2.50")
    shop.deliver_notifications()
    for sent in shop.paypal.notifications("PAYMENT.CAPTURE.REFUNDED"):
        shop.notify(sent.body, sent.headers)
    shop.functions.drain("payment-notifications")

    order = shop.order(order_id)
    assert (order.state, order.refunded) == ("paid", 750)
    assert [row.amount for row in shop.ledger() if row.kind == "refund"] == [-500, -250]
    assert shop.mails().count("refunded") == 2


def test_a_refund_that_overtakes_its_sale_books_both(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.clear_faults()
    (capture,) = shop.paypal.captures(token)
    shop.paypal.refund(capture["id"])
    for sent in shop.paypal.notifications("PAYMENT.CAPTURE.REFUNDED"):
        shop.notify(sent.body, sent.headers)
    shop.functions.drain("payment-notifications")

    assert [row.kind for row in shop.ledger()] == ["sale", "refund"]
    assert shop.order(order_id).refunded == shop.order(order_id).total


def test_a_bank_reversal_is_booked_once_and_raised(shop: Shop) -> None:
    _, order_id = shop.paid()
    order = shop.order(order_id)
    shop.paypal.reverse(order.capture or "")
    shop.deliver_notifications()
    for sent in shop.paypal.notifications("PAYMENT.CAPTURE.REVERSED"):
        shop.notify(sent.body, sent.headers)
    shop.functions.drain("payment-notifications")

    order = shop.order(order_id)
    assert (order.state, order.reversed) == ("paid", order.total)
    assert [row.kind for row in shop.ledger()] == ["sale", "reversal"]
    assert [issue["kind"] for issue in order.issues] == ["reversal"]
    assert "The payment of this order was taken back" in shop.shopper().get(f"/orders/{order_id}").text


def test_a_dispute_is_raised_once_a_status(shop: Shop) -> None:
    _, order_id = shop.paid()
    dispute = shop.paypal.open_dispute(shop.order(order_id).capture or "")
    shop.deliver_notifications()
    for sent in shop.paypal.notifications("CUSTOMER.DISPUTE.CREATED"):
        shop.notify(sent.body, sent.headers)
    shop.functions.drain("payment-notifications")
    assert [issue["kind"] for issue in shop.order(order_id).issues] == ["dispute"]
    shop.paypal.resolve_dispute(dispute["dispute_id"])
    shop.deliver_notifications()
    assert [issue["kind"] for issue in shop.order(order_id).issues] == ["dispute", "dispute"]


def test_a_late_pending_never_downgrades(shop: Shop) -> None:
    from chalicelib.payments import paypal, settle

    _, order_id = shop.paid()
    order = shop.order(order_id)
    late = paypal.Capture(order.capture or "", "PENDING", Money(2340, "EUR"), order.id, None, "", None)
    settle.settle_capture(order_id, late, payee=None)
    assert Order.fetch(order_id).state == "paid"
