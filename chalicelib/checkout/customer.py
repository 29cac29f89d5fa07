"""Who buys, and where to: the checkout form's fields and what may stand in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.cleaning import clean_code
from chalicelib.mail.addresses import LONGEST_ADDRESS
from chalicelib.orders import delivery

LONGEST = {
    "name": delivery.LONGEST["name"],
    "email": LONGEST_ADDRESS,
    **delivery.LONGEST,
}  # in the form's order
REQUIRED = {"email": "Please give your e-mail address: the confirmation goes there.", **delivery.REQUIRED}
# What SES and every mail server take: no quoted local parts, no comments, a domain with a dot.
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])",
    re.ASCII,
)


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
    """Read the form's fields; return them as they are kept, and a message for each field that is wrong.

    What is doubtful is asked about once: the form that comes back carries `confirmed`, and is then let through.
    """
    values = {**delivery.clean_delivery(posted), "email": clean_code(posted.get("email", ""))}
    asked = posted.get("confirmed", "") == delivery.mark_of_doubts(values)
    doubts = {} if asked else delivery.find_doubts(values)
    errors = {**doubts, **delivery.validate_delivery(values), "email": _error_in_email(values["email"])}
    ordered = {field: values[field] for field in LONGEST}
    return ordered, {field: message for field in LONGEST if (message := errors.get(field))}


def _error_in_email(email: str) -> str | None:
    if not email:
        return REQUIRED["email"]
    if (error := delivery.validate_line(email, LONGEST["email"])) is not None:
        return error
    if not (_EMAIL.fullmatch(email) and len(email.partition("@")[0]) <= 64):
        return "Please check the e-mail address, such as name@example.com."
    return None
