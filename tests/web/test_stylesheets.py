"""The stylesheets and the templates name the same classes."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "chalicelib" / "web" / "static"
EMAILS = {"mail", "emails"}  # folders of templates with styles of their own


def styled_classes() -> set[str]:
    """Return the classes that the stylesheets have rules for."""
    found: set[str] = set()
    for file in STATIC.glob("*.css"):
        rules = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        for selector in re.findall(r"([^{}]+)\{", rules):
            found.update(re.findall(r"\.([a-z][a-z0-9-]*)", selector))
    return found


def used_classes() -> set[str]:
    """Return the classes of the templates; one that is put together ends in `*`: `chip-*`."""
    found: set[str] = set()
    for file in (ROOT / "templates").rglob("*.html"):
        if EMAILS & set(file.parts):
            continue
        for value in re.findall(r'class="([^"]*)"', file.read_text(encoding="utf-8")):
            plain = re.sub(r"\{%.*?%\}", "", value)
            found.update(re.sub(r"\{\{(.*?)\}\}", _choices, plain).split())
    return found


def _choices(expression: re.Match[str]) -> str:
    """Return the texts that an expression of Jinja chooses from, or `*` where it is a value."""
    texts: list[str] = re.findall(r"'([^']*)'", expression[1])
    return " ".join(texts) if texts else "*"


def test_every_class_of_a_template_has_a_style() -> None:
    assert sorted(name for name in used_classes() - styled_classes() if not name.endswith("*")) == []


def test_every_style_is_used() -> None:
    used = used_classes()
    prefixes = tuple(name.removesuffix("*") for name in used if name.endswith("*"))
    scripts = "".join(file.read_text(encoding="utf-8") for file in STATIC.glob("*.js"))
    unused = {name for name in styled_classes() - used if not name.startswith(prefixes)}
    assert sorted(name for name in unused if f'"{name}"' not in scripts) == []


def test_every_column_that_a_style_names_is_in_a_template() -> None:
    styles = "".join(file.read_text(encoding="utf-8") for file in STATIC.glob("*.css"))
    pages = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "templates").rglob("*.html"))
    named = set(re.findall(r'data-label="([^"]+)"', styles))
    assert named
    assert sorted(name for name in named if f'data-label="{name}"' not in pages) == []
