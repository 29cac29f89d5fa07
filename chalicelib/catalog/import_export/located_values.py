"""Values of a file with their location in it, and problems of values."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class SourceLocation(NamedTuple):
    """Where a value is, counted from 1: line and column of a text; in a table a cell's row and column, its name and SKU.

    In JSON the name is the value's path, such as products[3].variants[0].price, and the line its number in the file.
    """

    line: int
    column: int
    name: str = ""
    sku: str = ""
    in_table: bool = False

    def __str__(self) -> str:
        """Return the location as an editor or a spreadsheet counts."""
        if not self.in_table:
            return self.name or f"line {self.line}, column {self.column}"
        name = f" ({self.name})" if self.name else ""
        sku = f", SKU {self.sku[:64]}" if self.sku else ""
        return f"row {self.line}, column {column_letters(self.column)}{name}{sku}"


class FileProblem(NamedTuple):
    """An error in a file: its location and message."""

    place: SourceLocation
    message: str

    def __str__(self) -> str:
        """Return the location, then the message."""
        return f"{self.place}: {self.message}"


class UnreadableFile(Exception):
    """Raised when the file cannot be read to its end."""

    def __init__(self, fault: FileProblem) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True)
class LocatedValue:
    """A value with its location: text, number, bool, None, or a list or dict of LocatedValues."""

    place: SourceLocation
    value: Any

    def find(self, *path: str | int) -> "LocatedValue":
        """Follow a path as far as it exists."""
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
    """A product's field that another row of the table repeats; both must have the same meaning."""

    name: str
    first: LocatedValue
    again: LocatedValue


@dataclass(frozen=True)
class Document:
    """A parsed file: its tree, a sentence on its format and encoding, and the hash of its bytes."""

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
