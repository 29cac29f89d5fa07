"""The webhook's door: what it refuses by itself, what it asks PayPal about, what it makes of PayPal's answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib import rate_limits
from chalicelib.database.reads import MAX_KEYS_PER_BATCH_GET
from chalicelib.orders.models import OrderLookup
from chalicelib.payments.paypal import events, webhook
from tests.call_counter import counted_calls
from tests.client import Answer
from tests.shop import Shop

QUEUE = "paypal-webhooks"
CERTS = "/v1/notifications/certs/"
TOKEN, CAPTURE, ORDER = "8XX12345CD678901A", "2YY12345CD678901B", "0123456789abcdef0123456789abcdef"
Json = dict[str, Any]


@pytest.fixture
def door(shop: Shop) -> Shop:
    """Return a shop with one order at PayPal, of which nothing is known but its ids."""
    OrderLookup(f"paypal#{TOKEN}", order_id=ORDER).save()
    OrderLookup(f"capture#{CAPTURE}", order_id=ORDER).save()
    return shop


def an_event(event_type: str = "PAYMENT.CAPTURE.COMPLETED", **resource: Any) -> Json:
    return {"id": "WH-1", "event_type": event_type, "resource_type": "capture", "resource": resource}


def post(shop: Shop, body: str | bytes | Json, **changed: str) -> Answer:
    """Post what PayPal signed, with some headers changed."""
    raw = (
        json.dumps(body).encode()
        if isinstance(body, dict)
        else body.encode()
        if isinstance(body, str)
        else body
    )
    return shop.notify(
        raw, shop.paypal.sign(raw) | {name.replace("_", "-"): text for name, text in changed.items()}
    )


def questions(shop: Shop) -> int:
    """Count how often PayPal was asked whether it signed something."""
    return len(shop.paypal.requests("verify"))


# -- headers ----------------------------------------------------------------------------------------------


BAD_HEADERS = {
    "PAYPAL_AUTH_ALGO": ("", "none", "SHA1withRSA", "sha256withrsa", "SHA256withRSA,", "x" * 101),
    "PAYPAL_TRANSMISSION_ID": ("", "1|2|3", "x" * 51, "a b", 'a","webhook_id":"b', "é"),
    "PAYPAL_TRANSMISSION_TIME": (
        *("", "now", "2026-11-22", "2026-11-22 12:00:00Z", "2026-11-22T12:00:00"),
        "Mon, 30 Nov 2026 12:00:00 GMT",
    ),
    "PAYPAL_TRANSMISSION_SIG": ("", "====", "AAA", "not base64", "é", "A" * 504, "A\\u0041AA"),
    "PAYPAL_CERT_URL": (
        "",
        f"http://api.paypal.com{CERTS}CERT-1",
        f"//api.paypal.com{CERTS}CERT-1",
        f"https://paypal.com{CERTS}CERT-1",
        f"https://api.paypal.com:8443{CERTS}CERT-1",
        f"https://api.paypal.com.{CERTS}CERT-1",
        f"https://API.paypal.com{CERTS}CERT-1",
        f"https://somebody@api.paypal.com{CERTS}CERT-1",
        f"https://api.paypal.com@evil.example{CERTS}CERT-1",
        f"https://api.paypal.com\\@evil.example{CERTS}CERT-1",
        f"https://evil.example{CERTS}CERT-1",
        f"https://evil.example/https://api.paypal.com{CERTS}CERT-1",
        f"https://api.paypal.com.evil.example{CERTS}CERT-1",
        f"https://notpaypal.com{CERTS}CERT-1",
        f"https://api.paypal.com{CERTS}CERT-1?a=b",
        f"https://api.paypal.com{CERTS}CERT-1#a",
        f"https://api.paypal.com{CERTS}%2e%2e",
        f"https://api.paypal.com{CERTS}{'C' * 201}",
        "file:///etc/passwd",
        "http://[::1",
    ),
}


def test_headers_that_paypal_never_sends_are_refused_without_asking(door: Shop) -> None:
    body = an_event(id=CAPTURE)
    for header, values in BAD_HEADERS.items():
        for value in values:
            assert post(door, body, **{header: value}).status == 400, (header, value)
    raw = json.dumps(body)
    headers = door.paypal.sign(raw.encode())
    for missing in webhook.HEADERS:
        fewer = {name: value for name, value in headers.items() if name.lower() != missing}
        assert door.notify(raw, fewer).status == 400, missing
    assert questions(door) == 0
    assert door.notify(raw, headers).status == 200  # so it was the headers


def test_times_as_paypal_writes_them_are_asked_about(door: Shop) -> None:
    body = json.dumps(an_event(id=CAPTURE)).encode()
    for time in ("2015-05-12T18:14:14Z", "2026-11-22T12:00:00.123Z", "2018-08-15T14:30:10-07:00"):
        assert door.notify(body, door.paypal.sign(body, time=time)).status == 200
    assert questions(door) == 3


def test_certificates_at_any_host_of_paypals_are_asked_about(door: Shop) -> None:
    for host in ("api", "api-m", "api.sandbox", "api-m.sandbox"):
        url = f"https://{host}.paypal.com{CERTS}CERT-360caa42-fca2a594-1d93a270"
        assert (
            post(door, an_event(id=CAPTURE), PAYPAL_CERT_URL=url).status == 400
        )  # unknown to the fake PayPal
    assert questions(door) == 4


def test_a_live_shop_refuses_what_the_simulator_signs(standing_shop: Shop, setting: Any) -> None:
    setting(paypal_api_url="https://api-m.paypal.com", paypal_webhook_id="WEBHOOK_ID")
    body = json.dumps(an_event(id=CAPTURE)).encode()
    assert standing_shop.notify(body, standing_shop.paypal.sign(body, webhook_id="WEBHOOK_ID")).status == 400


# -- the body ---------------------------------------------------------------------------------------------

GOOD = json.dumps(an_event(id=CAPTURE))


NO_EVENTS = [
    "",
    "null",
    "[]",
    f"[{GOOD}]",
    '"WH-1"',
    f"{GOOD} {GOOD}",
    f"{GOOD},",
    f'{GOOD},"webhook_id":"another"',
    f'{GOOD}, "webhook_event": {GOOD}',
    f"{GOOD}}}",
    f"{GOOD}// a comment",
    GOOD[:-1],
    "\ufeff" + GOOD,
    GOOD.replace('"id"', "'id'", 1),
    GOOD[:-1] + ",}",
    GOOD[:-1] + ', "note": NaN}',
    GOOD[:-1] + ', "note": -Infinity}',
    GOOD[:-1] + ', "note": 01}',
    GOOD[:-1] + ', "note": "a\tb"}',
    GOOD[:-1] + ', "id": "WH-2"}',
    GOOD[:-1] + ', "note": {"a": 1, "a": 1}}',
    GOOD[:-1] + ', "note": ' + "[" * events.MAX_DEPTH + "]" * events.MAX_DEPTH + "}",
    "[" * 5000,
    GOOD[:-1] + ', "note": ' + '{"a":' * 5000,
    GOOD + "\x00",
    "{}",
    '{"id": "WH-1"}',
    GOOD.replace('"WH-1"', "1"),
    GOOD.replace('"WH-1"', '""'),
    GOOD.replace('"WH-1"', f'"{"W" * 61}"'),
    *(
        GOOD.replace("PAYMENT.CAPTURE.COMPLETED", kind)
        for kind in ("", "payment.capture", "A" * 81, "PAYMENT CAPTURE", "PAYMENT\\n", "Ä")
    ),
]


def test_a_body_that_is_not_one_event_is_refused_without_asking_paypal(door: Shop) -> None:
    for body in NO_EVENTS:
        assert post(door, body).status == 400, body[:200]
    assert questions(door) == 0
    assert door.functions.drain(QUEUE) == 0


@pytest.mark.parametrize(
    "body",
    [
        GOOD.encode("utf-16"),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.encode()[:-1] + b', "note": "\xff"}',
        GOOD.encode()[:-1] + b', "note": "\xed\xa0\x80"}',
        GOOD.encode("latin-1")[:-1] + b', "note": "\xfc"}',
    ],
)
def test_a_body_that_is_not_utf_8_is_refused(body: bytes) -> None:
    with pytest.raises(events.InvalidSignature):
        events.read_event(body)


def test_a_body_larger_than_any_notification_is_refused_without_asking(door: Shop) -> None:
    assert post(door, GOOD + " " * webhook.MAX_BYTES).status == 413
    assert questions(door) == 0


ODD_EVENTS = [
    GOOD,
    GOOD.replace(", ", ",").replace(": ", ":"),
    json.dumps(json.loads(GOOD), indent=2).replace("\n", "\r\n"),
    f" \r\n{GOOD}\n",
    GOOD[:-1] + ', "note": "Grüner Tee für „Ñandú“ 🫖"}',
    GOOD[:-1] + ', "note": "Gr\\u00fcn \\/ \\ud83e\\uded6 \\ud800 \\u0000"}',
    GOOD[:-1] + ', "numbers": [1.0, 1E2, 1e-7, -0, 0.10, ' + "9" * 4000 + "]}",
    GOOD[:-1] + ', "webhook_id": "another", "webhook_event": {"id": "another"}}',
]


def test_paypal_is_asked_about_the_very_bytes_that_came(door: Shop) -> None:
    for body in ODD_EVENTS:
        assert post(door, body).status == 200, body[:200]
        asked = door.paypal.requests("verify")[-1]
        assert asked.body.endswith(f',"webhook_event":{body}}}')
        assert asked.json["webhook_id"] == "7E5TWEBH00K000001"
    assert door.functions.drain(QUEUE) == len(ODD_EVENTS)


# -- whom it is about -------------------------------------------------------------------------------------

UP = [{"rel": "self", "href": "https://api.paypal.com/v2/payments/refunds/1Y107995YT783435V"}]


ABOUT_OURS = [
    an_event(id=CAPTURE),
    an_event(id="9ZZ", supplementary_data={"related_ids": {"order_id": TOKEN}}),
    an_event(id="9ZZ", supplementary_data={"related_ids": {"order_id": "9ZY", "capture_id": CAPTURE}}),
    an_event(id="9ZZ", links=[{"rel": "up", "href": f"https://api.paypal.com/v2/checkout/orders/{TOKEN}"}]),
    an_event(
        "PAYMENT.CAPTURE.REFUNDED",
        id="1Y107995YT783435V",
        links=[*UP, {"rel": "up", "href": f"https://api.paypal.com/v2/payments/captures/{CAPTURE}"}],
    ),
    an_event("CHECKOUT.ORDER.APPROVED", id=TOKEN),
    an_event("CHECKOUT.PAYMENT-APPROVAL.REVERSED", order_id=TOKEN),
    an_event("CUSTOMER.DISPUTE.CREATED", disputed_transactions=[{}, {"seller_transaction_id": CAPTURE}]),
    an_event(
        "PAYMENT.SALE.REFUNDED", id=CAPTURE
    ),  # of a kind that we do not know, and about an order of ours
]


def test_an_event_about_an_order_of_ours_is_asked_about_at_the_cost_of_one_read(door: Shop) -> None:
    for event in ABOUT_OURS:
        with counted_calls() as calls:
            assert post(door, event).status == 200, event
        assert calls == {"BatchGetItem": 1, "UpdateItem": 1}
    assert questions(door) == len(ABOUT_OURS)


def test_an_event_that_carries_an_orders_own_id_is_asked_about(shop: Shop) -> None:
    shop.placed()
    (order,) = shop.orders()
    sale = {"custom_id": order.id}
    for event in (
        an_event("PAYMENT.CAPTURE.REVERSED", id="9ZZ", **sale),
        an_event("CHECKOUT.ORDER.APPROVED", id="9ZZ", purchase_units=[{}, sale]),
        an_event("CUSTOMER.DISPUTE.CREATED", disputed_transactions=[{"custom": order.id}]),
    ):
        assert post(shop, event).status == 200
    assert questions(shop) == 3


ABOUT_NOTHING_OF_OURS = [
    an_event(id="9ZZ"),
    an_event(id="9ZZ", custom_id="f" * 32, supplementary_data={"related_ids": {"order_id": "9ZY"}}),
    an_event("CUSTOMER.DISPUTE.CREATED", disputed_transactions=[{"seller_transaction_id": "9ZZ"}]),
    an_event("PAYMENT.SALE.COMPLETED", id="9ZZ"),
    an_event("BILLING_AGREEMENTS.AGREEMENT.CREATED"),
    an_event("PAYMENT.PAYOUTS-ITEM.SUCCEEDED", links="none"),
    an_event("7"),
    {"id": "WH-1", "event_type": "MERCHANT.ONBOARDING.COMPLETED", "resource": None},
    # Keys of ours, and no ids.
    an_event(id=f"paypal#{TOKEN}", custom_id=f"capture#{CAPTURE}", order_id="9ZZ"),
]


def test_a_notification_about_nothing_of_ours_is_accepted_without_asking_paypal(door: Shop) -> None:
    for event in ABOUT_NOTHING_OF_OURS:
        with counted_calls() as calls:
            assert post(door, event).status == 200, event
        assert calls.total() <= 1
    assert questions(door) == 0
    assert door.functions.drain(QUEUE) == 0


ABOUT_ANYBODY = [
    an_event("PAYMENT.CAPTURE.REFUNDED"),
    {"id": "WH-1", "event_type": "CUSTOMER.DISPUTE.CREATED", "resource": []},
    an_event(
        "CUSTOMER.DISPUTE.CREATED",
        disputed_transactions=[{"seller_transaction_id": f"9{n}"} for n in range(MAX_KEYS_PER_BATCH_GET)],
    ),
]


def test_a_wanted_event_without_known_ids_is_verified(door: Shop) -> None:
    """It names nothing, or more than one read can look up."""
    for event in ABOUT_ANYBODY:
        assert post(door, event).status == 200
        assert post(door, event, PAYPAL_TRANSMISSION_ID="another").status == 400
    assert questions(door) == 2 * len(ABOUT_ANYBODY)


def test_without_a_webhook_id_notifications_are_put_off(door: Shop, setting: Any) -> None:
    setting(paypal_webhook_id="")
    answer = post(door, an_event(id=CAPTURE))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert questions(door) == 0


# -- PayPal's answer --------------------------------------------------------------------------------------


def test_an_unsigned_notification_is_refused(door: Shop) -> None:
    for no in ("400", "422"):
        door.paypal.fault("verify", no)
        assert post(door, an_event(id=CAPTURE)).status == 400
    assert post(door, an_event(id=CAPTURE), PAYPAL_TRANSMISSION_ID="another").status == 400  # FAILURE
    assert questions(door) == 3
    assert door.functions.drain(QUEUE) == 0


def test_a_notification_that_paypal_does_not_verify_is_answered_with_503(
    door: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_VERIFICATIONS_PER_ORDER", 100)
    troubles = ["401", "403", "404", "408", "409", "413", "415", "429", "500", "502", "503"]
    for trouble in (*troubles, "cut_before", "cut_after", "cut_body", "bad_body", "html_body"):
        door.paypal.clear_requests()
        door.paypal.fault("verify", trouble, times=None)
        answer = post(door, an_event(id=CAPTURE))
        assert answer.status == 503, trouble
        assert int(answer.headers["retry-after"]) > 0
        assert questions(door) == (2 if trouble == "401" else 1)  # with another token; else not tried again
        door.paypal.clear_faults()
    assert door.functions.drain(QUEUE) == 0
    assert post(door, an_event(id=CAPTURE)).status == 200


def test_paypals_silence_is_waited_for_a_few_seconds(door: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert webhook.VERIFY_SECONDS == 5
    monkeypatch.setattr(webhook, "VERIFY_SECONDS", 0.3)
    door.paypal.fault("verify", "hang", seconds=30)
    assert post(door, an_event(id=CAPTURE)).status == 503
    door.paypal.clear_faults()


def test_an_answer_that_says_neither_yes_nor_no_is_none(door: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.payments.paypal import gateway

    for answer in (
        {},
        {"verification_status": "MAYBE"},
        {"verification_status": None},
        {"verification_status": ["SUCCESS"]},
    ):
        monkeypatch.setattr(gateway, "_send", lambda request, answer=answer: answer)
        assert post(door, an_event(id=CAPTURE)).status == 503
    assert door.functions.drain(QUEUE) == 0


def test_a_notification_that_cannot_be_queued_is_sent_again(
    door: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import EndpointConnectionError

    def away(name: str) -> str:
        raise EndpointConnectionError(endpoint_url="sqs")

    monkeypatch.setattr(webhook, "queue_url", away)
    assert post(door, an_event(id=CAPTURE)).status == 503


# -- a flood ----------------------------------------------------------------------------------------------


def test_a_flood_about_one_order_is_rate_limited_and_delays_no_other(
    door: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rate_limits.MAX_VERIFICATIONS_PER_ORDER == 30
    monkeypatch.setattr(rate_limits, "MAX_VERIFICATIONS_PER_ORDER", 2)
    OrderLookup("capture#3XX", order_id="1" * 32).save()
    for _ in range(2):
        assert post(door, an_event(id=CAPTURE), PAYPAL_TRANSMISSION_ID="another").status == 400
    for event in (an_event(id=CAPTURE), an_event("CHECKOUT.ORDER.APPROVED", id=TOKEN)):
        answer = post(door, event)
        assert answer.status == 429
        assert 0 < int(answer.headers["retry-after"]) <= 3600
    assert questions(door) == 2
    assert post(door, an_event(id="3XX")).status == 200
    with door.later(hours=1):
        assert post(door, an_event(id=CAPTURE)).status == 200


def test_a_process_asks_about_two_at_once(door: Shop) -> None:
    assert webhook.MAX_CONCURRENCY == 2
    with busy(webhook.MAX_CONCURRENCY):
        answer = post(door, an_event(id=CAPTURE))
        assert (answer.status, answer.headers["retry-after"]) == (429, "5")
        assert post(door, an_event(id="9ZZ")).status == 200  # about nothing of ours
    assert questions(door) == 0
    for _ in range(webhook.MAX_CONCURRENCY + 1):  # each makes way for the next, however it ended
        door.paypal.fault("verify", "500")
        assert post(door, an_event(id=CAPTURE)).status == 503
    assert post(door, an_event(id=CAPTURE)).status == 200


@contextmanager
def busy(number: int) -> Iterator[None]:
    """Let so many others be asked about."""
    for _ in range(number):
        assert webhook._verifying.acquire(blocking=False)
    try:
        yield
    finally:
        for _ in range(number):
            webhook._verifying.release()


def test_a_notification_that_cannot_be_counted_is_taken_all_the_same(
    door: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pynamodb.exceptions import UpdateError

    def away(*_: object, **__: object) -> None:
        raise UpdateError("no answer")

    monkeypatch.setattr(rate_limits.RateLimitCounter, "update", away)
    assert post(door, an_event(id=CAPTURE)).status == 200


# -- what goes on the queue -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "ids"),
    [
        (an_event(id=CAPTURE), {"capture": CAPTURE}),
        ({**an_event(id=CAPTURE), "resource_type": "Capture"}, {"capture": CAPTURE}),
        (
            {**an_event("CHECKOUT.ORDER.APPROVED", id=TOKEN), "resource_type": "checkout-order"},
            {"order": TOKEN},
        ),
        (
            {
                "id": "WH-1",
                "event_type": "CHECKOUT.PAYMENT-APPROVAL.REVERSED",
                "resource": {"order_id": TOKEN},
            },
            {"order": TOKEN},
        ),
        (
            {"id": "WH-1", "event_type": "CHECKOUT.ORDER.APPROVED", "resource": {"id": TOKEN}},
            {"order": TOKEN},
        ),
        (
            {"id": "WH-1", "event_type": "PAYMENT.CAPTURE.DENIED", "resource": {"id": CAPTURE}},
            {"capture": CAPTURE},
        ),
        (
            {
                "id": "WH-1",
                "event_type": "PAYMENT.CAPTURE.REFUNDED",
                "resource": {
                    "id": "1Y",
                    "links": [{"rel": "up", "href": f"https://x/v2/payments/captures/{CAPTURE}"}],
                },
            },
            {"refund": "1Y", "capture": CAPTURE},
        ),
        (
            {
                "id": "WH-1",
                "event_type": "PAYMENT.REFUND.FAILED",
                "resource": {"id": "1Y", "capture_id": CAPTURE},
            },
            {"refund": "1Y", "capture": CAPTURE},
        ),
        (
            {
                "id": "WH-1",
                "event_type": "PAYMENT.REFUND.FAILED",
                "resource": {
                    "id": "1Y",
                    "links": [{"rel": "capture", "href": f"https://x/v2/payments/captures/{CAPTURE}"}],
                },
            },
            {"refund": "1Y", "capture": CAPTURE},
        ),
        (
            {
                "id": "WH-1",
                "event_type": "CHECKOUT.ORDER.APPROVED",
                "resource": {
                    "id": TOKEN,
                    "links": [{"rel": "capture", "href": f"https://x/v2/checkout/orders/{TOKEN}/capture"}],
                },
            },
            {"order": TOKEN},
        ),
        (
            {
                **an_event("CUSTOMER.DISPUTE.CREATED", dispute_id="PP-000-042-663-135"),
                "resource_type": "dispute",
            },
            {},
        ),
        (an_event(id="../../v1/oauth2/token"), {}),
        (an_event(id=["2YY"], links=[7, {"rel": "up"}, {"rel": "up", "href": "http://[x"}]), {}),
    ],
)
def test_the_message_names_what_paypal_is_to_be_asked_about(event: Json, ids: dict[str, str]) -> None:
    message = events.message_of(events.read_event(json.dumps(event).encode()))
    assert message == {"event": "WH-1", "type": event["event_type"], **ids}
