"""Somebody at a browser: what they do in the shop and at PayPal, and what goes wrong in front of them."""

import re
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Request, Response, expect

from tests.shop import CUSTOMER

PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}
SECONDS = 20
MAX_TABS = 60
THANKS = "Thank you, your order is paid"
# The label of each field of the checkout form that a customer fills in.
LABELS = {
    "name": "Name",
    "email": "Email",
    "address": "Street address",
    "postal_code": "Postal code",
    "city": "City",
}


class Visitor:
    """One visitor: a tab, cookies, and the troubles the browser had."""

    def __init__(self, browser: Browser, shop_url: str, **options: Any) -> None:
        self.shop_url = shop_url
        self.troubles: list[str] = []
        self._expected: set[int] = set()
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(SECONDS * 1000)
        self.context.on("console", self._hear)
        self.context.on("weberror", lambda error: self.troubles.append(f"broken script: {error.error}"))
        self.context.on("requestfailed", self._miss)
        self.context.on("response", self._weigh)
        self.page = self.context.new_page()

    def expects(self, *statuses: int) -> None:
        """Take answers with these statuses for right."""
        self._expected |= set(statuses)

    def leave(self) -> None:
        """Close all tabs and forget the cookies."""
        self.context.close()

    # -- looking ------------------------------------------------------------------------------------------

    def open(self, path: str) -> None:
        """Open an address of the shop."""
        self.page.goto(self.shop_url + path)

    def link(self, name: str) -> Locator:
        """Find a link by its whole name."""
        return self.page.get_by_role("link", name=name, exact=True)

    def button(self, name: str) -> Locator:
        """Find a button by the beginning of its name."""
        return self.page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}"))

    def field(self, label: str) -> Locator:
        """Find a field of a form by the beginning of its label."""
        return self.page.get_by_label(re.compile(rf"^{re.escape(label)}( |$)"))

    def reads(self, headline: str) -> None:
        """Wait for a page with this headline."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(headline)

    def is_told(self, words: str) -> None:
        """Wait for the page to say something that a screen reader speaks by itself."""
        expect(self.page.get_by_role("status").or_(self.page.get_by_role("alert"))).to_contain_text(words)

    def sees_in_cart(self, quantity: int) -> None:
        """Wait for the badge, and for what it says to those who do not see it."""
        words = {0: "Cart", 1: "Cart, 1 item"}.get(quantity, f"Cart, {quantity} items")
        expect(self.link(words)).to_be_visible()
        badge = self.page.locator("[data-cart-badge]")
        expect(badge).to_be_visible(visible=bool(quantity))
        expect(badge).to_have_text(str(quantity or ""))

    # -- shopping -----------------------------------------------------------------------------------------

    def puts_in_cart(self, slug: str, quantity: int = 1) -> None:
        """Open a product's page and put units of it into the cart."""
        self.open(f"/products/{slug}")
        self.field("Quantity").fill(str(quantity))
        self.button("Add to cart").click()
        self.is_told("was added to your cart")

    def goes_to_checkout(self) -> None:
        """Go from the cart to the checkout form."""
        self.link("Go to checkout").click()
        self.reads("Checkout")

    def fills_in(self, **changed: str) -> None:
        """Fill in the checkout form; a field that is changed to "" stays empty."""
        for name, label in LABELS.items():
            self.field(label).fill(changed.get(name, CUSTOMER[name]))
        self.field("Country").select_option(changed.get("country", CUSTOMER["country"]))

    def places_order(self) -> None:
        """Send the checkout form."""
        self.button("Place order and pay").first.click()  # with PayPal; the other is by card

    def orders(self, slug: str = "mug", quantity: int = 1) -> None:
        """Do everything up to PayPal's page."""
        self.puts_in_cart(slug, quantity)
        self.goes_to_checkout()
        self.fills_in()
        self.places_order()
        self.is_at_paypal()

    # -- by keyboard --------------------------------------------------------------------------------------

    def presses(self, key: str, on: Locator) -> None:
        """Go on with Tab to an element, and press a key there."""
        expect(on).to_be_visible()
        for _ in range(MAX_TABS):
            self.page.keyboard.press("Tab")
            if on.evaluate("element => element === document.activeElement"):
                self.page.keyboard.press(key)
                return
        raise AssertionError(f"Tab does not lead to {on}")

    def types(self, text: str, into: str) -> None:
        """Go on with Tab to a field, and type."""
        self.presses(text[0], on=self.field(into))
        self.page.keyboard.type(text[1:])

    # -- at PayPal ----------------------------------------------------------------------------------------

    def is_at_paypal(self) -> str:
        """Wait for PayPal's page; return PayPal's order."""
        self.page.wait_for_url("**/checkoutnow?token=*")
        return self.page.url.rpartition("token=")[2]

    def pays(self) -> None:
        """Approve the payment on PayPal's page."""
        self.button("Pay ").filter(has_text="now").click()

    @property
    def order_id(self) -> str:
        """The order whose page is open."""
        found = re.search(r"/orders/([0-9a-f]{32})$", self.page.url)
        assert found, self.page.url
        return found[1]

    # -- what goes wrong ----------------------------------------------------------------------------------

    def _hear(self, message: ConsoleMessage) -> None:
        # Statuses are weighed below; everything else is a script that broke or a thing that the page's policy forbade.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.troubles.append(f"console: {message.text}")

    def _miss(self, request: Request) -> None:
        # A visitor who moves on does not wait for the pictures.
        if request.failure != "net::ERR_ABORTED":
            self.troubles.append(f"{request.failure}: {request.url}")

    def _weigh(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._expected:
            self.troubles.append(f"{response.status}: {response.request.method} {response.url}")
