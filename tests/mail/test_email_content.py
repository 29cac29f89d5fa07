"""Each mail says what is true of its order when it is sent, in HTML and in plain text."""

import re
from html import unescape
from typing import Any

import pytest

from chalicelib import money
from chalicelib.config import settings
from chalicelib.database.transactions import Transaction
from chalicelib.mail import plain_text
from chalicelib.mail.render import EMAIL_KINDS, Email, NotDueYet, render_email
from chalicelib.orders.base import OrderLine
from chalicelib.orders.enums import EmailKind, IssueKind
from chalicelib.orders.issues import ISSUE_TEXTS, describe_issue
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.web.urls import absolute_url
from tests.mail import order_factory

pytestmark = pytest.mark.usefixtures("aws")


def letter(order: Order, kind: str) -> Email:
    """Write the one mail of a kind that an order owes."""
    (entry,) = [entry for entry in order.emails_due if entry.startswith(f"{kind}#")]
    written = render_email(order, entry)
    assert written is not None
    return written


def words(part: str) -> str:
    """Return what is read: no tags, white space folded."""
    without_head = re.sub(r"<head>.*?</head>", "", part, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", without_head)))


def both(letter: Email) -> list[str]:
    return [words(letter.html), re.sub(r"\s+", " ", letter.text)]


def says(letter: Email, *sentences: str) -> None:
    """Check that both parts say each of these, letter by letter."""
    for part in both(letter):
        for sentence in sentences:
            assert sentence in part, f"{sentence!r} is not in {part!r}"


def never_says(letter: Email, *sentences: str) -> None:
    for part in [*both(letter), letter.subject]:
        for sentence in sentences:
            assert sentence.lower() not in part.lower(), f"{sentence!r} is in {part!r}"


def test_a_paid_order_is_confirmed_with_everything_the_customer_needs() -> None:
    order = order_factory.paid()

    mail = letter(order, "order_paid")

    assert mail.subject == f"Your order {order.number} is paid"
    says(
        mail,
        "Thank you, your order is paid",
        "Hello Tést Käufer,",
        "We received your payment of €69.70 through PayPal.",
        f"Order {order.number}",
        "Green tea",
        "100 g",
        "€9.90",
        "€19.80",
        "Teapot",
        "€45.00",
        "€64.80",
        "Shipping €4.90",
        "Total €69.70",
        "Includes 19% VAT €7.97",
        "Includes 7% VAT €1.30",
        "Hinterhaus 10115 Berlin Germany",
        "shop@example.com",
    )
    address = absolute_url(f"/orders/{order.id}")
    assert f'href="{address}"' in mail.html
    assert f"\n{address}\n" in mail.text
    never_says(mail, order_factory.TEA.sku, "+49 30")


def test_the_merchants_email_lists_items_and_customer() -> None:
    order = order_factory.paid()

    mail = letter(order, "merchant_order_paid")

    assert mail.subject == f"Order {order.number} is paid: €69.70"
    says(
        mail,
        "Tést Käufer has paid €69.70 through PayPal.",
        "Please pack",
        "TEA-100",
        "POT-1",
        "Lange Straße 12",
        "test@example.org",
        "+49 30 1234567",
        order_factory.CAPTURE,
    )


def test_a_merchant_who_reads_late_is_warned_of_money_that_went_back() -> None:
    order = order_factory.refunded(order_factory.paid(), 1500)

    says(letter(order, "merchant_order_paid"), "Stop: €15.00 of it has since been returned.")
    never_says(letter(order, "merchant_order_paid"), "Please pack")


def test_a_confirmation_that_comes_after_a_full_refund_promises_no_parcel() -> None:
    order = order_factory.refunded(order_factory.paid(), 6970)

    mail = letter(order, "order_paid")

    says(mail, "have since refunded it")
    never_says(mail, "getting your order ready")


def test_the_merchants_email_says_that_paypal_refuses_payments_and_what_to_do() -> None:
    order = order_factory.move(order_factory.placed(), "refuse")

    mail = letter(order, "merchant_payments_refused")

    assert mail.subject == "PayPal is rejecting payments: please check"
    assert settings.shop.merchant_email in mail.to
    says(
        mail,
        "Nobody can pay at the moment",
        "PAYEE_ACCOUNT_RESTRICTED",
        "Resolution Centre",
        "not for every order",
    )
    assert order.state == "awaiting"


def test_no_email_is_sent_about_a_refusal_that_is_over() -> None:
    order = order_factory.move(order_factory.placed(), "refuse", "claim", "pay")

    (entry,) = [entry for entry in order.emails_due if entry.startswith("merchant_payments_refused#")]
    assert render_email(order, entry) is None


def test_the_merchant_is_emailed_about_a_dispute_and_where_to_answer_it() -> None:
    order = order_factory.move(order_factory.paid(), "raise")

    mail = letter(order, "merchant_issue")

    assert mail.subject == f"Order {order.number}: PayPal dispute"
    assert settings.shop.merchant_email in mail.to
    says(mail, "PP-D-4711", "waiting for an answer", "Resolution Centre")
    address = absolute_url(f"/staff/orders/{order.id}")
    assert f'href="{address}"' in mail.html
    assert f"\n{address}\n" in mail.text


def test_what_is_back_on_the_shelf_is_not_said_to_be_on_its_way() -> None:
    pot, tea = order_factory.POT, order_factory.TEA
    order = order_factory.refunded(order_factory.paid(), 1500, restocked={pot.sku: pot.quantity})
    order = order_factory.move(order, "ship")

    mail = letter(order, "order_shipped")

    says(mail, tea.name, "Total €69.70", "Refunded −€15.00")
    never_says(mail, "€45.00")
    says(letter(order, "order_paid"), pot.name)


def test_an_issue_that_staff_have_looked_at_needs_no_mail_any_more() -> None:
    order = order_factory.move(order_factory.paid(), "raise")

    def look(order: Order, _: Transaction) -> bool:
        order.resolve_issue(0, "merchant@shop.example", "Answered.")
        return True

    assert render_email(update_order(order.id, look), "merchant_issue#0") is None
    assert render_email(order, "merchant_issue#none") is None


@pytest.mark.parametrize("kind", [*ISSUE_TEXTS, "something new"])
def test_every_issue_says_what_happened_and_what_to_do(kind: str) -> None:
    told = describe_issue({"kind": kind, "detail": "DETAIL"})

    assert told.title
    assert told.description.endswith(".") or kind == "something new"
    assert told.action.endswith(".")


def test_a_refund_carries_the_shops_own_words_to_the_customer() -> None:
    order = order_factory.refunded(
        order_factory.paid(), 1500, note="The pot had a crack; keep it.", reason="for our files"
    )

    says(letter(order, "refund_completed"), "A note from us: The pot had a crack; keep it.")
    never_says(letter(order, "refund_completed"), "for our files")


def test_a_pending_payment_is_not_called_paid() -> None:
    mail = letter(order_factory.pending(), "payment_pending")

    says(mail, "Your payment is pending", "Please don’t pay again")
    never_says(mail, "is paid", "was paid", "you paid", "We received")


def test_a_failed_payment_can_be_made_again() -> None:
    order = order_factory.failed()

    mail = letter(order, "payment_failed")

    says(mail, "Your payment didn’t go through", "your order isn’t paid", "Pay again")
    assert f'href="{absolute_url("/orders/" + order.id)}"' in mail.html


@pytest.mark.parametrize(
    ("way", "reason"),
    [("die", "PayPal keeps a payment open for only a few hours."), ("sell out", "of your items sold out")],
)
def test_an_expired_order_says_why_and_that_nothing_was_charged(way: str, reason: str) -> None:
    mail = letter(order_factory.move(order_factory.placed(), way), "order_expired")

    says(mail, "Your order has been closed", reason, "You haven’t been charged.")
    never_says(mail, "Delivery address", "is paid")


def test_an_expired_order_that_was_paid_too_late_says_that_the_money_goes_back() -> None:
    order = order_factory.move(order_factory.placed(), "die")
    order.record_transaction("CAP9")

    mail = letter(order, "order_expired")

    says(mail, "refunding it in full")
    never_says(mail, "haven’t been charged")


def test_a_whole_refund_says_so() -> None:
    order = order_factory.refunded(order_factory.only(order_factory.paid(), "none"), 6970)

    mail = letter(order, "refund_completed")

    assert mail.subject == f"Refund of €69.70 for your order {order.number}"
    says(
        mail,
        "Your refund of €69.70 is on its way",
        "We’ve now refunded the full amount of your order.",
        "−€69.70",
    )
    never_says(mail, "Delivery address")


def test_emails_about_partial_refunds_state_each_amount_and_their_sum() -> None:
    order = order_factory.refunded(order_factory.paid(), 1000, 470)

    second = render_email(order, "refund_completed#REF2")

    assert second is not None
    says(second, "Your refund of €4.70 is on its way", "we’ve now refunded €14.70 of the €69.70 you paid")


def test_the_refund_that_completes_the_amount_shows_itself_and_what_went_back_so_far() -> None:
    order = order_factory.refunded(order_factory.paid(), 1000, 5970)

    second = render_email(order, "refund_completed#REF2")

    assert second is not None
    says(second, "We’ve now refunded the full amount", "This refund −€59.70 Refunded so far −€69.70")


def test_a_first_partial_refund_is_a_part() -> None:
    order = order_factory.refunded(order_factory.paid(), 1000)

    mail = letter(order, "refund_completed")

    says(mail, "This is a partial refund of the €69.70 you paid.", "Refunded −€10.00")
    never_says(mail, "so far")


def test_a_refund_is_found_by_paypals_id_as_its_key() -> None:
    order = order_factory.paid()
    order.refunds = {
        "REF7": {"amount": 250, "currency": "EUR", "status": "completed", "paypal_refund_id": "REF7"}
    }
    order.queue_email(EmailKind.REFUND_COMPLETED, "REF7")

    says(letter(order, "refund_completed"), "Your refund of €2.50 is on its way")


def test_a_second_payment_that_went_back_leaves_the_order_paid() -> None:
    order = order_factory.refunded(order_factory.paid(), 6970, capture_id="ANOTHER")

    mail = letter(order, "refund_completed")

    says(mail, "Your order is still paid, and nothing else changes.")
    never_says(mail, "full amount", "partial refund")
    says(letter(order, "order_paid"), "We’re getting your order ready")


def test_the_refund_of_a_payment_for_a_closed_order_is_explained() -> None:
    order = order_factory.refunded(order_factory.move(order_factory.placed(), "die"), 6970, capture_id="LATE")

    mail = letter(order, "refund_completed")

    says(mail, "We received the payment after your order had been closed.")
    never_says(mail, "still paid", "full amount")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (IssueKind.DUPLICATE_CAPTURE, "You paid for this order more than once"),
        (IssueKind.AMOUNT_MISMATCH, "The payment wasn’t for the total of your order."),
        (IssueKind.ORDER_MISMATCH, "PayPal reported the payment for a different order."),
        (IssueKind.SOLD_OUT, "The items had sold out before your payment reached us."),
        (IssueKind.CAPTURED_AFTER_CLOSE, "We received the payment after your order had been closed."),
    ],
)
def test_the_refund_of_an_unmatched_payment_gives_its_reason(kind: IssueKind, reason: str) -> None:
    order = order_factory.refunded(order_factory.paid(), 6970, capture_id="ANOTHER")
    order.open_issue(kind, "ANOTHER")

    says(letter(order, "refund_completed"), reason)


@pytest.mark.parametrize("capture", ["", None])
def test_a_refund_of_an_unnamed_capture_is_of_the_one_that_paid(capture: str | None) -> None:
    order = order_factory.refunded(order_factory.paid(), 6970, capture_id=capture)

    says(letter(order, "refund_completed"), "We’ve now refunded the full amount of your order.")


def test_an_unmatched_payment_in_another_currency_is_stated_in_it() -> None:
    order = order_factory.refunded(order_factory.placed(), 1200, capture_id="ANOTHER", currency="JPY")

    mail = letter(order, "refund_completed")

    says(mail, "Your refund of ¥1,200 is on its way")
    says(mail, "Your order isn’t paid yet")
    never_says(mail, "still paid")


@pytest.mark.parametrize("kind", sorted(EMAIL_KINDS))
def test_no_mail_claims_a_payment_before_payment(kind: str) -> None:
    order = order_factory.placed()

    entry = f"{kind}#{order_factory.CAPTURE}"

    if EMAIL_KINDS[kind].may_become_obsolete:
        written = render_email(order, entry)
        assert written is None or "your order isn’t paid" in both(written)[1]
    else:
        with pytest.raises(NotDueYet):
            render_email(order, entry)


@pytest.mark.parametrize("status", ["requested", "pending", "failed"])
def test_no_email_is_sent_about_an_incomplete_refund(status: str) -> None:
    order = order_factory.refunded(order_factory.paid(), 500, status=status)

    with pytest.raises(NotDueYet):
        render_email(order, "refund_completed#REF1")


def test_only_the_latest_of_two_pending_payments_is_emailed() -> None:
    order = order_factory.move(order_factory.failed(), "claim", "pend", capture="SECOND")

    assert render_email(order, f"payment_pending#{order_factory.CAPTURE}") is None
    assert render_email(order, "payment_pending#SECOND") is not None


# -- layout -------------------------------------------------------------------------------------------------

KANJI = "緑茶" * 60
LONG = [
    OrderLine("TEA-100", "tea", KANJI, {"Größe": "groß"}, 1, 99900, "7"),
    OrderLine("POT-1", "pot", "Teapot" * 30, {}, 20, 123456, "19"),
    OrderLine(
        "CUP-1", "cup", "A cup with a name that goes on for longer than a line", {"Colour": "Moss"}, 3, 1, "0"
    ),
]


@pytest.mark.parametrize("kind", ["order_paid", "merchant_order_paid"])
def test_plain_text_is_aligned_and_at_most_78_columns_wide(kind: str) -> None:
    mail = letter(
        order_factory.paid(*LONG, name=KANJI, address="Straße " * 30, email=f"{'z' * 60}@example.org"), kind
    )

    lines = mail.text.splitlines()

    assert [line for line in lines if plain_text.width(line) > 78] == []
    amounts = [line for line in lines if re.search(r"\S  +−?€[\d,.]+$", line)]
    assert len(amounts) >= 6
    assert {plain_text.width(line) for line in amounts} == {plain_text.COLUMNS}


def test_plain_text_holds_no_html_and_html_no_raw_text() -> None:
    spicy = OrderLine("TEA-1", "tea", "Tea & <b>“biscuits”</b>", {"Size": "<i>"}, 1, 990, "7")
    order = order_factory.paid(spicy, name="<script>alert('1')</script> & Söhne", address="<img src=x>")

    for kind in ("order_paid", "merchant_order_paid"):
        mail = letter(order, kind)
        assert "Tea & <b>“biscuits”</b>" in mail.text
        assert "<script>alert('1')</script> & Söhne" in mail.text
        assert "&amp;" not in mail.text
        assert "&#39;" not in mail.text
        assert not re.search(r"<(script|img|b|i)\b", mail.html)
        assert "Tea &amp; &lt;b&gt;“biscuits”&lt;/b&gt;" in mail.html


def test_line_breaks_in_what_a_customer_typed_do_not_shape_the_mail() -> None:
    order = order_factory.paid(name="Tést\r\n\r\nYour order is free\u2028Really", address="One\n\n\nTwo")

    mail = letter(order, "order_paid")

    assert "Hello Tést Your order is free Really,\n" in mail.text
    assert "\n  One Two\n" in mail.text


def test_free_shipping_and_no_tax_are_said_in_words(setting: Any) -> None:
    order = order_factory.paid()
    order.shipping, order.taxes = 0, {"0": 0}

    mail = letter(order, "order_paid")

    says(mail, "Shipping Free")
    never_says(mail, "Includes")


def test_amounts_are_in_the_orders_own_currency() -> None:
    order = order_factory.paid()
    order.currency = "JPY"

    says(letter(order, "order_paid"), money.format_money(6970, "JPY"))
    never_says(letter(order, "order_paid"), "€")


def test_nothing_is_loaded_from_afar() -> None:
    mail = letter(order_factory.paid(), "order_paid")

    assert not re.search(r"<(img|link|script|iframe)\b|@import|url\(", mail.html)
    assert re.findall(r'(?:src|background)="', mail.html) == []
    assert len(mail.html) < 100_000  # Gmail cuts off what is longer


def test_fifty_lines_still_arrive_uncut() -> None:
    lines = [
        OrderLine(f"SKU-{n}", "slug", "A product with quite a long name", {"Size": "L"}, 20, 99999, "19")
        for n in range(50)
    ]

    assert len(letter(order_factory.paid(*lines), "merchant_order_paid").html.encode()) < 100_000


def test_without_an_address_of_the_shop_no_mail_is_written(setting: Any) -> None:
    order = order_factory.paid()
    setting(public_url=None)

    with pytest.raises(RuntimeError, match="PUBLIC_URL"):
        letter(order, "order_paid")


def test_mails_about_parcels_name_carrier_number_and_link_and_the_new_ones_after_a_correction() -> None:
    order = order_factory.move(order_factory.paid(), "ship", "correct")

    number, link = "0034" * 15, "https://carrier.example/" + "0" * 300
    assert (
        letter(order, "tracking_corrected").subject
        == f"New tracking number {number} for your order {order.number}"
    )
    for kind in ("order_shipped", "parcel_shipped", "tracking_corrected"):
        mail = letter(order, kind)
        says(mail, "Carrier: DHL", f"Tracking number: {number}")
        assert link in mail.text
        assert f'href="{link}"' in mail.html
        never_says(mail, "Cargo bike", "4711")
    says(letter(order, "parcel_shipped"), "Another parcel from your order is on its way.")
    says(letter(order, "address_corrected"), "corrected the details of your order", "10115 Potsdam")
    says(letter(order, "parcel_removed"), "by mistake", "Tracking number: 0034")


def test_an_issue_names_the_customer() -> None:
    order = order_factory.move(order_factory.paid(), "raise")

    mail = letter(order, "merchant_issue")

    name = order.customer["name"]
    says(mail, name, order.customer["email"])
    assert f"Customer: {name}" in mail.text
