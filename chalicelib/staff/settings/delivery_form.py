"""The form of the delivery zones: what was typed, and what it means."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache

from chalicelib import money
from chalicelib.config import ShippingZone, country_names, settings
from chalicelib.shop_settings.delivery import MAX_ZONES, Delivery, sort_key, validate_zones, zone_of_codes
from chalicelib.web.forms import Form

MAX_ROWS = MAX_ZONES + 4  # that are read, so that one too many can be told
MAX_FIELDS = 30 + MAX_ROWS * 8 + 600
MAX_COUNTRIES_LENGTH = 8000
_FIELD = re.compile(r"zone\.([0-9]{1,2})\.country\.([A-Z]{2})", re.ASCII)
_BETWEEN = re.compile(r"[,;\n]")
# What people call some countries, beside their names.
_ALIASES = {
    "czech republic": "CZ",
    "great britain": "GB",
    "holland": "NL",
    "uk": "GB",
    "united states of america": "US",
    "usa": "US",
}


@dataclass
class ZoneRow:
    """A zone as it was typed: `countries` are codes that are ticked, `add` are names or codes to add."""

    name: str = ""
    rate: str = ""
    free_from: str = ""
    countries: list[str] = field(default_factory=list)
    add: str = ""

    @property
    def listed(self) -> list[tuple[str, str]]:
        """List the ticked countries, code and name."""
        return [(code, settings.shop.country_name(code)) for code in self.countries]


# -- typed ------------------------------------------------------------------------------------------------


def read_rows(form: Form) -> list[ZoneRow]:
    """Read what was posted; nothing is judged yet."""
    ticked: dict[int, list[str]] = {}
    for name in form.values:
        if found := _FIELD.fullmatch(name):
            ticked.setdefault(int(found[1]), []).append(found[2])
    for number, codes in ticked.items():
        codes.sort(
            key=form.text(f"zone.{number}.first").__ne__
        )  # the chosen one first, the others as they are
    numbers = (number for number in range(MAX_ROWS) if f"zone.{number}.name" in form.values)
    return [
        ZoneRow(
            name=form.text(f"zone.{number}.name"),
            rate=form.text(f"zone.{number}.rate"),
            free_from=form.text(f"zone.{number}.free_from"),
            countries=ticked.get(number, []),
            add=form.lines(f"zone.{number}.add")[:MAX_COUNTRIES_LENGTH],
        )
        for number in numbers
    ]


def rows_of(delivery: Delivery) -> list[ZoneRow]:
    """Return zones as a form has them."""
    return [
        ZoneRow(
            name=zone.name,
            rate=money.to_decimal_string(zone.rate, settings.currency),
            free_from=""
            if zone.free_from is None
            else money.to_decimal_string(zone.free_from, settings.currency),
            countries=list(zone.countries),
        )
        for zone in delivery.zones
    ]


def edit_rows(rows: list[ZoneRow], do: str) -> str | None:
    """Change the form by one of its buttons; return what was done, in words. None for a button that is none of these."""
    what, _, text = do.partition(":")
    if what == "zone":
        rows.append(ZoneRow())
        return "Zone added at the end."
    number = int(text) if re.fullmatch("[0-9]{1,2}", text, re.ASCII) else len(rows)
    if what not in ("up", "down", "remove", "add", "others") or number >= len(rows):
        return None
    row = rows[number]
    called = f"“{row.name}”" if row.name else f"Zone {number + 1}"
    if what == "remove":
        del rows[number]
        return f"{called} removed."
    if what in ("up", "down"):
        place = max(0, min(number + (1 if what == "down" else -1), len(rows) - 1))
        rows.insert(place, rows.pop(number))
        return f"{called} moved {what}."
    unknown: list[str] = []
    if what == "others":
        taken = {code for each in rows for code in each.countries}
        codes = [code for code, _ in sorted(country_names().items(), key=lambda each: sort_key(each[1]))]
        added = [code for code in codes if code not in taken]
    else:
        added, unknown = find_countries(row.add)
        row.add = ", ".join(unknown)
    count = len(set(added) - set(row.countries))
    row.countries = _once([*row.countries, *added])
    done = f"{count} {'country' if count == 1 else 'countries'} added to {called}."
    return f"{_is_unknown(unknown[0])} {done}" if unknown else done


# -- countries --------------------------------------------------------------------------------------------


@cache
def _codes_by_name() -> dict[str, str]:
    names = country_names() | settings.shop.countries
    return _ALIASES | {sort_key(name): code for code, name in [*country_names().items(), *names.items()]}


def find_countries(text: str) -> tuple[list[str], list[str]]:
    """Return the codes of the countries that a text names, and what in it is none: names or codes, between commas."""
    codes, unknown = [], []
    for written in filter(None, (each.strip() for each in _BETWEEN.split(text))):
        key = sort_key(written)
        code = _codes_by_name().get(key, key.upper())
        if settings.shop.is_country(code):
            codes.append(code)
        else:
            unknown.append(written)
    return _once(codes), unknown


def _is_unknown(written: str) -> str:
    near = get_close_matches(sort_key(written[:60]), _codes_by_name(), 1, 0.75)
    meant = f" Did you mean {settings.shop.country_name(_codes_by_name()[near[0]])}?" if near else ""
    return f"“{written[:60]}” isn’t a country we know.{meant}"


# -- meaning ----------------------------------------------------------------------------------------------


def to_delivery(rows: Sequence[ZoneRow]) -> tuple[Delivery, dict[str, str]]:
    """Return what a form means, and a message for each field that is wrong: `zones`, `zone.0.name`, `zone.0.add`, …"""
    errors: dict[str, str] = {}
    zones = tuple(_to_zone(row, f"zone.{number}", errors) for number, row in enumerate(rows))
    found = {name: message for name, message in validate_zones(zones).items() if name not in errors}
    # Where a name of a country is not known, the zone is not without countries.
    unread = {name.replace(".add", ".countries") for name in errors if name.endswith(".add")}
    errors |= {name: message for name, message in found.items() if name not in unread}
    return Delivery(zones), errors


def _to_zone(row: ZoneRow, at: str, errors: dict[str, str]) -> ShippingZone:
    added, unknown = find_countries(row.add)
    if unknown:
        errors[f"{at}.add"] = _is_unknown(unknown[0])
    rate = _amount(row.rate, f"{at}.rate", errors)
    if not row.rate:
        errors[f"{at}.rate"] = "Please enter what shipping costs, or 0 if it’s free."
    free_from = _amount(row.free_from, f"{at}.free_from", errors) if row.free_from else None
    return zone_of_codes(row.name, rate, free_from, _once([*row.countries, *added]))


def _amount(text: str, name: str, errors: dict[str, str]) -> int:
    try:
        return money.parse_user_amount(text, settings.currency)
    except ValueError as error:
        errors[name] = str(error)
        return 1


def _once(codes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(codes))
