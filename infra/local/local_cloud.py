"""Run MiniStack, the local cloud: DynamoDB, SQS, S3 and SES over real connections."""

import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.journal import FAULT_PATH, MAILS
from infra.local.processes import HOST, ChildProcess, PortInUse, ProcessFailed, answers, free_port, is_free

__all__ = ["LocalCloud", "PortInUse", "ProcessFailed", "without_aws_settings"]

NAME = "the local cloud"
REGION = "us-east-1"
START_SECONDS = 20.0
ROOT = Path(__file__).parents[2]
FAULT_SECONDS = 2.0
# It saves its state when it ends, which takes a while if it is large.
STOP_SECONDS = 30.0


def without_aws_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the caller's AWS account, so that nothing local can reach it.

    Addresses of single services (such as AWS_ENDPOINT_URL_DYNAMODB) stay: they are set deliberately.
    """
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("AWS_") or name.startswith("AWS_ENDPOINT_URL_")
    }


class LocalCloud:
    """MiniStack in a child process; with a state folder, its data survive a restart and being killed.

    Emails are sent to `smtp`, an address with its port; or, with a state folder, written to `mails`, the mailbox's
    folder.
    """

    def __init__(
        self,
        state: Path | None = None,
        port: int | None = None,
        smtp: str | None = None,
        log: Path | None = None,
        mails: Path | None = None,
    ) -> None:
        self.port = port or free_port()
        self._state = state
        self._smtp = smtp
        self._log = log
        self._mails = mails
        self._scratch: Path | None = None
        self._piece: ChildProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait()
        except ProcessFailed:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """Return the address of every service."""
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make boto3 and pynamodb use this cloud only."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    @property
    def child(self) -> ChildProcess:
        """Return the process, after `start`."""
        if self._piece is None:
            raise RuntimeError(f"{NAME} was not started")
        return self._piece

    def start(self) -> None:
        """Start it without waiting. Raises PortInUse."""
        if not is_free(self.port):
            raise PortInUse(
                NAME,
                self.port,
                "Stop the process that listens there, or choose another port with AWS_PORT=….",
            )
        if self._state:
            self._state.mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(prefix="awning-cloud-"))
        log = self._log or self._scratch / "cloud.log"
        self._piece = ChildProcess(NAME, self._command(), self._settings(self._scratch), log=log, folder=ROOT)
        self._piece.start()

    def wait(self) -> None:
        """Wait until it answers. Raises ProcessFailed."""
        self.child.wait_until(lambda: answers(f"{self.endpoint_url}/_ministack/health"), START_SECONDS)

    def stop(self) -> None:
        """Stop it gracefully, so that its journal becomes a snapshot."""
        if self._piece:
            self._piece.stop(STOP_SECONDS)
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def fault(self) -> str:
        """Return why it cannot store changes and so refuses them, such as a full disk; "" if it can."""
        if not self._state:
            return ""
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}{FAULT_PATH}", timeout=FAULT_SECONDS) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""  # the process itself is watched elsewhere

    def reset(self) -> None:
        """Delete all tables, queues, objects and emails, in about 30 ms."""
        url = f"{self.endpoint_url}/_ministack/reset"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10).close()

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "infra.local.journal" if self._state else "ministack"]

    def _inherited(self) -> dict[str, str]:
        return without_aws_settings(os.environ)

    def _settings(self, scratch: Path) -> dict[str, str]:
        settings = self._inherited() | {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "TMPDIR": str(scratch),
            # Both would listen on ports of their own that the shop never uses.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        if self._smtp:
            settings["SMTP_HOST"] = self._smtp
        if self._state:
            settings |= {
                "PERSIST_STATE": "1",
                "STATE_DIR": str(self._state.resolve() / "services"),
                "S3_PERSIST": "1",
                "S3_DATA_DIR": str(self._state.resolve() / "s3"),
            }
            if self._mails:
                settings[MAILS] = str(self._mails.resolve())
        return settings
