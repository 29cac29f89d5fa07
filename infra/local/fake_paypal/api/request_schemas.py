"""Validation of request bodies: strictly by PayPal's schemas, every error with its field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from infra.local.fake_paypal.api.api_errors import detail, invalid
from infra.local.fake_paypal.store import Document

EMAIL = r"[^@\s]+@[^@\s]+"
ACCOUNT_ID = r"[2-9A-HJ-NP-Z]{13}"
AMOUNT = r"(-?[0-9]+)|(-?([0-9]+)?[.][0-9]+)"


class Shape(Protocol):
    """A schema that a JSON value is checked against; errors are appended, none are raised."""

    def check(self, value: object, path: str, faults: list[Document], unknown: str) -> None:
        """Append what is wrong with `value`, found at the JSON pointer `path`."""


@dataclass(frozen=True)
class Text:
    """A string of some length, perhaps matching a pattern as a whole."""

    longest: int
    shortest: int = 0
    pattern: str | None = None

    def check(self, value: object, path: str, faults: list[Document], unknown: str) -> None:
        if not isinstance(value, str):
            faults.append(detail("INVALID_PARAMETER_SYNTAX", path, value))
        elif not self.shortest <= len(value) <= self.longest:
            faults.append(detail("INVALID_STRING_LENGTH", path, value))
        elif self.pattern is not None and not re.fullmatch(self.pattern, value):
            faults.append(detail("INVALID_PARAMETER_SYNTAX", path, value))


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    words: frozenset[str]

    def check(self, value: object, path: str, faults: list[Document], unknown: str) -> None:
        if not isinstance(value, str):
            faults.append(detail("INVALID_PARAMETER_SYNTAX", path, value))
        elif value not in self.words:
            faults.append(detail("INVALID_PARAMETER_VALUE", path, value))


@dataclass(frozen=True)
class Several:
    """An array."""

    shape: Shape
    most: int
    fewest: int = 0

    def check(self, value: object, path: str, faults: list[Document], unknown: str) -> None:
        if not isinstance(value, list):
            faults.append(detail("INVALID_PARAMETER_SYNTAX", path, value))
            return
        if len(value) < self.fewest:
            faults.append(detail("INVALID_ARRAY_MIN_ITEMS", path))
        if len(value) > self.most:
            faults.append(detail("INVALID_ARRAY_MAX_ITEMS", path))
        for index, entry in enumerate(value):
            self.shape.check(entry, f"{path}/{index}", faults, unknown)


@dataclass(frozen=True)
class Fields:
    """An object with known keys."""

    shapes: Mapping[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()

    def check(self, value: object, path: str, faults: list[Document], unknown: str) -> None:
        if not isinstance(value, dict):
            faults.append(detail("INVALID_PARAMETER_SYNTAX", path, value))
            return
        missing = sorted(self.required - value.keys())
        faults += [detail("MISSING_REQUIRED_PARAMETER", f"{path}/{name}") for name in missing]
        for name, entry in value.items():
            shape = self.shapes.get(name)
            if shape is None:
                faults.append(detail(unknown, f"{path}/{name}", entry))
            else:
                shape.check(entry, f"{path}/{name}", faults, unknown)


@dataclass(frozen=True)
class Anything:
    """An object with whatever keys."""

    def check(self, value: object, path: str, faults: list[Document], unknown: str) -> None:
        if not isinstance(value, dict):
            faults.append(detail("INVALID_PARAMETER_SYNTAX", path, value))


def require(shape: Shape, body: object, unknown: str = "INVALID_PARAMETER_SYNTAX") -> None:
    """Raise the 400 that names every error in `body`; `unknown` is the issue of an unknown key."""
    faults: list[Document] = []
    shape.check(body, "", faults, unknown)
    if faults:
        raise invalid(faults)


def _choice(*words: str) -> Choice:
    return Choice(frozenset(words))


def _fields(required: str = "", **shapes: Shape) -> Fields:
    return Fields(shapes, frozenset(required.split()))


MONEY = _fields("currency_code value", currency_code=Text(3, 3), value=Text(32, 0, AMOUNT))
BREAKDOWN = _fields(
    item_total=MONEY,
    shipping=MONEY,
    handling=MONEY,
    tax_total=MONEY,
    insurance=MONEY,
    shipping_discount=MONEY,
    discount=MONEY,
)
AMOUNT_WITH_BREAKDOWN = Fields(
    {**MONEY.shapes, "breakdown": BREAKDOWN}, frozenset({"currency_code", "value"})
)
ADDRESS = _fields(
    "country_code",
    address_line_1=Text(300),
    address_line_2=Text(300),
    admin_area_2=Text(120),
    admin_area_1=Text(300),
    postal_code=Text(60),
    country_code=Text(2, 2, r"[A-Z]{2}"),
)
NAME = _fields(
    prefix=Text(140),
    given_name=Text(140),
    surname=Text(140),
    middle_name=Text(140),
    suffix=Text(140),
    full_name=Text(300),
)
PHONE = _fields(
    "phone_number",
    phone_type=_choice("FAX", "HOME", "MOBILE", "OTHER", "PAGER"),
    phone_number=_fields(
        "country_code national_number",
        country_code=Text(3, 1, r"[0-9]+"),
        national_number=Text(14, 1, r"[0-9]+"),
        extension_number=Text(15, 1, r"[0-9]+"),
    ),
)
ITEM = _fields(
    "name unit_amount quantity",
    name=Text(127, 1),
    unit_amount=MONEY,
    tax=MONEY,
    quantity=Text(10, 1, r"[1-9][0-9]{0,9}"),
    description=Text(127),
    sku=Text(127),
    category=_choice("DIGITAL_GOODS", "PHYSICAL_GOODS", "DONATION"),
)
PURCHASE_UNIT = _fields(
    "amount",
    reference_id=Text(256, 1),
    amount=AMOUNT_WITH_BREAKDOWN,
    payee=_fields(email_address=Text(254, 3, EMAIL), merchant_id=Text(13, 13, ACCOUNT_ID)),
    description=Text(127, 1),
    custom_id=Text(127, 1),
    invoice_id=Text(127, 1),
    soft_descriptor=Text(22, 1),
    items=Several(ITEM, 1000),
    shipping=_fields(
        name=_fields(full_name=Text(300), given_name=Text(140), surname=Text(140)),
        type=_choice("SHIPPING", "PICKUP_IN_PERSON", "PICKUP_IN_STORE", "PICKUP_FROM_PERSON"),
        address=ADDRESS,
    ),
)
URL = Text(4000, 1, r"https?://[!-.0-~]+[!-~]*")
LOCALE = Text(10, 2, r"[a-z]{2}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?")
_PREFERENCE = _choice("UNRESTRICTED", "IMMEDIATE_PAYMENT_REQUIRED")
_CONTEXT: dict[str, Shape] = {
    "brand_name": Text(127, 1),
    "locale": LOCALE,
    "shipping_preference": _choice("GET_FROM_FILE", "NO_SHIPPING", "SET_PROVIDED_ADDRESS"),
    "user_action": _choice("CONTINUE", "PAY_NOW"),
    "return_url": URL,
    "cancel_url": URL,
}
EXPERIENCE_CONTEXT = Fields(
    {
        **_CONTEXT,
        "landing_page": _choice("LOGIN", "GUEST_CHECKOUT", "NO_PREFERENCE"),
        "payment_method_preference": _PREFERENCE,
    }
)
APPLICATION_CONTEXT = Fields(
    {
        **_CONTEXT,
        "landing_page": _choice("LOGIN", "BILLING", "NO_PREFERENCE"),
        "payment_method": _fields(payee_preferred=_PREFERENCE),
    }
)
PAYPAL_WALLET = _fields(
    email_address=Text(254, 3, EMAIL),
    name=NAME,
    phone=PHONE,
    address=ADDRESS,
    experience_context=EXPERIENCE_CONTEXT,
)
ORDER = _fields(
    "intent purchase_units",
    intent=_choice("CAPTURE", "AUTHORIZE"),
    # PayPal allows up to ten; a shop with one payee needs one, and the fake PayPal supports no more.
    purchase_units=Several(PURCHASE_UNIT, 1, 1),
    payer=_fields(email_address=Text(254, 3, EMAIL), name=NAME, phone=PHONE, address=ADDRESS),
    payment_source=_fields(paypal=PAYPAL_WALLET),
    application_context=APPLICATION_CONTEXT,
)
CAPTURE = _fields()
REFUND = _fields(
    amount=MONEY,
    custom_id=Text(127, 1),
    invoice_id=Text(127, 1),
    note_to_payer=Text(255, 1),
)
VERIFY = _fields(
    "auth_algo cert_url transmission_id transmission_sig transmission_time webhook_id webhook_event",
    auth_algo=Text(100, 1, r"[a-zA-Z0-9]+"),
    cert_url=Text(500, 1),
    transmission_id=Text(50, 1),
    transmission_sig=Text(500, 1),
    transmission_time=Text(100, 1, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*"),
    webhook_id=Text(50, 1, r"[a-zA-Z0-9_-]+"),  # PayPal's own have only letters and digits
    webhook_event=Anything(),
)
RESEND = _fields(webhook_ids=Several(Text(50), 500))
