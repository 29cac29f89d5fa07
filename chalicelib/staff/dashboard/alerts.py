"""Alerts: one page with everything that needs attention, and the state of the scheduled jobs.

Each block is read independently and concurrently, for some seconds at most: if one does not answer, its place
says so and the others are shown.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from chalice.app import Request, Response

from chalicelib import clock, scheduled_runs
from chalicelib.aws import messages_in
from chalicelib.config import settings
from chalicelib.orders.enums import email_label
from chalicelib.orders.models import Order
from chalicelib.orders.search import order_list
from chalicelib.orders.views import staff_view
from chalicelib.payments.paypal import refusals
from chalicelib.queues import dead_letters
from chalicelib.staff import layout
from chalicelib.staff.auth import accounts
from chalicelib.staff.dashboard import held_stock
from chalicelib.staff.models import StaffMember
from chalicelib.staff.settings import settings_list

PATIENCE_SECONDS = 8.0  # of the 29 that API Gateway waits
MAX_LOW_STOCK = 50
# Function → its name for staff, and the maximum age of its last run.
RUNS = {
    "reconcile_payments": ("Payments and refunds", timedelta(minutes=15)),
    "export_books": ("Books", timedelta(hours=2)),
}
log = logging.getLogger("awning")


def show(request: Request, member: StaffMember) -> Response:
    """Show everything that needs attention."""
    blocks = load_blocks(
        {
            "refused": _payment_refusals,
            "unreadable": settings_list.unreadable_parts,
            "raised": _order_issues,
            "pending": _pending,
            "low": _low_stock,
            "dead_letters": _dead_letters,
            "days": _days_without_books,
            "held": held_stock.find_held,
            "runs": _scheduled_jobs,
        }
    )
    return layout.render_page(
        member,
        "staff/dashboard/alerts.html",
        **blocks,
        low_stock=settings.shop.low_stock,
        may=member.role == accounts.MERCHANT,
        all_is_well=_is_well(blocks),
    )


def load_blocks(readers: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Read all blocks concurrently; None for one that failed, or did not answer in time."""
    from concurrent.futures import ThreadPoolExecutor, wait  # not needed by a shopper's first page

    pool = ThreadPoolExecutor(len(readers))
    futures = {name: pool.submit(read) for name, read in readers.items()}
    wait(futures.values(), timeout=PATIENCE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    found = dict.fromkeys(readers)
    for name, future in futures.items():
        error = future.exception() if future.done() else TimeoutError()
        if error is None:
            found[name] = future.result()
        else:
            log.error("alerts: %s could not be loaded", name, exc_info=error)
    return found


def _is_well(blocks: Mapping[str, Any]) -> bool:
    if any(block is None for block in blocks.values()):
        return False
    waiting = (blocks["raised"]["issues"], blocks["raised"]["late"], blocks["pending"]["orders"])
    findings = (
        blocks["refused"],
        blocks["unreadable"],
        blocks["low"]["variants"],
        blocks["low"]["more"],
        blocks["dead_letters"],
        blocks["days"],
    )
    if blocks["held"]["alarming"]:
        return False
    return not any((*waiting, *findings)) and all(run["well"] for run in blocks["runs"])


# -- PayPal -----------------------------------------------------------------------------------------------


def _payment_refusals() -> list[dict[str, Any]]:
    return [
        {
            "title": refusals.KIND_LABELS[refusals.RefusalKind(refusal.name)],
            "times": int(refusal.occurrences),
            "since": refusal.first_at,
            "last": refusal.last_at,
            "issue": refusal.issue,
            "debug_id": refusal.debug_id,
            "todo": refusals.action_for(refusal.issue),
        }
        for refusal in refusals.current_refusals()
    ]


# -- orders -----------------------------------------------------------------------------------------------


def _order_issues() -> dict[str, Any]:
    page = order_list.orders_with_issues()
    return {
        "issues": [issue for order in page.orders for issue in _issues(order)],
        "late": [_late(order) for order in page.orders if order.has_late_email],
        "more": page.after is not None,
    }


def _issues(order: Order) -> list[dict[str, Any]]:
    return [
        {**issue, "order": order.id, "order_number": order.number}
        for issue in staff_view.issues_of(order)
        if issue["resolution"] is None
    ]


def _late(order: Order) -> dict[str, Any]:
    return {
        "order": order.id,
        "number": order.number,
        "mails": [email_label(entry) for entry in order.emails_due],
        "tries": int(order.email_attempts),
    }


def _pending() -> dict[str, Any]:
    page = order_list.pending_orders()
    return {
        "orders": [
            {
                "id": order.id,
                "number": order.number,
                "placed_at": order.placed_at,
                "total": order.total,
                "currency": order.currency,
            }
            for order in page.orders
        ],
        "skus": held_stock.units_of_orders(page.orders),
        "more": page.after is not None,
    }


# -- low stock, messages, days, runs ------------------------------------------------------------------------


def _low_stock() -> dict[str, Any]:
    from chalicelib.catalog import stock_levels

    variants, more = stock_levels.low_stock(settings.shop.low_stock, MAX_LOW_STOCK)
    return {"variants": variants, "more": more}


def _dead_letters() -> list[dict[str, Any]]:
    counted = [(name, messages_in(f"{settings.table_prefix}{name}-dlq")) for name in dead_letters.QUEUES]
    return [
        {"queue": f"{settings.table_prefix}{name}-dlq", "count": count, "what": what, "todo": todo}
        for (name, count), (what, todo) in zip(counted, dead_letters.QUEUES.values(), strict=True)
        if count
    ]


def _days_without_books() -> list[date]:
    from chalicelib.ledger import daily_reports

    now = clock.now()
    return [day for day in daily_reports.days_due(now) if daily_reports.should_be_written(day, now)]


def _scheduled_jobs() -> list[dict[str, Any]]:
    last = scheduled_runs.last_runs(RUNS)
    return [_run(message, longest, last.get(name)) for name, (message, longest) in RUNS.items()]


def _run(message: str, longest: timedelta, run: scheduled_runs.Run | None) -> dict[str, Any]:
    if run is None:
        return {"words": message, "at": None, "well": False, "problem": "It hasn’t run yet."}
    at = datetime.fromtimestamp(float(run.ran_at), tz=clock.now().tzinfo)
    late = clock.now() - at > longest
    problem = "It’s overdue." if late else "" if run.succeeded else "It failed."
    return {"words": message, "at": clock.iso_now(at), "well": not problem, "problem": problem}
