"""Money as integers in minor units: cents, or whole yen. Pure; decimals appear only at the edges."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from chalicelib.cleaning import clean_code

# PayPal's list of currencies without decimals; ISO 4217 differs for HUF and TWD.
# https://developer.paypal.com/api/rest/reference/currency-codes/
WITHOUT_DECIMALS = frozenset({"HUF", "JPY", "TWD"})
# The currencies that PayPal takes; those of Brazil, China and Malaysia only within their countries.
# https://developer.paypal.com/docs/reports/reference/paypal-supported-currencies/
PAYPAL_CURRENCIES = frozenset(
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS JPY MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD".split()  # noqa: SIM905 - else one line each
)
SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥"}
# Signs that people write beside a currency's code. Another currency's sign is not part of an amount.
SIGNS = {
    "AUD": ("AU$", "A$", "$"),
    "BRL": ("R$",),
    "CAD": ("CA$", "C$", "$"),
    "CHF": ("SFr.", "SFr", "Fr.", "Fr"),
    "CNY": ("CN¥", "RMB", "¥", "元"),
    "CZK": ("Kč", "Kc"),
    "DKK": ("kr.", "kr"),
    "EUR": ("€", "Euro"),
    "GBP": ("£",),
    "HKD": ("HK$", "$"),
    "HUF": ("Ft.", "Ft"),
    "ILS": ("₪", "NIS"),
    "JPY": ("JP¥", "¥", "円"),
    "MXN": ("Mex$", "MX$", "$"),
    "MYR": ("RM",),
    "NOK": ("kr.", "kr"),
    "NZD": ("NZ$", "$"),
    "PHP": ("₱",),
    "PLN": ("zł.", "zł", "zl"),
    "SEK": ("kr.", "kr"),
    "SGD": ("S$", "$"),
    "THB": ("฿", "บาท"),
    "TWD": ("NT$", "$", "元"),
    "USD": ("US$", "$"),
}
MAX_AMOUNT = 10**11
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?", re.ASCII)
# What separates thousands and is never a decimal point.
_GROUPED = re.compile(r"(?<=[0-9])[ '’](?=[0-9]{3}(?![0-9]))", re.ASCII)
# A comma followed by one or two digits is a decimal point: some phone keyboards offer no other sign.
_WITH_COMMA = re.compile(r"[0-9]{1,9},[0-9]{1,2}", re.ASCII)
# A point or comma that can only separate thousands: another sign follows it, or it occurs twice.
_THOUSANDS = re.compile(
    r"[0-9]{1,3}(?:([.,])[0-9]{3}(?:\1[0-9]{3})*(?!\1)[.,][0-9]{1,2}|([.,])[0-9]{3}(?:\2[0-9]{3})+)", re.ASCII
)
_ONE_SIGN = re.compile(r"[0-9]{1,3}[.,][0-9]{3}", re.ASCII)
# No cents, as in 12,- and 12.–; and four decimals that end in 00, as spreadsheets write them.
_WITHOUT_CENTS = re.compile(r"(?<=[0-9])[.,]-{1,2}\Z", re.ASCII)
_FOUR_DECIMALS = re.compile(r"([0-9]+[.,][0-9]{2})00", re.ASCII)
# Decimal and thousands separators, and the percent sign, as Arabic keyboards write them.
_ARABIC_SIGNS = str.maketrans({"٫": ".", "٬": "’", "٪": "%"})
_WHOLE = re.compile(r"([0-9]+)(?:\.0{1,2})?", re.ASCII)
MAX_WHOLE_NUMBER = 10**12
_RATE = re.compile(r"([0-9]{1,2})(?:[.,]([0-9]{1,3}))?\s*%?", re.ASCII)


class Money(NamedTuple):
    """An amount in minor units of a currency."""

    amount: int
    currency: str


def decimals(currency: str) -> int:
    """Return how many decimals PayPal takes for a currency: 2 or 0."""
    return 0 if currency in WITHOUT_DECIMALS else 2


def parse(text: str, currency: str) -> int:
    """Convert a decimal string such as "12.9" to minor units. Raises ValueError for anything else."""
    if not _AMOUNT.fullmatch(text):
        raise ValueError(f"{text!r} is not an amount such as 12.90")
    minor = Decimal(text).scaleb(decimals(currency))
    if minor != minor.to_integral_value():
        raise ValueError(f"{text!r} has more decimals than {currency} has")
    return int(minor)


def parse_user_amount(text: str, currency: str) -> int:
    """Convert an amount as people and spreadsheets write it, such as "1.299,50 €", to minor units.

    Raises ValueError with a message for them, also if it could mean one amount or a thousand times that.
    """
    text = _plain_signs(text)
    plain = _WITHOUT_CENTS.sub("", strip_currency(text, currency))
    plain = _FOUR_DECIMALS.sub(r"\1", plain) if _FOUR_DECIMALS.fullmatch(plain) else plain
    point = plain_number(plain)
    if _ONE_SIGN.fullmatch(point):
        if decimals(currency):
            whole = point.replace(".", "").replace(",", "")
            raise ValueError(
                f"“{text}” is ambiguous: it could be {whole} or {point.replace(',', '.')}. Please enter it in the format {whole}.00."
            )
        point = point.replace(".", "").replace(",", "")
    try:
        return parse(point, currency)
    except ValueError as error:
        raise ValueError(f"{error}.".replace(repr(point), f"“{text}”")) from error


def parse_whole_number(text: str) -> int:
    """Convert a whole number, 0 or more, as people and spreadsheets write it, such as "12", "1 200", "12,0" or "١٢".

    One above MAX_WHOLE_NUMBER is returned as that: larger than any limit. Raises ValueError for anything else.
    """
    whole = _WHOLE.fullmatch(plain_number(text))
    if whole is None:
        raise ValueError(f"“{text}” is not a whole number such as 12.")
    digits = whole[1].lstrip("0")
    return min(int(digits or 0), MAX_WHOLE_NUMBER) if len(digits) < 20 else MAX_WHOLE_NUMBER


def _plain_signs(text: str) -> str:
    return clean_code(text).translate(_ARABIC_SIGNS)


def plain_number(text: str) -> str:
    """Return a number without thousands separators and with a decimal point, if it can be read in only one way."""
    text = _GROUPED.sub("", _plain_signs(text))
    if _THOUSANDS.fullmatch(text):
        whole, fraction = re.fullmatch(r"(.*?)(?:[.,]([0-9]{1,2}))?", text).groups()  # type: ignore[union-attr]  # matches every string
        text = re.sub("[.,]", "", whole) + (f".{fraction}" if fraction else "")
    return text.replace(",", ".") if _WITH_COMMA.fullmatch(text) else text


def strip_currency(text: str, currency: str) -> str:
    """Remove a currency's code or sign from either end of an amount."""
    signs = sorted((currency, *SIGNS.get(currency, ())), key=len, reverse=True)
    before = next((sign for sign in signs if text.casefold().startswith(sign.casefold())), "")
    text = text[len(before) :].strip()
    behind = next((sign for sign in signs if text.casefold().endswith(sign.casefold())), "")
    return text[: len(text) - len(behind)].strip()


def to_decimal_string(amount: int, currency: str) -> str:
    """Write minor units as PayPal, CSV files and forms want them: "12.90", "-3.00", "1200" for yen."""
    if currency in WITHOUT_DECIMALS:
        return str(amount)
    # A tenth of what a Decimal takes: files have hundreds of thousands of them.
    return f"{amount // 100}.{amount % 100:02}" if amount >= 0 else f"-{-amount // 100}.{-amount % 100:02}"


def format_money(amount: int, currency: str) -> str:
    """Format minor units as customers read them: "€1,299.00"."""
    sign = "−" if amount < 0 else ""
    digits = f"{Decimal(abs(amount)).scaleb(-decimals(currency)):,.{decimals(currency)}f}"
    symbol = SYMBOLS.get(currency)
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{digits} {currency}"


def parse_tax_rate(text: str) -> str:
    """Validate a tax rate in percent, such as "19", "8.1" or "8,1 %", and return its shortest form.

    Raises ValueError.
    """
    rate = _RATE.fullmatch(_plain_signs(text))
    if not rate:
        raise ValueError(f"{text!r} is not a tax rate in percent such as 19 or 8.1")
    return f"{Decimal(f'{rate[1]}.{rate[2] or 0}').normalize():f}"


def tax_included(gross: int, rate: str) -> int:
    """Return the tax included in a gross amount at a rate in percent, rounded half up to the minor unit."""
    percent = Decimal(rate)
    return int((gross * percent / (100 + percent)).quantize(Decimal(1), ROUND_HALF_UP))
