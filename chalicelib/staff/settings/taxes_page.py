"""The pages of the tax settings, and the rates that count now."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from chalicelib import clock
from chalicelib.config import country_names, settings
from chalicelib.shop_settings.delivery import sort_key
from chalicelib.shop_settings.taxes import (
    MAX_NOTE_LENGTH,
    MAX_ROWS_BYTES,
    MODE_WORDS,
    TAXES,
    describe,
)
from chalicelib.staff.settings import taxes_form
from chalicelib.staff.settings.part_page import PartPage
from chalicelib.taxes.rates import find_rate, taxed_territories
from chalicelib.taxes.rules import Mode, TaxRules
from chalicelib.taxes.tax_classes import ONLY_AT_HOME, TaxClass

MAX_US_RATES_SHOWN = 200
MODES = {
    Mode.HOME: "Charge your own country’s rates in the whole EU. For shops that sell for at most EUR 10,000 a year to consumers in other EU countries.",
    Mode.OSS: "Charge the rates of the customer’s country, and declare them in the One-Stop Shop (OSS).",
    Mode.NONE: "Charge no VAT, as a small business. Customers read your sentence below instead.",
    Mode.US: "Show prices without tax, and add the sales tax of the customer’s state or ZIP code at checkout. For shops in the United States.",
}
_LABELS = {
    "mode": "Taxes",
    "country": "Sent from",
    "gb_number": "VAT number in Great Britain",
    "gb_limit": "GBP 135",
    "voec_number": "VOEC number",
    "voec_limit": "NOK 3,000",
    "note": "Sentence in place of taxes",
    "corrections": "Corrected rates",
    "us_rates": "Sales tax rates",
}


class CurrentRate(NamedTuple):
    """A rate that counts today, in percent."""

    territory: str
    tax_class: str
    rate: str
    since: str  # an ISO date
    source: str
    is_corrected: bool


def rates_today(rules: TaxRules) -> list[CurrentRate]:
    """List the rates of all territories and classes today, home first. Classes that count at home alone are not elsewhere."""
    today, rates = clock.today(), []
    for territory in sorted(taxed_territories(), key=lambda each: (each != rules.country, each)):
        for tax_class in TaxClass:
            row = find_rate(territory, tax_class, today, rules.corrections)
            is_elsewhere = territory.partition("-")[0] != rules.country
            if row is not None and (
                row in rules.corrections or not (is_elsewhere and tax_class in ONLY_AT_HOME)
            ):
                since = row.valid_from.isoformat()
                is_corrected = row in rules.corrections
                rates.append(CurrentRate(territory, tax_class, row.rate, since, row.source, is_corrected))
    return rates


def us_rates_today(rules: TaxRules) -> list[CurrentRate]:
    """List the sales taxes that count today, by state and ZIP code."""
    today = clock.today()
    newest = {
        (row.state, row.zip5, row.tax_class): row
        for row in sorted(rules.us_rates, key=lambda row: row.valid_from)
        if row.valid_from <= today
    }
    return [
        CurrentRate(
            f"{row.state} {row.zip5}".strip(),
            row.tax_class,
            row.rate,
            row.valid_from.isoformat(),
            "shipping taxed" if row.shipping_taxable else "",
            True,
        )
        for _, row in sorted(newest.items())
    ]


def _summary(rules: TaxRules) -> str:
    corrected = len(rules.corrections) + len(rules.us_rates)
    rates = f", {corrected:,} own rate{'s' if corrected > 1 else ''}" if corrected else ""
    words = f"{MODE_WORDS[rules.mode]}, sent from {settings.shop.country_name(rules.country)}{rates}"
    return words[0].upper() + words[1:]


def _beside(rules: TaxRules) -> Mapping[str, Any]:
    us_rates = us_rates_today(rules)
    return {
        "modes": MODES,
        "countries": sorted(country_names().items(), key=lambda each: sort_key(each[1])),
        "most": {"note": MAX_NOTE_LENGTH, "kilobytes": MAX_ROWS_BYTES // 1000},
        "said": describe(rules),
        "rates": rates_today(rules) if rules.mode is not Mode.US else us_rates[:MAX_US_RATES_SHOWN],
        "more_rates": max(0, len(us_rates) - MAX_US_RATES_SHOWN) if rules.mode is Mode.US else 0,
    }


PAGE = PartPage(
    part=TAXES,
    title="Taxes",
    noun="tax",
    path="/staff/settings/taxes",
    consequence="Orders that are already placed keep their taxes.",
    summary=_summary,
    read=taxes_form.read_typed,
    form_of=taxes_form.form_of,
    fields_of=taxes_form.fields_of,
    meaning=taxes_form.to_rules,
    label=lambda field: _LABELS.get(field, ""),
    edit=lambda _typed, _do: None,
    beside=_beside,
    max_fields=taxes_form.MAX_FIELDS,
    max_bytes=taxes_form.MAX_BYTES,
)
show, change, show_version, restore = PAGE.show, PAGE.change, PAGE.show_version, PAGE.restore
