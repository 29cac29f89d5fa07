"""Rates as merchants write them: CSV rows, each judged with its line and column."""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Generic, NamedTuple, TypeVar

from chalicelib import money
from chalicelib.cleaning import clean_line, find_control_character
from chalicelib.taxes.rates import find_rate, taxed_territories
from chalicelib.taxes.rules import RateRow, UsRateRow
from chalicelib.taxes.tax_classes import TaxClass

MAX_RATE = (
    30  # percent: Hungary's 27 is the highest in Europe, and no sales tax in the United States is half of it
)
MAX_SOURCE_LENGTH = 120
MAX_ERRORS = 20
_ZIP = re.compile(r"[0-9]{5}", re.ASCII)
_FLAGS = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False, "": False}
R = TypeVar("R", RateRow, UsRateRow)


class InvalidRates(ValueError):
    """Raised with what is wrong with a file of rates: a sentence each, with line and column."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class _Line(NamedTuple, Generic[R]):
    number: int
    row: R


# -- reading ----------------------------------------------------------------------------------------------


def read_rates(text: str, day: date) -> tuple[RateRow, ...]:
    """Read rows of territory, tax_class, rate, valid_from, source, which leave no gap on a day. Raises InvalidRates."""

    def row(cell: Mapping[str, str]) -> RateRow:
        return RateRow(
            cell["territory"],
            cell["tax_class"],
            cell["rate"],
            date.fromisoformat(cell["valid_from"]),
            cell["source"],
        )

    checks = {
        "territory": lambda text: _one_of(
            text.upper(), taxed_territories(), "a territory that the shop knows"
        ),
        "tax_class": _tax_class,
        "rate": _rate,
        "valid_from": _day,
        "source": _source,
    }
    lines, names, problems = _read(text, checks, row)
    firsts: dict[tuple[str, str], _Line[RateRow]] = {}
    for line in sorted(lines, key=lambda line: line.row.valid_from):
        firsts.setdefault((line.row.territory, line.row.tax_class), line)
    for (territory, tax_class), line in firsts.items():
        if line.row.valid_from > day and find_rate(territory, tax_class, day) is None:
            problems.append(
                f"{_at(line.number, names, 'valid_from')}: {territory}, {tax_class} has a gap: no rate counts before"
                f" {line.row.valid_from}."
            )
    return _sorted(lines, problems, lambda each: (each.territory, each.tax_class, each.valid_from))


def read_us_rates(text: str) -> tuple[UsRateRow, ...]:
    """Read rows of state, zip5, tax_class, rate, shipping_taxable, valid_from. Raises InvalidRates."""
    from chalicelib.postal import country_of  # a shopper's first page does without

    states = {region.code: region for region in country_of("US").regions}

    def row(cell: Mapping[str, str]) -> UsRateRow:
        return UsRateRow(
            cell["state"], cell["zip5"], cell["tax_class"], cell["rate"],
            _FLAGS[cell["shipping_taxable"]], date.fromisoformat(cell["valid_from"]),
        )  # fmt: skip

    checks = {
        "state": lambda text: _one_of(text.upper(), states, "a state’s two letters"),
        "zip5": _zip5,
        "tax_class": _tax_class,
        "rate": _rate,
        "shipping_taxable": lambda text: _one_of(text.lower(), _FLAGS, "yes or no"),
        "valid_from": _day,
    }
    lines, names, problems = _read(text, checks, row)
    problems += [
        f"{_at(line.number, names, 'zip5')}: {line.row.zip5} isn’t in {line.row.state}."
        for line in lines
        if line.row.zip5 and not states[line.row.state].has(line.row.zip5)
    ]
    whole = {
        line.row.state for line in lines if not line.row.zip5 and line.row.tax_class == TaxClass.STANDARD
    }
    for state in dict.fromkeys(line.row.state for line in lines if line.row.state not in whole):
        first = next(line.number for line in lines if line.row.state == state)
        problems.append(
            f"{_at(first, names, 'state')}: {state} has a gap: please add a row for the whole state, class standard, without a"
            " ZIP code. It counts where no other row does."
        )
    return _sorted(lines, problems, lambda each: (each.state, each.zip5, each.tax_class, each.valid_from))


def _sorted(
    lines: Sequence[_Line[R]], problems: list[str], key: Callable[[R], tuple[object, ...]]
) -> tuple[R, ...]:
    """Return the rows in order. Raises InvalidRates, also where two count from the same day on."""
    seen: dict[tuple[object, ...], int] = {}
    for number, row in lines:
        first = seen.setdefault(key(row), number)
        if first != number:
            what = ", ".join(str(part) for part in key(row) if part)
            problems.append(f"Line {number} overlaps with line {first}: both are the rate of {what}.")
    if problems:
        more: list[str] = [f"… and {len(problems) - MAX_ERRORS} more."] if len(problems) > MAX_ERRORS else []
        raise InvalidRates([*problems[:MAX_ERRORS], *more])
    return tuple(line.row for line in sorted(lines, key=lambda line: key(line.row)))


def _read(
    text: str, checks: Mapping[str, Callable[[str], str]], make: Callable[[Mapping[str, str]], R]
) -> tuple[list[_Line[R]], list[str], list[str]]:
    """Read lines, the names of their columns, and what is wrong with other lines. The first line may name the columns, which may then be in any order."""
    check = cache(lambda name, text: checks[name](text))  # thousands of rows have few different cells
    names = list(checks)
    lines: list[_Line[R]] = []
    problems: list[str] = []
    for place, (number, cells) in enumerate(_cells(text)):
        if place == 0 and {cell.lower() for cell in cells} >= set(list(checks)[:3]):
            names = [cell.lower() for cell in cells]
            unknown = [name for name in names if name not in checks]
            missing = [name for name in checks if name not in names and name != "source"]
            if unknown or missing or len(set(names)) < len(names):
                return [], names, [f"Line {number}: the columns must be {', '.join(checks)}."]
            continue
        found = dict.fromkeys(checks, "") | dict(zip(names, cells, strict=False))
        bad = (
            [f"Line {number}, column {len(names) + 1}: there are more than {len(names)} cells."]
            if any(cells[len(names) :])
            else []
        )
        for name in names:
            try:
                found[name] = check(name, found[name])
            except ValueError as error:
                bad.append(f"{_at(number, names, name)}: {error}.")
        problems += bad
        if not bad:
            lines.append(_Line(number, make(found)))
    return lines, names, problems


def _at(line: int, names: Sequence[str], name: str) -> str:
    return f"Line {line}, column {names.index(name) + 1} ({name})"


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty, numbered from 1, separated as spreadsheets do."""
    first = re.search(r"[,;\t]", text)  # no first cell contains one
    delimiter = first[0] if first else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    clean = cache(clean_line)
    try:
        for cells in reader:
            cleaned = [clean(cell) for cell in cells]
            if any(cleaned):
                yield reader.line_num, cleaned
    except csv.Error as error:
        raise InvalidRates([f"Line {reader.line_num}: this isn’t valid CSV: {error}."]) from error


# -- cells ------------------------------------------------------------------------------------------------


def _one_of(text: str, known: Collection[str], what: str) -> str:
    if text not in known:
        raise ValueError(f"“{text[:40]}” isn’t {what}")
    return text


def _tax_class(text: str) -> str:
    return _one_of(text.lower(), list(TaxClass), f"a tax class; those are {', '.join(TaxClass)}")


def _rate(text: str) -> str:
    rate = money.parse_tax_rate(text[:40])
    if Decimal(rate) > MAX_RATE:
        raise ValueError(f"a rate of {rate}% can’t be right: the highest is {MAX_RATE}%")
    return rate


def _zip5(text: str) -> str:
    if text and not _ZIP.fullmatch(text):
        raise ValueError(f"“{text[:40]}” isn’t a ZIP code of five digits; leave it empty for the whole state")
    return text


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.isoformat() != text or not 1990 <= day.year < 2100:
        raise ValueError(f"“{text[:40]}” isn’t a date such as 2026-01-01")
    return text


def _source(text: str) -> str:
    if len(text) > MAX_SOURCE_LENGTH or find_control_character(text):
        raise ValueError(f"a source is one line of at most {MAX_SOURCE_LENGTH} characters")
    return text


# -- writing ----------------------------------------------------------------------------------------------


def write_rates(rows: Iterable[RateRow]) -> str:
    """Write rows as `read_rates` reads them, without a line of names."""
    return _write(
        (row.territory, row.tax_class, row.rate, row.valid_from.isoformat(), row.source) for row in rows
    )


def write_us_rates(rows: Iterable[UsRateRow]) -> str:
    """Write rows as `read_us_rates` reads them, without a line of names."""
    return _write(
        (row.state, row.zip5, row.tax_class, row.rate, "yes" if row.shipping_taxable else "no", row.valid_from.isoformat())
        for row in rows
    )  # fmt: skip


def _write(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
