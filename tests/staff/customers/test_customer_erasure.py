"""Erasing a customer: out of old orders everywhere, never out of the books, and never what is still needed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from chalicelib import clock
from chalicelib.config import settings
from chalicelib.ledger import daily_reports
from chalicelib.mail import outbox
from chalicelib.mail.render import render_email
from chalicelib.orders import erasure
from chalicelib.orders.enums import EmailKind, IssueKind
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.orders.search import order_list, order_search
from chalicelib.orders.search.search_index import OrderSearchEntry
from chalicelib.staff.orders import order_actions
from tests.client import Answer, Shopper
from tests.ledger.conftest import everything
from tests.orders.bulk_orders import raised
from tests.shop import CUSTOMER, Shop, order_id_of, token_of
from tests.staff.staff_client import logged_in, trail

BY = "merchant@shop.example"
EMAIL = CUSTOMER["email"]
LINK = "https://carrier.example/1"
PERSONAL = (
    "Test Customer",
    EMAIL,
    "Teststra",
    "10115",
    "Berlin",
    "00340434",
    LINK,
    "present for",
    "too big",
)


def shipped(shop: Shop) -> str:
    """Sell and ship an order that staff wrote notes about; return its ID."""
    _, order_id = shop.paid(MUG=1)
    order_actions.ship(order_id, order_actions.Parcel("DHL", "00340434", LINK), BY)
    order_actions.add_note(order_id, "A present for Mrs Customer", BY, "a" * 32)
    outbox.enqueue(raised(order_id, "dispute", "PP-1 OPEN"))
    order_actions.resolve_issue(order_id, 0, "Mug was too big for Test Customer", BY)
    shop.functions.drain("order-emails")
    return order_id


@contextmanager
def months_later(shop: Shop) -> Iterator[Shopper]:
    """Move the clock beyond the setting, with the merchant logged in."""
    with shop.later(days=91):
        yield logged_in(shop.gateway, "merchant")


def erase(merchant: Shopper, email: str = EMAIL, sure: str = "yes") -> Answer:
    """Confirm the form."""
    return merchant.post("/staff/erase", {"email": email, "sure": sure})


def stored(order_id: str) -> str:
    """Read all that the orders' table and its words hold."""
    words = [row.entry for row in OrderSearchEntry.scan()]
    return json.dumps([Order.fetch(order_id).serialize(), words], default=str, ensure_ascii=False)


def test_nothing_of_the_customer_is_left_but_the_country(shop: Shop) -> None:
    order_id = shipped(shop)
    assert [each for each in PERSONAL if each not in stored(order_id)] == []
    with months_later(shop) as merchant:
        page = merchant.get(f"/staff/erase?email={EMAIL.upper()}")
        assert "To be erased: 1 order" in page.text
        answer = merchant.follow(erase(merchant))
        assert "Customer data has been erased from 1 order." in answer.text
        assert [each for each in PERSONAL if each in stored(order_id)] == []
        order = shop.order(order_id)
        assert (order.customer["country"], order.total, order.state) == ("DE", 2340, "shipped")
        assert not order_search.search_orders(EMAIL, order_list.OrderFilter()).orders
        assert not order_search.search_orders("Customer", order_list.OrderFilter()).orders
        assert [
            found.id for found in order_search.search_orders(order.number, order_list.OrderFilter()).orders
        ] == [order_id]
        entries = [entry for entry in trail() if entry.action == "erased customer data"]
        assert [entry.subject for entry in entries] == [f"order {order.number}"]
        assert EMAIL not in str([(entry.before, entry.after) for entry in entries])
        erase(merchant)
        assert shop.order(order_id).version == order.version


def test_every_page_of_an_erased_order_still_shows(shop: Shop) -> None:
    order_id = shipped(shop)
    with months_later(shop) as merchant:
        erase(merchant)
        page = shop.shopper().get(f"/orders/{order_id}")
        assert (page.status, "Your parcel is on its way" in page.text) == (200, True)
        for address in ("/staff/orders", f"/staff/orders/{order_id}", f"/staff/orders/{order_id}/slip"):
            page = merchant.get(address)
            assert page.status == 200
            assert "rased" in page.text
        assert ",DE,EUR," in merchant.get("/staff/orders/csv").body


def test_the_books_stay_as_they_were_written(shop: Shop) -> None:
    order_id = shipped(shop)
    day = clock.today()
    with months_later(shop) as merchant:
        daily_reports.export_day(day)
        before = everything()
        assert EMAIL in str(before)
        erase(merchant)
        assert shop.order(order_id).erased_at
        daily_reports.export_day(day)
        assert everything() == before


def test_no_email_is_sent_to_an_erased_customer(shop: Shop) -> None:
    order_id = shipped(shop)
    with months_later(shop) as merchant:
        erase(merchant)
        sent = list(shop.order(order_id).emails_sent)
        capture = shop.order(order_id).capture_id
        shop.paypal.refund(capture, "1.00")
        shop.paypal.reverse(capture)
        shop.deliver_notifications()
        shop.functions.drain("order-emails")
        order = shop.order(order_id)
        assert (order.refunded, order.emails_due) == (100, {})
        # The merchant is told all the same.
        assert {entry.partition("#")[0] for entry in set(order.emails_sent) - set(sent)} == {"merchant_issue"}
        for entry in order.emails_sent:
            letter = render_email(order, entry)
            assert letter is None or "orders@example.com" in letter.to
        page = merchant.get(f"/staff/orders/{order_id}")
        assert "Send again" not in page.text


NEEDED = {
    "unpaid": "The payment isn’t complete yet.",
    "unshipped": "Paid, but not shipped yet.",
    "unmailed": "An email about it hasn’t been sent yet.",
    "refunding": "A refund is in progress.",
    "disputed": "It has an unresolved issue.",
}


def test_what_is_still_needed_stays(shop: Shop) -> None:
    orders = {what: _in_need(shop, what) for what in NEEDED}
    with months_later(shop) as merchant:
        page = merchant.get(f"/staff/erase?email={EMAIL}")
        assert f"Kept for now: {len(NEEDED)} orders" in page.text
        for what, why in NEEDED.items():
            assert erasure.erasure_blocked_reason(shop.order(orders[what])) == why
            assert why in page.text
        erase(merchant)
        for order_id in orders.values():
            assert not erasure.erase(order_id, BY)
            assert shop.order(order_id).customer["email"] == EMAIL


def test_an_order_is_kept_for_as_long_as_the_setting_says(shop: Shop, setting: Any) -> None:
    order_id = shipped(shop)
    setting(shop=replace(settings.shop, erase_after_days=10))
    for days in (9, 11):
        with shop.later(days=days):
            merchant = logged_in(shop.gateway, "merchant")
            page = merchant.get(f"/staff/erase?email={EMAIL}")
            assert ("Kept until" in page.text) == (days == 9)
            erase(merchant)
            assert bool(shop.order(order_id).erased_at) == (days == 11)


def _in_need(shop: Shop, what: str) -> str:
    order_id = _unshipped(shop, what) if what in ("unpaid", "unshipped") else shipped(shop)
    update_order(order_id, lambda order, _: _meanwhile(order, what))
    return order_id


def _unshipped(shop: Shop, what: str) -> str:
    if what == "unpaid":
        shop.placed(MUG=1)
        return str(next(order.id for order in shop.orders() if order.state == "awaiting"))
    _, order_id = shop.paid(MUG=1)
    shop.functions.drain("order-emails")
    return order_id


def _meanwhile(order: Order, what: str) -> bool:
    if what == "unmailed":
        order.queue_email(EmailKind.REFUND_COMPLETED, "R")
    elif what == "refunding":
        order.request_refund("r1", order.capture_id, 100, "EUR", "late")
    elif what == "disputed":
        order.open_issue(IssueKind.DISPUTE, "PP-2 OPEN")
        order.emails_due = {}
    return True


def test_a_paid_order_whose_money_all_went_back_can_be_erased(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=1)
    shop.paypal.refund(shop.order(order_id).capture_id)
    shop.deliver_notifications()
    shop.functions.drain("order-emails")
    with months_later(shop) as merchant:
        erase(merchant)
        assert shop.order(order_id).erased_at


def test_others_with_a_longer_or_shorter_address_keep_theirs(shop: Shop) -> None:
    order_id = shipped(shop)
    with months_later(shop) as merchant:
        for other in ("customer@example.co", "customer@example.com.au", "ustomer@example.com"):
            assert "No orders were found for this address" in merchant.get(f"/staff/erase?email={other}").text
            erase(merchant, other)
        assert not shop.order(order_id).erased_at


def test_an_address_is_the_same_in_every_spelling_of_its_letters_and_its_domain(shop: Shop) -> None:
    placed = shop.place(shop.shopper_with(MUG=1), email="Max@Müller.example")
    order_id = order_id_of(shop.come_back(shop.shopper(), token_of(placed)))
    order_actions.ship(order_id, order_actions.Parcel("DHL", "00340434", LINK), BY)
    shop.functions.drain("order-emails")
    spellings = ("max@müller.example", "MAX@xn--mller-kva.example", "\u202amax@MÜLLER.example\u202c")
    merchant = logged_in(shop.gateway, "merchant")
    for spelling in spellings:
        assert f"/staff/orders/{order_id}" in merchant.get(f"/staff/orders?q={quote(spelling)}").body
    with shop.later(days=400):
        erase(logged_in(shop.gateway, "merchant"), spellings[1])
        assert not shop.order(order_id).customer.get("email")


def test_what_is_no_address_is_said_so(merchant: Shopper) -> None:
    for typed in ("nobody", "a@b", "@", "<script>", "x" * 300):
        for page in (merchant.get(f"/staff/erase?email={typed}"), erase(merchant, typed)):
            assert page.status == 400
            assert 'aria-describedby="email-error"' in page.body
            assert page.field("email") == typed


def test_nothing_is_erased_before_the_box_is_ticked(shop: Shop) -> None:
    order_id = shipped(shop)
    with months_later(shop) as merchant:
        page = erase(merchant, sure="")
        assert page.status == 400
        assert "Please tick this box first." in page.text
        assert not shop.order(order_id).erased_at


def test_finance_erases_nobody(finance: Shopper) -> None:
    assert finance.get("/staff/erase").status == 403
    assert erase(finance).status == 403
