"""Amounts: PayPal's strings outside, integers in minor units inside."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from infra.local.fake_paypal.store import Document

# PayPal's list, not ISO's: HUF and TWD have decimals elsewhere.
WITHOUT_DECIMALS = frozenset({"HUF", "JPY", "TWD"})
CURRENCIES = WITHOUT_DECIMALS | frozenset(
    [
        "AUD",
        "BRL",
        "CAD",
        "CNY",
        "CZK",
        "DKK",
        "EUR",
        "HKD",
        "ILS",
        "MYR",
        "MXN",
        "NZD",
        "NOK",
        "PHP",
        "PLN",
        "GBP",
        "SGD",
        "SEK",
        "CHF",
        "THB",
        "USD",
    ]
)
MAX_VALUE = Decimal("999999999999999.99")
_FEE_SHARE = Decimal("0.0349")
_FEE_FIXED = Decimal("0.49")
_FEE_FIXED_WITHOUT_DECIMALS = Decimal(49)


def decimals(currency: str) -> int:
    """Return how many decimals PayPal takes in this currency."""
    return 0 if currency in WITHOUT_DECIMALS else 2


def to_minor(value: str, currency: str) -> int:
    """Convert PayPal's string to minor units; the caller has checked its decimals."""
    return int(Decimal(value).scaleb(decimals(currency)))


def to_value(minor: int, currency: str) -> str:
    """Convert minor units to PayPal's string."""
    places = decimals(currency)
    return f"{Decimal(minor).scaleb(-places):.{places}f}"


def money(minor: int, currency: str) -> Document:
    """Return PayPal's money object."""
    return {"currency_code": currency, "value": to_value(minor, currency)}


def worth(minor: int, currency: str) -> str:
    """Format minor units for people."""
    return f"{to_value(minor, currency)} {currency}"


def precise(value: str, currency: str) -> bool:
    """Return whether the string has no more decimals than PayPal takes in this currency."""
    written = len(value.partition(".")[2])
    return written <= decimals(currency)


def fee(gross: int, currency: str) -> int:
    """Return PayPal's fee of a completed capture, in minor units: 3.49 % and 0.49, rounded half up."""
    fixed = _FEE_FIXED_WITHOUT_DECIMALS if currency in WITHOUT_DECIMALS else _FEE_FIXED
    exact = gross * _FEE_SHARE + fixed.scaleb(decimals(currency))
    return min(gross, int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)))
