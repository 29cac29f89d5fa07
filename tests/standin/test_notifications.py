"""Notifications: signed as PayPal signs, delivered until taken, lost and doubled on order."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import datetime

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.verification import PolicyBuilder, Store

from infra.local.paypal import Notification, StandIn

from .conftest import Receiver
from .shop import Shop

LEAF_NAME = "messageverificationcerts.sandbox.paypal.com"


def verify(paypal: StandIn, headers: dict[str, str], body: bytes) -> None:
    """Verify a signature as a shop does: chain, name, then the text. Raises cryptography's exceptions."""
    given = {name.upper(): text for name, text in headers.items()}
    assert given["PAYPAL-AUTH-ALGO"] == "SHA256withRSA"
    path = given["PAYPAL-CERT-URL"].removeprefix(paypal.api_url)
    leaf, *middle = x509.load_pem_x509_certificates(Shop(paypal).send("GET", path).raw)
    roots = Store(x509.load_pem_x509_certificates(paypal.roots_path.read_bytes()))
    PolicyBuilder().store(roots).build_server_verifier(x509.DNSName(LEAF_NAME)).verify(leaf, middle)
    text = "|".join(
        (
            given["PAYPAL-TRANSMISSION-ID"],
            given["PAYPAL-TRANSMISSION-TIME"],
            paypal.webhook_id,
            str(zlib.crc32(body)),
        )
    )
    key = leaf.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    signature = base64.b64decode(given["PAYPAL-TRANSMISSION-SIG"])
    key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())


def pending(paypal: StandIn) -> list[Notification]:
    """List what is yet to be taken."""
    return [row for row in paypal.control.notifications() if row.state == "pending"]


def test_a_sale_is_told_and_the_signature_holds(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    capture_id = shop.paid()
    assert [answer["status"] for answer in paypal.control.deliver_pending()] == [200, 200]
    events = [json.loads(body) for _, body in receiver.got]
    assert [event["event_type"] for event in events] == [
        "CHECKOUT.ORDER.APPROVED",
        "PAYMENT.CAPTURE.COMPLETED",
    ]
    assert events[1]["id"].startswith("WH-")
    assert events[1]["resource"]["id"] == capture_id
    assert events[0]["resource"]["purchase_units"][0]["items"][0]["name"] == "Grüner Tee"
    for headers, body in receiver.got:
        verify(paypal, headers, body)
    assert paypal.control.deliver_pending() == []


def test_what_is_listed_is_what_is_on_the_wire(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    shop.paid()
    listed = paypal.control.notifications()
    paypal.control.deliver_pending()
    for row, (headers, body) in zip(listed, receiver.got, strict=True):
        assert row.body.encode() == body
        assert row.headers["PAYPAL-TRANSMISSION-SIG"] == headers["PAYPAL-TRANSMISSION-SIG"]


def test_what_is_refused_comes_again_later(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.approve(shop.create())
    receiver.answers = [503]
    assert [answer["status"] for answer in paypal.control.deliver_pending(due_only=True)] == [503]
    assert paypal.control.deliver_pending(due_only=True) == []
    paypal.control.advance(2)
    assert [answer["status"] for answer in paypal.control.deliver_pending(due_only=True)] == [200]
    transmissions = {headers["PAYPAL-TRANSMISSION-ID"] for headers, _ in receiver.got}
    assert len(transmissions) == 1


def test_paypal_gives_up_after_25_tries(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.approve(shop.create())
    receiver.answers = [500] * 30
    for _ in range(25):
        assert len(paypal.control.deliver_pending()) == 1
    assert paypal.control.deliver_pending() == []
    assert paypal.control.notifications()[0].state == "given up"


def test_automatic_delivery_needs_no_asking(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.automatic(True)
    receiver.answers = [500]
    paypal.control.approve(shop.create())
    assert receiver.news.wait(5)
    receiver.news.clear()
    paypal.control.advance(2)  # the second try is due after one second
    assert receiver.news.wait(5)


def test_events_are_listed_and_resent(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    capture_id = shop.paid()
    paypal.control.deliver_pending()
    path = "/v1/notifications/webhooks-events"
    newest = shop.call("GET", f"{path}?page_size=1").body
    assert newest["events"][0]["event_type"] == "PAYMENT.CAPTURE.COMPLETED"
    following = {link["rel"]: link["href"] for link in newest["links"]}["next"]
    older = shop.call("GET", following.removeprefix(paypal.api_url)).body
    assert [event["event_type"] for event in older["events"]] == ["CHECKOUT.ORDER.APPROVED"]
    (event,) = shop.call("GET", f"{path}?transaction_id={capture_id}").body["events"]
    assert shop.call("GET", f"{path}?event_type=CHECKOUT.ORDER.APPROVED").body["count"] == 1
    assert shop.call("GET", f"{path}?start_time=2100-01-01T00:00:00Z").body["count"] == 0
    assert shop.call("GET", f"{path}?end_time=2000-01-01T00:00:00Z").body["count"] == 0
    assert shop.call("GET", f"{path}?start_time=soon").status == 400
    assert shop.call("POST", f"{path}/{event['id']}/resend", {}).status == 202
    paypal.control.deliver_pending()
    sent = [json.loads(body)["id"] for _, body in receiver.got]
    assert sent.count(event["id"]) == 2
    assert len({headers["PAYPAL-TRANSMISSION-ID"] for headers, _ in receiver.got}) == 3


def test_without_an_address_notifications_wait(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.approve(shop.create())
    assert paypal.control.deliver_pending() == []
    assert pending(paypal)[0].attempts == []
    paypal.control.set_webhook(receiver.url)
    assert len(paypal.control.deliver_pending()) == 1


def test_a_dropped_notification_is_never_sent(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.fault("notification", "drop", match="PAYMENT.CAPTURE.COMPLETED")
    shop.paid()
    assert [answer["event_type"] for answer in paypal.control.deliver_pending()] == [
        "CHECKOUT.ORDER.APPROVED"
    ]
    assert shop.call("GET", "/v1/notifications/webhooks-events").body["count"] == 2


def test_a_notification_may_come_twice(paypal: StandIn, shop: Shop) -> None:
    paypal.control.fault("notification", "duplicate")
    paypal.control.approve(shop.create())
    first, second = pending(paypal)
    assert first.event_id == second.event_id


def test_a_notification_may_come_late(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.fault("notification", "delay", seconds=3600)
    paypal.control.approve(shop.create())
    assert paypal.control.deliver_pending(due_only=True) == []
    paypal.control.advance(3601)
    assert len(paypal.control.deliver_pending(due_only=True)) == 1


def test_a_notification_may_come_after_the_next(paypal: StandIn, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.fault("notification", "reorder", match="CHECKOUT.ORDER.APPROVED")
    shop.paid()
    assert [answer["event_type"] for answer in paypal.control.deliver_pending()] == [
        "PAYMENT.CAPTURE.COMPLETED",
        "CHECKOUT.ORDER.APPROVED",
    ]


def test_a_bad_signature_does_not_hold(paypal: StandIn, shop: Shop) -> None:
    paypal.control.fault("notification", "bad_signature")
    paypal.control.approve(shop.create())
    (row,) = pending(paypal)
    with pytest.raises(InvalidSignature):
        verify(paypal, row.headers, row.body.encode())


def test_bodies_of_ones_own_are_signed_rightly_and_wrongly(paypal: StandIn, receiver: Receiver) -> None:
    body = '{"id": "WH-FORGED", "name": "Grün"}'.encode()
    verify(paypal, paypal.control.sign(body), body)
    with pytest.raises(InvalidSignature):
        verify(paypal, paypal.control.sign(body, key="wrong"), body)
    with pytest.raises(InvalidSignature):
        verify(paypal, paypal.control.sign(body, webhook_id="ANOTHER"), body)
    paypal.control.set_webhook(receiver.url)
    receiver.answers = [400]
    answer = paypal.control.forge(body, headers={"PAYPAL-AUTH-ALGO": "none"})
    headers, sent = receiver.got[0]
    assert (answer["status"], headers["PAYPAL-AUTH-ALGO"], sent) == (400, "none", body)


def test_certificates_outlast_a_clock_that_was_moved(paypal: StandIn) -> None:
    path = paypal.control.sign(b"")["PAYPAL-CERT-URL"].removeprefix(paypal.api_url)
    certificates = x509.load_pem_x509_certificates(Shop(paypal).send("GET", path).raw)
    now = datetime.now(tz=certificates[0].not_valid_after_utc.tzinfo)
    assert all((certificate.not_valid_after_utc - now).days > 3650 for certificate in certificates)
    assert Shop(paypal).send("GET", "/v1/notifications/certs/CERT-OTHER").status == 404
