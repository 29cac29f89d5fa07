"""Texts in a catalog's CSV file: harmless to spreadsheets, and whole again when they are read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.catalog.import_export.csv_cells import (
    escape_formula,
    format_options,
    parse_options,
    unescape_formula,
)

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", '"=1', " =1", "＝1", "a;=1", "a\n- b", "a\t@b"]
line = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).map(str.strip).filter(bool)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe_wherever_a_spreadsheet_may_cut(text: str) -> None:
    assert escape_formula(text).count("'") == 1
    for cell in re.split(r"[;\t\r\n]", escape_formula(text)):
        assert not re.match(r'["\s]*[=+\-@＝]', cell)


@pytest.mark.parametrize("text", ["Rock 'n' roll", "'quoted'", "5 - 3", "a=b", "me@example.com", "", "a, =b"])
def test_text_that_is_no_formula_is_unchanged(text: str) -> None:
    assert escape_formula(text) == text
    assert unescape_formula(text) == text


@given(st.text(st.sampled_from("'=+-@;\n\t \"aä＝") | st.characters(exclude_categories=["Cs"])))
def test_reading_gives_back_what_was_written(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


@given(st.dictionaries(line, line))
def test_pairs_come_back_whatever_signs_they_have(pairs: dict[str, str]) -> None:
    assert {name: value for name, value, _ in parse_options(format_options(pairs))} == pairs


@pytest.mark.slow
@given(st.text())
def test_any_cell_can_be_asked_for_pairs(cell: str) -> None:
    for name, value, _ in parse_options(cell):
        assert (name, value) == (name.strip(), value.strip())


def test_pairs_are_written_as_people_write_them() -> None:
    assert format_options({"Size": "Large", "Colour": "Moss = dark"}) == "Size = Large | Colour = Moss = dark"
    assert format_options([("a|b", "c\\d")]) == "a\\|b = c\\\\d"
