"""DynamoDB's endpoint from the environment, or that only botocore can find it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# Each changes how botocore finds the endpoint, signs or retries; with any of them set, botocore is used.
LEFT_TO_BOTOCORE = (
    "AWS_ACCOUNT_ID",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_AUTH_SCHEME_PREFERENCE",
    "AWS_DATA_PATH",
    "AWS_DEFAULT_PROFILE",
    "AWS_DEFAULTS_MODE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_NEW_RETRIES_2026",
    "AWS_PROFILE",
    "AWS_SIGV4A_SIGNING_REGION_SET",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
)
# Of AWS's public partition; the names of others, such as us-gov-west-1, have other addresses.
_REGION = re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-(?!gov|iso)[a-z]+-[0-9]{1,2}", re.ASCII)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of DynamoDB, with the region for signatures and the root certificates."""

    url: str
    host: str
    port: int
    is_https: bool
    region: str
    ca_bundle: str  # a file of root certificates; empty for certifi's

    @property
    def host_header(self) -> str:
        """The host as HTTP and signatures name it: with its port, unless that is the scheme's own."""
        return self.host if self.port == (443 if self.is_https else 80) else f"{self.host}:{self.port}"


def find_endpoint(environment: Mapping[str, str], region: str | None = None) -> Endpoint | None:
    """Find the endpoint from botocore's variables, as botocore does; None if botocore must be used."""
    region = region or environment.get("AWS_DEFAULT_REGION", "")
    if not _REGION.fullmatch(region) or _needs_botocore(environment):
        return None
    url = (
        environment.get("AWS_ENDPOINT_URL_DYNAMODB")
        or environment.get("AWS_ENDPOINT_URL")
        or f"https://dynamodb.{region}.amazonaws.com"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    is_plain = not (parts.query or parts.fragment or parts.username or parts.path.strip("/"))
    if parts.scheme not in ("http", "https") or not is_plain or not _HOST.fullmatch(host):
        return None
    is_https = parts.scheme == "https"
    ca_bundle = environment.get("AWS_CA_BUNDLE", "")
    return Endpoint(url, host, port or (443 if is_https else 80), is_https, region, ca_bundle)


def _needs_botocore(environment: Mapping[str, str]) -> bool:
    if any(environment.get(name) for name in LEFT_TO_BOTOCORE):
        return True
    proxies = {name for name, value in environment.items() if value and name.lower().endswith("_proxy")}
    if {name.lower() for name in proxies} - {"no_proxy"}:
        return True
    home = environment.get("HOME", "")
    config_file = environment.get("AWS_CONFIG_FILE") or (home and f"{home}/.aws/config")
    return bool(config_file) and Path(config_file).expanduser().is_file()
