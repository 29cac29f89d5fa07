"""The delivery settings' pages: change, preview, save, two people at once, earlier versions, alerts."""

import re
from html import unescape

import pytest

from chalicelib.shop_settings import delivery, store
from chalicelib.shop_settings.delivery import DELIVERY
from chalicelib.shop_settings.models import CURRENT, SettingsVersion
from tests.client import Answer, Shopper
from tests.dynamodb_faults import answers_lost
from tests.shop import Shop
from tests.staff.staff_client import logged_in, trail

PATH = "/staff/settings/delivery"


def form_of(page: Answer) -> dict[str, str]:
    """Read the form of the settings as a browser would send it, without its buttons."""
    part = re.search(rf'<form[^>]*action="[^"]*{PATH}[^>]*>(.*?)</form>', page.body, re.DOTALL)
    assert part, f"no form among the settings: {page.text[:300]}"
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', each)) for each in re.findall(r"<input[^>]*", part[1])]
    return {each["name"]: unescape(each["value"]) for each in inputs}


def review(merchant: Shopper, **typed: str) -> Answer:
    """Open the form, type into the first zone, and ask what would change."""
    form = form_of(merchant.get(PATH)) | {f"zone.0.{name}": value for name, value in typed.items()}
    return merchant.post(PATH, {**form, "do": "review"})


def save(merchant: Shopper, **typed: str) -> Answer:
    return merchant.post(PATH, {**form_of(review(merchant, **typed)), "do": "save"})


def rates() -> list[int]:
    return [zone.rate for zone in store.load(DELIVERY).value.zones]


def test_what_would_change_is_shown_before_it_is_saved(shop: Shop, merchant: Shopper) -> None:
    page = review(merchant, rate="5,90 €", add="Andorra")
    assert page.status == 200
    for words in (
        "Germany: €4.90, free from €60.00",
        "Germany: €5.90, free from €60.00",
        "Andorra",
        "not shipped to",
        "Orders that are already placed keep their shipping cost.",
    ):
        assert words in page.text, words
    assert rates() == [490, 990, 1690]

    saved = merchant.post(PATH, {**form_of(page), "do": "save"})
    assert (saved.status, saved.location.endswith(PATH)) == (303, True)
    assert "Delivery settings saved. Customers see it within 10 seconds." in merchant.get(PATH).text
    assert rates() == [590, 990, 1690]
    assert list(delivery.current().countries)[:2] == ["DE", "AD"]
    (entry,) = [each for each in trail() if each.subject == "settings delivery"]
    assert (entry.actor, entry.action) == ("merchant@shop.example", "changed the delivery settings")
    assert entry.before["Germany"] == "Germany: €4.90, free from €60.00"
    assert entry.after["Germany"] == "Germany: €5.90, free from €60.00"


def test_editing_goes_on_with_what_was_reviewed(shop: Shop, merchant: Shopper) -> None:
    page = merchant.post(PATH, {**form_of(review(merchant, rate="5.90", add="Andorra")), "do": "edit"})
    assert (page.status, page.field("zone.0.rate")) == (200, "5.90")
    assert 'name="zone.0.country.AD" value="yes" checked' in page.body
    assert rates() == [490, 990, 1690]


def test_zones_are_added_and_removed_without_saving(shop: Shop, merchant: Shopper) -> None:
    page = merchant.post(PATH, {**form_of(merchant.get(PATH)), "do": "zone"})
    assert page.field("zone.3.name") == ""
    page = merchant.post(PATH, {**form_of(page), "do": "remove:1"})
    assert "“European Union” removed. Nothing is saved yet." in page.text
    page = merchant.post(PATH, {**form_of(page), "zone.2.name": "World", "zone.2.rate": "30", "zone.2.add": "US", "do": "review"})  # fmt: skip
    assert merchant.post(PATH, {**form_of(page), "do": "save"}).status == 303
    assert [zone.name for zone in store.load(DELIVERY).value.zones] == ["Germany", "Rest of Europe", "World"]


def test_an_unticked_country_is_shipped_to_no_longer(shop: Shop, merchant: Shopper) -> None:
    form = form_of(merchant.get(PATH))
    del form["zone.1.country.FR"]
    page = merchant.post(PATH, {**form, "do": "review"})
    assert "France European Union: €9.90, free from €120.00 not shipped to" in page.text
    merchant.post(PATH, {**form_of(page), "do": "save"})
    assert "FR" not in delivery.current().countries


def test_another_country_is_selected_at_checkout(shop: Shop, merchant: Shopper) -> None:
    form = form_of(merchant.get(PATH)) | {"zone.0.name": "Home", "zone.0.add": "Austria, France"}
    del form["zone.1.country.AT"], form["zone.1.country.FR"]
    page = merchant.post(PATH, {**form, "do": "add:0"})
    assert '<select id="zone.0.first"' in page.body
    page = merchant.post(PATH, {**form_of(page), "zone.0.first": "FR", "do": "review"})
    assert "Selected at checkout Germany France" in page.text
    assert merchant.post(PATH, {**form_of(page), "do": "save"}).status == 303
    assert list(delivery.current().countries)[:3] == ["FR", "DE", "AT"]


@pytest.mark.parametrize("do", ["review", "save", ""])
def test_what_is_wrong_is_marked_and_what_was_typed_is_kept(shop: Shop, merchant: Shopper, do: str) -> None:
    form = form_of(merchant.get(PATH))
    typed = {"zone.0.name": "", "zone.1.rate": "<b>", "zone.2.add": "Germny, USA"}
    page = merchant.post(PATH, {**form, **typed, "do": do})
    assert page.status == 400
    for name in typed:
        assert page.field(name) == typed[name]
        assert f'href="#{name}"' in page.body
        assert f'aria-describedby="{name}-error' in page.body
    assert "Did you mean Germany?" in page.text
    assert 'name="zone.1.country.FR" value="yes" checked' in page.body
    assert store.load(DELIVERY).number == 0


def test_fields_that_the_form_does_not_have_are_left_alone(shop: Shop, merchant: Shopper) -> None:
    form = form_of(merchant.get(PATH))
    strange = {"x": "y", "zone.0.country.ZZ": "yes", "zone.99.name": "x", "zone.0.country.de": "yes"}
    page = merchant.post(PATH, {**form, **strange, "do": "save"})
    assert (page.status, "“ZZ” isn’t the code of a country." in page.text) == (400, True)
    del strange["zone.0.country.ZZ"]
    assert merchant.post(PATH, {**form, **strange, "do": "save"}).status == 303
    assert store.load(DELIVERY).number == 0  # nothing differed


@pytest.mark.parametrize("version", ["", "x", "-1", "01", "9" * 50])
def test_a_form_without_the_version_that_it_showed_is_refused(
    shop: Shop, merchant: Shopper, version: str
) -> None:
    form = {**form_of(merchant.get(PATH)), "zone.0.rate": "1", "version": version, "do": "save"}
    assert merchant.post(PATH, form).status == 400
    assert rates() == [490, 990, 1690]


# -- two people -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", ["review", "save"])
def test_two_people_never_overwrite_each_other(shop: Shop, merchant: Shopper, do: str) -> None:
    stale = form_of(merchant.get(PATH)) | {"zone.0.rate": "5.90", "zone.0.name": "Home"}
    other = logged_in(shop.gateway, "merchant", "ann@shop.example")
    assert save(other, rate="7.50").status == 303

    page = merchant.post(PATH, {**stale, "do": do})
    assert page.status == 409
    assert "ann@shop.example has changed these settings" in page.text
    assert "Germany: €7.50, free from €60.00" in page.text
    assert "Home: €5.90, free from €60.00" in page.text
    assert (page.field("zone.0.rate"), page.field("zone.0.name")) == ("5.90", "Home")
    assert rates() == [750, 990, 1690]

    # Now both are known: what is sent again is meant.
    page = merchant.post(PATH, {**form_of(page), "do": "review"})
    assert page.status == 200
    assert merchant.post(PATH, {**form_of(page), "do": "save"}).status == 303
    assert (rates(), store.load(DELIVERY).number) == ([590, 990, 1690], 2)


def test_pressing_twice_and_a_lost_answer_save_once(shop: Shop, merchant: Shopper) -> None:
    form = {**form_of(review(merchant, rate="5.90")), "do": "save"}
    with answers_lost("TransactWriteItems"):
        assert merchant.post(PATH, form).status == 303
    assert merchant.post(PATH, form).status == 303
    assert [int(row.version) for row in SettingsVersion.scan()].count(CURRENT) == 1
    assert store.load(DELIVERY).number == 1
    assert len([entry for entry in trail() if entry.subject == "settings delivery"]) == 1


# -- versions ---------------------------------------------------------------------------------------------


def test_an_earlier_version_is_looked_at_and_restored(shop: Shop, merchant: Shopper) -> None:
    save(merchant, rate="5.90")
    save(merchant, rate="6.90")
    page = merchant.get(f"{PATH}/1")
    assert "Germany: €6.90, free from €60.00 Germany: €5.90, free from €60.00" in page.text
    assert merchant.post(f"{PATH}/1", form_of(page)).status == 303
    page = merchant.get(PATH)
    assert "Version 1 restored." in page.text
    assert "(restored from version 1)" in page.text
    assert (rates(), store.load(DELIVERY).number) == ([590, 990, 1690], 3)
    assert [entry.action for entry in trail() if entry.subject == "settings delivery"][-1] == "restored earlier delivery settings"  # fmt: skip

    assert merchant.post(f"{PATH}/0", form_of(merchant.get(f"{PATH}/0"))).status == 303
    assert "The first values restored." in merchant.get(PATH).text
    assert store.load(DELIVERY).value == DELIVERY.first()
    assert "These are the current values." in merchant.get(f"{PATH}/4").text


def test_restoring_overwrites_nothing_that_was_saved_since(shop: Shop, merchant: Shopper) -> None:
    save(merchant, rate="5.90")
    save(merchant, rate="6.90")
    form = form_of(merchant.get(f"{PATH}/1"))
    save(logged_in(shop.gateway, "merchant", "ann@shop.example"), rate="7.50")
    page = merchant.post(f"{PATH}/1", form)
    assert (page.status, rates()[0]) == (409, 750)
    assert "ann@shop.example has changed these settings" in page.text
    assert "Germany: €7.50, free from €60.00" in page.text
    assert merchant.post(f"{PATH}/1", form_of(page)).status == 303
    assert rates()[0] == 590


def test_versions_are_listed_in_pages(shop: Shop, merchant: Shopper) -> None:
    for number in range(12):
        save(merchant, rate=f"{number}.55")
    page = merchant.get(PATH)
    assert [f">View<span class=\"visually-hidden\"> version {number}<" in page.body for number in (12, 3, 2)] == [True, True, False]  # fmt: skip
    earlier = merchant.get(f"{PATH}?before=3")
    assert "version 2<" in earlier.body
    assert "the first values<" in earlier.body


@pytest.mark.parametrize("version", ["5", "x", "-1", "01", "9" * 5000, "0" * 32])
def test_a_version_that_does_not_exist_is_not_found(shop: Shop, merchant: Shopper, version: str) -> None:
    assert merchant.get(f"{PATH}/{version}").status == 404
    assert merchant.post(f"{PATH}/{version}", {"version": "0"}).status == 404


# -- the list, and what cannot be read ----------------------------------------------------------------------


def test_the_list_tells_who_changed_what_last(shop: Shop, merchant: Shopper) -> None:
    assert "3 zones, 32 countries, beginning with Germany" in merchant.get("/staff/settings").text
    assert "never, as in shop.toml" in merchant.get("/staff/settings").text
    save(merchant, rate="5.90")
    assert ", merchant@shop.example" in merchant.get("/staff/settings").text


def test_settings_that_cannot_be_read_are_an_alert_until_they_are_saved_again(
    shop: Shop, merchant: Shopper, finance: Shopper
) -> None:
    assert "can’t be read" not in merchant.get("/staff/attention").text
    save(merchant, rate="5.90")
    save(merchant, rate="6.90")
    for version in (2, CURRENT):
        row = SettingsVersion.get(DELIVERY.name, version)
        row.document = row.document.replace('"DE"', '"ZZ"')
        row.save()
    store.clear_settings_cache()

    for who in (merchant, finance):
        page = who.get("/staff/attention")
        assert "Delivery settings can’t be read" in page.text
        assert "Version 1 is used instead." in page.text
        assert "All clear" not in page.text
    assert "Shipping (Germany): €5.90" in shop.shopper_with(MUG=1).get("/cart").text
    assert "can’t be read" in merchant.get("/staff/settings").text
    assert "This version can’t be read, so it can’t be restored" in merchant.get(f"{PATH}/2").text
    assert merchant.post(f"{PATH}/2", {"version": "2"}).status == 409

    page = review(merchant)
    assert "The values stay as they are, and are saved anew." in unescape(page.text)
    assert merchant.post(PATH, {**form_of(page), "do": "save"}).status == 303
    assert "can’t be read" not in merchant.get("/staff/attention").text
    assert rates()[0] == 590
