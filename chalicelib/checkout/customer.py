"""Who buys, and where to: the checkout form's fields and what may stand in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.config import settings
from chalicelib.web.forms import has_control_characters

LONGEST = {
    "name": 100,
    "email": 254,
    "address": 150,
    "address2": 150,
    "postal_code": 20,
    "city": 100,
    "region": 100,
    "country": 2,
    "phone": 30,
}
REQUIRED = {
    "name": "Please give your name.",
    "email": "Please give your e-mail address: the confirmation goes there.",
    "address": "Please give the street and number.",
    "postal_code": "Please give the postal code.",
    "city": "Please give the town or city.",
    "country": "Please choose a country.",
}
# What SES and every mail server take: no quoted local parts, no comments, a domain with a dot.
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])",
    re.ASCII,
)
_PHONE = re.compile(r"\+?[0-9 ()/.-]{4,}", re.ASCII)


@dataclass(frozen=True)
class Customer:
    """A customer's details, checked."""

    name: str
    email: str
    address: str
    address2: str
    postal_code: str
    city: str
    region: str
    country: str
    phone: str


def read_customer(posted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Read the form's fields; return what was typed, and a message for each field that is wrong."""
    values = {field: posted.get(field, "").strip() for field in LONGEST}
    errors = {field: message for field in LONGEST if (message := _what_is_wrong(field, values[field]))}
    return values, errors


def _what_is_wrong(field: str, value: str) -> str | None:
    if not value:
        return REQUIRED.get(field)
    if len(value) > LONGEST[field]:
        return f"Please shorten this to {LONGEST[field]} characters."
    if has_control_characters(value):
        return "Please remove line breaks and special characters."
    if field == "email" and not (_EMAIL.fullmatch(value) and len(value.partition("@")[0]) <= 64):
        return "Please check the e-mail address, such as name@example.com."
    if field == "country" and value not in settings.shop.countries:
        return "We do not ship there. Please choose a country from the list."
    if field == "phone" and not _PHONE.fullmatch(value):
        return "Please give the telephone number in digits, or leave it out."
    return None
