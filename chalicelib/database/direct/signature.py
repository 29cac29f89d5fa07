"""AWS Signature Version 4, for DynamoDB's requests: POST to the path /, without a query.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256

from chalicelib.database.direct.credentials import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"


class Signer:
    """Signs the requests of one region and service."""

    def __init__(self, region: str, service: str = "dynamodb") -> None:
        self._region = region
        self._service = service
        self._key: tuple[str, str, bytes] = ("", "", b"")  # of this day and secret

    def sign(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> dict[str, str]:
        """Return the headers with date, token and signature; all of them are signed."""
        # The system's clock, by which AWS checks a signature, not the shop's, which tests move.
        year, month, day, hour, minute, second, *_ = time.gmtime()
        date = f"{year:04}{month:02}{day:02}"
        signed = {**headers, "X-Amz-Date": f"{date}T{hour:02}{minute:02}{second:02}Z"}
        if credentials.token:
            signed["X-Amz-Security-Token"] = credentials.token
        canonical = sorted((name.lower(), value) for name, value in signed.items())
        names = ";".join([name for name, _ in canonical])
        lines = "".join([f"{name}:{value}\n" for name, value in canonical])
        request = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        scope = f"{date}/{self._region}/{self._service}/aws4_request"
        text = f"{ALGORITHM}\n{signed['X-Amz-Date']}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(
            self._signing_key(date, credentials.secret_key), text.encode(), "sha256"
        ).hex()
        signed["Authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return signed

    def _signing_key(self, date: str, secret: str) -> bytes:
        """Derive the signing key, once per day and secret."""
        kept_date, kept_secret, key = self._key
        if (kept_date, kept_secret) == (date, secret):
            return key
        key = f"AWS4{secret}".encode()
        for part in (date, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = (date, secret, key)  # one assignment: another thread sees all of it, or none
        return key
