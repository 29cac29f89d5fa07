"""Every page in every state: no barrier that axe finds, nothing that sticks out of a small phone, little to load."""

import email.message
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from infra.local.demo.catalog import DEMO_CATALOG
from infra.local.mailbox import Mailbox
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import Visitor
from tests.mail import order_factory
from tests.shop import Shop, order_id_of, token_of

DESK, SMALL_PHONE = (1280, 900), (320, 640)
MAX_BYTES = 100 * 1024
WEIGHT = """() => performance.getEntriesByType("navigation")
    .concat(performance.getEntriesByType("resource").filter((entry) => /\\.(css|js)$/.test(entry.name)))
    .reduce((sum, entry) => sum + entry.decodedBodySize, 0)"""
SEND_FORM = """([action, enctype, fields]) => {
    const form = Object.assign(document.createElement("form"), {method: "post", action, enctype});
    for (const [name, value] of Object.entries(fields))
        form.append(Object.assign(document.createElement("input"), {name, value}));
    document.body.append(form);
    form.submit();
}"""
# What these ask for is the mail program's page around the letter.
NOT_FOR_LETTERS = {"rules": {rule: {"enabled": False} for rule in ("landmark-one-main", "region")}}


@pytest.fixture
def visitor(let_in: LetIn) -> Visitor:
    """Let somebody in for whom nothing moves: a colour that fades over is no colour to measure."""
    return let_in(reduced_motion="reduce")


def check(visitor: Visitor) -> None:
    """Weigh the open page, and look at it by day and by night."""
    weight = visitor.page.evaluate(WEIGHT)
    assert 1024 < weight < MAX_BYTES, (visitor.page.url, weight)
    check_by_day_and_night(visitor.page)


def check_by_day_and_night(page: Page, name: str = "", **options: object) -> None:
    """Look at the open page at a desk by day, and on a small phone by night."""
    name = name or page.url
    for (width, height), scheme in ((DESK, "light"), (SMALL_PHONE, "dark")):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert barriers(page, **options) == [], f"{name}, {scheme}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def barriers(page: Page, **options: object) -> list[str]:
    """List what axe finds: the rule, where, and why."""
    violations = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        f"{violation['id']}: {node['target']}: {node['failureSummary']}"
        for violation in violations
        for node in violation["nodes"]
    ]


def look(visitor: Visitor, *paths: str) -> None:
    """Open addresses of the shop and check each."""
    for path in paths:
        visitor.open(path)
        check(visitor)


def send_form(
    visitor: Visitor, path: str, enctype: str = "application/x-www-form-urlencoded", **fields: str
) -> None:
    """Send a form from the open page to an address of the shop."""
    with visitor.page.expect_navigation():
        visitor.page.evaluate(SEND_FORM, [visitor.shop_url + path, enctype, fields])


# -- catalog ----------------------------------------------------------------------------------------------


@pytest.fixture
def larder(shop: Shop, tmp_path: Path) -> None:
    """Put the demo catalog's first shelf into the shop, pictures and all."""
    from chalicelib.catalog.import_export.importer import load_catalog

    demo = json.loads(DEMO_CATALOG.read_text("utf-8"))
    first = demo["categories"][0]
    products = [product for product in demo["products"] if product["category"] == first["slug"]]
    shutil.copytree(DEMO_CATALOG.parent / "pictures", tmp_path / "pictures")
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"categories": [first], "products": products}), "utf-8")
    load_catalog(catalog)


def test_the_shop_with_its_pictures(visitor: Visitor, larder: None) -> None:
    look(visitor, "/", "/categories/tea-and-larder?sort=price", "/products/saturday-breakfast-tea")


def test_products_without_pictures_sold_out_and_on_sale(visitor: Visitor, shop: Shop) -> None:
    shop.put_on_shelf("vase", "Vase", {"VASE": (4900, None, 0)})
    shop.put_on_shelf("black-tea", "Black tea", {"BLACK-50": (690, None, 0), "BLACK-100": (1290, 990, 2)})
    look(visitor, "/", "/products/mug", "/products/vase", "/products/black-tea")


def test_an_empty_shelf_and_a_list_that_is_over(visitor: Visitor, shop: Shop) -> None:
    from chalicelib.catalog.categories import Category
    from chalicelib.catalog.editing.category_editing import save_categories

    save_categories([Category("tea", "Tea", ""), Category("coffee", "Coffee", "")])
    look(visitor, "/categories/coffee")


def test_search(visitor: Visitor, shop: Shop) -> None:
    look(visitor, "/search?q=tea", "/search?q=umbrella", "/search")


# -- cart and checkout ------------------------------------------------------------------------------------


def test_the_cart(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(409)
    look(visitor, "/cart")
    visitor.puts_in_cart("mug", 3)
    check(visitor)
    visitor.puts_in_cart("last-bowl")
    visitor.puts_in_cart("green-tea", 5)
    shop.placed(BOWL=1)
    shop.put_on_shelf("mug", "Pebble mug", {"MUG": (2000, None, 100)})
    look(visitor, "/cart")
    visitor.field("Quantity of Green tea").fill("6")
    shop.paid(TEA_50=5)
    visitor.button("Update the quantity of Green tea").click()
    visitor.is_told("Only 5 left")
    check(visitor)


def test_the_checkout(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(400, 409)
    visitor.puts_in_cart("last-bowl")
    visitor.goes_to_checkout()
    check(visitor)
    visitor.places_order()
    visitor.is_told("Please enter your name.")
    check(visitor)
    visitor.fills_in(country="FR")
    visitor.places_order()
    visitor.is_told("€49.80")
    check(visitor)
    shop.placed(BOWL=1)
    visitor.button("Accept new total").first.click()
    visitor.is_told("has just sold out")
    check(visitor)


# -- orders -----------------------------------------------------------------------------------------------


def test_orders_that_wait(visitor: Visitor, shop: Shop) -> None:
    shopper, token = shop.placed(TEA_100=2, BOWL=1)
    awaiting = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))
    look(visitor, f"/orders/{awaiting}")

    shop.paypal.decline(token)
    shopper.get(f"/payments/paypal/return?token={token}")
    look(visitor, f"/orders/{awaiting}")
    visitor.reads("PayPal declined this payment")

    shopper, token = shop.placed()
    shop.paypal.slow(token)
    look(visitor, f"/orders/{order_id_of(shopper.get(f'/payments/paypal/return?token={token}'))}")


def test_an_order_whose_payment_is_asked_for(visitor: Visitor, shop: Shop) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    order_id = order_id_of(shop.come_back(shopper, token))
    visitor.open(f"/orders/{order_id}")
    visitor.link("Refresh").focus()  # a page whose reader is in it stays
    check(visitor)


def test_orders_that_are_paid_refunded_or_over(visitor: Visitor, shop: Shop) -> None:
    _, paid = shop.paid()
    look(visitor, f"/orders/{paid}")
    shop.paypal.refund(shop.order(paid).capture_id or "", "5.00")
    shop.deliver_notifications()
    assert shop.order(paid).refunded == 500
    look(visitor, f"/orders/{paid}")

    shop.placed()
    for hours in (4, 8):
        with shop.later(hours=hours):
            shop.reconcile()
    (expired,) = [order for order in shop.orders() if order.state == "expired"]
    look(visitor, f"/orders/{expired.id}")


def test_an_order_that_was_cancelled(visitor: Visitor, shop: Shop) -> None:
    shopper, _ = shop.placed()
    (order,) = shop.orders()
    shop.place(shopper, city="Hamburg")  # supersedes it
    look(visitor, f"/orders/{order.id}")
    visitor.reads("This order was cancelled")


def test_orders_whose_payment_does_not_pay_them(visitor: Visitor, shop: Shop) -> None:
    from chalicelib.payments import capture_payment, settlement
    from chalicelib.payments.paypal import gateway, values

    shopper, token = shop.placed()
    shop.paypal.next_capture("completed", value="1.00")
    look(visitor, f"/orders/{order_id_of(shop.come_back(shopper, token))}")
    visitor.reads("Your order isn’t paid")

    shopper, token = shop.placed()
    with mock.patch.object(capture_payment, "settle_paypal_order"):
        order_id = order_id_of(shop.come_back(shopper, token))
    settlement.settle_paypal_order(
        order_id, replace(gateway.get_order(token), payee=values.Payee("somebodyelse"))
    )
    look(visitor, f"/orders/{order_id}")
    visitor.reads("Your payment didn’t reach us")


def test_an_order_that_cannot_be_paid_now(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(503, 409)
    shop.placed(BOWL=1)
    (order,) = shop.orders()
    visitor.open(f"/orders/{order.id}")
    for operation in ("create", "get"):
        shop.paypal.fault(operation, "503", times=None)
    visitor.button("Pay with PayPal").click()
    visitor.is_told("We couldn’t reach PayPal.")
    check(visitor)

    shop.paypal.clear_faults()
    with shop.later(minutes=70):
        shop.reconcile()
        shop.paid(BOWL=1)
        visitor.button("Pay with PayPal").click()
        visitor.is_told("Other customers bought one or more of your items")
    check(visitor)


# -- everything else --------------------------------------------------------------------------------------


def test_texts_and_unknown_addresses(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(404)
    look(visitor, *(f"/pages/{name}" for name in ("imprint", "terms", "privacy", "returns")), "/no/such/page")


def test_refusals_and_failures(visitor: Visitor, shop: Shop) -> None:
    visitor.expects(400, 403, 405, 409, 413, 415, 500)
    look(visitor, "/?sort=worst")
    visitor.reads("Please check what you entered")
    visitor.open("/products/mug")
    send_form(visitor, "/products/mug")
    visitor.reads("This action isn’t available")
    check(visitor)
    send_form(visitor, "/cart/lines", sku="BOWL", quantity="2")
    visitor.reads("Last bowl")
    expect(visitor.page.get_by_text("Only 1 left. Please choose fewer.")).to_be_visible()
    check(visitor)
    send_form(visitor, "/cart/lines", sku="x" * 70_000)
    visitor.reads("Too much data")
    check(visitor)
    send_form(visitor, "/cart/lines", enctype="text/plain", sku="MUG")
    visitor.reads("We couldn’t read that")
    check(visitor)
    with mock.patch("chalicelib.cart.service.get_lines", side_effect=RuntimeError("a bug")):
        look(visitor, "/cart")
    visitor.reads("Something went wrong")
    visitor.page.goto("data:text/html,<body>another site")
    send_form(visitor, "/cart/lines", sku="MUG", quantity="1")
    visitor.reads("Request blocked")
    check(visitor)


def test_every_letter(visitor: Visitor, shop: Shop) -> None:
    from chalicelib.mail.render import EMAIL_KINDS, render_email

    owing = [
        order_factory.paid(),
        order_factory.pending("PENDING1"),
        order_factory.failed("FAILED1"),
        order_factory.move(order_factory.placed(), "die"),
        order_factory.move(order_factory.placed(), "refuse"),
        order_factory.only(
            order_factory.refunded(order_factory.paid(capture="REFUNDED1"), 500), "refund_completed"
        ),
        order_factory.only(
            order_factory.move(order_factory.paid(capture="SHIPPED1"), "ship"), "order_shipped"
        ),
        order_factory.only(
            order_factory.move(order_factory.paid(capture="RAISED1"), "raise"), "merchant_issue"
        ),
        order_factory.move(order_factory.paid(capture="CORRECTED1"), "ship", "correct"),
    ]
    letters = {entry: render_email(order, entry) for order in owing for entry in order.emails_due}
    assert {entry.partition("#")[0] for entry in letters} == set(EMAIL_KINDS)
    for entry, letter in letters.items():
        assert letter is not None
        visitor.page.set_content(letter.html)
        check_by_day_and_night(visitor.page, entry, **NOT_FOR_LETTERS)


def test_paypals_pages(visitor: Visitor, shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=2, TEA_100=1)
    answer = shop.place(shopper)
    token = token_of(answer)
    visitor.page.goto(answer.location)
    check(visitor)
    shop.paypal.decline(token)
    visitor.page.reload()
    visitor.is_told("The card was declined.")
    check(visitor)
    shop.come_back(shopper, token)
    visitor.page.reload()
    visitor.reads("Already paid")
    check(visitor)
    visitor.page.goto(answer.location.partition("/checkoutnow")[0])
    visitor.reads("PayPal’s records")
    check(visitor)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """Run a mailbox."""
    with Mailbox() as mailbox:
        yield mailbox


def test_the_mailbox(visitor: Visitor, mailbox: Mailbox) -> None:
    visitor.page.goto(mailbox.url)
    check(visitor)
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", "test@example.org", "Your order is paid"
    mail.set_content("Thank you.\n")
    mail.add_alternative(
        "<!doctype html><html lang=en><title>Mail</title><h1>Thank you</h1></html>", subtype="html"
    )
    kept = mailbox.store.add(mail.as_bytes(), ["test@example.org"])
    for view in ("html", "text", "headers", "raw"):
        visitor.page.goto(f"{mailbox.url}/messages/{kept.id}?view={view}")
        check(visitor)
    visitor.page.goto(mailbox.url)
    check(visitor)
