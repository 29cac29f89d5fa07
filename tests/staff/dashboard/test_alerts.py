"""What needs attention is on one page; where there is nothing, it says so with joy."""

import json
from unittest import mock

import pytest

from chalicelib.aws import queue_url
from chalicelib.catalog.models import Stock
from chalicelib.database.transactions import Transaction
from chalicelib.orders.enums import IssueKind
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from tests.call_counter import counted_calls
from tests.client import Shopper
from tests.shop import Shop
from tests.staff.staff_client import trail

PAGE = "/staff/attention"
CALM = "All clear"


@pytest.fixture
def quiet(shop: Shop) -> Shop:
    """Return a shop where nothing waits: what runs by itself has just run, and nothing runs low."""
    Stock("BOWL").update(actions=[Stock.available.set(9)])
    shop.functions.fire("export_books")
    shop.reconcile()
    queue_url.cache_clear()  # the cloud was emptied since the last test
    return shop


def open_issue(shop: Shop, kind: str, detail: str) -> str:
    def act(order: Order, _: Transaction) -> bool:
        order.open_issue(IssueKind(kind), detail)
        return True

    _, order_id = shop.paid()
    return update_order(order_id, act).id


def test_where_nothing_waits_it_says_so_with_joy(quiet: Shop, merchant: Shopper) -> None:
    page = merchant.get(PAGE)

    assert CALM in page.text
    assert "all-clear." in page.body
    assert "OK Payments and refunds, last run" in page.text
    assert "OK Books, last run" in page.text


def test_a_dispute_is_shown_until_it_is_resolved(quiet: Shop, merchant: Shopper, finance: Shopper) -> None:
    _, order_id = quiet.paid()
    quiet.paypal.open_dispute(quiet.order(order_id).capture_id or "")
    quiet.deliver_notifications()

    page = merchant.get(PAGE)
    assert "PayPal dispute" in page.text
    assert f"Order {quiet.order(order_id).number}" in page.text
    assert "What to do: Answer it in PayPal’s Resolution Centre" in page.text
    assert CALM not in page.text
    assert "Mark as resolved" not in finance.get(PAGE).text

    address = f"/staff/orders/{order_id}/issues/0"
    assert finance.post(address, {"back": "attention"}).status == 403
    answer = merchant.post(address, {"back": "attention", "words": "Answered."})
    assert answer.location.endswith(PAGE)
    page = merchant.follow(answer)
    assert "PayPal dispute" not in page.text
    assert CALM in page.text
    assert [entry.action for entry in trail()][-1] == "resolved an issue"


RAISED = {
    "reversal": "Chargeback",
    "duplicate_capture": "This order was paid twice",
    "payee_mismatch": "Paid to another PayPal account",
    "amount_mismatch": "Wrong amount paid",
    "payment_unresolved": "Payment unresolved for 15 minutes",
    "refund_failed": "Refund failed",
    "refund_rejected": "PayPal rejected a refund",
    "return_rejected": "PayPal rejected a refund",
}


def test_everything_raised_has_words(quiet: Shop, merchant: Shopper) -> None:
    for kind in RAISED:
        open_issue(quiet, kind, "DETAIL")
    page = merchant.get(PAGE)
    assert [title for title in RAISED.values() if title not in page.text] == []


def test_pending_payments_and_delayed_emails_are_shown(quiet: Shop, merchant: Shopper) -> None:
    shopper, token = quiet.placed()
    quiet.paypal.slow(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    (order,) = quiet.orders()

    page = merchant.get(PAGE)
    assert "Pending payments" in page.text
    assert "Delayed emails" not in page.text

    with quiet.later(minutes=11):
        quiet.reconcile()
        page = merchant.get(PAGE)
    assert "Delayed emails" in page.text
    assert f"Order {order.number} Payment pending" in page.text


def test_low_stock_is_shown_with_its_quantity(quiet: Shop, merchant: Shopper, finance: Shopper) -> None:
    quiet.put_on_shelf(
        "bell", "Brass bell", {"BELL-1": (100, None, 3), "BELL-2": (100, None, 0), "BELL-3": (100, None, 4)}
    )

    page = merchant.get(PAGE)

    assert "3 or fewer in stock" in page.text
    assert "Brass bell BELL-2 BELL-2 sold out Brass bell BELL-1 BELL-1 3" in page.text
    assert "BELL-3" not in page.text
    assert "/staff/products/bell" in page.body
    assert "/staff/products/" not in finance.get(PAGE).body


def test_where_hidden_products_hide_what_runs_low_it_is_said(
    quiet: Shop, merchant: Shopper, finance: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.staff.dashboard.alerts.MAX_LOW_STOCK", 1)  # as with fifty times as many
    skus: dict[str, tuple[int, int | None, int]] = {f"GONE-{number}": (100, None, 0) for number in range(36)}
    quiet.put_on_shelf("gone", "Sold out for good", skus, hidden=True)

    page = merchant.get(PAGE)

    assert "So many hidden products are sold out that the others can’t be listed here." in page.text
    assert CALM not in page.text
    assert merchant.get("/staff/products?show=visible&stock=low").status == 200
    assert 'href="/staff/products?show=visible&amp;stock=low"' in page.body
    assert "/staff/products" not in finance.get(PAGE).body.partition("<main")[2]


def test_dead_letters_are_counted_a_queue_with_what_to_do(quiet: Shop, merchant: Shopper) -> None:
    from chalicelib.aws import client
    from chalicelib.config import settings

    queue = client("sqs").get_queue_url(QueueName=f"{settings.table_prefix}paypal-webhooks-dlq")["QueueUrl"]
    for _ in range(2):
        client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps({"type": "X"}))

    page = merchant.get(PAGE)

    assert "PayPal notifications that couldn’t be processed: 2." in page.text
    assert "Emails that couldn’t be sent" not in page.text


def test_days_without_books_and_stopped_jobs_are_shown(quiet: Shop, merchant: Shopper) -> None:
    with quiet.later(days=2, hours=4):
        merchant_later = merchant_again(quiet)
        page = merchant_later.get(PAGE)
    assert "Days without books" in page.text
    assert page.text.count("It’s overdue.") == 2


def merchant_again(shop: Shop) -> Shopper:
    from tests.staff.staff_client import logged_in

    return logged_in(shop.gateway, "merchant")


def test_a_failed_run_is_shown(quiet: Shop, merchant: Shopper) -> None:
    from chalicelib.payments import reconciler

    fails = mock.patch.object(
        reconciler, "reconcile_payments", side_effect=reconciler.ReconcileFailed("1 of 1")
    )
    with fails, pytest.raises(reconciler.ReconcileFailed):
        quiet.reconcile()
    page = merchant.get(PAGE)
    assert "It failed." in page.text
    assert CALM not in page.text


def test_a_new_shop_says_what_has_not_run_yet(shop: Shop, merchant: Shopper) -> None:
    assert merchant.get(PAGE).text.count("It hasn’t run yet.") == 2


BLOCKS = {
    "_order_issues": "We couldn’t load the issues with orders",
    "_pending": "We couldn’t load the pending payments",
    "_low_stock": "We couldn’t load the products low in stock",
    "_dead_letters": "We couldn’t load the failed messages",
    "_days_without_books": "We couldn’t load the days without books",
    "_scheduled_jobs": "We couldn’t load the scheduled jobs",
}


def test_a_block_that_fails_says_so_and_the_rest_is_shown(quiet: Shop, merchant: Shopper) -> None:
    from chalicelib.staff.dashboard import alerts

    open_issue(quiet, "dispute", "PP-D-1 OPEN")
    for reader, words in BLOCKS.items():
        with mock.patch.object(alerts, reader, side_effect=ConnectionError("no answer")):
            page = merchant.get(PAGE)

        assert page.status == 200
        assert words in page.text
        assert page.text.count("We couldn’t load") == 1
        assert ("PayPal dispute" in page.text) is (reader != "_order_issues")


def test_a_block_that_never_answers_does_not_hold_up_the_page(quiet: Shop, merchant: Shopper) -> None:
    import threading

    from chalicelib.staff.dashboard import alerts

    released = threading.Event()
    with (
        mock.patch.object(alerts, "PATIENCE_SECONDS", 0.5),
        mock.patch.object(alerts, "_dead_letters", side_effect=lambda: released.wait(30)),
    ):
        page = merchant.get(PAGE)
    released.set()

    assert "We couldn’t load the failed messages" in page.text


def test_the_page_asks_the_same_number_of_questions_however_much_waits(
    quiet: Shop, merchant: Shopper
) -> None:
    def calls() -> dict[str, int]:
        with counted_calls() as counted:
            assert merchant.get(PAGE).status == 200
        return dict(counted)

    open_issue(quiet, "dispute", "PP-D-1 OPEN")
    one = calls()
    for number in range(5):
        open_issue(quiet, "dispute", f"PP-D-{number} OPEN")
        quiet.put_on_shelf(f"bell-{number}", "Bell", {f"BELL-{number}": (100, None, 1)})
    many = calls()

    assert "Scan" not in many
    assert many["Query"] == one["Query"]
    assert many["BatchGetItem"] <= one["BatchGetItem"] + 1  # the products of what runs low
