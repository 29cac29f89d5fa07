"""What a form has changed already: stored in the product's row, so that a form sent again changes nothing twice.

There is one entry per form: the beginning of its ID, then for each row that it changed a hash of the row and a
hash of what was requested, eight letters together, because shoppers read the product's row, too.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

FORMS_KEPT = 50  # a form may be open for hours
FORM_LETTERS = 12  # of its random ID: enough to distinguish fifty
_LETTERS = 4  # 24 bits; rows are distinguished within one form, and requests within one row

Marks = Mapping[str, str]  # a row's hash → the hash of what was requested for it


def short_hash(*parts: object) -> str:
    """Return a hash of a row, or of what was requested, in four letters."""
    return urlsafe_b64encode(sha256(repr(parts).encode()).digest()[:3]).decode()


def rows_processed_by(form_token: str, entries: Iterable[str]) -> Marks:
    """Return which rows of a product a form has changed; empty if the product has no entry of the form."""
    for entry in entries:
        known, _, marks = entry.partition(" ")
        if known == form_token[:FORM_LETTERS]:
            pairs = (marks[at : at + 2 * _LETTERS] for at in range(0, len(marks), 2 * _LETTERS))
            return {pair[:_LETTERS]: pair[_LETTERS:] for pair in pairs}
    return {}


def record_form(form_token: str, changed: Marks, entries: Sequence[str]) -> list[str]:
    """Return the entries with the rows that a form changes added, as the latest."""
    marks = {**rows_processed_by(form_token, entries), **changed}
    name = form_token[:FORM_LETTERS]
    others = [entry for entry in entries if entry.partition(" ")[0] != name]
    return [*others, f"{name} {''.join(row + asked for row, asked in marks.items())}"][-FORMS_KEPT:]
