"""The real thing: `make run`, a purchase in it, its mail, its books, kill -9, and everything there again."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, expect

from infra.local.app_server import ROOT
from tests.e2e.shopper_browser import THANKS, Visitor
from tests.local.example_app import Run, get
from tests.local.wait_until import eventually
from tests.shop import CUSTOMER


def buys_a_mug(visitor: Visitor) -> str:
    """Buy from the demo catalog; return the order's number."""
    visitor.open("/")
    visitor.page.get_by_role("navigation", name="Categories").get_by_role(
        "link", name="Table & Kitchen"
    ).click()
    visitor.reads("Table & Kitchen")
    visitor.link("Pebble Mug").click()
    visitor.page.get_by_role("radio", name="Moss").check()
    visitor.button("Add to cart").click()
    visitor.is_told("was added to your cart")
    visitor.goes_to_checkout()
    visitor.fills_in()
    visitor.places_order()
    visitor.is_at_paypal()
    visitor.pays()
    visitor.reads(THANKS)
    return visitor.page.locator(".order-number").inner_text()


def reads_the_mail(visitor: Visitor, mailbox: str, subject: str) -> None:
    """Wait for a mail to the customer and read it in the mailbox."""

    def arrived() -> bool:
        mails = json.loads(get(f"{mailbox}/api/messages"))
        return any((mail["subject"], mail["recipients"]) == (subject, [CUSTOMER["email"]]) for mail in mails)

    eventually(arrived, 30)
    visitor.page.goto(mailbox)
    visitor.page.get_by_role("link", name=subject).click()
    expect(visitor.page.frame_locator("iframe").get_by_role("heading", level=1)).to_have_text(THANKS)


def logs_in_as_told(visitor: Visitor, run: Run) -> None:
    """Log in as the merchant with the login that was printed, and find orders of the last days."""
    (line,) = [line for line in run.errors if line.startswith("staff login: ")]
    email, password = re.findall(r"merchant@\S+|(?<=password )\S+", line)
    visitor.page.goto(run.address("staff") + "/orders")
    visitor.page.get_by_label("Email address").fill(email)
    visitor.page.get_by_label("Password", exact=True).fill(password)
    visitor.button("Log in").click()
    visitor.reads("Orders")
    expect(visitor.page.get_by_text("Demo Umbel").first).to_be_visible()


def orders_in_the_books(state: Path, day: str) -> list[dict[str, str]]:
    """Write a day's books as `make export` does, and download its orders from the link that is printed."""
    stage = [sys.executable, "-m", "infra.local.run_on_local", f"--state={state}"]
    printed = subprocess.run(
        [*stage, sys.executable, "-m", "infra.commands.export_books", day],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    link = re.search(rf"/orders-{day}\.csv  \d+ rows  (\S+)$", printed, re.MULTILINE)
    assert link, printed
    with urllib.request.urlopen(link[1], timeout=10) as answer:
        return list(csv.DictReader(io.StringIO(answer.read().decode("utf-8-sig"), newline="")))


def test_make_run_sells_and_remembers_though_it_is_killed(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "app").symlink_to(ROOT)
    with Run(tmp_path, TIMEZONE="UTC", DEMO="yes") as run:
        visitor = Visitor(chromium, run.address("shop"))
        number = buys_a_mug(visitor)
        today = str(datetime.now(UTC).date())
        order_page = visitor.page.url
        visitor.puts_in_cart("plum-jam-star-anise", 2)
        reads_the_mail(visitor, run.address("mailbox"), f"Your order {number} is paid")
        books = orders_in_the_books(tmp_path / "state", today)
        (row,) = [row for row in books if row["order_number"] == number]
        assert (row["email"], row["total"]) == (CUSTOMER["email"], "22.90")
        logs_in_as_told(visitor, run)
        visitor.page.goto("about:blank")  # the mailbox's page would go on asking for news
        run.kill()
        eventually(lambda: run.left_listening() == [])  # a killed process closes its ports in its own time

    with Run(tmp_path, TIMEZONE="UTC", **{name: str(port) for name, port in run.ports.items()}) as again:
        visitor.page.goto(order_page)
        visitor.reads(THANKS)
        visitor.open("/cart")
        visitor.sees_in_cart(2)
        assert again.end() == 0
        assert run.left_listening() == []

    visitor.leave()
    assert visitor.troubles == []
