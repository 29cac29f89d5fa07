"""Read a JSON file into values that know their place."""

import json
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from chalicelib.catalog.import_export.located_values import (
    FileProblem,
    LocatedValue,
    SourceLocation,
    UnreadableFile,
)

MAX_DEPTH = 20


class JsonReader:
    """Python's decoder for scalars, and around it a walk that notes places."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\t", " ")  # in texts, too: JSON forbids it there, and people paste it
        self._at = 0
        self._starts = [0, *(index + 1 for index, letter in enumerate(text) if letter == "\n")]
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)

    def document(self) -> LocatedValue:
        """Read the one value of the file."""
        node = self._value(MAX_DEPTH)
        if self._peek():
            raise self._unreadable("Unexpected content after the end.")
        return node

    def _value(self, depth: int) -> LocatedValue:
        letter = self._peek()
        place = self._place(self._at)
        if letter in ("{", "[") and depth == 0:
            raise self._unreadable("This is nested too deeply.")
        if letter == "{":
            return LocatedValue(place, dict(self._members(depth)))
        if letter == "[":
            return LocatedValue(place, list(self._items("]", depth)))
        return LocatedValue(place, self._scalar())

    def _items(self, end: str, depth: int) -> Iterator[LocatedValue]:
        for _ in self._separated(end):
            yield self._value(depth - 1)

    def _members(self, depth: int) -> Iterator[tuple[str, LocatedValue]]:
        seen: set[str] = set()
        for _ in self._separated("}"):
            if self._peek() != '"':
                raise self._unreadable("Expected a name in quotes.")
            start = self._at
            name = str(self._scalar())
            if name in seen:
                raise UnreadableFile(FileProblem(self._place(start), f"The field “{name}” is listed twice."))
            seen.add(name)
            if self._peek() != ":":
                raise self._unreadable("Expected a colon.")
            self._at += 1
            yield name, self._value(depth - 1)

    def _separated(self, end: str) -> Iterator[None]:
        """Stop before each element of a list or an object, and after its end."""
        self._at += 1
        if self._peek() == end:
            self._at += 1
            return
        while True:
            yield
            letter = self._peek()
            if letter not in (",", end):
                raise self._unreadable(f"Expected a comma or {end}.")
            self._at += 1
            if letter == end:
                return

    def _scalar(self) -> Any:
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            raise UnreadableFile(
                FileProblem(self._place(error.pos), f"This isn’t valid JSON: {error.msg}.")
            ) from error
        except ValueError as error:  # NaN, or a number of thousands of digits
            raise self._unreadable("This isn’t a valid number.") from error
        return value

    def _peek(self) -> str:
        while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
            self._at += 1
        return self._text[self._at : self._at + 1]

    def _place(self, position: int) -> SourceLocation:
        line = bisect_right(self._starts, position)
        return SourceLocation(line, position - self._starts[line - 1] + 1)

    def _unreadable(self, message: str) -> UnreadableFile:
        return UnreadableFile(FileProblem(self._place(self._at), message))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
