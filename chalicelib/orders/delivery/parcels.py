"""The parcels of an order: who carries each, its tracking number, and where it is followed."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib.cleaning import clean_code
from chalicelib.config import settings

_NOT_IN_A_NUMBER = re.compile(r"[^A-Za-z0-9]+", re.ASCII)
_LIKE_A_NUMBER = re.compile(r"(?=.*[0-9])[A-Za-z0-9 ./_-]{4,60}", re.ASCII)
_BRACKETS = str.maketrans("", "", "()[]")
_AROUND_A_NUMBER = " #%*+.,:;-_/'\"‘’‚“”„"


@dataclass(frozen=True)
class Parcel:
    """How a parcel was sent. Tracking number and link may be empty; `link` is kept where staff gave one."""

    carrier: str
    tracking: str = ""
    link: str = ""

    @property
    def address(self) -> str:
        """Where the parcel is followed: the link that staff gave, else its carrier's page; empty where there is none."""
        carrier = settings.shop.carrier_of(self.carrier)
        # Labels print a number in groups, for readers; no carrier's number has a blank of its own.
        return self.link or (carrier.link_to(self.tracking.replace(" ", "")) if carrier else "")

    def __str__(self) -> str:
        """Name carrier and number."""
        return f"{self.carrier} {self.tracking}".strip()


def parcel_of(stored: Mapping[str, str]) -> Parcel:
    """Read a parcel as an order keeps it."""
    return Parcel(stored["carrier"], stored["tracking"], stored["link"])


def parcel_view(stored: Mapping[str, str]) -> dict[str, Any]:
    """Show a parcel as templates take it; `shown` is what its form carries, to find out whether somebody was quicker."""
    parcel = parcel_of(stored)
    return {
        **asdict(parcel),
        "id": stored["id"],
        "at": stored["at"],
        "address": parcel.address,
        "shown": fingerprint(asdict(parcel)),
    }


def fingerprint(values: Mapping[str, str]) -> str:
    """Digest what a form showed, so that it can be told from what is there when it is sent."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:32]


def clean_tracking_number(text: str) -> str:
    """Return a tracking number in plain characters, without what is printed around it.

    Such are a #, the signs at both ends of a bar code, and the brackets of a GS1 application identifier: an SSCC is
    printed as (00) 3 4043 … and asked for with the two zeros.
    """
    code = clean_code(text)
    return clean_code(code.translate(_BRACKETS).strip(_AROUND_A_NUMBER)) or code


def normalize_tracking_number(tracking: str) -> str:
    """Write a tracking number as it is kept and asked for: letters and digits alone."""
    return _NOT_IN_A_NUMBER.sub("", tracking).lower()


def parse_tracking_number(text: str) -> str:
    """Read a question as a tracking number, cleaned as one that is stored; empty where it cannot be one."""
    cleaned = clean_tracking_number(text)
    return normalize_tracking_number(cleaned) if _LIKE_A_NUMBER.fullmatch(cleaned) else ""
