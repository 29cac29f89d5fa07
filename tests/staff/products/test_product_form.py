"""One product's form: made, changed, never over somebody else's change, nothing typed ever lost."""

import re
from html import unescape

from chalicelib.catalog.editing.product_editing import products_by_sku
from chalicelib.catalog.editing.product_validation import MAX_VARIANTS
from chalicelib.catalog.images.product_images import get_product
from chalicelib.catalog.models import Product, Stock
from chalicelib.database.reads import get
from tests.client import Answer, Shopper
from tests.dynamodb_faults import answers_lost
from tests.shop import Shop
from tests.staff.staff_client import logged_in, trail

NEW = "/staff/products/new"
GREEN = "/staff/products/green-tea"
MUG = "/staff/products/mug"


def form_of(answer: Answer) -> dict[str, str]:
    """Read the form of a page as a browser would send it."""
    body = answer.body[answer.body.index('class="product-form"') :]
    values: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", body):
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if attributes.get("type") == "checkbox" and " checked" not in tag:
            continue
        if "name" in attributes:
            values[attributes["name"]] = unescape(attributes.get("value", ""))
    text = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", body, re.S)
    assert text
    values["text"] = unescape(text[1])
    for name in ("category", "tax_class"):
        chosen = re.search(rf'<select[^>]*name="{name}".*?<option value="([^"]*)" selected', body, re.S)
        values[name] = chosen[1] if chosen else ""
    return values


def save(who: Shopper, address: str, form: dict[str, str], do: str = "save", **changed: str) -> Answer:
    return who.post(
        address, {**form, "do": do, **{name.replace("__", "."): value for name, value in changed.items()}}
    )


def new_form(who: Shopper, **changed: str) -> dict[str, str]:
    return {
        **form_of(who.get(NEW)),
        "name": "Grüner Becher",
        "category": "tea",
        "text": "Holds *tea*.",
        "v.0.sku": "CUP-1",
        "v.0.price": "12.90",
        "v.0.stock": "7",
        **changed,
    }


def prices(sku: str) -> tuple[float | None, float | None, float]:
    stock = get(Stock, sku)
    assert stock is not None
    return stock.price, stock.sale_price, stock.available


# -- making -----------------------------------------------------------------------------------------------


def test_a_product_is_made_at_an_address_made_of_its_name(merchant: Shopper) -> None:
    answer = save(merchant, NEW, new_form(merchant, visible="yes"))
    assert (answer.status, answer.location) == (303, "/staff/products/gruner-becher/pictures")
    page = merchant.get("/products/gruner-becher")
    assert "<em>tea</em>" in page.body
    assert "€12.90" in page.text
    assert prices("CUP-1") == (1290, None, 7)
    entry = trail()[-1]
    assert (entry.actor, entry.action, entry.subject) == (
        "merchant@shop.example",
        "created a product",
        "product gruner-becher",
    )
    assert entry.after["CUP-1 price"] == "12.90"


def test_a_new_product_stays_hidden_until_it_is_ticked(merchant: Shopper) -> None:
    save(merchant, NEW, new_form(merchant))
    assert merchant.get("/products/gruner-becher").status == 404


def test_pressing_twice_makes_one(merchant: Shopper) -> None:
    form = new_form(merchant)
    assert [save(merchant, NEW, form).status for _ in range(2)] == [303, 303]
    assert get_product("gruner-becher").version == 1
    assert prices("CUP-1")[2] == 7


def test_an_address_that_is_taken_is_said_beside_it(merchant: Shopper) -> None:
    answer = save(merchant, NEW, new_form(merchant, slug="mug"))
    assert answer.status == 409
    assert "Another product already has this URL" in answer.text
    assert form_of(answer)["name"] == "Grüner Becher"
    assert get_product("mug").name == "Pebble mug"


def test_a_missing_name_is_one_fault_and_its_address_is_none(merchant: Shopper) -> None:
    answer = save(merchant, NEW, new_form(merchant, name="", slug=""))
    assert answer.status == 400
    assert 'id="name-error"' in answer.body
    assert "The slug" not in answer.text


def test_an_address_that_cannot_be_is_refused(merchant: Shopper) -> None:
    for changed in ({"slug": "new"}, {"slug": "a b"}, {"slug": "../x"}, {"slug": "ü"}, {"name": "茶"}):
        answer = save(merchant, NEW, new_form(merchant, **changed))
        assert answer.status == 400
        assert 'id="slug-error"' in answer.body
        assert form_of(answer)["slug"] == changed.get("slug", "")


# -- changing ---------------------------------------------------------------------------------------------


def test_an_unchanged_form_changes_nothing(merchant: Shopper) -> None:
    form = form_of(merchant.get(GREEN))
    assert (form["v.0.sku"], form["v.0.price"], form["v.1.sale_price"]) == ("TEA-50", "6.90", "9.90")
    answer = merchant.follow(save(merchant, GREEN, form))
    assert "No changes to save." in answer.text
    assert get_product("green-tea").version == 1


def test_everything_can_be_changed_and_is_in_the_trail(merchant: Shopper, shop: Shop) -> None:
    merchant.get("/products/green-tea")
    form = form_of(merchant.get(GREEN))
    answer = save(
        merchant, GREEN, form, name="Sencha", text="# Bright\r\n\r\nand *grassy*", tax_class="standard", added="2026-01-02",
        option__0="Weight", v__0__option__0="50 g", v__0__price="7.50", v__0__sale_price="7", v__1__option__0="100 g",
        v__1__sale_price="", v__1__price="12,95",
    )  # fmt: skip
    assert answer.status == 303, answer.text
    product = get_product("green-tea")
    assert (product.name, product.text, product.tax_class, product.added) == (
        "Sencha",
        "# Bright\n\nand *grassy*",
        "standard",
        "2026-01-02",
    )
    assert [variant["options"] for variant in product.variants] == [{"Weight": "50 g"}, {"Weight": "100 g"}]
    assert (prices("TEA-50"), prices("TEA-100")) == ((750, 700, 10), (1295, None, 5))
    assert "Sencha" in merchant.get("/products/green-tea").text  # its own process shows it at once
    entry = trail()[-1]
    assert (entry.before["name"], entry.after["name"]) == ("Green tea", "Sencha")
    assert (entry.before["TEA-100 sale price"], entry.after["TEA-100 sale price"]) == ("9.90", "")
    assert "category" not in entry.before


def test_hiding_takes_the_product_out_of_the_shop(merchant: Shopper) -> None:
    form = form_of(merchant.get(GREEN))
    del form["visible"]
    assert save(merchant, GREEN, form).status == 303
    assert merchant.get("/products/green-tea").status == 404
    assert merchant.get(GREEN).status == 200


def test_sales_meanwhile_are_not_undone(merchant: Shopper, shop: Shop) -> None:
    form = form_of(merchant.get(MUG))
    shop.placed(MUG=3)
    assert save(merchant, MUG, form, v__0__price="20", v__0__stock="100").status == 303
    assert prices("MUG") == (2000, None, 97)


def test_a_new_variant_comes_with_its_units(merchant: Shopper) -> None:
    form = form_of(save(merchant, GREEN, form_of(merchant.get(GREEN)), "row"))
    answer = save(
        merchant,
        GREEN,
        form,
        v__2__sku="TEA-500",
        v__2__option__0="TEA-500",
        v__2__price="50",
        v__2__stock="3",
    )
    assert answer.status == 303, answer.text
    assert prices("TEA-500") == (5000, None, 3)


def test_the_answer_to_saving_may_be_lost(merchant: Shopper) -> None:
    form = form_of(merchant.get(GREEN))
    with answers_lost("TransactWriteItems"):
        assert save(merchant, GREEN, form, name="Sencha").status == 303
    assert (get_product("green-tea").name, get_product("green-tea").version) == ("Sencha", 2)


# -- rows without a script --------------------------------------------------------------------------------


def test_rows_and_options_come_and_go_and_keep_all_that_is_typed(merchant: Shopper) -> None:
    form = new_form(merchant, **{"v.0.price": "12,9o"})
    for do in ("row", "option", "row", "preview"):
        answer = save(merchant, NEW, form, do)
        assert answer.status == 200
        form = form_of(answer)
    assert {"v.2.sku", "option.1", "v.2.option.1"} <= form.keys()
    assert "<em>tea</em>" in answer.body
    form = form_of(save(merchant, NEW, form, "remove:1", v__2__sku="CUP-3"))
    assert (form["v.0.price"], form["v.1.sku"], "v.2.sku" in form) == ("12,9o", "CUP-3", False)
    assert get(Product, "gruner-becher") is None


def test_a_variant_that_is_sold_is_not_removed_by_a_button_that_is_not_there(merchant: Shopper) -> None:
    form = form_of(save(merchant, GREEN, form_of(merchant.get(GREEN)), "remove:0"))
    assert form["v.0.sku"] == "TEA-50"


def test_odd_buttons_do_nothing(merchant: Shopper) -> None:
    form = form_of(merchant.get(GREEN))
    for do in ("", "remove:", "remove:99", "remove:-1", "remove:²", "row:x", "drop tables"):
        assert save(merchant, GREEN, form, do).status == 200
    assert get_product("green-tea").version == 1


def test_stopping_to_sell_a_variant_is_asked_about(merchant: Shopper) -> None:
    form = form_of(merchant.get(GREEN))
    answer = save(merchant, GREEN, form, v__0__gone="yes")
    assert answer.status == 409
    assert "Stop selling TEA-50?" in answer.text
    assert "TEA-50: 10" in answer.text
    assert len(get_product("green-tea").variants) == 2
    answer = save(merchant, GREEN, form_of(answer), "drop")
    assert answer.status == 303
    assert [variant["sku"] for variant in get_product("green-tea").variants] == ["TEA-100"]
    assert products_by_sku(["TEA-50"]) == {}  # nobody's, but not forgotten
    assert prices("TEA-50")[2] == 10


def test_a_sku_that_comes_back_brings_its_units(merchant: Shopper) -> None:
    form = form_of(save(merchant, GREEN, form_of(merchant.get(GREEN)), v__0__gone="yes"))
    save(merchant, GREEN, form, "drop")
    again = new_form(merchant, **{"v.0.sku": "TEA-50"})
    answer = save(merchant, NEW, again)
    assert answer.status == 400
    assert "This SKU already has 10 in stock. Please enter 10." in answer.text
    assert save(merchant, NEW, again, v__0__stock="10").status == 303


# -- two at once ------------------------------------------------------------------------------------------


def test_both_values_are_shown_where_two_changed_the_same(merchant: Shopper, shop: Shop) -> None:
    other = logged_in(shop.gateway, "merchant", "other@shop.example")
    mine, theirs = form_of(merchant.get(GREEN)), form_of(other.get(GREEN))
    assert save(other, GREEN, theirs, name="Theirs", tax_class="standard", v__0__price="8").status == 303
    answer = save(merchant, GREEN, mine, name="Mine", tax_class="books", text="My new text.", v__0__price="9")
    assert answer.status == 409
    assert re.search(r"Name Theirs Mine Tax class Standard Printed books TEA-50 .*€8.00.*€9.00", answer.text)
    kept = form_of(answer)
    assert (kept["name"], kept["text"], kept["v.0.price"]) == ("Mine", "My new text.", "9")
    assert get_product("green-tea").name == "Theirs"

    assert save(merchant, GREEN, kept, "mine").status == 303
    product = get_product("green-tea")
    assert (product.name, product.text, prices("TEA-50")[0]) == ("Mine", "My new text.", 900)
    assert trail()[-1].before["name"] == "Theirs"


def test_theirs_can_be_kept_without_losing_the_rest(merchant: Shopper, shop: Shop) -> None:
    other = logged_in(shop.gateway, "merchant", "other@shop.example")
    mine, theirs = form_of(merchant.get(GREEN)), form_of(other.get(GREEN))
    save(other, GREEN, theirs, name="Theirs", v__0__price="8")
    conflict = save(merchant, GREEN, mine, name="Mine", text="My new text.", v__0__price="9")
    assert save(merchant, GREEN, form_of(conflict), "theirs").status == 303
    product = get_product("green-tea")
    assert (product.name, product.text, prices("TEA-50")[0]) == ("Theirs", "My new text.", 800)


def test_what_only_one_of_two_changed_is_no_conflict(merchant: Shopper, shop: Shop) -> None:
    other = logged_in(shop.gateway, "merchant", "other@shop.example")
    mine, theirs = form_of(merchant.get(GREEN)), form_of(other.get(GREEN))
    save(other, GREEN, theirs, tax_class="standard", v__0__price="8")
    answer = save(merchant, GREEN, mine, name="Mine")
    assert "Changes made by someone else were kept: Tax class, Variants." in merchant.follow(answer).text
    product = get_product("green-tea")
    assert (product.name, product.tax_class, prices("TEA-50")[0]) == ("Mine", "standard", 800)


def test_a_third_change_between_is_shown_again(merchant: Shopper, shop: Shop) -> None:
    other = logged_in(shop.gateway, "merchant", "other@shop.example")
    mine, theirs = form_of(merchant.get(GREEN)), form_of(other.get(GREEN))
    save(other, GREEN, theirs, name="Theirs")
    conflict = form_of(save(merchant, GREEN, mine, name="Mine"))
    save(other, GREEN, form_of(other.get(GREEN)), name="Theirs again")
    answer = save(merchant, GREEN, conflict, "mine")
    assert (answer.status, "Theirs again" in answer.text) == (409, True)


def test_a_form_whose_marks_are_lost_overwrites_nothing(merchant: Shopper) -> None:
    form = form_of(merchant.get(GREEN))
    for seen in ("", "name", "name:", "::", "text:0123456789ab", "name:0123456789ab" * 2000):
        assert save(merchant, GREEN, form, seen=seen, name="Mine").status == 409
    assert get_product("green-tea").name == "Green tea"


# -- what is wrong ----------------------------------------------------------------------------------------


WRONG = [
    ("name", "", "This can’t be empty."),
    ("name", "x" * 121, "maximum is 120"),
    ("name", "a\x07b", "control characters such as U+0007"),
    ("text", "x" * 10_001, "maximum is 10,000"),
    ("category", "cheese", "Please choose a category."),
    ("tax_class", "19", "Please choose a tax class"),
    ("added", "yesterday", "is not a date"),
    ("added", "2026-02-30", "is not a date"),
    ("v.0.price", "", "Please enter a price."),
    ("v.0.price", "1,299", "“1,299” is ambiguous: it could be 1299 or 1.299"),
    ("v.0.price", "-1", "is not an amount"),
    ("v.0.price", "0", "must be above zero"),
    ("v.0.price", "1e3", "is not an amount"),
    ("v.0.sale_price", "7.00", "below the price"),
    ("v.0.sale_price", "cheap", "is not an amount"),
    ("v.1.option.0", "TEA-50", "the same options"),
    ("v.1.option.0", "", "can’t be empty"),
    ("option.0", "", "Please name this option"),
    ("v.2.sku", "", "A SKU must have 1 to 64"),
    ("v.2.sku", "MUG", "is used by the product “mug”"),
    ("v.2.sku", "TEA-50", "is used twice"),
    ("v.2.sku", "T" * 65, "A SKU must have 1 to 64"),
    ("v.2.stock", "-1", "whole number"),
    ("v.2.stock", "lots", "whole number"),
    ("v.2.stock", "1000001", "from 0 to 1,000,000"),
]


def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_lost(merchant: Shopper) -> None:
    form = form_of(save(merchant, GREEN, form_of(merchant.get(GREEN)), "row"))
    form |= {"name": "Typed", "v.2.sku": "TEA-9", "v.2.option.0": "9", "v.2.price": "9", "v.2.stock": "9"}
    for name, value, words in WRONG:
        sent = {**form, name: value}
        answer = save(merchant, GREEN, sent)
        assert answer.status == 400, name
        said = re.search(rf'id="{re.escape(name)}-error">([^<]*)<', answer.body)
        assert said, answer.text
        assert words in unescape(said[1])
        field = re.search(rf'id="{re.escape(name)}"[^>]*', answer.body)
        assert field
        assert 'aria-invalid="true"' in field[0]
        assert f'aria-describedby="{name}-error' in field[0]
        kept = form_of(answer)
        assert {each: kept[each] for each in sent if each not in ("category", "tax_class")} == {
            each: typed for each, typed in sent.items() if each not in ("category", "tax_class")
        }
    assert get_product("green-tea").version == 1


def test_a_product_needs_a_variant(merchant: Shopper) -> None:
    form = form_of(merchant.get(MUG))
    answer = save(merchant, MUG, form, v__0__gone="yes")
    assert (answer.status, 'id="variants-error"' in answer.body) == (400, True)


def test_the_largest_product_fits_into_its_form(merchant: Shopper) -> None:
    form = new_form(merchant, text="漢" * 10_000)
    form |= {f"option.{option}": f"Option {option}" for option in range(4)}
    for number in range(MAX_VARIANTS):
        row = {"sku": f"CUP-{number}", "price": "1", "sale_price": "", "stock": "1"}
        form |= {f"v.{number}.{name}": value for name, value in row.items()}
        form |= {f"v.{number}.option.{option}": f"{number} {'x' * 50}" for option in range(4)}
    assert save(merchant, NEW, form).status == 303
    big = form_of(merchant.get("/staff/products/gruner-becher"))
    assert save(merchant, "/staff/products/gruner-becher", big, name="Big").status == 303


def test_no_text_breaks_out_of_the_form(merchant: Shopper) -> None:
    evil = '"><script>alert(1)</script>'
    form = new_form(merchant, name=evil, text=f"</textarea>{evil}", slug=evil)
    answer = save(merchant, NEW, form)
    assert answer.status == 400
    assert "<script>alert" not in answer.body
    assert form_of(answer)["text"] == f"</textarea>{evil}"


# -- who --------------------------------------------------------------------------------------------------


def test_finance_and_strangers_change_nothing(merchant: Shopper, finance: Shopper, shopper: Shopper) -> None:
    form = form_of(merchant.get(GREEN))
    assert save(finance, GREEN, form, name="Theirs").status == 403
    assert finance.get(GREEN).status == 403
    assert save(shopper, GREEN, form, name="Theirs").status == 303
    assert get_product("green-tea").name == "Green tea"


def test_a_product_that_is_not_there_is_a_404(merchant: Shopper) -> None:
    form = form_of(merchant.get(GREEN))
    assert merchant.get("/staff/products/none").status == 404
    assert save(merchant, "/staff/products/none", form).status == 404
    assert get(Product, "none") is None
