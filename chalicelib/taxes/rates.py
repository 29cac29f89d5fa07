"""The rates: which counts in a territory on a day. rates.csv has them, and the merchant's rows correct it."""

import csv
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from chalicelib.taxes.rules import RateRow

FILE = Path(__file__).with_name("rates.csv")


def _read_file() -> Iterator[RateRow]:
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield RateRow(
                row["territory"],
                row["tax_class"],
                row["rate"],
                date.fromisoformat(row["valid_from"]),
                row["source"],
            )


RATES = tuple(_read_file())
TERRITORIES = frozenset(row.territory for row in RATES)
_ROWS: dict[tuple[str, str], list[RateRow]] = {}
for _row in RATES:
    _ROWS.setdefault((_row.territory, _row.tax_class), []).append(_row)


def find_rate(
    territory: str, tax_class: str, day: date, corrections: Sequence[RateRow] = ()
) -> RateRow | None:
    """Find the row that counts on a day; a correction replaces the row of the same day.

    A part of a country, such as PT-30, has its country's rate where it has none of its own.
    """
    for code in dict.fromkeys((territory, territory.partition("-")[0])):
        rows: list[RateRow] = [
            *_ROWS.get((code, tax_class), ()),
            *(row for row in corrections if (row.territory, row.tax_class) == (code, tax_class)),
        ]
        # Of rows of the same day the last counts: the correction.
        counting: dict[date, RateRow] = {row.valid_from: row for row in rows if row.valid_from <= day}
        if counting:
            return counting[max(counting)]
    return None
