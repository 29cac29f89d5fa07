"""The rates of the shop's own country, by which staff and catalog files know a tax class."""

from datetime import date

from chalicelib.taxes.rates import find_rate
from chalicelib.taxes.rules import TaxRules
from chalicelib.taxes.tax_classes import TaxClass
from chalicelib.taxes.territories import find_territory


def find_home_rate(rules: TaxRules, tax_class: str, day: date) -> str | None:
    """Find a class's rate at home, in percent; None where the country has none, such as the United States."""
    row = find_rate(find_territory(rules.country).code, tax_class, day, rules.corrections)
    return row.rate if row else None


def classes_at(rules: TaxRules, rate: str, day: date) -> list[TaxClass]:
    """List the classes that have a rate at home: the general ones first, since a rate says nothing of the goods."""
    general = (TaxClass.STANDARD, TaxClass.REDUCED, TaxClass.ZERO)
    ordered = sorted(TaxClass, key=lambda each: each not in general)
    return [each for each in ordered if find_home_rate(rules, each, day) == rate]
