"""What must hold whatever happened: DESIGN's invariants 1, 2, 3, 5 and 6, asked of a whole shop."""

import csv
import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.shop import Shop

if TYPE_CHECKING:
    from chalicelib.ledger.daily_reports import Export
    from chalicelib.ledger.models import LedgerEntry
    from tests.fault_injection.harness import Mail

LIVING = {"awaiting", "capturing", "pending"}
SOLD = {"paid", "shipped"}


# -- 1: stock ---------------------------------------------------------------------------------------------


def units(shop: Shop) -> dict[str, int]:
    """Count the units of each SKU: on the shelf, reserved, sold and not put back."""
    from chalicelib.catalog.models import Stock

    counted = Counter({row.sku: int(row.available) for row in Stock.scan(consistent_read=True)})
    for order in shop.orders():
        if order.state in SOLD or order.reserved:
            counted.update({line.sku: line.quantity for line in order.lines})
            counted.subtract(order.restocked_quantities)
    return dict(counted)


def check_stock(shop: Shop, before: dict[str, int]) -> None:
    """No shelf is below zero, and no unit appeared or went: `before` is what `units` counted at the start."""
    for sku in before:
        assert shop.stock(sku) >= 0, sku
    for order in shop.orders():
        assert order.state in LIVING or not order.reserved, (order.state, order.number)
    assert units(shop) == before
    check_holds(shop)


def check_holds(shop: Shop) -> None:
    """What unpaid orders hold is what their SKUs and their addresses are counted for, no more and no less."""
    from chalicelib.catalog.models import Stock
    from chalicelib.orders.holds import Hold

    held: Counter[str] = Counter()
    by_address: Counter[str] = Counter()
    for order in shop.orders():
        assert order.held <= order.reserved, (order.state, order.number)
        assert order.held or order.holder is None, order.number
        assert order.held == order.reserved or order.state != "awaiting", order.number
        assert not order.held or order.state in {"awaiting", "capturing"}, (order.state, order.number)
        if order.held:
            held.update({line.sku: line.quantity for line in order.lines})
        for holder in order.holder.split("+") if order.holder else ():
            by_address.update({f"hold#{holder}#{line.sku}": line.quantity for line in order.lines})
    counted = {row.sku: int(row.held) for row in Stock.scan(consistent_read=True)}
    assert {sku: many for sku, many in counted.items() if many} == dict(held)
    rows = {
        row.key: int(row.quantity) for row in Hold.scan(consistent_read=True) if row.key.startswith("hold#")
    }
    assert {key: many for key, many in rows.items() if many} == dict(by_address)


# -- 2: money ---------------------------------------------------------------------------------------------


def check_money(shop: Shop) -> None:
    """Each movement at PayPal is booked once, whole and under its id, and no order is paid twice."""
    ours = shop.ledger()
    booked = Counter(_booked(row) for row in ours)
    assert booked == Counter(_moved(shop))
    paying = Counter(order.capture_id for order in shop.orders() if order.state in SOLD)
    assert set(paying.values()) <= {1}
    for order in shop.orders():
        sales = [row for row in ours if row.order_id == order.id and row.kind == "sale"]
        kept = [row for row in sales if row.paypal_id == order.capture_id]
        assert len(kept) == (1 if order.state in SOLD else 0), (order.state, order.number)


class Moved(NamedTuple):
    """A movement of money, as the shop's ledger and PayPal's must both tell it."""

    kind: str
    paypal_id: str
    order: str | None
    amount: Decimal
    fee: Decimal
    currency: str


def _booked(row: "LedgerEntry") -> Moved:
    amount, fee = (_decimal(int(minor or 0), row.currency) for minor in (row.amount, row.fee))
    return Moved(row.kind, row.paypal_id, row.order_id, amount, fee, row.currency)


def _moved(shop: Shop) -> list[Moved]:
    """List what moved at PayPal; whose it is says PayPal's order as the shop made it."""
    orders = {order["id"]: order["purchase_units"][0].get("custom_id") for order in shop.paypal.orders()}
    return [
        Moved(row.kind, row.id, orders[row.order_id], row.amount, row.fee, row.currency)
        for row in shop.paypal.ledger()
    ]


def _sums(rows: Any) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = {}
    for kind, currency, amount in rows:
        sums[kind, currency] = sums.get((kind, currency), Decimal(0)) + amount
    return sums


def _decimal(amount: int, currency: str) -> Decimal:
    from chalicelib.money import to_decimal_string

    return Decimal(to_decimal_string(amount, currency))


# -- 3: nothing is forgotten ------------------------------------------------------------------------------


def check_two_rounds_are_enough(shop: Shop) -> None:
    """After two rounds of the reconciler, captured money has a paid order, or goes back; no webhook came."""
    for minutes in (5, 5):
        with shop.later(minutes=minutes):
            shop.reconcile()
    check_nothing_is_forgotten(shop)


def check_nothing_is_forgotten(shop: Shop) -> None:
    """What PayPal captured is in the ledger, and has a paid order, or goes back."""
    known = {row.paypal_id for row in shop.ledger()}
    paid = {order.capture_id for order in shop.orders() if order.state in SOLD}
    refunded = {refund["capture_id"] for order in shop.orders() for refund in order.refunds.values()}
    for row in shop.paypal.ledger():
        if row.kind == "sale":
            assert row.capture_id in known, "captured, and not in the ledger"
            assert row.capture_id in paid | refunded, "captured, and neither paid nor refunded"


# -- 5: letters -------------------------------------------------------------------------------------------

_NUMBER = r"(?P<order>\d{5}-\d{5})"
LETTERS = {  # subjects of those that somebody must get
    "paid": re.compile(f"Your order {_NUMBER} is paid"),
    "merchant": re.compile(f"Order {_NUMBER} is paid: .*"),
    "shipped": re.compile(f"Your order {_NUMBER} is on its way"),
    "tracking": re.compile(f"New tracking .* for your order {_NUMBER}"),
    "address": re.compile(f"Your order {_NUMBER}: corrected delivery details"),
    "expired": re.compile(f"Your order {_NUMBER} has been closed"),
    "refunded": re.compile(f"Refund of .* for your order {_NUMBER}"),
    "issue": re.compile(f"Order {_NUMBER}: .*"),
}


CORRECTED = {"tracking": "parcel_corrected", "address": "address_corrected"}


class Owed(NamedTuple):
    """A kind of letter about an order."""

    number: str
    kind: str


def check_letters(shop: Shop, mails: Iterable["Mail"], more: Mapping[str, int]) -> None:
    """SES took every letter that what happened at PayPal makes due, and none besides.

    `more`: order → letters that may have come twice. Two letters that are due about one order have two subjects.
    """
    due, taken = _letters_due(shop), _letters_taken(mails)
    for order in shop.orders():
        for kind in LETTERS:
            subjects, least = taken[Owed(order.number, kind)], due[Owed(order.number, kind)]
            # Each correction is mailed; if another one follows before that, both mails have the same words.
            told_apart = subjects if kind in CORRECTED else set(subjects)
            assert least <= len(told_apart), (order.number, kind, least, subjects)
            # Staff are asked to look at more than what PayPal's books show; and who came back from there too late to
            # say yes may be told as if they had.
            more_at_most = {"issue": len(order.issues), "expired": int(order.state == "expired")}
            most = more_at_most.get(kind, least)
            assert len(subjects) <= most + more.get(order.id, 0), (order.number, kind, most, subjects)


def _letters_taken(mails: Iterable["Mail"]) -> dict[Owed, list[str]]:
    taken: dict[Owed, list[str]] = defaultdict(list)
    for mail in mails:
        for kind, subject in LETTERS.items():
            if found := subject.fullmatch(mail.subject):
                taken[Owed(found["order"], kind)].append(mail.subject)
    return taken


def _letters_due(shop: Shop) -> Counter[Owed]:
    """Return who must be written to, by PayPal's books and how each order ended."""
    orders = {order.id: order for order in shop.orders()}
    made = {each["id"]: orders[each["purchase_units"][0]["custom_id"]] for each in shop.paypal.orders()}
    due: Counter[Owed] = Counter()
    for row in shop.paypal.ledger():
        order = made[row.order_id]
        pays = order.state in SOLD and order.capture_id == row.id
        kinds = {
            "sale": ["paid", "merchant"] if pays else ["issue"],
            "refund": ["refunded"],
            "reversal": ["issue"],
            "reversal_cancelled": ["issue"],
        }
        due.update(Owed(order.number, kind) for kind in kinds[row.kind])
    disputed = {row.capture_id: made[row.order_id] for row in shop.paypal.ledger()}
    due.update(Owed(disputed[capture].number, "issue") for capture in _disputes(shop))
    approved = {made[each["id"]].id for each in shop.paypal.orders() if "payer" in each}
    for order in orders.values():
        events = [entry["event"] for entry in order.history]
        if "shipped" in events:  # also one whose parcel was removed since
            due[Owed(order.number, "shipped")] += 1
        for kind, event in CORRECTED.items():  # what plays corrects anything always ticks the mail
            due[Owed(order.number, kind)] += events.count(event)
        if order.state == "expired" and order.id in approved:
            due[Owed(order.number, "expired")] += 1
    return due


def _disputes(shop: Shop) -> list[str]:
    """List the capture of each thing that PayPal told of a dispute."""
    told = {row.event_id: row.event for row in shop.paypal.notifications() if ".DISPUTE." in row.event_type}
    return [event["resource"]["disputed_transactions"][0]["seller_transaction_id"] for event in told.values()]


# -- 6: the books -----------------------------------------------------------------------------------------


def check_books(shop: Shop) -> None:
    """Write today's provisional books, and check them."""
    from chalicelib import clock
    from chalicelib.ledger import daily_reports

    today = clock.today()
    check_books_of(shop, daily_reports.export_day(today, provisional=True))


def check_books_of(shop: Shop, export: "Export") -> None:
    """The day's files hold each ledger row once, the manifest's sums are the ledger's, its hashes the files'."""
    ours = [row for row in shop.ledger() if row.partition.startswith(f"{export.day}#")]
    manifest = json.loads(_download(export.manifest_key))
    for file in manifest["files"].values():
        assert hashlib.sha256(_download(file["key"])).hexdigest() == file["sha256"]
    written = _rows(manifest["files"]["ledger"]["key"])
    assert Counter(row["paypal_id"] for row in written) == Counter(row.paypal_id for row in ours)
    sums = _sums((row.kind, row.currency, _decimal(int(row.amount), row.currency)) for row in ours)
    assert _sums((row["kind"], row["currency"], Decimal(row["amount"])) for row in written) == sums
    assert {
        (kind, currency): Decimal(totals["amount"])
        for kind, of_kind in manifest["totals"].items()
        for currency, totals in of_kind.items()
    } == sums
    check_taxes(shop)
    assert Counter(
        (row["order_number"], row["booked_at"], row["rate"], Decimal(row["net"]), Decimal(row["tax"]))
        for row in _rows(manifest["files"]["taxes"]["key"])
    ) == Counter(
        (
            row.order_number,
            row.booked_at,
            each["rate"],
            _decimal(each["net"], row.currency),
            _decimal(each["tax"], row.currency),
        )
        for row in ours
        for each in (row.taxes or {}).get("sums", ())
    )


def check_taxes(shop: Shop) -> None:
    """The taxes of an order's movements are those of the money that is left of its payment."""
    left, taxed = Counter[str](), Counter[str]()
    for row in shop.ledger():
        if row.taxes is not None:
            left[row.order_id] += int(row.amount)
            taxed[row.order_id] += sum(each["net"] + each["tax"] for each in row.taxes["sums"])
    for order in shop.orders():
        assert taxed[order.id] == max(0, min(left[order.id], int(order.total))), order.number
        assert (order.paid_at is None) or order.id in left, order.number


def _rows(key: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_download(key).decode("utf-8-sig"), newline="")))


def _download(key: str) -> bytes:
    from chalicelib.aws import client
    from chalicelib.config import settings

    return client("s3").get_object(Bucket=settings.books_bucket, Key=key)["Body"].read()
