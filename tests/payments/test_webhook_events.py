"""PayPal's notifications: taken, queued, and settled by what PayPal answers to our own question."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.money import Money
from chalicelib.orders.models import Order
from chalicelib.payments import webhook_events
from chalicelib.payments.paypal import gateway
from tests.shop import Shop, order_id_of


def a_notification(shop: Shop) -> tuple[str, dict[str, str]]:
    shop.paid()
    sent = next(n for n in shop.paypal.notifications() if n.event_type == "PAYMENT.CAPTURE.COMPLETED")
    return sent.body, sent.headers


def test_a_genuine_notification_is_taken_and_may_come_twice(shop: Shop) -> None:
    body, headers = a_notification(shop)
    assert shop.notify(body, headers).status == 200
    assert shop.notify(body, headers).status == 200
    assert shop.functions.drain("paypal-webhooks") == 2
    assert len(shop.ledger()) == 1


def test_what_paypal_does_not_know_yet_comes_again(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.refund(shop.order(order_id).capture_id or "", "5.00")
    shop.paypal.deliver_pending()
    shop.paypal.fault("refund_get", "404", times=3)
    shop.functions.drain("paypal-webhooks", again=True)
    assert shop.order(order_id).refunded == 500


def test_a_refund_in_paypals_dashboard_is_booked_once(shop: Shop) -> None:
    _, order_id = shop.paid()
    capture = shop.order(order_id).capture_id or ""
    shop.paypal.refund(capture, "5.00")
    shop.paypal.refund(capture, "2.50")
    shop.deliver_notifications()
    for sent in shop.paypal.notifications("PAYMENT.CAPTURE.REFUNDED"):
        shop.notify(sent.body, sent.headers)
    shop.functions.drain("paypal-webhooks")

    order = shop.order(order_id)
    assert (order.state, order.refunded) == ("paid", 750)
    assert [row.amount for row in shop.ledger() if row.kind == "refund"] == [-500, -250]
    assert shop.mails().count("refund_completed") == 2


def test_a_refund_that_overtakes_its_sale_books_both(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.clear_faults()
    (capture,) = shop.paypal.captures(token)
    shop.paypal.refund(capture["id"])
    for sent in shop.paypal.notifications("PAYMENT.CAPTURE.REFUNDED"):
        shop.notify(sent.body, sent.headers)
    shop.functions.drain("paypal-webhooks")

    assert [row.kind for row in shop.ledger()] == ["sale", "refund"]
    assert shop.order(order_id).refunded == shop.order(order_id).total


def test_a_refund_that_overtakes_its_sale_and_names_the_capture_alone_is_found_with_the_sale(
    shop: Shop,
) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.clear_faults()
    (capture,) = shop.paypal.captures(token)
    shop.paypal.refund(capture["id"], "5.00")
    (sent,) = shop.paypal.notifications("PAYMENT.CAPTURE.REFUNDED")
    assert tell(shop, sent.event, without_the_sale) == 200
    assert shop.functions.drain("paypal-webhooks") == 0  # nothing told that this is ours
    with shop.later(minutes=6):
        shop.reconcile()
    assert [row.kind for row in shop.ledger()] == ["sale", "refund"]
    assert shop.order(order_id).refunded == 500


def tell(shop: Shop, event: dict[str, Any], *changes: Callable[[dict[str, Any]], object]) -> int:
    """Post an event as PayPal would tell of it with these changes; return the webhook's answer."""
    for change in changes:
        change(event)
    body = json.dumps(event)
    return shop.notify(body, shop.paypal.sign(body.encode())).status


def without_the_sale(event: dict[str, Any]) -> None:
    """Leave out what a refund may take over from the sale: then a link alone leads to the capture."""
    for name in ("custom_id", "invoice_id"):
        event["resource"].pop(name, None)


def without_ids(event: dict[str, Any]) -> None:
    """Leave everything out that says what the event is about: PayPal's own copy of it still does."""
    event["resource"] = {}


def about_the_capture(event: dict[str, Any]) -> None:
    """Notify of a refund by the capture, as PayPal once did."""
    capture = event["resource"]["links"][1]["href"].rpartition("/")[2]
    event.update(resource_type="capture", resource={"id": capture, "status": "PARTIALLY_REFUNDED"})


def test_a_refund_is_booked_once_however_its_notification_words_it(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.refund(shop.order(order_id).capture_id or "", "5.00")
    (sent,) = shop.paypal.notifications("PAYMENT.CAPTURE.REFUNDED")
    for change in (
        about_the_capture,
        without_ids,
        without_the_sale,
        lambda event: event.pop("resource_type"),
    ):
        assert tell(shop, sent.event, change) == 200
        assert shop.functions.drain("paypal-webhooks", again=True) == 1
        assert shop.order(order_id).refunded == 500
    assert [row.amount for row in shop.ledger() if row.kind == "refund"] == [-500]


def test_what_names_nothing_is_found_in_paypals_own_copy(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.slow(token)
    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
    shop.paypal.complete(shop.order(order_id).capture_id or "")
    (sent,) = shop.paypal.notifications("PAYMENT.CAPTURE.COMPLETED")
    assert tell(shop, sent.event, without_ids) == 200
    assert shop.functions.drain("paypal-webhooks") == 1
    assert shop.order(order_id).state == "paid"


def test_a_bank_reversal_is_booked_once_and_raised(shop: Shop) -> None:
    _, order_id = shop.paid()
    order = shop.order(order_id)
    shop.paypal.reverse(order.capture_id or "")
    shop.deliver_notifications()
    for sent in shop.paypal.notifications("PAYMENT.CAPTURE.REVERSED"):
        shop.notify(sent.body, sent.headers)
    shop.functions.drain("paypal-webhooks")

    order = shop.order(order_id)
    assert (order.state, order.reversed) == ("paid", order.total)
    assert [row.kind for row in shop.ledger()] == ["sale", "reversal"]
    assert [issue["kind"] for issue in order.issues] == ["reversal"]
    assert "The payment for this order was reversed" in shop.shopper().get(f"/orders/{order_id}").text


def test_a_dispute_is_raised_once_a_status(shop: Shop) -> None:
    _, order_id = shop.paid()
    dispute = shop.paypal.open_dispute(shop.order(order_id).capture_id or "")
    shop.deliver_notifications()
    for sent in shop.paypal.notifications("CUSTOMER.DISPUTE.CREATED"):
        shop.notify(sent.body, sent.headers)
    shop.functions.drain("paypal-webhooks")
    assert [issue["kind"] for issue in shop.order(order_id).issues] == ["dispute"]
    shop.paypal.resolve_dispute(dispute["dispute_id"])
    shop.deliver_notifications()
    assert [issue["kind"] for issue in shop.order(order_id).issues] == ["dispute", "dispute"]


def test_a_dispute_about_a_payment_that_is_not_settled_yet_settles_it_and_is_raised(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    shop.paypal.clear_faults()
    (capture,) = shop.paypal.captures(token)
    shop.paypal.open_dispute(capture["id"])
    (sent,) = shop.paypal.notifications("CUSTOMER.DISPUTE.CREATED")
    disputed = sent.event["resource"]["disputed_transactions"][0] | {"custom": order_id}
    event = sent.event
    event["resource"]["disputed_transactions"] = [{"seller_transaction_id": "9ZZ"}, disputed]
    assert tell(shop, event) == 200
    shop.functions.drain("paypal-webhooks")
    order = shop.order(order_id)
    assert (order.state, [issue["kind"] for issue in order.issues]) == ("paid", ["dispute"])


OURS = "ours"  # where the disputed transaction of an order of ours stands
FOREIGN = {"seller_transaction_id": "9ZZ"}


def dispute_as(shop: Shop, monkeypatch: pytest.MonkeyPatch, transactions: object, favour: str = "") -> int:
    """Open a case about the newest order; have PayPal's own copies name these transactions; return what failed."""
    (order,) = shop.orders()
    (capture,) = shop.paypal.captures(str(order.paypal_order_id))
    dispute = shop.paypal.open_dispute(capture["id"])
    if favour:
        shop.paypal.resolve_dispute(dispute["dispute_id"], favour)
    real = gateway.get_event

    def changed(event_id: str) -> dict[str, Any]:
        event = dict(real(event_id))
        (ours,) = event["resource"]["disputed_transactions"]
        listed = (
            [ours if one is OURS else one for one in transactions]
            if isinstance(transactions, list)
            else transactions
        )
        return {**event, "resource": {**event["resource"], "disputed_transactions": listed}}

    monkeypatch.setattr(gateway, "get_event", changed)
    failed = 0
    for sent in shop.paypal.notifications():
        if sent.event_type.startswith("CUSTOMER.DISPUTE."):
            message = {"event": sent.event["id"], "type": sent.event_type}
            record = {"messageId": "one", "body": json.dumps(message)}
            failed += len(webhook_events.settle_notifications([record])["batchItemFailures"])
    return failed


@pytest.mark.parametrize("status", [403, 404, 422])
@pytest.mark.parametrize("settled", [True, False])
def test_an_unreadable_transaction_hides_no_dispute_of_ours(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, status: int, settled: bool
) -> None:
    if settled:
        shop.paid()
    else:
        shopper, token = shop.placed()
        shop.paypal.fault("capture", "cut_after", times=None)
        shop.come_back(shopper, token)
        shop.paypal.clear_faults()
    shop.paypal.refuse("capture_get", "PERMISSION_DENIED", status, match="9ZZ")

    assert dispute_as(shop, monkeypatch, [FOREIGN, OURS]) == 0

    (order,) = shop.orders()
    assert (order.state, [issue["kind"] for issue in order.issues]) == ("paid", ["dispute"])


def test_a_dispute_of_ours_is_raised_before_paypal_is_asked_about_what_else_is_disputed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.paid()
    shop.paypal.fault("capture_get", "503", times=None, match="9ZZ")
    assert dispute_as(shop, monkeypatch, [FOREIGN, OURS]) == 1, "it comes again: the other may be ours, too"
    assert [issue["kind"] for issue in shop.orders()[0].issues] == ["dispute"]


def test_a_dispute_in_which_nothing_is_found_because_paypal_refuses_comes_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    shop.come_back(shopper, token)
    shop.paypal.clear_faults()
    shop.paypal.refuse("capture_get", "PERMISSION_DENIED", 403)
    assert dispute_as(shop, monkeypatch, [FOREIGN, OURS]) == 1


@pytest.mark.parametrize("favour", ["", "seller"])
@pytest.mark.parametrize(
    ("transactions", "raised"),
    [
        (None, False),
        ([None], False),
        ("x", False),
        ([None, OURS], True),
        ([7, {"seller_transaction_id": None}, {}, OURS], True),
    ],
)
def test_a_dispute_that_names_nothing_beside_ours_or_alone_is_settled(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, transactions: object, raised: bool, favour: str
) -> None:
    shop.paid()
    assert dispute_as(shop, monkeypatch, transactions, favour) == 0
    kinds = {issue["kind"] for issue in shop.orders()[0].issues}
    assert kinds == ({"dispute"} if raised else set())


def test_a_late_pending_never_downgrades(shop: Shop) -> None:
    from chalicelib.payments import settlement
    from chalicelib.payments.paypal import values

    _, order_id = shop.paid()
    order = shop.order(order_id)
    late = values.Capture(order.capture_id or "", "PENDING", Money(2340, "EUR"), order.id, None, "", None)
    settlement.settle_capture(order_id, late, payee=None)
    assert Order.fetch(order_id).state == "paid"


def test_released_units_are_taken_when_only_a_notification_reports_the_payment(shop: Shop) -> None:
    _, token = shop.placed(BOWL=1)
    with shop.later(minutes=70):
        shop.reconcile()
        assert shop.stock("BOWL") == 1
        shop.paypal.approve(token)
        gateway.capture_order(token, "somebody:else")
        shop.deliver_notifications()
    (order,) = shop.orders()
    assert (order.state, shop.stock("BOWL")) == ("paid", 0)
