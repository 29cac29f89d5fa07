"""Screenshots of the staff pages, with the demo's orders."""

import re

from playwright.sync_api import Browser, Page

from infra.screenshots.capture import DESK, phone_of, photograph


class Merchant:
    """The merchant, on a desktop and a phone."""

    def __init__(self, browser: Browser, address: str, password: str) -> None:
        self._browser = browser
        self._address = address
        self._password = password
        self._desk = browser.new_context(viewport=DESK)
        self._page = self._desk.new_page()

    def take_all(self) -> None:
        """Walk through the staff pages."""
        self._log_in()
        for name in ("today", "attention", "orders", "categories", "books"):
            self._open("" if name == "today" else name)
            photograph(self._page, f"staff-{name}")
        self._open("?period=week")
        photograph(self._page, "staff-week")
        self._take_an_order()
        self._take_a_refund()
        self._take_a_product()
        self._take_a_conflict()
        self._take_on_phone()
        self._take_in_the_dark()

    def _open(self, path: str, page: Page | None = None) -> None:
        (page or self._page).goto(f"{self._address}/{path}")

    def _log_in(self) -> None:
        self._open("login")
        self._page.get_by_label("Email address").fill("merchant@example.com")
        self._page.get_by_label("Password", exact=True).fill(self._password)
        photograph(self._page, "staff-login")
        self._page.get_by_role("button", name="Log in").click()
        self._page.wait_for_url("**/staff/")

    def _open_order(self, state: str) -> None:
        """Open the newest order with a state or an event."""
        self._open("orders")
        self._page.locator("tr", has_text=state).first.get_by_role("link").first.click()
        self._page.wait_for_url("**/staff/orders/*")

    def _take_an_order(self) -> None:
        self._open_order("Partly refunded")
        photograph(self._page, "staff-order")

    def _take_a_refund(self) -> None:
        self._open_order("Ready to ship")
        refunds = self._page.get_by_role("region", name="Refunds")
        refunds.locator("summary").click()
        refunds.get_by_label("Amount in").fill("5.00")
        refunds.get_by_label("Reason").fill("One arrived with a crack in it")
        refunds.get_by_label("Note to the customer").fill("We are sorry for the crack.")
        photograph(self._page, "staff-refund", top="[aria-labelledby=refunds]")

    def _take_a_product(self) -> None:
        self._open("products/pebble-mug")
        photograph(self._page, "staff-product")
        self._open("products/pebble-mug/pictures")
        photograph(self._page, "staff-pictures")

    def _take_a_conflict(self) -> None:
        """Save a price while someone else, who sees the old one, is changing it, too."""
        self._open("products?q=mug")
        self._change("Price of Pebble Mug, Oat", "19.00", self._page)
        other = self._desk.new_page()
        self._open("products?q=mug", other)
        self._change("Price of Pebble Mug, Oat", "18.50", other)
        self._save(other)
        other.close()
        self._save(self._page)
        self._page.get_by_text("Changed by someone else").first.wait_for()
        photograph(self._page, "staff-conflict")
        self._open("products")
        for row, price in enumerate(("27.50", "48.00")):
            self._page.get_by_label(re.compile("^Price of ")).nth(row).fill(price)
        photograph(self._page, "staff-products")

    def _change(self, label: str, value: str, page: Page) -> None:
        page.get_by_label(re.compile(f"^{re.escape(label)}")).first.fill(value)

    def _save(self, page: Page) -> None:
        page.get_by_role("button", name="Save changes").click()
        page.wait_for_load_state("networkidle")

    def _take_on_phone(self) -> None:
        phone = phone_of(self._browser, self._desk)
        page = phone.new_page()
        for name in ("products", "orders"):
            self._open(name, page)
            photograph(page, f"staff-{name}-phone", top="table tbody")
        self._open("", page)
        photograph(page, "staff-today-phone")
        phone.close()

    def _take_in_the_dark(self) -> None:
        dark = self._browser.new_context(
            viewport=DESK, color_scheme="dark", storage_state=self._desk.storage_state()
        )
        page = dark.new_page()
        self._open("?period=week", page)
        photograph(page, "staff-week-dark")
        dark.close()
