"""`make catalog FILE=…`: what it prints and how it exits."""

import io
from pathlib import Path

import pytest

from infra.catalog import main, progress_bar

GOOD = "slug,name,category,category_name,sku,price,stock\nsencha,Sencha,tea,Tea,S,5,1\n"


class Terminal(io.StringIO):
    """Somebody who looks."""

    def isatty(self) -> bool:
        return True


def test_it_says_what_it_did(aws: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "shop.csv"
    file.write_text(GOOD)
    assert main([str(file)]) == 0
    assert main([str(file)]) == 0
    assert (
        capsys.readouterr().out == "1 added, 0 changed, 0 as they were\n0 added, 0 changed, 1 as they were\n"
    )


def test_it_lists_the_faults_and_fails(
    aws: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shop.csv"
    file.write_text(GOOD.replace("5,1", "x,y"))
    assert main([str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "line 2, column 6 (price): 'x' is not an amount such as 12.90.",
        "line 2, column 7 (stock): The stock is a whole number of pieces, 0 or more.",
        f"2 faults in {file}. Nothing was changed.",
    ]


@pytest.mark.parametrize("arguments", [[], [""], ["a.csv", "b.csv"]])
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
    assert "could not be loaded to its end: no answer" in capsys.readouterr().err


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
