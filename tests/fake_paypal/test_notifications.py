"""Notifications: signed as PayPal signs, delivered until taken, lost and doubled on order."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from infra.local.fake_paypal import FakePayPal, Notification
from tests.fake_paypal.conftest import Receiver
from tests.fake_paypal.shop import Shop

LEAF_NAME = "messageverificationcerts.sandbox.paypal.com"


def leaf_of(paypal: FakePayPal, headers: dict[str, str]) -> x509.Certificate:
    """Fetch the certificate that a notification names: one, as PayPal hands it out, and none above it."""
    path = headers["PAYPAL-CERT-URL"].removeprefix(paypal.api_url)
    (leaf,) = x509.load_pem_x509_certificates(Shop(paypal).send("GET", path).raw)
    return leaf


def verify(paypal: FakePayPal, headers: dict[str, str], body: bytes) -> None:
    """Verify a signature by hand. Raises cryptography's exceptions."""
    given = {name.upper(): text for name, text in headers.items()}
    assert given["PAYPAL-AUTH-ALGO"] == "SHA256withRSA"
    leaf = leaf_of(paypal, given)
    assert LEAF_NAME in leaf.subject.rfc4514_string()
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


def pending(paypal: FakePayPal) -> list[Notification]:
    """List what is yet to be taken."""
    return [row for row in paypal.control.notifications() if row.state == "pending"]


def test_a_sale_is_notified_with_a_valid_signature(
    paypal: FakePayPal, shop: Shop, receiver: Receiver
) -> None:
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


def test_what_is_listed_is_what_is_on_the_wire(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    shop.paid()
    listed = paypal.control.notifications()
    paypal.control.deliver_pending()
    for row, (headers, body) in zip(listed, receiver.got, strict=True):
        assert row.body.encode() == body
        assert row.headers["PAYPAL-TRANSMISSION-SIG"] == headers["PAYPAL-TRANSMISSION-SIG"]


def test_what_is_refused_comes_again_later(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.approve(shop.create())
    receiver.answers = [503]
    assert [answer["status"] for answer in paypal.control.deliver_pending(due_only=True)] == [503]
    assert paypal.control.deliver_pending(due_only=True) == []
    paypal.control.advance(2)
    assert [answer["status"] for answer in paypal.control.deliver_pending(due_only=True)] == [200]
    transmissions = {headers["PAYPAL-TRANSMISSION-ID"] for headers, _ in receiver.got}
    assert len(transmissions) == 1


def test_paypal_gives_up_after_25_tries(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.approve(shop.create())
    receiver.answers = [500] * 30
    for _ in range(25):
        assert len(paypal.control.deliver_pending()) == 1
    assert paypal.control.deliver_pending() == []
    assert paypal.control.notifications()[0].state == "given up"


def test_automatic_delivery_needs_no_asking(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.automatic(True)
    receiver.answers = [500]
    paypal.control.approve(shop.create())
    assert receiver.news.wait(5)
    receiver.news.clear()
    paypal.control.advance(2)  # the second try is due after one second
    assert receiver.news.wait(5)


def test_events_are_listed_and_resent(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
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


def test_without_an_address_notifications_wait(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
    paypal.control.approve(shop.create())
    assert paypal.control.deliver_pending() == []
    assert pending(paypal)[0].attempts == []
    paypal.control.set_webhook(receiver.url)
    assert len(paypal.control.deliver_pending()) == 1


def test_a_dropped_notification_is_never_sent(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.fault("notification", "drop", match="PAYMENT.CAPTURE.COMPLETED")
    shop.paid()
    assert [answer["event_type"] for answer in paypal.control.deliver_pending()] == [
        "CHECKOUT.ORDER.APPROVED"
    ]
    assert shop.call("GET", "/v1/notifications/webhooks-events").body["count"] == 2


def test_a_notification_may_come_twice(paypal: FakePayPal, shop: Shop) -> None:
    paypal.control.fault("notification", "duplicate")
    paypal.control.approve(shop.create())
    first, second = pending(paypal)
    assert first.event_id == second.event_id


def test_a_notification_may_come_late(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.fault("notification", "delay", seconds=3600)
    paypal.control.approve(shop.create())
    assert paypal.control.deliver_pending(due_only=True) == []
    paypal.control.advance(3601)
    assert len(paypal.control.deliver_pending(due_only=True)) == 1


def test_a_notification_may_come_after_the_next(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.fault("notification", "reorder", match="CHECKOUT.ORDER.APPROVED")
    shop.paid()
    assert [answer["event_type"] for answer in paypal.control.deliver_pending()] == [
        "PAYMENT.CAPTURE.COMPLETED",
        "CHECKOUT.ORDER.APPROVED",
    ]


def test_a_bad_signature_does_not_hold(paypal: FakePayPal, shop: Shop) -> None:
    paypal.control.fault("notification", "bad_signature")
    paypal.control.approve(shop.create())
    (row,) = pending(paypal)
    with pytest.raises(InvalidSignature):
        verify(paypal, row.headers, row.body.encode())


def test_bodies_of_ones_own_are_signed_rightly_and_wrongly(paypal: FakePayPal, receiver: Receiver) -> None:
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


def test_the_certificate_outlasts_a_clock_that_was_moved(paypal: FakePayPal) -> None:
    leaf = leaf_of(paypal, paypal.control.sign(b""))
    assert (leaf.not_valid_after_utc - datetime.now(UTC)).days > 3650
    assert Shop(paypal).send("GET", "/v1/notifications/certs/CERT-OTHER").status == 404


# -- what the fake PayPal says of signatures -----------------------------------------------------------------


VERIFY = "/v1/notifications/verify-webhook-signature"
EVENT = '{"id": "WH-1",  "summary": "Grün \\u00fc 1E2"}\r\n'.encode()


def question(paypal: FakePayPal, headers: dict[str, str], body: bytes, **changed: str) -> bytes:
    """Ask whether the fake PayPal signed a body, which stands in the question as it is."""
    asked = {
        "auth_algo": headers["PAYPAL-AUTH-ALGO"],
        "cert_url": headers["PAYPAL-CERT-URL"],
        "transmission_id": headers["PAYPAL-TRANSMISSION-ID"],
        "transmission_sig": headers["PAYPAL-TRANSMISSION-SIG"],
        "transmission_time": headers["PAYPAL-TRANSMISSION-TIME"],
        "webhook_id": paypal.webhook_id,
        **changed,
    }
    return json.dumps(asked).encode()[:-1] + b', "webhook_event":' + body + b"}"


def status_of(shop: Shop, question: bytes) -> str:
    answer = shop.call("POST", VERIFY, question)
    assert answer.status == 200, answer.raw
    return str(answer.body["verification_status"])


def test_the_very_bytes_of_a_notification_are_judged(paypal: FakePayPal, shop: Shop) -> None:
    headers = paypal.control.sign(EVENT)
    assert status_of(shop, question(paypal, headers, EVENT)) == "SUCCESS"
    written_anew = json.dumps(json.loads(EVENT)).encode()
    for other in (written_anew, EVENT.strip(), EVENT.replace(b"  ", b" "), b" " + EVENT):
        assert status_of(shop, question(paypal, headers, other)) == "FAILURE"


def test_a_notification_may_stand_anywhere_in_the_question(paypal: FakePayPal, shop: Shop) -> None:
    asked = question(paypal, paypal.control.sign(EVENT), EVENT)
    begun, _, event = asked[:-1].partition(b', "webhook_event":')
    assert status_of(shop, b'{"webhook_event":' + event + b"," + begun[1:] + b"}") == "SUCCESS"


def test_what_was_not_signed_so_fails(paypal: FakePayPal, shop: Shop) -> None:
    for changed in (
        {"webhook_id": "ANOTHER"},
        {"transmission_id": "another"},
        {"transmission_time": "2026-11-22T12:00:00Z"},
        {"transmission_sig": "bm90IGEgc2lnbmF0dXJl"},
        {"transmission_sig": "no base64!"},
        {"auth_algo": "SHA1withRSA"},
        {"cert_url": "https://api.paypal.com/v1/notifications/certs/CERT-1"},
    ):
        asked = question(paypal, paypal.control.sign(EVENT), EVENT, **changed)
        assert status_of(shop, asked) == "FAILURE", changed


def test_a_wrong_key_fails_and_a_certificate_that_is_trusted_counts(paypal: FakePayPal, shop: Shop) -> None:
    wrong = paypal.control.sign(EVENT, key="wrong")
    assert status_of(shop, question(paypal, wrong, EVENT)) == "FAILURE"
    headers = paypal.control.sign(EVENT)
    pem = leaf_of(paypal, headers).public_bytes(serialization.Encoding.PEM).decode()
    elsewhere = "https://api.paypal.com/v1/notifications/certs/CERT-1"
    paypal.control.trust(elsewhere, pem)
    assert status_of(shop, question(paypal, headers, EVENT, cert_url=elsewhere)) == "SUCCESS"


def test_half_a_question_is_refused(paypal: FakePayPal, shop: Shop) -> None:
    answer = shop.call("POST", VERIFY, {"webhook_id": paypal.webhook_id, "webhook_event": []})
    assert answer.status == 400
    assert ("MISSING_REQUIRED_PARAMETER", "/transmission_sig") in answer.issues
    assert ("INVALID_PARAMETER_SYNTAX", "/webhook_event") in answer.issues


# -- the webhook ------------------------------------------------------------------------------------------


def test_the_webhook_is_shown_under_its_id(paypal: FakePayPal, shop: Shop, receiver: Receiver) -> None:
    path = f"/v1/notifications/webhooks/{paypal.webhook_id}"
    assert shop.call("GET", path).status == 404  # it has no address yet
    paypal.control.set_webhook(receiver.url)
    webhook = shop.call("GET", path).body
    assert (webhook["id"], webhook["url"]) == (paypal.webhook_id, receiver.url)
    assert [event["name"] for event in webhook["event_types"]] == ["*"]
    assert shop.call("GET", "/v1/notifications/webhooks/ANOTHER").status == 404


def test_what_the_webhook_is_not_subscribed_to_is_an_event_and_no_notification(
    paypal: FakePayPal, shop: Shop, receiver: Receiver
) -> None:
    paypal.control.set_webhook(receiver.url)
    paypal.control.subscribe("PAYMENT.CAPTURE.COMPLETED")
    shop.paid()
    assert [row.event_type for row in pending(paypal)] == ["PAYMENT.CAPTURE.COMPLETED"]
    assert shop.call("GET", "/v1/notifications/webhooks-events").body["count"] == 2
