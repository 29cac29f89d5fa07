"""What a form has changed already: kept in the product's row, so that a form sent again changes nothing twice.

An entry a form: the beginning of its id, then for each row that it changed which row it was and what was asked of it,
in eight letters together, because shoppers read the product's row, too.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

FORMS_KEPT = 50  # a form may lie open for hours
FORM_LETTERS = 12  # of its random id: enough to tell fifty apart
_LETTERS = 4  # 24 bits; rows are told apart within one form, and what was asked within one row

Marks = Mapping[str, str]  # a row's mark → the mark of what was asked of it


def short_hash(*parts: object) -> str:
    """Return a row, or what was asked of it, in four letters."""
    return urlsafe_b64encode(sha256(repr(parts).encode()).digest()[:3]).decode()


def rows_processed_by(form_token: str, entries: Iterable[str]) -> Marks:
    """Read which rows of a product a form has changed; none where the product does not know it."""
    for entry in entries:
        known, _, marks = entry.partition(" ")
        if known == form_token[:FORM_LETTERS]:
            pairs = (marks[at : at + 2 * _LETTERS] for at in range(0, len(marks), 2 * _LETTERS))
            return {pair[:_LETTERS]: pair[_LETTERS:] for pair in pairs}
    return {}


def record_form(form_token: str, changed: Marks, entries: Sequence[str]) -> list[str]:
    """Add the rows that a form changes to what is known of it, as the product's latest entry."""
    marks = {**rows_processed_by(form_token, entries), **changed}
    name = form_token[:FORM_LETTERS]
    others = [entry for entry in entries if entry.partition(" ")[0] != name]
    return [*others, f"{name} {''.join(row + asked for row, asked in marks.items())}"][-FORMS_KEPT:]
