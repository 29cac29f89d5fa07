"""One order in the hands of staff: what its page tells, and what can be done with it, once however often pressed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.database.transactions import AuditWriter
from chalicelib.errors import Conflict
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.views import staff_view
from chalicelib.staff.audit import audit_log
from chalicelib.staff.orders import order_actions
from tests.call_counter import counted_calls
from tests.client import Answer, Shopper
from tests.dynamodb_faults import answers_lost
from tests.invariants import check_books, check_money, check_stock, units
from tests.mail import order_factory as made
from tests.orders.bulk_orders import raised
from tests.shop import Shop
from tests.staff.staff_client import member, trail

BY = "merchant@shop.example"


def path(order_id: str) -> str:
    """Return the address of an order's page."""
    return f"/staff/orders/{order_id}"


def press(merchant: Shopper, order_id: str, what: str, **fields: str) -> Answer:
    """Press a button of an order's page; return where it leads."""
    form = merchant.get(path(order_id)).field("form")
    return merchant.post(f"{path(order_id)}/{what}", {"form": form, **fields})


# -- the page ---------------------------------------------------------------------------------------------


def test_the_page_shows_customer_lines_payments_and_emails(shop: Shop, finance: Shopper) -> None:
    _, order_id = shop.paid(MUG=2, TEA_50=1)
    shop.functions.drain("order-emails")
    with counted_calls() as calls:
        page = finance.get(path(order_id))
    assert page.status == 200
    # Session, member and order: all about an order is in its row.
    assert calls == {"GetItem": 3}
    order = shop.order(order_id)
    (sale,) = shop.ledger()
    for words in (
        order.number,
        "Ready to ship",
        "Pebble mug",
        "customer@example.com",
        "€48.80",
        sale.paypal_id,
        "Payment confirmation",
        "Payment received.",
    ):
        assert words in page.text, words
    assert "<button" not in page.body.partition("<main")[2].partition("</main>")[0], "finance changes nothing"


def test_the_money_on_the_page_is_the_ledgers(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(MUG=2)
    capture = shop.order(order_id).capture_id
    shop.paypal.refund(capture, "10.00")
    shop.deliver_notifications()
    shop.paypal.reverse(capture)
    shop.deliver_notifications()
    kept = shop.order(order_id).ledger_entries
    for row, shown in zip(shop.ledger(), kept, strict=True):
        for name, value in shown.items():
            stored = getattr(row, "booked_at" if name == "at" else name)
            assert value == (int(stored) if isinstance(value, int) else stored), name
    page = merchant.get(path(order_id)).text
    for words in ("Payment", "Refund", "Chargeback", "−€10.00"):
        assert words in page, words


def test_the_history_shows_every_event_as_text(shop: Shop, merchant: Shopper) -> None:
    for state, tell in staff_view.STATE_LABELS.items():
        assert tell[0] != state
    order = made.placed()
    made.move(order, "claim", "pend", "decline")
    made.move(order, "claim", "pay", capture="ANOTHER")
    raised(order.id, "reversal", "ANOTHER")
    order_actions.resolve_issue(order.id, 0, "It was a mistake", BY)
    order_actions.ship(order.id, order_actions.Parcel("DHL"), BY)
    words = [entry["text"] for entry in staff_view.history_of(Order.fetch(order.id))]
    assert words == [
        "Order placed.",
        "PayPal is holding the payment.",
        "PayPal declined the payment.",
        "Payment received.",
        "Issue: Chargeback.",
        "Issue resolved: Chargeback.",
        "Shipped with DHL.",
    ]
    assert "“It was a mistake”" in merchant.get(path(order.id)).text


def test_an_unknown_order_is_a_404(merchant: Shopper) -> None:
    for address in ("abc", "0" * 32, "number%2312345-12345"):
        assert merchant.get(f"/staff/orders/{address}").status == 404
        assert merchant.get(f"/staff/orders/{address}/slip").status == 404
        for what in ("ship", "cancel", "notes", "mails", "issues/0"):
            assert merchant.post(f"/staff/orders/{address}/{what}").status == 404, what


def test_finance_can_do_nothing_with_it(shop: Shop, finance: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    before = shop.order(order_id).version
    for what in ("ship", "cancel", "notes", "mails", "issues/0"):
        assert finance.post(f"{path(order_id)}/{what}", {"note": "x", "carrier": "DHL"}).status == 403
    assert shop.order(order_id).version == before


# -- cancelling -------------------------------------------------------------------------------------------


def test_cancelling_puts_the_units_back_and_takes_no_money(shop: Shop, merchant: Shopper) -> None:
    before = units(shop)
    customer, token = shop.placed(MUG=2)
    (order,) = shop.orders()
    page = merchant.follow(press(merchant, order.id, "cancel"))
    assert "Cancelled by staff." in page.text
    assert "Order cancelled. Its items are available again." in page.text
    assert press_again(merchant, order.id).status == 303
    (entry,) = [entry for entry in trail() if entry.action == "cancelled"]
    assert (entry.before, entry.after) == ({"state": "awaiting"}, {"state": "cancelled"})

    # The customer was at PayPal all the while, and says yes there.
    shop.come_back(customer, token)
    assert "This order was cancelled" in customer.get(f"/orders/{order.id}").text
    assert not shop.ledger()
    with shop.later(hours=7):
        shop.reconcile()
    assert shop.order(order.id).state == "cancelled"
    check_stock(shop, before)
    check_money(shop)


def press_again(merchant: Shopper, order_id: str) -> Answer:
    """Press Cancel once more, on the old page."""
    return merchant.post(f"{path(order_id)}/cancel", {})


@pytest.mark.usefixtures("aws")
def test_what_may_be_paid_is_not_cancelled() -> None:
    refused = {
        ("claim",): "is being processed",
        ("claim", "pend"): "PayPal is holding a payment",
        ("claim", "pay"): "Refund it instead",
        ("die",): "already expired",
    }
    for number, (actions, words) in enumerate(refused.items()):
        order = made.move(made.placed(), *actions, capture=f"CAPTURE{number}")
        with pytest.raises(Conflict, match=words):
            order_actions.cancel(order.id, BY)
        assert Order.fetch(order.id).version == order.version


def test_an_order_that_is_paid_meanwhile_is_not_cancelled(shop: Shop, merchant: Shopper) -> None:
    customer, token = shop.placed(MUG=1)
    (order,) = shop.orders()
    assert "Cancel order" in merchant.get(path(order.id)).text
    shop.come_back(customer, token)
    answer = press_again(merchant, order.id)
    assert answer.status == 409
    assert "This order is paid. Refund it instead. Nothing has been changed." in answer.text
    assert "Ready to ship" in answer.text
    check_money(shop)


# -- mails ------------------------------------------------------------------------------------------------


def test_a_mail_is_sent_again_once_a_press(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    shop.functions.drain("order-emails")
    entry = next(entry for entry in shop.order(order_id).emails_sent if entry.startswith("order_paid#"))
    form = merchant.get(path(order_id)).field("form")
    for _ in range(2):
        assert merchant.post(f"{path(order_id)}/mails", {"form": form, "entry": entry}).status == 303
    shop.functions.drain("order-emails")
    assert merchant.post(f"{path(order_id)}/mails", {"form": form, "entry": entry}).status == 303
    assert not shop.order(order_id).emails_due, "the form was used before"
    events = [entry["event"] for entry in shop.order(order_id).history]
    assert (events.count("email_requeued"), events.count("email_sent")) == (1, 3)
    assert press(merchant, order_id, "mails", entry=entry).status == 303
    assert list(shop.order(order_id).emails_due) == [entry]


@pytest.mark.usefixtures("aws")
def test_a_mail_whose_words_are_no_longer_true_is_not_sent_again() -> None:
    order = made.failed()
    update_order(order.id, _send_all)
    made.move(order, "claim", "pay", capture="ANOTHER")
    entry = next(iter(Order.fetch(order.id).emails_sent))
    with pytest.raises(Conflict, match="out of date"):
        order_actions.resend_email(order.id, entry, BY, "f" * 32)


def _send_all(order: Order, _: Any) -> bool:
    order.emails_sent, order.emails_due = dict.fromkeys(order.emails_due, "2026-11-22T10:00:00.000Z"), {}
    return True


def test_what_was_never_sent_is_not_sent_again(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    for entry in ("refund_completed#X", "nonsense", "", "order_shipped#1"):
        assert press(merchant, order_id, "mails", entry=entry).status == 404
    assert merchant.post(f"{path(order_id)}/mails", {"entry": "order_paid#x", "form": "1"}).status == 400


# -- notes and issues -------------------------------------------------------------------------------------


def test_a_note_is_for_staff_alone_and_kept_once(shop: Shop, merchant: Shopper) -> None:
    customer, order_id = shop.paid(MUG=1)
    form = merchant.get(path(order_id)).field("form")
    for _ in range(2):
        fields = {"form": form, "note": "Rang up.\r\nWants <b>blue</b> paper."}
        assert merchant.post(f"{path(order_id)}/notes", fields).status == 303
    page = merchant.get(path(order_id))
    assert page.body.count("Wants &lt;b&gt;blue&lt;/b&gt; paper.") == 1
    assert "blue" not in customer.get(f"/orders/{order_id}").text
    (entry,) = [entry for entry in trail() if entry.action == "added a note"]
    assert "blue" not in str(entry.after)


def test_notes_never_fill_an_order_so_that_money_has_no_room(
    shop: Shop, merchant: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, order_id = shop.paid(MUG=1)
    monkeypatch.setattr(order_actions, "ROOM_FOR_HISTORY", 20_000)
    answers = [
        merchant.post(f"{path(order_id)}/notes", {"form": f"{number:032x}", "note": "ü" * 1000})
        for number in range(5)
    ]
    assert [answer.status for answer in answers] == [303, 303, 303, 303, 409]
    assert "maximum number of notes" in answers[-1].text
    assert "ü" * 1000 in answers[-1].body


def test_a_note_that_cannot_be_kept_is_given_back(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    for note in ("", "  ", "x" * 1001, "a\x00b"):
        page = press(merchant, order_id, "notes", note=note)
        assert page.status == 400
        assert 'aria-describedby="note-error"' in page.body
        assert note.strip() in page.body
    assert not staff_view.notes_of(shop.order(order_id))


def test_an_issue_is_open_until_it_is_resolved(shop: Shop, merchant: Shopper, finance: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    capture = shop.order(order_id).capture_id
    shop.paypal.reverse(capture)
    shop.deliver_notifications()
    page = merchant.get(path(order_id))
    assert "Chargeback" in page.text
    assert "What to do:" in page.text
    assert "What to do:" in finance.get(path(order_id)).text
    for _ in range(2):
        page = merchant.follow(
            press(merchant, order_id, "issues/0", words="Answered in the Resolution Centre")
        )
    assert "What to do:" not in page.text
    assert "“Answered in the Resolution Centre”" in page.text
    assert not shop.order(order_id).open_issues
    assert len([entry for entry in trail() if entry.action == "resolved an issue"]) == 1
    assert press(merchant, order_id, "issues/1").status == 400
    assert press(merchant, order_id, "issues/-1").status == 400
    back = press(merchant, order_id, "issues/0", back="attention")
    assert back.location.endswith("/staff/attention")
    check_books(shop)


# -- when answers are lost --------------------------------------------------------------------------------


@pytest.mark.usefixtures("aws")
def test_a_change_whose_answer_was_lost_is_made_once_and_written_into_the_trail_once() -> None:
    merchant = member("merchant")
    paid = made.paid()
    update_order(paid.id, _send_all)
    raised(paid.id, "dispute", "PP-1 OPEN")
    unpaid = made.placed()
    mail = f"order_paid#{made.CAPTURE}"
    deeds: list[tuple[str, Callable[[AuditWriter], object]]] = [
        (paid.id, lambda seen: order_actions.resend_email(paid.id, mail, BY, "1" * 32, seen)),
        (paid.id, lambda seen: order_actions.add_note(paid.id, "Blue paper", BY, "2" * 32, seen)),
        (paid.id, lambda seen: order_actions.resolve_issue(paid.id, 0, "", BY, seen)),
        (paid.id, lambda seen: order_actions.ship(paid.id, order_actions.Parcel("DHL"), BY, seen)),
        (unpaid.id, lambda seen: order_actions.cancel(unpaid.id, BY, seen)),
    ]
    for number, (order_id, do) in enumerate(deeds):
        before = Order.fetch(order_id).version
        with answers_lost("TransactWriteItems"):
            do(audit_log.writer_for(merchant, f"deed {number}"))
        do(audit_log.writer_for(merchant, "again"))
        assert Order.fetch(order_id).version == before + 1, number
    assert [entry.action for entry in trail()] == [f"deed {number}" for number in range(len(deeds))]


@pytest.mark.usefixtures("aws")
def test_two_who_change_an_order_at_once_lose_nothing_of_each_other() -> None:
    order = made.paid()
    with ThreadPoolExecutor(4) as hands:
        notes = [f"note {number}" for number in range(4)]
        list(hands.map(lambda note: order_actions.add_note(order.id, note, BY, note), notes))
        order_actions.ship(order.id, order_actions.Parcel("DHL"), BY)
    now = Order.fetch(order.id)
    assert sorted(note["text"] for note in staff_view.notes_of(now)) == notes
    assert now.state == "shipped"
