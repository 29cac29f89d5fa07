"""The tax settings: which rules are refused, how they are stored, and what a change of them is called."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from chalicelib.shop_settings.taxes import (
    MAX_ROWS_SHOWN,
    TAXES,
    find_changes,
    read_document,
    validate_rules,
    write_document,
)
from chalicelib.taxes.rules import Mode, RateRow, TaxRules, UsRateRow

SINCE = date(2026, 1, 1)
NEW_YORK = UsRateRow("NY", "", "standard", "4", True, SINCE)
RULES = TaxRules(
    Mode.OSS,
    "DE",
    net_exports=True,
    gb_number="GB123456789",
    gb_limit=15500,
    voec_number="2000001",
    voec_limit=25500,
    is_below_norwegian_threshold=True,
    note="No VAT.",
    corrections=(RateRow("DE", "food", "5", date(2027, 1, 1), "a, “b”"),),
    us_rates=(NEW_YORK,),
)


def many(count: int) -> tuple[UsRateRow, ...]:
    """Make so many rows of New York: each ZIP code with rates of several days."""
    return tuple(
        replace(NEW_YORK, zip5=f"1{number % 5000:04}", valid_from=date(2000 + number // 5000, 1, 1))
        for number in range(count)
    )


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, set()),
        ({"country": "ZZ"}, {"country"}),
        ({"country": "JP"}, {"country"}),
        ({"country": "JP", "mode": Mode.NONE}, set()),
        ({"mode": Mode.US}, {"country"}),
        ({"country": "US"}, {"country"}),
        ({"country": "US", "mode": Mode.US}, set()),
        ({"country": "US", "mode": Mode.US, "us_rates": ()}, {"us_rates"}),
        ({"gb_number": "123456789"}, {"gb_number"}),
        ({"gb_number": "GB123456789012"}, set()),
        ({"voec_number": "NO1"}, {"voec_number"}),
        ({"gb_limit": -1, "voec_limit": 10**9}, {"gb_limit", "voec_limit"}),
        ({"mode": Mode.NONE, "note": ""}, {"note"}),
        ({"note": "x" * 201}, {"note"}),
        ({"note": "a\x07b"}, {"note"}),
        ({"us_rates": many(10_000)}, {"us_rates"}),
    ],
)  # fmt: skip
def test_each_broken_rule_is_told_beside_its_field(changes: dict[str, Any], wrong: set[str]) -> None:
    assert validate_rules(replace(RULES, **changes)).keys() == wrong


def test_too_many_rates_are_told_with_their_size_and_the_most_fit_into_a_row() -> None:
    assert (
        "take 360 kB, and the shop can keep 300 kB"
        in validate_rules(replace(RULES, us_rates=many(10_000)))["us_rates"]
    )
    quotes = tuple(RateRow("DE", "food", "5", date(2000, 1, 1 + day), '"' * 120) for day in range(28))
    most = replace(RULES, us_rates=many(7_700), corrections=quotes)
    assert validate_rules(most) == {}
    assert 290_000 < len(TAXES.dump(most).encode()) < 301_000


@pytest.mark.parametrize("rules", [RULES, TAXES.first(), replace(RULES, us_rates=(NEW_YORK, *many(500)))])
def test_a_document_that_is_read_again_is_the_same(rules: TaxRules) -> None:
    text = TAXES.dump(rules)
    again = read_document(json.loads(text))
    assert again == rules
    assert TAXES.dump(again) == text
    assert find_changes(rules, again) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"currency": "JPY"}, {"mode": "all"}, {"mode": None}, {"country": 5}, {"country": " DE"}, {"net_exports": "yes"}, {"gb_limit": 155},
        {"gb_limit": "-1.00"}, {"note": None}, {"corrections": None}, {"corrections": "DE,food,190,2026-01-01,"}, {"us_rates": "NY,10001,standard,8,no,2026-01-01"},
    ],
)  # fmt: skip
def test_a_document_that_breaks_a_rule_is_never_read(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        read_document(write_document(RULES) | changes)
    with pytest.raises(KeyError):
        read_document({})


def test_changes_are_told_in_words() -> None:
    after = replace(
        RULES,
        mode=Mode.HOME,
        gb_number="",
        gb_limit=16000,
        corrections=(RateRow("DE", "food", "5.5", date(2027, 1, 1)),),
        us_rates=(NEW_YORK, replace(NEW_YORK, zip5="10001", rate="8.875")),
    )
    assert [tuple(change) for change in find_changes(RULES, after)] == [
        ("Taxes", "the rates of the customer’s country (One-Stop Shop)", "the rates of the shop’s own country"),
        ("VAT number in Great Britain", "GB123456789", ""),
        ("GBP 135 are worth", "€155.00", "€160.00"),
        ("Rate in DE, food, from 2027-01-01", "5% (a, “b”)", "5.5%"),
        ("Rate in NY 10001, standard, from 2026-01-01", "", "8.875%, shipping taxed"),
    ]  # fmt: skip


@pytest.mark.parametrize("changes", [{name: value} for name, value in vars(TaxRules(Mode.HOME, "DE")).items() if value != vars(RULES)[name]])  # fmt: skip
def test_no_difference_is_without_words(changes: dict[str, Any]) -> None:
    assert len(find_changes(RULES, replace(RULES, **changes))) == 1


def test_of_many_rates_that_differ_the_first_are_told() -> None:
    changes = find_changes(RULES, replace(RULES, us_rates=(NEW_YORK, *many(1000))))
    assert len(changes) == MAX_ROWS_SHOWN + 1
    assert tuple(changes[-1]) == ("… and 960 more rates", "2 rows", "1,002 rows")
