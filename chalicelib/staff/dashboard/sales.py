"""Sales: the figures of a day, a week or a month, beside the previous period. The same sums as in the books."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from chalice.app import Request, Response

from chalicelib import clock, money
from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.staff import layout
from chalicelib.staff.dashboard.periods import (
    DAY,
    KINDS,
    MONTH,
    ONE,
    WEEK,
    Period,
    format_date,
    parse_day,
    parse_kind,
    period_of,
    short,
)
from chalicelib.staff.models import StaffMember
from chalicelib.web.http_request import query

if TYPE_CHECKING:
    from chalicelib.ledger.daily_totals import DayTotals, Tally
    from chalicelib.ledger.totals import Summary
    from chalicelib.staff.dashboard.bar_chart import DataPoint

BEST = 10
HOURS = range(24)


@dataclass(frozen=True)
class PeriodRow:
    """One period in one currency: its name, the orders paid in it, and its money."""

    name: str
    orders: int
    figures: "Summary"


@dataclass(frozen=True)
class Part:
    """An hour or a day, and its counterpart in the previous period; one is None if a month is longer than the other."""

    tick: str  # below the chart, "" if there is no room
    this: PeriodRow | None
    before: PeriodRow | None

    @property
    def moved(self) -> bool:
        """Return whether any money moved in it."""
        return any(row is not None and row.figures.movements for row in (self.this, self.before))

    @property
    def words(self) -> str:
        """Return its revenue."""
        rows = [row for row in (self.this, self.before) if row is not None]
        return ", ".join(
            f"{row.name}: {money.format_money(row.figures.revenue, row.figures.currency)}" for row in rows
        )


@dataclass(frozen=True)
class Tile:
    """A figure at the top. `change` in percent, None if there is nothing to compare with."""

    name: str
    value: int
    before: int
    is_money: bool = True

    @property
    def change(self) -> int | None:
        """Return the change from the previous period, in percent."""
        return round((self.value - self.before) * 100 / abs(self.before)) if self.before else None


def show(request: Request, member: StaffMember) -> Response:
    """Show a day, or the week or the month that ends with it."""

    now = clock.now()
    today = clock.today(now)
    asked = query(request, "period") or DAY, query(request, "day") or str(today)
    try:
        period, problem = period_of(parse_kind(asked[0]), parse_day(asked[1], today)), None
    except BadInput as refusal:
        period, problem = period_of(DAY, today), refusal.message
    values = _values(period, today, now)
    form_data = asked[1] if problem else str(period.last)
    return layout.render_page(
        member,
        "staff/dashboard/sales.html",
        400 if problem else 200,
        problem=problem,
        typed=form_data,
        **values,
    )


def _values(period: Period, today: date, now: datetime) -> dict[str, Any]:
    from chalicelib.ledger import daily_totals
    from chalicelib.staff.dashboard.bar_chart import draw

    begins, shop = daily_totals.first_day(now), settings.currency
    yesterday = [period.last - ONE] if period.kind == DAY else []
    wanted = {*period.span.days, *period.before.days, *yesterday}
    counts = daily_totals.count([day for day in wanted if day >= begins], now)
    this, before = (_together(counts, span.days) for span in (period.span, period.before))
    parts = _hours(period, this, before) if period.kind == DAY else _days(period, counts)
    sums = [_row(_whole_name(period), this, shop), _row("Previous period", before, shop)]
    if yesterday:
        sums.append(_row("Previous day", _together(counts, yesterday), shop))
    others = sorted({*this.totals().currencies, *before.totals().currencies} - {shop})
    return {
        "period": period,
        "kinds": KINDS,
        "today": today,
        "begins": begins if begins > period.before.first else None,
        "uncounted": sorted(day for day, count in counts.items() if not count.whole),
        "tiles": _tiles(*sums[:2]),
        "sums": sums,
        "drawing": draw([_slot(part) for part in parts], shop),
        "parts": [part for part in parts if part.moved or period.kind != DAY],
        "best": [(one, before.units_sold(one)) for one in this.best_sellers(BEST)],
        "others": [(_row("", this, currency), _row("", before, currency)) for currency in others],
        "format_date": format_date,
    }


def _tiles(this: PeriodRow, before: PeriodRow) -> list[Tile]:
    tiles = [Tile("Orders", this.orders, before.orders, is_money=False)]
    for name, field in (("Revenue", "revenue"), ("Refunds", "refunds"), ("Fees", "fees"), ("Net", "net")):
        tiles.append(Tile(name, getattr(this.figures, field), getattr(before.figures, field)))
    if this.figures.reversals or before.figures.reversals:
        tiles.insert(3, Tile("Chargebacks", this.figures.reversals, before.figures.reversals))
    return tiles


def _hours(period: Period, this: "Tally", before: "Tally") -> list[Part]:
    shop = settings.currency
    like = short(period.before.last)
    return [
        Part(
            f"{hour}:00" if hour % 6 == 0 else "",
            _row(f"{hour}:00", this, shop, hour),
            _row(f"{like}, {hour}:00", before, shop, hour),
        )
        for hour in HOURS
    ]


def _days(period: Period, counts: "dict[date, DayTotals]") -> list[Part]:
    pairs = list(zip_longest(period.span.days, period.before.days))
    return [
        Part(_tick(index, this or before, len(pairs)), _day_row(this, counts), _day_row(before, counts))
        for index, (this, before) in enumerate(pairs)
    ]


def _tick(index: int, day: date, many: int) -> str:
    if many <= 7:
        return f"{day:%a}"
    return str(day.day) if index % 7 == 0 else ""


def _day_row(day: date | None, counts: "dict[date, DayTotals]") -> PeriodRow | None:
    return _row(short(day), _of(counts, day), settings.currency) if day else None


def _row(name: str, tally: "Tally", currency: str, hour: int | None = None) -> PeriodRow:
    return PeriodRow(name, tally.orders(currency, hour), tally.totals(hour).summary(currency))


def _slot(part: Part) -> "DataPoint":
    from chalicelib.staff.dashboard.bar_chart import DataPoint

    this, before = (row.figures.revenue if row else 0 for row in (part.this, part.before))
    return DataPoint(part.tick, part.words, this, before)


def _together(counts: "dict[date, DayTotals]", days: Iterable[date]) -> "Tally":
    from chalicelib.ledger.daily_totals import Tally

    tally = Tally()
    for day in days:
        tally.merge(_of(counts, day))
    return tally


def _of(counts: "dict[date, DayTotals]", day: date) -> "Tally":
    from chalicelib.ledger.daily_totals import Tally

    return counts[day].tally if day in counts else Tally()


def _whole_name(period: Period) -> str:
    return {DAY: "This day", WEEK: "These 7 days", MONTH: "This month"}[period.kind]
