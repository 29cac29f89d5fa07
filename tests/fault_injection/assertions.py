"""What must hold once everything has come to rest: the invariants, against books that the shop does not keep."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.fault_injection.harness import Mail, World
from tests.fault_injection.scenario import Case, Scenario
from tests.invariants import (
    check_books,
    check_letters,
    check_money,
    check_nothing_is_forgotten,
    check_stock,
    units,
)

if TYPE_CHECKING:
    from chalicelib.orders.models import Order


def check(scenario: Scenario, cases: Sequence[Case], world: World) -> None:
    """Check every case, then the whole shop."""
    orders = sorted(world.shop.orders(), key=lambda order: str(order.placed_at))
    came_out = {case.label: tuple(order.state for order in orders if case.owns(order)) for case in cases}
    otherwise = {label: states for label, states in came_out.items() if states != scenario.states}
    assert otherwise == {}, otherwise
    for case in cases:
        _check(scenario, case)
    check_mails(cases, world)
    check_refunds(orders)
    check_stock(world.shop, {**units(world.shop), **{case.sku: case.units for case in cases}})
    check_money(world.shop)
    may_come_again = {order.id: _in_doubt(order, cases) + _count(order, "email_requeued") for order in orders}
    check_letters(world.shop, world.mails(), may_come_again)
    check_nothing_is_forgotten(world.shop)
    check_books(world.shop)


def _check(scenario: Scenario, case: Case) -> None:
    with told_of(f"{scenario.name}: {case.label}"):
        scenario.check(case)


@contextmanager
def told_of(words: str) -> Iterator[None]:
    """Add to a failure which case it was about."""
    try:
        yield
    except AssertionError as error:
        error.add_note(words)
        raise


def check_mails(cases: Sequence[Case], world: World) -> None:
    """Nothing is owed any more, and SES took each mail once; once more at most where its answer was in doubt."""
    taken = world.mails()
    for order in world.shop.orders():
        mine = [case for case in cases if case.owns(order)]
        with told_of(", ".join(case.label for case in mine)):
            _check_mails_of(order, taken, _in_doubt(order, cases))


def _in_doubt(order: "Order", cases: Sequence[Case]) -> int:
    return sum(case.may_mail_twice for case in cases if case.owns(order))


def _check_mails_of(order: "Order", taken: Sequence[Mail], in_doubt: int) -> None:
    assert order.emails_due == {}, order.number
    mine = [mail for mail in taken if order.number in mail.subject + mail.text]
    owed, again = _count(order, "email_sent"), _count(order, "email_requeued")
    assert owed == len(order.emails_sent) - _count(order, "email_obsolete") + again, order.number
    assert owed <= len(mine) <= owed + in_doubt, (order.number, mine)
    twice = [number for number in Counter(mine).values() if number > 1]
    assert len(twice) <= in_doubt + again, (order.number, mine)


def check_refunds(orders: "Sequence[Order]") -> None:
    """No refund that was decided is left undone."""
    for order in orders:
        assert order.open_refunds() == {}, order.number


def _count(order: "Order", event: str) -> int:
    return sum(entry["event"] == event for entry in order.history)
