"""Forms: what browsers post, parsed strictly."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from chalice.app import Request

from chalicelib import money
from chalicelib.cleaning import clean_line, clean_lines
from chalicelib.errors import BadInput, PayloadTooLarge, UnsupportedMediaType
from chalicelib.web import http_request

MAX_BYTES = 64 * 1024
MAX_FIELDS = 200
_REPLACED = "\ufffd"  # API Gateway puts this where bytes were not UTF-8; browsers send it escaped


class Form:
    """A posted form. Each field may come once."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            if name in self._values:
                raise BadInput(f"The form contains the field “{name[:40]}” more than once.")
            self._values[name] = value

    def text(self, name: str) -> str:
        """Return a field as one clean line; "" if it is missing."""
        return clean_line(self._values.get(name, ""))

    def lines(self, name: str) -> str:
        """Return a field of several lines, cleaned; "" if it is missing."""
        return clean_lines(self._values.get(name, ""))

    def whole_number(self, name: str, what: str) -> int:
        """Return a field that must be a whole number, 0 or more. Raises BadInput, which names `what`."""
        try:
            return money.parse_whole_number(self.text(name))
        except ValueError:
            raise BadInput(f"Please enter {what} as a whole number.") from None

    @property
    def values(self) -> Mapping[str, str]:
        """Every field as it was posted, not cleaned: passwords are read here."""
        return self._values


def read_form(request: Request, *, most_fields: int = MAX_FIELDS, most_bytes: int = MAX_BYTES) -> Form:
    """Parse the body as a form. Raises UnsupportedMediaType, PayloadTooLarge, or BadInput if it is not UTF-8."""
    content_type = http_request.header(request, "content-type").split(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType(
            "This page only accepts the shop’s own forms. Please go back and use the form on the page."
        )
    body = request.raw_body
    raw = body if isinstance(body, bytes) else body.encode()
    if len(raw) > most_bytes:
        raise PayloadTooLarge(
            "This form contains too much data. Please shorten what you entered and try again."
        )
    not_utf8 = BadInput("The form isn’t encoded as UTF-8. Please reload the page and try again.")
    try:
        text = raw.decode("utf-8")
        if _REPLACED in text:
            raise not_utf8
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            errors="strict",
            max_num_fields=most_fields,
            encoding="utf-8",
        )
    except UnicodeDecodeError as error:
        raise not_utf8 from error
    except ValueError as error:
        raise BadInput("The form has too many fields. Please reload the page and try again.") from error
    return Form(pairs)
