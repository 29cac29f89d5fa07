"""The stand-in's own chain of certificates (root, intermediate, leaf) and signatures made with it."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_NAME = "messageverificationcerts.sandbox.paypal.com"
ROOTS_FILE = "roots.pem"
AUTH_ALGO = "SHA256withRSA"
# Wide, so that a clock moved by a test never leaves the certificates behind.
_VALID_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_VALID_FOR = timedelta(days=365 * 30)


class Chain:
    """Keys and certificates, made once and kept in the state folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._roots_path = folder / ROOTS_FILE
        self._chain_path = folder / "chain.pem"
        self._key_path = folder / "leaf-key.pem"
        if not self._key_path.exists():
            self._make()
        self.pem = self._chain_path.read_bytes()
        self._key = _read_key(self._key_path)
        leaf = x509.load_pem_x509_certificates(self.pem)[0]
        self.name = f"CERT-{leaf.fingerprint(hashes.SHA256()).hex()[:24]}-{leaf.serial_number % 10**8:08d}"

    def sign(self, text: bytes) -> str:
        """Sign as PayPal does (RSA PKCS#1 v1.5, SHA-256); return base64."""
        return _sign(self._key, text)

    def sign_wrongly(self, text: bytes) -> str:
        """Sign with a key that belongs to no certificate; return base64."""
        return _sign(_stranger(), text)

    def _make(self) -> None:
        root_key, middle_key, leaf_key = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)
        )
        root = _certificate("PayPal stand-in root", root_key, None, root_key, authority=True)
        middle = _certificate("PayPal stand-in intermediate", middle_key, root, root_key, authority=True)
        leaf = _certificate(LEAF_NAME, leaf_key, middle, middle_key, authority=False)
        self._roots_path.write_bytes(_pem(root))
        self._chain_path.write_bytes(_pem(leaf) + _pem(middle))
        # Last, and as a whole: a key file is the sign that the chain is complete.
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


def signed_text(transmission_id: str, time: str, webhook_id: str, body: bytes) -> bytes:
    """Return the text that PayPal signs for a notification."""
    return f"{transmission_id}|{time}|{webhook_id}|{zlib.crc32(body)}".encode()


@cache
def _stranger() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@lru_cache(
    maxsize=10_000
)  # deliveries are listed far more often than they are made; the same text signs the same
def _sign(key: rsa.RSAPrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _read_key(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path} holds no RSA key")
    return key


def _certificate(
    name: str,
    key: rsa.RSAPrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: rsa.RSAPrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_FROM + _VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if not authority:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
