"""The taxes of an order: pure functions of what is sold, where it goes, when, and the merchant's rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from chalicelib.taxes.rules import TaxRules


class Scheme(StrEnum):
    """Under which rule a supply is taxed; the books name it."""

    HOME = "home"  # the rates of the shop's own country
    OSS = "oss"  # the destination's rates, declared in the One-Stop Shop (Directive 2006/112/EC, Art. 369a)
    EXPORT = "export"  # leaves the shop's VAT area: none
    INTRA_COMMUNITY = "intra_community"  # to a business in another member state: exempt (Art. 138)
    GB = "gb"  # UK VAT, by the shop's registration in Great Britain
    NO = "no"  # Norwegian VAT, by the shop's registration in VOEC
    NONE = "none"  # a small business charges no VAT
    US = "us"  # sales tax, added to the price


@dataclass(frozen=True)
class Destination:
    """Where goods are sent, and whether to a business whose VAT number VIES has confirmed."""

    country: str  # ISO 3166-1 alpha-2
    postal_code: str = ""
    region: str = ""
    has_confirmed_vat_number: bool = False


@dataclass(frozen=True)
class PricedLine:
    """Units of one SKU as the catalog prices them: `price` per unit, in minor units."""

    tax_class: str
    price: int
    quantity: int


@dataclass(frozen=True)
class TaxSum:
    """What was charged at one rate, shipping's share included; amounts in minor units, the rate in percent."""

    tax_class: str
    rate: str
    net: int
    tax: int

    @property
    def gross(self) -> int:
        """Net and tax."""
        return self.net + self.tax


@dataclass(frozen=True)
class Assessment:
    """How an order is taxed, and what is charged for it; amounts in minor units.

    `prices` and `rates` are those of the lines, in their order. Where tax is added, prices and shipping are net, and
    `added_tax` is paid beside them; else it is 0, and they include what the sums name.
    """

    scheme: Scheme
    territory: str
    region: str
    prices: tuple[int, ...]
    rates: tuple[str, ...]
    shipping: int
    added_tax: int
    sums: tuple[TaxSum, ...]

    @property
    def tax_by_rate(self) -> dict[str, int]:
        """The tax by rate in percent, the highest rate first: {"19": 304, "7": 12}."""
        taxes: dict[str, int] = {}
        for each in self.sums:
            taxes[each.rate] = taxes.get(each.rate, 0) + each.tax
        return taxes


class CannotBeServed(Exception):
    """Raised with words for the shopper where no order can be taken for a destination."""


def assess(
    rules: TaxRules, destination: Destination, lines: Sequence[PricedLine], shipping: int, day: date
) -> Assessment:
    """Assess the taxes of an order on a day of the shop's calendar. Raises CannotBeServed."""
    raise NotImplementedError
