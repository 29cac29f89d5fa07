"""Too many at once: conflicts are tried again, throttling is waited out, and what is left is an honest page."""

import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

import pytest

from chalicelib.database.connection import PATIENCE_SECONDS
from chalicelib.web import middleware
from tests.client import Answer, Shopper
from tests.dynamodb_faults import Ask, tampered
from tests.invariants import check_books, check_money, check_stock, units
from tests.load.dynamodb_conflicts import READS, WRITES, conflict, contended, crowded, throttled
from tests.load.forms import Form, forms_of
from tests.shop import CUSTOMER, Shop, order_id_of, token_of
from tests.staff.staff_client import logged_in, member

MANY = 0.5  # of all writes
# What somebody types, where a form sent as it came would change nothing.
TYPED = {
    "/staff/products": {"price.MUG": "19.50"},
    "/staff/products/new": {
        "name": "New mug",
        "category": "tea",
        "v.0.sku": "NEW",
        "v.0.price": "4.90",
        "v.0.stock": "1",
    },
    "/staff/products/mug": {"name": "Another mug", "v.0.gone": ""},
    "/staff/categories": {"name": "Jam"},
    "/staff/categories/tea": {"name": "Teas"},
    "/staff/members/role": {"role": "merchant"},
    "/staff/orders/…/ship": {"carrier": "DHL"},
}
SHOPPERS_PAGES = ("/", "/categories/tea", "/products/mug", "/search?q=tea", "/cart", "/checkout")
STAFF_PAGES = (
    "/staff",
    "/staff/attention",
    "/staff/orders",
    "/staff/products",
    "/staff/products/new",
    "/staff/products/mug",
    "/staff/products/mug/pictures",
    "/staff/categories",
    "/staff/categories/tea",
    "/staff/catalog",
    "/staff/books",
    "/staff/members",
    "/staff/account",
    "/staff/audit",
    "/staff/erase",
)


@contextmanager
def _impatient(seconds: float = 0.1) -> Iterator[None]:
    """Let requests give up soon."""
    with mock.patch.object(middleware, "REQUEST_SECONDS", seconds):
        yield


# -- conflicts that end -----------------------------------------------------------------------------------


def test_everything_a_shopper_does_works_beside_many_conflicts(shop: Shop) -> None:
    before = units(shop)
    with crowded(MANY):
        shopper = shop.shopper_with(MUG=1, TEA_50=1)
        assert shopper.post("/cart/lines/MUG", {"quantity": "3"}).status == 303
        assert shopper.post("/cart/lines/TEA-50", {"quantity": "0"}).status == 303
        placed = shop.place(shopper)
        changed = shop.place(shopper, city="Potsdam")  # instead of the first
        assert token_of(changed) != token_of(placed)
        order_id = order_id_of(shop.come_back(shopper, token_of(changed)))
        assert "Thank you, your order is paid" in shopper.get(f"/orders/{order_id}").text
        shop.deliver_notifications()
        shop.functions.drain("order-emails")

    assert sorted(order.state for order in shop.orders()) == ["cancelled", "paid"]
    assert (shop.order(order_id).emails_due, shop.mails()) == ({}, ["merchant_order_paid", "order_paid"])
    check_stock(shop, before)
    check_money(shop)
    check_books(shop)


def test_everything_staff_do_with_an_order_works_beside_many_conflicts(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=1)
    merchant = logged_in(shop.gateway, "merchant")
    page = f"/staff/orders/{order_id}"
    with crowded(MANY, seed=2):
        for what in ("notes", "ship", "refunds"):
            (form,) = [form for form in _forms(merchant, page) if form.action.endswith(f"/{what}")]
            answer = merchant.post(form.action, form.fields | {"carrier": "DHL"})
            assert answer.status == 303, (what, answer.text[:500])
    assert shop.order(order_id).state == "shipped"
    assert "Something" in merchant.get(page).text


def test_a_write_waits_for_a_transaction_on_the_same_row(shop: Shop) -> None:
    seen: list[bool] = []
    with contended(0.15, lambda: seen.append(True)):
        shopper, _ = shop.placed(MUG=1)  # its cart and its stock are held from here
        assert shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"}).status == 303
        assert shop.place(shopper).status == 303
    assert len(seen) > 1
    assert shop.stock("MUG") == 98


# -- those that do not ------------------------------------------------------------------------------------


def test_every_button_is_answered_honestly_where_conflicts_do_not_end(shop: Shop) -> None:
    refused = _pressed_all(shop, lambda: crowded(1))
    assert {"/cart/lines", "/cart/lines/MUG", "/checkout"} <= refused
    staff = {address for address in refused if address.startswith("/staff/")}
    assert len(staff) >= 12, staff


def test_trying_again_ends_with_the_requests_time(shop: Shop) -> None:
    shopper, _ = shop.placed(MUG=1)
    total = shopper.get("/checkout").field("total")
    other = {
        **CUSTOMER,
        "city": "Potsdam",
        "total": total,
    }  # cancels the first: four seconds, if there were time
    begun = time.monotonic()
    with crowded(1), _impatient():
        assert shopper.post("/checkout", other).says_try_again
    assert time.monotonic() - begun < PATIENCE_SECONDS


def test_returning_from_paypal_during_contention_shows_the_order_and_can_be_reloaded(
    shop: Shop,
) -> None:
    shopper, token = shop.placed(MUG=1)
    shop.paypal.approve(token)
    with crowded(1), _impatient():
        answer = shopper.get(f"/payments/paypal/return?token={token}&PayerID=PAYER")
    assert answer.says_try_again
    assert "You haven’t been charged yet. Please reload this page" in answer.text
    assert shop.orders()[0].number in answer.text
    assert (shop.paypal.ledger(), shop.ledger()) == ([], [])
    assert order_id_of(shop.come_back(shopper, token))
    assert [row.kind for row in shop.ledger()] == ["sale"]


def test_what_was_captured_and_could_not_be_written_is_not_called_unchanged(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    shop.paypal.approve(token)
    with _busy_after(1), _impatient(1.5):  # the claim passes, settling does not
        answer = shopper.get(f"/payments/paypal/return?token={token}&PayerID=PAYER")
        page = shopper.follow(answer)
    assert "Confirming your payment" in page.text, page.text
    assert [row.kind for row in shop.paypal.ledger()] == ["sale"]
    with shop.later(minutes=3):
        shop.reconcile()
    check_money(shop)


def test_a_form_that_could_not_be_placed_comes_back_filled_in(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    total = shopper.get("/checkout").field("total")
    with crowded(1), _impatient():
        answer = shopper.post("/checkout", {**CUSTOMER, "total": total})
    assert answer.says_try_again
    # Either its writes met others, or its time was over before the first of them: a slow machine decides.
    assert re.search("This attempt didn’t place an order|Your order wasn’t placed", answer.text), answer.text
    assert shop.orders() == []
    assert answer.field("name") == CUSTOMER["name"]


# -- throttling -------------------------------------------------------------------------------------------


def test_every_page_says_so_where_reads_are_throttled(shop: Shop) -> None:
    from chalicelib.catalog import categories
    from chalicelib.web.page_cache import cache

    shopper, order_id = shop.paid(MUG=1)
    shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
    merchant = logged_in(shop.gateway, "merchant")
    visits = [(shopper, page) for page in (*SHOPPERS_PAGES, f"/orders/{order_id}")]
    visits += [(merchant, page) for page in (*STAFF_PAGES, f"/staff/orders/{order_id}")]
    for operations in (READS, *((each,) for each in READS)):
        for visitor, page in visits:
            cache.clear()
            categories.clear_category_cache()
            with throttled(*operations):
                answer = visitor.get(page)
            _check_honest(answer, (page, operations), 200, 503)
            assert answer.status == 503 or operations != READS, page


@pytest.mark.parametrize("operations", [WRITES, READS])
def test_every_button_is_answered_honestly_where_the_table_is_throttled(
    shop: Shop, operations: tuple[str, ...]
) -> None:
    assert len(_pressed_all(shop, lambda: throttled(*operations))) >= 16


# -- pressing buttons -------------------------------------------------------------------------------------


def _pressed_all(shop: Shop, refusing: Callable[[], AbstractContextManager[None]]) -> set[str]:
    """Press every button with calls refused for good; return where it was to be pressed again, ids left out."""
    shopper, _ = shop.placed(MUG=1)
    (waiting,) = shop.orders()
    _, paid_id = shop.paid(MUG=1)
    merchant, _ = logged_in(shop.gateway, "merchant"), member("finance")
    total = shopper.get("/checkout").field("total")
    presses = [
        (shopper, Form("/cart/lines", "post", {"sku": "TEA-50", "quantity": "1"})),
        (shopper, Form("/cart/lines/MUG", "post", {"quantity": "2"})),
        (shopper, Form("/checkout", "post", {**CUSTOMER, "city": "Potsdam", "total": total})),
        (shopper, Form(f"/orders/{waiting.id}/payment", "post")),
        (Shopper(shop.gateway), Form("/staff/login", "post", {"email": "a@b.example", "password": "no"})),
    ]
    pages = (*STAFF_PAGES, f"/staff/orders/{paid_id}", f"/staff/orders/{waiting.id}")
    presses += [
        (merchant, form)
        for page in pages
        for form in _forms(merchant, page)
        if form.action.startswith("/staff/") and not form.action.endswith("/logout")
    ]
    refused: set[str] = set()
    for visitor, form in presses:
        where = re.sub(r"[0-9a-f]{32}", "…", form.action)
        with refusing(), _impatient():
            answer = visitor.post(form.action, form.fields | TYPED.get(where, {}))
        print(
            "PRESS",
            answer.status,
            form.action,
            list(form.fields),
            answer.text[600:700] if answer.status == 400 else "",
        )
        _check_honest(answer, (form.action, form.fields), 200, 303, 400, 403, 409, 429, 503)
        if answer.says_try_again:
            refused.add(where)
    return refused


def _forms(visitor: Shopper, page: str) -> list[Form]:
    answer = visitor.get(page)
    assert answer.status == 200, page
    return [form for form in forms_of(page, answer.body) if form.method == "post"]


def _check_honest(answer: Answer, about: object, *statuses: int) -> None:
    told = (about, answer.status, answer.text[:500])
    assert answer.status in statuses, told
    if answer.says_try_again:
        assert answer.headers.get("retry-after") == "5", told
        assert "again" in answer.text, told
        assert answer.headers["cache-control"] == "private, no-store", told


@contextmanager
def _busy_after(passing: int) -> Iterator[None]:
    """Let so many transactions pass, then none."""
    turns = itertools.count()

    def refuse(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
        if operation == "TransactWriteItems" and next(turns) >= passing:
            raise conflict(operation, [True] * len(arguments["TransactItems"]))
        return ask()

    with tampered(refuse):
        yield
