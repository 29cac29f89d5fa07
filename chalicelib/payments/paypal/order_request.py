"""The request that creates a PayPal order."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from chalicelib import money
from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.orders.models import Order
from chalicelib.web.urls import absolute_url


class PayWith(StrEnum):
    """Which of PayPal's pages the shopper is sent to: to log in, or to enter a card."""

    PAYPAL = "paypal"
    CARD = "card"

    @property
    def landing_page(self) -> str:
        """PayPal's name for the page."""
        return "GUEST_CHECKOUT" if self is PayWith.CARD else "LOGIN"


def read_pay_with(text: str) -> PayWith:
    """Return the value of the button that was pressed; a form without one means PayPal. Raises BadInput."""
    try:
        return PayWith(text or PayWith.PAYPAL)
    except ValueError:
        raise BadInput("You can pay with PayPal or by card. Please use one of the two buttons.") from None


def order_body(
    order: Order,
    number: int,
    *,
    with_address: bool = True,
    pay_with: PayWith = PayWith.PAYPAL,
    invoice_suffix: str = "",
) -> dict[str, Any]:
    """Return the body that creates a PayPal order: https://developer.paypal.com/docs/api/orders/v2/#orders_create."""

    def amount(minor: float) -> dict[str, str]:
        return {"currency_code": order.currency, "value": money.to_decimal_string(int(minor), order.currency)}

    breakdown = {"item_total": amount(order.items), "shipping": amount(order.shipping)}
    if order.added_tax:
        breakdown["tax_total"] = amount(order.added_tax)
    attempt = f"-{number}" if number > 1 else ""
    unit: dict[str, Any] = {
        "custom_id": order.id,
        "invoice_id": f"{settings.shop.invoice_prefix}{order.number}{attempt}{invoice_suffix}",
        "description": f"Order {order.number}",
        "amount": {**amount(order.total), "breakdown": breakdown},
        "items": [
            {
                "name": line.full_name[:127],
                "sku": line.sku,
                "quantity": str(line.quantity),
                "unit_amount": amount(line.price),
                "category": "PHYSICAL_GOODS",
            }
            for line in order.lines
        ],
    }
    if with_address:
        unit["shipping"] = _shipping(order.customer)
    experience = {
        "brand_name": settings.shop.name[:127],
        "landing_page": pay_with.landing_page,
        "user_action": "PAY_NOW",
        "shipping_preference": "SET_PROVIDED_ADDRESS" if with_address else "NO_SHIPPING",
        "return_url": absolute_url("/payments/paypal/return"),
        "cancel_url": absolute_url("/payments/paypal/cancel"),
    }
    return {
        "intent": "CAPTURE",
        "purchase_units": [unit],
        "payment_source": {"paypal": {"experience_context": experience}},
    }


def _shipping(customer: Mapping[str, str]) -> dict[str, Any]:
    address = {
        "address_line_1": customer["address"],
        "address_line_2": customer.get("address2", ""),
        "admin_area_2": customer["city"],
        "admin_area_1": customer.get("region", ""),
        "postal_code": customer["postal_code"],
        "country_code": customer["country"],
    }
    return {
        "name": {"full_name": customer["name"]},
        "address": {name: value for name, value in address.items() if value},
    }
