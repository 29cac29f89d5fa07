"""The merchant's day in a browser: log in, ship, refund, look after what is raised, log out."""

import re

import pytest
from playwright.sync_api import expect

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.payments.refunds import RefundRequest, refund_payment
from infra.local.local_cloud import LocalCloud
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import PHONE, Visitor
from tests.e2e.staff.staff_browser import comes_in
from tests.mail.sent_emails import letters
from tests.shop import CUSTOMER, Shop
from tests.staff.staff_client import PASSWORD, member

EMAIL = "merchant@shop.example"
CALM = "All clear"
TO_CUSTOMER = [f"{CUSTOMER['name']} <{CUSTOMER['email']}>"]


def test_log_in_by_keyboard_and_leave_nothing_behind_the_back_button(visitor: Visitor, shop: Shop) -> None:
    _, order_id = shop.paid()
    member("merchant")
    page, keyboard = visitor.page, visitor.page.keyboard
    visitor.open(f"/staff/orders/{order_id}")
    expect(visitor.field("Email address")).to_be_focused()
    keyboard.type(EMAIL)
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    visitor.reads(f"Order {shop.order(order_id).number}")  # the page first asked for
    visitor.presses("Enter", on=visitor.link("All orders with this email address"))
    visitor.reads("Orders")
    visitor.presses("Enter", on=page.locator("summary", has_text=EMAIL))
    visitor.presses("Enter", on=visitor.button("Log out"))
    visitor.is_told("You’ve been logged out.")
    for _ in range(2):
        page.go_back()
        visitor.reads("Staff login")
        assert CUSTOMER["name"] not in page.content()


# -- shipping ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"java_script_enabled": False, **PHONE}], ids=["desk", "phone"])
def test_two_orders_are_shipped_together_and_their_customers_emailed(
    let_in: LetIn, shop: Shop, aws: LocalCloud, options: dict[str, object]
) -> None:
    merchant, customer = let_in(**options), let_in()
    comes_in(merchant)
    carriers = {shop.paid(MUG=1)[1]: "DHL", shop.paid(TEA_100=1)[1]: "GLS"}
    numbers = {order_id: shop.order(order_id).number for order_id in carriers}
    shop.placed(MUG=1)

    merchant.open("/staff/orders")
    merchant.field("Status").select_option("Ready to ship")
    merchant.button("Show").click()
    expect(merchant.page.get_by_text("2 orders, newest first.")).to_be_visible()
    for number in numbers.values():
        merchant.field(f"Select order {number}").check()
    merchant.button("Ship").click()
    merchant.reads("Ship 2 orders")
    merchant.field("Carrier for all orders").fill("DHL")
    for order_id, number in numbers.items():
        merchant.field(f"Tracking number of order {number}").fill(f"P-{number}")
        merchant.field(f"Tracking link of order {number}").fill(link_of(number))
        if carriers[order_id] != "DHL":
            merchant.field(f"Carrier of order {number}").fill(carriers[order_id])
    merchant.button("Mark as shipped").click()
    merchant.is_told("Marked as shipped, and the customers emailed: ")

    shop.functions.drain("order-emails")
    mails = {mail["Subject"]: mail for mail in letters(aws.endpoint_url) if mail["To"] == TO_CUSTOMER}
    for order_id, number in numbers.items():
        mail = mails[f"Your order {number} is on its way"]
        assert link_of(number) in str(mail)
        merchant.open(f"/staff/orders/{order_id}")
        expect(merchant.page.get_by_text(f"Shipped with {carriers[order_id]}.")).to_be_visible()
        expect(merchant.page.get_by_role("region", name="Parcel")).to_contain_text(f"P-{number}")
        customer.open(f"/orders/{order_id}")
        expect(customer.page.locator(f"a[href='{link_of(number)}']")).to_be_visible()
        assert shop.order(order_id).state == "shipped"


@pytest.mark.parametrize("options", [{}, {"java_script_enabled": False, **PHONE}], ids=["desk", "phone"])
def test_a_delivery_in_two_parcels_is_corrected_after_shipping(
    let_in: LetIn, shop: Shop, aws: LocalCloud, options: dict[str, object]
) -> None:
    merchant, customer = let_in(**options), let_in()
    comes_in(merchant)
    _, order_id = shop.paid(MUG=2)
    number = shop.order(order_id).number

    merchant.open(f"/staff/orders/{order_id}")
    merchant.field("Carrier").fill("DHL")
    merchant.field("Tracking number").fill("111")
    merchant.button("Add parcel (more to follow)").click()
    merchant.is_told("Parcel added. We’ve emailed the customer.")
    merchant.field("Carrier").first.fill("UPS")
    merchant.field("Tracking number").first.fill("222")
    merchant.button("Mark as shipped").click()
    merchant.is_told("Marked as shipped. We’ve emailed the customer.")

    merchant.page.locator("summary", has_text="Correct parcel 2").click()
    merchant.page.get_by_role("region", name="Parcels").get_by_label("Tracking number").nth(1).fill("1Z 22")
    merchant.button("Save parcel 2").click()
    merchant.is_told("Parcel corrected. We’ve emailed the customer.")
    expect(merchant.page.get_by_role("link", name="Track parcel 2")).to_have_attribute(
        "href", "https://www.ups.com/track?tracknum=1Z22"
    )

    merchant.page.locator("summary", has_text="Correct delivery details").click()
    merchant.field("City").fill("Potsdam")
    merchant.button("Save delivery details").click()
    merchant.is_told("Delivery details corrected. We’ve emailed the customer.")

    shop.functions.drain("order-emails")
    subjects = [mail["Subject"] for mail in letters(aws.endpoint_url) if mail["To"] == TO_CUSTOMER]
    assert subjects[1:] == [
        f"A parcel from your order {number} is on its way",
        f"Your order {number} is on its way",
        f"New tracking number 1Z 22 for your order {number}",
        f"Your order {number}: corrected delivery details",
    ]
    customer.open(f"/orders/{order_id}")
    parcels = customer.page.get_by_role("region", name="Your parcels")
    expect(parcels).to_contain_text("1Z 22")
    expect(parcels.get_by_role("link", name="Track parcel 1")).to_be_visible()
    expect(customer.page.get_by_role("region", name="Delivery address")).to_contain_text("Potsdam")


def link_of(number: str) -> str:
    """Invent where a parcel can be followed."""
    return f"https://carrier.example/{number}"


def test_packing_slips_are_printed_one_a_sheet(visitor: Visitor, shop: Shop) -> None:
    comes_in(visitor)
    numbers = [shop.order(shop.paid(MUG=1)[1]).number for _ in range(2)]
    visitor.open("/staff/orders")
    visitor.field("Select all orders on this page").check()
    visitor.button("Print packing slips").click()
    visitor.reads("2 packing slips")
    for number in numbers:
        expect(visitor.page.get_by_role("article", name=number)).to_contain_text("Pebble mug")
    sheets = re.findall(rb"/Type /Page\b", visitor.page.pdf())
    assert len(sheets) == 2


def test_a_printed_slip_has_the_senders_address_and_no_word_of_a_refund(visitor: Visitor, shop: Shop) -> None:
    comes_in(visitor)
    _, order_id = shop.paid(MUG=3, TEA_50=1)
    total = int(shop.order(order_id).total)
    refund_request = RefundRequest(
        3000, total, "The customer changed their mind.", restock={"MUG": 1, "TEA-50": 1}
    )
    refund_payment(order_id, ids.new_id(), refund_request, "merchant@shop.example")
    visitor.open(f"/staff/orders/{order_id}/slip")
    slip = visitor.page.get_by_role("article")
    for_staff = ("has been returned", "1 of 3 restocked")
    for words in for_staff:
        expect(slip.get_by_text(words).first).to_be_visible()
    visitor.page.emulate_media(media="print")
    for words in for_staff:
        expect(slip.get_by_text(words).first).to_be_hidden()
    expect(slip.get_by_role("row", name="Green tea")).to_be_hidden()  # nothing of it is in the parcel
    printed = slip.inner_text()
    assert "refund" not in printed.lower()
    assert "mind" not in printed
    for line in (settings.shop.name, *settings.shop.address, "Pebble mug", "2 items in total"):
        assert line in printed


def test_a_slip_of_an_unpaid_order_says_so_on_paper_too(visitor: Visitor, shop: Shop) -> None:
    comes_in(visitor)
    shop.placed(MUG=1)
    (order,) = shop.orders()
    visitor.open(f"/staff/orders/{order.id}/slip")
    visitor.page.emulate_media(media="print")
    expect(visitor.page.get_by_text("This order isn’t paid. Please don’t ship it.")).to_be_visible()


# -- refunding --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [True, False])
def test_a_refund_in_part_is_the_same_in_ledger_mail_and_attention(
    let_in: LetIn, shop: Shop, aws: LocalCloud, script: bool
) -> None:
    merchant = let_in(java_script_enabled=script)
    comes_in(merchant)
    shop.put_on_shelf("last-bowl", "Last bowl", {"BOWL": (3990, None, 1)}, hidden=True)
    _, order_id = shop.paid(MUG=2)
    number = shop.order(order_id).number
    everything_ran(shop)

    refunds(merchant, order_id, "5.50", "One has a crack")
    merchant.is_told("€5.50 refunded. We’ve emailed the customer.")
    shop.functions.drain("order-emails")
    assert [str(row.amount) for row in shop.paypal.ledger()] == ["41.90", "-5.50"]
    assert [int(row.amount) for row in shop.ledger()] == [4190, -550]
    told = [mail for mail in letters(aws.endpoint_url) if mail["To"] == TO_CUSTOMER]
    assert ["€5.50" in str(mail) for mail in told] == [False, True]
    merchant.open(f"/staff/orders/{order_id}")
    money = merchant.page.get_by_role("region", name="Payments")
    expect(money.get_by_role("row", name="Refund")).to_contain_text("−€5.50")
    expect(money).to_contain_text("Balance before fees: €36.40")
    merchant.open("/staff/")
    expect(merchant.page.get_by_role("row", name="This day", exact=False).first).to_contain_text("−€5.50")
    merchant.open("/staff/attention")
    expect(merchant.page.get_by_role("heading", name=CALM)).to_be_visible()

    # One that PayPal does not make moves no money, writes to nobody, and waits for a person.
    shop.paypal.next_refund("failed")
    refunds(merchant, order_id, "7.00", "The other one, too")
    merchant.is_told("The refund of €7.00 failed.")
    shop.functions.drain("order-emails")
    assert len(shop.paypal.ledger()) == len(shop.ledger()) == 2
    assert [mail for mail in letters(aws.endpoint_url) if mail["To"] == TO_CUSTOMER] == told
    merchant.open("/staff/attention")
    merchant.link(f"Order {number}").click()
    merchant.reads(f"Order {number}")
    merchant.field("Resolution").fill("Sent by bank transfer.")
    merchant.button("Mark as resolved").click()
    merchant.open("/staff/attention")
    expect(merchant.page.get_by_role("heading", name=CALM)).to_be_visible()


def refunds(merchant: Visitor, order_id: str, amount: str, why: str) -> None:
    """Refund a part from the order's page."""
    merchant.open(f"/staff/orders/{order_id}")
    merchant.page.locator("summary", has_text="Refund all or part").click()
    merchant.field("Amount in EUR").fill(amount)
    merchant.field("Reason").fill(why)
    merchant.button("Refund through PayPal").click()


def everything_ran(shop: Shop) -> None:
    """Let run what runs by itself, so that nothing of it needs attention."""
    shop.functions.drain("order-emails")
    shop.functions.fire("export_books")
    shop.reconcile()
