"""Catalog files, JSON or CSV, read into values that know their line and column. What they mean is importer.py's."""

import csv
import io
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.catalog import cells

LARGEST_FILE = 50 * 1024 * 1024
DEEPEST = 20
PRODUCT_COLUMNS = ("name", "text", "category", "tax_rate", "added", "hidden", "pictures")
CATEGORY_NAME = "category_name"
CATEGORY_NAMES = "names"  # instead of "categories": a table's rows tell neither their texts nor their order
VARIANT_COLUMNS = ("sku", "options", "price", "sale_price", "stock")
COLUMNS = ("slug", *PRODUCT_COLUMNS[:3], CATEGORY_NAME, *PRODUCT_COLUMNS[3:], *VARIANT_COLUMNS)
REQUIRED_COLUMNS = ("slug", "name", "category", "sku", "price", "stock")
DELIMITERS = ",;\t"


class Place(NamedTuple):
    """Where a value stands: line and column from 1; in a CSV the column is a cell's, with its name."""

    line: int
    column: int
    name: str = ""

    def __str__(self) -> str:
        """Say it as an editor or a spreadsheet counts."""
        return f"line {self.line}, column {self.column}" + (f" ({self.name})" if self.name else "")


class Fault(NamedTuple):
    """What is wrong, and where."""

    place: Place
    words: str

    def __str__(self) -> str:
        """Say where, then what."""
        return f"{self.place}: {self.words}"


class Unreadable(Exception):
    """The file cannot be read to its end."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True)
class Node:
    """A value with its place: text, number, bool, None, a list of nodes, or a dict of them."""

    place: Place
    value: Any

    def find(self, *path: str | int) -> "Node":
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


def read_file(file: Path, faults: list[Fault]) -> Node:
    """Read a .json or .csv file into one tree; what is wrong with single cells goes to `faults`.

    The tree is that of the JSON form: {"categories": […], "products": [{…, "variants": […]}]}; a CSV file has
    CATEGORY_NAMES instead of the categories. Raises Unreadable.
    """
    data = _bytes_of(file)
    if file.suffix.lower() == ".json":
        return _Json(_text_of(data)).document()
    if file.suffix.lower() == ".csv":
        return read_csv(data, faults)
    raise Unreadable(Fault(Place(1, 1), "The file's name must end in .json or .csv."))


def read_csv(data: bytes, faults: list[Fault]) -> Node:
    """Read a CSV file's bytes as `read_file` does. Raises Unreadable."""
    return _Csv(_text_of(data), faults).document()


def _bytes_of(file: Path) -> bytes:
    start = Place(1, 1)
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise Unreadable(Fault(start, f"The file is larger than {LARGEST_FILE // 1024 // 1024} MB."))
        return file.read_bytes()
    except OSError as error:
        raise Unreadable(Fault(start, f"The file cannot be read: {error.strerror}.")) from error


def _text_of(data: bytes) -> str:
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise Unreadable(Fault(place, "This is not UTF-8. Please save the file in that encoding.")) from error


# -- JSON -------------------------------------------------------------------------------------------------


class _Json:
    """Python's decoder for scalars, and around it a walk that notes places."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(index + 1 for index, letter in enumerate(text) if letter == "\n")]
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)

    def document(self) -> Node:
        """Read the one value of the file."""
        node = self._value(DEEPEST)
        if self._peek():
            raise self._unreadable("There is something after the end.")
        return node

    def _value(self, depth: int) -> Node:
        letter = self._peek()
        place = self._place(self._at)
        if letter in ("{", "[") and depth == 0:
            raise self._unreadable("This is nested too deeply.")
        if letter == "{":
            return Node(place, dict(self._members(depth)))
        if letter == "[":
            return Node(place, list(self._items("]", depth)))
        return Node(place, self._scalar())

    def _items(self, end: str, depth: int) -> Iterator[Node]:
        for _ in self._separated(end):
            yield self._value(depth - 1)

    def _members(self, depth: int) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for _ in self._separated("}"):
            if self._peek() != '"':
                raise self._unreadable("A name in quotes is expected here.")
            start = self._at
            name = str(self._scalar())
            if name in seen:
                raise Unreadable(Fault(self._place(start), f"The field “{name}” is there twice."))
            seen.add(name)
            if self._peek() != ":":
                raise self._unreadable("A colon is expected here.")
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
                raise self._unreadable(f"A comma or {end} is expected here.")
            self._at += 1
            if letter == end:
                return

    def _scalar(self) -> Any:
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            raise Unreadable(Fault(self._place(error.pos), f"This is not JSON: {error.msg}.")) from error
        except ValueError as error:  # NaN, or a number of thousands of digits
            raise self._unreadable("This number cannot be read.") from error
        return value

    def _peek(self) -> str:
        while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
            self._at += 1
        return self._text[self._at : self._at + 1]

    def _place(self, position: int) -> Place:
        line = bisect_right(self._starts, position)
        return Place(line, position - self._starts[line - 1] + 1)

    def _unreadable(self, words: str) -> Unreadable:
        return Unreadable(Fault(self._place(self._at), words))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


# -- CSV --------------------------------------------------------------------------------------------------


class _Csv:
    """One row a variant; the rows of a product share its slug."""

    def __init__(self, text: str, faults: list[Fault]) -> None:
        self._faults = faults
        first_line = text.partition("\n")[0]
        delimiter = max(DELIMITERS, key=first_line.count)  # spreadsheets in many countries write semicolons
        self._rows = _rows(text, delimiter)

    def document(self) -> Node:
        """Read every row into the tree of the JSON form."""
        header = self._header()
        products: dict[str, Node] = {}
        categories: dict[str, Node] = {}
        for nodes in self._rows:
            if len(nodes) != len(header):
                words = f"This row has {len(nodes)} cells, but there are {len(header)} columns."
                self._faults.append(Fault(nodes[0].place, words))
                continue
            row = {
                name: Node(cell.place._replace(name=name), cell.value)
                for name, cell in zip(header, nodes, strict=True)
            }
            self._add(row, products)
            _add_category(row, categories)
        tree = {
            CATEGORY_NAMES: Node(Place(1, 1), list(categories.values())),
            "products": Node(Place(1, 1), list(products.values())),
        }
        return Node(Place(1, 1), tree)

    def _header(self) -> list[str]:
        first = next(self._rows, None)
        if first is None:
            raise Unreadable(Fault(Place(1, 1), "The file is empty."))
        names = [cell.value.lower() for cell in first]
        for cell, name in zip(first, names, strict=True):
            if name not in COLUMNS:
                raise Unreadable(
                    Fault(cell.place, f"“{cell.value}” is no column. The columns are: {', '.join(COLUMNS)}.")
                )
            if names.count(name) > 1:
                raise Unreadable(Fault(cell.place, f"The column “{name}” is there twice."))
        missing = [name for name in REQUIRED_COLUMNS if name not in names]
        if missing:
            raise Unreadable(Fault(first[0].place, f"Columns are missing: {', '.join(missing)}."))
        return names

    def _add(self, row: Mapping[str, Node], products: dict[str, Node]) -> None:
        slug = row["slug"]
        product = products.get(slug.value)
        if product is None or not slug.value:
            fields = {name: row[name] for name in ("slug", *PRODUCT_COLUMNS) if name in row}
            if "pictures" in fields:
                fields["pictures"] = self._pictures(fields["pictures"])
            fields["variants"] = Node(slug.place, [])
            # Rows without a slug are a fault each; they are kept apart so that their other cells are read too.
            product = products[slug.value or str(slug.place)] = Node(slug.place, fields)
        else:
            self._compare(row, product)
        variant = {name: row[name] for name in VARIANT_COLUMNS if name in row}
        if "options" in variant:
            variant["options"] = self._options(variant["options"])
        product.value["variants"].value.append(Node(row["sku"].place, variant))

    def _compare(self, row: Mapping[str, Node], product: Node) -> None:
        for name in PRODUCT_COLUMNS:
            if name not in row or not row[name].value:
                continue
            first = product.value[name]
            again = self._pictures(row[name]) if name == "pictures" else row[name]
            if _plain(again) != _plain(first):
                words = f"This differs from line {first.place.line}, the product's first row. Leave it empty, or the same."
                self._faults.append(Fault(row[name].place, words))

    def _options(self, cell: Node) -> Node:
        options: dict[str, Node] = {}
        for name, value, part in cells.read_pairs(cell.value):
            if name in options or not (name and value):
                self._no_pair(cell, part, "Size = Large | Colour = Moss")
            else:
                options[name] = Node(cell.place, value)
        return Node(cell.place, options)

    def _pictures(self, cell: Node) -> Node:
        pictures = []
        for file, alt, part in cells.read_pairs(cell.value):
            if not (file and alt):
                self._no_pair(cell, part, "pictures/tea.svg = A tin of tea | pictures/cup.svg = A cup")
            else:
                fields = {"file": Node(cell.place, file), "alt": Node(cell.place, alt)}
                pictures.append(Node(cell.place, fields))
        return Node(cell.place, pictures)

    def _no_pair(self, cell: Node, part: str, example: str) -> None:
        self._faults.append(Fault(cell.place, f"“{part}” should look like: {example}."))


def _rows(text: str, delimiter: str) -> Iterator[list[Node]]:
    """Read rows that are not empty. A cell's place is where it begins: cells may hold line breaks."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise Unreadable(Fault(Place(line, 1), f"From here on this is not CSV: {error}.")) from error
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield list(_placed(row, line))


def _placed(row: list[str], line: int) -> Iterator[Node]:
    for column, cell in enumerate(row, 1):
        text = cell.replace("\r\n", "\n").replace("\r", "\n")
        yield Node(Place(line, column), cells.unguarded(text.strip()))
        line += text.count("\n")


def _add_category(row: Mapping[str, Node], categories: dict[str, Node]) -> None:
    name = row.get(CATEGORY_NAME)
    if name is not None and name.value and row["category"].value not in categories:
        fields = {"slug": row["category"], "name": name}
        categories[row["category"].value] = Node(row["category"].place, fields)


def _plain(node: Node) -> Any:
    if isinstance(node.value, list):
        return [_plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {name: _plain(item) for name, item in node.value.items()}
    return node.value
