"""Taxes: how the shop charges them, from where it sends, and the rates that the merchant corrects or adds."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chalicelib import clock, money
from chalicelib.cleaning import clean_line, find_control_character
from chalicelib.config import settings
from chalicelib.shop_settings import store
from chalicelib.shop_settings.store import Change, Part
from chalicelib.taxes.rate_files import read_rates, read_us_rates, write_rates, write_us_rates
from chalicelib.taxes.rules import Mode, RateRow, TaxRules, UsRateRow
from chalicelib.taxes.tax_classes import TaxClass

MAX_NOTE_LENGTH = 200
MAX_LIMIT = 10**7  # minor units
MAX_ROWS_BYTES = 300_000  # of all rows: DynamoDB keeps 400 kB in a row
MAX_ROWS_SHOWN = 40  # of those that differ
MODE_WORDS = {
    Mode.HOME: "the rates of the shop’s own country",
    Mode.OSS: "the rates of the customer’s country (One-Stop Shop)",
    Mode.NONE: "no VAT (small business)",
    Mode.US: "sales tax on top (United States)",
}
_GB_NUMBER = re.compile(r"GB[0-9]{9}([0-9]{3})?", re.ASCII)
_VOEC_NUMBER = re.compile(r"[0-9]{5,12}", re.ASCII)


def current() -> TaxRules:
    """Return the rules that count now, at most `page_seconds` old."""
    return store.current(TAXES)


# -- rules ------------------------------------------------------------------------------------------------


def validate_rules(rules: TaxRules) -> dict[str, str]:
    """Return a message for each field that is wrong, beside what `taxes.rate_files` says of rows."""
    found = {
        "country": _error_in_country(rules),
        "gb_number": _error_in_number(
            rules.gb_number, _GB_NUMBER, "A VAT number in Great Britain is GB and 9 or 12 digits."
        ),
        "gb_limit": _error_in_limit(rules.gb_limit),
        "voec_number": _error_in_number(
            rules.voec_number, _VOEC_NUMBER, "A VOEC number has digits only, usually seven."
        ),
        "voec_limit": _error_in_limit(rules.voec_limit),
        "note": _error_in_note(rules),
        "us_rates": "Please add the rates of the states where you owe sales tax, at least one."
        if rules.mode is Mode.US and not rules.us_rates
        else None,
    }
    errors = {name: message for name, message in found.items() if message}
    sizes = {
        "corrections": _stored_size(write_rates(rules.corrections)),
        "us_rates": _stored_size(write_us_rates(rules.us_rates)),
    }
    if sum(sizes.values()) > MAX_ROWS_BYTES:
        errors[max(sizes, key=lambda name: sizes[name])] = (
            f"These rates take {sum(sizes.values()) / 1000:,.0f} kB, and the shop can keep {MAX_ROWS_BYTES / 1000:,.0f} kB: "
            "about 8,000 rows. Please leave out ZIP codes whose rate is their state’s, and states where you owe no tax."
        )
    return errors


def _stored_size(rows: str) -> int:
    return len(json.dumps(rows, ensure_ascii=False).encode())


def _error_in_country(rules: TaxRules) -> str | None:
    if not settings.shop.is_country(rules.country):
        return "Please choose the country from which you send."
    if (rules.mode is Mode.US) != (rules.country == "US"):
        return "Sales tax on top is for shops that send from the United States, and only for those."
    from chalicelib.taxes.home_rates import find_home_rate  # a shopper's first page does without

    has_rate = find_home_rate(rules, TaxClass.STANDARD, clock.today()) is not None
    if rules.mode in (Mode.HOME, Mode.OSS) and not has_rate:
        return f"The shop knows no VAT rates of {settings.shop.country_name(rules.country)}."
    return None


def _error_in_number(text: str, form: re.Pattern[str], message: str) -> str | None:
    return message if text and not form.fullmatch(text) else None


def _error_in_limit(amount: int) -> str | None:
    if 0 <= amount <= MAX_LIMIT:
        return None
    return f"Please enter an amount up to {money.format_money(MAX_LIMIT, settings.currency)}."


def _error_in_note(rules: TaxRules) -> str | None:
    if rules.mode is Mode.NONE and not rules.note:
        return "Please enter the sentence that customers read in place of taxes: the law of your country asks for one."
    if len(rules.note) > MAX_NOTE_LENGTH:
        return f"Please shorten this to {MAX_NOTE_LENGTH} characters."
    control = find_control_character(rules.note)
    return f"Please remove the control character {control}." if control else None


# -- documents --------------------------------------------------------------------------------------------


def write_document(rules: TaxRules) -> dict[str, Any]:
    """Return the rules as they are stored: amounts as decimal strings with their currency, rates as CSV rows."""
    return {
        "currency": settings.currency,
        "mode": rules.mode,
        "country": rules.country,
        "net_exports": rules.net_exports,
        "gb_number": rules.gb_number,
        "gb_limit": money.to_decimal_string(rules.gb_limit, settings.currency),
        "voec_number": rules.voec_number,
        "voec_limit": money.to_decimal_string(rules.voec_limit, settings.currency),
        "is_below_norwegian_threshold": rules.is_below_norwegian_threshold,
        "note": rules.note,
        "corrections": write_rates(rules.corrections),
        "us_rates": write_us_rates(rules.us_rates),
    }


def read_document(document: Mapping[str, Any]) -> TaxRules:
    """Return the rules of a document. Raises ValueError, KeyError or TypeError for what breaks a rule."""
    if document["currency"] != settings.currency:
        raise ValueError(
            f"its amounts are in {document['currency']}, and the shop’s are in {settings.currency}"
        )
    rules = TaxRules(
        mode=Mode(document["mode"]),
        country=_text(document, "country"),
        net_exports=_flag(document, "net_exports"),
        gb_number=_text(document, "gb_number"),
        gb_limit=money.parse(document["gb_limit"], settings.currency),
        voec_number=_text(document, "voec_number"),
        voec_limit=money.parse(document["voec_limit"], settings.currency),
        is_below_norwegian_threshold=_flag(document, "is_below_norwegian_threshold"),
        note=_text(document, "note"),
        corrections=read_rates(document["corrections"], clock.today()),
        us_rates=read_us_rates(document["us_rates"]),
    )
    for field, message in validate_rules(rules).items():
        raise ValueError(f"{field}: {message}")
    return rules


def _text(document: Mapping[str, Any], name: str) -> str:
    text = document[name]
    if not isinstance(text, str) or text != clean_line(text):
        raise ValueError(f"{name}: {text!r} is no line of text")
    return text


def _flag(document: Mapping[str, Any], name: str) -> bool:
    flag = document[name]
    if not isinstance(flag, bool):
        raise ValueError(f"{name}: {flag!r} is neither true nor false")
    return flag


# -- differences ------------------------------------------------------------------------------------------


def find_changes(before: TaxRules, after: TaxRules) -> list[Change]:
    """List what differs, in words; of rates the first rows and how many more there are."""
    changes = [
        Change(what, said(before), said(after)) for what, said in _SAID.items() if said(before) != said(after)
    ]
    rows = [
        *_changed_rows(_rate_words(before.corrections), _rate_words(after.corrections)),
        *_changed_rows(_us_rate_words(before.us_rates), _us_rate_words(after.us_rates)),
    ]
    changes += rows[:MAX_ROWS_SHOWN]
    if len(rows) > MAX_ROWS_SHOWN:
        counts = [f"{len(each.corrections) + len(each.us_rates):,} rows" for each in (before, after)]
        changes.append(Change(f"… and {len(rows) - MAX_ROWS_SHOWN:,} more rates", *counts))
    return changes


def describe(rules: TaxRules) -> dict[str, str]:
    """Return rules in words: what → value; of rates, how many there are."""
    return {what: said(rules) for what, said in _SAID.items()} | {
        "Corrected rates": f"{len(rules.corrections):,}" if rules.corrections else "",
        "Sales tax rates": f"{len(rules.us_rates):,}" if rules.us_rates else "",
    }


def _amount(amount: int) -> str:
    return money.format_money(amount, settings.currency) if amount else ""


_SAID: Mapping[str, Callable[[TaxRules], str]] = {
    "Taxes": lambda rules: MODE_WORDS[rules.mode],
    "Sent from": lambda rules: settings.shop.country_name(rules.country),
    "Exports": lambda rules: "without the home tax" if rules.net_exports else "at the same price",
    "VAT number in Great Britain": lambda rules: rules.gb_number,
    "GBP 135 are worth": lambda rules: _amount(rules.gb_limit),
    "VOEC number": lambda rules: rules.voec_number,
    "NOK 3,000 are worth": lambda rules: _amount(rules.voec_limit),
    "Sales to Norway below NOK 50,000": lambda rules: (
        "declared" if rules.is_below_norwegian_threshold else "not declared"
    ),
    "Sentence in place of taxes": lambda rules: rules.note,
}


def _rate_words(rows: Iterable[RateRow]) -> dict[str, str]:
    return {
        f"Rate in {row.territory}, {row.tax_class}, from {row.valid_from}": f"{row.rate}%"
        + (f" ({row.source})" if row.source else "")
        for row in rows
    }


def _us_rate_words(rows: Iterable[UsRateRow]) -> dict[str, str]:
    return {
        f"Rate in {f'{row.state} {row.zip5}'.strip()}, {row.tax_class}, from {row.valid_from}": f"{row.rate}%"
        + (", shipping taxed" if row.shipping_taxable else "")
        for row in rows
    }


def _changed_rows(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [Change(name, before.get(name, ""), after.get(name, "")) for name in names]


TAXES = Part(
    name="taxes",
    format=1,
    first=lambda: settings.shop.tax_rules,
    read=read_document,
    write=write_document,
    changes=find_changes,
)
