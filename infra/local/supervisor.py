"""`make run`: the whole shop on one machine, in one command, stopped by Ctrl-C.

Ports: PORT for the shop (default 8000), and PAYPAL_PORT, MAILBOX_PORT, AWS_PORT, SMTP_PORT for the rest (default: the
next free ones). PUBLIC_URL may be another address of the shop, or one with a path. RECONCILE_SECONDS is the time
between two runs of the reconciler (default 20). DEMO=no leaves a new shop empty. With PAYPAL_CLIENT_ID and
PAYPAL_CLIENT_SECRET, PayPal's sandbox is used instead of the fake PayPal; real money is refused.
"""

import argparse
import contextlib
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from watchfiles import watch

from infra.local.app_server import ROOT, prefix_of
from infra.local.demo.staff import login_line
from infra.local.local_cloud import LocalCloud, without_aws_settings
from infra.local.processes import HOST, ChildProcess, PortInUse, ProcessFailed, StartReports, answers, is_free
from infra.local.state_dir import State

START_SECONDS = 20.0
SHOP_START_SECONDS = 180.0  # since its last progress: the first start fills the shop
# Longer than the shop gives its functions (10 s) and then its requests (10 s): none is killed while it captures.
SHOP_END_SECONDS = 25.0
LOOK_SECONDS = 0.5
# If a default port is taken, the one this much higher is tried.
NEXT_PORT = 10
_PREFIX = re.compile(r"(?=.{0,40}\Z)(?:[a-z0-9]+-?)*", re.ASCII)
SOURCES = ("chalicelib", "templates")
SANDBOX = {
    "PAYPAL_API_URL": "https://api-m.sandbox.paypal.com",
    "PAYPAL_WEB_URL": "https://www.sandbox.paypal.com",
}
SANDBOX_HOSTS = {SANDBOX["PAYPAL_API_URL"], "https://api.sandbox.paypal.com"}
FAKE_CLIENT_ID, FAKE_CLIENT_SECRET, FAKE_WEBHOOK_ID = "fake-client", "fake-secret", "FAKEWEBHOOK000001"


class Ports:
    """The port of each part."""

    def __init__(self, environment: Mapping[str, str], *, shop_runs: bool = True) -> None:
        """Read and choose ports. Raises PortInUse, or ProcessFailed for an invalid port.

        If the shop does not run, its port need not be free.
        """
        self._environment = environment
        self._taken: set[int] = set()
        self.shop = self._chosen("the shop", "PORT", 8000, must_be_free=shop_runs)
        self.paypal = self._free("the fake PayPal", "PAYPAL_PORT", self.shop + 1)
        self.mailbox = self._free("the mailbox", "MAILBOX_PORT", self.shop + 2)
        self.aws = self._free("the local cloud", "AWS_PORT", self.shop + 3)
        self.smtp = self._free("the mailbox", "SMTP_PORT", self.shop + 4)

    def _chosen(self, owner: str, variable: str, default: int, *, must_be_free: bool = True) -> int:
        text = self._environment.get(variable) or str(default)
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            raise ProcessFailed(f"{owner}: {variable} must be a port between 1 and 65535, not {text!r}.")
        port = int(text)
        if must_be_free and (port in self._taken or not is_free(port)):
            raise PortInUse(
                owner,
                port,
                f"Stop the process that listens there, or choose another port: {variable}={port + 1000} make run",
            )
        self._taken.add(port)
        return port

    def _free(self, owner: str, variable: str, default: int) -> int:
        if self._environment.get(variable):
            return self._chosen(owner, variable, default)
        for port in range(default, 65536, NEXT_PORT):
            if port not in self._taken and is_free(port):
                self._taken.add(port)
                return port
        raise ProcessFailed(f"{owner}: no free port from {default} upwards. Choose one with {variable}=….")


def shop_environment(given: Mapping[str, str], ports: Ports, cloud: LocalCloud) -> dict[str, str]:
    """Return the shop's environment: what the caller set, what the local parts need, and no AWS account."""
    given = without_aws_settings({name: value for name, value in given.items() if value})
    bucket = given.get("MEDIA_BUCKET", f"{given.get('TABLE_PREFIX', '')}awning-media")
    defaults = {
        "PUBLIC_URL": f"http://{HOST}:{ports.shop}",
        "MEDIA_BUCKET": bucket,
        "MEDIA_URL": f"{cloud.endpoint_url}/{bucket}",
    }
    paypal = {} if has_sandbox(given) else _fake_paypal_settings(ports)
    search = [str(ROOT), *given.get("PYTHONPATH", "").split(os.pathsep)]
    python = {"PYTHONPATH": os.pathsep.join(filter(None, search)), "PYTHONUNBUFFERED": "1"}
    return SANDBOX | defaults | given | paypal | cloud.environment | python


def has_sandbox(given: Mapping[str, str]) -> bool:
    """Return whether the environment has credentials of PayPal's own sandbox."""
    return bool(given.get("PAYPAL_CLIENT_ID") and given.get("PAYPAL_CLIENT_SECRET"))


def check_paypal(given: Mapping[str, str]) -> None:
    """Raise ProcessFailed for half of the credentials, and for credentials of anything but PayPal's sandbox."""
    names = ("PAYPAL_CLIENT_ID", "PAYPAL_CLIENT_SECRET")
    missing = [name for name in names if not given.get(name)]
    if len(missing) == 1:
        raise ProcessFailed(
            f"PayPal: {missing[0]} is missing. Set both {' and '.join(names)} for the sandbox,"
            " or neither for the fake PayPal."
        )
    address = given.get("PAYPAL_API_URL")
    if not missing and address and address.rstrip("/") not in SANDBOX_HOSTS:
        raise ProcessFailed(
            f"PayPal: make run only takes payments in the sandbox or the fake PayPal, not at {address}."
            " Unset PAYPAL_API_URL."
        )


def check_prefix(given: Mapping[str, str]) -> None:
    """Raise ProcessFailed for a prefix that tables, queues and buckets do not all allow in their names."""
    prefix = given.get("TABLE_PREFIX", "")
    if not _PREFIX.fullmatch(prefix):
        raise ProcessFailed(
            f"TABLE_PREFIX may have up to 40 lower-case letters (a to z), digits and single hyphens, and begins with"
            f" a letter or digit, as in my-shop-, not {prefix!r}: tables, queues and buckets are named with it."
        )


def _fake_paypal_settings(ports: Ports) -> dict[str, str]:
    address = f"http://localhost:{ports.paypal}"
    return {
        "PAYPAL_API_URL": address,
        "PAYPAL_WEB_URL": address,
        "PAYPAL_CLIENT_ID": FAKE_CLIENT_ID,
        "PAYPAL_CLIENT_SECRET": FAKE_CLIENT_SECRET,
        "PAYPAL_WEBHOOK_ID": FAKE_WEBHOOK_ID,
    }


class Shop:
    """The shop's own process, replaced when the source changes; its socket stays, so that no visitor is refused."""

    def __init__(self, app: Path, listener: socket.socket, environment: Mapping[str, str]) -> None:
        self._app = app
        self._listener = listener
        self._environment = environment
        self.child: ChildProcess | None = None

    def start(self) -> None:
        """Start the process and wait until it serves. Raises ProcessFailed."""
        serving, reporting = os.pipe()
        try:
            fd = self._listener.fileno()
            command = [
                sys.executable,
                "-m",
                "infra.local.app_server",
                f"--app={self._app}",
                f"--fd={fd}",
                f"--serving={reporting}",
            ]
            self.child = ChildProcess(
                "the shop", command, self._environment, folder=ROOT, pass_fds=(fd, reporting)
            )
            self.child.start()
            reports = StartReports(serving)
            self.child.wait_until(
                lambda: reports.serves,
                SHOP_START_SECONDS,
                has_progressed=reports.read,
                advice="Start it again: it continues where it stopped.",
            )
        finally:
            os.close(serving)
            os.close(reporting)

    def stop(self) -> None:
        """Stop the process gracefully."""
        if self.child:
            self.child.stop(SHOP_END_SECONDS)


class Supervisor:
    """All parts: started in order, watched, stopped in reverse."""

    def __init__(self, app: Path, state: State, given: Mapping[str, str]) -> None:
        self._app = app
        self._state = state
        self._given = given
        self._children: list[ChildProcess] = []
        self._ending = threading.Event()
        self._changed = threading.Event()
        self._broken = False
        self._fault = ""

    def run(self) -> None:
        """Start everything, print the addresses, and watch it. Raises ProcessFailed as soon as a part fails."""
        check_paypal(self._given)
        check_prefix(self._given)
        ports = Ports(self._given)
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server((HOST, ports.shop), backlog=128))
            stack.enter_context(self._state.held())
            _progress("starting the mailbox, the local cloud and PayPal …")
            cloud = LocalCloud(
                self._state.cloud, ports.aws, log=self._state.logs / "cloud.log", mails=self._state.mails
            )
            environment = shop_environment(self._given, ports, cloud)
            environment["DEMO_PASSWORD"] = self._state.password()
            self._start_around(stack, ports, cloud, environment)
            _progress("starting the shop …")
            shop = Shop(self._app, listener, environment)
            stack.callback(shop.stop)
            self._watch_sources(stack)
            shop.start()
            self._state.publish(environment)
            _announce(ports, environment)
            self._watch(shop, cloud)

    def _start_around(
        self, stack: contextlib.ExitStack, ports: Ports, cloud: LocalCloud, environment: Mapping[str, str]
    ) -> None:
        # All are started before the first is waited for; they are stopped in reverse.
        mailbox = self._module(
            "the mailbox",
            "mailbox",
            environment,
            f"--smtp-port={ports.smtp}",
            f"--web-port={ports.mailbox}",
            f"--state={self._state.mails}",
        )
        stack.callback(mailbox.stop)
        mailbox.start()
        stack.callback(cloud.stop)
        cloud.start()
        self._children = [mailbox, cloud.child]
        if not has_sandbox(self._given):
            webhook = f"http://{HOST}:{ports.shop}{prefix_of(environment)}/webhooks/paypal"
            fake_paypal = self._module(
                "the fake PayPal",
                "fake_paypal",
                environment,
                f"--port={ports.paypal}",
                f"--state={self._state.paypal}",
                f"--webhook-url={webhook}",
                f"--client-id={FAKE_CLIENT_ID}",
                f"--client-secret={FAKE_CLIENT_SECRET}",
                f"--webhook-id={FAKE_WEBHOOK_ID}",
            )
            stack.callback(fake_paypal.stop)
            fake_paypal.start()
            self._children.append(fake_paypal)
            fake_paypal.wait_until(lambda: answers(f"http://localhost:{ports.paypal}/"), START_SECONDS)
        mailbox.wait_until(lambda: answers(f"http://{HOST}:{ports.mailbox}/api/newest"), START_SECONDS)
        cloud.wait()

    def _module(
        self, name: str, module: str, environment: Mapping[str, str], *arguments: str
    ) -> ChildProcess:
        command = [sys.executable, "-m", f"infra.local.{module}", *arguments]
        return ChildProcess(name, command, environment, log=self._state.logs / f"{module}.log", folder=ROOT)

    def _watch_sources(self, stack: contextlib.ExitStack) -> None:
        stack.callback(self._ending.set)
        folders = [self._app / name for name in SOURCES if (self._app / name).is_dir()]
        # The top folder is watched without its subfolders, which include the virtual environment and our own state.
        for paths, deep in ((folders, True), ([self._app], False)):
            if paths:
                threading.Thread(target=self._notice, args=(paths, deep), daemon=True).start()

    def _notice(self, paths: list[Path], deep: bool) -> None:
        for changes in watch(
            *paths, recursive=deep, debounce=200, step=50, stop_event=self._ending, raise_interrupt=False
        ):
            if deep or any(Path(path).suffix in (".py", ".toml") for _, path in changes):
                self._changed.set()

    def _watch(self, shop: Shop, cloud: LocalCloud) -> None:
        while True:
            self._report_fault(cloud.fault())
            if self._changed.wait(LOOK_SECONDS):
                self._reload(shop)
            lost = [child for child in self._children if not child.alive]
            if shop.child and not shop.child.alive and not self._broken:
                lost.append(shop.child)
            for child in lost:
                raise ProcessFailed(f"{child.name} has stopped: {child.last_words()}")

    def _report_fault(self, fault: str) -> None:
        if fault == self._fault:
            return
        if fault:
            _progress(
                f"The shop can't take orders: the local cloud can't write. {fault}. Nothing is lost; free some disk space."
            )
        else:
            _progress("The shop can take orders again: the local cloud can write.")
        self._fault = fault

    def _reload(self, shop: Shop) -> None:
        self._changed.clear()
        _progress("the source has changed: reloading …")
        shop.stop()
        try:
            shop.start()
        except ProcessFailed:
            self._broken = True
            _progress("the shop does not start; waiting for the next change …")
        else:
            self._broken = False
            _progress("reloaded")


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the failure of a part; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.supervisor", description=__doc__)
    parser.add_argument("--app", type=Path, default=ROOT, help="the folder of app.py")
    parser.add_argument("--state", type=Path, default=ROOT / ".local", help="the folder for all data")
    choice = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        Supervisor(choice.app.resolve(), State(choice.state), os.environ).run()
    except (ProcessFailed, OSError) as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _progress("ended")
    return 0


def _announce(ports: Ports, environment: Mapping[str, str]) -> None:
    print(f"shop: {environment['PUBLIC_URL'].rstrip('/')}/")
    print(f"staff: {environment['PUBLIC_URL'].rstrip('/')}/staff/")
    print(f"paypal: {environment['PAYPAL_WEB_URL'].rstrip('/')}/")
    print(f"mailbox: http://{HOST}:{ports.mailbox}/")
    print(f"aws: {environment['AWS_ENDPOINT_URL']}")
    print("ready", flush=True)
    if environment.get("DEMO") != "no":
        _progress(login_line(environment["DEMO_PASSWORD"]))


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Only once: stopping must not be interrupted.
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    _progress("ending …")
    raise KeyboardInterrupt


def _progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
