"""Who a parcel goes to, and where: the fields of a delivery, cleaned and validated, for checkout and staff."""

import hashlib
import re
from collections.abc import Container, Mapping

from chalicelib import postal
from chalicelib.cleaning import clean_code, clean_line, find_control_character
from chalicelib.config import settings
from chalicelib.shop_settings.delivery import NOT_SHIPPED_TO

MAX_LENGTHS = {
    "name": 100,
    "address": 150,
    "address2": 150,
    "postal_code": 20,
    "city": 100,
    "region": 100,
    "country": 2,
    "phone": 40,
}
REQUIRED = {  # if the country's rules do not say otherwise
    "name": "Please enter your name.",
    "address": "Please enter the street address.",
    "postal_code": "Please enter the postal code.",
    "city": "Please enter the city.",
    "country": "Please choose a country.",
}
MIN_PHONE_DIGITS = 4
MAX_PHONE_DIGITS = 15  # ITU-T E.164
_TEL = re.compile(r"tel:(//)?", re.IGNORECASE)
# A word or sign of any language after the number, and up to seven digits at the end: ext. 12, доб. 12, 分機 12,
# #12.
_EXTENSION = re.compile(r"(?<=[0-9)])[^0-9]*(?:[^\W\d_]|[#;,~])[^0-9]*[0-9]{1,7}[^0-9]*$")
_TRUNK = re.compile(r"(?<=[0-9) ])\(0\)")  # as in +44 (0)20, where the 0 is not dialled


def clean_delivery(posted: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a delivery as they are stored; missing ones are empty."""
    values = {field: clean_line(posted.get(field, "")) for field in MAX_LENGTHS}
    values["postal_code"] = clean_code(values["postal_code"])
    values["phone"] = _TEL.sub("", clean_code(values["phone"]), count=1).strip()
    return postal.normalize_address(values)


def validate_delivery(values: Mapping[str, str], countries: Container[str]) -> dict[str, str]:
    """Return a message for each invalid field; `countries` are the codes of those that the shop ships to."""
    required = REQUIRED
    if values["country"] in countries:
        required = {"name": REQUIRED["name"], **postal.required_fields(values["country"])}
    errors = {}
    for field in MAX_LENGTHS:
        error = _error_in(field, values[field], countries) if values[field] else required.get(field)
        if error:
            errors[field] = error
    return errors


def find_doubts(values: Mapping[str, str]) -> dict[str, str]:
    """Return a question for each field of an address that looks wrong but may be right: ask once, then accept it."""
    return postal.find_doubts(values) if settings.shop.is_country(values["country"]) else {}


def fingerprint_of_doubts(values: Mapping[str, str]) -> str:
    """Return a fingerprint of the doubtful fields, for the form that asks about them; empty if there are none."""
    doubts = find_doubts(values)
    if not doubts:
        return ""
    doubtful = {field: values[field] for field in ("country", "region", *doubts)}
    return hashlib.sha256(repr(sorted(doubtful.items())).encode()).hexdigest()[:16]


def validate_line(value: str, longest: int) -> str | None:
    """Return what is wrong with one clean line of text; None if it is valid."""
    if len(value) > longest:
        return f"Please shorten this to {longest} characters."
    if (control := find_control_character(value)) is not None:
        return f"Please remove the control character {control}."
    return None


def _error_in(field: str, value: str, countries: Container[str]) -> str | None:
    if (error := validate_line(value, MAX_LENGTHS[field])) is not None:
        return error
    if field == "country" and value not in countries:
        return NOT_SHIPPED_TO
    if field == "phone":
        return _error_in_phone(value)
    return None


def _error_in_phone(value: str) -> str | None:
    """Validate only the digits: there are many ways to write a number.

    Those of an extension and a “(0)” are not counted.
    """
    number = _EXTENSION.sub("", value)
    if value.startswith(("+", "(+", "00")):
        number = _TRUNK.sub("", number)
    digits = sum(map(str.isdigit, number))
    if MIN_PHONE_DIGITS <= digits <= MAX_PHONE_DIGITS:
        return None
    return (
        f"A phone number has {MIN_PHONE_DIGITS} to {MAX_PHONE_DIGITS} digits; this one has {digits}. "
        "Please check it or leave the field empty."
    )
