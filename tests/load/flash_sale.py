"""A flash sale, in the environment of a running shop: fill the shelf, let everybody in at once, read what came of it.

Started by `tests.load.run`; prints the figures as JSON. What is broken stands in them under `faults`.
"""

import argparse
import json
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from infra.local.api_gateway import Gateway
from infra.local.event_functions import Functions
from infra.local.fake_paypal import Control
from tests.invariants import SOLD, check_books, check_money, check_nothing_is_forgotten, check_stock, units
from tests.load.shopper import BOUGHT, LEFT, SKU, SLUG, SOLD_OUT, TOO_LATE, Buyer
from tests.load.statistics_report import rates, times
from tests.shop import Shop

QUIET_SECONDS = 60.0
# Of so many shoppers one: wants two units, orders and never pays, presses the button twice.
TWO, LEAVES, TWICE = 5, 9, 7


def main() -> int:
    """Hold the sale; return 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.flash_sale", description=__doc__)
    for name in ("--shop", "--paypal", "--mailbox"):
        parser.add_argument(name, required=True, help="its address")
    parser.add_argument("--shoppers", type=int, required=True)
    parser.add_argument("--units", type=int, required=True)
    parser.add_argument("--at-once", type=int, required=True)
    parser.add_argument("--conflicts", type=Path, required=True, help="a file with a byte for each")
    choice = parser.parse_args()
    paypal = Control(choice.paypal)
    shop = Shop(cast("Gateway", None), cast("Functions", None), paypal)  # read alone: it is asked over HTTP
    fill_shelf(choice.units)
    before = units(shop)
    buyers = [
        Buyer(
            choice.shop,
            paypal,
            number,
            wants=1 + (number % TWO == 0),
            pays=number % LEAVES != 0,
            clicks_twice=number % TWICE == 0,
        )
        for number in range(choice.shoppers)
    ]
    faults = hold(buyers, choice.at_once)
    faults += settle_down(shop)
    faults += audit(shop, before, buyers, choice.units, choice.mailbox)
    samples = [sample for buyer in buyers for sample in buyer.samples]
    figures = {
        "faults": faults,
        "endings": dict(Counter(buyer.ending or "faults" for buyer in buyers)),
        "orders": len(shop.orders()),
        "statuses": dict(Counter(str(sample.status) for sample in samples)),
        "conflicts": choice.conflicts.stat().st_size if choice.conflicts.exists() else 0,
        **rates(samples),
        "times": times(samples),
    }
    print(json.dumps(figures))
    return 1 if faults else 0


def fill_shelf(many: int) -> None:
    """Sell one product with few units."""
    from chalicelib.catalog.categories import Category
    from chalicelib.catalog.editing.category_editing import save_categories

    save_categories([Category("tea", "Tea", "For slow mornings.")])
    Shop.put_on_shelf(SLUG, "Last lamp", {SKU: (4900, None, many)})


def hold(buyers: list[Buyer], at_once: int) -> list[str]:
    """Let everybody look, then buy, so many at the same moment; say what went wrong for whom."""
    faults: list[str] = []
    door = threading.Barrier(len(buyers))
    room = threading.Semaphore(at_once)

    def visit(buyer: Buyer) -> None:
        try:
            try:
                buyer.look()
            finally:
                door.wait(60)
            with room:
                buyer.buy()
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is a finding about one shopper
            faults.append(f"shopper {buyer.number}: {type(fault).__name__}: {fault}")

    visits = [threading.Thread(target=visit, args=(buyer,)) for buyer in buyers]
    for each in visits:
        each.start()
    for each in visits:
        each.join()
    return faults


def settle_down(shop: Shop) -> list[str]:
    """Wait until every mail is sent; say what is not."""
    ends = time.monotonic() + QUIET_SECONDS
    while owing := [order.number for order in shop.orders() if order.emails_due]:
        if time.monotonic() > ends:
            return [f"mails of {len(owing)} orders were not sent within {QUIET_SECONDS:g} s"]
        time.sleep(0.2)
    return []


# -- what must hold ---------------------------------------------------------------------------------------


def audit(shop: Shop, before: dict[str, int], buyers: list[Buyer], many: int, mailbox: str) -> list[str]:
    """Return what is not as it must be, in the tables, at PayPal, in the books and in the mailbox."""
    checks: list[Callable[[], object]] = [
        lambda: check_sold(shop, buyers, many),
        lambda: check_stock(shop, before),
        lambda: check_money(shop),
        lambda: check_nothing_is_forgotten(shop),
        lambda: check_books(shop),
        lambda: check_endings(shop, buyers),
        lambda: check_answers(buyers),
        lambda: check_mailbox(shop, mailbox),
    ]
    return [fault for check in checks for fault in _faults(check)]


def check_sold(shop: Shop, buyers: list[Buyer], many: int) -> None:
    """Never more went than there were, and nothing stayed while somebody wanted it."""
    gone = sum(
        line.quantity
        for order in shop.orders()
        if order.state in SOLD or order.reserved
        for line in order.lines
    )
    # Every refused shopper would have taken one unit.
    wanted = sum(buyer.ending == SOLD_OUT for buyer in buyers)
    assert gone <= many, f"{gone} of {many} units went"
    assert gone == many or not wanted, f"{many - gone} units stayed, and {wanted} shoppers were refused"


def check_endings(shop: Shop, buyers: list[Buyer]) -> None:
    """Who was thanked has a paid order, one each; who left has one that waits; who was refused has none, or an ended one."""
    paid = {order.id for order in shop.orders() if order.state in SOLD}
    thanked = [buyer.order_id for buyer in buyers if buyer.ending == BOUGHT]
    left, late = (sum(buyer.ending == ending for buyer in buyers) for ending in (LEFT, TOO_LATE))
    assert len(thanked) == len(set(thanked))
    assert set(thanked) == paid, f"{len(thanked)} shoppers were thanked, {len(paid)} orders are paid"
    expired = sum(order.state == "expired" for order in shop.orders())
    assert expired == late, f"{expired} orders expired, {late} shoppers were told that it is gone"
    # Whoever wants more than one may hold, and finds it gone, has an order that waits for units to come back.
    in_vain = sum(buyer.ending == SOLD_OUT and buyer.wants > 1 for buyer in buyers)
    waiting = sum(order.state == "awaiting" for order in shop.orders())
    assert left <= waiting <= left + in_vain, f"{waiting} orders wait, {left} shoppers left"


def check_answers(buyers: list[Buyer]) -> None:
    """Nobody saw a page of ours that says we failed."""
    failed = Counter(
        (sample.what, sample.status) for buyer in buyers for sample in buyer.samples if sample.status >= 500
    )
    assert not failed, f"answers with 5xx: {dict(failed)}"


def check_mailbox(shop: Shop, mailbox: str) -> None:
    """Who paid has one mail that says so, who came too late one, nobody else any; the merchant has one an order."""
    with urllib.request.urlopen(f"{mailbox}/api/messages", timeout=10) as answer:
        mails = json.load(answer)
    paid = [order for order in shop.orders() if order.state in SOLD]
    told = Counter((mail["recipients"][0], mail["subject"]) for mail in mails)
    late = [order for order in shop.orders() if order.state == "expired"]
    expected = Counter((order.customer["email"], f"Your order {order.number} is paid") for order in paid)
    expected.update((order.customer["email"], f"Your order {order.number} has been closed") for order in late)
    ours = {order.customer["email"] for order in shop.orders()}
    customers = Counter({mail: many for mail, many in told.items() if mail[0] in ours})
    assert customers == expected, f"mails to customers: {sum(customers.values())} instead of {len(paid)}"
    assert sum(told.values()) == 2 * len(paid) + len(late), (
        f"{sum(told.values())} mails for {len(paid)} paid orders"
    )


def _faults(check: Callable[[], Any]) -> list[str]:
    try:
        check()
    except AssertionError as fault:
        return [str(fault) or f"broken: {check}"]
    return []


if __name__ == "__main__":
    sys.exit(main())
