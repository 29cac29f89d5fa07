"""Where goods are sent, for taxes: a country and a postal code resolve to a territory of territories.toml."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("territories.toml")
_SIGNS = re.compile(r"[^A-Z0-9]", re.ASCII)
_COUNTRY_OF_CODE = re.compile(r"^[A-Z]+(?=[0-9])", re.ASCII)  # D-27498, AX-22100


class Area(StrEnum):
    """A VAT area: within one, goods are supplied; out of it, they are exported."""

    EU = "EU"
    GB = "GB"
    NO = "NO"
    CH = "CH"
    NONE = ""


@dataclass(frozen=True)
class Territory:
    """A territory for taxes, such as DE, ES-CN or XI, and the VAT area that it is in."""

    code: str
    name: str
    area: Area = Area.NONE
    source: str = ""

    @property
    def state(self) -> str:
        """The country whose tax office taxes it: FR for FR-20R (Corsica), XI for Northern Ireland."""
        return self.code.partition("-")[0]


def find_territory(country: str, postal_code: str = "", region: str = "") -> Territory:
    """Find the territory of an address; capitals, spaces and hyphens do not matter.

    Without a postal code the region decides, and without both the country's main territory. A country that is not listed is a
    territory in no VAT area. Raises ValueError for what is no country's code of two letters.
    """
    country = country.strip().upper()
    if not re.fullmatch(r"[A-Z]{2}", country, re.ASCII):
        raise ValueError(f"“{country}” isn’t a country’s code of two letters")
    known = _known()
    main = known.by_country.get(country, country)
    code = _SIGNS.sub("", postal_code.upper())
    if code:
        found = _of_code(known.by_prefix.get(main, ()), code)
    else:
        found = known.by_region.get((main, region.strip().casefold()))
    return known.territories.get(found or main) or Territory(main, main)


def list_territories() -> list[Territory]:
    """List the territories that the shop knows, in the file's order."""
    return list(_known().territories.values())


@dataclass(frozen=True)
class _Known:
    territories: Mapping[str, Territory]
    by_country: Mapping[str, str]  # another code of a country → its territory
    by_prefix: Mapping[str, Sequence[tuple[str, Sequence[int], str]]]  # longest prefixes first
    by_region: Mapping[tuple[str, str], str]


@cache
def _known() -> _Known:
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))["territory"]
    by_country: dict[str, str] = {}
    by_prefix: dict[str, list[tuple[str, Sequence[int], str]]] = {}
    by_region: dict[tuple[str, str], str] = {}
    for row in rows:
        code = row["code"]
        by_country |= dict.fromkeys(row.get("countries", ()), code)
        for country, _, prefix in (text.partition(" ") for text in row.get("postal", ())):
            by_prefix.setdefault(country, []).append((prefix, row.get("lengths", ()), code))
        for country, _, region in (text.partition(" ") for text in row.get("regions", ())):
            by_region[country, region.casefold()] = code
    for prefixes in by_prefix.values():
        prefixes.sort(key=lambda each: -len(each[0]))
    territories = {
        row["code"]: Territory(row["code"], row["name"], Area(row.get("area", "")), row["source"])
        for row in rows
    }
    return _Known(territories, by_country, by_prefix, by_region)


def _of_code(prefixes: Sequence[tuple[str, Sequence[int], str]], code: str) -> str | None:
    digits = _COUNTRY_OF_CODE.sub("", code)
    return next(
        (
            territory
            for prefix, lengths, territory in prefixes
            if (digits if prefix.isdecimal() else code).startswith(prefix)
            and (not lengths or len(digits) in lengths)
        ),
        None,
    )
