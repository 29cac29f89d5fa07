"""Cells that a spreadsheet shows and never runs."""

import csv
import io
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import money
from chalicelib.ledger import report_columns
from chalicelib.ledger.report_columns import safe_cell


@pytest.mark.parametrize(
    ("given_text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-5", "'-5"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("  =1", "'  =1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("＝1", "'＝1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠x", "'＠x"),
        ("a;=1", "a;'=1"),
        ("a; =1", "a;' =1"),
        ('a;"=1"', 'a;\'"=1"'),
        ("a\r\n=1", "a\r\n'=1"),
        ("a\n=1", "a\n'=1"),
        ("Jean-Luc", "Jean-Luc"),
        ("a=b+c@d", "a=b+c@d"),
        ("Green tea, 100 g", "Green tea, 100 g"),
        ("“Größe”", "“Größe”"),
        ("\ud800", "?"),
        ("", ""),
    ],
)
def test_a_formula_gets_an_apostrophe(given_text: str, cell: str) -> None:
    assert safe_cell(given_text) == cell


@given(st.text(st.sampled_from("=+-@＝\t\r\n ;,\"'ab1é\u00a0")))
def test_what_is_seen_to_be_plain_at_once_is_what_the_whole_rule_leaves_as_it_is(value: str) -> None:
    assert safe_cell(value) == report_columns._FORMULA.sub("'", value)


@given(st.integers(-(10**13), 10**13), st.sampled_from(["EUR", "JPY"]))
def test_amounts_are_written_as_a_decimal_writes_them(amount: int, currency: str) -> None:
    assert money.to_decimal_string(amount, currency) == str(Decimal(amount).scaleb(-money.decimals(currency)))


@given(st.text(st.sampled_from("=+-@＝\t\r\n ;,\"'ab\x00\ud800é")))
def test_no_text_becomes_a_formula_however_it_is_split(value: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\r\n").writerow(["A", safe_cell(value), "Z"])
    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [["A", safe_cell(value), "Z"]]
    for piece in re.split(r"[;\t\r\n]", safe_cell(value)):
        assert not piece.strip(' "').startswith(tuple("=+-@＝")), safe_cell(value)
    assert safe_cell(value).replace("'", "") == value.replace("'", "").replace("\ud800", "?")
