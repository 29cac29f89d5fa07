"""What watchers learn of PayPal's notifications: which were put off, and where none came for hours."""

from datetime import timedelta
from typing import Any
from unittest import mock

from chalicelib.ledger.models import LedgerEntry
from chalicelib.payments import webhook_silence
from tests.shop import Shop
from tests.telemetry.conftest import Counted


def put_off(counted: Counted) -> float:
    return counted()["NotificationsPostponed"]


def test_what_is_put_off_is_counted_and_what_is_refused_or_taken_is_not(shop: Shop, counted: Counted) -> None:
    shop.paid()
    (sent,) = shop.paypal.notifications("PAYMENT.CAPTURE.COMPLETED")
    shop.paypal.fault("verify", "503")
    assert shop.notify(sent.body, sent.headers).status == 503
    assert put_off(counted) == 1
    assert shop.notify(sent.body, {**sent.headers, "PAYPAL-TRANSMISSION-ID": "another"}).status == 400
    assert shop.notify(sent.body, sent.headers).status == 200
    assert put_off(counted) == 0


def test_a_database_or_a_queue_that_is_away_and_a_shop_without_a_webhook_put_off_too(
    shop: Shop, counted: Counted, setting: Any
) -> None:
    from botocore.exceptions import EndpointConnectionError

    shop.paid()
    (sent,) = shop.paypal.notifications("PAYMENT.CAPTURE.COMPLETED")
    for neighbour in ("batch_get", "queue_url"):
        away = EndpointConnectionError(endpoint_url="https://aws.example")
        with mock.patch(f"chalicelib.payments.paypal.webhook.{neighbour}", side_effect=away):
            assert shop.notify(sent.body, sent.headers).status == 503
        assert put_off(counted) == 1
    setting(paypal_webhook_id="")
    assert shop.notify(sent.body, sent.headers).status == 503
    assert put_off(counted) == 1


def test_a_page_that_breaks_is_no_notification_put_off(shop: Shop, counted: Counted) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.paypal.fault("create", "503", times=None)
    shop.place(shopper)
    with mock.patch("chalicelib.cart.routes.sessions.load", side_effect=RuntimeError):
        assert shopper.get("/cart").status == 500
    assert put_off(counted) == 0


# -- silence ----------------------------------------------------------------------------------------------


def missing(shop: Shop, counted: Counted, **later: float) -> bool:
    """Return whether the hourly run counts notifications as missing, so much later."""
    counted()
    with shop.later(**later):
        shop.functions.fire("export_books")
        return counted()["NotificationsMissing"] > 0


def test_notifications_are_missing_three_hours_after_a_sale_without_one(shop: Shop, counted: Counted) -> None:
    assert not missing(shop, counted, hours=4)  # nothing was sold
    shop.paid()
    assert not missing(shop, counted, hours=2, minutes=55)
    assert missing(shop, counted, hours=3, minutes=5)
    assert missing(shop, counted, hours=24)
    assert not missing(shop, counted, days=3)  # of which nobody sold anything since


def test_a_sale_with_a_notification_is_not_reported_as_missing(shop: Shop, counted: Counted) -> None:
    shop.paid()
    shop.deliver_notifications()
    assert not missing(shop, counted, hours=4)
    with shop.later(hours=5):
        shop.paid(TEA_50=1)  # of this it does not tell
    assert not missing(shop, counted, hours=7)
    assert missing(shop, counted, hours=9)
    with shop.later(hours=9):
        shop.deliver_notifications()
    assert not missing(shop, counted, hours=10)


def test_notifications_of_others_money_end_no_silence(shop: Shop, counted: Counted) -> None:
    shop.paid()
    body = '{"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": {"id": "9ZZ"}}'
    with shop.later(hours=2):
        assert shop.notify(body, shop.paypal.sign(body.encode())).status == 200
        shop.functions.drain("paypal-webhooks")
    assert missing(shop, counted, hours=4)


def test_what_was_refunded_is_no_sale(shop: Shop, counted: Counted) -> None:
    _, order_id = shop.paid()
    shop.deliver_notifications()
    with shop.later(hours=2):
        shop.paypal.refund(shop.order(order_id).capture_id or "")
        refund = shop.paypal.order(shop.order(order_id).paypal_order_id or "")["purchase_units"][0][
            "payments"
        ]["refunds"]
        from chalicelib.payments.paypal import gateway
        from chalicelib.payments.refund_settlement import settle_refund

        settle_refund(order_id, gateway.get_refund(refund[0]["id"]))
    assert len(shop.ledger()) == 2
    assert not missing(shop, counted, hours=8)


def test_watching_breaks_no_books(shop: Shop, counted: Counted) -> None:
    shop.paid()
    with mock.patch.object(LedgerEntry, "query", side_effect=RuntimeError("away")):
        webhook_silence.watch_notifications()
    assert timedelta(hours=3) == webhook_silence.SILENT_AFTER
    with (
        shop.later(hours=4),
        mock.patch("chalicelib.scheduled_runs.last_runs", side_effect=RuntimeError("away")),
    ):
        shop.functions.fire("export_books")
    assert counted()["NotificationsMissing"] == 0
