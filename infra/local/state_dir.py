"""The folder with the local shop's state: locked by one process, which publishes how others reach it."""

import contextlib
import fcntl
import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.local.processes import ProcessFailed

PUBLISHED = (
    "PUBLIC_URL",
    "MEDIA_URL",
    "MEDIA_BUCKET",
    "BOOKS_BUCKET",
    "TABLE_PREFIX",
    "TIMEZONE",
    "CURRENCY",
)


class StateHeld(ProcessFailed):
    """Raised if another process has locked the state."""


class State:
    """A state folder and its contents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.cloud = self.folder / "cloud"
        self.mails = self.folder / "mails"
        self.paypal = self.folder / "paypal"
        self.logs = self.folder / "logs"
        self._environment = self.folder / "environment.json"
        self._password = self.folder / "staff-password"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder for this process. Raises StateHeld if another one has."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StateHeld(
                    f"Another shop is already running from {self.folder}. Stop it first."
                ) from error
            self._environment.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._environment.unlink(missing_ok=True)

    def password(self) -> str:
        """Return the password of the demo's staff: random per folder, since a tunnel may show the shop to others."""
        if not self._password.exists():
            self._password.touch(mode=0o600)
            self._password.write_text("-".join(secrets.token_hex(2) for _ in range(4)), "ascii")
        return self._password.read_text("ascii")

    def publish(self, environment: Mapping[str, str]) -> None:
        """Write how other processes reach the shop's data, without PayPal's secrets."""
        published = {
            name: value for name, value in environment.items() if name in PUBLISHED or name.startswith("AWS_")
        }
        self._environment.write_text(json.dumps(published, indent=2), "utf-8")

    def published(self) -> dict[str, str]:
        """Return what the lock's holder published. Raises ProcessFailed before it has."""
        try:
            published: dict[str, str] = json.loads(self._environment.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ProcessFailed("The local shop is starting or stopping. Try again in a moment.") from error
        return published
