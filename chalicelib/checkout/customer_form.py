"""Who buys, and where to: the checkout form's fields and what may stand in them."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.cleaning import clean_code
from chalicelib.mail.addresses import LONGEST_ADDRESS, BadAddress, normalize
from chalicelib.orders.delivery import delivery_fields

LONGEST = {
    "name": delivery_fields.LONGEST["name"],
    "email": LONGEST_ADDRESS,
    **delivery_fields.LONGEST,
}  # in the form's order
REQUIRED = {
    "email": "Please enter your email address. We’ll send your confirmation there.",
    **delivery_fields.REQUIRED,
}


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
    values = delivery_fields.clean_delivery(posted)
    email, email_error = _read_email(clean_code(posted.get("email", "")))
    is_confirmed = posted.get("confirmed", "") == delivery_fields.mark_of_doubts(values)
    doubts = {} if is_confirmed else delivery_fields.find_doubts(values)
    errors = {**doubts, **delivery_fields.validate_delivery(values), "email": email_error}
    kept = {field: email if field == "email" else values[field] for field in LONGEST}
    return kept, {field: message for field in LONGEST if (message := errors.get(field))}


def _read_email(typed: str) -> tuple[str, str | None]:
    """Return an address as it is kept, and what is wrong with it."""
    if not typed:
        return typed, REQUIRED["email"]
    if (error := delivery_fields.validate_line(typed, LONGEST["email"])) is not None:
        return typed, error
    try:
        return normalize(typed), None
    except BadAddress as refusal:
        return typed, str(refusal)
