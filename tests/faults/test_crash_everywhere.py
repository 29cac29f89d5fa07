"""Every call that leaves the process goes wrong in every way, at every point of an order's way; nothing is lost."""

from collections.abc import Callable, Iterator

import pytest

from tests.faults import verdict
from tests.faults.case import Case, Scenario
from tests.faults.scenarios import closing, paying
from tests.faults.world import World
from tests.shop import Shop

SCENARIOS = [*paying.SCENARIOS, *closing.SCENARIOS]
Count = Callable[[str, object], None]


@pytest.fixture
def world(shop: Shop) -> Iterator[World]:
    """Return a shop whose clock goes on."""
    world = World(shop)
    with world.keeping_time():
        yield world


@pytest.fixture
def soaking(request: pytest.FixtureRequest) -> bool:
    """Tell whether every scenario is to meet every fault, not the main ones alone."""
    return bool(request.config.getoption("--soak"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_is_lost(scenario: Scenario, world: World, soaking: bool, record_property: Count) -> None:
    cases = [Case(world, 0, "undisturbed")]
    calls = scenario.run(cases[0])
    pairs = scenario.triples(calls) if soaking or scenario.main else scenario.some_triples(calls)
    for fault, at in pairs:
        cases.append(Case(world, len(cases), f"{fault.name} at call {at}, {' '.join(calls[at])}"))
        played = scenario.run(cases[-1], fault, at)
        assert played[: at + 1] == calls[: at + 1], cases[-1].label
    cases.append(Case(world, len(cases), "every event twice"))
    scenario.run(cases[-1], twice=True)
    scenario.end(cases)
    verdict.check(scenario, cases, world)
    record_property("survived", len(pairs) + 1)
