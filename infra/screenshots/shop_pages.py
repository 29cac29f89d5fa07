"""Screenshots of what a shopper sees, from the front page to the confirmation email."""

import re
from collections.abc import Callable

from playwright.sync_api import Browser, Page

from infra.screenshots.capture import DESK, phone_of, photograph

MAIL_SECONDS = 30
CUSTOMER = {
    "Name": "Test Customer",
    "Email": "customer@example.com",
    "Street address": "Marktplatz 4",
    "Postal code": "10115",
    "City": "Berlin",
}


class Shopper:
    """A shopper, on a desktop and a phone."""

    def __init__(self, browser: Browser, addresses: dict[str, str]) -> None:
        self._browser = browser
        self._shop = addresses["shop"]
        self._mailbox = addresses["mailbox"]
        self._desk = browser.new_context(viewport=DESK)
        self._page = self._desk.new_page()

    def take_all(self) -> None:
        """Walk from the front page to the confirmation email."""
        page = self._page
        self._open("/")
        self._take("shop", on_phone=_as_it_is)
        self._open("/categories/table-and-kitchen")
        self._take("category")
        self._put_in_cart("four-linen-napkins", _as_it_is)
        self._put_in_cart("saturday-breakfast-tea", lambda page: _choose(page, "250 g refill"))
        self._open("/products/pebble-mug")
        _choose_mugs(page)
        self._take("product", on_phone=_choose_mugs)
        self._put_in_cart("pebble-mug", _choose_mugs)
        self._take("cart")
        page.get_by_role("link", name="Go to checkout").click()
        _fill_in(page)
        self._take("checkout", on_phone=_fill_in)
        page.get_by_role("button", name="Place order").first.click()
        page.wait_for_url("**/checkoutnow?**")
        self._take("paypal")
        page.get_by_role("button", name=re.compile("^Pay .* now$")).click()
        page.wait_for_url("**/orders/*")
        self._take("order", on_phone=_as_it_is)
        self._open_mail()
        self._take("mail")

    def _open(self, path: str) -> None:
        self._page.goto(self._shop + path)

    def _put_in_cart(self, slug: str, choose: Callable[[Page], None]) -> None:
        self._open(f"/products/{slug}")
        choose(self._page)
        self._page.get_by_role("button", name="Add to cart").click()
        self._page.wait_for_url("**/cart")

    def _open_mail(self) -> None:
        self._page.goto(self._mailbox)
        mail = self._page.get_by_role("link").filter(has_text=CUSTOMER["Email"]).first
        mail.click(timeout=MAIL_SECONDS * 1000)  # the mailbox's page refreshes automatically
        self._page.frame_locator("iframe").get_by_role("heading", level=1).wait_for()

    def _take(self, name: str, *, on_phone: Callable[[Page], None] | None = None) -> None:
        """Take the open page; and on the same visitor's phone, after `on_phone` has done the same there."""
        photograph(self._page, name)
        if on_phone:
            context = phone_of(self._browser, self._desk)
            page = context.new_page()
            page.goto(self._page.url)
            on_phone(page)
            photograph(page, f"{name}-phone")
            context.close()


def _as_it_is(page: Page) -> None:
    """Change nothing."""


def _choose(page: Page, variant: str) -> None:
    page.get_by_role("radio", name=variant).check()


def _choose_mugs(page: Page) -> None:
    _choose(page, "Moss")
    page.get_by_label("Quantity").fill("2")


def _fill_in(page: Page) -> None:
    for label, value in CUSTOMER.items():
        page.get_by_label(label, exact=True).fill(value)
