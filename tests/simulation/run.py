"""One day in the life of a shop, told by its seed."""

import gc
import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.shop import Shop
from tests.simulation import assertions
from tests.simulation.actors.background_events import Backstage
from tests.simulation.actors.chargebacks import Bank
from tests.simulation.actors.merchant import Merchant
from tests.simulation.actors.shoppers import LAST_RUSH, PRODUCTS, Shoppers
from tests.simulation.duplicate_emails import Letters
from tests.simulation.fault_plan import Fate
from tests.simulation.scheduler import Day
from tests.simulation.sim_clock import Moment

SHOPPERS = 16
MAX_SECONDS = 60 * 60 * 60.0


@dataclass(frozen=True)
class Told:
    """What there is to say of a day that went well."""

    seed: str
    digest: str
    shoppers: int
    orders: int
    paid: int
    calls: int
    faults: int
    crowded: int


class Failed(AssertionError):
    """Something did not hold; with the seed, the end of the story, and how to see it again."""


def live(shop: Shop, seed: str, shoppers: int = SHOPPERS) -> Told:
    """Live a day in an empty shop, and check all that must hold at its end. Raises Failed."""
    moment = Moment()
    fate = Fate(seed, last=LAST_RUSH)
    day = Day(seed, fate, moment)
    with moment.everywhere(), Backstage(shop, day, seed) as backstage:
        gc.collect()
        gc.freeze()  # forked processes share what is there
        try:
            return _live(shop, seed, shoppers, day, backstage)
        except Exception as error:  # whatever it is, the seed must be told
            again = f"make soak SEED={seed} SHOPPERS={shoppers}"
            words = f"{day.tail()}\n\n{type(error).__name__}: {error}\n\nseed {seed}, {len(day.story)} lines; again: {again}"
            raise Failed(words) from error
        finally:
            day.close()
            gc.unfreeze()


def _live(shop: Shop, seed: str, number: int, day: Day, backstage: Backstage) -> Told:
    for sku, quantity in PRODUCTS.items():
        shop.put_on_shelf(sku.lower(), f"A {sku.lower()}", {sku: (1000, None, quantity)})
    shop.functions.fire(
        "export_books"
    )  # yesterday's: a shop's first ever look for its first movement for weeks
    letters = Letters(shop)
    day.watchers.append(letters.watch)
    merchant = Merchant(shop, day, backstage, seed)
    merchant.work()
    Bank(shop, day, backstage, seed).work()
    customers = Shoppers(shop, day, backstage, seed)
    customers.come(number)
    backstage.open()
    day.run(lambda: day.awake == 0)
    _come_to_rest(shop, day, backstage)
    ever = {sku: there + merchant.delivered[sku] for sku, there in PRODUCTS.items()}
    assertions.check(shop, ever, letters.in_doubt, customers.told_paid)
    assert not customers.bugs, customers.bugs
    orders = shop.orders()
    paid = sum(order.paid_at is not None for order in orders)
    return Told(seed, day.digest(), number, len(orders), paid, day.calls, day.faults, day.crowded)


def _come_to_rest(shop: Shop, day: Day, backstage: Backstage) -> None:
    """Let all trouble end, and time pass, until nothing is due any more and the last day's books are closed."""
    day.fate.calm = True
    backstage.replay()
    day.run(lambda: (day.awake == 0 and backstage.next_due() == math.inf) or day.now > MAX_SECONDS)
    assert day.now <= MAX_SECONDS, "the shop does not come to rest"
    closed = _all_closed_at(shop)
    day.run(lambda: day.awake == 0 and day.moment.now() > closed)
    assert not backstage.dead_letters, backstage.dead_letters


def _all_closed_at(shop: Shop) -> datetime:
    """Return when the export has surely seen the last day on which money moved."""
    from chalicelib import clock
    from chalicelib.ledger.daily_reports import closes_at
    from chalicelib.ledger.models import booking_day

    last = max(
        (str(row.partition).partition("#")[0] for row in shop.ledger()), default=booking_day(clock.now())
    )
    return closes_at(date.fromisoformat(last)) + timedelta(hours=1, minutes=1)
