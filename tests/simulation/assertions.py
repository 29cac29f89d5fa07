"""What must hold when a day is over: against PayPal's ledger, SES's log, the shelves and the books."""

from collections import Counter
from collections.abc import Mapping
from datetime import date

from tests.fault_injection.harness import Mail, World
from tests.invariants import (
    SOLD,
    check_books_of,
    check_letters,
    check_money,
    check_nothing_is_forgotten,
    check_stock,
)
from tests.shop import Shop

OPEN = {"capturing", "pending", "awaiting"}


def check(
    shop: Shop, quantities: Mapping[str, int], in_doubt: Mapping[Mail, int], told_paid: set[str]
) -> None:
    """Check everything. `units`: SKU → those that were ever in the shop; `told_paid`: orders whose page said so."""
    check_stock(shop, dict(quantities))
    check_nothing_oversold(shop, quantities)
    check_money(shop)
    check_nothing_is_forgotten(shop)
    check_nothing_is_stuck(shop)
    check_mails(shop, in_doubt)
    check_nobody_is_left_waiting(shop)
    check_what_was_told(shop, told_paid)
    check_all_books(shop)


def check_nothing_oversold(shop: Shop, quantities: Mapping[str, int]) -> None:
    """No more units were sold, less those that came back, than there ever were."""
    sold: Counter[str] = Counter()
    for order in shop.orders():
        if order.state in SOLD:
            sold.update({line.sku: line.quantity for line in order.lines})
            sold.subtract(order.restocked_quantities)
    for sku, number in sold.items():
        assert number <= quantities[sku], sku


def check_nothing_is_stuck(shop: Shop) -> None:
    """Every order has come to its end, and nothing is due for any."""
    for order in shop.orders():
        assert order.state not in OPEN, (order.number, order.state)
        assert order.emails_due == {}, order.number
        assert not order.due_at, order.number
        for refund in order.refunds.values():
            assert refund["status"] in ("completed", "failed", "refused"), (order.number, refund["status"])


def check_mails(shop: Shop, in_doubt: Mapping[Mail, int]) -> None:
    """SES took each mail that was owed, once; once more at most for each time that nobody could know."""
    taken, more = Counter(World.mails()), Counter[str]()
    for mail, times in taken.items():
        assert times <= 1 + in_doubt.get(mail, 0), (mail, times)
    for order in shop.orders():
        untrue = sum(event["event"] == "email_obsolete" for event in order.history)  # struck out unsent
        owed = len(order.emails_sent) - untrue
        mine = {mail: times for mail, times in taken.items() if order.number in mail.subject + mail.text}
        extra = sum(in_doubt.get(mail, 0) for mail in mine)
        assert owed <= sum(mine.values()) <= owed + extra, (order.number, list(mine))
        more[order.id] = extra
    check_letters(shop, taken.elements(), more)


def check_nobody_is_left_waiting(shop: Shop) -> None:
    """Whoever said yes at PayPal has a paid order, was written to, or gave the order up for another one."""
    orders = {order.id: order for order in shop.orders()}
    for made in shop.paypal.orders():
        order = orders[made["purchase_units"][0]["custom_id"]]
        if "payer" in made and order.state not in (*SOLD, "cancelled"):
            to_them = [mail for mail in World.mails() if order.customer["email"] in mail.to]
            assert any(order.number in mail.subject for mail in to_them), (order.number, order.state)


def check_what_was_told(shop: Shop, told_paid: set[str]) -> None:
    """Who was told that an order is paid has paid it."""
    states = {order.id: order.state for order in shop.orders()}
    for order_id in told_paid:
        assert states[order_id] in SOLD, (order_id, states[order_id])


def check_all_books(shop: Shop) -> None:
    """Each day's final files hold its movements, each once; writing them again finds them as they are."""
    from chalicelib.ledger import daily_reports

    days = sorted({str(row.partition).partition("#")[0] for row in shop.ledger()})
    for day in days:
        check_books_of(shop, daily_reports.export_day(date.fromisoformat(day)))
