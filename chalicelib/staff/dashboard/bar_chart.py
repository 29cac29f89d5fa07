"""Bar charts, drawn on the server: every measure is a percentage, so that it fits every screen."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib import money

TOP, BOTTOM = 9.0, 88.0  # percent of the chart's height: above is a label, below are the ticks
LEFT = 7.0  # percent of its width: the amounts of the levels
WIDE, SLIM = 0.74, 0.42  # of a slot's width: the previous period is behind, the current one in front
MAX_LINES = 4


@dataclass(frozen=True)
class DataPoint:
    """An hour or a day: its tick (or ""), its label, and its amounts in minor units, current and previous."""

    tick: str
    words: str
    amount: int
    before: int


@dataclass(frozen=True)
class Bar:
    """A rectangle, in percent."""

    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True)
class BarGroup:
    """A slot's bars, and their description. `bar` and `before` are None if there is nothing to draw."""

    middle: str
    tick: str
    words: str
    bar: Bar | None
    before: Bar | None


@dataclass(frozen=True)
class GridLine:
    """A level, in percent from the top, and its amount."""

    y: str
    label: str


@dataclass(frozen=True)
class Chart:
    """What a template draws."""

    places: tuple[BarGroup, ...]
    lines: tuple[GridLine, ...]
    bottom: str = f"{BOTTOM}%"


def draw(slots: Sequence[DataPoint], currency: str) -> Chart:
    """Draw two amounts per slot."""
    step = _step(max((max(slot.amount, slot.before) for slot in slots), default=0))
    highest = max(-(-max(slot.amount, slot.before) // step) for slot in slots) * step or step
    share = (100 - LEFT) / len(slots)
    places = tuple(
        BarGroup(
            _percent(LEFT + (index + 0.5) * share),
            slot.tick,
            slot.words,
            _bar(LEFT + index * share, share, SLIM, slot.amount / highest),
            _bar(LEFT + index * share, share, WIDE, slot.before / highest),
        )
        for index, slot in enumerate(slots)
    )
    levels = range(step, highest + 1, step) if any(slot.amount or slot.before for slot in slots) else ()
    return Chart(
        places, tuple(GridLine(_height(level / highest), _short(level, currency)) for level in levels)
    )


def _bar(left: float, share: float, width: float, part: float) -> Bar | None:
    if part <= 0:
        return None
    height = part * (BOTTOM - TOP)
    return Bar(
        _percent(left + share * (1 - width) / 2),
        _height(part),
        _percent(share * width),
        _percent(height),
    )


def _height(part: float) -> str:
    return _percent(BOTTOM - part * (BOTTOM - TOP))


def _percent(value: float) -> str:
    return f"{value:.2f}%"


def _step(most: int) -> int:
    """Return the round amount, 1, 2 or 5 with zeros, that fits at most four times into the largest bar."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size * MAX_LINES >= most:
                return factor * size
        size *= 10


def _short(amount: int, currency: str) -> str:
    return money.format_money(amount, currency).replace(".00", "")
