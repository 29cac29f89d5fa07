"""Read a CSV file, as a spreadsheet of any country saves it, into values with their locations."""

import csv
import io
import re
from collections.abc import Iterator, Mapping

from chalicelib.catalog.import_export import cell_values, csv_cells
from chalicelib.catalog.import_export.located_values import (
    FileProblem,
    LocatedValue,
    RepeatedValue,
    SourceLocation,
    UnreadableFile,
)
from chalicelib.cleaning import clean_line, clean_lines

PRODUCT_COLUMNS = ("name", "text", "category", "tax_rate", "added", "hidden", "pictures")
CATEGORY_NAME = "category_name"
CATEGORY_NAMES = "names"  # instead of "categories": a table has neither their texts nor their order
VARIANT_COLUMNS = ("sku", "options", "price", "sale_price", "stock")
LATER_COLUMNS = ("tax_class",)  # a product's, too; at the end, so that those before stay where they were
COLUMNS = (
    "slug",
    *PRODUCT_COLUMNS[:3],
    CATEGORY_NAME,
    *PRODUCT_COLUMNS[3:],
    *VARIANT_COLUMNS,
    *LATER_COLUMNS,
)
REQUIRED_COLUMNS = ("slug", "name", "category", "sku", "price", "stock")
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# Excel's first line, which names the delimiter; it is no row.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?(?:\r\n|\r|\n|\Z)', re.I)


class CsvReader:
    """Reads a table with one row per variant; the rows of a product share its slug."""

    def __init__(self, text: str, faults: list[FileProblem]) -> None:
        self._faults = faults
        self.repeated: list[RepeatedValue] = []
        text = text.removeprefix("\ufeff")
        separator = _SEPARATOR_LINE.match(text)
        if separator is not None:
            text = text[separator.end() :]
        given = separator[1] if separator is not None else ""
        self.delimiter = given if given in DELIMITERS else max(DELIMITERS, key=lambda each: _fit(text, each))
        self._rows = _rows(text, self.delimiter)

    def document(self) -> LocatedValue:
        """Read every row into the same tree as a JSON file's."""
        header = self._header()
        products: dict[str, LocatedValue] = {}
        categories: dict[str, LocatedValue] = {}
        for nodes in self._rows:
            row = self._named(header, nodes)
            self._add(row, products)
            self._add_category(row, categories)
        tree = {
            CATEGORY_NAMES: LocatedValue(SourceLocation(1, 1), list(categories.values())),
            "products": LocatedValue(SourceLocation(1, 1), list(products.values())),
        }
        return LocatedValue(SourceLocation(1, 1), tree)

    def _header(self) -> list[str]:
        """Read the columns' names; "" for the empty columns that spreadsheets leave."""
        first = next(self._rows, None)
        if first is None:
            raise UnreadableFile(FileProblem(SourceLocation(1, 1), "The file is empty."))
        names = [_column(cell.value) for cell in first]
        unknown = [cell for cell, name in zip(first, names, strict=True) if name and name not in COLUMNS]
        if unknown:
            listed = ", ".join(f"“{clean_line(cell.value)[:60]}”" for cell in unknown)
            what = "isn’t a known column" if len(unknown) == 1 else "aren’t known columns"
            message = f"{listed} {what}. The columns are: {', '.join(COLUMNS)}."
            raise UnreadableFile(FileProblem(unknown[0].place, message))
        for cell, name in zip(first, names, strict=True):
            if name and names.count(name) > 1:
                raise UnreadableFile(FileProblem(cell.place, f"The column “{name}” is listed twice."))
        missing = [name for name in REQUIRED_COLUMNS if name not in names]
        if missing:
            raise UnreadableFile(FileProblem(first[0].place, f"Missing columns: {', '.join(missing)}."))
        return names

    def _named(self, header: list[str], nodes: list[LocatedValue]) -> dict[str, LocatedValue]:
        """Map a row's cells to their columns' names. Spreadsheets may drop or add empty cells at a row's end."""
        line = nodes[0].place.line
        names = header + [""] * (len(nodes) - len(header))
        values = [_content(node.value, name) for node, name in zip(nodes, names, strict=False)]
        values += [""] * (len(header) - len(nodes))
        sku = values[header.index("sku")]
        row = {}
        for column, (name, value) in enumerate(zip(names, values, strict=True), 1):
            place = SourceLocation(line, column, name, sku, in_table=True)
            if name:
                row[name] = LocatedValue(place, value)
            elif value:
                self._faults.append(FileProblem(place, f"“{value[:60]}” is in a column without a name."))
            if cell_values.is_spreadsheet_error(value):
                message = f"{value} is a spreadsheet error. Please enter the correct value."
                self._faults.append(FileProblem(place, message))
        return row

    def _add(self, row: Mapping[str, LocatedValue], products: dict[str, LocatedValue]) -> None:
        slug = row["slug"]
        product = products.get(slug.value)
        if product is None or not slug.value:
            fields = {name: row[name] for name in ("slug", *PRODUCT_COLUMNS, *LATER_COLUMNS) if name in row}
            if "pictures" in fields:
                fields["pictures"] = self._pictures(fields["pictures"])
            fields["variants"] = LocatedValue(slug.place, [])
            # Each row without a slug is a fault; it becomes a product of its own, so that its other cells are checked too.
            product = products[slug.value or str(slug.place)] = LocatedValue(slug.place, fields)
        else:
            self._add_repeated(row, product)
        variant = {name: row[name] for name in VARIANT_COLUMNS if name in row}
        if "options" in variant:
            variant["options"] = self._options(variant["options"])
        product.value["variants"].value.append(LocatedValue(row["sku"].place, variant))

    def _add_repeated(self, row: Mapping[str, LocatedValue], product: LocatedValue) -> None:
        for name in (*PRODUCT_COLUMNS, *LATER_COLUMNS):
            if name in row and row[name].value:
                again = self._pictures(row[name]) if name == "pictures" else row[name]
                self.repeated.append(RepeatedValue(name, product.value[name], again))

    def _add_category(self, row: Mapping[str, LocatedValue], categories: dict[str, LocatedValue]) -> None:
        slug, name = row["category"], row.get(CATEGORY_NAME)
        if name is None or not name.value:
            return
        fields = {"slug": slug, "name": name}
        first = categories.setdefault(slug.value, LocatedValue(slug.place, fields)).value["name"]
        if first.value != name.value:
            message = f"Row {first.place.line} calls this category “{first.value[:60]}”. Leave it empty or enter the same name."
            self._faults.append(FileProblem(name.place, message))

    def _options(self, cell: LocatedValue) -> LocatedValue:
        options: dict[str, LocatedValue] = {}
        for name, value, part in csv_cells.parse_options(cell.value):
            if name in options or not (name and value):
                self._no_pair(cell, part, "Size = Large | Colour = Moss")
            else:
                options[name] = LocatedValue(cell.place, value)
        return LocatedValue(cell.place, options)

    def _pictures(self, cell: LocatedValue) -> LocatedValue:
        pictures = []
        for file, alt, part in csv_cells.parse_options(cell.value):
            if not (file and alt):
                self._no_pair(cell, part, "pictures/tea.svg = A tin of tea | pictures/cup.svg = A cup")
            else:
                fields = {"file": LocatedValue(cell.place, file), "alt": LocatedValue(cell.place, alt)}
                pictures.append(LocatedValue(cell.place, fields))
        return LocatedValue(cell.place, pictures)

    def _no_pair(self, cell: LocatedValue, part: str, example: str) -> None:
        self._faults.append(FileProblem(cell.place, f"“{part}” should look like: {example}."))


def _column(title: str) -> str:
    return re.sub(r"[\s_-]+", "_", clean_line(title).lower())


def _fit(text: str, delimiter: str) -> tuple[int, int]:
    """Return how many columns the first row that is not empty has with this delimiter: known ones, and all."""
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        names = next((row for row in rows if any(map(clean_line, row))), [])
    except csv.Error:
        return 0, 0
    return sum(_column(name) in COLUMNS for name in names), len(names)


def _rows(text: str, delimiter: str) -> Iterator[list[LocatedValue]]:
    """Yield the rows that are not empty; row numbers count the empty ones, as a spreadsheet does."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            place = SourceLocation(number, 1, in_table=True)
            message = f"The file isn’t valid CSV from line {line} on: {error}."
            raise UnreadableFile(FileProblem(place, message)) from error
        if row is None:
            return
        if any(map(clean_line, row)):
            yield [
                LocatedValue(SourceLocation(number, column, in_table=True), cell)
                for column, cell in enumerate(row, 1)
            ]


def _content(cell: str, name: str) -> str:
    """Return a cell's content without invisible characters, so that rows are grouped by what is visible."""
    return csv_cells.unescape_formula(clean_lines(cell) if name == "text" else clean_line(cell))
