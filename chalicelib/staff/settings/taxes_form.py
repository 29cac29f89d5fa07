"""The form of the tax settings: what was typed, and what it means."""

import re
from dataclasses import dataclass

from chalicelib import clock, money
from chalicelib.config import settings
from chalicelib.shop_settings.taxes import MAX_ROWS_BYTES, validate_rules
from chalicelib.taxes.rate_files import InvalidRates, read_rates, read_us_rates, write_rates, write_us_rates
from chalicelib.taxes.rules import Mode, RateRow, TaxRules, UsRateRow
from chalicelib.web.forms import Form

MAX_FIELDS = 40
MAX_BYTES = 4 * MAX_ROWS_BYTES  # commas, line breaks and umlauts are longer in a form
_BETWEEN_DIGITS = re.compile(r"[\s.-]")
_LINE_BREAK = re.compile(r"\r\n?")


@dataclass
class TaxForm:
    """The form as it was typed."""

    mode: str
    country: str
    net_exports: bool
    gb_number: str
    gb_limit: str
    voec_number: str
    voec_limit: str
    is_below_norwegian_threshold: bool
    note: str
    corrections: str
    us_rates: str


def read_typed(form: Form) -> TaxForm:
    """Read what was posted; nothing is judged yet."""
    return TaxForm(
        mode=form.text("mode"),
        country=form.text("country"),
        net_exports=form.text("net_exports") == "yes",
        gb_number=form.text("gb_number"),
        gb_limit=form.text("gb_limit"),
        voec_number=form.text("voec_number"),
        voec_limit=form.text("voec_limit"),
        is_below_norwegian_threshold=form.text("is_below_norwegian_threshold") == "yes",
        note=form.text("note"),
        corrections=_rows(form, "corrections"),
        us_rates=_rows(form, "us_rates"),
    )


def _rows(form: Form, name: str) -> str:
    """Return rows with their tabs, which separate what is pasted from a spreadsheet; each cell is cleaned later."""
    return _LINE_BREAK.sub("\n", form.values.get(name, "")).strip("\n")


def form_of(rules: TaxRules) -> TaxForm:
    """Return rules as the form has them."""
    return TaxForm(
        mode=rules.mode,
        country=rules.country,
        net_exports=rules.net_exports,
        gb_number=rules.gb_number,
        gb_limit=_amount(rules.gb_limit),
        voec_number=rules.voec_number,
        voec_limit=_amount(rules.voec_limit),
        is_below_norwegian_threshold=rules.is_below_norwegian_threshold,
        note=rules.note,
        corrections=write_rates(rules.corrections),
        us_rates=write_us_rates(rules.us_rates),
    )


def _amount(amount: int) -> str:
    return money.to_decimal_string(amount, settings.currency) if amount else ""


def fields_of(typed: TaxForm) -> dict[str, str]:
    """Return a form as a browser posts it."""
    fields = {name: "yes" if value is True else value for name, value in vars(typed).items()}
    return {name: value for name, value in fields.items() if value is not False}


def to_rules(typed: TaxForm) -> tuple[TaxRules, dict[str, str]]:
    """Return what a form means, and a message for each field that is wrong."""
    errors: dict[str, str] = {}
    if typed.mode not in list(Mode):
        errors["mode"] = "Please choose how you charge taxes."
    rules = TaxRules(
        mode=Mode(typed.mode) if typed.mode in list(Mode) else Mode.HOME,
        country=typed.country,
        net_exports=typed.net_exports,
        gb_number=_gb_number(typed.gb_number),
        gb_limit=_limit(typed, "gb_limit", "GBP 135", errors),
        voec_number=_BETWEEN_DIGITS.sub("", typed.voec_number),
        voec_limit=_limit(typed, "voec_limit", "NOK 3,000", errors),
        is_below_norwegian_threshold=typed.is_below_norwegian_threshold,
        note=typed.note,
        corrections=_corrections(typed.corrections, errors),
        us_rates=_us_rates(typed.us_rates, errors),
    )
    found = validate_rules(rules)
    if "corrections" in errors:
        found.pop("country", None)  # they may have its rates
    return rules, found | errors


def _gb_number(text: str) -> str:
    number = _BETWEEN_DIGITS.sub("", text).upper()
    return f"GB{number}" if number[:1].isdigit() else number


def _limit(typed: TaxForm, name: str, what: str, errors: dict[str, str]) -> int:
    text = getattr(typed, name)
    if not text and typed.mode == Mode.US:
        return 0
    try:
        amount = money.parse_user_amount(text, settings.currency) if text else 0
    except ValueError as error:
        errors[name] = str(error)
        return 0
    if not amount:
        errors[name] = f"Please enter what {what} are worth in {settings.currency}."
    return amount


def _corrections(text: str, errors: dict[str, str]) -> tuple[RateRow, ...]:
    try:
        return read_rates(text, clock.today())
    except InvalidRates as error:
        errors["corrections"] = "\n".join(error.problems)
        return ()


def _us_rates(text: str, errors: dict[str, str]) -> tuple[UsRateRow, ...]:
    try:
        return read_us_rates(text)
    except InvalidRates as error:
        errors["us_rates"] = "\n".join(error.problems)
        return ()
