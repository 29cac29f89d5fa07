"""The taxes of an order: pure functions of what is sold, where it goes, when, and the merchant's rules."""

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import TypeVar

from chalicelib.money import tax_included
from chalicelib.taxes.rates import find_rate
from chalicelib.taxes.rules import Mode, TaxRules, UsRateRow
from chalicelib.taxes.sales_tax import find_sales_tax, find_state
from chalicelib.taxes.shares import share_out
from chalicelib.taxes.tax_classes import ONLY_AT_HOME, TaxClass
from chalicelib.taxes.territories import Area, Territory, find_territory

K = TypeVar("K", bound=Hashable)
# Territories of their own between which a supply is domestic.
_ONE_COUNTRY = (("GB", "XI"), ("CH", "LI"))


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

    def __neg__(self) -> "TaxSum":
        """Return it as money that went the other way."""
        return TaxSum(self.tax_class, self.rate, -self.net, -self.tax)


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


@dataclass(frozen=True)
class _Treatment:
    """How a line is taxed: the rate that its price includes; or, exempt, what is taken out of its price."""

    rate: str
    taken_out: str = "0"


def assess(
    rules: TaxRules, destination: Destination, lines: Sequence[PricedLine], shipping: int, day: date
) -> Assessment:
    """Assess the taxes of an order on a day of the shop's calendar.

    Raises CannotBeServed, and ValueError for a destination without a country.

    Shipping, in minor units, is shared over the lines by their amounts and taxed as they are (Directive 2006/112/EC,
    Art. 78(b)). Taxes are computed once a class, rate and order, and rounded half up.
    """
    if not lines:  # shipping alone is taxed as standard goods
        nothing = [PricedLine(TaxClass.STANDARD, 0, 1)]
        return replace(assess(rules, destination, nothing, shipping, day), prices=(), rates=())
    if rules.mode is Mode.US:
        return _with_sales_tax(rules, destination, lines, shipping, day)
    territory = find_territory(destination.country, destination.postal_code, destination.region)
    if rules.mode is Mode.NONE:
        return _with_vat(Scheme.NONE, territory, lines, [_Treatment("0")] * len(lines), shipping)
    home = find_territory(rules.country)
    scheme = _scheme(rules, destination, home, territory)
    if scheme is Scheme.HOME and territory.state not in _states_of(home):
        treatments = [_Treatment(_rate(rules, home, line.tax_class, day)) for line in lines]
    elif scheme in (Scheme.HOME, Scheme.OSS):
        treatments = [_Treatment(_rate(rules, territory, line.tax_class, day)) for line in lines]
    else:
        net = scheme is Scheme.INTRA_COMMUNITY or rules.net_exports
        exempt = [_Treatment("0", _rate(rules, home, line.tax_class, day) if net else "0") for line in lines]
        treatments = exempt
        if territory.area is Area.GB:
            scheme, treatments = _to_great_britain(rules, territory, lines, exempt, day)
        elif territory.area is Area.NO:
            scheme, treatments = _to_norway(rules, territory, lines, exempt, day)
    return _with_vat(scheme, territory, lines, treatments, shipping)


def _scheme(rules: TaxRules, destination: Destination, home: Territory, territory: Territory) -> Scheme:
    """Return the scheme of a supply; exports to Great Britain and Norway may still be taxed there."""
    if territory.area is not Area.NONE and territory.state in _states_of(home):
        return Scheme.HOME
    if not (home.area is territory.area is Area.EU):
        return Scheme.EXPORT if home.code != territory.code else Scheme.HOME
    if destination.has_confirmed_vat_number:
        return Scheme.INTRA_COMMUNITY
    return Scheme.OSS if rules.mode is Mode.OSS else Scheme.HOME


def _states_of(home: Territory) -> Collection[str]:
    """Return the states within which a supply is domestic."""
    return next((states for states in _ONE_COUNTRY if home.state in states), (home.state,))


def _rate(rules: TaxRules, territory: Territory, tax_class: str, day: date) -> str:
    corrections = rules.corrections
    row = find_rate(territory.code, tax_class, day, corrections)
    if (
        tax_class in ONLY_AT_HOME
        and territory.state != find_territory(rules.country).state
        and row not in corrections
    ):
        row = find_rate(territory.code, TaxClass.STANDARD, day, corrections)
    if row is None:
        raise CannotBeServed(f"Sorry, we can’t take orders for {territory.name} yet.")
    return row.rate


def _to_great_britain(
    rules: TaxRules, territory: Territory, lines: Sequence[PricedLine], exempt: list[_Treatment], day: date
) -> tuple[Scheme, list[_Treatment]]:
    """Charge UK VAT on consignments whose goods are worth at most GBP 135, without VAT and shipping; others are exports.

    https://www.gov.uk/guidance/vat-and-overseas-goods-sold-directly-to-customers-in-the-uk
    """
    value = sum(_price(line, each) * line.quantity for line, each in zip(lines, exempt, strict=True))
    if rules.gb_limit and value > rules.gb_limit:
        return Scheme.EXPORT, exempt
    if not (rules.gb_number and rules.gb_limit):
        raise CannotBeServed(
            "Sorry, we can’t deliver orders of up to 135 pounds to Great Britain and the Isle of Man. Larger orders are possible."
            if rules.gb_limit
            else "Sorry, we can’t deliver to Great Britain and the Isle of Man yet."
        )
    return Scheme.GB, [_Treatment(_rate(rules, territory, line.tax_class, day)) for line in lines]


def _to_norway(
    rules: TaxRules, territory: Territory, lines: Sequence[PricedLine], exempt: list[_Treatment], day: date
) -> tuple[Scheme, list[_Treatment]]:
    """Charge Norwegian VAT on items worth less than NOK 3,000, without shipping, but not on food: those are exports.

    https://www.skatteetaten.no/en/business-and-organisation/vat-and-duties/vat/foreign/e-commerce-voec/low-value/
    """
    in_voec = [
        line.tax_class not in (TaxClass.FOOD, TaxClass.TEA)
        and not (rules.voec_limit and _price(line, each) >= rules.voec_limit)
        for line, each in zip(lines, exempt, strict=True)
    ]
    if rules.is_below_norwegian_threshold or not any(in_voec):
        return Scheme.EXPORT, exempt
    if not (rules.voec_number and rules.voec_limit):
        raise CannotBeServed("Sorry, we can’t deliver these items to Norway yet.")
    return Scheme.NO, [
        _Treatment(_rate(rules, territory, line.tax_class, day)) if inside else each
        for line, each, inside in zip(lines, exempt, in_voec, strict=True)
    ]


def _price(line: PricedLine, treatment: _Treatment) -> int:
    """Return a unit's price, without the tax that is taken out of it, which is rounded half up."""
    return line.price - tax_included(line.price, treatment.taken_out)


def _with_vat(
    scheme: Scheme,
    territory: Territory,
    lines: Sequence[PricedLine],
    treatments: Sequence[_Treatment],
    shipping: int,
) -> Assessment:
    prices = [_price(line, each) for line, each in zip(lines, treatments, strict=True)]
    shares = _shares_of(shipping, lines)
    grosses: dict[tuple[str, str], int] = {}
    shipped: dict[tuple[str, _Treatment], int] = {}
    for line, each, price, share in zip(lines, treatments, prices, shares, strict=True):
        _add(grosses, (line.tax_class, each.rate), price * line.quantity)
        _add(shipped, (line.tax_class, each), share)
    shipped = {key: share - tax_included(share, key[1].taken_out) for key, share in shipped.items()}
    for (tax_class, each), share in shipped.items():
        _add(grosses, (tax_class, each.rate), share)
    sums = [
        TaxSum(tax_class, rate, gross - tax_included(gross, rate), tax_included(gross, rate))
        for (tax_class, rate), gross in grosses.items()
    ]
    return Assessment(
        scheme=scheme,
        territory=territory.code,
        region="",
        prices=tuple(prices),
        rates=tuple(each.rate for each in treatments),
        shipping=sum(shipped.values()),
        added_tax=0,
        sums=_sorted(sums),
    )


def _with_sales_tax(
    rules: TaxRules, destination: Destination, lines: Sequence[PricedLine], shipping: int, day: date
) -> Assessment:
    """Add the destination's sales tax. Shipping's share of a line is taxed where the line's row says so."""
    territory = find_territory(destination.country).code
    rows: list[UsRateRow | None] = [None] * len(lines)
    if territory == rules.country:
        state = find_state(destination.postal_code, destination.region)
        territory = f"{territory}-{state}" if state else territory
        of_state = [row for row in rules.us_rates if row.state == state]  # there may be thousands of others
        rows = [
            find_sales_tax(of_state, state, destination.postal_code, line.tax_class, day) for line in lines
        ]
    nets: dict[tuple[str, str], int] = {}
    for line, row, share in zip(lines, rows, _shares_of(shipping, lines), strict=True):
        rate = row.rate if row else "0"
        _add(nets, (line.tax_class, rate), line.price * line.quantity)
        _add(nets, (line.tax_class, rate if row and row.shipping_taxable else "0"), share)
    sums = [
        TaxSum(tax_class, rate, net, _percent(net, rate))
        for (tax_class, rate), net in nets.items()
        if net or rate != "0" or len(nets) == 1
    ]
    return Assessment(
        scheme=Scheme.US if territory.startswith(rules.country) else Scheme.EXPORT,
        territory=territory,
        region=next((row.zip5 for row in rows if row and row.zip5), ""),
        prices=tuple(line.price for line in lines),
        rates=tuple(row.rate if row else "0" for row in rows),
        shipping=shipping,
        added_tax=sum(each.tax for each in sums),
        sums=_sorted(sums),
    )


def _shares_of(shipping: int, lines: Sequence[PricedLine]) -> list[int]:
    return share_out(shipping, [line.price * line.quantity for line in lines])


def _percent(net: int, rate: str) -> int:
    return int((net * Decimal(rate) / 100).quantize(Decimal(1), ROUND_HALF_UP))


def _add(amounts: dict[K, int], key: K, amount: int) -> None:
    amounts[key] = amounts.get(key, 0) + amount


def _sorted(sums: Iterable[TaxSum]) -> tuple[TaxSum, ...]:
    return tuple(sorted(sums, key=lambda each: (-Decimal(each.rate), each.tax_class)))
