"""Guessing passwords: slow from one place, slow from everywhere, and never the end of the owner's day."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib import clock
from chalicelib.staff.auth.login_throttle import AttemptCounter, Locked, register_attempt, reset_attempts
from tests.call_counter import counted_calls
from tests.staff.staff_client import later

OWNER, HOME, ELSEWHERE = "owner@shop.example", "192.0.2.1", "198.51.100.7"

pytestmark = pytest.mark.usefixtures("aws")


def guesses(email: str, source: str, most: int = 200) -> int:
    """Guess until the door stays shut; tell how many passwords were looked at."""
    for count in range(most):
        try:
            register_attempt(email, source)
        except Locked:
            return count
    return most


def wait_of(email: str, source: str) -> int:
    """Return how many seconds somebody has to wait."""
    with pytest.raises(Locked) as caught:
        register_attempt(email, source)
    return caught.value.until - clock.timestamp()


def test_a_few_guesses_pass_then_each_waits_longer_up_to_a_quarter_of_an_hour() -> None:
    assert guesses(OWNER, HOME) == 5
    waits: list[int] = []
    passed = 0
    for _ in range(7):
        with later(seconds=passed):
            wait = wait_of(OWNER, HOME)
        waits.append(round(wait / 60))
        passed += wait + 1
        with later(seconds=passed):
            register_attempt(OWNER, HOME)
    assert waits == [1, 2, 4, 8, 15, 15, 15]


def test_guesses_at_the_same_moment_are_no_more_than_one_after_the_other() -> None:
    def guess(_: int) -> bool:
        try:
            register_attempt(OWNER, HOME)
        except Locked:
            return False
        return True

    with ThreadPoolExecutor(12) as crowd:
        looked_at = sum(crowd.map(guess, range(36)))
    assert looked_at == 5


def test_one_place_cannot_ask_for_everybody() -> None:
    looked_at = sum(guesses(f"somebody{number}@shop.example", HOME, most=4) for number in range(10))
    assert looked_at == 20
    assert guesses("somebody-else@shop.example", ELSEWHERE, most=1) == 1


def test_the_whole_world_cannot_ask_for_one_account_for_long() -> None:
    looked_at = sum(guesses(OWNER, f"192.0.2.{number}", most=4) for number in range(20))
    assert looked_at == 50
    assert wait_of(OWNER, "203.0.113.9") <= 60
    with later(minutes=2):
        register_attempt(OWNER, "203.0.113.9")


def test_a_stranger_cannot_lock_the_owner_out_where_they_work() -> None:
    register_attempt(OWNER, HOME)
    reset_attempts(OWNER, HOME)
    for number in range(20):
        guesses(OWNER, f"198.51.100.{number}", most=4)
    for number in range(8):  # somebody in the same house asks for others
        guesses(f"somebody{number}@shop.example", HOME, most=4)
    with pytest.raises(Locked):
        register_attempt(OWNER, "203.0.113.9")
    assert guesses(OWNER, HOME) == 5  # there it is their own tries that count


def test_a_successful_login_resets_the_counters() -> None:
    assert guesses(OWNER, HOME, most=4) == 4
    reset_attempts(OWNER, HOME)
    assert guesses(OWNER, HOME) == 5


def test_logging_in_from_many_places_never_adds_up_to_a_wait() -> None:
    for number in range(52):
        register_attempt(OWNER, f"192.0.2.{number}")
        reset_attempts(OWNER, f"192.0.2.{number}")
    register_attempt(OWNER, ELSEWHERE)


def test_failures_are_forgotten_after_a_day_and_the_rows_expire() -> None:
    assert guesses(OWNER, HOME) == 5
    with later(hours=25):
        assert all(row.expires < clock.timestamp() for row in AttemptCounter.scan())
        assert guesses(OWNER, HOME) == 5


def test_the_last_try_before_a_wait_says_so_once() -> None:
    assert [register_attempt(OWNER, HOME) for _ in range(5)] == [False, False, False, False, True]
    with later(minutes=2):
        assert register_attempt(OWNER, HOME) is False


def test_no_row_names_anybody() -> None:
    register_attempt(OWNER, HOME)
    rows = [str(row.to_simple_dict()) for row in AttemptCounter.scan()]
    assert len(rows) == 3
    assert not any(OWNER in row or HOME in row for row in rows)


def test_a_try_is_one_read_and_one_write_and_a_locked_one_a_read() -> None:
    guesses(OWNER, HOME, most=4)
    with counted_calls() as calls:
        register_attempt(OWNER, HOME)
    assert dict(calls) == {"BatchGetItem": 1, "TransactWriteItems": 1}
    with counted_calls() as calls:
        wait_of(OWNER, HOME)
    assert dict(calls) == {"BatchGetItem": 1}
