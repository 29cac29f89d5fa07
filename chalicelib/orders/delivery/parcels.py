"""The parcels of an order: carrier, tracking number and tracking URL."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib.cleaning import clean_code, clean_line
from chalicelib.config import settings

_NOT_IN_A_NUMBER = re.compile(r"[^A-Za-z0-9]+", re.ASCII)
_LIKE_A_NUMBER = re.compile(r"(?=.*[0-9])[A-Za-z0-9 ./_-]{4,60}", re.ASCII)
_BRACKETS = str.maketrans("", "", "()[]")
_AROUND_A_NUMBER = " #%*+.,:;-_/'\"‘’‚“”„"
# The signs for “number”, which are no letters of one: №, n°, Nº, N.º
_NUMBER_SIGN = re.compile(r"№|\bn\.? ?[°º˚]", re.I)
# What carriers' pages and emails print before a number, each word with white space or a sign behind it.
_LABEL_WORDS = (
    "no|nr|num|number|numbers|num[eé]ro|n[uú]mero|nummer|numer|numeris|[cč][ií]slo|id|code|c[oó]digo|codice|kod|ref|reference"
    "|track|trace|tracking|trackingn(?:o|r|umber|ummer)|parcel|package|shipment|shipping|consignment|delivery|waybill|awb"
    "|sendungs?|sendungs?(?:nr|nummer|id|code|verfolgung|verfolgungsnummer)|pakets?|paket(?:nr|nummer|schein)|barcode"
    "|suivi|colis|exp[eé]dition|env[ií]o|seguimiento|rastreo|rastreio|rastreamento|objeto|spedizione|tracciamento"
    "|zending|zendingnummer|pakketnummer|kolli(?:nr|nummer)?|sp[aå]rningsnummer|sp[aå]rnings|sporings(?:nr|nummer)?|pakke"
    "|przesy[lł]ki|paczki|list|przewozowy|z[aá]silky|bal[ií]ku"
)
_LABEL = re.compile(
    rf"(?:{_LABEL_WORDS})(?:[ .:#-]+(?:(?:and|&|de|del|di|do|da) )?(?:{_LABEL_WORDS}))*[ .:#]+(?=.*[0-9])",
    re.I,
)
# A number of the Universal Postal Union, such as NO 123 456 785 DE, begins with letters of its own.
_POSTAL_UNION = re.compile(r"[A-Z]{2} ?(?:[0-9] ?){9}[A-Z]{2}", re.I)


@dataclass(frozen=True)
class Parcel:
    """How a parcel was sent. Tracking number and link may be empty; `link` is what staff entered."""

    carrier: str
    tracking: str = ""
    link: str = ""

    @property
    def address(self) -> str:
        """The tracking URL: the link that staff entered, else the carrier's page; empty if there is none."""
        carrier = settings.shop.carrier_of(self.carrier)
        # Labels print a number in groups; no carrier's number contains a space.
        return self.link or (carrier.link_to(self.tracking.replace(" ", "")) if carrier else "")

    def __str__(self) -> str:
        """Return carrier and number."""
        return f"{self.carrier} {self.tracking}".strip()


def parcel_of(stored: Mapping[str, str]) -> Parcel:
    """Return a parcel from an order's stored values."""
    return Parcel(stored["carrier"], stored["tracking"], stored["link"])


def parcel_view(stored: Mapping[str, str]) -> dict[str, Any]:
    """Return a parcel's values for templates; `shown` is the fingerprint that its form carries to detect other changes."""
    parcel = parcel_of(stored)
    return {
        **asdict(parcel),
        "id": stored["id"],
        "at": stored["at"],
        "address": parcel.address,
        "shown": fingerprint(asdict(parcel)),
    }


def fingerprint(values: Mapping[str, str]) -> str:
    """Return a hash of what a form showed, to compare it with the current values when the form is sent."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:32]


def clean_tracking_number(text: str) -> str:
    """Return a tracking number in plain characters, without what is printed around it.

    That is a label such as “Tracking number:” or “Nr.”, a #, the signs at both ends of a bar code, and the brackets
    of a GS1 application identifier: an SSCC is printed as (00) 3 4043 … and searched with the two zeros.
    """
    code = clean_code(_NUMBER_SIGN.sub("No. ", clean_line(text)))
    number = clean_code(code.translate(_BRACKETS).strip(_AROUND_A_NUMBER))
    if _POSTAL_UNION.fullmatch(number) is None:
        number = number.removeprefix(label[0] if (label := _LABEL.match(number)) else "")
    return number.strip(_AROUND_A_NUMBER) or code


def normalize_tracking_number(tracking: str) -> str:
    """Return a tracking number as it is stored and searched: only letters and digits."""
    return _NOT_IN_A_NUMBER.sub("", tracking).lower()


def parse_tracking_number(text: str) -> str:
    """Return a search text as a tracking number, normalized like stored ones; empty if it cannot be one."""
    cleaned = clean_tracking_number(text)
    return normalize_tracking_number(cleaned) if _LIKE_A_NUMBER.fullmatch(cleaned) else ""
