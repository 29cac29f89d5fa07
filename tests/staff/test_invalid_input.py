"""Whatever is sent to a staff page is answered below 500, and asks nothing of AWS that it would refuse."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import pytest

from chalicelib.staff.routes import staff
from tests import dynamodb_faults, iam_policy_check
from tests.client import Answer, Shopper
from tests.shop import Shop
from tests.staff.staff_client import logged_in

NASTY = {
    "nothing": "",
    "nul": "a\x00b",
    "long": "x" * 3000,
    "digits": "9" * 5000,  # more than int() takes
    "number of a button": "remove:" + "9" * 5000,
    "negative": "-1",
    "huge": "1e9999",
    "not a number": "NaN",
    "other digits": "\u0663\u00b2",
    "first day": "0001-01-01",
    "last day": "9999-12-31",
    "isn’t a valid month": "2026-00",
    "markup": "\"'><script>alert(1)</script>{{7*7}}",
    "path": "../../etc/passwd",
    "header": "a\r\nSet-Cookie: a=b",
    "not characters": "\uffff\U0001f600\u202e",
    "no address": "@",
    "long address": "a@" + "b." * 1500 + "de",
    "upload": "uploads/" + "0" * 32,
    "import": "imports/" + "0" * 32,
    "somebody's id": "0" * 32,
}
PICK = "pick-" + "0" * 32
# What other pages, mails and S3 put behind an address, and no form asks for.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "/staff": ("period", "day"),
    "/staff/login": ("next",),
    "/staff/reset": ("token",),
    "/staff/audit": ("month", "before"),
    "/staff/orders": ("q", "state", "day", "until", "after"),
    "/staff/orders/csv": ("q", "state", "day", "until", PICK),
    "/staff/orders/ship": (PICK,),
    "/staff/slips": (PICK,),
    "/staff/erase": ("email",),
    "/staff/products": ("q", "category", "show", "stock", "sort", "after"),
    "/staff/products/green-tea/pictures": ("key",),
    "/staff/catalog/sent": ("key",),
    "/staff/books": ("month",),
    "/staff/settings/delivery": ("before",),
    "/staff/settings/taxes": ("before",),
}
MAX_KEY_BYTES = 1024  # bytes of a sort key; a table's own key may have twice as many
ENDS_SESSIONS = {"/staff/logout", "/staff/account/password", "/staff/login", "/staff/members/removal"}


@dataclass(frozen=True)
class Sendable:
    """A form of a page, and what it would send as it stands."""

    method: str
    address: str
    fields: dict[str, str]


def forms_of(page: Answer, address: str) -> Iterator[Sendable]:
    """Read the forms of a page that lead to staff pages."""
    for head, body in re.findall(r"<form\b([^>]*)>(.*?)</form>", page.body, re.DOTALL):
        given = _attributes(head)
        action = urljoin(address, given.get("action", ""))
        if action.startswith("/staff"):
            fields = {
                each["name"]: each.get("value", "x")
                for each in map(_attributes, re.findall(r"<(?:input|textarea|select|button)\b([^>]*)>", body))
                if "name" in each
            }
            yield Sendable(given.get("method", "get").upper(), action.partition("?")[0], fields)


def _attributes(tag: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in re.findall(r'([a-z-]+)="([^"]*)"', tag)}


class Walk:
    """Asks, and notes every answer that must not be, with what AWS would have refused on the way."""

    def __init__(self, shop: Shop, who: Shopper, calls: list[Any], refused: list[str]) -> None:
        self.bad: list[tuple[object, ...]] = []
        self.asked = 0
        self._shop, self._who, self._calls, self._refused = shop, who, calls, refused

    def ask(self, method: str, address: str, what: str, form: dict[str, str] | None = None) -> None:
        """Send one request."""
        self._calls.clear()
        self._refused.clear()
        answer = self._who.get(address) if method == "GET" else self._who.post(address, form)
        self.asked += 1
        keys = [f"a key of {len(key)} bytes" for key in self._keys() if not 0 < len(key) <= MAX_KEY_BYTES]
        if answer.status >= 500 or "<script>alert" in answer.body or keys or self._refused:
            self.bad.append((method, address[:100], what, answer.status, keys, sorted(set(self._refused))))
        if address in ENDS_SESSIONS:
            self._who.jar = logged_in(self._shop.gateway, "merchant").jar

    def _keys(self) -> Iterator[bytes]:
        """List the keys that DynamoDB was asked for: empty or long ones the local cloud takes, or not."""
        for operation, arguments in self._calls:
            rows = [arguments["Key"]] if "Key" in arguments else []
            rows += [
                key for each in arguments.get("RequestItems", {}).values() for key in each.get("Keys", ())
            ]
            rows += [
                each["Key"]
                for item in arguments.get("TransactItems", ())
                for each in item.values()
                if "Key" in each
            ]
            rows += [arguments["ExpressionAttributeValues"]] if operation == "Query" else []
            yield from (value["S"].encode() for row in rows for value in row.values() if "S" in value)


@contextmanager
def walking(shop: Shop, who: Shopper) -> Iterator[Walk]:
    """Walk, then tell what was bad."""
    with dynamodb_faults.watched() as calls, iam_policy_check.watched() as refused:
        walk = Walk(shop, who, calls, refused)
        yield walk
    assert walk.bad == []


@pytest.fixture
def known(shop: Shop) -> dict[str, str]:
    """Sell something; return what stands for the parameters of an address."""
    _, order_id = shop.paid(MUG=1)
    return {
        "order_id": order_id,
        "slug": "green-tea",
        "key": "tea",
        "number": "0",
        "when": "2026-11",
        "version": "0",
    }


def filled(path: str, values: dict[str, str]) -> str:
    """Put values into an address; where there is none, thirty-two zeros."""
    return re.sub(r"\{(\w+)\}", lambda found: quote(values.get(found[1], "0" * 32), safe=""), path)


def some(turn: int, of: int) -> list[tuple[str, str]]:
    """Take every second, third … value, each turn others: all of them everywhere would take minutes."""
    return list(NASTY.items())[turn % of :: of]


@pytest.mark.slow
def test_no_address_breaks_a_page(shop: Shop, merchant: Shopper, known: dict[str, str]) -> None:
    routes = [
        (*route, name) for route in sorted(staff.declared) for name in re.findall(r"\{(\w+)\}", route[1])
    ]
    with walking(shop, merchant) as walk:
        for turn, (method, path, name) in enumerate(routes):
            for what, value in some(turn, 2):
                walk.ask(method, filled(path, {**known, name: value or " "}), f"{name}: {what}")
    assert walk.asked > 10 * len(NASTY)


@pytest.mark.slow
def test_no_question_breaks_a_page(shop: Shop, merchant: Shopper) -> None:
    asked = [(path, name) for path, names in QUESTIONS.items() for name in names]
    with walking(shop, merchant) as walk:
        for turn, (path, name) in enumerate(asked):
            for what, value in some(turn, 2):
                walk.ask("GET", f"{path}?{urlencode({name: value})}", what)


@pytest.mark.slow
def test_no_field_breaks_a_page(shop: Shop, merchant: Shopper, known: dict[str, str]) -> None:
    pages = [filled(path, known) for method, path in sorted(staff.declared) if method == "GET"]
    seen = set()
    with walking(shop, merchant) as walk:
        for form in [form for page in pages for form in forms_of(merchant.get(page), page)]:
            for name in [field for field in form.fields if (form.address, field) not in seen]:
                seen.add((form.address, name))
                for what, value in some(len(seen), 4):
                    sent = {**form.fields, name: value}
                    address = form.address if form.method == "POST" else f"{form.address}?{urlencode(sent)}"
                    walk.ask(form.method, address, f"{name}: {what}", sent)
    assert walk.asked > 15 * len(NASTY)


# -- what the walk found ----------------------------------------------------------------------------------


def test_a_number_longer_than_any_row_is_no_row(shop: Shop, merchant: Shopper) -> None:
    number = "9" * 5000
    pictures = "/staff/products/mug/pictures"
    sent = {"key.0": "pictures/x", "alt.0": "A mug", "do": f"removed:{number}", "seen": ""}
    assert merchant.post(pictures, sent).status == 409
    assert merchant.post("/staff/products/mug", {"do": f"remove:{number}"}).status == 200
