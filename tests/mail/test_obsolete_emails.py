"""What has been overtaken is not sent, but noted."""

import json

import pytest

from chalicelib.mail import sender
from chalicelib.orders.models import Order
from tests.mail import order_factory
from tests.mail.fake_ses import PostOffice


def deliver(order: Order, entry: str) -> bool:
    body = json.dumps({"order": order.id, "entry": entry})
    return sender.send_order_emails([{"messageId": "1", "body": body}]) == {"batchItemFailures": []}


@pytest.mark.parametrize(
    ("before", "then"),
    [
        (["claim", "pend"], ["pay"]),
        (["claim", "pend"], ["decline"]),
        (["claim", "pend", "decline"], ["claim"]),
        (["claim", "pend", "decline"], ["claim", "pay"]),
        (["claim", "pend", "decline"], ["die"]),
    ],
)
def test_a_mail_that_was_overtaken_is_skipped_quietly(
    post: PostOffice, before: list[str], then: list[str]
) -> None:
    order = order_factory.move(order_factory.placed(), *before)
    entry = list(order.emails_due)[-1]
    order_factory.move(order, *then)

    assert deliver(order, entry)

    assert post.asked == []
    order = Order.fetch(order.id)
    assert entry not in order.emails_due
    assert entry in order.emails_sent
    assert {"email_obsolete": entry}.items() <= {
        event["event"]: event["detail"] for event in order.history
    }.items()


def test_a_mail_that_is_not_true_yet_stays_due(post: PostOffice) -> None:
    order = order_factory.refunded(order_factory.paid(), 500, status="pending")

    assert not deliver(order, "refund_completed#REF1")

    assert post.asked == []
    assert Order.fetch(order.id).emails_due["refund_completed#REF1"] == 0
