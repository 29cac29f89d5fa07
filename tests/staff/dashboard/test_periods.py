"""What a day, a week and a month are, what they are compared with, and how they are drawn."""

from datetime import date

import pytest

from chalicelib.errors import BadInput
from chalicelib.staff.dashboard.bar_chart import DataPoint, draw
from chalicelib.staff.dashboard.periods import MIN_DATE, ONE, parse_day, parse_kind, parse_month, period_of

TODAY = date(2026, 11, 22)  # a Sunday


@pytest.mark.parametrize(
    ("kind", "day", "span", "before"),
    [
        ("day", "2026-11-22", ("2026-11-22", "2026-11-22"), ("2026-11-15", "2026-11-15")),
        ("week", "2026-11-22", ("2026-11-16", "2026-11-22"), ("2026-11-09", "2026-11-15")),
        ("month", "2026-11-22", ("2026-11-01", "2026-11-22"), ("2026-10-01", "2026-10-22")),
        ("month", "2026-10-31", ("2026-10-01", "2026-10-31"), ("2026-09-01", "2026-09-30")),
        ("month", "2026-02-28", ("2026-02-01", "2026-02-28"), ("2026-01-01", "2026-01-31")),
        ("month", "2026-03-30", ("2026-03-01", "2026-03-30"), ("2026-02-01", "2026-02-28")),
        ("month", "2028-03-29", ("2028-03-01", "2028-03-29"), ("2028-02-01", "2028-02-29")),
        ("week", "2026-01-03", ("2025-12-28", "2026-01-03"), ("2025-12-21", "2025-12-27")),
    ],
)
def test_like_is_compared_with_like(
    kind: str, day: str, span: tuple[str, str], before: tuple[str, str]
) -> None:
    period = period_of(kind, date.fromisoformat(day))
    assert (str(period.span.first), str(period.span.last)) == span
    assert (str(period.before.first), str(period.before.last)) == before


def test_weekdays_meet_their_like() -> None:
    for kind in ("day", "week"):
        period = period_of(kind, TODAY)
        assert [day.weekday() for day in period.span.days] == [day.weekday() for day in period.before.days]


def test_it_is_said_in_words_what_is_compared() -> None:
    assert period_of("day", TODAY).against == "Sunday, 15 November, a week earlier"
    assert period_of("week", TODAY).against == "the previous 7 days, 9 to 15 November 2026"
    assert period_of("month", TODAY).against == "1 to 22 October 2026"
    assert period_of("month", date(2026, 10, 31)).against == "September"


@pytest.mark.parametrize("kind", ["day", "week", "month"])
def test_one_can_walk_back_and_forth_without_leaving_a_day_out(kind: str) -> None:
    period, seen = period_of(kind, TODAY), set()
    for _ in range(8):
        seen |= set(period.span.days)
        earlier = period.earlier()
        assert earlier is not None
        period = period_of(kind, earlier)
    assert seen == {max(seen) - ONE * back for back in range(len(seen))}
    for _ in range(8):
        later = period.later(TODAY)
        assert later is not None
        period = period_of(kind, later)
    assert period.last == TODAY
    assert period.later(TODAY) is None


@pytest.mark.parametrize("kind", ["day", "week", "month"])
def test_the_earliest_day_has_a_time_before(kind: str) -> None:
    assert period_of(kind, MIN_DATE).before.days
    assert period_of(kind, MIN_DATE).earlier() is None


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-02-30", "20261122", "2026-W47-7", "2026-11-23", "9999-12-31", "0001-01-01"],
)
def test_a_day_that_cannot_be_shown_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadInput, match=r"\w+ .*\.$"):
        parse_day(text, TODAY)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-1", "2026-12", "0001-01", "11/2026", "2026-11-01"]
)
def test_a_month_that_cannot_be_shown_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadInput, match=r"\w+ .*\.$"):
        parse_month(text, TODAY)


def test_a_period_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="a day, a week or a month"):
        parse_kind("year")


@pytest.mark.parametrize("most", [1, 99, 100, 3570, 123_456_789])
def test_every_bar_has_its_share_of_the_highest_level(most: int) -> None:
    drawing = draw([DataPoint("a", "A", most, 0), DataPoint("", "B", 0, most // 2)], "EUR")
    assert 1 <= len(drawing.lines) <= 4
    levels = [float(line.y.rstrip("%")) for line in drawing.lines]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] >= 8
    bar = drawing.places[0].bar
    assert bar is not None
    top, height = float(bar.y.rstrip("%")), float(bar.height.rstrip("%"))
    assert top >= levels[-1] - 0.01
    assert abs(top + height - float(drawing.bottom.rstrip("%"))) < 0.02


def test_levels_are_round_amounts() -> None:
    lines = draw([DataPoint("", "", 3570, 0)], "EUR").lines
    assert [line.label for line in lines] == ["€10", "€20", "€30", "€40"]
    assert [line.label for line in draw([DataPoint("", "", 3, 0)], "JPY").lines] == ["¥1", "¥2", "¥3"]


def test_a_drawing_of_nothing_has_no_levels() -> None:
    drawing = draw([DataPoint("a", "A", 0, 0), DataPoint("", "B", 0, 0)], "EUR")
    assert drawing.lines == ()
    assert [place.bar for place in drawing.places] == [None, None]
