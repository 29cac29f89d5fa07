"""Lambda around one function, as far as a cold start needs it: its Runtime API, and its own client beneath the code."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import files
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
SECONDS = 60.0
MAX_MS = 29_000
CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")
# As Lambda begins, but from an empty Python: without the virtual environment nothing comes to the package's help.
BEGIN = "import sys; sys.path[:0] = sys.argv[2:]; from awslambdaric.__main__ import main; main(sys.argv[:2])"


@dataclass(frozen=True)
class ColdStart:
    """A process from its spawn to its first answer: milliseconds, the peak of its memory in bytes, the answer."""

    init: float
    first: float
    cpu: float
    peak: int
    answer: Any

    @property
    def whole(self) -> float:
        """From the spawn to the answer."""
        return self.init + self.first


class RuntimeApi(ThreadingHTTPServer):
    """What Lambda's client asks for work: it gives one event, and notes the moments."""

    daemon_threads = True

    def __init__(self, event: Any) -> None:
        super().__init__((HOST, 0), _Asked)
        self.event: bytes | None = json.dumps(event).encode()
        self.moments: list[float] = []
        self.answer: Any = None
        self.is_over, self.is_closed = threading.Event(), threading.Event()

    def take_event(self) -> bytes | None:
        """Give the event to who asks first; whoever asks again has answered it."""
        self.moments.append(time.perf_counter())
        event, self.event = self.event, None
        return event


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each call waits 40 ms for an acknowledgement
    server: RuntimeApi

    def do_GET(self) -> None:
        """Give work, or none."""
        event = self.server.take_event()
        if event is None:
            self.server.is_over.set()
            self.server.is_closed.wait(SECONDS)  # as long as a function waits that nobody needs
            return
        deadline = int(time.time() * 1000) + MAX_MS
        self._send(
            200, event, {"Lambda-Runtime-Aws-Request-Id": "1", "Lambda-Runtime-Deadline-Ms": str(deadline)}
        )

    def do_POST(self) -> None:
        """Take an answer, or an error."""
        self.server.moments.append(time.perf_counter())
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answer = json.loads(body)
        if self.path.endswith("/error"):
            self.server.is_over.set()
        self._send(202, b"{}", {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {
            **headers,
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Log nothing."""


def install_client(folder: Path) -> None:
    """Copy Lambda's runtime client and what it needs into a folder of their own."""
    for name in CLIENT:
        for file in files(name) or ():
            target = folder / file
            if file.suffix in (".py", ".pyc", ".so"):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)


def cold_start(
    handler: str, code: Path, client: Path, environment: Mapping[str, str], event: Any
) -> ColdStart:
    """Start a function in a fresh process, and give it one event. Raises RuntimeError: it did not answer."""
    api = RuntimeApi(event)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    lambdas = {
        "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{api.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "LAMBDA_TASK_ROOT": str(code),
        "PATH": os.environ["PATH"],
    }
    python = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    command = [str(python), "-I", "-S", "-c", BEGIN, handler, str(code), str(client)]
    spawned = time.perf_counter()
    with subprocess.Popen(
        command, env={**environment, **lambdas}, stdout=subprocess.DEVNULL, cwd=code
    ) as process:
        api.is_over.wait(SECONDS)
        cpu, peak = _used(process.pid)
        process.kill()
    api.is_closed.set()
    api.shutdown()
    api.server_close()
    if len(api.moments) < 2:
        raise RuntimeError(f"{handler} did not answer: {api.answer}")
    asked, answered = api.moments[:2]
    return ColdStart((asked - spawned) * 1000, (answered - asked) * 1000, cpu, peak, api.answer)


def _used(process: int) -> tuple[float, int]:
    """Return a process's CPU in milliseconds and its peak of memory: a child's rusage would begin with its parent's."""
    folder = Path("/proc", str(process))
    threads = [int(file.read_text().split()[0]) for file in folder.glob("task/*/schedstat")]
    status = (folder / "status").read_text(encoding="utf-8")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return sum(threads) / 1_000_000, int(peak) * 1024
