"""The delivery zones: which are refused, how they are stored, and what a change of them means for customers."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from chalicelib.cleaning import clean_line, find_control_character
from chalicelib.config import ShippingZone, country_names
from chalicelib.shop_settings.delivery import (
    DELIVERY,
    MAX_AMOUNT,
    MAX_NAME_LENGTH,
    MAX_ZONES,
    Delivery,
    find_changes,
    read_document,
    validate_zones,
    write_document,
    zone_of_codes,
)


def zone(
    name: str = "Home", codes: str = "DE", rate: int = 490, free_from: int | None = None
) -> ShippingZone:
    return zone_of_codes(name, rate, free_from, codes.split())


HOME = zone()


# -- rules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zones", "wrong"),
    [
        ([], {"zones"}),
        ([zone(f"Zone {number}", code) for number, code in enumerate(list(country_names())[: MAX_ZONES + 1])], {"zones"}),
        ([zone("")], {"zone.0.name"}),
        ([zone("x" * (MAX_NAME_LENGTH + 1))], {"zone.0.name"}),
        ([zone("a\x07b")], {"zone.0.name"}),
        ([HOME, zone("HOME", "FR")], {"zone.1.name"}),
        ([zone(rate=-1)], {"zone.0.rate"}),
        ([zone(rate=MAX_AMOUNT + 1)], {"zone.0.rate"}),
        ([zone(free_from=0)], {"zone.0.free_from"}),
        ([zone(free_from=-5)], {"zone.0.free_from"}),
        ([zone(free_from=MAX_AMOUNT + 1)], {"zone.0.free_from"}),
        ([zone(codes="")], {"zone.0.countries"}),
        ([zone(codes="DE ZZ")], {"zone.0.countries"}),
        ([HOME, zone("Away", "FR DE")], {"zone.1.countries"}),
        ([zone(""), zone("", "", -1)], {"zone.0.name", "zone.1.name", "zone.1.rate", "zone.1.countries"}),
        ([HOME], set()),
        ([zone(rate=0, free_from=1), zone("Away", "FR AT", MAX_AMOUNT, MAX_AMOUNT)], set()),
    ],
)  # fmt: skip
def test_each_broken_rule_is_told_beside_its_field(zones: list[ShippingZone], wrong: set[str]) -> None:
    assert validate_zones(zones).keys() == wrong


def test_a_country_in_two_zones_names_both() -> None:
    assert validate_zones([HOME, zone("Away", "FR DE")])["zone.1.countries"].startswith(
        "Germany is already in “Home”."
    )


def test_what_shop_toml_says_breaks_no_rule_and_is_stored_unchanged() -> None:
    first = DELIVERY.first()
    assert validate_zones(first.zones) == {}
    assert read_document(json.loads(DELIVERY.dump(first))) == first


# -- documents --------------------------------------------------------------------------------------------

_names = (
    st.text(min_size=1, max_size=MAX_NAME_LENGTH)
    .map(clean_line)
    .filter(lambda text: 0 < len(text) <= MAX_NAME_LENGTH and find_control_character(text) is None)
)
_amounts = st.integers(0, MAX_AMOUNT)


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    """Draw zones that break no rule."""
    names = draw(st.lists(_names, min_size=1, max_size=4, unique_by=str.casefold))
    codes = draw(st.permutations(sorted(country_names())[:40]))
    share = len(codes) // len(names)
    zones = [
        zone_of_codes(
            name,
            draw(_amounts),
            draw(st.none() | st.integers(1, MAX_AMOUNT)),
            codes[at * share : at * share + draw(st.integers(1, share))],
        )
        for at, name in enumerate(names)
    ]
    return Delivery(tuple(zones))


@budget(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(deliveries())
def test_a_document_that_is_read_again_is_the_same(delivery: Delivery) -> None:
    text = DELIVERY.dump(delivery)
    again = read_document(json.loads(text))
    assert again == delivery
    assert DELIVERY.dump(again) == text
    assert list(again.countries) == list(delivery.countries)
    assert find_changes(delivery, again) == []


GOOD: dict[str, Any] = {"name": "Home", "rate": "4.90", "free_from": None, "countries": ["DE"]}


WRONG_ZONES: list[dict[str, Any]] = [
    {"name": ""}, {"name": 5}, {"name": " Home"}, {"rate": 4.9}, {"rate": "4,90"}, {"rate": "-1.00"}, {"rate": None},
    {"free_from": "0"}, {"free_from": 6}, {"countries": []}, {"countries": "DE"}, {"countries": ["ZZ"]},
    {"countries": ["DE", "DE"]}, {"countries": [["DE"]]}, {"countries": [5]}, {"countries": {"DE": 1}},
]  # fmt: skip


@pytest.mark.parametrize(
    "document",
    [
        [], "x", 5, None, {}, {"currency": "EUR"}, {"currency": "EUR", "zones": []}, {"currency": "EUR", "zones": [1]},
        {"currency": "JPY", "zones": [GOOD]}, {"currency": "EUR", "zones": {"a": GOOD}},
        *({"currency": "EUR", "zones": [{**GOOD, **wrong}]} for wrong in WRONG_ZONES),
    ],
)  # fmt: skip
def test_a_document_that_breaks_a_rule_is_never_read(document: Any) -> None:
    assert read_document({"currency": "EUR", "zones": [GOOD]}).zones[0].rate == 490
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_document(document)


# -- differences ------------------------------------------------------------------------------------------


def changed(before: list[ShippingZone], after: list[ShippingZone]) -> list[tuple[str, str, str]]:
    changes = find_changes(Delivery(tuple(before)), Delivery(tuple(after)))
    return [(change.what, change.before, change.after) for change in changes]


def test_changes_are_told_by_country_and_alike_ones_together() -> None:
    assert changed(
        [HOME, zone("EU", "FR AT CH", 990, 12000)], [HOME, zone("EU", "FR AT", 890, 12000), zone("New", "US", 0)]
    ) == [
        ("France, Austria", "EU: €9.90, free from €120.00", "EU: €8.90, free from €120.00"),
        ("Switzerland", "EU: €9.90, free from €120.00", "not shipped to"),
        ("United States", "not shipped to", "New: free"),
        ("Zones", "Home, EU", "Home, EU, New"),
    ]  # fmt: skip


def test_changes_of_order_alone_are_told_too() -> None:
    away = zone("Away", "FR AT")
    assert changed([HOME, away], [away, HOME]) == [
        ("Zones", "Home, Away", "Away, Home"),
        ("Selected at checkout", "Germany", "France"),
    ]
    assert changed([HOME, away], [HOME, zone("Away", "AT FR")]) == [
        ("Order of countries", "Germany, France, Austria", "Germany, Austria, France")
    ]
    assert changed([HOME, away], [HOME, away]) == []


def test_documents_hold_amounts_as_people_read_them() -> None:
    assert write_document(Delivery((zone(free_from=6000),))) == {
        "currency": "EUR",
        "zones": [{"name": "Home", "rate": "4.90", "free_from": "60.00", "countries": ["DE"]}],
    }
