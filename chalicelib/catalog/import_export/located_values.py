"""Values of a file that know their place in it, and what is wrong with one."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class SourceLocation(NamedTuple):
    """Where a value stands, from 1: line and column of a text; in a table a cell's row and column, its name and SKU.

    In JSON a value's name is its path, such as products[3].variants[0].price, and its line its number in the file.
    """

    line: int
    column: int
    name: str = ""
    sku: str = ""
    in_table: bool = False

    def __str__(self) -> str:
        """Return it as an editor or a spreadsheet counts."""
        if not self.in_table:
            return self.name or f"line {self.line}, column {self.column}"
        name = f" ({self.name})" if self.name else ""
        sku = f", SKU {self.sku[:64]}" if self.sku else ""
        return f"row {self.line}, column {column_letters(self.column)}{name}{sku}"


class FileProblem(NamedTuple):
    """What is wrong, and where."""

    place: SourceLocation
    words: str

    def __str__(self) -> str:
        """Return where, then what."""
        return f"{self.place}: {self.words}"


class UnreadableFile(Exception):
    """The file cannot be read to its end."""

    def __init__(self, fault: FileProblem) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True)
class LocatedValue:
    """A value with its place: text, number, bool, None, a list of nodes, or a dict of them."""

    place: SourceLocation
    value: Any

    def find(self, *path: str | int) -> "LocatedValue":
        """Go down a path as far as it leads."""
        node = self
        for step in path:
            inside = node.value
            names = (
                range(len(inside)) if isinstance(inside, list) else inside if isinstance(inside, dict) else ()
            )
            if step not in names:
                break
            node = inside[step]
        return node


class RepeatedValue(NamedTuple):
    """A product's field that another row of a table repeats; both must mean the same."""

    name: str
    first: LocatedValue
    again: LocatedValue


@dataclass(frozen=True)
class Document:
    """A file that was read: its tree, how its bytes were understood, and their hash."""

    tree: LocatedValue
    source: str
    digest: str
    repeated: list[RepeatedValue] = field(default_factory=list)


def column_letters(column: int) -> str:
    """Name a column as spreadsheets do: A, B, … Z, AA."""
    letters = ""
    while column:
        column, last = divmod(column - 1, 26)
        letters = chr(ord("A") + last) + letters
    return letters
