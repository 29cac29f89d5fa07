"""The webhook's checks one by one: what is let in, whose certificate is believed, and how it is fetched."""

import base64
import gzip
import json
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chalicelib import clock
from chalicelib.errors import Busy
from chalicelib.payments import webhook
from chalicelib.payments.webhook import Forged
from infra.local.paypal.certificates import signed_text
from infra.local.pieces import free_port
from tests.shop import Shop

LIVE = "https://api-m.paypal.com"
SANDBOX = "https://api-m.sandbox.paypal.com"
STAND_IN = "http://localhost:8080"
LIVE_LEAF = "messageverificationcerts.paypal.com"
SANDBOX_LEAF = "messageverificationcerts.sandbox.paypal.com"
CERTS = "/v1/notifications/certs/"

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


@pytest.mark.parametrize("host", ["api", "api-m", "api.sandbox", "api-m.sandbox"])
def test_a_shop_at_the_stand_in_asks_the_stand_in_alone(setting: Any, host: str) -> None:
    setting(paypal_api_url=STAND_IN)
    webhook._check_address(f"{STAND_IN}{CERTS}CERT-1")
    with pytest.raises(Forged):
        webhook._check_address(f"https://{host}.paypal.com{CERTS}CERT-1")


@pytest.mark.parametrize(
    "url",
    [
        "",
        f"http://api.paypal.com{CERTS}CERT-1",
        f"//api.paypal.com{CERTS}CERT-1",
        f"{STAND_IN}{CERTS}CERT-1",
        f"https://api.paypal.com:443{CERTS}CERT-1",
        f"https://api.paypal.com:8443{CERTS}CERT-1",
        f"https://api.paypal.com.{CERTS}CERT-1",
        f"https://API.paypal.com{CERTS}CERT-1",
        f"https://somebody@api.paypal.com{CERTS}CERT-1",
        f"https://api.paypal.com@evil.example{CERTS}CERT-1",
        f"https://api.paypal.com\\@evil.example{CERTS}CERT-1",
        f"https://evil.example{CERTS}CERT-1",
        f"https://evil.example/https://api.paypal.com{CERTS}CERT-1",
        f"https://api.paypal.com.evil.example{CERTS}CERT-1",
        f"https://www.paypal.com{CERTS}CERT-1",
        f"https://api.paypal.com{CERTS}CERT-1?a=b",
        f"https://api.paypal.com{CERTS}CERT-1?",
        f"https://api.paypal.com{CERTS}CERT-1#a",
        f"https://api.paypal.com{CERTS}CERT-1#",
        f"https://api.paypal.com{CERTS}CERT-1\n",
        f" https://api.paypal.com{CERTS}CERT-1",
        f"https://api.paypal.com{CERTS}",
        f"https://api.paypal.com{CERTS}.",
        f"https://api.paypal.com{CERTS}..",
        f"https://api.paypal.com{CERTS}../CERT-1",
        f"https://api.paypal.com{CERTS}%2e%2e",
        f"https://api.paypal.com{CERTS}CERT-1/..",
        f"https://api.paypal.com{CERTS}sub/CERT-1",
        f"https://api.paypal.com/v1{CERTS}CERT-1",
        "https://api.paypal.com/v1/notifications/certs",
        "https://api.paypal.com/v1/oauth2/CERT-1",
        f"https://api.paypal.com{CERTS}{'C' * 121}",
    ],
)
def test_any_other_address_is_never_fetched(setting: Any, url: str) -> None:
    setting(paypal_api_url=LIVE)
    with pytest.raises(Forged):
        webhook._check_address(url)


# -- the chain --------------------------------------------------------------------------------------------


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    name: str,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    authority: bool = True,
    until: timedelta = timedelta(days=30),
) -> x509.Certificate:
    """Issue a certificate; an issuer's name is the name of its key."""
    signer = rsa_key(issuer)
    usage = dict.fromkeys(
        ["content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"], False
    )
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=60))
        .not_valid_after(clock.now() + until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_encipherment=False,
                key_cert_sign=authority,
                crl_sign=authority,
                **usage,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def root(name: str = "root.example") -> x509.Certificate:
    return certificate(name, rsa_key(name), name)


def middle(issuer: str = "root.example") -> x509.Certificate:
    return certificate("middle.example", rsa_key("middle.example"), issuer)


def leaf(
    name: str = LIVE_LEAF,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    until: timedelta = timedelta(days=20),
) -> x509.Certificate:
    return certificate(name, key or rsa_key("leaf"), "middle.example", authority=False, until=until)


@pytest.fixture
def live(setting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the shop a live one that trusts `root()`; return `setting`."""
    (tmp_path / "roots.pem").write_bytes(pem(root()))
    setting(paypal_api_url=LIVE, paypal_webhook_roots=str(tmp_path / "roots.pem"))
    monkeypatch.setattr(webhook, "_keys", {})
    return setting


@pytest.mark.parametrize(("api", "name"), [(LIVE, LIVE_LEAF), (SANDBOX, SANDBOX_LEAF)])
def test_a_chain_up_to_a_root_gives_its_key_until_the_leaf_ends(live: Any, api: str, name: str) -> None:
    live(paypal_api_url=api)
    good = leaf(name)
    key, ends = webhook._verified_key(pem(good, middle()))
    assert key == rsa_key("leaf").public_key()
    assert ends == good.not_valid_after_utc


def self_made() -> bytes:
    return pem(leaf(), middle("stranger.example"), root("stranger.example"))


def expired() -> bytes:
    return pem(leaf(until=timedelta(days=-1)), middle())


def of_the_sandbox() -> bytes:
    return pem(leaf(SANDBOX_LEAF), middle())


def of_another_name() -> bytes:
    return pem(leaf("www.paypal.com"), middle())


def of_another_kind_of_key() -> bytes:
    return pem(leaf(key=ec.generate_private_key(ec.SECP256R1())), middle())


def without_intermediate() -> bytes:
    return pem(leaf())


def intermediate_alone() -> bytes:
    return pem(middle())


def garbage() -> bytes:
    return b"-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n"


def a_page() -> bytes:
    return b"<!doctype html>"


@pytest.mark.parametrize(
    "chain",
    [
        self_made,
        expired,
        of_the_sandbox,
        of_another_name,
        of_another_kind_of_key,
        without_intermediate,
        intermediate_alone,
        garbage,
        a_page,
    ],
)
def test_any_other_chain_is_forged(live: Any, chain: Any) -> None:
    with pytest.raises(Forged):
        webhook._verified_key(chain())


def signed(body: str, webhook_id: str) -> dict[str, str]:
    text = signed_text("T-1", "2026-11-22T12:00:00Z", webhook_id, body.encode())
    signature = rsa_key("leaf").sign(text, padding.PKCS1v15(), hashes.SHA256())
    return {
        "PAYPAL-TRANSMISSION-ID": "T-1",
        "PAYPAL-TRANSMISSION-TIME": "2026-11-22T12:00:00Z",
        "PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature).decode(),
        "PAYPAL-CERT-URL": f"{LIVE}{CERTS}CERT-1",
        "PAYPAL-AUTH-ALGO": webhook.ALGORITHM,
    }


def test_a_live_shop_refuses_what_the_simulator_signs(
    live: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "_fetch", lambda url: pem(leaf(), middle()))
    body = an_event("SOMETHING.ELSE")
    live(paypal_webhook_id="WH-LIVE")
    assert shop.notify(body, signed(body, "WH-LIVE")).status == 200
    assert shop.notify(body, signed(body, "WEBHOOK_ID")).status == 400
    live(paypal_webhook_id="WEBHOOK_ID")
    assert shop.notify(body, signed(body, "WEBHOOK_ID")).status == 400
    assert shop.functions.drain("payment-notifications") == 1


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
    file.write_bytes(b"# A comment\n" + pem(root()) + garbage() + pem(root("stranger.example")))
    assert [one.subject.rfc4514_string() for one in webhook._roots(str(file))] == [
        "CN=root.example",
        "CN=stranger.example",
    ]


def test_a_file_without_a_root_is_a_mistake_of_the_shop_and_no_forgery(live: Any, tmp_path: Path) -> None:
    from chalicelib.config import ConfigError

    (tmp_path / "empty.pem").write_bytes(garbage())
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
