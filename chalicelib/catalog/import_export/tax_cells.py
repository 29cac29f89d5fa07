"""What a catalog file says of a product's taxes: a class, or a rate of the shop's own country."""

from datetime import date

from chalicelib import money
from chalicelib.taxes.home_rates import classes_at, find_home_rate
from chalicelib.taxes.rules import TaxRules
from chalicelib.taxes.tax_classes import TaxClass


class WrongTax(ValueError):
    """Raised with the field that is wrong, and a message."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def read_tax_class(name: str, rate: str, rules: TaxRules, day: date) -> tuple[str, list[TaxClass]]:
    """Return the class that a file means, and all that its rate may mean where it names none. Raises WrongTax."""
    name = name.lower()
    if name and name not in list(TaxClass):
        raise WrongTax(
            "tax_class", f"“{name[:60]}” isn’t a tax class. The classes are: {_classes(rules, day)}."
        )
    try:
        rate = money.parse_tax_rate(rate) if rate else ""
    except ValueError as error:
        raise WrongTax("tax_rate", f"{error}.") from error
    if name:
        at_home = find_home_rate(rules, name, day)
        if rate and at_home not in (rate, None):
            raise WrongTax(
                "tax_class",
                f"“{name}” is taxed at {at_home}% at home, and tax_rate says {rate}%. Please leave one of them empty.",
            )
        return name, []
    if not rate:
        return TaxClass.STANDARD, []
    possible = classes_at(rules, rate, day)
    if not possible:
        raise WrongTax(
            "tax_rate", f"No tax class is taxed at {rate}%. The classes are: {_classes(rules, day)}."
        )
    return possible[0], possible


def _classes(rules: TaxRules, day: date) -> str:
    rates = {each: find_home_rate(rules, each, day) for each in TaxClass}
    return ", ".join(f"{each} ({rate}%)" if rate else each for each, rate in rates.items())
