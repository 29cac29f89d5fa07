"""The delivery zones' pages."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.shop_settings.delivery import DELIVERY, MAX_NAME_LENGTH, MAX_ZONES, Delivery, terms
from chalicelib.staff.settings import delivery_form
from chalicelib.staff.settings.delivery_form import ZoneRow
from chalicelib.staff.settings.part_page import PartPage

_ZONE = re.compile(r"zone\.([0-9]+)\.", re.ASCII)


def _summary(delivery: Delivery) -> str:
    zones, countries = len(delivery.zones), len(delivery.countries)
    return (
        f"{zones} zone{'s' if zones > 1 else ''}, {countries} countr{'ies' if countries > 1 else 'y'}, "
        f"beginning with {next(iter(delivery.countries.values()), 'none')}"
    )


def _label(field: str) -> str:
    found = _ZONE.match(field)
    return f"Zone {int(found[1]) + 1}" if found else ""


def _fields(rows: Sequence[ZoneRow]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for number, row in enumerate(rows):
        at = f"zone.{number}"
        fields |= {f"{at}.name": row.name, f"{at}.rate": row.rate, f"{at}.free_from": row.free_from}
        fields |= {f"{at}.country.{code}": "yes" for code in row.countries}
    return fields


def _beside(delivery: Delivery) -> Mapping[str, Any]:
    return {
        "zones": [(zone, terms(zone)) for zone in delivery.zones],
        "most": {
            "name": MAX_NAME_LENGTH,
            "add": delivery_form.MAX_COUNTRIES_LENGTH,
            "zones": MAX_ZONES,
        },
    }


PAGE = PartPage(
    part=DELIVERY,
    title="Delivery",
    noun="delivery",
    path="/staff/settings/delivery",
    consequence="Orders that are already placed keep their shipping cost.",
    summary=_summary,
    read=delivery_form.read_rows,
    form_of=delivery_form.rows_of,
    fields_of=_fields,
    meaning=delivery_form.to_delivery,
    label=_label,
    edit=delivery_form.edit_rows,
    beside=_beside,
    max_fields=delivery_form.MAX_FIELDS,
)
show, change, show_version, restore = PAGE.show, PAGE.change, PAGE.show_version, PAGE.restore
