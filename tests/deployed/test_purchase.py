"""A whole purchase in the packaged shop: its API, its functions behind queues and on schedule, and the fake PayPal."""

import time
from email.utils import parseaddr
from typing import Any

from infra.local.fake_paypal import Control
from tests.deployed.http_client import Visitor
from tests.deployed.stack import NAME, Stack
from tests.mail.sent_emails import letters


def _mails_to(stack: Stack, address: str) -> list[dict[str, Any]]:
    return [mail for mail in letters(stack.region.endpoint_url) if parseaddr(mail["To"][0])[1] == address]


def _is_paid(visitor: Visitor, token: str) -> bool:
    return bool(visitor.row(token)["state"]["S"] == "paid")


def test_a_purchase_from_the_cart_to_the_letters(visitor: Visitor, stack: Stack, paypal: Control) -> None:
    token = visitor.orders("TEA-100", email="returns@example.com")
    paypal.approve(token)
    page = visitor.comes_back(token)

    assert "Thank you" in page.text
    (sale,) = [row for row in paypal.ledger() if row.order_id == token]
    assert visitor.row(token)["total"]["N"] == str(int(sale.amount * 100))
    assert "Your cart is empty." in visitor.get("/api/cart").text
    stack.eventually(lambda: _mails_to(stack, "returns@example.com"))
    (letter,) = _mails_to(stack, "returns@example.com")
    number = visitor.row(token)["number"]["S"]
    assert number in letter["Subject"]
    assert "Green tea" in letter["BodyText"]
    assert "Green tea" in letter["BodyHtml"]
    # The function is not asked by anybody: it knows the shop's address from the second pass.
    address = f"{stack.outputs['ShopUrl']}/orders/{visitor.row(token)['id']['S']}"
    assert address in letter["BodyText"]
    assert f'href="{address}"' in letter["BodyHtml"]


def test_a_notification_pays_what_paypal_took_its_time_for(
    visitor: Visitor, stack: Stack, paypal: Control
) -> None:
    token = visitor.orders("TEA-50", email="notified@example.com")
    paypal.slow(token)
    assert "Your payment is pending" in visitor.comes_back(token).text
    paypal.deliver_pending()
    (capture,) = paypal.captures(token)
    paypal.complete(capture["id"])
    assert [answer["status"] for answer in paypal.deliver_pending()] == [200]

    stack.eventually(lambda: _is_paid(visitor, token))
    stack.eventually(
        lambda: any("is paid" in mail["Subject"] for mail in _mails_to(stack, "notified@example.com"))
    )


def test_a_forged_notification_is_refused(stack: Stack, paypal: Control) -> None:
    body = b'{"id": "WH-1", "event_type": "CHECKOUT.ORDER.APPROVED"}'
    answer = paypal.forge(body, key="wrong")
    assert answer["status"] == 400


def test_the_schedule_settles_an_order_without_a_notification(
    visitor: Visitor, stack: Stack, paypal: Control
) -> None:
    token = visitor.orders("TEA-50", email="reconciled@example.com")
    paypal.approve(token)
    _let_five_minutes_pass(visitor, token)
    assert visitor.row(token)["state"]["S"] == "awaiting"

    with stack.on_schedule("ReconcilePayments"):
        stack.eventually(lambda: _is_paid(visitor, token))
    assert len([row for row in paypal.ledger() if row.order_id == token]) == 1
    stack.eventually(lambda: _mails_to(stack, "reconciled@example.com"))


def _let_five_minutes_pass(visitor: Visitor, token: str) -> None:
    """Make the order due now: the functions' clock cannot be moved."""
    now = {"N": str(int(time.time()) - 1)}
    visitor.stack.region.client("dynamodb").update_item(
        TableName=f"{NAME}-orders",
        Key={"id": visitor.row(token)["id"]},
        UpdateExpression="SET next_check_at = :now, due_at = :now",
        ExpressionAttributeValues={":now": now},
    )
