"""Texts as cells of a catalog's CSV file: no spreadsheet runs them as formulas, and reading returns what was written."""

import re
from collections.abc import Iterator, Mapping

# A spreadsheet set to semicolons splits our rows at those, even within quotes: so a formula may also begin after a
# semicolon or a line end. Blanks and quotes before it may be dropped.
CELL_START = r"(?:\A|(?<=[;\t\r\n]))"
FORMULA_START = r"(?:\"|[^\S\t\r\n])*[=+\-@＝＋－＠﹦﹢﹣﹫]"
# Apostrophes of the text before a formula are part of it: writing adds one more, reading removes one.
_TO_GUARD = re.compile(rf"{CELL_START}(?='*{FORMULA_START})")
_GUARDED = re.compile(rf"{CELL_START}'(?='*{FORMULA_START})")
_SIGNS = re.compile(r"\\[\\|=]|.", re.DOTALL)


def escape_formula(text: str) -> str:
    """Put an apostrophe before everything that a spreadsheet would run as a formula."""
    return _TO_GUARD.sub("'", text)


def unescape_formula(cell: str) -> str:
    """Remove the apostrophes that `escape_formula` adds."""
    return _GUARDED.sub("", cell)


def format_options(pairs: Mapping[str, str] | list[tuple[str, str]]) -> str:
    r"""Write names and values into one cell: `Size = Large | Colour = Moss`; a backslash escapes | and =."""
    entries = pairs.items() if isinstance(pairs, Mapping) else pairs
    return " | ".join(f"{_escaped(name, '|=')} = {_escaped(value, '|')}" for name, value in entries)


def _escaped(text: str, signs: str) -> str:
    return "".join(f"\\{letter}" if letter in f"\\{signs}" else letter for letter in text)


def parse_options(cell: str) -> Iterator[tuple[str, str, str]]:
    """Yield a cell's pairs: name, value, and the part as written. Name or value is empty if a part is no pair."""
    for part in _split(cell, "|") if cell else []:
        name, *values = _split(part, "=")
        yield _plain(name), _plain("=".join(values)), part.strip()


def _split(text: str, sign: str) -> list[str]:
    """Split at a sign, unless a backslash precedes it."""
    parts: list[list[str]] = [[]]
    for letters in _SIGNS.findall(text):
        if letters == sign:
            parts.append([])
        else:
            parts[-1].append(letters)
    return ["".join(part) for part in parts]


def _plain(part: str) -> str:
    return re.sub(r"\\([\\|=])", r"\1", part.strip())
