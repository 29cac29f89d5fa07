"""Read catalog files, JSON or CSV, into values with their locations; catalog_parser.py interprets them.

A CSV file may come from a spreadsheet of any country: encoding, delimiter and line ends are detected, and the document
says which were found.
"""

import codecs
import re
from hashlib import sha256
from pathlib import Path

from chalicelib.catalog.import_export.csv_reader import DELIMITERS, CsvReader
from chalicelib.catalog.import_export.encodings import MAC_ROMAN, WINDOWS, find_encoding
from chalicelib.catalog.import_export.json_reader import read_json
from chalicelib.catalog.import_export.located_values import (
    Document,
    FileProblem,
    SourceLocation,
    UnreadableFile,
)

MAX_FILE_SIZE = 50 * 1024 * 1024
CSV_SUFFIXES = (".csv", ".txt", ".tsv")
_QUOTED = re.compile(rb'"[^"]*"')
_WORKBOOK = (
    b"PK\x03\x04",
    b"\xd0\xcf\x11\xe0",
)  # of Excel, LibreOffice and Numbers: a zip, or Excel's old files
_WORKBOOK_SUFFIXES = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
SAVE_AS_CSV = (
    "This is a spreadsheet, not a CSV file. Please open it and save it as CSV:"
    " “Save as” in Excel and LibreOffice, “Export to” in Numbers."
)


def read_file(file: Path, faults: list[FileProblem]) -> Document:
    """Read a .json or .csv file into one tree; problems of single cells are added to `faults`.

    The tree is that of the JSON form: {"categories": […], "products": [{…, "variants": […]}]}; a CSV file has
    CATEGORY_NAMES instead of the categories. Raises UnreadableFile.
    """
    data = _bytes_of(file)
    suffix = file.suffix.lower()
    if suffix == ".json":
        return Document(read_json(_text_of(data)), "Read as JSON in UTF-8.", sha256(data).hexdigest())
    if suffix in CSV_SUFFIXES:
        return read_csv(data, faults)
    message = SAVE_AS_CSV if suffix in _WORKBOOK_SUFFIXES else "The file name must end in .json or .csv."
    raise UnreadableFile(FileProblem(SourceLocation(1, 1), message))


def read_csv(data: bytes, faults: list[FileProblem]) -> Document:
    """Read a CSV file's bytes as `read_file` does. Raises UnreadableFile."""
    text, encoding = _decoded(data)
    table = CsvReader(text, faults)
    source = f"Read as {encoding}, with {DELIMITERS[table.delimiter]} between cells."
    return Document(table.document(), source, sha256(data).hexdigest(), table.repeated)


def _decoded(data: bytes) -> tuple[str, str]:
    """Decode a CSV file, and name its encoding: as its byte order mark says, else UTF-8, else the one that fits its words."""
    if data.startswith(_WORKBOOK):
        raise UnreadableFile(FileProblem(SourceLocation(1, 1), SAVE_AS_CSV))
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
        ends = _QUOTED.sub(b"", data)  # line breaks within cells may be different ones
        likely = MAC_ROMAN if b"\r" in ends and b"\n" not in ends else WINDOWS
        found = find_encoding(data, likely)
        if found is not None:
            return data.decode(found.codec), found.name
    row = wrong.object[: wrong.start].replace(b"\r\n", b"\n").count(b"\n") + 1
    message = (
        f"The file isn’t encoded in {name}, and we couldn’t recognise its encoding."
        " Please save it as “CSV UTF-8”."
    )
    raise UnreadableFile(FileProblem(SourceLocation(row, 1), message)) from wrong


def _bytes_of(file: Path) -> bytes:
    start = SourceLocation(1, 1)
    try:
        if file.stat().st_size > MAX_FILE_SIZE:
            raise UnreadableFile(
                FileProblem(start, f"The file is larger than {MAX_FILE_SIZE // 1024 // 1024} MB.")
            )
        return file.read_bytes()
    except OSError as error:
        raise UnreadableFile(FileProblem(start, f"The file can’t be read: {error.strerror}.")) from error


def _text_of(data: bytes) -> str:
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        place = SourceLocation(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise UnreadableFile(
            FileProblem(place, "The file isn’t encoded in UTF-8. Please save it in that encoding.")
        ) from error
