"""Delivery: the countries that the shop ships to, in zones, each with a flat rate."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chalicelib import money
from chalicelib.cleaning import clean_line, find_control_character
from chalicelib.config import ShippingZone, settings
from chalicelib.shop_settings import store
from chalicelib.shop_settings.store import Change, Part

MAX_ZONES = 20
MAX_NAME_LENGTH = 60
MAX_AMOUNT = 10**8  # minor units: a million euros, and nobody's shipping
NOWHERE = "not shipped to"
NOT_SHIPPED_TO = "We don’t ship to this country. Please choose one from the list."


@dataclass(frozen=True)
class Delivery:
    """Where the shop ships to: at least one zone."""

    zones: tuple[ShippingZone, ...]

    @cached_property
    def countries(self) -> dict[str, str]:
        """Map every country that is shipped to onto its name; the first is selected at checkout."""
        return {code: name for zone in self.zones for code, name in zone.countries.items()}

    @cached_property
    def countries_by_name(self) -> dict[str, str]:
        """Map every country that is shipped to onto its name, in the order in which people look for it."""
        return dict(sorted(self.countries.items(), key=lambda each: sort_key(each[1])))

    def zone_of(self, country: str) -> ShippingZone | None:
        """Find the zone that ships to a country code."""
        return next((zone for zone in self.zones if country in zone.countries), None)


def current() -> Delivery:
    """Return the zones that count now, at most `page_seconds` old."""
    return store.current(DELIVERY)


def sort_key(name: str) -> str:
    """Return what a country's name is sorted by: its letters without accents."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()


def zone_of_codes(name: str, rate: int, free_from: int | None, codes: Sequence[str]) -> ShippingZone:
    """Make a zone of country codes; each has the name that the shop has for it."""
    return ShippingZone(name, {code: settings.shop.country_name(code) for code in codes}, rate, free_from)


# -- rules ------------------------------------------------------------------------------------------------


def validate_zones(zones: Sequence[ShippingZone]) -> dict[str, str]:
    """Return a message for each field that is wrong: `zones`, or `zone.0.name`, `.rate`, `.free_from`, `.countries`."""
    errors: dict[str, str] = {}
    if not zones:
        errors["zones"] = "Please add a zone: without one, nobody can order."
    if len(zones) > MAX_ZONES:
        errors["zones"] = f"The shop can have up to {MAX_ZONES} zones."
    names: dict[str, int] = {}
    shipped: dict[str, ShippingZone] = {}
    for number, zone in enumerate(zones):
        found = {
            "name": _error_in_name(zone.name, names),
            "rate": _error_in_amount(zone.rate),
            "free_from": _error_in_threshold(zone.free_from),
            "countries": _error_in_countries(zone, shipped),
        }
        errors |= {f"zone.{number}.{field}": message for field, message in found.items() if message}
        names.setdefault(zone.name.casefold(), number)
        for code in zone.countries:
            shipped.setdefault(code, zone)
    return errors


def _error_in_name(name: str, taken: Mapping[str, int]) -> str | None:
    if not name:
        return "Please enter a name. Customers see it beside the shipping cost."
    if len(name) > MAX_NAME_LENGTH:
        return f"Please shorten this to {MAX_NAME_LENGTH} characters."
    if (control := find_control_character(name)) is not None:
        return f"Please remove the control character {control}."
    if name.casefold() in taken:
        return f"Zone {taken[name.casefold()] + 1} has this name, too. Please choose another."
    return None


def _error_in_amount(amount: int) -> str | None:
    if 0 <= amount <= MAX_AMOUNT:
        return None
    return f"Please enter an amount up to {money.format_money(MAX_AMOUNT, settings.currency)}."


def _error_in_threshold(amount: int | None) -> str | None:
    if amount == 0:
        return (
            "Please enter an amount above zero, or leave this empty. For free shipping, enter 0 as the cost."
        )
    return None if amount is None else _error_in_amount(amount)


def _error_in_countries(zone: ShippingZone, shipped: Mapping[str, ShippingZone]) -> str | None:
    if not zone.countries:
        return "Please add at least one country, or remove the zone."
    unknown = [code for code in zone.countries if not settings.shop.is_country(code)]
    if unknown:
        return f"“{unknown[0][:40]}” isn’t the code of a country."
    twice = next((code for code in zone.countries if code in shipped), None)
    if twice is not None:
        return f"{zone.countries[twice]} is already in “{shipped[twice].name}”. Please remove it from one of them."
    return None


# -- documents --------------------------------------------------------------------------------------------


def write_document(delivery: Delivery) -> dict[str, Any]:
    """Return the zones as they are stored: amounts as decimal strings, with their currency."""
    return {
        "currency": settings.currency,
        "zones": [
            {
                "name": zone.name,
                "rate": money.to_decimal_string(zone.rate, settings.currency),
                "free_from": None
                if zone.free_from is None
                else money.to_decimal_string(zone.free_from, settings.currency),
                "countries": list(zone.countries),
            }
            for zone in delivery.zones
        ],
    }


def read_document(document: Mapping[str, Any]) -> Delivery:
    """Return the zones of a document. Raises ValueError, KeyError or TypeError for what breaks a rule."""
    if document["currency"] != settings.currency:
        raise ValueError(
            f"its amounts are in {document['currency']}, and the shop’s are in {settings.currency}"
        )
    zones = tuple(_read_zone(zone) for zone in document["zones"])
    for field, message in validate_zones(zones).items():
        raise ValueError(f"{field}: {message}")
    return Delivery(zones)


def _read_zone(zone: Mapping[str, Any]) -> ShippingZone:
    name, codes = zone["name"], zone["countries"]
    if not isinstance(name, str) or name != clean_line(name):
        raise ValueError(f"{name!r} is no name")
    if not isinstance(codes, list) or len(set(codes)) < len(codes):
        raise ValueError("the countries are no list of different codes")
    free_from = zone["free_from"]
    return zone_of_codes(
        name,
        money.parse(zone["rate"], settings.currency),
        None if free_from is None else money.parse(free_from, settings.currency),
        codes,
    )


# -- differences ------------------------------------------------------------------------------------------


def terms(zone: ShippingZone | None) -> str:
    """Return what a country's shipping costs, in words: “European Union: €9.90, free from €120.00”."""
    if zone is None:
        return NOWHERE
    rate = money.format_money(zone.rate, settings.currency) if zone.rate else "free"
    free = "" if zone.free_from is None else money.format_money(zone.free_from, settings.currency)
    return f"{zone.name}: {rate}" + (f", free from {free}" if free else "")


def find_changes(before: Delivery, after: Delivery) -> list[Change]:
    """List what differs for customers: countries by what their shipping costs, then what concerns order alone."""
    groups: dict[tuple[str, str], list[str]] = {}
    for code in before.countries | after.countries:
        pair = terms(before.zone_of(code)), terms(after.zone_of(code))
        if pair[0] != pair[1]:
            groups.setdefault(pair, []).append(settings.shop.country_name(code))
    changes = [Change(", ".join(names), *pair) for pair, names in groups.items()]
    orders = [
        (
            "Zones",
            *(", ".join(zone.name for zone in each.zones) for each in (before, after)),
        ),
        (
            "Selected at checkout",
            *(next(iter(each.countries.values()), "") for each in (before, after)),
        ),
    ]
    changes += [Change(*each) for each in orders if each[1] != each[2]]
    if not changes and write_document(before) != write_document(after):
        changes.append(
            Change("Order of countries", *(", ".join(each.countries.values()) for each in (before, after)))
        )
    return changes


DELIVERY = Part(
    name="delivery",
    format=1,
    first=lambda: Delivery(settings.shop.zones),
    read=read_document,
    write=write_document,
    changes=find_changes,
)
