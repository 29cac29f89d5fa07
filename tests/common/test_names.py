"""Names that were given up, each with the word that replaced it: none of them comes back. docs/glossary.md has the words."""

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.test_stylesheets import styled_classes

ROOT = Path(__file__).parents[2]
PYTHON = [
    ROOT / "app.py",
    *(file for part in ("chalicelib", "infra", "tests") for file in (ROOT / part).rglob("*.py")),
]
TEMPLATES = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "templates").rglob("*.txt")]
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
# The errors that a docstring names: `Raises NotFound, Locked or Conflict`.
_RAISES = re.compile(r"\bRaises? ((?:[A-Z]\w+(?:,? (?:and |or )?)?)+)")
_TELLS = re.compile(r"(Tell|Say)s?\b")
_TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")
_NAMES: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("retired_names.toml").read_text(encoding="utf-8")
)
RETIRED_CLASSES: dict[str, str] = _NAMES.pop("css")
RETIRED: dict[str, str] = _NAMES
# Beginnings of constants that are used nowhere any more → what to use instead.
RETIRED_PREFIXES = {"MOST": "MAX_…", "LONGEST": "MAX_…_LENGTH", "FEWEST": "MIN_…", "LARGEST": "MAX_…_SIZE"}


def replacement_of(name: str) -> str | None:
    """Return what to use instead of a name; None for one that is used."""
    if name in RETIRED:
        return RETIRED[name]
    bare = name.lstrip("_")
    return next(
        (new for prefix, new in RETIRED_PREFIXES.items() if bare.startswith(prefix) and bare.isupper()), None
    )


def python_names(text: str) -> Iterator[tuple[int, str]]:
    """Yield the identifiers of a module with their lines; not what strings and comments say."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def template_names(text: str) -> Iterator[tuple[int, str]]:
    """Yield the identifiers of a template's code with their lines; not what it says to people."""
    for code in _CODE.finditer(text):
        line = text.count("\n", 0, code.start()) + 1
        for word in _WORD.findall(_TEXT.sub("", code[0])):
            yield line, word


def retired_in(files: list[Path]) -> list[str]:
    """List where retired names are used, each with its replacement."""
    found = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        if not any(map(replacement_of, set(_WORD.findall(text)))):
            continue  # tokens take fifty times as long to read as words
        for line, name in python_names(text) if file.suffix == ".py" else template_names(text):
            if (new := replacement_of(name)) is not None:
                found.append(f"{file.relative_to(ROOT)}:{line}: {name} → {new}")
    return found


@pytest.mark.parametrize("files", [PYTHON, TEMPLATES], ids=["Python", "templates"])
def test_retired_names_do_not_come_back(files: list[Path]) -> None:
    assert files
    assert retired_in(files) == []


def test_a_retired_name_is_found_with_its_replacement(tmp_path: Path) -> None:
    for text, name in [
        ("def take_up(claim):\n    pass\n", "take_up"),
        ("x = order.owe_mail\n", "owe_mail"),
        ("MOST_CATS = 3\n", "MOST_CATS"),
    ]:
        assert [found for _, found in python_names(text) if replacement_of(found)] == [name]
    assert not [name for _, name in python_names('"""take_up"""  # take_up\n') if replacement_of(name)]
    assert [name for _, name in template_names("take_up {{ order.take_up }}") if replacement_of(name)] == [
        "take_up"
    ]


def test_retired_classes_do_not_come_back() -> None:
    assert [name for name in styled_classes() if {name, name.split("-")[0]} & RETIRED_CLASSES.keys()] == []


def test_no_replacement_is_itself_retired() -> None:
    assert not {new for new in RETIRED.values() if replacement_of(new)}


def docstrings_of(file: Path, text: re.Pattern[str]) -> list[str]:
    """List the docstrings of a module, if a text is anywhere in it; a module without it need not be parsed."""
    source = file.read_text(encoding="utf-8")
    if not text.search(source):
        return []
    nodes = ast.walk(ast.parse(source))
    documented = (node for node in nodes if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    return [docstring for node in documented if (docstring := ast.get_docstring(node))]


def test_no_docstring_begins_with_tell_or_say() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {docstring.splitlines()[0]}"
        for file in PYTHON
        for docstring in docstrings_of(file, _TELLS)
        if _TELLS.match(docstring)
    ]
    assert found == []


def test_docstrings_name_no_retired_error() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {name} → {RETIRED[name]}"
        for file in PYTHON
        for docstring in docstrings_of(file, _RAISES)
        for names in _RAISES.findall(docstring)
        for name in _WORD.findall(names)
        if name in RETIRED
    ]
    assert found == []
