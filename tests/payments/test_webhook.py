"""The webhook's way: what it lets in, how it fetches certificates, which roots it trusts. What it refuses: test_forgeries."""

import gzip
import json
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from chalicelib import clock
from chalicelib.errors import Busy
from chalicelib.payments import webhook
from chalicelib.payments.webhook import Forged
from infra.local.pieces import free_port
from tests.payments.certificates import (
    CERTS,
    LIVE,
    LIVE_LEAF,
    NO_CERTIFICATE,
    SANDBOX,
    SANDBOX_LEAF,
    leaf,
    middle,
    pem,
    root,
    rsa_key,
)
from tests.shop import Shop

# -- events that are not for us ---------------------------------------------------------------------------


def an_event(event_type: str, **resource: str) -> str:
    event = {"id": "WH-1", "event_type": event_type, "resource_type": "capture", "resource": resource}
    return json.dumps(event)


@pytest.mark.parametrize(
    "event_type",
    ["BILLING_AGREEMENTS.AGREEMENT.CREATED", "PAYMENT.PAYOUTS-ITEM.SUCCEEDED", "PAYMENT.V2.TAKEN", "7"],
)
def test_an_unknown_type_is_taken_and_settles_nothing(shop: Shop, event_type: str) -> None:
    shopper, token = shop.placed()
    shop.paypal.fault("capture", "cut_after", times=None)
    shop.come_back(shopper, token)
    shop.paypal.clear_faults()
    (capture,) = shop.paypal.captures(token)  # money that there would be to settle

    body = an_event(event_type, id=capture["id"])
    assert shop.notify(body, shop.paypal.sign(body.encode())).status == 200
    assert shop.functions.drain("payment-notifications") == 1
    assert shop.functions.drain("payment-notifications", again=True) == 0
    assert shop.ledger() == []


@pytest.mark.parametrize("event_type", ["", "payment.capture", "A" * 81, "PAYMENT CAPTURE", "PAYMENT\n", "Ä"])
def test_what_is_no_type_is_refused(event_type: str) -> None:
    with pytest.raises(Forged):
        webhook.read_message(an_event(event_type).encode())


# -- the certificate's address ----------------------------------------------------------------------------


@pytest.mark.parametrize("api", [LIVE, SANDBOX])
@pytest.mark.parametrize("host", ["api", "api-m", "api.sandbox", "api-m.sandbox"])
def test_paypals_four_hosts_are_asked_for_certificates(setting: Any, api: str, host: str) -> None:
    setting(paypal_api_url=api)
    webhook._check_address(f"https://{host}.paypal.com{CERTS}CERT-360caa42-fca2a594-1d93a270")


# -- the chain --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("api", "name"), [(LIVE, LIVE_LEAF), (SANDBOX, SANDBOX_LEAF)])
def test_a_chain_up_to_a_root_gives_its_key_until_the_leaf_ends(live: Any, api: str, name: str) -> None:
    live(paypal_api_url=api)
    good = leaf(name)
    key, ends = webhook._verified_key(pem(good, middle()))
    assert key == rsa_key("leaf").public_key()
    assert ends == good.not_valid_after_utc


def test_a_chain_is_fetched_once_and_again_when_it_has_ended(
    live: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[datetime] = []

    def fetch(url: str) -> bytes:
        fetched.append(clock.now())
        return pem(leaf(until=timedelta(days=1)), middle())

    monkeypatch.setattr(webhook, "_fetch", fetch)
    for _ in range(2):
        webhook._public_key(f"{LIVE}{CERTS}CERT-1")
    assert len(fetched) == 1
    with shop.later(days=2):
        webhook._public_key(f"{LIVE}{CERTS}CERT-1")
    assert len(fetched) == 2


# -- the roots --------------------------------------------------------------------------------------------


def test_without_a_file_of_its_own_a_shop_trusts_the_public_roots() -> None:
    webhook._roots.cache_clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")  # told, as in production, not an error as in the other tests
        assert len(webhook._roots("")) > 50
    assert told == []


def test_a_root_that_cannot_be_read_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    file.write_bytes(b"# A comment\n" + pem(root()) + NO_CERTIFICATE + pem(root("stranger.example")))
    assert [one.subject.rfc4514_string() for one in webhook._roots(str(file))] == [
        "CN=root.example",
        "CN=stranger.example",
    ]


def test_a_file_without_a_root_is_a_mistake_of_the_shop_and_no_forgery(live: Any, tmp_path: Path) -> None:
    from chalicelib.config import ConfigError

    (tmp_path / "empty.pem").write_bytes(NO_CERTIFICATE)
    live(paypal_webhook_roots=str(tmp_path / "empty.pem"))
    with pytest.raises(ConfigError, match="PAYPAL_WEBHOOK_ROOTS"):
        webhook._verified_key(pem(leaf(), middle()))


# -- the fetch --------------------------------------------------------------------------------------------


class Certificates(BaseHTTPRequestHandler):
    """A host of certificates, and of everything that can go wrong with them."""

    def do_GET(self) -> None:
        kind = self.path.removeprefix("/")
        body = b"x" * {"most": webhook.MOST_BYTES_OF_A_CHAIN, "over": webhook.MOST_BYTES_OF_A_CHAIN + 1}.get(
            kind, 5
        )
        self.send_response({"moved": 302, "missing": 404, "broken": 500, "partial": 206}.get(kind, 200))
        if kind == "moved":
            self.send_header("Location", "/fine")
        if kind == "bomb":
            body = gzip.compress(b"x" * 10 * webhook.MOST_BYTES_OF_A_CHAIN)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body) + (10 if kind == "cut" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it
        """Say nothing."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """Run the host of certificates; return its address."""
    with HTTPServer(("127.0.0.1", 0), Certificates) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_certificate_is_fetched_whole(host: str) -> None:
    assert webhook._fetch(f"{host}/fine") == b"xxxxx"
    assert len(webhook._fetch(f"{host}/most")) == webhook.MOST_BYTES_OF_A_CHAIN


@pytest.mark.parametrize("kind", ["moved", "missing", "broken", "partial", "over", "bomb", "cut"])
def test_a_certificate_that_does_not_come_makes_paypal_come_again(host: str, kind: str) -> None:
    with pytest.raises(Busy):
        webhook._fetch(f"{host}/{kind}")


def test_a_host_that_does_not_listen_makes_paypal_come_again() -> None:
    with pytest.raises(Busy):
        webhook._fetch(f"http://127.0.0.1:{free_port()}/fine")
