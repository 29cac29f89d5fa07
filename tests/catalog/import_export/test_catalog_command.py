"""`make catalog FILE=…`: what it prints and how it exits."""

import io
from pathlib import Path

import pytest

from chalicelib.catalog.models import Stock
from chalicelib.database.reads import get
from infra.commands.import_catalog import main, progress_bar
from tests.catalog.product_factory import units

GOOD = "slug,name,category,category_name,sku,price,stock\nsencha,Sencha,tea,Tea,S,5,1\n"


class Terminal(io.StringIO):
    """Somebody who looks."""

    def isatty(self) -> bool:
        return True


def test_it_shows_what_changes_and_says_what_it_did(
    aws: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shop.csv"
    file.write_text(GOOD)
    assert main([str(file)]) == 0
    assert main([str(file)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Read as UTF-8, with commas between cells.",
        "category tea is new: “Tea”",
        "sencha is new: “Sencha”, 1 variant",
        "1 new product, 1 new or changed category.",
        "1 added, 0 changed, 0 unchanged",
        "Read as UTF-8, with commas between cells.",
        "1 product stays as it is.",
        "0 added, 0 changed, 1 unchanged",
    ]


@pytest.mark.parametrize(
    ("yes", "answer", "loads"), [("", "y", True), ("", "", False), ("1", None, True), ("no", None, False)]
)
def test_in_a_terminal_the_command_asks_before_anything_changes(
    aws: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yes: str, answer: str | None, loads: bool
) -> None:
    asked: list[str] = []
    file = tmp_path / "shop.csv"
    file.write_text(GOOD)
    monkeypatch.setattr("sys.stdin", Terminal())

    def ask(question: str) -> str:
        asked.append(question)
        return str(answer)

    monkeypatch.setattr("builtins.input", ask)

    assert main([str(file), "", yes]) == 0

    assert bool(asked) == (answer is not None)
    assert (get(Stock, "S") is not None) == loads


def test_stock_is_ignored_set_or_added_as_it_is_asked_to(
    aws: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shop.csv"
    file.write_text(GOOD)
    main([str(file)])
    file.write_text(GOOD.replace("5,1", "5,7"))

    main([str(file)])
    ignored = capsys.readouterr().out
    assert "S: 1 in the shop, 7 in the file" in ignored
    assert "The “stock” column is ignored for them; use it with STOCK=set or STOCK=add." in ignored
    assert ignored.endswith("0 added, 0 changed, 1 unchanged; the file’s stock was ignored for 1 variant\n")
    assert units("S") == 1

    main([str(file), "set"])
    assert capsys.readouterr().out.endswith("0 added, 1 changed, 0 unchanged; stock changed for 1 variant\n")
    assert units("S") == 7

    main([str(file), "add"])
    main([str(file), "add"])
    assert "because this file has already added it" in capsys.readouterr().out
    assert units("S") == 14


def test_it_lists_the_faults_and_fails(
    aws: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shop.csv"
    file.write_text(GOOD.replace("5,1", "x,y"))
    assert main([str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "row 2, column F (price), SKU S: “x” is not an amount such as 12.90.",
        "row 2, column G (stock), SKU S: The stock must be a whole number, 0 or more, without thousands separators.",
        f"2 errors in {file}. Nothing was changed.",
    ]


@pytest.mark.parametrize("arguments", [[], [""], ["a.csv", "b.csv"], ["a.csv", "add", "maybe"]])
def test_it_asks_for_a_file(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "FILE=catalog.csv" in capsys.readouterr().err


def test_it_says_in_a_line_that_the_shop_does_not_answer(
    aws: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pynamodb.exceptions import QueryError

    from chalicelib.catalog.models import CategoryRow

    def fail(*_: object, **__: object) -> None:
        raise QueryError("no\nanswer")

    file = tmp_path / "shop.csv"
    file.write_text(GOOD)
    monkeypatch.setattr(CategoryRow, "query", fail)
    assert main([str(file)]) == 1
    assert "The import failed: no answer" in capsys.readouterr().err


def test_the_bar_grows_in_place_and_leaves_no_trace() -> None:
    terminal = Terminal()
    draw = progress_bar(terminal)
    assert draw
    for done in range(5):
        draw(done, 4)
    drawn = terminal.getvalue().split("\r")
    assert drawn[3].count("█") == drawn[3].count("░")
    assert drawn[5].endswith("4/4")
    assert drawn[6] == "\033[K"


def test_nobody_looking_means_no_bar() -> None:
    assert progress_bar(io.StringIO()) is None
