"""A cart's lines as an order keeps them: at the prices that are charged, with their taxes."""

from collections.abc import Sequence

from chalicelib.cart.service import CartLine
from chalicelib.cart.totals import sold_lines
from chalicelib.orders.base import OrderLine
from chalicelib.taxes.assessment import Assessment


def freeze_lines(cart_lines: Sequence[CartLine], assessment: Assessment | None) -> list[OrderLine]:
    """Return a cart's lines as order lines; `assessment` is theirs. Lines that are no longer sold are left out.

    Without one, where nothing can be sent, they have the catalog's prices and no rate: for the form, not for an order.
    """
    lines = sold_lines(cart_lines)
    prices = assessment.prices if assessment else [line.offer.price for line in lines if line.offer]
    rates = assessment.rates if assessment else [""] * len(lines)
    sold = zip(lines, prices, rates, strict=True)
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
