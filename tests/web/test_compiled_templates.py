"""On Lambda templates are compiled ahead; they must be the same templates, in the same environment."""

from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, ModuleLoader, UndefinedError

from chalicelib.web.templates import TEMPLATES, environment
from infra.aws.package.bytecode import compile_templates


def test_every_template_can_be_had(tmp_path: Path) -> None:
    compile_templates(TEMPLATES, tmp_path)
    compiled = _environment(ModuleLoader(tmp_path))
    names = environment().list_templates()
    assert "catalog/product.html" in names
    for name in names:
        assert compiled.get_template(name).name == name


def test_pages_escape_text_does_not_and_nothing_missing_passes(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{% if words %}\n{{ words }} {{ 500 | money }}\n{% endif %}")
    (tmp_path / "layout.txt").write_text("{{ words }}")
    compile_templates(tmp_path, tmp_path / "made")
    for loader in (FileSystemLoader(tmp_path), ModuleLoader(tmp_path / "made")):
        made = _environment(loader)
        assert made.get_template("page.html").render(words="<b>") == "&lt;b&gt; €5.00\n"
        assert made.get_template("layout.txt").render(words="<b>") == "<b>"
        for name in ("page.html", "layout.txt"):
            with pytest.raises(UndefinedError):
                made.get_template(name).render()


def _environment(loader: FileSystemLoader | ModuleLoader) -> Environment:
    made = environment().overlay()
    made.loader = loader
    return made
