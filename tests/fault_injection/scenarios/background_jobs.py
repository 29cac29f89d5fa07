"""What happens behind the counter by itself: mails, the books, refunds that wait."""

import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta

from tests.fault_injection import lambda_process
from tests.fault_injection.lambda_process import Process
from tests.fault_injection.scenario import IN_THE_CART, ON_THE_SHELF, Case, Rival, Scenario
from tests.fault_injection.scenarios.checkout_and_payment import (
    NEWS_OF_THE_CAPTURE,
    OTHER_TAB,
    a_round,
    be_reconciled,
)
from tests.invariants import check_books_of

BACK = 500  # minor units
FORM = "f" * 32

# -- mails --------------------------------------------------------------------------------------------------


def owe_mails(case: Case) -> None:
    """Pay: the order owes two mails, and their messages wait in the queue."""
    case.place()
    case.world.shop.come_back(case.shopper, case.token)


def owe_mails_unannounced(case: Case) -> None:
    """Pay, and die before the mails are announced; more than ten minutes pass."""
    case.place()
    case.world.shop.paypal.approve(case.token)
    address = f"/payments/paypal/return?token={case.token}&PayerID=PAYER"
    dying = Process(lambda: case.shopper.get(address))
    dying.run(lambda call: lambda_process.DIE_BEFORE if call.service == "sqs" else lambda_process.GO)
    case.world.pass_time(minutes=6)


def send_mails(case: Case) -> None:
    """Let the function behind the queue do its work."""
    case.world.drain("order-emails")


def announce_again_and_send(case: Case) -> None:
    """Let the reconciler announce what is due for long, and another sender take that."""
    be_reconciled(case)
    case.world.drain("order-emails")


def each_mail_once(case: Case) -> None:
    """The order remembers both mails, each as sent once."""
    (order,) = case.orders()
    sent = [entry["detail"].partition("#")[0] for entry in order.history if entry["event"] == "email_sent"]
    assert sorted(sent) == ["merchant_order_paid", "order_paid"]
    assert len(order.emails_sent) == 2


# -- the books ----------------------------------------------------------------------------------------------


def let_the_day_end(case: Case) -> None:
    """Sell something on a day of its own; it is over now, and all days before it have their books."""
    world = case.world
    world.shop.functions.fire("export_books")
    case.pay()
    case.things["day"] = _today()
    half_past_one = datetime.combine(_today() + timedelta(days=1), time(1, 30), UTC)
    world.pass_time(seconds=(half_past_one - _now()).total_seconds())


def export_the_books(case: Case) -> None:
    """Let the hourly function run; whatever became of it, a manifest vouches for files that are there."""
    case.world.fire("export_books")
    manifest = _read("manifest", case.things["day"])
    if manifest is not None:
        for name, file in json.loads(manifest)["files"].items():
            body = _read(name, case.things["day"])
            assert body is not None, name
            assert hashlib.sha256(body).hexdigest() == file["sha256"], name
    case.things["written"] = _files(case.things["day"])


def an_hour_later(case: Case) -> None:
    """Let the hourly function run again."""
    case.world.pass_time(hours=1)
    case.world.shop.functions.fire("export_books")


def books_are_closed(case: Case) -> None:
    """The day's files are whole, what was written first has stayed, and the day is counted once."""
    from chalicelib.database.reads import batch_get
    from chalicelib.ledger import daily_reports, daily_totals
    from chalicelib.ledger.models import partitions_of

    day = case.things["day"]
    for name, body in case.things["written"].items():
        assert _read(name, day) == body, name
    check_books_of(case.world.shop, daily_reports.export_day(day))
    rows = batch_get({daily_totals.PartitionTotals: partitions_of(str(day))})[
        daily_totals.PartitionTotals
    ].values()
    assert [bool(row.complete) for row in rows] == [True] * 4
    counted = daily_totals.count([day], _now())[day].tally
    booked = [row for row in case.world.shop.ledger() if row.partition.startswith(f"{day}#")]
    assert [sold.units for sold in counted.best_sellers(9)] == [IN_THE_CART]
    assert sum(sums[1] for sums in counted.sums.values()) == sum(int(row.amount) for row in booked)


def _now() -> datetime:
    from chalicelib import clock

    return clock.now()


def _today() -> date:
    from chalicelib.ledger.models import booking_day

    return date.fromisoformat(booking_day(_now()))


def _files(day: date) -> dict[str, bytes]:
    bodies = {name: _read(name, day) for name in ("orders", "order-lines", "ledger", "manifest")}
    return {name: body for name, body in bodies.items() if body is not None}


def _read(name: str, day: date) -> bytes | None:
    from chalicelib.ledger import daily_reports, report_files

    stored = report_files.open_file(daily_reports.key_of(name, day))
    return None if stored is None else stored.read()


# -- refunds that wait --------------------------------------------------------------------------------------


def decide_a_refund(case: Case) -> None:
    """Decide to give a part back, one unit returned; the process dies before PayPal hears of it."""
    case.pay()
    _refund(case, lambda_process.DIE_BEFORE)
    assert case.world.shop.paypal.captures(case.token)[0]["status"] == "COMPLETED"


def refund_unheard(case: Case) -> None:
    """Give a part back, one unit returned; the process dies when PayPal has done it."""
    case.pay()
    _refund(case, lambda_process.DIE_AFTER)
    assert case.world.shop.paypal.captures(case.token)[0]["status"] == "PARTIALLY_REFUNDED"


def have_a_refund_held(case: Case) -> None:
    """Give a part back that PayPal holds for a while; then it is through, without a word."""
    case.pay()
    case.world.shop.paypal.next_refund("pending")
    _refund(case, lambda_process.GO)
    (refund,) = case.orders()[0].refunds.values()
    assert refund["status"] == "pending"
    case.world.shop.paypal.complete_refund(refund["paypal_refund_id"])


def be_refunded_at_paypal(case: Case) -> None:
    """Give a part back on PayPal's own pages: only its notification tells."""
    case.pay()
    case.world.hush()
    (capture,) = case.world.shop.paypal.captures(case.token)
    case.world.shop.paypal.refund(capture["id"], "5.00")
    case.things["capture"] = capture["id"]


def be_told_of_the_capture(case: Case) -> None:
    """Let PayPal tell what became of the capture: of a refund it says no more of the order."""
    case.world.notify(case.things["capture"])


def _refund(case: Case, verdict: str) -> None:
    from chalicelib.payments.refunds import RefundRequest, refund_payment

    (order,) = case.orders()
    refund_request = RefundRequest(BACK, int(order.total), "A crack.", restock={case.sku: 1})
    act = Process(lambda: refund_payment(order.id, FORM, refund_request, "merchant@shop.example"))
    act.run(lambda call: verdict if call.operation.endswith("/refund") else lambda_process.GO)


def given_back_once(case: Case) -> None:
    """PayPal gave it back once, the ledger says so once, and one unit is on the shelf again."""
    told_once(case)
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF - IN_THE_CART + 1


def told_once(case: Case) -> None:
    """PayPal gave it back once, the ledger says so once, and so does one mail."""
    (order,) = case.orders()
    assert (int(order.refunded), order.open_refunds(), order.issues) == (BACK, {}, [])
    theirs = [row for row in case.world.shop.paypal.ledger() if row.order_id == case.token]
    assert [row.kind for row in theirs] == ["sale", "refund"]
    ours = [int(row.amount) for row in case.world.shop.ledger() if row.order_id == order.id]
    assert ours == [int(order.total), -BACK]
    assert [name.partition("#")[0] for name in order.emails_sent].count("refund_completed") == 1


SCENARIOS = [
    Scenario(
        "send the mails",
        owe_mails,
        send_mails,
        ("paid",),
        check=each_mail_once,
        rivals=(Rival("the reconciler, and another sender", announce_again_and_send, minutes=11),),
        main=True,
    ),
    Scenario(
        "mails that nobody announced",
        owe_mails_unannounced,
        a_round,
        ("paid",),
        check=each_mail_once,
        rivals=(Rival("the sender", lambda case: case.world.drain("order-emails")),),
        alone=True,
    ),
    Scenario(
        "export the books",
        let_the_day_end,
        export_the_books,
        ("paid",),
        afterwards=an_hour_later,
        check=books_are_closed,
        no_rival="nobody writes a day's books but its double",
        alone=True,
    ),
    Scenario(
        "a refund that was decided",
        decide_a_refund,
        a_round,
        ("paid",),
        check=given_back_once,
        rivals=(NEWS_OF_THE_CAPTURE,),
        alone=True,
    ),
    Scenario(
        "a refund whose answer was lost",
        refund_unheard,
        a_round,
        ("paid",),
        check=given_back_once,
        rivals=(NEWS_OF_THE_CAPTURE,),
        alone=True,
    ),
    Scenario(
        "a refund that was held",
        have_a_refund_held,
        a_round,
        ("paid",),
        check=given_back_once,
        rivals=(NEWS_OF_THE_CAPTURE,),
        alone=True,
    ),
    Scenario(
        "refunded at PayPal",
        be_refunded_at_paypal,
        be_told_of_the_capture,
        ("paid",),
        check=told_once,
        rivals=(OTHER_TAB,),
    ),
]
