"""Days, weeks and months as staff choose them, and the previous period that they are compared with."""

from dataclasses import dataclass
from datetime import date, timedelta

from chalicelib.errors import BadInput

DAY, WEEK, MONTH = "day", "week", "month"
KINDS = (DAY, WEEK, MONTH)
MIN_DATE = date(2000, 1, 1)
ONE = timedelta(days=1)
SEVEN = timedelta(days=7)


@dataclass(frozen=True)
class DateRange:
    """Consecutive days."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """List its days."""
        return [self.first + ONE * number for number in range((self.last - self.first).days + 1)]


@dataclass(frozen=True)
class Period:
    """The selected period: one day, or the seven days or the month that end with it; and what it is compared with.

    A day is compared with the same weekday of the week before, seven days with the seven before. A month is
    compared with as many days of the month before, and a whole month with a whole one.
    """

    kind: str
    span: DateRange
    before: DateRange
    title: str
    against: str  # follows “compared with”

    @property
    def last(self) -> date:
        """The day on which it ends."""
        return self.span.last

    def earlier(self) -> date | None:
        """Return the day that selects the previous period."""
        day = self.last - {DAY: ONE, WEEK: SEVEN}.get(self.kind, ONE * self.last.day)
        return day if day >= MIN_DATE else None

    def later(self, today: date) -> date | None:
        """Return the day that selects the next period; None if that has not begun."""
        if self.last >= today:
            return None
        step = {DAY: self.last + ONE, WEEK: self.last + SEVEN}
        day = step.get(self.kind) or end_of_month(end_of_month(self.last) + ONE)
        whole = end_of_month(self.last)
        if self.kind == MONTH and self.last < whole:
            day = whole  # the rest of this month first
        return min(day, today)


def period_of(kind: str, day: date) -> Period:
    """Return the period of a kind that ends on a day."""
    return {DAY: _day, WEEK: _week, MONTH: _month}[kind](day)


def parse_kind(text: str) -> str:
    """Return a kind of period. Raises BadInput."""
    if text not in KINDS:
        raise BadInput("Please choose a day, a week or a month.")
    return text


def parse_day(text: str, today: date) -> date:
    """Return a day that has begun, such as 2026-11-22. Raises BadInput."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or str(day) != text:  # fromisoformat takes week dates too
        raise BadInput(
            f"“{text[:20]}” isn’t a valid date. Please enter year, month and day, such as 2026-11-22."
        )
    if day > today:
        raise BadInput("That day is in the future.")
    if day < MIN_DATE:
        raise BadInput(f"Please choose a day after {MIN_DATE.year}.")
    return day


def parse_month(text: str, today: date) -> DateRange:
    """Return the days until today of a month that has begun, such as 2026-11. Raises BadInput."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        first = None
    if first is None or f"{first:%Y-%m}" != text:
        raise BadInput(f"“{text[:20]}” isn’t a valid month. Please enter year and month, such as 2026-11.")
    if first > today:
        raise BadInput("That month is in the future.")
    if first < MIN_DATE:
        raise BadInput(f"Please choose a month after {MIN_DATE.year}.")
    return DateRange(first, min(end_of_month(first), today))


def end_of_month(day: date) -> date:
    """Return the last day of a day's month."""
    return (day.replace(day=28) + ONE * 4).replace(day=1) - ONE


def format_date(day: date, *, year: bool = False) -> str:
    """Format a day: Sunday, 22 November."""
    return f"{day:%A}, {day.day} {day:%B}" + (f" {day.year}" if year else "")


def short(day: date) -> str:
    """Format a day for a table: Sun 22 Nov."""
    return f"{day:%a} {day.day} {day:%b}"


def _day(day: date) -> Period:
    before = day - SEVEN
    return Period(
        DAY,
        DateRange(day, day),
        DateRange(before, before),
        format_date(day, year=True),
        f"{format_date(before)}, a week earlier",
    )


def _week(day: date) -> Period:
    span, before = DateRange(day - ONE * 6, day), DateRange(day - ONE * 13, day - SEVEN)
    return Period(WEEK, span, before, _from_to(span), f"the previous 7 days, {_from_to(before)}")


def _month(day: date) -> Period:
    span = DateRange(day.replace(day=1), day)
    end = span.first - ONE
    if day == end_of_month(day):
        before = DateRange(end.replace(day=1), end)
        return Period(MONTH, span, before, f"{day:%B} {day.year}", f"{end:%B}")
    before = DateRange(end.replace(day=1), end.replace(day=min(day.day, end.day)))
    return Period(MONTH, span, before, _from_to(span), _from_to(before))


def _from_to(span: DateRange) -> str:
    first, last = span.first, span.last
    if first == last:
        return f"{last.day} {last:%B} {last.year}"
    begin = f"{first.day}" if first.month == last.month else f"{first.day} {first:%B}"
    begin += f" {first.year}" if first.year != last.year else ""
    return f"{begin} to {last.day} {last:%B} {last.year}"
