"""Photograph the shop for the README: `python -m infra.screenshots`, which `make screenshots` runs.

Starts the shop of `make run` beside any other, with a state of its own, buys something from the demo catalog and
writes docs/screenshots/NAME.png as seen at a desk, and NAME-phone.png as seen on a phone.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from infra.local.browser import open_browser
from infra.local.pieces import free_port
from infra.local.shop import ROOT

FOLDER = ROOT / "docs/screenshots"
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
MAIL_SECONDS = 30
CUSTOMER = {
    "Name": "Test Customer",
    "E-mail": "customer@example.com",
    "Street and number": "Marktplatz 4",
    "Postal code": "10115",
    "City": "Berlin",
}


@contextmanager
def running_shop(folder: Path) -> Iterator[dict[str, str]]:
    """Run the shop on free ports; yield its addresses by name. Raises RuntimeError where it does not start."""
    ports = ("PORT", "PAYPAL_PORT", "MAILBOX_PORT", "AWS_PORT", "SMTP_PORT")
    log = folder / "shop.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.run", f"--state={folder / 'state'}"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]} | {port: str(free_port()) for port in ports},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:  # waits for its end
        try:
            yield _addresses(process, log)
        finally:
            process.terminate()


def _addresses(process: "subprocess.Popen[str]", log: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in process.stdout or ():
        if line.strip() == "ready":
            return found
        name, _, address = line.strip().partition(": ")
        found[name] = address.rstrip("/")
    raise RuntimeError(f"The shop did not start: {log.read_text('utf-8')}")


class Photographer:
    """One visitor, photographed at a desk and on a phone."""

    def __init__(self, browser: Browser, addresses: dict[str, str]) -> None:
        self._browser = browser
        self._shop = addresses["shop"]
        self._mailbox = addresses["mailbox"]
        self._desk = browser.new_context(viewport=DESK)
        self._page = self._desk.new_page()

    def take_all(self) -> None:
        """Walk from the shop's front to the mail that confirms the order."""
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
        page.get_by_role("button", name="Place order").click()
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
        mail = self._page.get_by_role("link").filter(has_text="Your order")
        mail.click(timeout=MAIL_SECONDS * 1000)  # the mailbox's page looks for news by itself
        self._page.frame_locator("iframe").get_by_role("heading", level=1).wait_for()

    def _take(self, name: str, *, on_phone: Callable[[Page], None] | None = None) -> None:
        """Photograph the open page; and on a phone of the same visitor, once `on_phone` has done there what was done here."""
        _photograph(self._page, name)
        if on_phone:
            context = self._phone()
            page = context.new_page()
            page.goto(self._page.url)
            on_phone(page)
            _photograph(page, f"{name}-phone")
            context.close()

    def _phone(self) -> BrowserContext:
        return self._browser.new_context(
            viewport=PHONE,
            is_mobile=True,
            has_touch=True,
            device_scale_factor=1.5,
            storage_state=self._desk.storage_state(),
        )


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


def _photograph(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file)
    print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1024} KB")


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as state,
        running_shop(Path(state)) as addresses,
        open_browser() as browser,
    ):
        Photographer(browser, addresses).take_all()


if __name__ == "__main__":
    main()
