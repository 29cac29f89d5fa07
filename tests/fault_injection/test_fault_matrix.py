"""Every call that leaves the process goes wrong in every way, at every point of an order's way; nothing is lost."""

from collections.abc import Callable

import pytest

from tests.fault_injection import assertions
from tests.fault_injection.harness import World
from tests.fault_injection.scenario import Case, Scenario
from tests.fault_injection.scenarios import (
    background_jobs,
    bounces,
    cart,
    checkout_and_payment,
    expiry_and_unmatched_payments,
    pending_payments,
    reversals,
    settings,
    staff_actions,
)

WAYS = (
    cart,
    checkout_and_payment,
    pending_payments,
    expiry_and_unmatched_payments,
    background_jobs,
    reversals,
    bounces,
    staff_actions,
    settings,
)
SCENARIOS = [scenario for way in WAYS for scenario in way.SCENARIOS]
Count = Callable[[str, object], None]
PARTS = 8  # many orders in one shop are slow to look through


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Play each scenario, in parts where it meets every fault at every call."""
    soaking = metafunc.config.getoption("--soak")
    whole = {scenario.name: soaking or scenario.main for scenario in SCENARIOS}
    parts = [
        pytest.param(scenario, part, id=f"{scenario.name}-{part}" if part else scenario.name)
        for scenario in SCENARIOS
        for part in (range(1, PARTS + 1) if whole[scenario.name] else [0])
    ]
    metafunc.parametrize(("scenario", "part"), parts)


def test_nothing_is_lost(
    scenario: Scenario, part: int, soaking: bool, world: World, record_property: Count
) -> None:
    cases = [Case(world, 0, "undisturbed")]
    calls = scenario.run(cases[0])
    if soaking:
        pairs = scenario.all_triples(calls)[part - 1 :: PARTS]
    elif scenario.main:
        pairs = scenario.most_triples(calls)[part - 1 :: PARTS]
    else:
        pairs = scenario.some_triples(calls)
    for fault, at in pairs:
        cases.append(Case(world, len(cases), f"{fault.name} at call {at}, {' '.join(calls[at])}"))
        played = scenario.run(cases[-1], fault, at)
        assert played[: at + 1] == calls[: at + 1], cases[-1].label
    cases.append(Case(world, len(cases), "every event twice"))
    scenario.run(cases[-1], twice=True)
    scenario.end(cases)
    assertions.check(scenario, cases, world)
    record_property("survived", len(pairs) + 1)
    if scenario.no_rival:
        record_property("no rival", f"{scenario.name}, since {scenario.no_rival}")
