"""The browser for the tests is found or installed, or its absence is said in one line."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.local import chromium as chromium_finder
from infra.local.chromium import NoBrowser, find_browser, find_usable_browser, install_browser
from tests.browser import summary


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n", "utf-8")
    path.chmod(0o755)
    return path


def test_the_chosen_browser_comes_first(tmp_path: Path) -> None:
    chosen = program(tmp_path, "my-chrome")
    program(tmp_path, "chromium")

    assert find_browser({"CHROME_PATH": str(chosen), "PATH": str(tmp_path)}) == chosen
    with pytest.raises(NoBrowser, match="CHROME_PATH is not a program"):
        find_browser({"CHROME_PATH": str(tmp_path / "none"), "PATH": str(tmp_path)})


def test_then_the_systems_then_playwrights_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "playwright-chrome"
    monkeypatch.setattr(chromium_finder, "_playwrights_own", lambda: own)
    with pytest.raises(NoBrowser, match="apt-get install chromium-headless-shell"):
        find_browser({"PATH": str(tmp_path)})

    program(tmp_path, "playwright-chrome")
    assert find_browser({"PATH": str(tmp_path)}) == own
    assert find_browser({"PATH": str(tmp_path), "CHROME_PATH": ""}) == own
    chromium = program(tmp_path, "chromium")
    assert find_browser({"PATH": str(tmp_path)}) == chromium
    shell = program(tmp_path, "chromium-headless-shell")
    assert find_browser({"PATH": str(tmp_path)}) == shell


def test_playwrights_own_counts_only_where_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program(tmp_path, "playwright-chrome")
    own.write_text("#!/bin/sh\nexit 127\n", "utf-8")  # as without the libraries that it needs
    monkeypatch.setattr(chromium_finder, "_playwrights_own", lambda: own)

    with pytest.raises(NoBrowser):
        find_browser({"PATH": str(tmp_path)})


def test_a_program_that_does_not_start_is_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium_finder, "_playwrights_own", lambda: tmp_path / "none")
    stub = program(tmp_path, "chromium-browser")
    stub.write_text("#!/bin/sh\necho Install the snap >&2\nexit 1\n", "utf-8")
    with pytest.raises(NoBrowser, match="apt-get install chromium-headless-shell"):
        find_browser({"PATH": str(tmp_path)})
    for content in (stub.read_text("utf-8"), "#!/no/such/shell\n"):
        stub.write_text(content, "utf-8")
        with pytest.raises(NoBrowser, match=f"CHROME_PATH is a program that does not start: {stub}"):
            find_browser({"CHROME_PATH": str(stub), "PATH": str(tmp_path)})

    chrome = program(tmp_path, "google-chrome")
    assert find_browser({"PATH": str(tmp_path)}) == chrome


def test_a_browser_that_playwright_cannot_drive_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROME_PATH", str(program(tmp_path, "my-chrome")))
    monkeypatch.setattr(chromium_finder, "driver_starts", lambda: False)

    with pytest.raises(NoBrowser, match="apt-get install libatomic1"):
        find_usable_browser()


@pytest.mark.parametrize(
    ("root", "failing", "commands"),
    [
        (True, "", ["chromium-headless-shell"]),
        (True, "chromium-headless-shell", ["chromium-headless-shell", "chromium"]),
        (True, "apt-get", ["chromium-headless-shell", "chromium", "playwright install"]),
        (False, "", ["playwright install"]),
    ],
)
def test_a_missing_browser_is_installed_by_debian_or_by_playwright(
    root: bool, failing: str, commands: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path, "apt-get")
    monkeypatch.setenv("PATH", str(tmp_path))
    ran: list[str] = []

    def run(command: Sequence[str]) -> bool:
        words = " ".join(command)
        if "install" in words:
            ran.append("playwright install" if "playwright" in words else command[-1])
        return not failing or failing not in words

    install_browser(run, root=root)

    assert ran == commands


def test_a_run_without_a_browser_says_in_its_last_line_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROME_PATH", str(tmp_path / "none"))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/e2e/test_browsing.py"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout
    *_, last = run.stdout.strip().splitlines()
    assert "browser tests were left out: CHROME_PATH is not a program" in last


def test_the_last_line_counts() -> None:
    assert summary([]) == "0 browser tests were left out"
    assert summary(["no Chromium was found"]) == "1 browser test was left out: no Chromium was found"
