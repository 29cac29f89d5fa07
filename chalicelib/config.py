"""All settings, read once: the environment, and the merchant's shop.toml."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from chalicelib import money
from chalicelib.taxes.rules import Mode, TaxRules

SHOP_FILE = Path(__file__).with_name("shop.toml")
COUNTRIES_FILE = Path(__file__).with_name("countries.toml")
PAYPAL_API_HOSTS = {"https://api-m.paypal.com", "https://api.paypal.com"}
DYNAMODB_CLIENTS = ("direct", "botocore")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", re.ASCII)
_PROXIES = re.compile(r"[0-9]", re.ASCII)
_TRACKING_LINK = re.compile(
    r"https://([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(:[0-9]+)?[/?#][A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]*"
    r"\{number\}[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]*",
    re.ASCII,
)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


@cache
def country_names() -> dict[str, str]:
    """Read the names of all countries, also those that the shop does not ship to: code → name."""
    return tomllib.loads(COUNTRIES_FILE.read_text(encoding="utf-8"))


class ConfigError(Exception):
    """Raised if a setting is missing or invalid."""


@dataclass(frozen=True)
class ShippingZone:
    """A group of countries with one flat rate; amounts in minor units."""

    name: str
    countries: Mapping[str, str]  # ISO 3166-1 alpha-2 code → name as customers read it
    rate: int
    free_from: int | None


@dataclass(frozen=True)
class Limits:
    """Limits per session and IP address: orders and declined payments per hour, unpaid holds in percent of a SKU's units."""

    orders_per_session: int
    orders_per_address: int
    declined_per_session: int
    declined_per_address: int
    held_share_per_session: int
    held_share_per_address: int


@dataclass(frozen=True)
class Carrier:
    """A carrier. `link` is its tracking link with {number} for the tracking number; None if it has no tracking page."""

    name: str
    link: str | None = None

    def link_to(self, number: str) -> str:
        """Return the tracking link of a tracking number; "" without a number or a tracking page."""
        return self.link.replace("{number}", quote(number, safe="")) if self.link and number else ""


@dataclass(frozen=True)
class Shop:
    """What the merchant wrote into shop.toml; amounts in minor units.

    `zones` and `tax_rules` are first values: `shop_settings` knows those that count now.
    """

    name: str
    slogan: str
    email: str
    merchant_email: str
    invoice_prefix: str
    tax_rules: TaxRules
    zones: tuple[ShippingZone, ...]
    reservation_seconds: int
    page_seconds: int
    erase_after_days: int
    low_stock: int
    limits: Limits
    carriers: tuple[Carrier, ...] = ()
    address: tuple[str, ...] = ()  # lines of the sender on packing slips

    @cached_property
    def countries(self) -> dict[str, str]:
        """Map every country of the file onto its name there, in the file's order."""
        return {code: name for zone in self.zones for code, name in zone.countries.items()}

    def country_name(self, code: str) -> str:
        """Return a country's name for customers, also if the shop does not ship there; the code if it has none."""
        return self.countries.get(code) or country_names().get(code, code)

    def is_country(self, code: str) -> bool:
        """Return whether this is the code of a country, whether it is shipped to or not."""
        return code in self.countries or code in country_names()

    def carrier_of(self, name: str) -> Carrier | None:
        """Find a carrier by its name, in any capitalisation."""
        wanted = name.strip().casefold()
        return next((carrier for carrier in self.carriers if carrier.name.casefold() == wanted), None)


@dataclass(frozen=True)
class Settings:
    """The environment's settings. URLs have no trailing slash."""

    shop: Shop
    function: str = ""  # Lambda's name of this function; empty on a developer's machine
    table_prefix: str = ""
    dynamodb_client: str = (
        "direct"  # or botocore, which also makes the calls that the direct client does not support
    )
    function_prefix: str = ""  # of functions that are invoked asynchronously; empty if queues replace that
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    public_url: str | None = None
    proxies: int = 0
    origin_secret: str = field(default="", repr=False)  # without it, headers of proxies are not trusted
    media_url: str = ""
    media_bucket: str = "awning-media"
    books_bucket: str = "awning-books"
    mail_configuration_set: str = (
        ""  # of SES, through which it reports bounces; empty on a developer's machine
    )
    currency: str = "EUR"
    paypal_api_url: str = "https://api-m.sandbox.paypal.com"
    paypal_web_url: str = "https://www.sandbox.paypal.com"
    paypal_client_id: str = ""
    paypal_client_secret: str = field(default="", repr=False)
    paypal_client_secret_parameter: str = ""
    paypal_webhook_id: str = ""

    @property
    def paypal_is_live(self) -> bool:
        """Return whether PayPal's live API is used, rather than its sandbox or the fake."""
        return self.paypal_api_url in PAYPAL_API_HOSTS

    @property
    def secure_cookies(self) -> bool:
        """Return whether cookies are Secure: unless the shop's URL is plain http, as on a developer's machine."""
        return self.public_url is None or self.public_url.startswith("https://")


def load_shop(file: Path, currency: str) -> Shop:
    """Read shop.toml, in which amounts are decimal strings in the shop's currency. Raises ConfigError."""
    try:
        text = tomllib.loads(file.read_text(encoding="utf-8"))
        zones = tuple(
            ShippingZone(
                name=zone["name"],
                countries=zone["countries"],
                rate=money.parse(zone["rate"], currency),
                free_from=money.parse(zone["free_from"], currency) if "free_from" in zone else None,
            )
            for zone in text["shipping"]
        )
        if not zones:
            raise ConfigError(f"{file.name}: there is no [[shipping]] entry saying where the shop ships to.")
        return Shop(
            name=text["name"],
            slogan=text["slogan"],
            email=text["email"],
            merchant_email=text.get("merchant_email", text["email"]),
            invoice_prefix=text["invoice_prefix"],
            tax_rules=_read_tax_rules(text["tax"], currency),
            zones=zones,
            reservation_seconds=_whole_number(text, "reservation_minutes", least=1) * 60,
            page_seconds=_whole_number(text, "page_seconds", least=0),
            erase_after_days=_whole_number(text, "erase_after_days", least=1),
            low_stock=_whole_number(text, "low_stock", least=0),
            address=_lines(text, "address"),
            carriers=_carriers(text.get("carriers", [])),
            limits=_read_limits(text["limits"]),
        )
    except (tomllib.TOMLDecodeError, KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"{file.name}: {type(error).__name__}: {error}") from error


def _carriers(tables: list[Mapping[str, str]]) -> tuple[Carrier, ...]:
    carriers = tuple(Carrier(table["name"].strip(), table.get("link")) for table in tables)
    for carrier in carriers:
        if not carrier.name:
            raise ValueError("every carrier needs a name")
        if carrier.link is not None and not _TRACKING_LINK.fullmatch(carrier.link):
            raise ValueError(
                f"the link of the carrier {carrier.name} must be an https URL that contains {{number}} exactly once"
            )
    if len({carrier.name.casefold() for carrier in carriers}) < len(carriers):
        raise ValueError("two carriers have the same name")
    return carriers


def _read_tax_rules(text: Mapping[str, Any], currency: str) -> TaxRules:
    if text["country"] not in country_names():
        raise ValueError(f"{text['country']!r} is not the code of a country")
    return TaxRules(
        Mode(text["mode"]),
        text["country"],
        gb_limit=money.parse(text.get("gb_limit", "0"), currency),
        voec_limit=money.parse(text.get("voec_limit", "0"), currency),
        note=text.get("note", ""),
    )


def _read_limits(text: Mapping[str, Any]) -> Limits:
    limits = Limits(**{limit.name: _whole_number(text, limit.name, least=1) for limit in fields(Limits)})
    if max(limits.held_share_per_session, limits.held_share_per_address) > 100:
        raise ValueError("held_share_… must be a percentage, at most 100")
    return limits


def _lines(text: Mapping[str, Any], name: str) -> tuple[str, ...]:
    lines = text.get(name, [])
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ValueError(f"{name} must be a list of quoted lines")
    return tuple(lines)


def _whole_number(text: Mapping[str, Any], name: str, least: int) -> int:
    value = text[name]
    if type(value) is not int or value < least:
        raise ValueError(f"{name} must be a whole number, {least} or more")
    return value


def load_settings(environment: Mapping[str, str], shop_file: Path = SHOP_FILE) -> Settings:
    """Read the environment into settings. Raises ConfigError with the variable's name."""

    def address(name: str, default: str = "") -> str:
        value = environment.get(name, default).rstrip("/")
        if value and not _ADDRESS.fullmatch(value):
            raise ConfigError(f"{name} must be an http(s) URL without a query string, not {value!r}.")
        return value

    currency = environment.get("CURRENCY", "EUR")
    if not _CURRENCY.fullmatch(currency):
        raise ConfigError(f"CURRENCY must be a three-letter code such as EUR, not {currency!r}.")
    api_url = address("PAYPAL_API_URL", "https://api-m.sandbox.paypal.com")
    web_default = (
        "https://www.paypal.com" if api_url in PAYPAL_API_HOSTS else "https://www.sandbox.paypal.com"
    )
    try:
        timezone = ZoneInfo(environment.get("TIMEZONE", "UTC"))
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"TIMEZONE must be the name of a time zone, not {environment['TIMEZONE']!r}."
        ) from error
    proxies = environment.get("PROXIES", "0")
    if not _PROXIES.fullmatch(proxies):
        raise ConfigError(f"PROXIES must be the number of proxies in front of API Gateway, not {proxies!r}.")
    dynamodb_client = environment.get("DYNAMODB_CLIENT", "direct")
    if dynamodb_client not in DYNAMODB_CLIENTS:
        raise ConfigError(
            f"DYNAMODB_CLIENT must be {' or '.join(DYNAMODB_CLIENTS)}, not {dynamodb_client!r}."
        )
    prefix = environment.get("TABLE_PREFIX", "")
    return Settings(
        shop=load_shop(shop_file, currency),
        function=environment.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        table_prefix=prefix,
        dynamodb_client=dynamodb_client,
        function_prefix=environment.get("FUNCTION_PREFIX", ""),
        timezone=timezone,
        public_url=address("PUBLIC_URL") or None,
        proxies=int(proxies),
        origin_secret=environment.get("ORIGIN_SECRET", ""),
        media_url=address("MEDIA_URL"),
        media_bucket=environment.get("MEDIA_BUCKET", f"{prefix}awning-media"),
        books_bucket=environment.get("BOOKS_BUCKET", f"{prefix}awning-books"),
        mail_configuration_set=environment.get("MAIL_CONFIGURATION_SET", ""),
        currency=currency,
        paypal_api_url=api_url,
        paypal_web_url=address("PAYPAL_WEB_URL", web_default),
        paypal_client_id=environment.get("PAYPAL_CLIENT_ID", ""),
        paypal_client_secret=environment.get("PAYPAL_CLIENT_SECRET", ""),
        paypal_client_secret_parameter=environment.get("PAYPAL_CLIENT_SECRET_PARAMETER", ""),
        paypal_webhook_id=environment.get("PAYPAL_WEBHOOK_ID", ""),
    )


settings = load_settings(os.environ)
