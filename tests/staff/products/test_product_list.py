"""The list of products, edited in place: what the page says, what a save does, what comes back."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from chalicelib.catalog.editing.inline_edit import save
from chalicelib.catalog.editing.inline_edit_rules import Cell, CellChange
from tests.call_counter import counted_calls
from tests.catalog.product_factory import numbered, sell
from tests.client import Answer, Shopper
from tests.dynamodb_faults import answers_lost
from tests.shop import Shop
from tests.staff.staff_client import trail

PATH = "/staff/products"


class _Fields(HTMLParser):
    """What a browser would send of the page's big form."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = "data-inline-edit" in given
        ticked = given.get("type") not in ("checkbox", "radio") or "checked" in given
        if tag == "input" and self._inside and ticked:
            self.values[given["name"]] = given.get("value", "")


def fields(answer: Answer) -> dict[str, str]:
    """Read the form of the list as a browser would send it."""
    parser = _Fields()
    parser.feed(answer.body)
    return parser.values


def edit(merchant: Shopper, address: str = PATH, /, **changes: str | None) -> Answer:
    """Open the list, change cells (None: untick), press Save. Dashes and dots are written as __ and _DOT_."""
    form = fields(merchant.get(address))
    return merchant.post(PATH, changed(form, **changes))


def changed(form: dict[str, str], **changes: str | None) -> dict[str, str]:
    named = {name.replace("__", "-").replace("_DOT_", "."): value for name, value in changes.items()}
    assert named.keys() <= form.keys() | {name for name in named if name.startswith(("choose.", "visible."))}
    return {name: value for name, value in {**form, **named}.items() if value is not None}


def stored(sku: str) -> tuple[int, int | None, int]:
    from chalicelib.catalog.models import Stock

    row = Stock.get(sku)
    return int(row.price), None if row.sale_price is None else int(row.sale_price), int(row.available)


def wrong(answer: Answer, name: str) -> str:
    """Read what is said beside a cell, through the cell's own description."""
    cell = re.search(rf'<input name="{re.escape(name)}"[^>]*aria-invalid="true"[^>]*>', answer.body)
    assert cell, f"{name} is not marked"
    place = re.search(r'aria-describedby="([^"]+)"', cell[0])
    assert place
    words = re.search(rf'id="{re.escape(place[1])}"[^>]*>([^<]+)', answer.body)
    assert words
    return words[1]


def theirs(slug: str, cell: Cell, before: int | None, after: int | None) -> None:
    """Let somebody else save a cell meanwhile."""
    assert save(slug, {cell: CellChange(before, after)}, f"theirs{after}") is None


# -- looking ----------------------------------------------------------------------------------------------


def test_the_list_shows_every_variant_hidden_products_too(shop: Shop, merchant: Shopper) -> None:
    shop.put_on_shelf("secret", "Secret blend", {"SECRET": (1000, 800, 3)}, hidden=True)
    answer = merchant.get(PATH)
    form = fields(answer)
    assert answer.status == 200
    assert [name.removeprefix("was.") for name in form if name.startswith("was.")] == [
        "TEA-50", "TEA-100", "BOWL", "MUG", "SECRET",
    ]  # fmt: skip
    assert (form["price.TEA-100"], form["sale.TEA-100"], form["stock.TEA-100"]) == ("12.90", "9.90", "5")
    assert (form["sale.MUG"], "visible.mug" in form, "visible.secret" in form) == ("", True, False)
    assert answer.headers["cache-control"] == "private, no-store"


def test_the_list_is_filtered_sorted_and_searched(shop: Shop, merchant: Shopper) -> None:
    shop.put_on_shelf("secret", "Secret blend", {"SECRET": (5000, None, 3)}, hidden=True)
    sell("BOWL", 1)
    for question, wanted in {
        "?show=hidden": ["secret"],
        "?show=visible&sort=price": ["green-tea", "mug", "last-bowl"],
        "?stock=out": ["last-bowl"],
        "?stock=low": ["last-bowl", "secret"],
        "?q=bl&category=tea": ["secret"],
        "?q=tea-50": ["green-tea"],
        "?stock=out&show=hidden": [],
        "?category=no-such": [],
    }.items():
        answer = merchant.get(PATH + question)
        shown = [name.removeprefix("shown.") for name in fields(answer) if name.startswith("shown.")]
        assert shown == wanted, question
        assert ("No products found." in answer.text) == (not wanted)


def test_a_list_that_does_not_exist_is_a_400(merchant: Shopper) -> None:
    for question in ("?sort=colour", "?show=some", "?stock=7", "?after=x", "?sort=newest&after=%00"):
        assert merchant.get(PATH + question).status == 400, question


def test_pages_lead_on_and_keep_the_filter(shop: Shop, merchant: Shopper) -> None:
    from chalicelib.catalog.editing.product_editing import save_product

    for draft in numbered(27):
        save_product(draft)
    first = merchant.get(f"{PATH}?q=hill&sort=price")
    link = re.search(r'href="([^"]+)" rel="next"', first.body)
    assert link
    second = merchant.get(link[1].replace("&amp;", "&"))
    assert [name for name in fields(second) if name.startswith("shown.")] == [
        "shown.tea-025",
        "shown.tea-026",
    ]
    assert len([name for name in fields(first) if name.startswith("shown.")]) == 25


def test_a_page_costs_few_calls(merchant: Shopper) -> None:
    merchant.get(PATH)
    with counted_calls() as calls:
        merchant.get(PATH)
    assert calls["Query"] <= 2
    assert calls["BatchGetItem"] <= 2
    assert "Scan" not in calls


# -- saving -----------------------------------------------------------------------------------------------


def test_many_rows_are_one_save_and_each_is_in_the_audit_trail(shop: Shop, merchant: Shopper) -> None:
    answer = edit(
        merchant,
        f"{PATH}?sort=price",
        price_DOT_MUG="19.00",
        sale_DOT_MUG="17,50",
        stock_DOT_TEA__50="25",
        sale_DOT_TEA__100="",
        visible_DOT_last__bowl=None,
    )
    assert answer.location.endswith(f"{PATH}?sort=price")
    assert "4 rows saved." in merchant.follow(answer).text
    assert (stored("MUG"), stored("TEA-50"), stored("TEA-100")) == (
        (1900, 1750, 100), (690, None, 25), (1290, None, 5),
    )  # fmt: skip
    told = {
        entry.subject: (entry.before, entry.after)
        for entry in trail()
        if entry.action == "edited the product list"
    }
    assert told == {
        "product mug": (
            {"MUG price": "18.50", "MUG sale price": ""},
            {"MUG price": "19.00", "MUG sale price": "17.50"},
        ),
        "product green-tea": (
            {"TEA-50 stock": 10, "TEA-100 sale price": "9.90"},
            {"TEA-50 stock": 25, "TEA-100 sale price": ""},
        ),
        "product last-bowl": ({"visible": "yes"}, {"visible": "no"}),
    }


def test_a_change_is_in_the_shop_at_once(shop: Shop, merchant: Shopper) -> None:
    assert "€18.50" in shop.shopper().get("/products/mug").text
    edit(merchant, price_DOT_MUG="21.00", visible_DOT_last__bowl=None)
    assert "€21.00" in shop.shopper().get("/products/mug").text
    assert shop.shopper().get("/products/last-bowl").status == 404


def test_what_was_not_touched_is_not_written_even_where_it_changed_meanwhile(
    shop: Shop, merchant: Shopper
) -> None:
    form = fields(merchant.get(PATH))
    theirs("mug", Cell("price", "MUG"), 1850, 2000)
    sell("MUG", 40)
    assert merchant.post(PATH, changed(form, stock_DOT_MUG="110")).status == 303
    assert stored("MUG") == (2000, None, 70)


def test_a_form_without_changes_asks_the_tables_nothing(merchant: Shopper) -> None:
    form = fields(merchant.get(PATH))
    with counted_calls() as calls:
        answer = merchant.post(PATH, form)
    assert "TransactWriteItems" not in calls
    assert calls["BatchGetItem"] == 0
    assert "No changes to save" in merchant.follow(answer).text


def test_a_form_sent_twice_changes_stock_once(merchant: Shopper) -> None:
    form = changed(fields(merchant.get(PATH)), stock_DOT_MUG="101")
    assert [merchant.post(PATH, form).status for _ in range(2)] == [303, 303]
    assert stored("MUG")[2] == 101


# -- conflicts --------------------------------------------------------------------------------------------


def conflict(merchant: Shopper) -> Answer:
    """Type a price over one that somebody else saves meanwhile, beside changes that nobody minds."""
    form = fields(merchant.get(f"{PATH}?sort=price"))
    theirs("mug", Cell("price", "MUG"), 1850, 1290)
    return merchant.post(
        PATH, changed(form, price_DOT_MUG="13.50", stock_DOT_MUG="90", price_DOT_BOWL="41.00")
    )


def test_a_row_in_conflict_comes_back_with_both_values_and_the_others_are_saved(merchant: Shopper) -> None:
    answer = conflict(merchant)
    form = fields(answer)
    assert answer.status == 409
    assert "1 row saved." in answer.text
    assert (stored("BOWL")[0], stored("MUG")) == (4100, (1290, None, 100))
    assert [name for name in form if name.startswith("shown.")] == ["shown.mug"]
    assert (form["price.MUG"], form["stock.MUG"]) == ("13.50", "90")
    assert "Keep 12.90" in answer.text
    assert "Save 13.50" in answer.text
    assert "Changed by someone else" in wrong(answer, "price.MUG")


@pytest.mark.parametrize(("choice", "price"), [("theirs", 1290), ("mine", 1350)])
def test_one_choice_settles_a_conflict_without_typing_again(
    merchant: Shopper, choice: str, price: int
) -> None:
    form = changed(fields(conflict(merchant)), choose_DOT_price_DOT_MUG=choice)
    answer = merchant.post(PATH, form)
    assert answer.location.endswith(f"{PATH}?sort=price")
    assert stored("MUG") == (price, None, 90)


def test_a_conflict_that_is_not_settled_is_asked_about_again(merchant: Shopper) -> None:
    answer = merchant.post(PATH, fields(conflict(merchant)))
    assert answer.status == 400
    assert wrong(answer, "price.MUG") == "Please choose one of the two values."
    assert (fields(answer)["price.MUG"], "Keep 12.90" in answer.text) == ("13.50", True)
    assert stored("MUG") == (1290, None, 100)


def test_a_conflict_that_changed_again_is_a_new_conflict(merchant: Shopper) -> None:
    form = changed(fields(conflict(merchant)), choose_DOT_price_DOT_MUG="mine")
    theirs("mug", Cell("price", "MUG"), 1290, 1100)
    answer = merchant.post(PATH, form)
    assert answer.status == 409
    assert "Keep 11.00" in answer.text


def test_more_units_than_are_left_are_not_taken_away(merchant: Shopper) -> None:
    form = fields(merchant.get(PATH))
    sell("MUG", 97)
    answer = merchant.post(PATH, changed(form, stock_DOT_MUG="95"))
    assert answer.status == 409
    assert "Keep 3" in answer.text
    settled = merchant.post(PATH, changed(fields(answer), choose_DOT_stock_DOT_MUG="mine"))
    assert settled.status == 303
    assert stored("MUG")[2] == 95


def teas(merchant: Shopper, **changes: str) -> dict[str, str]:
    """Type into both variants of the tea, and hide it; meanwhile somebody else changes the price of one."""
    form = fields(merchant.get(f"{PATH}?q=tea"))
    theirs("green-tea", Cell("price", "TEA-50"), 690, 650)
    mine = {"price_DOT_TEA__50": "7.20", "stock_DOT_TEA__50": "20", "stock_DOT_TEA__100": "8"}
    return changed(form, **{**mine, **changes}, visible_DOT_green__tea=None)


def test_a_variant_in_conflict_holds_back_neither_its_siblings_nor_the_product(merchant: Shopper) -> None:
    answer = merchant.post(PATH, teas(merchant))
    form = fields(answer)
    assert answer.status == 409
    assert (stored("TEA-50"), stored("TEA-100")) == ((650, None, 10), (1290, 990, 8))
    assert "1 row saved." in answer.text
    assert "1 row hasn’t been saved yet." in answer.text
    assert [name for name in form if name.startswith("was.")] == ["was.TEA-50"]
    assert (form["shown.green-tea"], "visible.green-tea" in form) == ("no", False)
    assert (form["price.TEA-50"], form["stock.TEA-50"]) == ("7.20", "20")
    assert "Keep 6.50" in answer.text
    ((_, before, after),) = [
        (each.subject, each.before, each.after)
        for each in trail()
        if each.action == "edited the product list"
    ]
    assert (before, after) == (
        {"TEA-100 stock": 5, "visible": "yes"}, {"TEA-100 stock": 8, "visible": "no"},
    )  # fmt: skip


def test_the_page_that_comes_back_changes_only_the_row_that_waited(merchant: Shopper) -> None:
    form = changed(
        fields(merchant.post(PATH, teas(merchant))),
        choose_DOT_price_DOT_TEA__50="mine",
        price_DOT_TEA__50="7.30",
    )
    answer = merchant.post(PATH, form)
    assert "1 row saved." in merchant.follow(answer).text
    assert (stored("TEA-50"), stored("TEA-100")) == ((730, None, 20), (1290, 990, 8))
    assert "visible.green-tea" not in fields(merchant.get(f"{PATH}?q=tea"))


def test_a_form_sent_twice_shows_what_waits_twice_and_moves_units_once(merchant: Shopper) -> None:
    form = teas(merchant)
    for _ in range(2):
        answer = merchant.post(PATH, form)
        assert answer.status == 409
        assert ("1 row saved." in answer.text, "Keep 6.50" in answer.text) == (True, True)
        assert [name for name in fields(answer) if name.startswith("was.")] == ["was.TEA-50"]
    assert (stored("TEA-50"), stored("TEA-100")) == ((650, None, 10), (1290, 990, 8))


def test_an_answer_that_is_lost_shows_what_waits(merchant: Shopper) -> None:
    form = teas(merchant)
    with answers_lost("TransactWriteItems"):
        answer = merchant.post(PATH, form)
    assert (answer.status, "1 row saved." in answer.text) == (409, True)
    assert (stored("TEA-50"), stored("TEA-100")) == ((650, None, 10), (1290, 990, 8))


def test_what_was_typed_after_going_back_never_moves_the_same_units_twice(merchant: Shopper) -> None:
    form = teas(merchant)
    merchant.post(PATH, form)
    answer = merchant.post(PATH, {**form, "stock.TEA-100": "9", "sale.TEA-100": "cheap"})
    assert wrong(answer, "sale.TEA-100").startswith("“cheap” is not an amount")
    assert "Keep 8" in answer.text
    again = changed(
        fields(answer),
        sale_DOT_TEA__100="9.90",
        choose_DOT_stock_DOT_TEA__100="mine",
        choose_DOT_price_DOT_TEA__50="theirs",
    )
    assert merchant.post(PATH, again).status == 303
    assert (stored("TEA-50"), stored("TEA-100")) == ((650, None, 20), (1290, 990, 9))


# -- bad input --------------------------------------------------------------------------------------------


BAD = [
    ("price.MUG", "", "Please enter a price"),
    ("price.MUG", "cheap", "“cheap” is not an amount such as 12.90."),
    ("price.MUG", "1,299", "“1,299” is ambiguous: it could be 1299 or 1.299"),
    ("price.MUG", "-1", "“-1” is not an amount"),
    ("price.MUG", "0", "above zero"),
    ("price.MUG", "<b>", "&lt;b&gt;"),
    ("price.MUG", "it's", "“it&#39;s” is not an amount"),
    ("sale.MUG", "18.50", "below the price"),
    ("sale.MUG", "12.345", "“12.345” is ambiguous: it could be 12345 or 12.345"),
    ("stock.MUG", "", "whole number"),
    ("stock.MUG", "1.5", "whole number"),
    ("stock.MUG", "3²", "whole number"),
    ("stock.MUG", "+5", "Please enter the new stock itself, without a plus sign."),
    ("stock.MUG", "-7", "The stock can’t be negative."),
    ("stock.MUG", "9999999", "from 0 to 1,000,000"),
    ("stock.MUG", "9999999999", "from 0 to 1,000,000"),
    ("stock.MUG", "9" * 5000, "from 0 to 1,000,000"),
]


def test_a_bad_value_gets_its_message_and_loses_nothing(merchant: Shopper) -> None:
    form = changed(fields(merchant.get(PATH)), visible_DOT_mug=None)
    for name, value, words in BAD:
        answer = merchant.post(PATH, {**form, name: value})
        assert answer.status == 400
        assert words in wrong(answer, name)
        again = fields(answer)
        assert again[name] == value
        assert "visible.mug" not in again
        assert stored("MUG") == (1850, None, 100)
    assert merchant.post(PATH, {**again, name: "12"}).status == 303
    assert stored("MUG")[2] == 12


def test_a_row_shows_all_its_errors_together(merchant: Shopper) -> None:
    answer = edit(merchant, price_DOT_MUG="0.00", stock_DOT_MUG="many")
    assert "whole number" in wrong(answer, "stock.MUG")
    assert "above zero" in wrong(answer, "price.MUG")
    answer = edit(merchant, price_DOT_MUG="cheap", sale_DOT_MUG="99")
    assert "“cheap”" in wrong(answer, "price.MUG")
    assert 'id="sale.MUG-error"' not in answer.body  # nobody knows yet whether it is below the price


def test_beside_a_bad_value_what_is_right_is_saved(merchant: Shopper) -> None:
    answer = edit(merchant, price_DOT_BOWL="41.00", price_DOT_MUG="cheap")
    assert answer.status == 400
    assert "1 row saved." in answer.text
    assert (stored("BOWL")[0], stored("MUG")[0]) == (4100, 1850)


def test_beside_a_bad_value_the_other_variants_are_saved_and_the_row_shows_its_conflict_too(
    merchant: Shopper,
) -> None:
    answer = merchant.post(PATH, teas(merchant, sale_DOT_TEA__50="cheap"))
    assert answer.status == 409
    assert "“cheap”" in wrong(answer, "sale.TEA-50")
    assert "Keep 6.50" in answer.text
    assert fields(answer)["sale.TEA-50"] == "cheap"
    assert (stored("TEA-50"), stored("TEA-100")) == ((650, None, 10), (1290, 990, 8))


def test_a_damaged_form_is_a_400_and_changes_nothing(merchant: Shopper) -> None:
    form = changed(fields(merchant.get(PATH)), price_DOT_BOWL="41.00")
    for damage in (
        {"was.MUG": "mug|18.50"},
        {"was.MUG": "no slug!|18.50||100"},
        {"was.MU\x07G": "mug|18.50||100"},
        {"shown.mug": "perhaps"},
        {"form": ""},
        {"form": "x" * 500},
    ):
        assert merchant.post(PATH, {**form, **damage}).status == 400, damage
    assert stored("BOWL")[0] == 3990


def test_a_forged_way_back_leads_to_the_list_alone(merchant: Shopper) -> None:
    form = {
        **changed(fields(merchant.get(PATH)), price_DOT_BOWL="41.00"),
        "back": "//evil.example/&q=a%0d%0ab&x=1",
    }
    answer = merchant.post(PATH, form)
    assert answer.location.partition("?")[0].endswith(PATH)
    assert "evil" not in answer.location
    assert "\n" not in answer.location


def test_a_product_that_went_away_is_said_and_the_others_are_saved(merchant: Shopper) -> None:
    from chalicelib.catalog.models import Product

    form = changed(fields(merchant.get(PATH)), price_DOT_BOWL="41.00", price_DOT_MUG="19.00")
    Product("mug").delete()
    answer = merchant.post(PATH, form)
    assert answer.status == 409
    assert "The product “mug” no longer exists." in answer.text
    assert "What you entered is still here" not in answer.text
    assert stored("BOWL")[0] == 4100


def test_a_variant_that_went_away_is_said_and_its_siblings_are_saved(shop: Shop, merchant: Shopper) -> None:
    form = changed(fields(merchant.get(PATH)), price_DOT_TEA__50="7.10", price_DOT_TEA__100="13.00")
    shop.put_on_shelf("green-tea", "Green tea", {"TEA-100": (1290, 990, 5)}, tax_class="food")
    answer = merchant.post(PATH, form)
    assert answer.status == 400
    assert "The variant “TEA-50” is no longer sold." in answer.text
    assert "1 row saved." in answer.text
    assert fields(answer) == {}
    assert stored("TEA-100")[0] == 1300


# -- who may ----------------------------------------------------------------------------------------------


def test_finance_and_strangers_may_not(shop: Shop, finance: Shopper) -> None:
    form: dict[str, Any] = {"form": "a" * 32, "was.MUG": "mug|18.50||100", "price.MUG": "1.00"}
    assert [finance.get(PATH).status, finance.post(PATH, form).status] == [403, 403]
    stranger = shop.shopper()
    assert "/staff/login" in stranger.get(PATH).location
    assert "/staff/login" in stranger.post(PATH, form).location
    assert stored("MUG")[0] == 1850
