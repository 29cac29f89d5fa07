"""Categories on the staff's pages: made, renamed, put in order, taken away."""

from dataclasses import replace

from chalicelib.catalog import categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing.category_editing import change_category, fingerprint_of, save_categories
from tests.call_counter import counted_calls
from tests.client import Shopper
from tests.shop import Shop
from tests.staff.staff_client import trail

PATH = "/staff/categories"
TEA = {"name": "Tea", "slug": "tea", "text": "For slow mornings."}


def slugs() -> list[str]:
    return [category.slug for category in categories.read_categories()]


def tea() -> Category:
    return categories.read_categories()[0]


def test_a_category_is_made_and_is_in_the_shop_at_once(merchant: Shopper) -> None:
    assert "Pots & pans" not in merchant.get("/").text
    answer = merchant.post(PATH, {"name": "Pots & pans", "slug": "", "text": "Round.\r\nWarm."})
    assert answer.status == 303
    assert "“Pots & pans” created." in merchant.follow(answer).text
    assert categories.read_categories()[-1] == Category("pots-pans", "Pots & pans", "Round.\nWarm.")
    assert "Pots & pans" in merchant.get("/").text
    entry = trail()[-1]
    assert (entry.actor, entry.action, entry.subject) == (
        "merchant@shop.example",
        "created a category",
        "category pots-pans",
    )
    assert (entry.before, entry.after["name"]) == ({}, "Pots & pans")


def test_pressing_twice_makes_one_category(merchant: Shopper) -> None:
    for _ in range(2):
        assert merchant.post(PATH, {"name": "Pots", "slug": "pots", "text": ""}).status == 303
    assert slugs() == ["tea", "pots"]
    assert [entry.action for entry in trail()].count("created a category") == 1


def test_what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(merchant: Shopper) -> None:
    new, own = (PATH, ""), (f"{PATH}/tea", fingerprint_of(tea()))
    for typed, field, words, forms in (
        ({"name": "", "slug": "pots"}, "name", "can’t be empty", [new, own]),
        ({"name": "Pots", "slug": "po ts"}, "slug", "1 to 40 letters", [new, own]),
        ({"name": "Pots", "slug": "all"}, "slug", "“all” is reserved", [new, own]),
        ({"name": "Pots", "slug": "tea"}, "slug", "The category “Tea” already has this URL", [new]),
        ({"name": "茶", "slug": ""}, "slug", "Please enter a URL", [new]),
        ({"name": "P" * 121, "slug": "pots"}, "name", "maximum is 120", [new, own]),
        ({"name": "Pots", "slug": "pots", "text": "x" * 10_001}, "text", "the maximum is 10,000", [new, own]),
    ):
        for address, mark in forms:
            answer = merchant.post(address, {"text": "Kept.", "mark": mark, **typed})
            assert answer.status == 400
            assert words in answer.body.partition(f'id="{field}-error">')[2].partition("<")[0]
            assert f'aria-describedby="{field}-error' in answer.body
            assert (answer.field("name"), answer.field("slug")) == (typed["name"], typed["slug"])
            assert typed.get("text", "Kept.") in answer.body
    assert slugs() == ["tea"]


def test_a_name_that_another_category_has_is_refused(merchant: Shopper) -> None:
    merchant.post(PATH, {"name": "Pots & pans", "slug": "pots", "text": ""})
    pots = categories.read_categories()[1]
    for name, address, mark in (
        ("pots  &\u00a0PANS", PATH, ""),
        ("Pots & pans", f"{PATH}/tea", fingerprint_of(tea())),
    ):
        answer = merchant.post(address, {"name": name, "slug": "other", "text": "", "mark": mark})
        assert answer.status == 400
        words = answer.body.partition('id="name-error">')[2].partition("<")[0]
        assert "There’s already a category with this name." in words
    own = {"name": "POTS & pans", "slug": "pots", "text": "", "mark": fingerprint_of(pots)}
    assert merchant.post(f"{PATH}/pots", own).status == 303
    assert [category.name for category in categories.read_categories()] == ["Tea", "POTS & pans"]


def test_categories_of_one_name_from_before_keep_their_texts_changeable(merchant: Shopper) -> None:
    save_categories([Category("tea", "Tea", ""), Category("teas", "TEA", "")])
    now = {"name": "Tea", "slug": "tea", "text": "For slow mornings.", "mark": fingerprint_of(tea())}
    assert merchant.post(f"{PATH}/tea", now).status == 303
    assert tea().text == "For slow mornings."


def test_a_category_is_renamed_and_its_old_address_leads_on(merchant: Shopper) -> None:
    page = merchant.get(f"{PATH}/tea")
    assert (page.field("name"), page.field("slug")) == ("Tea", "tea")
    typed = {"name": "Leaves", "slug": "leaves", "text": "", "mark": page.field("mark")}
    answer = merchant.post(f"{PATH}/tea", typed)
    assert "The old URL, /categories/tea, redirects to it" in merchant.follow(answer).text
    moved = merchant.get("/categories/tea")
    assert (moved.status, moved.location) == (301, "/categories/leaves")
    assert "Pebble mug" in merchant.get("/categories/leaves").text
    assert "/categories/leaves" in merchant.get("/products/mug").body
    assert "/categories/tea" in merchant.get(f"{PATH}/tea").text
    assert merchant.post(f"{PATH}/tea", typed).status == 303  # pressed twice
    assert [entry.action for entry in trail()].count("changed a category") == 1
    assert trail()[-1].before == {"name": "Tea", "address": "tea", "text": "For slow mornings."}


def test_two_members_at_once_see_both_and_lose_nothing(merchant: Shopper) -> None:
    mark = merchant.get(f"{PATH}/tea").field("mark")
    shown = tea()
    change_category(replace(shown, name="Theirs"), fingerprint_of(shown))
    answer = merchant.post(f"{PATH}/tea", {"name": "Mine", "slug": "tea", "text": "My text", "mark": mark})
    assert answer.status == 409
    assert "Someone else has changed this category" in answer.text
    assert "Theirs" in answer.text
    assert (answer.field("name"), "My text" in answer.body) == ("Mine", True)
    assert tea().name == "Theirs"
    over = {"name": "Mine", "slug": "tea", "text": "My text", "mark": answer.field("mark")}
    assert merchant.post(f"{PATH}/tea", over).status == 303
    assert (tea().name, tea().text) == ("Mine", "My text")


def test_categories_are_put_in_order_by_buttons(merchant: Shopper) -> None:
    save_categories([tea(), Category("pots", "Pots", ""), Category("cups", "Cups", "")])
    page = merchant.get(PATH).body
    for key, before, wanted in (
        ("tea", "cups", ["pots", "tea", "cups"]),
        ("cups", "tea", ["pots", "cups", "tea"]),
        ("pots", "", ["cups", "tea", "pots"]),
    ):
        for _ in range(2):
            assert merchant.post(f"{PATH}/{key}/move", {"before": before}).status == 303
        assert slugs() == wanted
    assert page.count("/move") == 6
    assert page.count(" disabled>") == 2
    stale = merchant.post(f"{PATH}/cups/move", {"before": "gone"})
    assert "has changed the categories" in merchant.follow(stale).text
    assert slugs() == ["cups", "tea", "pots"]


def test_only_an_empty_category_goes(merchant: Shopper, shop: Shop) -> None:
    refused = merchant.post(f"{PATH}/tea/remove")
    assert refused.status == 409
    assert "“Tea” still has products" in refused.text
    merchant.post(PATH, {"name": "Pots", "slug": "pots", "text": ""})
    for _ in range(2):
        answer = merchant.post(f"{PATH}/pots/remove")
        assert "Category deleted" in merchant.follow(answer).text
    assert slugs() == ["tea"]
    assert [entry.action for entry in trail()].count("deleted a category") == 1


def test_a_category_that_is_gone_is_a_404(merchant: Shopper) -> None:
    assert merchant.get(f"{PATH}/gone").status == 404
    assert merchant.post(f"{PATH}/gone", TEA).status == 404


def test_finance_may_not_see_or_change_them(finance: Shopper) -> None:
    for page in (PATH, f"{PATH}/tea"):
        assert finance.get(page).status == 403
    for action in (PATH, f"{PATH}/tea", f"{PATH}/tea/move", f"{PATH}/tea/remove"):
        assert finance.post(action, TEA).status == 403
    assert categories.read_categories() == (Category("tea", "Tea", "For slow mornings."),)


def test_the_pages_ask_for_little_however_many_there_are(merchant: Shopper) -> None:
    merchant.get(PATH)
    with counted_calls() as few:
        merchant.get(PATH)
    save_categories([tea(), *(Category(f"c-{number}", f"Shelf {number}", "") for number in range(49))])
    with counted_calls() as many:
        page = merchant.get(PATH)
    assert many["Query"] <= few["Query"] + 1  # the shop's head reads them anew, too
    assert many["Scan"] == 0
    assert "the maximum number of categories" in page.text
    full = merchant.post(PATH, {"name": "One more", "slug": "one-more", "text": ""})
    assert (full.status, "number of categories. Delete one" in full.text) == (409, True)
