"""The smallest app that `make run` takes, and a `make run` of it."""

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.app_server import ROOT
from infra.local.local_cloud import without_aws_settings
from infra.local.processes import HOST, free_port, is_free
from tests.local.wait_until import eventually

APP = """
import json
import os

import boto3
from botocore.config import Config
from chalice import Chalice

app = Chalice(app_name="tiny")


@app.route("/")
def home():
    return {"word": "first", "url": os.environ["PUBLIC_URL"], "paypal": os.environ["PAYPAL_API_URL"]}


@app.route("/notes", methods=["POST"], content_types=["*/*"])
def add_note():
    sqs = boto3.client("sqs", config=Config(retries={"total_max_attempts": 1}))
    queue = sqs.get_queue_url(QueueName="paypal-webhooks")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=app.current_request.raw_body.decode())


@app.route("/mails", methods=["POST"], content_types=["*/*"])
def send_mail():
    boto3.client("sesv2").send_email(
        FromEmailAddress="shop@example.com",
        Destination={"ToAddresses": [app.current_request.raw_body.decode() or "test@example.org"]},
        Content={"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hello"}}}},
        EmailTags=[{"Name": "mail", "Value": "paid"}, {"Name": "order", "Value": "48219-30476"}],
    )


@app.on_sqs_message(queue="paypal-webhooks")
def keep_note(event):
    for record in event:
        boto3.client("s3").put_object(Bucket="awning-media", Key="pictures/note.txt", Body=record.body.encode())


@app.lambda_function()
def note_bounces(event, context):
    body = json.dumps(event["detail"]).encode()
    boto3.client("s3").put_object(Bucket="awning-media", Key="pictures/bounce.json", Body=body)
"""
CONFIG = """
from types import SimpleNamespace

settings = SimpleNamespace(
    table_prefix="", books_bucket="awning-books", media_bucket="awning-media", public_url=None,
    shop=SimpleNamespace(email="shop@example.com", merchant_email="orders@example.com"),
)
"""
ADDRESSES = """
class BadAddress(Exception):
    pass


def normalize_address(address):
    return address
"""


def make_app(folder: Path) -> Path:
    """Write the app into a folder."""
    package = folder / "chalicelib"
    (package / "mail").mkdir(parents=True)
    (folder / "app.py").write_text(APP, "utf-8")
    (package / "__init__.py").touch()
    (package / "tables.py").write_text("def all_tables():\n    return []\n", "utf-8")
    (package / "config.py").write_text(CONFIG, "utf-8")
    (package / "mail" / "__init__.py").touch()
    (package / "mail" / "addresses.py").write_text(ADDRESSES, "utf-8")
    return folder


class Run:
    """One `make run` in a child process, ended with the block."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.ports = {"PORT": self.port} | {
            name: free_port() for name in ("PAYPAL_PORT", "MAILBOX_PORT", "AWS_PORT", "SMTP_PORT")
        }
        self.lines: list[str] = []
        self.errors: list[str] = []
        chosen = {name: str(port) for name, port in self.ports.items()} | {"DEMO": "no"} | environment
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "infra.local.supervisor",
                f"--app={folder / 'app'}",
                f"--state={folder / 'state'}",
            ],
            cwd=ROOT,
            env=_plain_environment() | chosen,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stderr
        self._readers = [
            threading.Thread(target=self.lines.extend, args=(map(str.rstrip, self.process.stdout),)),
            threading.Thread(target=self.errors.extend, args=(map(str.rstrip, self.process.stderr),)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        try:
            eventually(lambda: "ready" in self.lines or self.process.poll() is not None, 120)
            assert "ready" in self.lines, "\n".join(self.errors)
        except AssertionError:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; return its exit status."""
        self.process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """Kill it and all its processes at one moment, as a crash of the machine would; none can say goodbye."""
        pids = [self.process.pid, *children(self.process.pid).values()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end; return its exit status."""
        status = self.process.wait(60)
        for reader in self._readers:
            reader.join(10)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        return status

    def address(self, name: str) -> str:
        """Return an address that it printed, without a trailing slash."""
        (line,) = [line for line in self.lines if line.startswith(f"{name}: ")]
        return line.removeprefix(f"{name}: ").rstrip("/")

    def left_listening(self) -> list[str]:
        """Name the ports on which still somebody listens."""
        return [name for name, port in self.ports.items() if not is_free(port)]


def children(pid: int) -> dict[str, int]:
    """Map the commands of a process's children onto their ids."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return {
        Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(): int(child)
        for child in listed
    }


def get(url: str) -> str:
    """Return the body of a page."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def post(url: str, body: str) -> None:
    """Post a text."""
    urllib.request.urlopen(urllib.request.Request(url, body.encode(), method="POST"), timeout=10).close()


def listens(port: int) -> bool:
    """Return whether somebody listens on a port of this machine."""
    return not is_free(port)


def local_url(port: int) -> str:
    """Return the address of a port of this machine."""
    return f"http://{HOST}:{port}"


def _plain_environment() -> dict[str, str]:
    ours = ("PAYPAL_", "PUBLIC_URL", "MEDIA_", "BOOKS_", "TABLE_PREFIX")
    environment = without_aws_settings(os.environ)
    return {name: value for name, value in environment.items() if not name.startswith(ours)}
