"""What the merchant has decided about taxes: the values of the settings' part `taxes`."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Mode(StrEnum):
    """How the shop charges taxes."""

    HOME = "home"  # the own country's rates in every member state: below the threshold of EUR 10,000 a year
    OSS = "oss"  # the destination's rates
    NONE = "none"  # no VAT at all: a small business
    US = "us"  # prices without tax, sales tax added


@dataclass(frozen=True)
class RateRow:
    """A rate in percent that counts in a territory from a day on, for a tax class."""

    territory: str
    tax_class: str
    rate: str
    valid_from: date
    source: str = ""


@dataclass(frozen=True)
class UsRateRow:
    """A sales tax rate in percent, of a ZIP code, or of a whole state where it is empty."""

    state: str  # two letters
    zip5: str
    tax_class: str
    rate: str
    shipping_taxable: bool
    valid_from: date


@dataclass(frozen=True)
class TaxRules:
    """What the merchant has decided about taxes. Limits are in minor units of the shop's currency."""

    mode: Mode
    country: str  # from which the shop sends, ISO 3166-1 alpha-2
    net_exports: bool = False  # exports cost what the home price is without its tax
    gb_number: str = ""  # the shop's VAT number in Great Britain; empty where it is not registered
    gb_limit: int = 0  # what GBP 135 are worth
    voec_number: str = ""  # Norway; empty where the shop is not registered
    voec_limit: int = 0  # what NOK 3,000 are worth
    is_below_norwegian_threshold: bool = False  # the merchant declares a turnover below NOK 50,000
    note: str = ""  # the sentence that a small business shows in place of taxes
    corrections: tuple[RateRow, ...] = ()  # replace, or add to, the rows of rates.csv
    us_rates: tuple[UsRateRow, ...] = ()
