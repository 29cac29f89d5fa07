"""Notifications that PayPal really sent, years ago: their signatures are judged by the certificates they came with."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.orders.models import OrderLookup
from tests.payments.paypal.vectors import Vector, vectors
from tests.shop import Shop

QUEUE = "paypal-webhooks"
ORDER = "0123456789abcdef0123456789abcdef"
Told = Callable[[Vector], Shop]


@pytest.fixture
def genuine() -> list[Vector]:
    """Return them, or skip."""
    found = vectors()
    assert len(found) >= 5
    return found


@pytest.fixture
def told(shop: Shop, setting: Any) -> Told:
    """Return a function that makes the shop the one that was once told of this."""

    def tell(vector: Vector) -> Shop:
        setting(paypal_webhook_id=vector.webhook_id)
        shop.paypal.trust(vector.headers["PAYPAL-CERT-URL"], vector.certificate)
        shop.paypal.clear_requests()
        return shop

    return tell


def names(vector: Vector) -> Iterator[str]:
    """List the pointers by which an order of ours could know what a notification names."""
    resource = vector.event["resource"]
    yield f"capture#{resource['id']}"
    related = resource.get("supplementary_data", {}).get("related_ids", {})
    yield from (f"paypal#{id_}" for id_ in related.values())


def test_about_nothing_of_ours_they_are_taken_and_paypal_is_not_asked(
    genuine: list[Vector], told: Told
) -> None:
    for vector in genuine:
        shop = told(vector)
        assert shop.notify(vector.body, vector.headers).status == 200, vector.name
        assert shop.paypal.requests() == []
        assert shop.functions.drain(QUEUE) == 0


def test_about_an_order_of_ours_they_go_the_whole_way(genuine: list[Vector], told: Told) -> None:
    for vector in genuine:
        shop = told(vector)
        for name in names(vector):
            pointer = OrderLookup(name, order_id=ORDER)
            pointer.save()
            assert shop.notify(vector.body, vector.headers).status == 200, (vector.name, name)
            pointer.delete()
        asked = shop.paypal.requests("verify")
        assert len(asked) == shop.functions.drain(QUEUE) >= 1
        assert all(question.body.endswith(f',"webhook_event":{vector.body}}}') for question in asked)


def test_with_one_byte_changed_they_are_refused(genuine: list[Vector], told: Told) -> None:
    for vector in genuine:
        shop = told(vector)
        OrderLookup(next(names(vector)), order_id=ORDER).save()
        at = vector.body.index('"summary":"') + len('"summary":"')
        changed = f"{vector.body[:at]}_{vector.body[at + 1 :]}"
        for body in (changed, vector.body.replace(":", ": ", 1), vector.body + " "):
            assert shop.notify(body, vector.headers).status == 400, vector.name
        assert len(shop.paypal.requests("verify")) == 3
        assert shop.functions.drain(QUEUE) == 0


def test_for_another_webhook_or_at_another_time_they_are_refused(
    genuine: list[Vector], told: Told, setting: Any
) -> None:
    for vector in genuine:
        shop = told(vector)
        OrderLookup(next(names(vector)), order_id=ORDER).save()
        later = {"PAYPAL-TRANSMISSION-TIME": "2026-11-22T12:00:00Z"}
        assert shop.notify(vector.body, vector.headers | later).status == 400, vector.name
        setting(paypal_webhook_id="7E5TWEBH00K000001")
        assert shop.notify(vector.body, vector.headers).status == 400, vector.name
        assert shop.functions.drain(QUEUE) == 0
