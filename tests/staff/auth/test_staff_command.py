"""`make staff EMAIL=…`: on a terminal, through a pipe, and how it says no."""

import io
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chalicelib.staff.auth import accounts
from infra.commands.create_staff_user import main
from tests.staff.staff_client import trail

ROOT = Path(__file__).parents[3]
EMAIL = "owner@shop.example"
GOOD, BETTER = "linen awning at noon", "canvas awning at dawn"
SECONDS = 20

pytestmark = pytest.mark.usefixtures("aws")


def on_a_terminal(*conversation: tuple[str, str], arguments: tuple[str, ...] = (EMAIL,)) -> tuple[int, str]:
    """Run the command in a terminal: wait for each question, type its answer; return status and all that was shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "infra.commands.create_staff_user", *arguments]
    # A session of its own with this terminal, since getpass asks the terminal and not the input.
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=lambda: os.login_tty(theirs)
    )
    os.close(theirs)
    shown = ""
    try:
        for question, answer in conversation:
            shown += read_until(ours, question)
            os.write(ours, f"{answer}\n".encode())
        shown += read_until(ours, None)
        return process.wait(SECONDS), shown
    finally:
        process.kill()
        os.close(ours)


def read_until(terminal: int, words: str | None) -> str:
    """Read what is shown until the words come, or until the end."""
    shown = ""
    deadline = time.monotonic() + SECONDS
    while words is None or words not in shown:
        assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], shown
        try:
            piece = os.read(terminal, 4096).decode()
        except OSError:  # how Linux says that nobody holds the other end
            piece = ""
        if not piece:
            assert words is None, shown
            break
        shown += piece
    return shown


def piped(monkeypatch: pytest.MonkeyPatch, line: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))
    return main(list(arguments))


def test_on_a_terminal_it_asks_twice_and_shows_nothing() -> None:
    status, shown = on_a_terminal(
        ("Password: ", "short"),
        ("Password: ", GOOD),
        ("Repeat the password: ", "other"),
        ("Password: ", GOOD),
        ("Repeat the password: ", GOOD),
    )
    assert status == 0, shown
    assert "at least 12 characters" in shown
    assert "passwords don’t match" in shown
    assert f"{EMAIL} can now log in at /staff/ as merchant." in shown
    assert "short" not in shown
    assert GOOD not in shown
    found = accounts.check_password(EMAIL, GOOD)
    assert found is not None
    assert found.role == "merchant"


def test_a_known_account_is_changed_after_a_yes_alone() -> None:
    before = accounts.make_member(EMAIL, "finance", GOOD)
    accounts.make_member("other@shop.example", "merchant", GOOD)
    status, shown = on_a_terminal(("[y/N] ", ""))
    assert status == 1
    assert f"{EMAIL} already has an account (finance)" in shown
    assert "Nothing was changed." in shown
    assert accounts.get_account(EMAIL).password == before.password
    status, shown = on_a_terminal(
        ("change the role to merchant and log it out everywhere? [y/N] ", "y"),
        ("Password: ", BETTER),
        ("Repeat the password: ", BETTER),
        arguments=(EMAIL, "merchant"),
    )
    assert status == 0, shown
    after = accounts.get_account(EMAIL)
    assert after.role == "merchant"
    assert after.session_version > before.session_version  # its sessions are over
    assert accounts.check_password(EMAIL, BETTER)
    assert not accounts.check_password(EMAIL, GOOD)


def test_through_a_pipe_the_first_line_is_the_password() -> None:
    command = [sys.executable, "-m", "infra.commands.create_staff_user", "Owner@Shop.Example", "finance"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        input=f"{GOOD}\nrest\n",
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{EMAIL} can now log in at /staff/ as finance.\n"
    assert accounts.check_password(EMAIL, GOOD)
    (entry,) = trail()
    assert (entry.actor, entry.action, entry.subject) == (
        "make staff",
        "created an account",
        f"account {EMAIL}",
    )
    assert (entry.before, entry.after) == ({}, {"role": "finance"})


def test_a_poor_password_is_refused_and_makes_no_account(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for password in ("", "short", "password1234", EMAIL):
        assert piped(monkeypatch, password + "\n", EMAIL) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(("Please use", "This password is very common", "Your email address"))
        assert said.err.endswith("Nothing was changed.\n")
    assert accounts.list_accounts() == []


def test_it_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["", ""], ["nobody"], ["a@b@c"], [EMAIL, "owner"], [EMAIL, "finance", GOOD]):
        assert main(arguments) == 2
        assert "EMAIL=name@example.com" in capsys.readouterr().err


def test_the_last_merchant_stays_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts.make_member(EMAIL, "merchant", GOOD)
    assert piped(monkeypatch, BETTER, EMAIL, "finance") == 1
    assert "last merchant account" in capsys.readouterr().err
    assert accounts.check_password(EMAIL, GOOD)
