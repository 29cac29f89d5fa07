"""Sales tax in the United States: the merchant's table of the states in which the shop owes it."""

from collections.abc import Sequence
from datetime import date

from chalicelib.taxes.rules import UsRateRow
from chalicelib.taxes.tax_classes import WIDER


def find_state(postal_code: str, region: str) -> str:
    """Find a state's two letters by its name or code, else by the ZIP code; empty where neither says it."""
    from chalicelib.postal import country_of  # a shopper's first page does without

    states = country_of("US")
    state = states.find_region(region) if region.strip() else None
    state = state or states.find_region_of_code(postal_code.strip()[:5])
    return state.code if state else ""


def find_sales_tax(
    rows: Sequence[UsRateRow], state: str, postal_code: str, tax_class: str, day: date
) -> UsRateRow | None:
    """Find the row that counts: of the class its ZIP code's, else its state's; else those of the wider class.

    None where the state has no row: there the shop has no nexus, and charges nothing.
    """
    zip5 = postal_code.strip()[:5]
    counting = [row for row in rows if row.state == state and row.valid_from <= day]
    looked_up: str | None = tax_class
    while looked_up:
        for place in dict.fromkeys((zip5, "")):
            found = [row for row in counting if (row.zip5, row.tax_class) == (place, looked_up)]
            if found:
                return max(found, key=lambda row: row.valid_from)
        looked_up = WIDER.get(looked_up)
    return None
