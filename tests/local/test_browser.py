"""The browser for the tests is found, or its absence is said in one line."""

from pathlib import Path

import pytest

from infra.local import browser
from infra.local.browser import NoBrowser, find_browser


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n", "utf-8")
    path.chmod(0o755)
    return path


def test_the_chosen_browser_comes_first(tmp_path: Path) -> None:
    chosen = program(tmp_path, "my-chrome")
    program(tmp_path, "chromium")

    assert find_browser({"CHROME_PATH": str(chosen), "PATH": str(tmp_path)}) == chosen
    with pytest.raises(NoBrowser, match="CHROME_PATH names no program"):
        find_browser({"CHROME_PATH": str(tmp_path / "none"), "PATH": str(tmp_path)})


def test_then_the_systems_then_playwrights_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "playwright-chrome"
    monkeypatch.setattr(browser, "_playwrights_own", lambda: own)
    with pytest.raises(NoBrowser, match="apt-get install chromium"):
        find_browser({"PATH": str(tmp_path)})

    program(tmp_path, "playwright-chrome")
    assert find_browser({"PATH": str(tmp_path)}) == own
    assert find_browser({"PATH": str(tmp_path), "CHROME_PATH": ""}) == own
    chromium = program(tmp_path, "chromium")
    assert find_browser({"PATH": str(tmp_path)}) == chromium
    shell = program(tmp_path, "chromium-headless-shell")
    assert find_browser({"PATH": str(tmp_path)}) == shell
