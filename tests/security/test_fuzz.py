"""Every route, fuzzed: never a 5xx, never a hang, never another's data, never an unescaped echo.

FUZZ_REQUESTS=10000 sends as many, from a fresh seed that it prints; FUZZ_SEED repeats one. See `python -m tests.security`.
"""

import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as effort

from chalicelib.config import Limits, settings
from chalicelib.staff.routes import staff
from chalicelib.web.lazy_imports import LazyFunction
from tests.security.request_generator import MARKUP, Sent, requests
from tests.security.target_shop import Arena
from tests.shop import Shop

SAMPLE = 320
A_TURN, MAX_TURNS = 3, 8  # requests to a route until its view was reached
A_VOLLEY = 500  # requests of one seed: Hypothesis slows down over long ones
NO_LIMIT = Limits(10**9, 10**9, 10**9, 10**9, 20, 20)


@pytest.fixture
def arena(shop: Shop, setting: Any, quick_hashes: None) -> Arena:
    """Let the victim shop, and the attackers come."""
    setting(
        shop=replace(settings.shop, limits=NO_LIMIT)
    )  # else the pages behind the limits would not be reached
    shop.put_on_shelf("mug", "Pebble mug", {"MUG": (1850, None, 99_000)})
    return Arena(shop)


def routes() -> list[tuple[str, str]]:
    """List what the app answers: method and path; what may change something twice, since it has most to break."""
    import app

    every = [(method, path) for path, methods in app.app.routes.items() for method in methods]
    changing = [route for route in every if route[0] == "POST" and not route[1].startswith("/staff")]
    public = [route for route in every if not route[1].startswith("/staff")]
    return sorted(every) + sorted(public) + 4 * sorted(changing)


def volley(
    arena: Arena,
    number: int,
    from_seed: int | None,
    among: list[tuple[str, str]] | None = None,
    who: str = "",
) -> None:
    """Send so many requests, to all routes and from anybody unless told otherwise; without a seed always the same ones."""

    @effort(
        max_examples=number,
        derandomize=from_seed is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(requests(among or routes(), arena.known, who))
    def attack(sent: Sent) -> None:
        arena.fire(sent)

    (attack if from_seed is None else seed(from_seed)(attack))()


@pytest.mark.slow
def test_no_input_breaks_leaks_or_misleads(arena: Arena) -> None:
    number = int(os.environ.get("FUZZ_REQUESTS", "0"))
    if not number:
        volley(arena, SAMPLE, None)
        assert sum(arena.statuses.values()) >= SAMPLE
        assert arena.statuses.keys() >= {200, 303, 400, 403, 404, 405}
        return
    start = int(os.environ.get("FUZZ_SEED") or random.randrange(10**6))
    print(f"\nFUZZ_SEED={start} FUZZ_REQUESTS={number}", file=sys.__stderr__, flush=True)
    while (done := sum(arena.statuses.values())) < number:
        volley(arena, min(A_VOLLEY, number - done), start + done)
        done = sum(arena.statuses.values())
        print(
            f"\r{done}/{number} requests, {dict(sorted(arena.statuses.items()))}", end="", file=sys.__stderr__
        )
    print(file=sys.__stderr__)


@pytest.mark.slow
def test_every_view_of_the_staff_is_attacked_from_the_merchants_own_browser(arena: Arena) -> None:
    reached: set[object] = set()

    def note(view: LazyFunction) -> Callable[..., Any]:
        reached.add(view)
        return load(view)

    load = LazyFunction.load
    with mock.patch.object(LazyFunction, "load", note):
        for route, view in sorted(staff.views.items()):
            for turn in range(MAX_TURNS):
                volley(arena, A_TURN, turn, [route], "merchant")
                if view in reached:
                    break

    assert set(staff.views.values()) - reached == set()


# -- the oracle itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (f"<p>{MARKUP}", {}, "echoes"),
        ("<p>zqq49", {}, "echoes"),
        ('<a href="javascript:zqx.">', {}, "leads to"),
        ("<p>vetiveria@victim.example", {}, "tells the victim's email"),
        ("", {"Location": "//zqx.example/"}, "leads to"),
        ("", {"Location": "https://zqx.example/"}, "leads to"),
        ("", {"Location": "/\\zqx.example/"}, "leads to"),
        ("", {"Set-Cookie": "session=x; Path=/; Max-Age=1; SameSite=Lax"}, "cookie"),
        ("", {"Set-Cookie": "session=x; Path=/; Max-Age=1; HttpOnly"}, "cookie"),
        ("", {"Zqx-Header": "1"}, "header"),
        ("<a href='http://zqxhost.example/'>", {}, "believes"),
    ],
)
def test_a_wrong_answer_is_seen(arena: Arena, body: str, headers: dict[str, str], said: str) -> None:
    from chalice.app import Response

    from chalicelib.web.responses import HTML

    wrong = Response(body, {"Content-Type": HTML, "Cache-Control": "private, no-store", **headers})
    with (
        mock.patch("chalicelib.cart.routes._cart_page", return_value=wrong),
        pytest.raises(AssertionError, match=said),
    ):
        arena.fire(Sent("nobody", "GET", "/cart"))
    arena.fire(Sent("nobody", "GET", "/cart"))
