"""The rates: which counts in a territory on a day. rates.csv has them, and the merchant's rows correct it."""

import csv
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

from chalicelib.taxes.rules import RateRow

FILE = Path(__file__).with_name("rates.csv")


@cache
def all_rates() -> tuple[RateRow, ...]:
    """Read the file when it is first needed: a shopper's first page does without."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(
            RateRow(
                row["territory"],
                row["tax_class"],
                row["rate"],
                date.fromisoformat(row["valid_from"]),
                row["source"],
            )
            for row in csv.DictReader(file)
        )


@cache
def taxed_territories() -> frozenset[str]:
    """Return the codes of the territories that have rates."""
    return frozenset(row.territory for row in all_rates())


@cache
def _rows() -> dict[tuple[str, str], list[RateRow]]:
    rows: dict[tuple[str, str], list[RateRow]] = {}
    for row in all_rates():
        rows.setdefault((row.territory, row.tax_class), []).append(row)
    return rows


def find_rate(
    territory: str, tax_class: str, day: date, corrections: Sequence[RateRow] = ()
) -> RateRow | None:
    """Find the row that counts on a day; a correction replaces the row of the same day.

    A part of a country, such as PT-30, has its country's rate where it has none of its own.
    """
    for code in dict.fromkeys((territory, territory.partition("-")[0])):
        rows: list[RateRow] = [
            *_rows().get((code, tax_class), ()),
            *(row for row in corrections if (row.territory, row.tax_class) == (code, tax_class)),
        ]
        # Of rows of the same day the last counts: the correction.
        counting: dict[date, RateRow] = {row.valid_from: row for row in rows if row.valid_from <= day}
        if counting:
            return counting[max(counting)]
    return None
