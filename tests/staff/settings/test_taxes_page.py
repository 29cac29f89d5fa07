"""The tax settings' pages: change, preview, save, refused rates, two people at once, earlier versions, alerts."""

import re
from dataclasses import replace
from datetime import date
from html import unescape
from typing import Any

import pytest

from chalicelib.catalog.models import Product
from chalicelib.config import settings
from chalicelib.shop_settings import store, taxes
from chalicelib.shop_settings.models import CURRENT, SettingsVersion
from chalicelib.shop_settings.taxes import TAXES
from chalicelib.staff.settings.taxes_page import rates_today
from chalicelib.taxes.rules import Mode, RateRow, TaxRules
from chalicelib.taxes.tax_classes import ONLY_AT_HOME
from tests.client import Answer, Shopper
from tests.dynamodb_faults import answers_lost
from tests.shop import Shop
from tests.staff.staff_client import logged_in, trail

PATH = "/staff/settings/taxes"
FOOD = "DE,food,5,2026-01-01,“Law”"


def form_of(page: Answer) -> dict[str, str]:
    """Read the form of the settings as a browser would send it, without its buttons."""
    part = re.search(rf'<form[^>]*action="[^"]*{PATH}[^>]*>(.*?)</form>', page.body, re.DOTALL)
    assert part, f"no form among the settings: {page.text[:300]}"
    values: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", part[1]):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes["type"] not in ("radio", "checkbox") or " checked" in tag:
            values[attributes["name"]] = unescape(attributes["value"])
    for name, body in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', part[1], re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', body)
        values[name] = chosen[1] if chosen else ""
    for name, text in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>', part[1], re.DOTALL):
        values[name] = unescape(text)
    return values


def review(merchant: Shopper, **typed: str) -> Answer:
    """Open the form, change fields, and ask what would change."""
    return merchant.post(PATH, {**form_of(merchant.get(PATH)), **typed, "do": "review"})


def save(merchant: Shopper, **typed: str) -> Answer:
    return merchant.post(PATH, {**form_of(review(merchant, **typed)), "do": "save"})


def test_what_would_change_is_shown_before_it_is_saved(shop: Shop, merchant: Shopper) -> None:
    page = review(
        merchant, mode="oss", gb_number="123 4567 89", gb_limit="160", net_exports="yes", corrections=FOOD
    )
    assert page.status == 200, page.text
    for words in (
        "the rates of the shop’s own country the rates of the customer’s country (One-Stop Shop)",
        "VAT number in Great Britain none GB123456789",
        "€155.00 €160.00",
        "at the same price without the home tax",
        "Rate in DE, food, from 2026-01-01 none 5% (“Law”)",
        "Orders that are already placed keep their taxes.",
    ):
        assert words in page.text, words
    assert taxes.current() == TAXES.first()

    assert merchant.post(PATH, {**form_of(page), "do": "save"}).status == 303
    page = merchant.get(PATH)
    assert "Tax settings saved. Customers see it within 10 seconds." in page.text
    rules = taxes.current()
    assert (rules.mode, rules.gb_number, rules.gb_limit, rules.net_exports) == (
        Mode.OSS,
        "GB123456789",
        16000,
        True,
    )
    assert len(rules.corrections) == 1
    assert form_of(page) == {
        "version": "1", "mode": "oss", "country": "DE", "net_exports": "yes", "gb_number": "GB123456789", "gb_limit": "160.00",
        "voec_number": "", "voec_limit": "255.00", "note": "", "corrections": FOOD + "\n", "us_rates": "",
    }  # fmt: skip
    (entry,) = [each for each in trail() if each.subject == "settings taxes"]
    assert (entry.actor, entry.action) == ("merchant@shop.example", "changed the tax settings")
    assert entry.after["Rate in DE, food, from 2026-01-01"] == "5% (“Law”)"


def test_the_rates_that_count_today_are_on_the_page(shop: Shop, merchant: Shopper) -> None:
    assert re.search(r"DE food 7% [0-9-]{10} ", merchant.get(PATH).text)
    save(merchant, corrections=f"{FOOD}\nDE,food,6,2099-01-01,")
    assert "DE yours food 5% 2026-01-01 “Law”" in merchant.get(PATH).text
    save(
        merchant,
        mode="us",
        country="US",
        us_rates="NY,,standard,4,yes,2026-01-01\nNY,10001,standard,8.875,no,2026-01-01",
    )
    page = merchant.get(PATH)
    assert (
        "NY yours standard 4% 2026-01-01 shipping taxed NY 10001 yours standard 8.875% 2026-01-01 none"
        in page.text
    )


def test_a_class_that_only_counts_at_home_is_not_listed_elsewhere() -> None:
    def listed(rules: TaxRules) -> set[str]:
        return {each.tax_class for each in rates_today(rules) if each.territory == "DE"}

    own = RateRow("DE", "reduced", "7", date(2026, 1, 1))
    abroad = replace(TAXES.first(), country="FR")
    assert listed(TAXES.first()) - listed(abroad) == ONLY_AT_HOME
    assert "reduced" in listed(replace(abroad, corrections=(own,)))


def test_a_product_form_names_each_class_with_its_rate_at_home(shop: Shop, merchant: Shopper) -> None:
    assert "Food (7% in Germany)" in merchant.get("/staff/products/green-tea").text
    save(merchant, corrections=FOOD)
    assert "Food (5% in Germany)" in merchant.get("/staff/products/green-tea").text
    assert Product.get("green-tea").tax_class == "food"


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("corrections", "DE,food,190,2026-01-01", "Line 1, column 3 (rate): '190' is not a tax rate"),
        ("corrections", f"{FOOD}\nXX,food,7,2026-01-01", "Line 2, column 1 (territory): “XX” isn’t a territory that the shop knows"),
        ("corrections", f"{FOOD}\n{FOOD}", "Line 2 overlaps with line 1"),
        ("us_rates", "NY,10001,standard,8,no,2026-01-01", "Line 1, column 1 (state): NY has a gap"),
        ("us_rates", "NY,,standard,4,no,2026-01-01\n" + "".join(f"NY,1{n % 1000:04},standard,4,no,{2001 + n // 1000}-01-01\n" for n in range(9000)).strip(), "the shop can keep 300 kB"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("do", ["review", "save"])
def test_rates_that_are_wrong_are_refused_and_nothing_changes(
    shop: Shop, merchant: Shopper, name: str, rows: str, words: str, do: str
) -> None:
    form = {**form_of(merchant.get(PATH)), name: rows, "note": "Kept as typed", "do": do}
    page = merchant.post(PATH, form)
    assert page.status == 400
    assert words in page.text
    assert f'href="#{name}"' in page.body
    assert form_of(page) == {key: value for key, value in form.items() if key != "do"}
    assert store.load(TAXES).number == 0


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"mode": "all"}, "mode", "choose how you charge taxes"),
        ({"mode": "us"}, "country", "only for those"),
        ({"mode": "none"}, "note", "in place of taxes"),
        ({"country": "JP"}, "country", "knows no VAT rates of Japan"),
        ({"country": ""}, "country", "from which you send"),
        ({"gb_number": "12"}, "gb_number", "GB and 9 or 12 digits"),
        ({"gb_limit": ""}, "gb_limit", "what GBP 135 are worth in EUR"),
        ({"voec_limit": "<b>"}, "voec_limit", "not an amount"),
        ({"voec_number": "abc"}, "voec_number", "digits only"),
    ],
)
def test_what_is_wrong_is_marked_and_what_was_typed_is_kept(
    shop: Shop, merchant: Shopper, typed: dict[str, str], field: str, words: str
) -> None:
    page = review(merchant, **typed)
    assert page.status == 400
    assert words in page.text
    assert f'href="#{field}"' in page.body
    assert f'id="{field}-error"' in page.body
    for name, value in typed.items():
        if name not in ("mode", "country"):
            assert page.field(name) == value
    assert store.load(TAXES).number == 0


def test_rows_pasted_from_a_spreadsheet_are_read(shop: Shop, merchant: Shopper) -> None:
    rows = "territory\ttax_class\trate\tvalid_from\tsource\r\nDE\tfood\t5,5 %\t2026-01-01\tLaw\r\n"
    assert save(merchant, corrections=rows).status == 303
    assert [row.rate for row in taxes.current().corrections] == ["5.5"]


def test_editing_goes_on_with_what_was_reviewed(shop: Shop, merchant: Shopper) -> None:
    page = merchant.post(PATH, {**form_of(review(merchant, corrections=FOOD, mode="oss")), "do": "edit"})
    assert (page.status, form_of(page)["corrections"], form_of(page)["mode"]) == (200, FOOD, "oss")
    assert store.load(TAXES).number == 0


# -- two people -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", ["review", "save"])
def test_two_people_never_overwrite_each_other(shop: Shop, merchant: Shopper, do: str) -> None:
    stale = form_of(merchant.get(PATH)) | {"corrections": FOOD, "note": "Mine"}
    other = logged_in(shop.gateway, "merchant", "ann@shop.example")
    assert save(other, note="Theirs").status == 303

    page = merchant.post(PATH, {**stale, "do": do})
    assert page.status == 409
    assert "ann@shop.example has changed these settings" in page.text
    assert "Sentence in place of taxes Theirs Mine" in page.text
    assert (form_of(page)["corrections"], form_of(page)["note"]) == (FOOD, "Mine")
    assert taxes.current().note == "Theirs"

    page = merchant.post(PATH, {**form_of(page), "do": "review"})
    assert merchant.post(PATH, {**form_of(page), "do": "save"}).status == 303
    assert (taxes.current().note, store.load(TAXES).number) == ("Mine", 2)


def test_pressing_twice_and_a_lost_answer_save_once(shop: Shop, merchant: Shopper) -> None:
    form = {**form_of(review(merchant, corrections=FOOD)), "do": "save"}
    with answers_lost("TransactWriteItems"):
        assert merchant.post(PATH, form).status == 303
    assert merchant.post(PATH, form).status == 303
    assert store.load(TAXES).number == 1
    assert len([entry for entry in trail() if entry.subject == "settings taxes"]) == 1


def test_finance_changes_no_taxes(finance: Shopper) -> None:
    assert finance.get(PATH).status == 403
    assert finance.post(PATH, {"version": "0", "do": "save"}).status == 403


# -- versions, and what cannot be read ----------------------------------------------------------------------


def test_an_earlier_version_is_looked_at_and_restored(shop: Shop, merchant: Shopper) -> None:
    save(merchant, corrections=FOOD)
    save(merchant, corrections="", mode="oss")
    page = merchant.get(f"{PATH}/1")
    assert "Corrected rates 1" in page.text
    assert "Rate in DE, food, from 2026-01-01 none 5% (“Law”)" in page.text
    assert merchant.post(f"{PATH}/1", {"version": "2"}).status == 303
    assert taxes.current().corrections == (RateRow("DE", "food", "5", date(2026, 1, 1), "“Law”"),)
    assert (taxes.current().mode, store.load(TAXES).number) == (Mode.HOME, 3)
    assert merchant.post(f"{PATH}/0", {"version": "3"}).status == 303
    assert taxes.current() == TAXES.first()


def test_first_values_that_the_form_would_refuse_are_not_restored(
    shop: Shop, merchant: Shopper, setting: Any
) -> None:
    save(merchant, note="Saved")
    setting(shop=replace(settings.shop, tax_rules=TaxRules(Mode.US, "US")))
    page = merchant.get(f"{PATH}/0")
    assert "can’t be restored: ValueError: us_rates: Please add the rates of the states" in page.text
    assert merchant.post(f"{PATH}/0", {"version": "1"}).status == 409
    assert store.load(TAXES).number == 1


def test_the_list_tells_what_counts(shop: Shop, merchant: Shopper) -> None:
    assert "The rates of the shop’s own country, sent from Germany" in merchant.get("/staff/settings").text
    save(merchant, corrections=FOOD)
    assert "sent from Germany, 1 own rate" in merchant.get("/staff/settings").text


def test_settings_that_cannot_be_read_are_an_alert_and_the_version_before_counts(
    shop: Shop, merchant: Shopper
) -> None:
    save(merchant, corrections=FOOD)
    save(merchant, corrections="DE,food,6,2026-01-01,")
    for version in (2, CURRENT):
        row = SettingsVersion.get(TAXES.name, version)
        row.document = row.document.replace("DE,food,6", "DE,food,190")
        row.save()
    store.clear_settings_cache()

    assert [each.rate for each in taxes.current().corrections] == ["5"]
    page = merchant.get("/staff/attention")
    assert "Tax settings can’t be read" in page.text
    assert "Version 1 is used instead." in page.text
    assert shop.place(shop.shopper_with(TEA_50=1)).status == 303  # shoppers notice nothing
    assert list(shop.orders()[0].taxes) == ["5"]  # the tea's, and that of its shipping
    assert save(merchant).status == 303
    assert "can’t be read" not in merchant.get("/staff/attention").text
