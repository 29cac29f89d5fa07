"""What must hold once everything has come to rest: the invariants, against books that the shop does not keep."""

from collections import Counter
from collections.abc import Sequence

from tests.faults.case import ON_THE_SHELF, Case, Scenario
from tests.faults.world import World
from tests.invariants import check_books, check_money, check_nothing_is_forgotten, check_stock, pieces


def check(scenario: Scenario, cases: Sequence[Case], world: World) -> None:
    """Check every case, then the whole shop."""
    by_customer: dict[str, list[str]] = {}
    for order in sorted(world.shop.orders(), key=lambda order: str(order.placed_at)):
        by_customer.setdefault(order.customer["email"], []).append(order.state)
    came_out = {case.label: tuple(by_customer.get(case.email, ())) for case in cases}
    assert {label: states for label, states in came_out.items() if states != scenario.states} == {}
    for case in cases:
        _check(scenario, case)
    check_mails(cases, world)
    check_stock(world.shop, {**pieces(world.shop), **{case.sku: ON_THE_SHELF for case in cases}})
    check_money(world.shop)
    check_nothing_is_forgotten(world.shop)
    check_books(world.shop)


def _check(scenario: Scenario, case: Case) -> None:
    try:
        scenario.check(case)
    except AssertionError as error:
        error.add_note(f"{scenario.name}: {case.label}")
        raise


def check_mails(cases: Sequence[Case], world: World) -> None:
    """Nothing is owed any more, and SES took each mail once; once more at most where its answer was in doubt."""
    allowed = {case.email: case.may_mail_twice for case in cases}
    taken = world.mails()
    for order in world.shop.orders():
        assert order.emails_due == {}, order.number
        mine = [mail for mail in taken if order.number in mail.subject + mail.text]
        owed = len(order.emails_sent) - skipped(order)
        assert owed <= len(mine) <= owed + allowed.get(order.customer["email"], 0), (order.number, mine)
        twice = [number for number in Counter(mine).values() if number > 1]
        assert len(twice) <= allowed.get(order.customer["email"], 0), (order.number, mine)


def skipped(order: object) -> int:
    """Count the mails that were struck out unsent, because they were no longer true."""
    return sum(event["event"] == "mail no longer true" for event in order.history)  # type: ignore[attr-defined]
