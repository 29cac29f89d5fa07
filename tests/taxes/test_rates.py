"""The file of rates: nothing is missing, doubled or absurd; and what counts on a day."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from chalicelib import money
from chalicelib.taxes.assessment import Destination, PricedLine, assess
from chalicelib.taxes.rates import all_rates, find_rate, taxed_territories
from chalicelib.taxes.rules import Mode, RateRow, TaxRules
from chalicelib.taxes.tax_classes import NAMES, TaxClass
from chalicelib.taxes.territories import Area, list_territories

BEGIN = date(2024, 1, 1)
TODAY = date(2026, 12, 1)


def rate_of(territory: str, tax_class: str, day: date, *corrections: RateRow) -> str | None:
    found = find_rate(territory, tax_class, day, corrections)
    return found.rate if found else None


def test_every_class_has_a_rate_everywhere_from_the_first_day_on() -> None:
    taxed = {each.code for each in list_territories() if each.area is not Area.NONE}
    assert taxed | {"IS"} == taxed_territories()
    missing = [
        (code, tax_class)
        for code in taxed_territories()
        for tax_class in TaxClass
        if find_rate(code, tax_class, BEGIN) is None
    ]
    assert missing == []


def test_no_row_is_doubled_unknown_or_without_a_source() -> None:
    keys = Counter((row.territory, row.tax_class, row.valid_from) for row in all_rates())
    assert max(keys.values()) == 1
    assert {row.tax_class for row in all_rates()} == set(TaxClass) == NAMES.keys()
    assert all(row.source for row in all_rates())
    assert all(row.valid_from >= BEGIN for row in all_rates())


def test_rates_are_plausible_and_in_their_shortest_form() -> None:
    for row in all_rates():
        assert money.parse_tax_rate(row.rate) == row.rate
        standard = rate_of(row.territory, TaxClass.STANDARD, row.valid_from)
        assert standard is not None
        assert 0 <= Decimal(row.rate) <= Decimal(standard) <= 27, row


def test_each_change_changes_something() -> None:
    for row in all_rates():
        before = rate_of(row.territory, row.tax_class, row.valid_from - timedelta(days=1))
        assert row.valid_from == BEGIN or before != row.rate, row


@pytest.mark.parametrize(
    ("territory", "tax_class", "changes", "before", "after"),
    [
        ("FI", "standard", "2024-09-01", "24", "25.5"),
        ("PT-30", "books", "2024-10-01", "5", "4"),
        ("SK", "standard", "2025-01-01", "20", "23"),
        ("SK", "food", "2025-01-01", "20", "19"),
        ("FI", "books", "2025-01-01", "10", "14"),
        ("EE", "standard", "2025-07-01", "22", "24"),
        ("RO", "standard", "2025-08-01", "19", "21"),
        ("RO", "food", "2025-08-01", "9", "11"),
        ("FI", "food", "2026-01-01", "14", "13.5"),
        ("LT", "books", "2026-01-01", "9", "5"),
        ("SE", "food", "2026-04-01", "12", "6"),
        ("SE", "food", "2028-01-01", "6", "12"),
    ],
)
def test_known_changes_count_from_midnight_on(
    territory: str, tax_class: str, changes: str, before: str, after: str
) -> None:
    day = date.fromisoformat(changes)
    assert rate_of(territory, tax_class, day - timedelta(days=1)) == before
    assert rate_of(territory, tax_class, day) == after


def test_part_of_a_country_has_its_countrys_rate_where_it_has_none() -> None:
    assert rate_of("FR-20R", "food", TODAY) == "2.1"
    assert rate_of("FR-20R", "standard", TODAY) == rate_of("FR", "standard", TODAY) == "20"


def test_correction_replaces_a_row_or_adds_a_later_one() -> None:
    first = RateRow("DE", "food", "5", BEGIN)
    later = RateRow("DE", "food", "0", date(2026, 11, 1))
    assert rate_of("DE", "food", TODAY) == "7"
    assert rate_of("DE", "food", TODAY, first) == "5"
    assert rate_of("DE", "food", TODAY, first, later) == "0"
    assert rate_of("DE", "food", date(2026, 10, 31), first, later) == "5"
    assert rate_of("DE", "food", TODAY, replace(later, valid_from=date(2027, 1, 1))) == "7"
    assert rate_of("DE", "books", TODAY, first, later) == "7"


def test_no_rate_counts_before_the_first_row_or_in_an_unknown_territory() -> None:
    assert find_rate("DE", "standard", BEGIN - timedelta(days=1)) is None
    assert find_rate("US", "standard", TODAY) is None


@pytest.mark.parametrize(("tax_class", "home"), [("reduced", "7"), ("zero", "0")])
def test_a_rate_of_the_home_country_is_not_carried_abroad(tax_class: str, home: str) -> None:
    rules = TaxRules(Mode.OSS, "DE")
    line = PricedLine(tax_class, 1000, 1)

    def charged(country: str, rules: TaxRules = rules) -> tuple[str, ...]:
        return assess(rules, Destination(country), [line], 0, TODAY).rates

    assert charged("DE") == (home,)
    assert charged("FR") == ("20",)
    known = replace(rules, corrections=(RateRow("FR", tax_class, "2.1", BEGIN),))
    assert charged("FR", known) == ("2.1",)
