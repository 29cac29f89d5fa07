"""Names and addresses in headers: whatever a customer typed stays one name and one address."""

import re
from email.header import Header
from email.utils import formataddr

LONGEST_NAME = 100
LONGEST_ADDRESS = 254  # RFC 5321
# Controls, line and paragraph separators, surrogates, and the characters that turn the direction of what follows.
_NOT_IN_A_LINE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\s]+"
)
# SES takes 7-bit local parts only; what would need quotes (RFC 5322) nobody has.
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")


class BadAddress(Exception):
    """Say that nobody can be written to at this address; the address itself is not said."""


class Undeliverable(Exception):
    """Say that a mail can never reach its recipient's address; the address itself is not said."""


def one_line(text: str) -> str:
    """Make one line of a text: whatever breaks or turns lines becomes a space."""
    return _NOT_IN_A_LINE.sub(" ", text).strip()


def with_name(name: str, address: str) -> str:
    """Write `Name <address>` for a header, in ASCII (RFC 5322, RFC 2047). Raises BadAddress."""
    name = one_line(name)[:LONGEST_NAME].strip()
    if not name.isascii() or "=?" in name:  # ASCII that looks encoded would be decoded by who reads it
        name = Header(name, "utf-8", maxlinelen=75).encode(linesep="")
        return f"{name} <{bare(address)}>"
    return formataddr((name, bare(address)))


def bare(address: str) -> str:
    """Check an address and write its domain in ASCII. Raises BadAddress."""
    address = address.strip()
    if len(address) > LONGEST_ADDRESS:  # before its domain is encoded, which takes a second for 60 kB of it
        raise BadAddress("the address is too long")
    local, _, domain = address.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise BadAddress("the address has no domain that mail can go to") from None
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(ascii_domain):
        raise BadAddress("the address is not one that mail can go to")
    if len(local) + 1 + len(ascii_domain) > LONGEST_ADDRESS:
        raise BadAddress("the address is too long")
    return f"{local}@{ascii_domain}"
