"""Start, watch and stop one part of the local shop: a child process with a port and a log."""

import contextlib
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HOST = "127.0.0.1"
POLL_SECONDS = 0.05
STDERR = 2
OURS = range(20_000, 32_000)  # Linux uses 32768 and up for outgoing connections, others 49152 and up
_given: set[int] = set()


class ProcessFailed(Exception):
    """Raised with one line: which process failed, and why."""


class PortInUse(ProcessFailed):
    """Raised with one line: which process needs a port that is taken."""

    def __init__(self, owner: str, port: int, remedy: str) -> None:
        super().__init__(f"{owner}: port {port} is in use. {remedy}")


def stop_event() -> threading.Event:
    """Return an event that is set at SIGTERM or Ctrl-C. Call it before any thread is started.

    A thread waits for the signals: a handler could interrupt the main thread while it has a lock, such as the event's
    own, and wait for it forever.
    """
    numbers = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    ending = threading.Event()

    def wait() -> None:
        signal.sigwait(numbers)
        ending.set()

    threading.Thread(target=wait, daemon=True).start()
    return ending


def is_free(port: int) -> bool:
    """Return whether no process listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port of 127.0.0.1 on which no process listens, another one each time.

    It is below the range for outgoing connections, so that none of them can take it before it is used.
    """
    for port in random.sample(OURS, len(OURS)):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise ProcessFailed("no free port on this machine")


def answers(url: str) -> bool:
    """Return whether a server answers at this URL, whatever its status."""
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class StartReports:
    """What a starting process reports through a pipe: each step that is done, and that it serves."""

    STEP, SERVING = b".", b"1"

    def __init__(self, pipe: int | None) -> None:
        self._pipe = pipe
        self.serves = False

    def read(self) -> bool:
        """Return whether anything was reported since the last call."""
        if self._pipe is None or not select.select([self._pipe], [], [], 0)[0]:
            return False
        reports = os.read(self._pipe, 4096)
        self.serves = self.serves or self.SERVING in reports
        return bool(reports)

    def write(self, report: bytes = STEP) -> None:
        """Report a step; ignored if the reader has given up, which then ends this process."""
        if self._pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._pipe, report)


class ChildProcess:
    """A child process in a session of its own, so that Ctrl-C reaches it only through us."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        log: Path | None = None,
        folder: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        self._command = [*_ended_with_us(), *command]
        self._environment = dict(environment)
        self._folder = folder
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; its output goes to the log, or to our standard error without one."""
        output = self.log.open("wb") if self.log else None
        try:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output or STDERR,
                stderr=output,
                pass_fds=self._pass_fds,
                start_new_session=True,
            )
        finally:
            if output:
                output.close()

    def wait_until(
        self,
        ready: Callable[[], bool],
        seconds: float,
        *,
        has_progressed: Callable[[], bool] = lambda: False,
        advice: str = "",
    ) -> None:
        """Wait until it is ready; raise ProcessFailed, with `advice`, if it ends first or takes longer than this.

        The time counts from the last progress: what `has_progressed` returns since it was last called.
        """
        progressed, deadline = False, time.monotonic() + seconds
        while True:
            # First check whether it runs: another process may answer in its place.
            if not self.alive:
                raise ProcessFailed(f"{self.name} did not start: {self.last_words()}")
            if ready():
                return
            if has_progressed():
                progressed, deadline = True, time.monotonic() + seconds
            if time.monotonic() > deadline:
                late = "made no progress for" if progressed else "did not start within"
                message = f"{self.name} {late} {seconds:g} s: {self.last_words()}"
                raise ProcessFailed(f"{message}. {advice}" if advice else message)
            time.sleep(POLL_SECONDS)

    @property
    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        """Return how it ended and what it wrote last, in one line."""
        lines = self.log.read_text("utf-8", "replace").split("\n") if self.log and self.log.exists() else []
        spoken = [line.strip() for line in lines if line.strip()][-1:]
        return "; ".join([self._fate(), *spoken])

    def _fate(self) -> str:
        status = self._process.poll() if self._process else None
        if status is None:
            return "it is running but does not answer"
        if status < 0:
            return f"it was stopped by {signal.Signals(-status).name}"
        return f"it ended with status {status}"

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self._process and self.alive:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, seconds: float = 10) -> None:
        """Stop the process: ask, wait this long, then kill it and its children."""
        if not self._process:
            return
        self.ask_to_end()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _ended_with_us() -> list[str]:
    # With util-linux, the kernel ends the child even if we are killed: no orphans.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
