"""The fake PayPal's certificate, and signatures made with it or checked by it and others."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_NAME = "messageverificationcerts.sandbox.paypal.com"
AUTH_ALGO = "SHA256withRSA"
# Wide, so that moving the clock never makes the certificate invalid.
_VALID_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_VALID_FOR = timedelta(days=365 * 30)


class Certificate:
    """A key and its certificate, created once and stored in the state folder.

    PayPal publishes only the certificate, not its chain, so this one's chain is discarded.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._pem_path = folder / "certificate.pem"
        self._key_path = folder / "certificate-key.pem"
        if not self._key_path.exists():
            self._make()
        self.pem = self._pem_path.read_bytes()
        self._key = _read_key(self._key_path)
        leaf = x509.load_pem_x509_certificate(self.pem)
        self.name = f"CERT-{leaf.fingerprint(hashes.SHA256()).hex()[:24]}-{leaf.serial_number % 10**8:08d}"

    def sign(self, text: bytes) -> str:
        """Sign as PayPal does (RSA PKCS#1 v1.5, SHA-256); return base64."""
        return _sign(self._key, text)

    def sign_wrongly(self, text: bytes) -> str:
        """Sign with a key that belongs to no certificate; return base64."""
        return _sign(_stranger(), text)

    def _make(self) -> None:
        issuer_key, leaf_key = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)
        )
        leaf = _certificate(leaf_key, issuer_key)
        self._pem_path.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        # Last, and atomically: a key file means that the certificate is complete.
        unfinished = self._key_path.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(
            leaf_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        unfinished.replace(self._key_path)


def holds(pem: bytes, text: bytes, signature: str) -> bool:
    """Return whether a text was signed with the key of this certificate, even if that has expired."""
    key = x509.load_pem_x509_certificate(pem).public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(base64.b64decode(signature, validate=True), text, padding.PKCS1v15(), hashes.SHA256())
            return True
    except (InvalidSignature, ValueError):
        pass
    return False


def signed_text(transmission_id: str, time: str, webhook_id: str, body: bytes) -> bytes:
    """Return the text that PayPal signs for a notification."""
    return f"{transmission_id}|{time}|{webhook_id}|{zlib.crc32(body)}".encode()


@cache
def _stranger() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@lru_cache(
    maxsize=10_000
)  # deliveries are listed far more often than they are made; the same text has the same signature
def _sign(key: rsa.RSAPrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def _read_key(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path} holds no RSA key")
    return key


def _certificate(key: rsa.RSAPrivateKey, issuer_key: rsa.RSAPrivateKey) -> x509.Certificate:
    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    return (
        x509.CertificateBuilder()
        .subject_name(named(LEAF_NAME))
        .issuer_name(named("Fake PayPal"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_FROM + _VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(LEAF_NAME)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
