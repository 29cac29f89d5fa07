"""The plan of the demo's orders: who bought what, when, and what happened. Always the same."""

import json
import random
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from infra.local.demo.catalog import DEMO_CATALOG

if TYPE_CHECKING:
    from chalicelib.checkout.customer_form import Customer

# Customers are named after plants, so that no real person is.
PLANTS = (
    *(
        "Alder",
        "Birch",
        "Clover",
        "Dahlia",
        "Elder",
        "Fern",
        "Gentian",
        "Heather",
        "Juniper",
        "Larch",
        "Mallow",
    ),
    *(
        "Nettle",
        "Oxlip",
        "Quince",
        "Rowan",
        "Sorrel",
        "Tansy",
        "Umbel",
        "Vetch",
        "Willow",
        "Yarrow",
        "Zinnia",
    ),
)
PLACES = (
    ("DE", "10115", "Berlin"),
    ("DE", "20095", "Hamburg"),
    ("DE", "50667", "Köln"),
    ("DE", "04109", "Leipzig"),
    ("AT", "1010", "Wien"),
    ("FR", "69001", "Lyon"),
    ("NL", "3511", "Utrecht"),
    ("CH", "3011", "Bern"),
)
ORDERS_PER_DAY = (3, 5, 5, 4, 6, 5, 4, 4)  # the first was eight days ago, the last yesterday
OPENS, CLOSES = time(8), time(21, 30)
RECENTLY = {
    430: "paid",
    290: "paid",
    215: "paid",
    150: "pending",
    55: "declined",
    20: "unpaid",
}  # minutes ago
# Orders that are not simply paid and shipped, by their position in the plan.
SPECIAL = {
    3: "sent back",
    8: "broken",
    13: "left",
    15: "disputed",
    19: "reversed",
    25: "cancelled",
    33: "noted",
}
UNPACKED = 4  # yesterday's orders that are still to be shipped
PLENTY = 14  # units: rarer variants are left for the demo's users


@dataclass(frozen=True)
class Planned:
    """One order of the demo."""

    at: datetime
    customer: "Customer"
    goods: dict[str, int]  # SKU → units
    story: str


def plan_orders(now: datetime) -> list[Planned]:
    """Return all orders, oldest first. `now` is in the shop's time zone, whose days they fill."""
    chance = random.Random(1)
    shelf = _shelf()
    moments = [moment for days_ago, orders in _days() for moment in _moments(now, days_ago, orders, chance)]
    packed = len(moments) - UNPACKED
    stories = [SPECIAL.get(place, "shipped" if place < packed else "paid") for place in range(len(moments))]
    moments += [now - timedelta(minutes=minutes) for minutes in RECENTLY]
    stories += RECENTLY.values()
    return [
        Planned(moment, _customer(number, chance), _goods(shelf, chance), story)
        for number, (moment, story) in enumerate(zip(moments, stories, strict=True))
    ]


def _days() -> list[tuple[int, int]]:
    return [(len(ORDERS_PER_DAY) - place, orders) for place, orders in enumerate(ORDERS_PER_DAY)]


def _moments(now: datetime, days_ago: int, orders: int, chance: random.Random) -> list[datetime]:
    day = now.date() - timedelta(days=days_ago)
    opening = datetime.combine(day, OPENS, now.tzinfo)
    span = datetime.combine(day, CLOSES) - datetime.combine(day, OPENS)
    return sorted(opening + span * chance.random() for _ in range(orders))


def _shelf() -> dict[str, int]:
    """Return the units of variants with enough stock, by SKU."""
    products = json.loads(DEMO_CATALOG.read_text("utf-8"))["products"]
    variants = [variant for product in products for variant in product["variants"]]
    return {variant["sku"]: variant["stock"] for variant in variants if variant["stock"] >= PLENTY}


def _goods(shelf: dict[str, int], chance: random.Random) -> dict[str, int]:
    skus = chance.choices(list(shelf), weights=list(shelf.values()), k=chance.choice((1, 1, 2, 2, 3)))
    return {sku: chance.choice((1, 1, 1, 2)) for sku in skus}


def _customer(number: int, chance: random.Random) -> "Customer":
    from chalicelib.checkout.customer_form import Customer

    plant = PLANTS[number % len(PLANTS)]  # so that some customers return
    country, postal_code, city = PLACES[number % len(PLANTS) % len(PLACES)]
    return Customer(
        name=f"Demo {plant}",
        email=f"demo.{plant.lower()}@example.com",
        address=f"{plant} Lane {number % len(PLANTS) + 1}",
        address2="",
        postal_code=postal_code,
        city=city,
        region="",
        country=country,
        phone="",
    )
