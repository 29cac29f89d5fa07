"""Where the visitor wants the cart sent: country and postal code, kept with the session before an address is known."""

import json
from collections.abc import Container, Mapping
from typing import Any

from pynamodb.expressions.update import Action

from chalicelib.cart.models import Cart
from chalicelib.cart.sessions import Session
from chalicelib.cleaning import clean_code, clean_line, find_control_character
from chalicelib.errors import BadInput
from chalicelib.shop_settings.delivery import NOT_SHIPPED_TO
from chalicelib.taxes.assessment import Destination

NAME = "destination"  # of the session's value
MAX_POSTAL_CODE_LENGTH = 20


def find_destination(session: Session, countries: Container[str]) -> Destination | None:
    """Return where the visitor wants it sent; None if that is not known, or the country is no longer shipped to."""
    stored = session.get(NAME)
    if stored is None or stored["country"] not in countries:
        return None
    return Destination(stored["country"], stored["postal_code"])


def save_destination(session: Session, destination: Destination) -> None:
    """Keep a destination with the session: one write."""
    session[NAME] = _document(destination.country, destination.postal_code)


def keep_with_order(customer: Mapping[str, str]) -> Action:
    """Return the action by which the session keeps the destination of the order that is placed from it."""
    path: Any = Cart.data[NAME]
    action: Action = path.set(json.dumps(_document(customer["country"], customer["postal_code"])))
    return action


def read_destination(posted: Mapping[str, str], countries: Container[str]) -> Destination:
    """Return the destination that was entered. Raises BadInput with the reason.

    The postal code may be empty: not every country has them, and for most it does not change the total.
    """
    code = clean_line(posted.get("country", ""))
    if code not in countries:
        raise BadInput(NOT_SHIPPED_TO)
    from chalicelib import postal  # its data is not for every first page

    country = postal.country_of(code)
    entered = clean_code(clean_line(posted.get("postal_code", "")))
    if (control := find_control_character(entered)) is not None:
        raise BadInput(f"Please remove the control character {control} from the postal code.")
    postal_code = country.normal_postal_code(entered)
    if len(postal_code) > MAX_POSTAL_CODE_LENGTH:
        raise BadInput(f"Please shorten the postal code to {MAX_POSTAL_CODE_LENGTH} characters.")
    if postal_code and not country.is_postal_code(postal_code):
        example = f", such as {country.examples[0]}" if country.examples else ""
        raise BadInput(f"“{postal_code}” doesn’t look like a postal code of this country{example}.")
    return Destination(code, postal_code)


def _document(country: str, postal_code: str) -> dict[str, str]:
    return {"country": country, "postal_code": postal_code}
