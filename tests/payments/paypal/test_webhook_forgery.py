"""Forged notifications: most are refused; one that gets past its signature changes nothing that PayPal does not say."""

import json
import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.payments.paypal import gateway, values
from chalicelib.payments.paypal.order_request import order_body
from infra.local.fake_paypal.control.control_client import Notification
from tests.invariants import check_money, check_stock, units
from tests.shop import Shop, order_id_of

QUEUE = "paypal-webhooks"
CERTS = "/v1/notifications/certs/"
BODY = json.dumps({"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": {}}).encode()
Json = dict[str, Any]


def delivered(shop: Shop, event_type: str = "PAYMENT.CAPTURE.COMPLETED") -> Notification:
    """Let somebody buy; return a genuine delivery about it."""
    shop.paid()
    return shop.paypal.notifications(event_type)[-1]


def known(shop: Shop) -> object:
    """List all that a notification could change: orders, money, mails, stock; not when the shop looks again."""
    orders = {
        order.id: (
            order.state,
            order.capture_id,
            order.refunded,
            order.reversed,
            order.declined,
            order.issues,
        )
        for order in shop.orders()
    }
    return orders, [row.paypal_id for row in shop.ledger()], shop.mails(), units(shop)


# -- what is refused at the door --------------------------------------------------------------------------


CHANGES = [
    {"PAYPAL-AUTH-ALGO": "SHA1withRSA"},
    {"PAYPAL-AUTH-ALGO": "SHA256withECDSA"},
    {"PAYPAL-AUTH-ALGO": "sha256withrsa"},
    {"PAYPAL-AUTH-ALGO": "none"},
    {"PAYPAL-AUTH-ALGO": ""},
    {"PAYPAL-TRANSMISSION-SIG": "bm90IGEgc2lnbmF0dXJl"},
    {"PAYPAL-TRANSMISSION-SIG": "not base64 ö"},
    {"PAYPAL-TRANSMISSION-SIG": ""},
    {"PAYPAL-TRANSMISSION-ID": "another"},
    {"PAYPAL-TRANSMISSION-TIME": "2026-11-22T12:00:00Z"},
    {"PAYPAL-CERT-URL": f"https://evil.example{CERTS}CERT-1"},
    {"PAYPAL-CERT-URL": f"https://api.paypal.com@evil.example{CERTS}CERT-1"},
    {"PAYPAL-CERT-URL": f"https://api.paypal.com{CERTS}CERT-1"},
    {"PAYPAL-CERT-URL": "http://[::1"},
    {"PAYPAL-CERT-URL": ""},
]


def test_a_forged_notification_is_refused_and_nothing_is_queued(shop: Shop) -> None:
    sent = delivered(shop)
    answers = [shop.notify(sent.body, sent.headers | change).status for change in CHANGES]
    assert answers == [400] * len(CHANGES)
    assert shop.functions.drain(QUEUE) == 0
    assert shop.notify(sent.body, sent.headers).status == 200  # so it was the change


def test_a_changed_body_or_a_foreign_key_is_refused(shop: Shop) -> None:
    sent = delivered(shop)
    assert shop.notify(sent.body.replace("COMPLETED", "COMPLETEE"), sent.headers).status == 400
    assert shop.notify(sent.body, shop.paypal.sign(sent.body.encode(), key="wrong")).status == 400
    assert shop.functions.drain(QUEUE) == 0


def test_a_notification_signed_for_another_webhook_is_refused(shop: Shop) -> None:
    sent = delivered(shop)
    for webhook_id in ("WH-OF-ANOTHER-MERCHANT", "7e5twebh00k000001", "WEBHOOK_ID"):
        theirs = shop.paypal.sign(sent.body.encode(), webhook_id=webhook_id)
        assert shop.notify(sent.body, theirs).status == 400
    assert shop.functions.drain(QUEUE) == 0


# -- what gets past the signature -------------------------------------------------------------------------


def with_the_same_crc32(event: Json, genuine: str) -> str:
    """Write another event so that its CRC32 is that of a genuine body: a genuine signature then covers it.

    One bit of each of 64 characters is free. CRC32 is linear in them, so that 32 equations choose them.
    """
    before, after = json.dumps(event)[:-1] + ', "note": "', '"}'

    def crc(note: int) -> int:
        return zlib.crc32(f"{before}{note:064b}{after}".encode())

    basis: dict[int, tuple[int, int]] = {}  # highest bit → what choosing these characters changes, and which
    for bit in range(64):
        change, chosen = crc(1 << bit) ^ crc(0), 1 << bit
        while change and change.bit_length() in basis:
            other, others = basis[change.bit_length()]
            change, chosen = change ^ other, chosen ^ others
        if change:
            basis[change.bit_length()] = change, chosen
    missing, note = crc(0) ^ zlib.crc32(genuine.encode()), 0
    while missing:
        change, chosen = basis[missing.bit_length()]
        missing, note = missing ^ change, note ^ chosen
    return f"{before}{note:064b}{after}"


def test_another_body_can_have_the_same_crc32() -> None:
    forged = with_the_same_crc32({"id": "WH-2"}, BODY.decode())
    assert json.loads(forged)["id"] == "WH-2"
    assert zlib.crc32(forged.encode()) == zlib.crc32(BODY)


def forge(shop: Shop, genuine: Notification, **changes: Any) -> None:
    """Send a forged event under a genuine delivery's signature, which it gets past, and let all of it be worked on."""
    forged = with_the_same_crc32(genuine.event | changes, genuine.body)
    assert shop.notify(forged, genuine.headers).status == 200
    assert shop.functions.drain(QUEUE, again=True) > 0


INVENTED = "9XX12345CD678901F"


def much_money(genuine: Notification, victim: values.PayPalOrder) -> Json:
    amount = {"currency_code": "EUR", "value": "9999.00"}
    return {"resource": genuine.event["resource"] | {"amount": amount}}


def an_invented_capture(genuine: Notification, victim: values.PayPalOrder) -> Json:
    related = {"related_ids": {"order_id": victim.id}}
    return {"resource": {"id": INVENTED, "status": "COMPLETED", "supplementary_data": related}}


def an_order_that_nobody_approved(genuine: Notification, victim: values.PayPalOrder) -> Json:
    resource = {"id": victim.id, "status": "APPROVED"}
    return {
        "event_type": "CHECKOUT.ORDER.APPROVED",
        "resource_type": "checkout-order",
        "resource": resource,
    }


def an_event_that_never_was(genuine: Notification, victim: values.PayPalOrder) -> Json:
    return {"id": "WH-INVENTED", "event_type": "PAYMENT.CAPTURE.REVERSED"}


def another_events_id(genuine: Notification, victim: values.PayPalOrder) -> Json:
    return {"event_type": "PAYMENT.CAPTURE.REVERSED"}  # its id is that of the completed capture


def a_dispute_under_another_events_id(genuine: Notification, victim: values.PayPalOrder) -> Json:
    return {"event_type": "CUSTOMER.DISPUTE.CREATED", "resource_type": "dispute"}


def a_denial(genuine: Notification, victim: values.PayPalOrder) -> Json:
    return {"event_type": "PAYMENT.CAPTURE.DENIED"}


def an_invented_refund(genuine: Notification, victim: values.PayPalOrder) -> Json:
    capture = genuine.event["resource"]["id"]
    resource = {"id": INVENTED, "links": [{"rel": "up", "href": f"/v2/payments/captures/{capture}"}]}
    return {"event_type": "PAYMENT.CAPTURE.REFUNDED", "resource_type": "refund", "resource": resource}


def a_capture_as_its_refund(genuine: Notification, victim: values.PayPalOrder) -> Json:
    return {"event_type": "PAYMENT.CAPTURE.REFUNDED", "resource_type": "refund"}


LIES: list[Callable[[Notification, values.PayPalOrder], Json]] = [
    much_money,
    an_invented_capture,
    an_order_that_nobody_approved,
    an_event_that_never_was,
    another_events_id,
    a_dispute_under_another_events_id,
    a_denial,
    an_invented_refund,
    a_capture_as_its_refund,
]


def test_a_genuine_signature_on_another_body_changes_nothing(shop: Shop) -> None:
    _, token = shop.placed(BOWL=1)
    genuine = delivered(shop)
    before = known(shop)

    for lie in LIES:
        forge(shop, genuine, **lie(genuine, gateway.get_order(token)))
        assert known(shop) == before, lie.__name__
    with shop.later(minutes=6):
        shop.reconcile()

    assert known(shop) == before
    assert len(shop.paypal.requests("capture")) == 1
    check_money(shop)


def test_another_orders_payment_does_not_pay_an_order_named_in_a_forged_event(shop: Shop) -> None:
    _, token = shop.placed(BOWL=1)
    (victim,) = shop.orders()
    shopper, cheap = shop.placed(MUG=1)
    shop.paypal.fault("capture", "cut_after", times=None)
    own = order_id_of(shop.come_back(shopper, cheap))  # captured, and not settled yet
    shop.paypal.clear_faults()
    genuine = shop.paypal.notifications("PAYMENT.CAPTURE.COMPLETED")[-1]

    named = {"custom_id": victim.id, "supplementary_data": {"related_ids": {"order_id": token}}}
    forge(shop, genuine, resource=genuine.event["resource"] | named)

    assert (shop.order(victim.id).state, shop.order(own).state) == ("awaiting", "paid")
    check_money(shop)


def test_another_orders_approval_does_not_count_for_a_declined_one(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    shop.paypal.decline(token)
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
    with shop.later(minutes=2):
        genuine = delivered(shop, "CHECKOUT.ORDER.APPROVED")  # another order's, after the decline
        shop.paypal.next_capture("completed", order_id=token)
        forge(shop, genuine, resource={"id": token, "status": "APPROVED"})
        assert shop.order(order_id).declined
    with shop.later(minutes=12):
        shop.reconcile()
    assert shop.order(order_id).state == "awaiting"
    assert len(shop.paypal.requests("capture")) == 2  # who was declined, and the other


def test_a_genuine_signature_on_invented_money_pays_nothing(shop: Shop) -> None:
    shop.placed()
    (order,) = shop.orders()
    resource = {
        "id": INVENTED,
        "status": "COMPLETED",
        "custom_id": order.id,
        "amount": {"currency_code": "EUR", "value": "23.40"},
        "supplementary_data": {"related_ids": {"order_id": order.paypal_order_id}},
    }
    body = json.dumps(json.loads(BODY) | {"resource_type": "capture", "resource": resource})
    assert shop.notify(body, shop.paypal.sign(body.encode())).status == 200
    assert shop.functions.drain(QUEUE) == 1
    assert shop.order(order.id).state == "awaiting"
    assert shop.ledger() == []


# -- what is genuine, and not ours, not new, or not in turn -----------------------------------------------


def test_money_of_another_till_on_the_same_account_is_left_alone(shop: Shop) -> None:
    shop.placed(BOWL=1)
    (order,) = shop.orders()
    before = known(shop)
    theirs = order_body(order, 7)  # even with our order's ID in it: the shop has never made this one
    other = gateway.create_order(theirs, "another:till").id
    shop.paypal.approve(other)
    (capture,) = gateway.capture_order(other, "another:capture").captures
    shop.paypal.refund(capture.id, "1.00")
    shop.paypal.reverse(capture.id, "2.00")
    shop.paypal.open_dispute(capture.id)

    answers = shop.paypal.deliver_pending()
    shop.functions.drain(QUEUE, again=True)

    assert len(answers) >= 4
    assert {answer["status"] for answer in answers} == {200}
    assert known(shop) == before
    assert shop.order(order.id).state == "awaiting"


def test_a_replayed_notification_changes_nothing_however_old_it_is(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=2)
    shop.paypal.refund(shop.order(order_id).capture_id or "", "5.00")
    shop.paypal.reverse(shop.order(order_id).capture_id or "", "1.00")
    shop.paypal.open_dispute(shop.order(order_id).capture_id or "")
    shop.deliver_notifications()
    before = known(shop)
    told = shop.paypal.notifications()
    assert len(told) >= 5

    for days in (0, 3, 400):
        with shop.later(days=days):
            for sent in told:
                assert shop.notify(sent.body, sent.headers).status == 200
            assert shop.functions.drain(QUEUE, again=True) == len(told)  # none fails and comes again
        assert known(shop) == before
    check_money(shop)


@pytest.mark.parametrize("seed", [None, 1])
def test_the_result_does_not_depend_on_the_order_of_notifications(shop: Shop, seed: int | None) -> None:
    counted = units(shop)
    shopper, token = shop.placed(MUG=2)
    shop.paypal.slow(token)
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
    capture = shop.order(order_id).capture_id or ""
    shop.paypal.complete(capture)
    shop.paypal.refund(capture, "5.00")
    shop.paypal.refund(capture, "2.50")
    shop.paypal.reverse(capture, "1.00")
    told = shop.paypal.notifications()
    told.reverse()
    if seed is not None:
        random.Random(seed).shuffle(told)

    for sent in told:
        assert shop.notify(sent.body, sent.headers).status == 200
        assert shop.functions.drain(QUEUE, again=True) == 1

    order = shop.order(order_id)
    assert (order.state, order.refunded, order.reversed) == ("paid", 750, 100)
    assert sorted(row.kind for row in shop.ledger()) == ["refund", "refund", "reversal", "sale"]
    assert shop.mails() == [
        "merchant_issue",
        "merchant_order_paid",
        "order_paid",
        "payment_pending",
        "refund_completed",
        "refund_completed",
    ]
    check_money(shop)
    check_stock(shop, counted)
