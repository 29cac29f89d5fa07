"""What an order costs: its items, shipping, and the included tax."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib import clock, money
from chalicelib.cart.service import CartLine
from chalicelib.orders.base import OrderLine
from chalicelib.shop_settings import taxes
from chalicelib.shop_settings.delivery import Delivery
from chalicelib.taxes.home_rates import find_home_rate
from chalicelib.taxes.tax_classes import TaxClass


@dataclass(frozen=True)
class Totals:
    """What an order costs, in minor units; taxes by rate in percent are included in it."""

    items: int
    shipping: int
    shipping_name: str
    taxes: Mapping[str, int]

    @property
    def total(self) -> int:
        """Items and shipping."""
        return self.items + self.shipping


def totals_of(lines: list[OrderLine], country: str, delivery: Delivery) -> Totals:
    """Sum lines and shipping to a country, to the first zone if it is in none; tax is rounded once per rate."""
    zone = delivery.zone_of(country) or delivery.zones[0]
    items = sum(line.total for line in lines)
    free = zone.free_from is not None and items >= zone.free_from
    shipping = 0 if free else zone.rate
    taxed = [(line.total, line.tax_rate) for line in lines] + [(shipping, _rate(TaxClass.STANDARD))]
    included = money.tax_by_rate((amount, rate) for amount, rate in taxed if amount)
    return Totals(items, shipping, zone.name, included)


def freeze_lines(cart_lines: list[CartLine]) -> list[OrderLine]:
    """Return a cart's lines as order lines at today's prices. Lines that are no longer sold are left out."""
    return [
        OrderLine(
            sku=line.sku,
            slug=line.offer.slug,
            name=line.offer.name,
            options=dict(line.offer.options),
            quantity=line.quantity,
            price=line.offer.price,
            tax_rate=_rate(line.offer.tax_class),
        )
        for line in cart_lines
        if line.offer is not None and line.offer.sellable
    ]


def _rate(tax_class: str) -> str:
    return find_home_rate(taxes.current(), tax_class, clock.today()) or "0"
