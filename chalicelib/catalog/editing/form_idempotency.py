"""What forms have changed already: kept in the product's row, so that a form sent again changes nothing twice.

A map of forms, oldest first: a form's token → the rows that it changed → what was asked of each, as a digest, because
shoppers read the product's row, too.
"""

from collections.abc import Mapping
from hashlib import sha256

FORMS_KEPT = 50  # a form may lie open for hours
Rows = Mapping[str, str]  # a row's name, such as a SKU → what was asked of it


def digest(request: object) -> str:
    """Shorten what is asked of a row; two requests are compared within one row of one form."""
    return sha256(repr(request).encode()).hexdigest()[:8]


def rows_processed_by(form_token: str, forms: Mapping[str, Rows]) -> Rows:
    """Return which rows of a product a form has changed; none where the product does not know it."""
    return forms.get(form_token, {})


def record_form(form_token: str, rows: Rows, forms: Mapping[str, Rows]) -> dict[str, Rows]:
    """Add the rows that a form changes to what is known of it, as the product's latest form."""
    others = [(token, known) for token, known in forms.items() if token != form_token]
    latest = {**rows_processed_by(form_token, forms), **rows}
    return dict([*others, (form_token, latest)][-FORMS_KEPT:])
