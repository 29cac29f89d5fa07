"""PayPal tells moments in many zones; what is stored is in UTC."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from unittest import mock

import pytest

from chalicelib.payments.paypal import answers
from infra.local.fake_paypal.store import Clock
from infra.local.fake_paypal.webhooks import Webhooks
from tests.shop import Shop

PACIFIC = timezone(timedelta(hours=-7))


@pytest.fixture
def in_california() -> Iterator[None]:
    """Let PayPal tell every moment as its own clocks show it, such as 2026-11-30T10:00:00-07:00."""

    def iso(clock: Clock) -> str:
        return clock.now().astimezone(PACIFIC).isoformat(timespec="seconds")

    def milliseconds(webhooks: Webhooks) -> str:
        return webhooks._clock.now().astimezone(PACIFIC).isoformat(timespec="milliseconds")

    with mock.patch.object(Clock, "iso", iso), mock.patch.object(Webhooks, "_milliseconds", milliseconds):
        yield


@pytest.mark.usefixtures("in_california")
def test_every_movement_is_booked_with_paypals_moment_in_utc(shop: Shop) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    _, order_id = shop.paid(MUG=2)
    capture = shop.order(order_id).capture_id or ""
    shop.paypal.refund(capture, "5.00")
    shop.paypal.reverse(capture, "3.00")
    shop.deliver_notifications()

    rows = shop.ledger()

    assert sorted(row.kind for row in rows) == ["refund", "reversal", "sale"]
    for row in rows:
        assert row.paypal_at.endswith("Z"), row.paypal_at
        assert before <= datetime.fromisoformat(row.paypal_at) <= datetime.now(UTC) + timedelta(seconds=2)


@pytest.mark.usefixtures("in_california")
def test_a_new_yes_after_a_decline_is_later_in_every_zone(shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.decline(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    with shop.later(minutes=1):
        shop.paypal.approve(token)
        shop.deliver_notifications()
    with shop.later(minutes=6):
        shop.reconcile()

    assert shop.orders()[0].state == "paid"


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ("2026-11-30T10:00:00Z", "2026-11-30T10:00:00Z"),
        ("2026-11-30T10:00:00-07:00", "2026-11-30T17:00:00Z"),
        ("2026-11-30T23:30:00.5-0800", "2026-12-01T07:30:00.500Z"),
        ("2026-11-30T10:00:00.123456789Z", "2026-11-30T10:00:00.123Z"),
        ("2026-11-30T10:00:00+05:30", "2026-11-30T04:30:00Z"),
        ("2026-11-30T10:00:00", "2026-11-30T10:00:00Z"),
        ("Nov 30, 2026", ""),
        ("", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_moments_of_every_form_become_utc(told: object, stored: str) -> None:
    money = {"currency_code": "EUR", "value": "1.00"}
    answer = {"id": "1AB", "status": "COMPLETED", "amount": money, "create_time": told}
    assert answers.read_capture(answer).at == stored
    assert answers.read_refund(answer, "2CD").at == stored
    reversal = {"resource": {**answer, "links": []}, "create_time": told}
    assert answers.reversal_of(reversal).at == stored
