"""Tax classes by their rates at home."""

from dataclasses import replace
from datetime import date

import pytest

from chalicelib.taxes.home_rates import classes_at, find_home_rate
from chalicelib.taxes.rules import Mode, RateRow, TaxRules

RULES = TaxRules(Mode.HOME, "DE")
DAY = date(2026, 12, 1)


@pytest.mark.parametrize(
    ("rate", "classes"),
    [
        ("19", ["standard"]),
        ("7", ["reduced", "food", "tea", "books", "plants"]),
        ("0", ["zero"]),
        ("8.1", []),
        ("", []),
    ],
)
def test_a_rate_means_the_general_class_first(rate: str, classes: list[str]) -> None:
    assert classes_at(RULES, rate, DAY) == classes


def test_a_correction_changes_what_a_class_is_at_home_from_its_day_on() -> None:
    rules = replace(RULES, corrections=(RateRow("DE", "food", "5", date(2027, 1, 1)),))
    assert find_home_rate(rules, "food", date(2026, 12, 31)) == "7"
    assert find_home_rate(rules, "food", date(2027, 1, 1)) == "5"
    assert classes_at(rules, "5", date(2027, 1, 1)) == ["food"]


def test_a_country_without_rates_has_none() -> None:
    assert find_home_rate(TaxRules(Mode.US, "US"), "standard", DAY) is None


@pytest.mark.parametrize(("country", "rate"), [("MC", "20"), ("IM", "20"), ("GR", "24")])
def test_a_country_that_anothers_rates_apply_to_has_them(country: str, rate: str) -> None:
    assert find_home_rate(TaxRules(Mode.HOME, country), "standard", DAY) == rate
