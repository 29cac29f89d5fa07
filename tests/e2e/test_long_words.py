"""Words without a break, as long as they may be: they break, and no page is wider than the phone that shows it."""

from chalicelib import aws
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.category_editing import save_categories
from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.editing.product_validation import ProductDraft, VariantDraft
from chalicelib.config import settings
from chalicelib.mail.render import render_email
from chalicelib.orders.delivery.delivery_fields import MAX_LENGTHS
from chalicelib.staff.orders import order_actions
from chalicelib.staff.routes import staff
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import Visitor
from tests.e2e.staff.staff_browser import comes_in
from tests.e2e.staff.test_staff_accessibility import NO_PAGES, SENT, addresses
from tests.shop import CUSTOMER, Shop, order_id_of, token_of
from tests.staff.staff_client import member

WIDTH = 360
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
NAME = LONG[:58]
TEXT = f"{LONG * 3}\n\n- {LONG}\n\n**{LONG}** [{LONG}](https://example.com/{'x' * 200})"
SKU = "Y" * 40
STICKS_OUT = """(width) => [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > width + 1 && !element.closest(".visually-hidden, .table-frame"))
    .map((element) => element.outerHTML.slice(0, 100)).slice(-3)"""


def sell_long_words(shop: Shop) -> None:
    """Put a product into the shop that has as long a word as may be wherever a merchant writes one."""
    save_categories([Category("tea", LONG, LONG)])
    variants = [
        VariantDraft(sku, {LONG[:60]: f"{number}{LONG[:59]}", "B": LONG[:60]}, 119900, 99900, 4)
        for number, sku in enumerate((SKU, "Z" * 40))
    ]
    save_product(ProductDraft("long", NAME, TEXT, "tea", "tea", "2026-11-02", False, [], variants))


def order_long_words(shop: Shop, **changed: str) -> str:
    """Place and pay an order whose customer has as long a word as may be in every field; return its ID."""
    shopper = shop.shopper()
    shopper.post("/cart/lines", {"sku": SKU, "quantity": "2"})
    typed = {
        field: (LONG * 2)[:most] for field, most in MAX_LENGTHS.items() if field not in ("country", "phone")
    }
    email = "x" * 64 + "@" + ".".join(["y" * 60] * 3) + ".de"
    typed |= {"postal_code": "N" * 20, "email": email, "phone": "1" * 15, **changed}
    asked = shop.place(shopper, **typed)
    form = {**CUSTOMER, **typed, "total": asked.field("total"), "confirmed": asked.field("confirmed")}
    return order_id_of(shop.come_back(shopper, token_of(shopper.post("/checkout", form))))


def too_wide(visitor: Visitor, *paths: str) -> list[str]:
    """Open pages on a phone; list those that are wider than it, each with what sticks out."""
    found = []
    for path in paths:
        visitor.open(path)
        found += sticks_out(visitor)
    return found


def sticks_out(visitor: Visitor) -> list[str]:
    """Look at the open page on a phone; tell what sticks out, where anything does."""
    visitor.page.set_viewport_size({"width": WIDTH, "height": 800})
    wide = visitor.page.evaluate("document.documentElement.scrollWidth")
    where = visitor.page.url.partition("/")[2]
    return [f"{where}: {wide} px: {visitor.page.evaluate(STICKS_OUT, WIDTH)}"] if wide > WIDTH else []


def test_no_page_of_the_shop_grows_wider_than_a_phone(visitor: Visitor, shop: Shop) -> None:
    sell_long_words(shop)
    visitor.expects(400)
    pages = ["/", "/categories/tea", "/products/long", f"/search?q={LONG[:40]}", f"/search?q={'x' * 200}"]
    pages.append(f"/orders/{order_long_words(shop)}")
    wide = too_wide(visitor, *pages)
    visitor.open("/products/long")
    visitor.button("Add to cart").click()
    wide += too_wide(visitor, "/cart", "/checkout")
    for field in ("name", "city", "region", "postal_code"):
        visitor.page.locator(f"#{field}").fill("W" * MAX_LENGTHS[field])
    visitor.places_order()
    visitor.is_told("Please enter your email address")
    wide += sticks_out(visitor)
    assert wide == []


def test_no_page_of_staff_grows_wider_than_a_phone(let_in: LetIn, shop: Shop) -> None:
    sell_long_words(shop)
    merchant = let_in()
    comes_in(merchant)
    actor = member("merchant").email
    paid, shipped = order_long_words(shop), order_long_words(shop, address="Q" * MAX_LENGTHS["address"])
    order_actions.ship(
        shipped, order_actions.Parcel("C" * 40, "0" * 60, f"https://carrier.example/{'t' * 400}"), actor
    )
    order_actions.add_note(paid, LONG * 10, actor, "0" * 32)
    aws.client("s3").put_object(Bucket=settings.books_bucket, Key=SENT, Body=b"slug\r\n")
    shown = addresses({"paid": paid, "shipped": shipped})
    shown["/staff/products/{slug}"] = ["/staff/products/long"]
    shown["/staff/products/{slug}/pictures"] = ["/staff/products/long/pictures"]
    assert shown.keys() | NO_PAGES == {path for method, path in staff.declared if method == "GET"}
    closed = [
        path
        for route, paths in shown.items()
        if not route.startswith(("/staff/login", "/staff/forgotten", "/staff/reset"))
        for path in paths
    ]
    assert too_wide(merchant, *closed, f"/staff/orders?q={'x' * 200}") == []


def test_no_mail_grows_wider_than_a_phone(visitor: Visitor, shop: Shop) -> None:
    sell_long_words(shop)
    order = shop.order(order_long_words(shop))
    letters = [render_email(order, entry) for entry in (*order.emails_due, *order.emails_sent)]
    assert len(letters) == 2
    for letter in letters:
        assert letter is not None
        visitor.page.set_content(letter.html)
        assert sticks_out(visitor) == []
