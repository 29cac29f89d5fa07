"""Run the fake PayPal: `python -m infra.local.fake_paypal --port 8001 --state DIR --webhook-url URL`."""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import sqlite3
import sys
from pathlib import Path

from infra.local.fake_paypal.server_app import FakePayPal

ENDING = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    """Serve until SIGTERM or SIGINT; 1 if the port is in use."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # Waited for, not handled: a handler may interrupt the main thread while it has a lock that the handler needs.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    fake_paypal = FakePayPal(
        options.state,
        options.webhook_url,
        options.port,
        options.client_id,
        options.client_secret,
        options.webhook_id,
    )
    try:
        fake_paypal.start()
    except (OSError, sqlite3.Error) as error:
        print(f"The fake PayPal did not start: {_reason(error, options.port)}", file=sys.stderr)
        return 1
    print(f"paypal: {fake_paypal.web_url}/", flush=True)
    signal.sigwait(ENDING)
    fake_paypal.stop()
    return 0


def _reason(error: Exception, port: int) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; stop the process that uses it, or choose another with --port."
    return f"{error}."


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local.fake_paypal", description=__doc__)
    parser.add_argument("--port", type=int, default=8001, help="where to listen (0: any free port)")
    parser.add_argument("--state", type=Path, required=True, help="folder for certificates, orders, money")
    parser.add_argument("--webhook-url", help="the shop's webhook address")
    parser.add_argument("--client-id", help="default: fake-client")
    parser.add_argument("--client-secret", help="default: fake-secret")
    parser.add_argument("--webhook-id", help="default: FAKEWEBHOOK000001")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
