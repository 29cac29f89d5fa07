"""A cold start is compared with the floor of its own round, and judged by CPU: a busy machine is not a slow shop."""

import pytest

from tests.benchmarks.cold_start.cold_start import STARTS, WHOLE, Start, compared, report
from tests.benchmarks.cold_start.lambda_runtime import ColdStart

ROUNDS = (1, 1, 1, 1, 1, 2, 2, 2, 2)  # how slow the machine was


def _taken(
    cpu: float, wall: float, slow: tuple[float, ...] = ROUNDS, peak: int = 45_000_000
) -> list[ColdStart]:
    return [ColdStart(wall * times, 0, cpu * times, peak, {}) for times in slow]


def _samples(shop: list[ColdStart]) -> dict[Start, list[ColdStart]]:
    return {start: _taken(200, 240) for start in STARTS} | {WHOLE: shop}


def test_rounds_are_compared_within_themselves_and_each_figure_is_shown() -> None:
    floor, shop = [200, 200, 200, 400, 400], [280, 280, 560, 560, 560]
    found = compared(shop, floor)
    assert found.of_medians == 2.8
    assert found.of_rounds == 1.4
    assert found.of_quartiles == 1.4
    assert (found.low, found.high) == (1.4, 1.4)


@pytest.mark.parametrize(
    ("cpu", "wall", "status"),
    [
        (190, 230, 0),
        (210, 230, 1),  # 1.05 times the CPU
        (190, 260, 0),  # 1.08 times the wall: a tenth is the machine's
        (190, 270, 1),
    ],
)
def test_a_missed_goal_is_reported(
    cpu: float, wall: float, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(_samples(_taken(cpu, wall)), 8_000_000) == status
    printed = capsys.readouterr().out
    assert f"{cpu / 200:.2f} times botocore's CPU" in printed
    assert f"{wall / 240:.2f} times its wall" in printed


def test_memory_has_a_goal_of_its_own() -> None:
    assert report(_samples(_taken(190, 230, peak=81_000_000)), 8_000_000) == 1
