"""The Python that Lambda runs, and the environment that packages with it, whichever version `.venv` has.

The package contains bytecode, which only the same Python can read, and libraries built for it. So one commit gives
the same bytes on every machine. Tests package for the Python that they run on.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from infra.aws.package.errors import PackageError

VERSION = (3, 13)
RUNTIME = "python3.13"
PROJECT = Path(__file__).parents[3]
CACHE = PROJECT / ".cache"
# A pyenv shim may exist but fail; a beta, PyPy or a free-threaded build writes other bytecode.
IS_IT = (
    "import sys, sysconfig; raise SystemExit(not (sys.implementation.name == 'cpython'"
    f" and sys.version_info[:2] == {VERSION} and sys.version_info.releaselevel == 'final'"
    " and not sysconfig.get_config_var('Py_GIL_DISABLED')))"
)
MISSING = (
    f"Lambda runs the shop on {RUNTIME}, which was not found here: install it (such as pyenv install 3.13, or"
    f" apt-get install {RUNTIME}-venv where Debian has it), or name it: PYTHON=/path/to/{RUNTIME} make …"
)
BARE = f"{{}} cannot create a virtual environment. On Debian, run apt-get install {RUNTIME}-venv"


def find() -> str | None:
    """Return a Python of the pinned version that actually runs; None if there is none."""
    return next((one for one in _candidates() if _succeeds([one, "-I", "-c", IS_IT])), None)


def why_not_named() -> str:
    """Return in one line why the Python that PYTHON names does not package; "" where it does, or none is named."""
    named = os.environ.get("PYTHON", "")
    if not named or _succeeds([named, "-I", "-c", IS_IT]):
        return ""
    try:
        asked = [named, "-I", "-c", "import sys; print(sys.version.splitlines()[0])"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        said = ""
    reason = f"it is {said}, not a final CPython {VERSION[0]}.{VERSION[1]}" if said else "it doesn’t run"
    return f"PYTHON={named} isn’t used for packaging: {reason}."


def prepare(echo: Callable[[str], object]) -> Path:
    """Make the environment that packages, unless it is there; return its Python. Raises PackageError."""
    if reason := why_not_named():
        echo(reason)
    python = find()
    if python is None:
        raise PackageError(MISSING)
    folder = CACHE / f"package-{_fingerprint(python)}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".installed").exists():
            echo(f"creating a {RUNTIME} environment for packaging, which takes a minute …")
            _make(python, folder)
    return folder / "bin" / "python"


def is_here() -> bool:
    """Return whether this process runs in such an environment."""
    return Path(sys.prefix).parent == CACHE


def _candidates() -> Iterator[str]:
    if named := os.environ.get("PYTHON"):
        yield named
    yield sys.executable
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if found := shutil.which(RUNTIME, path=folder):
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    versions = (pyenv / "versions").glob(f"{VERSION[0]}.{VERSION[1]}.*/bin/{RUNTIME}")
    yield from map(str, sorted(versions, key=_release, reverse=True))


def _release(python: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", python.parts[-3])]


def _succeeds(command: list[str]) -> bool:
    try:
        return not subprocess.run(command, capture_output=True, timeout=30, check=False).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


def _fingerprint(python: str) -> str:
    version = subprocess.run([python, "-VV"], capture_output=True, check=False).stdout
    wanted = [(PROJECT / name).read_bytes() for name in ("requirements.txt", "requirements-dev.txt")]
    return hashlib.sha256(b"\0".join([version, *wanted])).hexdigest()[:12]


def _make(python: str, folder: Path) -> None:
    if not _succeeds([python, "-I", "-c", "import ensurepip, venv"]):
        raise PackageError(BARE.format(python))
    tools = (PROJECT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    chalice = next(line for line in tools if line.startswith("chalice=="))
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [python, "-m", "venv", "--clear", str(folder)],
        [*pip, "-r", str(PROJECT / "requirements.txt"), chalice],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PackageError(f"{done.stdout}{done.stderr}".strip())
    (folder / ".installed").touch()


if __name__ == "__main__":
    if reason := why_not_named():
        print(reason, file=sys.stderr)
    found = find()
    print(found or MISSING, file=sys.stdout if found else sys.stderr)
    sys.exit(0 if found else 1)
