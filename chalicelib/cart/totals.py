"""What a cart costs at a destination: its items, shipping, and the taxes that are included or added."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib.cart.service import CartLine
from chalicelib.shop_settings.delivery import Delivery
from chalicelib.taxes.assessment import Assessment, Destination, PricedLine, assess
from chalicelib.taxes.rules import TaxRules
from chalicelib.taxes.statement import freeze_assessment, included_taxes, state_taxes


@dataclass(frozen=True)
class Totals:
    """What lines cost where they are sent, in minor units."""

    listed: int  # the lines at the catalog's prices
    items: int  # the lines at the prices that are charged, which exports may lower
    shipping_name: str
    assessment: Assessment

    @property
    def shipping(self) -> int:
        """The shipping that is charged."""
        return self.assessment.shipping

    @property
    def total(self) -> int:
        """Items, shipping and added tax."""
        return self.items + self.shipping + self.assessment.added_tax


def sold_lines(cart_lines: Sequence[CartLine]) -> list[CartLine]:
    """List the lines that are still sold."""
    return [line for line in cart_lines if line.offer is not None and line.offer.sellable]


def price_lines(cart_lines: Sequence[CartLine]) -> list[PricedLine]:
    """Return lines as the catalog prices them; those that are no longer sold are left out."""
    return [
        PricedLine(line.offer.tax_class, line.offer.price, line.quantity)
        for line in sold_lines(cart_lines)
        if line.offer is not None
    ]


def totals_of(
    lines: Sequence[PricedLine], destination: Destination, delivery: Delivery, rules: TaxRules, day: date
) -> Totals:
    """Sum lines, shipping and taxes on a day; in a country that is in no zone, as in the first. Raises CannotBeServed.

    Shipping is free from an amount of the catalog's prices, which do not depend on the destination.
    """
    zone = delivery.zone_of(destination.country)
    if zone is None:
        zone = delivery.zones[0]
        destination = Destination(next(iter(zone.countries)))
    listed = sum(line.price * line.quantity for line in lines)
    free = zone.free_from is not None and listed >= zone.free_from
    assessment = assess(rules, destination, lines, 0 if free else zone.rate, day)
    items = sum(price * line.quantity for price, line in zip(assessment.prices, lines, strict=True))
    return Totals(listed, items, zone.name, assessment)


def totals_view(totals: Totals, rules: TaxRules) -> dict[str, Any]:
    """Return totals' values for templates."""
    frozen = freeze_assessment(totals.assessment, rules)
    return {
        "items": totals.items,
        "shipping": totals.shipping,
        "shipping_name": totals.shipping_name,
        "tax": state_taxes(frozen, included_taxes(totals.assessment)),
        "total": totals.total,
    }
