"""The whole way of an order, from the shop's door to the books."""

import csv
import io
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from infra.local.api_gateway import Gateway, GatewayServer
from infra.local.local_cloud import LocalCloud
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import LABELS, PHONE, THANKS, Visitor
from tests.mail.sent_emails import letters
from tests.shop import CUSTOMER, Shop


def finds_and_buys(visitor: Visitor) -> str:
    """Walk from the shop's door to the paid order, clicking; return the order's ID."""
    visitor.open("/")
    visitor.page.get_by_role("navigation", name="Categories").get_by_role("link", name="Tea").click()
    visitor.reads("Tea")
    visitor.link("Green tea").click()
    visitor.reads("Green tea")
    visitor.page.get_by_role("radio", name="TEA-100").check()
    visitor.field("Quantity").fill("2")
    visitor.button("Add to cart").click()
    visitor.is_told("“Green tea” was added to your cart.")
    visitor.sees_in_cart(2)
    visitor.goes_to_checkout()
    visitor.fills_in()
    visitor.places_order()
    visitor.is_at_paypal()
    expect(visitor.page.get_by_text("2 × Green tea")).to_be_visible()
    visitor.button("Pay 24.70 EUR now").click()
    visitor.reads(THANKS)
    visitor.sees_in_cart(0)
    return visitor.order_id


def mails_sent(aws: LocalCloud) -> dict[str, list[str]]:
    """Map the subjects of the mails that SES took onto whom they went to."""
    return {mail["Subject"]: mail["To"] for mail in letters(aws.endpoint_url)}


def orders_booked_today() -> list[dict[str, str]]:
    """Write today's books and read the orders in them."""
    from chalicelib import aws, clock
    from chalicelib.config import settings
    from chalicelib.ledger import daily_reports

    export = daily_reports.export_day(clock.now().date(), provisional=True)
    key = export.files["orders"].key
    body = aws.client("s3").get_object(Bucket=settings.books_bucket, Key=key)["Body"].read()
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_a_shopper_buys_and_everybody_who_must_know_knows(
    visitor: Visitor, shop: Shop, aws: LocalCloud
) -> None:
    order_id = finds_and_buys(visitor)

    order = shop.order(order_id)
    assert (order.state, order.total, shop.stock("TEA-100")) == ("paid", 2470, 3)
    assert [(row.kind, str(row.amount)) for row in shop.paypal.ledger()] == [("sale", "24.70")]
    shop.functions.drain("order-emails")
    assert mails_sent(aws) == {
        f"Your order {order.number} is paid": [f"{CUSTOMER['name']} <{CUSTOMER['email']}>"],
        f"Order {order.number} is paid: €24.70": ["Slow Saturday <orders@example.com>"],
    }
    (row,) = orders_booked_today()
    assert (row["order_number"], row["email"], row["total"]) == (order.number, CUSTOMER["email"], "24.70")


def test_on_a_phone(let_in: LetIn, shop: Shop) -> None:
    assert shop.order(finds_and_buys(let_in(**PHONE))).state == "paid"


def test_without_script(let_in: LetIn, shop: Shop) -> None:
    visitor = let_in(java_script_enabled=False)
    assert shop.order(finds_and_buys(visitor)).state == "paid"


def test_below_a_stages_path(let_in: LetIn, shop: Shop, setting: Callable[..., Any]) -> None:
    import app

    with GatewayServer(Gateway(app.app, "/api")) as server:
        setting(public_url=server.url)
        visitor = let_in(server.url)
        asked: list[str] = []
        visitor.page.on("request", lambda request: asked.append(request.url))

        assert shop.order(finds_and_buys(visitor)).state == "paid"

    origin = server.url.removesuffix("/api")
    assert [url for url in asked if url.startswith(origin) and not url.startswith(server.url)] == []
    assert {cookie["path"] for cookie in visitor.context.cookies() if cookie["domain"] == "127.0.0.1"} == {
        "/api"
    }


def test_by_keyboard_alone(visitor: Visitor, shop: Shop) -> None:
    visitor.open("/")
    visitor.presses("Enter", on=visitor.link("Skip to content"))
    visitor.presses("Enter", on=visitor.link("Green tea"))
    visitor.presses("ArrowDown", on=visitor.page.get_by_role("radio", name="TEA-50"))
    visitor.types("2", into="Quantity")
    visitor.presses("Space", on=visitor.button("Add to cart"))
    visitor.is_told("“Green tea” was added to your cart.")
    visitor.presses("Enter", on=visitor.link("Go to checkout"))
    visitor.reads("Checkout")
    for name, label in LABELS.items():
        visitor.types(CUSTOMER[name], into=label)
    visitor.types("Ger", into="Country")
    visitor.presses("Enter", on=visitor.button("Place order and pay").first)
    visitor.is_at_paypal()
    visitor.presses("Enter", on=visitor.button("Pay 24.70 EUR now"))
    visitor.reads(THANKS)

    assert shop.order(visitor.order_id).state == "paid"
