"""Which address is in which territory and VAT area, and what a German shop in the One-Stop Shop charges there."""

from datetime import date

import pytest

from chalicelib.taxes.assessment import Destination, PricedLine, Scheme, assess
from chalicelib.taxes.rules import Mode, TaxRules
from chalicelib.taxes.territories import Area, find_territory, list_territories

GERMAN = TaxRules(
    Mode.OSS,
    "DE",
    gb_number="GB123456789",
    gb_limit=15500,
    voec_number="2000000",
    voec_limit=26000,
)
LINES = [PricedLine("standard", 1190, 1), PricedLine("food", 1070, 1), PricedLine("books", 1070, 1)]
EXPORT = "0 0 0"
# country, postal code, territory, area, scheme, rates of standard goods, food and books in December 2026
DESTINATIONS = [
    ("AT", "1010", "AT", "EU", "oss", "20 10 10"),
    ("AT", "6691", "AT", "EU", "oss", "20 10 10"),  # Jungholz: 19% is for sellers established there
    ("DE", "87491", "AT", "EU", "oss", "20 10 10"),  # Jungholz by its German code
    ("DE", "87568", "AT", "EU", "oss", "20 10 10"),  # Hirschegg, Kleinwalsertal
    ("BE", "1000", "BE", "EU", "oss", "21 6 6"),
    ("BG", "1000", "BG", "EU", "oss", "20 20 9"),
    ("CY", "1010", "CY", "EU", "oss", "19 5 3"),
    ("CY", "99150", "CY-NORTH", "", "export", EXPORT),
    ("CZ", "110 00", "CZ", "EU", "oss", "21 12 0"),
    ("DE", "10115", "DE", "EU", "home", "19 7 7"),
    ("DE", "78266", "DE-BUESINGEN", "", "export", EXPORT),
    ("DE", "D-27498", "DE-HELGOLAND", "", "export", EXPORT),
    ("DE", "27499", "DE", "EU", "home", "19 7 7"),
    ("DK", "1000", "DK", "EU", "oss", "25 25 25"),
    ("FO", "100", "FO", "", "export", EXPORT),
    ("DK", "FO-100", "FO", "", "export", EXPORT),
    ("DK", "3900", "GL", "", "export", EXPORT),
    ("GL", "3900", "GL", "", "export", EXPORT),
    ("EE", "10111", "EE", "EU", "oss", "24 24 9"),
    ("ES", "28001", "ES", "EU", "oss", "21 10 4"),
    ("ES", "07001", "ES", "EU", "oss", "21 10 4"),  # the Balearic Islands are in the area
    ("ES", "35001", "ES-CN", "", "export", EXPORT),
    ("ES", "38001", "ES-CN", "", "export", EXPORT),
    ("ES", "51001", "ES-CE", "", "export", EXPORT),
    ("ES", "52001", "ES-ML", "", "export", EXPORT),
    ("FI", "00100", "FI", "EU", "oss", "25.5 13.5 13.5"),
    ("FI", "22100", "AX", "", "export", EXPORT),
    ("AX", "AX-22100", "AX", "", "export", EXPORT),
    ("FR", "75001", "FR", "EU", "oss", "20 5.5 5.5"),
    ("MC", "98000", "FR", "EU", "oss", "20 5.5 5.5"),
    ("FR", "20000", "FR-20R", "EU", "oss", "20 2.1 2.1"),
    ("FR", "97110", "GP", "", "export", EXPORT),
    ("FR", "97133", "BL", "", "export", EXPORT),
    ("FR", "97150", "MF", "", "export", EXPORT),
    ("FR", "97200", "MQ", "", "export", EXPORT),
    ("FR", "97300", "GF", "", "export", EXPORT),
    ("RE", "97400", "RE", "", "export", EXPORT),
    ("FR", "97500", "PM", "", "export", EXPORT),
    ("FR", "97600", "YT", "", "export", EXPORT),
    ("FR", "98600", "WF", "", "export", EXPORT),
    ("FR", "98714", "PF", "", "export", EXPORT),
    ("FR", "98800", "NC", "", "export", EXPORT),
    ("GR", "105 57", "GR", "EU", "oss", "24 13 6"),
    ("EL", "10557", "GR", "EU", "oss", "24 13 6"),
    (
        "GR",
        "81100",
        "GR",
        "EU",
        "oss",
        "24 13 6",
    ),  # Lesbos: its lower rates are for sellers established there
    ("GR", "63086", "GR-69", "", "export", EXPORT),
    ("GR", "630 87", "GR-69", "", "export", EXPORT),
    ("HR", "10000", "HR", "EU", "oss", "25 25 5"),
    ("HU", "1011", "HU", "EU", "oss", "27 27 5"),
    ("IE", "D01 F5P2", "IE", "EU", "oss", "23 0 0"),
    ("IT", "00100", "IT", "EU", "oss", "22 10 4"),
    ("IT", "23041", "IT-LIVIGNO", "", "export", EXPORT),
    ("IT", "22061", "IT-CAMPIONE", "", "export", EXPORT),
    ("IT", "47890", "SM", "", "export", EXPORT),
    ("SM", "47890", "SM", "", "export", EXPORT),
    ("IT", "00120", "VA", "", "export", EXPORT),
    ("LT", "LT-01100", "LT", "EU", "oss", "21 21 5"),
    ("LU", "L-1009", "LU", "EU", "oss", "17 3 3"),
    ("LV", "LV-1001", "LV", "EU", "oss", "21 21 5"),
    ("MT", "VLT 1000", "MT", "EU", "oss", "18 0 5"),
    ("NL", "1011 AB", "NL", "EU", "oss", "21 9 9"),
    ("PL", "00-001", "PL", "EU", "oss", "23 5 5"),
    ("PT", "1000-001", "PT", "EU", "oss", "23 23 6"),
    ("PT", "9000-001", "PT-30", "EU", "oss", "22 22 4"),
    ("PT", "9400-001", "PT-30", "EU", "oss", "22 22 4"),  # Porto Santo
    ("PT", "9500-001", "PT-20", "EU", "oss", "16 16 4"),
    ("RO", "010011", "RO", "EU", "oss", "21 11 11"),
    ("SE", "111 20", "SE", "EU", "oss", "25 6 6"),
    ("SI", "1000", "SI", "EU", "oss", "22 9.5 5"),
    ("SK", "811 01", "SK", "EU", "oss", "23 19 5"),
    ("GB", "bt1 5gs", "XI", "EU", "oss", "20 0 0"),
    ("GB", "SW1A 1AA", "GB", "GB", "gb", "20 0 0"),
    ("UK", "eh1 1yz", "GB", "GB", "gb", "20 0 0"),
    ("IM", "IM1 1AA", "GB", "GB", "gb", "20 0 0"),
    ("GB", "IM1 1AA", "GB", "GB", "gb", "20 0 0"),
    ("GB", "JE2 3AB", "JE", "", "export", EXPORT),
    ("GG", "GY1 1AA", "GG", "", "export", EXPORT),
    ("GI", "GX11 1AA", "GI", "", "export", EXPORT),
    ("NO", "0150", "NO", "NO", "no", "25 0 0"),  # food is an export there
    ("NO", "9170", "SJ", "", "export", EXPORT),
    ("CH", "8001", "CH", "CH", "export", EXPORT),
    ("LI", "9490", "LI", "CH", "export", EXPORT),
    ("IS", "101", "IS", "", "export", EXPORT),
    ("AD", "AD500", "AD", "", "export", EXPORT),
    ("US", "10001", "US", "", "export", EXPORT),
    ("JP", "100-0001", "JP", "", "export", EXPORT),
]


@pytest.mark.parametrize(("country", "postal_code", "code", "area", "scheme", "rates"), DESTINATIONS)
def test_address_has_its_territory_scheme_and_rates(
    country: str, postal_code: str, code: str, area: str, scheme: str, rates: str
) -> None:
    territory = find_territory(country, postal_code)
    assert (territory.code, territory.area) == (code, area)
    written = f" {postal_code.lower().replace('-', ' ')} "
    assert find_territory(country.lower(), written) == territory

    found = assess(GERMAN, Destination(country, postal_code), LINES, 490, date(2026, 12, 1))
    assert (found.scheme, found.territory, " ".join(found.rates)) == (scheme, code, rates)


@pytest.mark.parametrize(
    ("country", "region", "code"),
    [
        ("ES", "", "ES"),
        ("ES", "Las Palmas", "ES-CN"),
        ("ES", " ceuta ", "ES-CE"),
        ("GB", "", "GB"),
        ("GB", "Northern Ireland", "XI"),
        ("PT", "Açores", "PT-20"),
        ("FI", "Åland", "AX"),
        ("DE", "Bayern", "DE"),
    ],
)
def test_region_decides_without_a_postal_code(country: str, region: str, code: str) -> None:
    assert find_territory(country, "", region).code == code


def test_postal_code_outweighs_a_region() -> None:
    assert find_territory("ES", "28001", "Las Palmas").code == "ES"


@pytest.mark.parametrize("country", ["", "D", "DEU", "D1", "Germany", "ДЕ"])
def test_what_is_no_country_is_refused(country: str) -> None:
    with pytest.raises(ValueError, match="two letters"):
        find_territory(country, "10115")


def test_every_territory_has_a_source_and_is_found_by_no_other_ones_code() -> None:
    territories = list_territories()
    assert len({each.code for each in territories}) == len(territories)
    assert all(each.source and each.name for each in territories)
    members = {each.code for each in territories if each.area is Area.EU and "-" not in each.code}
    assert len(members - {"XI"}) == 27


def test_member_state_of_a_part_is_its_country() -> None:
    assert [
        find_territory(*each).state for each in (("FR", "20000"), ("PT", "9500"), ("GB", "BT1"), ("MC",))
    ] == [
        "FR",
        "PT",
        "XI",
        "FR",
    ]


def test_whole_table_is_judged() -> None:
    assert len(DESTINATIONS) >= 60
    assert {each[4] for each in DESTINATIONS} >= {
        Scheme.HOME,
        Scheme.OSS,
        Scheme.EXPORT,
        Scheme.GB,
        Scheme.NO,
    }
