"""Who a parcel goes to, and where: the fields of a delivery, cleaned and checked, at the checkout and by staff."""

import re
from collections.abc import Mapping

from chalicelib.cleaning import clean_code, clean_line, find_control_character
from chalicelib.config import settings

LONGEST = {
    "name": 100,
    "address": 150,
    "address2": 150,
    "postal_code": 20,
    "city": 100,
    "region": 100,
    "country": 2,
    "phone": 40,
}
REQUIRED = {
    "name": "Please give your name.",
    "address": "Please give the street and number.",
    "postal_code": "Please give the postal code.",
    "city": "Please give the town or city.",
    "country": "Please choose a country.",
}
MIN_PHONE_DIGITS = 4
MAX_PHONE_DIGITS = 15  # ITU-T E.164
_TEL = re.compile(r"tel:(//)?", re.IGNORECASE)
_EXTENSION = re.compile(
    r"(?:ext|extension|x|#|;|,|dw|durchwahl|poste|int)[.:=\s]*[0-9]{1,7}\D*$", re.IGNORECASE
)


def clean_delivery(posted: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a delivery as they are kept; those that are missing are empty."""
    values = {field: clean_line(posted.get(field, "")) for field in LONGEST}
    values["postal_code"] = clean_code(values["postal_code"])
    values["phone"] = _TEL.sub("", clean_code(values["phone"]), count=1).strip()
    return values


def validate_delivery(values: Mapping[str, str]) -> dict[str, str]:
    """Return a message for each field that is wrong."""
    return {field: message for field in LONGEST if (message := _error_in(field, values[field]))}


def validate_line(value: str, longest: int) -> str | None:
    """Return what is wrong with one clean line of text."""
    if len(value) > longest:
        return f"Please shorten this to {longest} characters."
    if (control := find_control_character(value)) is not None:
        return f"Please remove the control character {control}."
    return None


def _error_in(field: str, value: str) -> str | None:
    if not value:
        return REQUIRED.get(field)
    if (error := validate_line(value, LONGEST[field])) is not None:
        return error
    if field == "country" and value not in settings.shop.countries:
        return "We do not ship there. Please choose a country from the list."
    if field == "phone":
        return _error_in_phone(value)
    return None


def _error_in_phone(value: str) -> str | None:
    """Check the digits alone: there is no one way to write a number. Those of an extension are not counted."""
    number = _EXTENSION.sub("", value)
    digits = sum(map(str.isdigit, number)) or sum(map(str.isdigit, value))
    if MIN_PHONE_DIGITS <= digits <= MAX_PHONE_DIGITS:
        return None
    return (
        f"A telephone number has {MIN_PHONE_DIGITS} to {MAX_PHONE_DIGITS} digits, this has {digits}. "
        "Please check it, or leave it out."
    )
