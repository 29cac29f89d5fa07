"""Customer and delivery address: the checkout form's fields and their validation."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from chalicelib.cleaning import clean_code
from chalicelib.config import settings
from chalicelib.mail.addresses import CHECK, MAX_ADDRESS_LENGTH, BadAddress, is_reserved, normalize
from chalicelib.orders.delivery import delivery_fields

MAX_LENGTHS = {
    "name": delivery_fields.MAX_LENGTHS["name"],
    "email": MAX_ADDRESS_LENGTH,
    "phone": delivery_fields.MAX_LENGTHS["phone"],
    **delivery_fields.MAX_LENGTHS,
}  # in the form's order
REQUIRED = {
    "email": "Please enter your email address. We’ll send your confirmation there.",
    **delivery_fields.REQUIRED,
}


@dataclass(frozen=True)
class Customer:
    """A customer's validated details."""

    name: str
    email: str
    address: str
    address2: str
    postal_code: str
    city: str
    region: str
    country: str
    phone: str


def validate_customer(
    posted: Mapping[str, str], countries: Container[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the form's fields as they are stored, and a message for each invalid field.

    `countries` are the codes of those that the shop ships to. A doubtful field is asked about once: the returned form
    carries `confirmed`, and is then accepted.
    """
    values = delivery_fields.clean_delivery(posted)
    email, email_error = _read_email(clean_code(posted.get("email", "")))
    is_confirmed = posted.get("confirmed", "") == delivery_fields.fingerprint_of_doubts(values)
    doubts = {} if is_confirmed or values["country"] not in countries else delivery_fields.find_doubts(values)
    errors = {**doubts, **delivery_fields.validate_delivery(values, countries), "email": email_error}
    kept = {field: email if field == "email" else values[field] for field in MAX_LENGTHS}
    return kept, {field: message for field in MAX_LENGTHS if (message := errors.get(field))}


def mark_of_asked(values: Mapping[str, str], errors: Mapping[str, str], posted: Mapping[str, str]) -> str:
    """Return the returned form's `confirmed`; empty until only doubts are left.

    Beside errors that must be corrected anyway, a doubt is easily overlooked.
    """
    mark = delivery_fields.fingerprint_of_doubts(values)
    is_asked = not errors or errors.items() <= delivery_fields.find_doubts(values).items()
    return mark if is_asked or posted.get("confirmed") == mark else ""


def _read_email(form_data: str) -> tuple[str, str | None]:
    """Return an email address as it is stored, and its error message."""
    if not form_data:
        return form_data, REQUIRED["email"]
    if (error := delivery_fields.validate_line(form_data, MAX_LENGTHS["email"])) is not None:
        return form_data, error
    try:
        address = normalize(form_data)
    except BadAddress as refusal:
        return form_data, str(refusal)
    if settings.paypal_is_live and is_reserved(
        address
    ):  # email could never arrive; tests and trials may use these
        return address, CHECK
    return address, None
