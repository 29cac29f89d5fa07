"""Certificates like PayPal's and unlike them: issued here, by the name of their issuer's key."""

import base64
from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chalicelib import clock
from chalicelib.payments.webhook import ALGORITHM
from infra.local.paypal.certificates import signed_text

LIVE = "https://api-m.paypal.com"
SANDBOX = "https://api-m.sandbox.paypal.com"
CERTS = "/v1/notifications/certs/"
LIVE_LEAF = "messageverificationcerts.paypal.com"
SANDBOX_LEAF = "messageverificationcerts.sandbox.paypal.com"
LONG_AGO, IN_A_MONTH = timedelta(days=-60), timedelta(days=30)
NO_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n"


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return the key of this name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    name: str,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    authority: bool = True,
    since: timedelta = LONG_AGO,
    until: timedelta = IN_A_MONTH,
) -> x509.Certificate:
    """Issue a certificate, valid from `since` to `until` from now; an issuer's name is the name of its key."""
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
        .not_valid_before(clock.now() + since)
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
    """Write certificates as PEM, one after the other."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def root(name: str = "root.example") -> x509.Certificate:
    """Issue a root by itself."""
    return certificate(name, rsa_key(name), name)


def middle(issuer: str = "root.example", until: timedelta = IN_A_MONTH) -> x509.Certificate:
    """Issue the intermediate."""
    return certificate("middle.example", rsa_key("middle.example"), issuer, until=until)


def leaf(
    name: str = LIVE_LEAF,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    since: timedelta = LONG_AGO,
    until: timedelta = IN_A_MONTH,
) -> x509.Certificate:
    """Issue what signs notifications, by the intermediate."""
    return certificate(
        name, key or rsa_key("leaf"), "middle.example", authority=False, since=since, until=until
    )


def signed(body: bytes, webhook_id: str, key: str = "leaf") -> dict[str, str]:
    """Sign a body as PayPal signs a live shop's notifications; return the headers."""
    text = signed_text("T-1", "2026-11-22T12:00:00Z", webhook_id, body)
    signature = rsa_key(key).sign(text, padding.PKCS1v15(), hashes.SHA256())
    return {
        "PAYPAL-TRANSMISSION-ID": "T-1",
        "PAYPAL-TRANSMISSION-TIME": "2026-11-22T12:00:00Z",
        "PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature).decode(),
        "PAYPAL-CERT-URL": f"{LIVE}{CERTS}CERT-1",
        "PAYPAL-AUTH-ALGO": ALGORITHM,
    }
