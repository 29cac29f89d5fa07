"""Every call that leaves the process goes wrong in every way, at every point of an order's way; nothing is lost."""

from collections.abc import Callable, Iterator

import pytest

from tests.faults import verdict
from tests.faults.case import Case, Scenario
from tests.faults.scenarios import paying
from tests.faults.world import FAULTS, Fault, World
from tests.shop import Shop

SCENARIOS = [*paying.SCENARIOS]
Count = Callable[[str, object], None]


@pytest.fixture
def world(shop: Shop) -> Iterator[World]:
    """Return a shop whose clock goes on."""
    world = World(shop)
    with world.keeping_time():
        yield world


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_is_lost(scenario: Scenario, fault: Fault, world: World, record_property: Count) -> None:
    cases = [Case(world, 0)]
    calls = scenario.run(cases[0])
    befallen = [at for at, call in enumerate(calls) if fault.can_befall(call)]
    for at in befallen:
        cases.append(Case(world, len(cases)))
        played = scenario.run(cases[-1], fault, at)
        assert played[: at + 1] == calls[: at + 1]
    world.rounds()
    verdict.check(scenario, cases, world)
    record_property("survived", len(befallen))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_event_may_come_twice(scenario: Scenario, world: World, record_property: Count) -> None:
    case = Case(world, 0)
    scenario.run(case, twice=True)
    world.rounds()
    verdict.check(scenario, [case], world)
    record_property("survived", len(world.ends) or 1)
