"""What a password must be, and what is kept of it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from chalicelib.staff.auth import passwords
from chalicelib.staff.auth.passwords import hash_password, is_outdated, validate_password, verify

EMAIL = "owner@shop.example"
GOOD = "linen awning at noon"


@pytest.fixture(autouse=True)
def quick_hashes() -> None:
    """Hash as the shop does."""


@pytest.mark.parametrize(
    ("password", "because"),
    [
        ("", "at least 12"),
        ("elevenchars", "at least 12"),
        ("x" * 201, "no more than 200"),
        ("ab" * 50, "This password is very common"),
        ("Password1234", "This password is very common"),
        ("correct horse battery staple", "This password is very common"),
        ("123456789012", "This password is very common"),
        ("Owner@Shop.Example", "email address"),
        ("elpmaxe.pohs@renwo", "email address"),
        ("linen\nawning at noon", "letters, digits, symbols and spaces"),
        ("linen \ud800 awning noon", "letters, digits, symbols and spaces"),
    ],
)
def test_a_poor_password_is_refused_in_words(password: str, because: str) -> None:
    assert because in (validate_password(password, EMAIL) or "")


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "großmutters Brombeeren",
        "x7" * 10 + "kLm",
        "传统的雨棚在正午的阳光下面",
        "a" * 190 + "bcdefghijk",
    ],
)
def test_long_enough_is_good_enough(password: str) -> None:
    assert validate_password(password, EMAIL) is None


def test_only_the_whole_password_opens() -> None:
    kept = hash_password(GOOD)
    assert verify(GOOD, kept)
    for wrong in ("", GOOD[:-1], GOOD + " ", GOOD.upper()):
        assert not verify(wrong, kept)
    longest = "abcdefghij" * 20
    assert verify(longest, hash_password(longest))
    assert not verify(longest + "k", hash_password(longest))


def test_a_password_is_the_same_from_every_keyboard() -> None:
    assert verify("cafe\u0301 at the corner", hash_password("caf\u00e9 at the corner"))


def test_where_none_was_set_none_opens() -> None:
    assert not verify("", "")
    assert not verify(GOOD, "")


def test_what_is_kept_has_todays_parameters_and_never_repeats() -> None:
    kept = hash_password(GOOD)
    assert kept.startswith("$argon2id$v=19$m=47104,t=2,p=1$")
    assert kept != hash_password(GOOD)
    assert not is_outdated(kept)
    assert not is_outdated(passwords.NOBODYS)  # else an unknown account would answer sooner
    assert is_outdated(
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0$1Zq5b7P8aQ0Qh9v2m3n4b5v6c7x8z9l0k1j2h3g4f5d"
    )


def test_an_account_that_does_not_exist_takes_the_same_work() -> None:
    kept = hash_password(GOOD)

    def cpu_of(stored: str) -> float:
        times = []
        for _ in range(3):
            started = time.thread_time()
            verify("a wrong password", stored)
            times.append(time.thread_time() - started)
        return min(times)

    assert 0.6 < cpu_of("") / cpu_of(kept) < 1.7


def test_shoppers_never_pay_for_the_hash() -> None:
    ask = "import app, sys; print([name for name in sys.modules if name.startswith(('argon2', '_argon2'))])"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
