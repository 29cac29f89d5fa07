"""Catalog files, JSON or CSV, read into values that know their place. What they mean is importer.py's.

A CSV file may be what a spreadsheet of any country saves: its encoding, what separates its cells, and its line ends
are found out, and the document says what was taken.
"""

import codecs
import csv
import io
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.catalog import cells
from chalicelib.cleaning import clean_line

LARGEST_FILE = 50 * 1024 * 1024
DEEPEST = 20
PRODUCT_COLUMNS = ("name", "text", "category", "tax_rate", "added", "hidden", "pictures")
CATEGORY_NAME = "category_name"
CATEGORY_NAMES = "names"  # instead of "categories": a table's rows tell neither their texts nor their order
VARIANT_COLUMNS = ("sku", "options", "price", "sale_price", "stock")
COLUMNS = ("slug", *PRODUCT_COLUMNS[:3], CATEGORY_NAME, *PRODUCT_COLUMNS[3:], *VARIANT_COLUMNS)
REQUIRED_COLUMNS = ("slug", "name", "category", "sku", "price", "stock")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
CSV_SUFFIXES = (".csv", ".txt", ".tsv")
_QUOTED = re.compile(rb'"[^"]*"')
# Excel's first line that names the sign between cells; it is no row.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?(?:\r\n|\r|\n|\Z)', re.I)
_WORKBOOK = (
    b"PK\x03\x04",
    b"\xd0\xcf\x11\xe0",
)  # of Excel, LibreOffice and Numbers: a zip, or Excel's old files
_WORKBOOK_SUFFIXES = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
SAVE_AS_CSV = (
    "This is a spreadsheet program's own document. Please open it there and save it as CSV:"
    " “Save as” in Excel and LibreOffice, “Export to” in Numbers."
)
# What spreadsheets write in place of a cell's content, in English, German, French, Spanish and others.
_SPREADSHEET_ERROR = re.compile(
    r"#(?:NAME|NOM|NOMBRE|¿NOMBRE|NOME)\?|#(?:REF|BEZUG|VALUE|WERT|VALEUR|VALOR|NUM|ZAHL|NULL|SPILL|CALC|DIV/0)!"
    r"|#N/?[AVD]|Err:[0-9]{3}|#{3,}"
)


class Place(NamedTuple):
    """Where a value stands, from 1: line and column of a text; in a table a cell's row and column, its name and SKU."""

    line: int
    column: int
    name: str = ""
    sku: str = ""
    in_table: bool = False

    def __str__(self) -> str:
        """Say it as an editor or a spreadsheet counts."""
        if not self.in_table:
            return f"line {self.line}, column {self.column}"
        name = f" ({self.name})" if self.name else ""
        sku = f", SKU {self.sku[:64]}" if self.sku else ""
        return f"row {self.line}, column {column_letters(self.column)}{name}{sku}"


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


@dataclass(frozen=True)
class Document:
    """A file that was read: its tree, how its bytes were understood, and their hash."""

    tree: Node
    source: str
    digest: str


def column_letters(column: int) -> str:
    """Name a column as spreadsheets do: A, B, … Z, AA."""
    letters = ""
    while column:
        column, last = divmod(column - 1, 26)
        letters = chr(ord("A") + last) + letters
    return letters


def read_file(file: Path, faults: list[Fault]) -> Document:
    """Read a .json or .csv file into one tree; what is wrong with single cells goes to `faults`.

    The tree is that of the JSON form: {"categories": […], "products": [{…, "variants": […]}]}; a CSV file has
    CATEGORY_NAMES instead of the categories. Raises Unreadable.
    """
    data = _bytes_of(file)
    suffix = file.suffix.lower()
    if suffix == ".json":
        return Document(_Json(_text_of(data)).document(), "Read as JSON in UTF-8.", sha256(data).hexdigest())
    if suffix in CSV_SUFFIXES:
        return read_csv(data, faults)
    words = SAVE_AS_CSV if suffix in _WORKBOOK_SUFFIXES else "The file's name must end in .json or .csv."
    raise Unreadable(Fault(Place(1, 1), words))


def read_csv(data: bytes, faults: list[Fault]) -> Document:
    """Read a CSV file's bytes as `read_file` does. Raises Unreadable."""
    text, encoding = _decoded(data)
    table = _Csv(text, faults)
    source = f"Read as {encoding}, with {DELIMITERS[table.delimiter]} between the cells."
    return Document(table.document(), source, sha256(data).hexdigest())


def _decoded(data: bytes) -> tuple[str, str]:
    """Decode a CSV file, and tell its encoding: what it says itself, else UTF-8, else that of old Macs or Western Windows."""
    if data.startswith(_WORKBOOK):
        raise Unreadable(Fault(Place(1, 1), SAVE_AS_CSV))
    zeros = [data[start:200:2].count(0) for start in (0, 1)]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, name = "utf-16", "UTF-16"
    elif max(zeros) > len(data[:200]) / 4 and min(zeros) == 0:
        encoding, name = ("utf-16-be" if zeros[0] else "utf-16-le"), "UTF-16"
    else:
        encoding, name = "utf-8-sig", "UTF-8"
    try:
        return data.decode(encoding), name
    except UnicodeDecodeError as error:
        wrong = error
    if name == "UTF-8":
        ends = _QUOTED.sub(b"", data)  # what is in a cell may break its lines otherwise
        if b"\r" in ends and b"\n" not in ends:
            return data.decode("mac_roman"), "Mac OS Roman (Western European)"
        try:
            return data.decode("cp1252"), "Windows-1252 (Western European)"
        except UnicodeDecodeError as error:
            wrong = error
    row = wrong.object[: wrong.start].replace(b"\r\n", b"\n").count(b"\n") + 1
    words = "This is neither UTF-8 nor Windows-1252. Please save the file as “CSV UTF-8”."
    raise Unreadable(Fault(Place(row, 1), words)) from wrong


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
        self._text = text.replace("\t", " ")  # in texts, too: JSON forbids it there, and people paste it
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
        text = text.removeprefix("\ufeff")
        separator = _SEPARATOR_LINE.match(text)
        if separator is not None:
            text = text[separator.end() :]
        given = separator[1] if separator is not None else ""
        self.delimiter = given if given in DELIMITERS else max(DELIMITERS, key=lambda each: _fit(text, each))
        self._rows = _rows(text, self.delimiter)

    def document(self) -> Node:
        """Read every row into the tree of the JSON form."""
        header = self._header()
        products: dict[str, Node] = {}
        categories: dict[str, Node] = {}
        for nodes in self._rows:
            row = self._named(header, nodes)
            self._add(row, products)
            _add_category(row, categories)
        tree = {
            CATEGORY_NAMES: Node(Place(1, 1), list(categories.values())),
            "products": Node(Place(1, 1), list(products.values())),
        }
        return Node(Place(1, 1), tree)

    def _header(self) -> list[str]:
        """Read the columns' names; "" where spreadsheets have left an empty column behind."""
        first = next(self._rows, None)
        if first is None:
            raise Unreadable(Fault(Place(1, 1), "The file is empty."))
        names = [re.sub(r"[\s_-]+", "_", clean_line(cell.value).lower()) for cell in first]
        for cell, name in zip(first, names, strict=True):
            if name and name not in COLUMNS:
                raise Unreadable(
                    Fault(cell.place, f"“{cell.value}” is no column. The columns are: {', '.join(COLUMNS)}.")
                )
            if name and names.count(name) > 1:
                raise Unreadable(Fault(cell.place, f"The column “{name}” is there twice."))
        missing = [name for name in REQUIRED_COLUMNS if name not in names]
        if missing:
            raise Unreadable(Fault(first[0].place, f"Columns are missing: {', '.join(missing)}."))
        return names

    def _named(self, header: list[str], nodes: list[Node]) -> dict[str, Node]:
        """Give a row's cells their columns. Spreadsheets leave out empty ones at a row's end, or add some."""
        line = nodes[0].place.line
        values = [node.value for node in nodes] + [""] * (len(header) - len(nodes))
        sku = values[header.index("sku")]
        row = {}
        for column, value in enumerate(values, 1):
            name = header[column - 1] if column <= len(header) else ""
            place = Place(line, column, name, sku, in_table=True)
            if name:
                row[name] = Node(place, value)
            elif value:
                self._faults.append(Fault(place, f"“{value[:60]}” is in a column without a name."))
            if _SPREADSHEET_ERROR.fullmatch(value):
                words = f"{value} is an error of the spreadsheet's. Please write what should be here."
                self._faults.append(Fault(place, words))
        return row

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
                words = f"This differs from row {first.place.line}, the product's first. Leave it empty, or the same."
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


def _fit(text: str, delimiter: str) -> tuple[int, int]:
    """Tell how many columns the first row that is not empty has if cells are separated so: known ones, and any."""
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        names = next((row for row in rows if any(cell.strip() for cell in row)), [])
    except csv.Error:
        return 0, 0
    return sum(re.sub(r"[\s_-]+", "_", name.strip().lower()) in COLUMNS for name in names), len(names)


def _rows(text: str, delimiter: str) -> Iterator[list[Node]]:
    """Read rows that are not empty; they are counted as a spreadsheet does, with the empty ones."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            place = Place(number, 1, in_table=True)
            words = f"From here on, line {line} of the file, this is not CSV: {error}."
            raise Unreadable(Fault(place, words)) from error
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield [
                Node(Place(number, column, in_table=True), _content(cell))
                for column, cell in enumerate(row, 1)
            ]


def _content(cell: str) -> str:
    return cells.unguarded(cell.replace("\r\n", "\n").replace("\r", "\n").strip())


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
