"""Rates as merchants write them: which rows are refused, and where."""

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.taxes.rate_files import (
    InvalidRates,
    read_rates,
    read_us_rates,
    write_rates,
    write_us_rates,
)
from chalicelib.taxes.rules import RateRow, UsRateRow
from chalicelib.taxes.tax_classes import TaxClass

DAY = date(2026, 12, 1)
NEW_YORK = "NY,,standard,4,yes,2026-01-01\n"


@pytest.mark.parametrize(
    "text",
    [
        "DE,food,5.5,2027-01-01,“Law, art. 3”\n",
        "territory,tax_class,rate,valid_from,source\nDE,food,5.5,2027-01-01,“Law, art. 3”",
        "Valid_From;Territory;Tax_Class;Rate;Source\r\n\r\n2027-01-01;de;FOOD;5,50 %;“Law, art. 3”\r\n",
        " DE\t food\t5.5\t2027-01-01\t“Law, art. 3”\n\n",
    ],
)
def test_rows_are_read_as_spreadsheets_and_people_write_them(text: str) -> None:
    if text.startswith(("DE", "territory")):
        text = text.replace("“Law, art. 3”", '"“Law, art. 3”"')
    assert read_rates(text, DAY) == (RateRow("DE", "food", "5.5", date(2027, 1, 1), "“Law, art. 3”"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("DE,food,190,2027-01-01,x", "Line 1, column 3 (rate): '190' is not a tax rate in percent such as 19 or 8.1."),
        ("DE,food,91,2027-01-01,x", "Line 1, column 3 (rate): a rate of 91% can’t be right: the highest is 30%."),
        ("\nXX,food,5,2027-01-01", "Line 2, column 1 (territory): “XX” isn’t a territory that the shop knows."),
        ("DE,wine,5,2027-01-01", f"Line 1, column 2 (tax_class): “wine” isn’t a tax class; those are {', '.join(TaxClass)}."),
        ("DE,food,five,2027-01-01", "Line 1, column 3 (rate): 'five' is not a tax rate in percent such as 19 or 8.1."),
        ("DE,food,5,1.1.2027", "Line 1, column 4 (valid_from): “1.1.2027” isn’t a date such as 2026-01-01."),
        ("DE,food,5,20270101", "Line 1, column 4 (valid_from): “20270101” isn’t a date such as 2026-01-01."),
        ("DE,food,5,9999-01-01", "Line 1, column 4 (valid_from): “9999-01-01” isn’t a date such as 2026-01-01."),
        ("DE,food,5", "Line 1, column 4 (valid_from): “” isn’t a date such as 2026-01-01."),
        ("DE,food,5,2027-01-01,x,y", "Line 1, column 6: there are more than 5 cells."),
        (f"DE,food,5,2027-01-01,{'x' * 121}", "Line 1, column 5 (source): a source is one line of at most 120 characters."),
        ("DE,food,5,2027-01-01\nDE,food,6,2027-01-01", "Line 2 overlaps with line 1: both are the rate of DE, food, 2027-01-01."),
        ("rate,territory,tax_class\n5,DE,food", "Line 1: the columns must be territory, tax_class, rate, valid_from, source."),
        ("source,valid_from,rate,tax_class,territory\nx,2027-01-01,91,food,DE", "Line 2, column 3 (rate): a rate of 91% can’t be right: the highest is 30%."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_row_is_told_with_line_and_column(text: str, problem: str) -> None:
    with pytest.raises(InvalidRates) as caught:
        read_rates(text, DAY)
    assert caught.value.problems == [problem]


def test_a_rate_that_begins_later_leaves_a_gap_where_none_counts_today(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chalicelib.taxes.rate_files.find_rate", lambda *_: None)
    with pytest.raises(
        InvalidRates,
        match=r"Line 2, column 4 \(valid_from\): DE, books has a gap: no rate counts before 2027-01-01\.",
    ):
        read_rates("DE,food,5,2026-12-01\nDE,books,5,2027-01-01", DAY)
    assert len(read_rates("DE,books,5,2027-01-01\nDE,books,6,2026-01-01", DAY)) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("NY,10001,standard,8.875,yes,2026-01-01", "Line 1, column 1 (state): NY has a gap: please add a row for the whole state"),
        (NEW_YORK + "NY,90210,standard,8,yes,2026-01-01", "Line 2, column 2 (zip5): 90210 isn’t in NY."),
        (NEW_YORK + "NY,1001,standard,8,yes,2026-01-01", "Line 2, column 2 (zip5): “1001” isn’t a ZIP code of five digits"),
        (NEW_YORK + "NY,10001,standard,91,yes,2026-01-01", "Line 2, column 4 (rate): a rate of 91% can’t be right"),
        (NEW_YORK + "NY,10001,standard,8,maybe,2026-01-01", "Line 2, column 5 (shipping_taxable): “maybe” isn’t yes or no."),
        (NEW_YORK + "ZZ,,standard,8,yes,2026-01-01", "Line 2, column 1 (state): “ZZ” isn’t a state’s two letters."),
        (NEW_YORK + NEW_YORK, "Line 2 overlaps with line 1: both are the rate of NY, standard, 2026-01-01."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_sales_tax_is_told_with_line_and_column(text: str, problem: str) -> None:
    with pytest.raises(InvalidRates) as caught:
        read_us_rates(text)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(problem)


def test_a_flood_of_problems_is_cut() -> None:
    with pytest.raises(InvalidRates) as caught:
        read_rates("XX,food,5,2027-01-01\n" * 30, DAY)
    assert (len(caught.value.problems), caught.value.problems[-1]) == (21, "… and 10 more.")


@pytest.mark.parametrize("text", ["", "\n \n", "territory,tax_class,rate,valid_from,source\n"])
def test_no_rows_are_no_rates(text: str) -> None:
    assert read_rates(text, DAY) == ()


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for read in (lambda: read_rates(text, DAY), lambda: read_us_rates(text)):
        with contextlib.suppress(InvalidRates):  # and nothing else
            assert read() is not None


_rates = st.integers(0, 3000).map(lambda hundredths: f"{hundredths / 100:g}")
_days = st.dates(date(1990, 1, 1), date(2026, 1, 1))


@given(
    st.lists(
        st.builds(RateRow, st.just("DE"), st.sampled_from(TaxClass), _rates, _days, st.sampled_from(["", "a, b", "a; b; c; d; e; f", 'say "x"'])),
        unique_by=lambda row: (row.tax_class, row.valid_from),
    )
)  # fmt: skip
def test_rows_that_are_written_are_read_again(rows: list[RateRow]) -> None:
    ordered = tuple(sorted(rows, key=lambda row: (row.territory, row.tax_class, row.valid_from)))
    assert read_rates(write_rates(rows), DAY) == ordered


def test_sales_taxes_that_are_written_are_read_again() -> None:
    rows = (
        UsRateRow("NJ", "", "standard", "6.625", False, date(2018, 1, 1)),
        UsRateRow("NY", "", "food", "0", False, date(2026, 1, 1)),
        UsRateRow("NY", "", "standard", "4", True, date(2026, 1, 1)),
        UsRateRow("NY", "10001", "standard", "8.875", True, date(2026, 1, 1)),
    )
    assert read_us_rates(write_us_rates(reversed(rows))) == rows
