"""`make run`: the whole shop on one machine, in one command, ended by Ctrl-C.

Ports: PORT for the shop (default 8000), and PAYPAL_PORT, MAILBOX_PORT, AWS_PORT, SMTP_PORT for what stands around
it (default: the next ones that are free).
"""

import argparse
import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from watchfiles import watch

from infra.local.cloud import LocalCloud, without_aws_settings
from infra.local.pieces import HOST, Piece, PieceFailed, PortInUse, answers, is_free
from infra.local.shop import ROOT, prefix_of

START_SECONDS = 20.0
SHOP_START_SECONDS = 60.0
SHOP_END_SECONDS = 15.0
LOOK_SECONDS = 0.5
# Where somebody else sits on a default port, the one so many further on is tried.
NEXT_PORT = 10
SOURCES = ("chalicelib", "templates")
SANDBOX = {
    "PAYPAL_API_URL": "https://api-m.sandbox.paypal.com",
    "PAYPAL_WEB_URL": "https://www.sandbox.paypal.com",
}
STANDIN_ID, STANDIN_SECRET, STANDIN_WEBHOOK = "standin-client", "standin-secret", "5TANDINWEBH00K001"


class Ports:
    """Which piece listens where."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read and choose; raise PortInUse, or PieceFailed for what is no port."""
        self._environment = environment
        self._taken: set[int] = set()
        self.shop = self._chosen("the shop", "PORT", 8000)
        self.paypal = self._free("the PayPal stand-in", "PAYPAL_PORT", self.shop + 1)
        self.mailbox = self._free("the mailbox", "MAILBOX_PORT", self.shop + 2)
        self.aws = self._free("the local cloud", "AWS_PORT", self.shop + 3)
        self.smtp = self._free("the mailbox", "SMTP_PORT", self.shop + 4)

    def _chosen(self, piece: str, variable: str, default: int) -> int:
        text = self._environment.get(variable) or str(default)
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            raise PieceFailed(f"{piece}: {variable} must be a port between 1 and 65535, not {text!r}.")
        port = int(text)
        if port in self._taken or not is_free(port):
            raise PortInUse(
                piece, port, f"End what listens there, or choose another: {variable}={port + 1000} make run"
            )
        self._taken.add(port)
        return port

    def _free(self, piece: str, variable: str, default: int) -> int:
        if self._environment.get(variable):
            return self._chosen(piece, variable, default)
        for port in range(default, 65536, NEXT_PORT):
            if port not in self._taken and is_free(port):
                self._taken.add(port)
                return port
        raise PieceFailed(f"{piece}: no port from {default} on is free. Choose one with {variable}=….")


class Shop:
    """The shop's own process, replaced when the source changes; its socket outlives it, so that no visitor is turned away."""

    def __init__(self, app: Path, listener: socket.socket, environment: Mapping[str, str]) -> None:
        self._app = app
        self._listener = listener
        self._environment = environment
        self.piece: Piece | None = None

    def start(self) -> None:
        """Start the process and wait until it serves; raise PieceFailed."""
        serving, tell = os.pipe()
        try:
            fd = self._listener.fileno()
            command = [
                sys.executable,
                "-m",
                "infra.local.shop",
                f"--app={self._app}",
                f"--fd={fd}",
                f"--serving={tell}",
            ]
            self.piece = Piece("the shop", command, self._environment, folder=ROOT, pass_fds=(fd, tell))
            self.piece.start()
            self.piece.wait_until(lambda: _spoke(serving), SHOP_START_SECONDS)
        finally:
            os.close(serving)
            os.close(tell)

    def stop(self) -> None:
        """End the process, gracefully."""
        if self.piece:
            self.piece.stop(SHOP_END_SECONDS)


class Supervisor:
    """All pieces: started in order, watched, ended in reverse."""

    def __init__(self, app: Path, state: Path, environment: Mapping[str, str]) -> None:
        self._app = app
        self._state = state
        self._given = environment
        self._pieces: list[Piece] = []
        self._ending = threading.Event()
        self._changed = threading.Event()
        self._broken = False

    def run(self) -> None:
        """Start everything, say where it is, and watch it; raise PieceFailed as soon as a piece is lost."""
        ports = Ports(self._given)
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server((HOST, ports.shop), backlog=128))
            stack.enter_context(_alone(self._state))
            logs = self._state / "logs"
            logs.mkdir(exist_ok=True)
            _progress("starting the mailbox, the local cloud and PayPal …")
            cloud = LocalCloud(self._state / "cloud", ports.aws, f"{HOST}:{ports.smtp}", logs / "cloud.log")
            environment = self._environment(ports, cloud)
            mailbox = self._mailbox(ports, environment, logs)
            stack.callback(mailbox.stop)
            mailbox.start()
            stack.callback(cloud.stop)
            cloud.start()
            self._pieces = [mailbox, cloud.piece]
            if not self._has_sandbox:
                self._start_standin(stack, ports, environment, logs)
            mailbox.wait_until(lambda: answers(f"http://{HOST}:{ports.mailbox}/api/newest"), START_SECONDS)
            cloud.wait()
            _progress("starting the shop …")
            shop = Shop(self._app, listener, environment)
            stack.callback(shop.stop)
            self._watch_sources(stack)
            shop.start()
            self._announce(ports, environment, cloud)
            self._watch(shop)

    @property
    def _has_sandbox(self) -> bool:
        return bool(self._given.get("PAYPAL_CLIENT_ID") and self._given.get("PAYPAL_CLIENT_SECRET"))

    def _environment(self, ports: Ports, cloud: LocalCloud) -> dict[str, str]:
        given = without_aws_settings(self._given)
        bucket = given.get("MEDIA_BUCKET") or f"{given.get('TABLE_PREFIX', '')}awning-media"
        defaults = {
            "PUBLIC_URL": f"http://{HOST}:{ports.shop}",
            "MEDIA_BUCKET": bucket,
            "MEDIA_URL": f"{cloud.endpoint_url}/{bucket}",
        }
        if self._has_sandbox:
            defaults |= SANDBOX
        else:
            given |= self._standin_settings(ports)
        search = [str(ROOT), *given.get("PYTHONPATH", "").split(os.pathsep)]
        path = {"PYTHONPATH": os.pathsep.join(filter(None, search)), "PYTHONUNBUFFERED": "1"}
        chosen = {name: value for name, value in given.items() if value or name not in defaults}
        return defaults | chosen | cloud.environment | path

    def _standin_settings(self, ports: Ports) -> dict[str, str]:
        address = f"http://localhost:{ports.paypal}"
        return {
            "PAYPAL_API_URL": address,
            "PAYPAL_WEB_URL": address,
            "PAYPAL_CLIENT_ID": STANDIN_ID,
            "PAYPAL_CLIENT_SECRET": STANDIN_SECRET,
            "PAYPAL_WEBHOOK_ID": STANDIN_WEBHOOK,
            "PAYPAL_WEBHOOK_ROOTS": str(self._state / "paypal" / "roots.pem"),
        }

    def _mailbox(self, ports: Ports, environment: Mapping[str, str], logs: Path) -> Piece:
        command = [
            *(sys.executable, "-m", "infra.local.mailbox"),
            f"--smtp-port={ports.smtp}",
            f"--web-port={ports.mailbox}",
            f"--state={self._state / 'mails'}",
        ]
        return Piece("the mailbox", command, environment, log=logs / "mailbox.log", folder=ROOT)

    def _start_standin(
        self, stack: contextlib.ExitStack, ports: Ports, environment: Mapping[str, str], logs: Path
    ) -> None:
        command = [
            *(sys.executable, "-m", "infra.local.paypal"),
            f"--port={ports.paypal}",
            f"--state={self._state / 'paypal'}",
            f"--webhook-url=http://{HOST}:{ports.shop}{prefix_of(environment)}/webhooks/paypal",
            f"--client-id={STANDIN_ID}",
            f"--client-secret={STANDIN_SECRET}",
            f"--webhook-id={STANDIN_WEBHOOK}",
        ]
        standin = Piece("the PayPal stand-in", command, environment, log=logs / "paypal.log", folder=ROOT)
        stack.callback(standin.stop)
        standin.start()
        self._pieces.append(standin)
        standin.wait_until(lambda: answers(f"http://localhost:{ports.paypal}/"), START_SECONDS)

    def _announce(self, ports: Ports, environment: Mapping[str, str], cloud: LocalCloud) -> None:
        paypal = environment["PAYPAL_WEB_URL"].rstrip("/")
        print(f"shop: {environment['PUBLIC_URL'].rstrip('/')}/")
        print(f"paypal: {paypal}/")
        print(f"mailbox: http://{HOST}:{ports.mailbox}/")
        print(f"aws: {cloud.endpoint_url}")
        print("ready", flush=True)

    def _watch_sources(self, stack: contextlib.ExitStack) -> None:
        stack.callback(self._ending.set)
        folders = [self._app / name for name in SOURCES if (self._app / name).is_dir()]
        # The top folder is watched by itself: below it lie the virtual environment and our own state.
        for paths, deep in ((folders, True), ([self._app], False)):
            if paths:
                threading.Thread(target=self._notice, args=(paths, deep), daemon=True).start()

    def _notice(self, paths: list[Path], deep: bool) -> None:
        for changes in watch(
            *paths, recursive=deep, debounce=200, step=50, stop_event=self._ending, raise_interrupt=False
        ):
            if deep or any(Path(path).suffix in (".py", ".toml") for _, path in changes):
                self._changed.set()

    def _watch(self, shop: Shop) -> None:
        while True:
            if self._changed.wait(LOOK_SECONDS):
                self._reload(shop)
            lost = [piece for piece in self._pieces if not piece.alive]
            if shop.piece and not shop.piece.alive and not self._broken:
                lost.append(shop.piece)
            for piece in lost:
                raise PieceFailed(f"{piece.name} is gone: {piece.last_words()}")

    def _reload(self, shop: Shop) -> None:
        self._changed.clear()
        _progress("the source has changed: reloading …")
        shop.stop()
        try:
            shop.start()
        except PieceFailed:
            self._broken = True
            _progress("the shop does not start; waiting for the next change …")
        else:
            self._broken = False
            _progress("reloaded")


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the loss of a piece; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.run", description=__doc__)
    parser.add_argument("--app", type=Path, default=ROOT, help="the folder of app.py")
    parser.add_argument(
        "--state", type=Path, default=ROOT / ".local", help="the folder that keeps everything"
    )
    choice = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        Supervisor(choice.app.resolve(), choice.state.resolve(), os.environ).run()
    except (PieceFailed, OSError) as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _progress("ended")
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: what ends everything must not be interrupted half-way.
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    _progress("ending …")
    raise KeyboardInterrupt


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold the state folder for this process; raise PieceFailed where another one holds it."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PieceFailed(f"Another shop already runs from {state}. End it first.") from error
        yield


def _spoke(pipe: int) -> bool:
    readable, _, _ = select.select([pipe], [], [], 0)
    return bool(readable) and os.read(pipe, 1) == b"1"


def _progress(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
