"""The fake PayPal as a process: it starts, remembers, and ends in order."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.fake_paypal import Control, ControlError, FakePayPal
from tests.fake_paypal.shop import Shop


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    with FakePayPal(tmp_path) as paypal:
        shop = Shop(paypal)
        capture_id = shop.paid()
        waiting = shop.create(key="waiting", invoice_id="S-2")
        certificate = paypal.control.sign(b"")["PAYPAL-CERT-URL"].rpartition("/")[2]
        paypal.control.advance(3600)
        before = paypal.control.ledger(), paypal.control.now()
        token = shop.token
    with FakePayPal(tmp_path) as paypal:
        shop = Shop(paypal)
        shop.token = token
        assert shop.call("GET", f"/v2/payments/captures/{capture_id}").body["status"] == "COMPLETED"
        assert shop.create(key="waiting", invoice_id="S-2") == waiting
        assert paypal.control.ledger() == before[0]
        assert paypal.control.now() >= before[1]
        assert paypal.control.sign(b"")["PAYPAL-CERT-URL"].endswith(certificate)


def test_a_reset_forgets_the_money_but_not_the_certificate(paypal: FakePayPal) -> None:
    certificate = paypal.control.sign(b"")["PAYPAL-CERT-URL"]
    shop = Shop(paypal)
    shop.paid()
    paypal.control.fault("any", "500")
    paypal.control.advance(7200)
    moved = paypal.control.now()
    paypal.reset()
    assert paypal.control.orders() == []
    assert paypal.control.ledger() == []
    assert paypal.control.notifications() == []
    assert paypal.control.requests() == []
    assert paypal.control.faults() == []
    assert paypal.control.now() < moved
    assert paypal.control.sign(b"")["PAYPAL-CERT-URL"] == certificate


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infra.local.fake_paypal", "--port", "0", "--state", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("paypal: http://localhost:")
        assert Control(ready.split()[1]).orders() == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "infra.local.fake_paypal", "--port", port, "--state", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"The fake PayPal did not start: port {port} is in use; stop the process that uses it, or choose another with --port."
    ]


def test_web_pages_cannot_steer(paypal: FakePayPal) -> None:
    answer = Shop(paypal).send("POST", "/_control/reset", b"{}", {"Content-Type": "text/plain"})
    assert answer.status == 415


def test_what_cannot_be_done_is_said(paypal: FakePayPal) -> None:
    for wrong in (
        lambda: paypal.control.approve("NONE"),
        lambda: paypal.control.complete("NONE"),
        lambda: paypal.control.resend("NONE"),
        lambda: paypal.control.resolve_dispute("NONE"),
        lambda: paypal.control.order("NONE"),
    ):
        with pytest.raises(ControlError):
            wrong()
