"""Products changed in the list: what was changed, on condition of what was shown, once."""

import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from chalicelib.catalog.editing import inline_edit
from chalicelib.catalog.editing.inline_edit import BUSY, TIMED_OUT, UnsavedRows, save, save_all
from chalicelib.catalog.editing.inline_edit_rules import Cell, CellChange
from chalicelib.catalog.editing.product_editing import save_product
from chalicelib.catalog.models import Product, Stock
from chalicelib.catalog.offers import read_offers
from chalicelib.catalog.product_lists import list_page
from chalicelib.catalog.search import search
from chalicelib.database.reads import get
from chalicelib.database.transactions import OutcomeUnknown, Transaction
from chalicelib.errors import ServiceUnavailable
from tests.call_counter import counted_calls
from tests.catalog.product_factory import fill, options, product, sell, units, variant
from tests.dynamodb_faults import answers_lost, repeated

pytestmark = pytest.mark.usefixtures("aws")
PRICE, SALE, STOCK, VISIBLE = Cell("price", "S"), Cell("sale price", "S"), Cell("stock", "S"), Cell("visible")


@pytest.fixture(autouse=True)
def sencha(aws: object) -> None:
    fill(product("sencha", variant("S", price=500, stock=10)))


def stored(sku: str = "S") -> tuple[int | None, int | None, int]:
    row = Stock.get(sku)
    whole = [None if each is None else int(each) for each in (row.price, row.sale_price)]
    return whole[0], whole[1], int(row.available)


def listed(sort: str = "price") -> list[str]:
    return [card.slug for card in list_page("all", sort, None).products]


def test_only_what_was_changed_is_written() -> None:
    assert (
        save(
            "sencha",
            {PRICE: CellChange(500, 600), SALE: CellChange(None, 450), STOCK: CellChange(10, 13)},
            "f",
        )
        is None
    )
    assert stored() == (600, 450, 13)
    assert save("sencha", {SALE: CellChange(450, None)}, "g") is None
    assert stored() == (600, None, 13)


def test_a_new_price_moves_the_product_in_the_lists_by_price() -> None:
    save_product(product("bancha", variant("B", price=550)))
    assert listed() == ["sencha", "bancha"]
    save("sencha", {PRICE: CellChange(500, 600)}, "f")
    assert listed() == ["bancha", "sencha"]


def test_the_lowest_price_of_all_variants_is_the_lists_price() -> None:
    two = [variant(f"V-{n}", price=price, options=options(Size=str(n))) for n, price in ((1, 300), (2, 900))]
    save_product(product("bancha", *two))
    save("bancha", {Cell("price", "V-2"): CellChange(900, 100)}, "f")
    assert listed() == ["bancha", "sencha"]
    assert "000000000100#bancha" in dict(Product.get("bancha").listing_keys).values()


def test_hiding_and_showing_goes_for_lists_search_and_offers() -> None:
    save("sencha", {VISIBLE: CellChange(1, 0)}, "f")
    assert (listed("name"), search("sencha").products) == ([], [])
    assert not read_offers({"S": "sencha"})["S"].sellable
    save("sencha", {VISIBLE: CellChange(0, 1)}, "g")
    assert (listed("name"), [card.slug for card in search("sencha").products]) == (["sencha"], ["sencha"])
    assert read_offers({"S": "sencha"})["S"].sellable


def test_units_sold_meanwhile_stay_sold() -> None:
    sell("S", 4)
    assert save("sencha", {STOCK: CellChange(10, 12)}, "f") is None
    assert units("S") == 8


def test_two_counts_of_stock_are_both_applied() -> None:
    save("sencha", {STOCK: CellChange(10, 15)}, "f")
    save("sencha", {STOCK: CellChange(10, 7)}, "g")
    assert units("S") == 12


def test_more_units_than_there_are_are_not_taken_away() -> None:
    sell("S", 7)
    outcome = save("sencha", {STOCK: CellChange(10, 5), PRICE: CellChange(500, 600)}, "f")
    assert outcome == UnsavedRows(now={STOCK: 3})
    assert stored() == (500, None, 3)


def test_taking_away_the_last_units_that_were_just_sold_is_no_conflict() -> None:
    sell("S", 10)
    assert save("sencha", {STOCK: CellChange(10, 0), PRICE: CellChange(500, 600)}, "f") is None
    assert stored() == (600, None, 0)


@pytest.mark.parametrize(
    ("before", "mine"),
    [
        ({PRICE: CellChange(500, 600)}, {PRICE: CellChange(500, 700)}),
        ({SALE: CellChange(None, 400)}, {SALE: CellChange(None, 300)}),
        ({SALE: CellChange(None, 400)}, {SALE: CellChange(None, 300), STOCK: CellChange(10, 20)}),
    ],
)
def test_a_value_saved_by_someone_else_is_not_overwritten(
    before: dict[Cell, CellChange], mine: dict[Cell, CellChange]
) -> None:
    save("sencha", before, "theirs")
    kept = stored()
    ((cell, change),) = before.items()
    assert save("sencha", mine, "mine") == UnsavedRows(now={cell: change.requested})
    assert stored() == kept
    assert listed() == ["sencha"]


def test_requesting_the_stored_value_is_no_conflict() -> None:
    save("sencha", {PRICE: CellChange(500, 600)}, "theirs")
    with counted_calls() as calls:
        assert save("sencha", {PRICE: CellChange(500, 600)}, "mine") is None
    assert "TransactWriteItems" not in calls


def test_a_change_elsewhere_in_the_product_is_no_conflict() -> None:
    save_product(product("sencha", variant("S", price=500), text="New words.", name="Sencha extra"))
    assert save("sencha", {PRICE: CellChange(500, 600)}, "f") is None
    assert (stored()[0], Product.get("sencha").name) == (600, "Sencha extra")


def test_one_form_is_one_change_however_often_and_how_late_it_is_sent() -> None:
    for _ in range(3):
        assert save("sencha", {STOCK: CellChange(10, 12)}, "once") is None
    save_product(product("sencha", variant("S", price=500), text="New words."))
    assert save("sencha", {STOCK: CellChange(10, 12)}, "once") is None
    assert units("S") == 12


def test_one_form_sent_twice_at_once_is_one_change() -> None:
    threads = [
        threading.Thread(target=save, args=("sencha", {STOCK: CellChange(10, 12)}, "once")) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert units("S") == 12


def test_an_answer_that_is_lost_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Transaction.commit

    def commit_and_lose_the_answer(transaction: Transaction) -> None:
        commit(transaction)
        monkeypatch.setattr(Transaction, "commit", commit)
        raise OutcomeUnknown("timeout")

    monkeypatch.setattr(Transaction, "commit", commit_and_lose_the_answer)
    assert save("sencha", {STOCK: CellChange(10, 12)}, "f") is None
    assert units("S") == 12


def test_a_sale_in_the_last_instant_is_seen_by_the_write(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Transaction.commit

    def sell_first(transaction: Transaction) -> None:
        monkeypatch.setattr(Transaction, "commit", commit)
        sell("S", 9)
        commit(transaction)

    monkeypatch.setattr(Transaction, "commit", sell_first)
    assert save("sencha", {STOCK: CellChange(10, 5)}, "f") == UnsavedRows(now={STOCK: 1})
    assert units("S") == 1


@pytest.mark.parametrize(
    ("changes", "cell", "words"),
    [
        ({PRICE: CellChange(500, 0)}, PRICE, "above zero"),
        ({PRICE: CellChange(500, None)}, PRICE, "above zero"),
        ({PRICE: CellChange(500, 10**11 + 1)}, PRICE, "above zero"),
        ({SALE: CellChange(None, 0)}, SALE, "above zero"),
        ({SALE: CellChange(None, 500)}, SALE, "below the price"),
        ({PRICE: CellChange(500, 400), SALE: CellChange(None, 450)}, SALE, "below the price"),
        ({STOCK: CellChange(10, 1_000_001)}, STOCK, "from 0 to 1,000,000"),
        ({Cell("price", "NO-SUCH"): CellChange(500, 600)}, Cell("price", "NO-SUCH"), "no longer sold"),
    ],
)
def test_invalid_values_are_refused_with_a_message(
    changes: dict[Cell, CellChange], cell: Cell, words: str
) -> None:
    outcome = save("sencha", changes, "f")
    assert outcome is not None
    assert words in outcome.problems[cell]
    assert stored() == (500, None, 10)


def test_a_price_at_or_below_the_sale_price_is_refused_where_it_was_typed() -> None:
    save("sencha", {SALE: CellChange(None, 400)}, "f")
    outcome = save("sencha", {PRICE: CellChange(500, 400)}, "g")
    assert outcome is not None
    assert set(outcome.problems) == {PRICE}


def test_another_products_sku_is_not_changed_through_this_one() -> None:
    save_product(product("bancha", variant("B", price=900)))
    outcome = save("sencha", {Cell("price", "B"): CellChange(900, 100)}, "f")
    assert outcome is not None
    assert stored("B")[0] == 900


# -- a row that waits, and its siblings -------------------------------------------------------------------


PRICE_A, STOCK_A, PRICE_B, SALE_B, STOCK_B = (
    Cell(what, sku)
    for what, sku in (
        ("price", "A"), ("stock", "A"), ("price", "B"), ("sale price", "B"), ("stock", "B"),
    )
)  # fmt: skip
# Of what is asked, the row B will wait; A and the product's own row need not.
ASKED = {
    STOCK_A: CellChange(10, 13),
    PRICE_A: CellChange(500, 450),
    PRICE_B: CellChange(900, 100),
    STOCK_B: CellChange(10, 20),
    VISIBLE: CellChange(1, 0),
}


@pytest.fixture
def two_variants() -> None:
    drafts = [variant(sku, price=price, options=options(Size=sku)) for sku, price in (("A", 500), ("B", 900))]
    save_product(product("bancha", *drafts))


@pytest.fixture
def contested(two_variants: None) -> None:
    """Let somebody else change the price of B."""
    assert save("bancha", {PRICE_B: CellChange(900, 800)}, "theirs") is None


def told() -> tuple[list[Any], Any]:
    seen: list[Any] = []
    return seen, lambda _, subject, before, after: seen.append((subject, before, after))


def test_a_conflict_holds_back_its_own_row_alone(contested: None) -> None:
    seen, write_audit = told()
    assert save("bancha", ASKED, "f", write_audit) == UnsavedRows(now={PRICE_B: 800})
    assert (stored("A"), stored("B")) == ((450, None, 13), (800, None, 10))
    row = Product.get("bancha")
    assert (row.hidden, row.version) == (True, 3)
    assert dict(row.listing_keys)["@all#price"] == "000000000450#bancha"
    before = {"A price": "5.00", "A stock": 10, "visible": "yes"}
    assert seen == [("product bancha", before, {"A price": "4.50", "A stock": 13, "visible": "no"})]


def test_a_problem_holds_back_its_own_row_alone(two_variants: None) -> None:
    outcome = save("bancha", ASKED | {SALE_B: CellChange(None, 100)}, "f")
    assert outcome is not None
    assert set(outcome.problems) == {SALE_B}
    assert outcome.rows == {"B"}
    assert (stored("A"), stored("B"), Product.get("bancha").hidden) == (
        (450, None, 13), (900, None, 10), True,
    )  # fmt: skip


def test_a_cell_that_cannot_be_read_holds_back_its_own_row_alone(two_variants: None) -> None:
    unreadable = {SALE_B: "“cheap” is not an amount."}
    assert save("bancha", ASKED, "f", problems=unreadable) == UnsavedRows(problems=unreadable)
    assert (stored("A"), stored("B")) == ((450, None, 13), (900, None, 10))


def test_a_product_of_which_no_row_can_be_saved_is_not_written(contested: None) -> None:
    with counted_calls() as calls:
        save("bancha", {PRICE_B: CellChange(900, 100), STOCK_B: CellChange(10, 20)}, "f")
    assert "TransactWriteItems" not in calls


# -- one form, sent again ---------------------------------------------------------------------------------


def test_a_repeated_form_changes_no_row_twice_and_still_reports_unsaved_rows(contested: None) -> None:
    seen, write_audit = told()
    for _ in range(3):
        assert save("bancha", ASKED, "f", write_audit) == UnsavedRows(now={PRICE_B: 800})
    assert (stored("A"), stored("B"), len(seen)) == ((450, None, 13), (800, None, 10), 1)


def test_what_is_saved_stays_saved_for_its_form_whatever_comes_later(contested: None) -> None:
    save("bancha", ASKED, "f")
    save("bancha", {PRICE_A: CellChange(450, 490), STOCK_A: CellChange(13, 1)}, "theirs-too")
    assert save("bancha", ASKED, "f") == UnsavedRows(now={PRICE_B: 800})
    assert stored("A") == (490, None, 1)


def test_a_row_whose_conflict_is_gone_is_saved_once_by_the_form_sent_again(contested: None) -> None:
    save("bancha", ASKED, "f")
    save("bancha", {PRICE_B: CellChange(800, 900)}, "theirs-again")
    for _ in range(2):
        assert save("bancha", ASKED, "f") is None
    assert (stored("A"), stored("B")) == ((450, None, 13), (100, None, 20))


@pytest.mark.parametrize("trouble", [answers_lost, repeated])
def test_an_answer_that_is_lost_neither_saves_twice_nor_hides_what_waits(
    contested: None, trouble: Callable[[str], AbstractContextManager[None]]
) -> None:
    with trouble("TransactWriteItems"):
        assert save("bancha", ASKED, "f") == UnsavedRows(now={PRICE_B: 800})
    assert (stored("A"), stored("B")) == ((450, None, 13), (800, None, 10))


@pytest.mark.parametrize("written", [False, True])
def test_the_last_try_is_looked_at_row_by_row(
    contested: None, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, tries = inline_edit._write, []

    def lost(*arguments: Any) -> None:
        tries.append(1)
        if written and len(tries) == 5:
            write(*arguments)
        raise OutcomeUnknown("no answer")

    monkeypatch.setattr(inline_edit, "_write", lost)
    waiting = UnsavedRows({PRICE_B: 800}, message=BUSY, waiting=frozenset({"A", ""}))
    assert save("bancha", ASKED, "f") == (UnsavedRows({PRICE_B: 800}) if written else waiting)
    assert stored("A") == ((450, None, 13) if written else (500, None, 10))


def test_two_concurrent_submissions_save_once_and_both_report_unsaved_rows(contested: None) -> None:
    outcomes: list[UnsavedRows | None] = []
    threads = [threading.Thread(target=lambda: outcomes.append(save("bancha", ASKED, "f"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcomes == [UnsavedRows(now={PRICE_B: 800})] * 4
    assert (stored("A"), stored("B")) == ((450, None, 13), (800, None, 10))


def test_a_second_press_that_comes_too_late_gives_back_only_what_waits(
    contested: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("bancha", ASKED, "f")
    save("bancha", {PRICE_B: CellChange(800, 900)}, "theirs-again")
    monkeypatch.setattr("chalicelib.catalog.editing.inline_edit.PATIENCE_SECONDS", -1.0)
    assert save_all({"bancha": ASKED}, "f") == {
        "bancha": UnsavedRows(message=TIMED_OUT, waiting=frozenset({"B"}))
    }
    save("bancha", {PRICE_B: CellChange(900, 800)}, "theirs-once-more")
    assert save_all({"bancha": ASKED}, "f") == {"bancha": UnsavedRows(now={PRICE_B: 800})}


def test_a_row_corrected_in_a_form_that_was_sent_is_saved_and_its_sibling_not_again(
    two_variants: None,
) -> None:
    save("bancha", {STOCK_A: CellChange(10, 13), STOCK_B: CellChange(10, 2_000_000)}, "f")
    assert save("bancha", {STOCK_A: CellChange(10, 13), STOCK_B: CellChange(10, 20)}, "f") is None
    assert (units("A"), units("B")) == (13, 20)


def test_a_form_that_asks_something_else_of_a_row_it_has_changed_is_asked_back(two_variants: None) -> None:
    """Whoever goes back to the page after saving, and types on, does not have the difference made twice."""
    save("bancha", {STOCK_A: CellChange(10, 13)}, "f")
    sell("A", 1)
    for _ in range(2):
        assert save("bancha", {STOCK_A: CellChange(10, 15)}, "f") == UnsavedRows(now={STOCK_A: 12})
    assert save("bancha", {STOCK_A: CellChange(10, 12), PRICE_A: CellChange(500, 450)}, "f") is None
    assert stored("A") == (450, None, 12)


@pytest.mark.parametrize("place", [PRICE_A, STOCK_A])
def test_what_cannot_be_read_in_a_row_that_was_changed_has_its_units_asked_about(
    two_variants: None, place: Cell
) -> None:
    save("bancha", {STOCK_A: CellChange(10, 13)}, "f")
    changes = {} if place == STOCK_A else {STOCK_A: CellChange(10, 13)}
    outcome = save("bancha", changes, "f", problems={place: "What is this?"})
    assert outcome == UnsavedRows(now={STOCK_A: 13}, problems={place: "What is this?"})
    assert units("A") == 13


def test_the_memory_of_forms_stays_small(two_variants: None) -> None:
    for number in range(55):
        shown = units("A")
        save(
            "bancha",
            {STOCK_A: CellChange(shown, shown + 1), STOCK_B: CellChange(shown, shown + 1)},
            f"{number:032}"[::-1],
        )
    assert len(json.dumps(Product.get("bancha").processed_forms)) < 4000


# -- the whole list ---------------------------------------------------------------------------------------


def test_a_product_that_is_gone_is_said() -> None:
    outcome = save("no-such", {PRICE: CellChange(500, 600)}, "f")
    assert outcome is not None
    assert outcome.message == "This product no longer exists."


def test_some_are_saved_where_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    save_product(product("bancha", variant("B", price=900)))
    save("sencha", {PRICE: CellChange(500, 510)}, "theirs")
    outcomes = save_all(
        {"sencha": {PRICE: CellChange(500, 600)}, "bancha": {Cell("price", "B"): CellChange(900, 800)}}, "f"
    )
    assert outcomes == {"sencha": UnsavedRows(now={PRICE: 510}), "bancha": None}
    assert stored("B")[0] == 800


def test_a_product_that_stays_contended_does_not_hold_back_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_product(product("bancha", variant("B", price=900)))
    commit = Transaction.commit

    def busy_once(_: Transaction) -> None:
        monkeypatch.setattr(Transaction, "commit", commit)
        raise ServiceUnavailable("no")

    monkeypatch.setattr(Transaction, "commit", busy_once)
    outcomes = save_all(
        {"sencha": {PRICE: CellChange(500, 600)}, "bancha": {Cell("price", "B"): CellChange(900, 800)}}, "f"
    )
    assert outcomes == {"sencha": UnsavedRows(message=BUSY, waiting=frozenset({"S"})), "bancha": None}
    assert stored()[0] == 500


def test_what_there_is_no_time_for_is_said_and_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.catalog.editing.inline_edit.PATIENCE_SECONDS", -1.0)
    outcomes = save_all({"sencha": {PRICE: CellChange(500, 600)}}, "f")
    assert outcomes["sencha"] is not None
    assert "Saving took too long" in str(outcomes["sencha"].message)
    assert stored()[0] == 500


def test_the_audit_log_has_each_cell_before_and_after() -> None:
    seen: list[Any] = []

    def write_audit(_: Transaction, subject: str, before: Any, after: Any) -> None:
        seen.append((subject, before, after))

    changes = {
        PRICE: CellChange(500, 600),
        SALE: CellChange(None, 450),
        STOCK: CellChange(10, 13),
        VISIBLE: CellChange(1, 0),
    }
    save("sencha", changes, "f", write_audit)
    save("sencha", changes, "f", write_audit)
    assert seen == [
        (
            "product sencha",
            {"S price": "5.00", "S sale price": "", "S stock": 10, "visible": "yes"},
            {"S price": "6.00", "S sale price": "4.50", "S stock": 13, "visible": "no"},
        )
    ]


def test_saving_costs_two_reads_and_one_transaction_a_product() -> None:
    fill(*(product(f"tea-{n}", variant(f"T-{n}", price=900)) for n in range(5)))
    with counted_calls() as calls:
        save_all({f"tea-{n}": {Cell("price", f"T-{n}"): CellChange(900, 800)} for n in range(5)}, "f")
    assert calls == {"GetItem": 5, "BatchGetItem": 5, "TransactWriteItems": 5}


def test_hiding_moves_all_of_a_long_texts_words_in_few_calls() -> None:
    text = " ".join(f"word{n}" for n in range(240))
    save_product(product("sencha", variant("S", price=500), text=text))
    with counted_calls() as calls:
        save("sencha", {VISIBLE: CellChange(1, 0)}, "f")
    assert calls == {"GetItem": 1, "BatchGetItem": 1, "BatchWriteItem": 10, "TransactWriteItems": 4}
    stored_product = get(Product, "sencha")
    assert stored_product is not None
    assert all(word.startswith("@") for word in stored_product.search_terms)


def test_many_who_save_at_once_all_end_whole() -> None:
    """Prices of four people, each on what the one before saw: one wins, stock of all is counted."""
    outcomes: list[UnsavedRows | None] = []

    def change(number: int) -> None:
        cells = {PRICE: CellChange(500, 600 + number)}
        outcomes.append(save("sencha", cells, f"price-{number}"))
        save("sencha", {STOCK: CellChange(10, 11)}, f"stock-{number}")

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert units("S") == 14
    row = Product.get("sencha")
    assert [place for place in row.listing_keys if place[0] == "all#price"] == [
        ["all#price", f"{stored()[0]:012d}#sencha"]
    ]
