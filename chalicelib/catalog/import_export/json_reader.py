"""Read a JSON file into values with their path in it."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

from chalicelib.catalog.import_export.located_values import (
    FileProblem,
    LocatedValue,
    SourceLocation,
    UnreadableFile,
)
from chalicelib.cleaning import clean_line

MAX_DIGITS = (
    18  # of a whole number; a longer one becomes a float, and is refused where a whole number is expected
)


class _Members(list[tuple[str, Any]]):
    """An object's members; names may repeat."""


def read_json(text: str) -> LocatedValue:
    """Read the one value of a file. Raises UnreadableFile."""
    try:
        content = json.loads(
            text.replace("\t", " "),  # in texts, too: JSON forbids it there, and people paste it
            object_pairs_hook=_Members,
            parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else float(digits),
        )
        return _located(content, "", count(1))
    except json.JSONDecodeError as error:
        place = SourceLocation(error.lineno, error.colno)
        raise UnreadableFile(FileProblem(place, f"This isn’t valid JSON: {error.msg}.")) from error
    except RecursionError as error:
        raise UnreadableFile(FileProblem(SourceLocation(1, 1), "This is nested too deeply.")) from error


def _located(value: Any, path: str, numbers: Iterator[int]) -> LocatedValue:
    """Give a value and its descendants their paths, and numbers by which problems are sorted in the file's order."""
    place = SourceLocation(next(numbers), 1, path)
    if isinstance(value, _Members):
        members: dict[str, LocatedValue] = {}
        for given, each in value:
            name = clean_line(given)
            member = _located(each, f"{path}.{name}" if path else name, numbers)
            if name in members:
                raise UnreadableFile(FileProblem(member.place, f"The field “{name}” is listed twice."))
            members[name] = member
        return LocatedValue(place, members)
    if isinstance(value, list):
        return LocatedValue(
            place, [_located(each, f"{path}[{at}]", numbers) for at, each in enumerate(value)]
        )
    return LocatedValue(place, value)
