"""Instructions are those of the measured calls alone, and a missed goal is an exit status."""

from pathlib import Path

import pytest

from tests.benchmarks.instructions import FLOOR, GOALS, MARK, PAYPAL, _counts, report


def test_the_last_counts_are_those_of_the_calls(tmp_path: Path) -> None:
    dump = "part: {}\ndesc: Trigger: {}\nsummary: {}\ntotals: {}\n"
    for part, totals in ((1, 900), (2, 20), (10, 40), (9, 30)):
        (tmp_path / f"counted.{part}").write_text(dump.format(part, f"--dump-after={MARK}", totals, totals))
    (tmp_path / "counted.11").write_text(dump.format(11, "Program termination", 5, 5))
    assert _counts(tmp_path / "counted", 3) == [20, 30, 40]


@pytest.mark.parametrize(("instructions", "status"), [(90, 0), (91, 1)])
def test_an_operation_above_its_goal_is_reported(
    instructions: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "add to cart, the third line"
    assert GOALS[name] == 0.9
    assert report([FLOOR, None, name, FLOOR], [100, 7, instructions, 100]) == status
    assert f"{instructions / 100:.2f}" in capsys.readouterr().out


def test_what_paypals_client_runs_is_no_part_of_the_shops(capsys: pytest.CaptureFixture[str]) -> None:
    name = "place an order"
    assert GOALS[name] == 2.6
    assert report([FLOOR, name, name + PAYPAL], [100, 400, 140]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split()
    assert row[-3:] == ["2.60", "2.6", "1.40"]
    assert report([FLOOR, name, name + PAYPAL], [100, 400, 139]) == 1
