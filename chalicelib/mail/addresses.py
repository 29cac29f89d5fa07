"""Names and addresses of email: one definition of an email address for every entry point and every header."""

import re
from email.header import Header
from email.utils import formataddr
from functools import lru_cache

from chalicelib.cleaning import clean_code

MAX_NAME_LENGTH = 100
MAX_ADDRESS_LENGTH = 254  # RFC 5321
MAX_LOCAL_PART_LENGTH = 64
# Controls, line and paragraph separators, surrogates, and characters that change the direction of the following
# text.
_NOT_IN_A_LINE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\s]+"
)
# What is copied along with an address: a link's scheme and query, angle brackets, and the punctuation of a
# sentence or a list.
_AROUND_AN_ADDRESS = re.compile(
    r"^<?(?:mailto:)?<?|(?<=.)(?:\?(?:subject|body|cc|bcc)=[^@]*|[>.,; ]+)$", re.IGNORECASE
)
# RFC 2606 and RFC 6761: nobody can own these.
_RESERVED_DOMAINS = (".test", ".example", ".invalid", ".localhost", ".localdomain")
CHECK = "Please check the email address. It should look like name@example.com."
TOO_LONG = (
    f"This is too long: an email address can have up to {MAX_ADDRESS_LENGTH} characters, "
    f"up to {MAX_LOCAL_PART_LENGTH} of them before the “@”."
)


class BadAddress(Exception):
    """Email cannot be sent to this address.

    The message gives the reason to the person who entered it, without the address.
    """


class Undeliverable(Exception):
    """Raised if an email can never reach its recipient; the message does not contain the address."""


def single_line(text: str) -> str:
    """Return a text as one line: characters that break lines or change their direction become spaces."""
    return _NOT_IN_A_LINE.sub(" ", text).strip()


def format_address(name: str, address: str) -> str:
    """Return `Name <address>` for a header, in ASCII (RFC 5322, RFC 2047). Raises BadAddress."""
    name = single_line(name)[:MAX_NAME_LENGTH].strip()
    if not name.isascii() or "=?" in name:  # ASCII that looks encoded would be decoded by the reader
        name = Header(name, "utf-8", maxlinelen=75).encode(linesep="")
        return f"{name} <{normalize_address(address)}>"
    return formataddr((name, normalize_address(address)))


def normalize(text: str) -> str:
    """Return an address as it is shown and stored: as entered, but with its domain in lower case.

    Raises BadAddress.
    """
    return _checked(text)[0]


def normalize_address(text: str) -> str:
    """Return an address as mail servers expect it, with its domain in ASCII. Raises BadAddress."""
    return _checked(text)[1]


def is_reserved(address: str) -> bool:
    """Return whether an address is in a domain that nobody can own, such as .test and .example, which development uses."""
    return f".{address.casefold().rpartition('@')[2]}".endswith(_RESERVED_DOMAINS)


@lru_cache(maxsize=256)
def _checked(text: str) -> tuple[str, str]:
    if len(text) > 4 * MAX_ADDRESS_LENGTH:  # before cleaning and encoding, which take a second for 60 kB
        raise BadAddress(TOO_LONG)
    address = _AROUND_AN_ADDRESS.sub("", clean_code(text)).strip()
    local, _, domain = address.rpartition("@")
    if len(address) > MAX_ADDRESS_LENGTH or len(local) > MAX_LOCAL_PART_LENGTH:
        raise BadAddress(TOO_LONG)
    if not local or not domain:
        raise BadAddress(CHECK)
    if '"' in local:
        raise BadAddress("We can’t send email to an address with quotation marks. Please enter another one.")
    if not local.isascii():  # SES takes only 7-bit local parts
        letter = next(each for each in local if not each.isascii())
        raise BadAddress(
            f"We can’t send email to an address with “{letter}” before the “@”. Please enter another one."
        )
    # Imported here: it compiles large patterns, which pages without a form do not need.
    from email_validator import EmailNotValidError, validate_email

    try:
        # `test_environment` accepts .test, which development uses.
        checked = validate_email(
            address, allow_smtputf8=False, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError as error:
        raise BadAddress(f"{CHECK} {error}") from None
    top = checked.ascii_domain.rpartition(".")[2]
    if "." not in checked.ascii_domain or len(top) < 2 or checked.ascii_email is None:
        raise BadAddress(CHECK)
    return checked.normalized, checked.ascii_email
