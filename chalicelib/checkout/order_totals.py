"""A cart's lines as an order keeps them: at the prices that are charged, with their taxes."""

from collections.abc import Sequence

from chalicelib.cart.service import CartLine
from chalicelib.cart.totals import sold_lines
from chalicelib.orders.base import OrderLine
from chalicelib.taxes.assessment import Assessment


def freeze_lines(cart_lines: Sequence[CartLine], assessment: Assessment) -> list[OrderLine]:
    """Return a cart's lines as order lines; `assessment` is theirs. Lines that are no longer sold are left out."""
    sold = zip(sold_lines(cart_lines), assessment.prices, assessment.rates, strict=True)
    return [
        OrderLine(
            sku=line.sku,
            slug=line.offer.slug,
            name=line.offer.name,
            options=dict(line.offer.options),
            quantity=line.quantity,
            price=price,
            tax_rate=rate,
            tax_class=line.offer.tax_class,
        )
        for line, price, rate in sold
        if line.offer is not None
    ]
