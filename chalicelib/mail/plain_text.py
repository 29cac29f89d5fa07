"""Plain text as mail programs show it: wrapped and aligned by the width of its characters."""

import unicodedata
from collections.abc import Iterator

COLUMNS = 72
HANGING = 4


def width(text: str) -> int:
    """Return how many columns a text takes: two for a wide East Asian character, none for a combining one."""
    return sum(map(_columns, text))


def wrap(text: str, indent: str = "") -> str:
    """Wrap a paragraph; every line begins with `indent`."""
    return "\n".join(indent + line for line in _fold(text, COLUMNS - width(indent)))


def amount_line(label: str, amount: str) -> str:
    """Return a line with a label at the left and an amount at the right; a long label continues below, indented."""
    first, *others = list(_fold(label, COLUMNS - width(amount) - 2 - HANGING)) or [""]
    gap = " " * (COLUMNS - width(first) - width(amount))
    return "\n".join([first + gap + amount, *(" " * HANGING + line for line in others)])


def divider(character: str) -> str:
    """Return a horizontal line of a character."""
    return character * COLUMNS


def _fold(text: str, columns: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and width(line) + 1 + width(word) > columns:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
        # An address stays whole, so that it can be clicked.
        while width(line) > columns and "://" not in line:
            head = _head(line, columns)
            yield head
            line = line[len(head) :]
    if line:
        yield line


def _head(text: str, columns: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > columns:
            return text[: max(index, 1)]
    return text


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
