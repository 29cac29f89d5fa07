"""Logs carry no personal data, no cookie, no token and no address that opens an order, whatever goes wrong."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import requests
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.mail import sender
from chalicelib.orders.delivery.delivery_fields import fingerprint_of_doubts
from chalicelib.payments import webhook_events
from chalicelib.payments.paypal import gateway
from infra.local.local_cloud import LocalCloud
from tests.client import Answer, Shopper
from tests.dynamodb_faults import silence
from tests.fault_injection.aws_calls import AwsCall, Send, intercepted
from tests.mail.sent_emails import letters
from tests.security.log_capture import Ears, listen, stop_listening
from tests.shop import CUSTOMER, Shop, token_of
from tests.staff.staff_client import logged_in

MARKED = {
    **CUSTOMER,
    "name": "Zerafina Quillmark",
    "email": "zerafina.quillmark@private.example",
    "address": "Quillmarkweg 77b",
    "address2": "bei Zwirnmeister",
    "postal_code": "Q77-9911",
    "city": "Quillmarkstadt",
    "phone": "+49 30 7799 1177",
}
CONFIRMED = {
    **MARKED,
    "confirmed": fingerprint_of_doubts({**MARKED, "region": ""}),
}  # its postal code is none of Germany
PASSWORD, NEW_PASSWORD = "correct zebra battery", "wool blanket at dusk"
QUOTING = f"{MARKED['name']} of {MARKED['address']}, {MARKED['email']}, cannot be served"
NOT_VERIFIED = (
    f"Email address is not verified. The following identities failed: {QUOTING}"  # SES quotes, SQS never does
)


@pytest.fixture
def ears(shop: Shop, capfd: pytest.CaptureFixture[str], quick_hashes: None) -> Iterator[Ears]:
    """Listen; in the end nothing secret was told."""
    ears = Ears()
    ears.keep_secret(**{name: value for name, value in MARKED.items() if name != "country"})
    ears.keep_secret(client_secret="test-secret", password=PASSWORD, new_password=NEW_PASSWORD)
    ears.keep_secret(basic=base64.b64encode(b"test-client:test-secret").decode(), bearer="Bearer ")
    before = listen(ears)
    yield ears
    stop_listening(ears, before)
    token = gateway._client()._token
    if token:
        ears.keep_secret(access_token=token)
    assert ears.leaks(capfd.readouterr()) == []


def placed(shop: Shop, ears: Ears) -> tuple[Shopper, str, str]:
    """Let the marked customer place an order; return them, PayPal's order, and the order's ID."""
    shopper = shop.shopper_with(MUG=1)
    token = token_of(shop.place(shopper, **CONFIRMED))
    (order,) = shop.orders()
    ears.keep_secret(session=shopper.jar["session"], order_id=order.id, paypal_order=token)
    return shopper, token, order.id


@contextmanager
def paypal_says(status: int, body: object) -> Iterator[None]:
    """Let PayPal answer everything but a token so."""
    through = requests.Session.request

    def answer(session: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        if "oauth2" in url or "/_control/" in url:
            return through(session, method, url, **more)
        said = requests.Response()
        said.status_code = status
        said._content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        said.headers["PayPal-Debug-Id"] = f"{QUOTING}\nsecond line"
        return said

    with mock.patch.object(requests.Session, "request", answer):
        yield


@contextmanager
def aws_refuses(operation: str, said: str, *, lost: bool = False) -> Iterator[None]:
    """Let AWS refuse an operation in its own words, or not answer it at all."""
    words = {"Code": "MessageRejected", "Message": said}
    refusal: Any = {"Error": words, "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "R"}}

    def answer(call: AwsCall, send: Send) -> Any:
        if call.operation != operation:
            return send(call.arguments)
        if lost:
            raise ReadTimeoutError(endpoint_url="http://aws")
        raise ClientError(refusal, call.operation)

    with intercepted(answer):
        yield


PAYPALS_NOES: list[tuple[int, object]] = [
    (422, {"name": "UNPROCESSABLE_ENTITY", "message": QUOTING, "debug_id": QUOTING,
           "details": [{"issue": QUOTING, "description": QUOTING, "value": MARKED["email"]}]}),
    (404, {"name": "RESOURCE_NOT_FOUND", "details": [{"issue": "INVALID_RESOURCE_ID", "description": QUOTING}]}),
    (201, {"id": "X", "status": "CREATED", "purchase_units": [{}], "links": [{"rel": "approve", "href": QUOTING}]}),
    (200, f"<html>{QUOTING}"),
]  # fmt: skip


# -- shoppers ---------------------------------------------------------------------------------------------


def test_a_purchase_with_all_that_belongs_to_it(shop: Shop, ears: Ears) -> None:
    shopper, token, order_id = placed(shop, ears)
    shop.paypal.decline(token)
    shopper.get(f"/payments/paypal/return?token={token}&PayerID=PAYER")
    shopper.post(f"/orders/{order_id}/payment")
    shop.come_back(shopper, token)
    assert "your order is paid" in shopper.get(f"/orders/{order_id}").text
    shop.deliver_notifications()
    shop.functions.drain("order-emails")
    shop.reconcile()
    shop.functions.fire("export_books")


def test_what_is_typed_wrong(shop: Shop, ears: Ears) -> None:
    shopper = shop.shopper_with(MUG=1)
    ears.keep_secret(session=shopper.jar["session"])
    for wrong in (
        {"email": QUOTING},
        {"country": QUOTING},
        {"name": f"{QUOTING}\r\n\x00"},
        {"total": QUOTING},
    ):
        assert shop.place(shopper, **{**MARKED, **wrong}).status in (400, 409)
    assert shopper.post("/checkout", QUOTING.encode() + b"=\xff").status == 400
    assert shopper.post("/checkout", json.dumps(MARKED), Content_Type="application/json").status == 415
    for address in (
        f"/search?q={MARKED['email']}",
        f"/products/{MARKED['email']}",
        f"/?sort={MARKED['phone']}",
    ):
        assert shopper.get(address).status in (200, 400, 404)


def test_a_database_that_is_silent(shop: Shop, ears: Ears) -> None:
    shopper, token, order_id = placed(shop, ears)
    with silence():
        for answer in (
            shopper.post("/checkout", {**CONFIRMED, "total": "23.40"}),
            shopper.get("/checkout"),
            shopper.get(f"/orders/{order_id}"),
            shopper.post(f"/orders/{order_id}/payment"),
            shopper.get(f"/payments/paypal/return?token={token}"),
        ):
            assert answer.status == 503
    assert ears.heard("AWS call failed")


def test_a_database_that_refuses_a_row_by_its_name(shop: Shop, ears: Ears) -> None:
    shopper, token, _ = placed(shop, ears)
    refused = ConditionFailed({f"paypal#{token}", f"capture#{token}"})
    with mock.patch.object(Transaction, "commit", side_effect=refused):
        assert shop.come_back(shopper, token).status == 503
    assert ears.heard("ConditionFailed: ")


def test_a_bug_on_every_page(shop: Shop, ears: Ears) -> None:
    shopper, token, order_id = placed(shop, ears)
    bugs: dict[str, Callable[[], Answer]] = {
        "chalicelib.checkout.place_order.place_order": lambda: shop.place(shopper, **CONFIRMED),
        "chalicelib.orders.views.customer_view.order_view": lambda: shopper.get(f"/orders/{order_id}"),
        "chalicelib.payments.start_payment.start_payment": lambda: shopper.post(
            f"/orders/{order_id}/payment"
        ),
        "chalicelib.payments.capture_payment.capture_payment": lambda: shop.come_back(shopper, token),
    }
    for place, ask in bugs.items():
        with mock.patch(place, side_effect=KeyError("customer")):
            assert ask().status == 500
    assert ears.heard("Caught exception for path /orders/{order_id}/payment")


# -- PayPal -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "body"), PAYPALS_NOES)
def test_an_answer_of_paypals_that_quotes_the_customer(
    shop: Shop, ears: Ears, status: int, body: object
) -> None:
    shopper, token, order_id = placed(shop, ears)
    with paypal_says(status, body):
        shop.place(shopper, **{**CONFIRMED, "address2": "Zwirn 4"})
        shopper.post(f"/orders/{order_id}/payment")
        shopper.get(f"/payments/paypal/return?token={token}")
        with shop.later(minutes=10):
            shop.reconcile()
        notice = {"type": "PAYMENT.CAPTURE.COMPLETED", "event": "WH-1", "capture": "8XX"}
        webhook_events.settle_notifications([_record(notice)])
    assert (
        ears.heard("payment not started") or ears.heard("will be retried") or ears.heard("not be processed")
    )


def test_paypal_out_of_reach(shop: Shop, ears: Ears) -> None:
    shopper, token, order_id = placed(shop, ears)
    shop.paypal.fault("any", "cut_after", times=None)
    shopper.post(f"/orders/{order_id}/payment")
    shop.come_back(shopper, token)
    with shop.later(minutes=10):
        shop.reconcile()
    shop.paypal.clear_faults()
    assert ears.heard("will be retried")


def test_notifications_that_are_forged_or_nonsense(shop: Shop, ears: Ears) -> None:
    _, token, order_id = placed(shop, ears)
    body = json.dumps(
        {"id": QUOTING, "event_type": MARKED["name"], "resource": {"id": token, "to": order_id}}
    )
    for headers in ({}, shop.paypal.sign(body.encode()), shop.paypal.sign(b"another")):
        assert shop.notify(body, headers).status == 400
    for message in (MARKED, {"type": QUOTING}, {"type": "PAYMENT.CAPTURE.DENIED", "email": MARKED["email"]}):
        webhook_events.settle_notifications([_record(message)])
        sender.send_order_emails([_record({"order": MARKED["email"], **message})])
    assert ears.heard("could not be processed")
    assert ears.heard("email not sent")


def _record(message: object) -> dict[str, Any]:
    return {"messageId": "M", "body": json.dumps(message), "receiptHandle": "R", "attributes": {}}


# -- mails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True])
def test_mails_that_are_not_taken(shop: Shop, ears: Ears, lost: bool) -> None:
    shopper, token, _ = placed(shop, ears)
    shop.come_back(shopper, token)
    with aws_refuses("SendEmail", NOT_VERIFIED, lost=lost):
        shop.functions.drain("order-emails")
    assert ears.heard("email not sent")


@pytest.mark.parametrize("operation", ["SendMessageBatch", "GetQueueUrl"])
def test_mails_that_cannot_be_announced(shop: Shop, ears: Ears, operation: str) -> None:
    from chalicelib.aws import queue_url

    queue_url.cache_clear()
    shopper, token, _ = placed(shop, ears)
    with aws_refuses(operation, "The specified queue does not exist."):
        shop.come_back(shopper, token)
    assert ears.heard("email not queued")


# -- staff ------------------------------------------------------------------------------------------------


def test_staff_who_mistype_forget_and_search(shop: Shop, ears: Ears, aws: LocalCloud) -> None:
    _, _, order_id = placed(shop, ears)
    owner = "owner@private.example"
    staff = logged_in(shop.gateway, "merchant", owner)
    ears.keep_secret(staff_address=owner, staff_session=staff.jar["staff"])
    stranger = shop.shopper()
    for _ in range(7):
        stranger.post("/staff/login", {"email": owner, "password": PASSWORD})
    stranger.post("/staff/forgotten", {"email": owner})
    with aws_refuses("SendEmail", NOT_VERIFIED):
        shop.functions.drain("background-jobs")
    assert ears.heard("run_staff_jobs failed")
    stranger.post("/staff/forgotten", {"email": owner})
    shop.functions.drain("background-jobs")
    link = re.search(r"token=([0-9a-f]{64})", letters(aws.endpoint_url)[-1]["BodyText"])
    assert link
    ears.keep_secret(link=link[1])
    with silence("GetItem"):
        assert stranger.get(f"/staff/reset?token={link[1]}").status == 503
        stranger.post("/staff/reset", {"token": link[1], "password": NEW_PASSWORD})
    with silence():
        staff.get(f"/staff/orders?q={MARKED['email']}")
        staff.post("/staff/erase", {"email": MARKED["email"]})
        staff.post(f"/staff/orders/{order_id}/notes", {"text": QUOTING})
    assert ears.heard("AWS call failed")


def test_a_refund_that_paypal_will_not_make(shop: Shop, ears: Ears) -> None:
    shopper, token, order_id = placed(shop, ears)
    shop.come_back(shopper, token)
    staff = logged_in(shop.gateway, "merchant")
    ears.keep_secret(staff_session=staff.jar["staff"])
    form = staff.get(f"/staff/orders/{order_id}")
    told = {"amount": "5.00", "reason": QUOTING, "note": QUOTING[:90]}
    with paypal_says(500, {"name": QUOTING}):
        sent = {"form": form.field("form"), "left": form.field("left"), **told}
        assert staff.post(f"/staff/orders/{order_id}/refunds", sent).status == 303
        with shop.later(minutes=10):
            shop.reconcile()
    assert ears.heard("will be retried")


# -- the ears themselves ----------------------------------------------------------------------------------


def test_log_output_is_captured_by_this_test() -> None:
    import logging

    ears = Ears()
    ears.keep_secret(name="Zerafina Quillmark", order="0123456789abcdef")
    before = listen(ears)
    logging.getLogger("awning").debug("nothing %s", {"to": ["zerafina%20quillmark"]})
    try:
        raise KeyError("0123456789abcdef")
    except KeyError:
        logging.getLogger("chalicelib.x").exception("broke")
    logging.getLogger("urllib3").debug("0123456789abcdef: Lambda does not listen to this")
    stop_listening(ears, before)
    assert [leak.partition(" ")[0] for leak in ears.leaks()] == ["name", "order"]
    assert ears.leaks(["printed: Zerafina Quillmark"])[-1].startswith("order")
