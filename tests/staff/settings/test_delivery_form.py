"""The form of the delivery zones: what its buttons do, and what is typed into it."""

import pytest

from chalicelib.config import country_names
from chalicelib.shop_settings.delivery import DELIVERY, MAX_ZONES
from chalicelib.staff.settings.delivery_form import (
    ZoneRow,
    edit_rows,
    find_countries,
    read_rows,
    rows_of,
    to_delivery,
)
from chalicelib.web.forms import Form


def row(**typed: str) -> ZoneRow:
    return ZoneRow(**{"name": "Home", "rate": "4.90", "add": "DE"} | typed)  # type: ignore[arg-type]  # only texts here


@pytest.mark.parametrize(
    ("text", "codes", "unknown"),
    [
        ("Germany, France", ["DE", "FR"], []),
        ("de;fr\nAT", ["DE", "FR", "AT"], []),
        ("côte d’ivoire, Cote d’Ivoire, CI", ["CI"], []),
        ("UK, USA, Great Britain, Czech Republic", ["GB", "US", "CZ"], []),
        (" , ;\n, ", [], []),
        ("Germny, FR, ZZ, DEU", ["FR"], ["Germny", "ZZ", "DEU"]),
        ("ＤＥ", ["DE"], []),
    ],
)
def test_countries_may_be_written_as_people_do(text: str, codes: list[str], unknown: list[str]) -> None:
    form = Form([("zone.0.name", "x"), ("zone.0.add", text)])
    assert find_countries(read_rows(form)[0].add) == (codes, unknown)


def test_every_country_is_found_by_its_name_and_by_its_code() -> None:
    for code, name in country_names().items():
        assert find_countries(f"{name}, {code}") == ([code], []), code


def test_a_form_of_what_counts_means_what_counts() -> None:
    delivery, errors = to_delivery(rows_of(DELIVERY.first()))
    assert (delivery, errors) == (DELIVERY.first(), {})


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"rate": ""}, {"zone.0.rate"}), ({"rate": "x"}, {"zone.0.rate"}), ({"rate": "-1"}, {"zone.0.rate"}),
        ({"rate": "1,299"}, {"zone.0.rate"}), ({"free_from": "free"}, {"zone.0.free_from"}), ({"free_from": "0"}, {"zone.0.free_from"}),
        ({"name": ""}, {"zone.0.name"}), ({"add": ""}, {"zone.0.countries"}), ({"add": "Germny"}, {"zone.0.add"}),
        ({"add": "Germny, FR"}, {"zone.0.add"}), ({"rate": "4,90 €", "free_from": "1.299,00"}, set()), ({"rate": "0"}, set()),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_beside_its_field(typed: dict[str, str], wrong: set[str]) -> None:
    assert to_delivery([row(**typed)])[1].keys() == wrong


def test_a_country_that_is_misspelt_is_guessed() -> None:
    assert to_delivery([row(add="Germny")])[1] == {
        "zone.0.add": "“Germny” isn’t a country we know. Did you mean Germany?"
    }
    assert to_delivery([row(add="Xyzzy")])[1] == {"zone.0.add": "“Xyzzy” isn’t a country we know."}


def test_more_zones_than_a_shop_may_have_are_told() -> None:
    codes = list(country_names())
    rows = [row(name=f"Zone {number}", add=codes[number]) for number in range(MAX_ZONES + 1)]
    assert to_delivery(rows)[1].keys() == {"zones"}


# -- buttons ----------------------------------------------------------------------------------------------


def three() -> list[ZoneRow]:
    return [ZoneRow(name=name, countries=[code]) for name, code in (("A", "DE"), ("B", "FR"), ("C", "AT"))]


@pytest.mark.parametrize(
    ("do", "names"),
    [
        ("zone", "ABC?"), ("remove:1", "AC"), ("up:1", "BAC"), ("up:0", "ABC"), ("down:1", "ACB"), ("down:2", "ABC"),
    ],
)  # fmt: skip
def test_zones_are_added_moved_and_removed(do: str, names: str) -> None:
    rows = three()
    assert edit_rows(rows, do)
    assert "".join(each.name or "?" for each in rows) == names


@pytest.mark.parametrize(
    "do", ["", "save", "review", "up", "up:", "up:3", "remove:-1", "remove:" + "9" * 5000, "burn:0", "add:٣"]
)
def test_what_is_no_button_changes_nothing(do: str) -> None:
    rows = three()
    assert edit_rows(rows, do) is None
    assert rows == three()


def test_countries_are_added_once_and_what_is_unknown_stays_to_be_mended() -> None:
    rows = three()
    rows[0].add = "Italy, DE, Germny, it"
    done = edit_rows(rows, "add:0")
    assert (rows[0].countries, rows[0].add) == (["DE", "IT"], "Germny")
    assert done is not None
    assert "Did you mean Germany?" in done


def test_all_others_are_those_that_no_zone_has() -> None:
    rows = three()
    edit_rows(rows, "others:1")
    assert rows[1].countries[0] == "FR"
    assert set(rows[1].countries) == country_names().keys() - {"DE", "AT"}
    assert to_delivery([ZoneRow(each.name, "1", "", each.countries) for each in rows])[1] == {}
