"""The harness catches something: each promise is broken on purpose, and it is seen to fail."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from pynamodb.exceptions import PynamoDBException

from chalicelib import ids
from chalicelib.catalog.editing import form_idempotency
from chalicelib.database.connection import TableMeta
from chalicelib.database.transactions import Transaction
from chalicelib.ledger import daily_reports, models
from chalicelib.ledger.report_files import File, ReportWriter
from chalicelib.mail import outbox, sender
from chalicelib.mail.render import render_email
from chalicelib.orders import repository
from chalicelib.orders.enums import EmailKind, HistoryEvent
from chalicelib.orders.models import Order
from chalicelib.payments import movements
from chalicelib.payments.paypal import gateway
from tests import iam_policy_check
from tests.fault_injection import assertions, lambda_process
from tests.fault_injection.harness import FAULTS, World
from tests.fault_injection.lambda_process import Answered, Call, Died, Process, Raised
from tests.fault_injection.scenario import Case, Scenario
from tests.fault_injection.scenarios import (
    background_jobs,
    checkout_and_payment,
    expiry_and_unmatched_payments,
    staff_actions,
)
from tests.invariants import check_letters, check_money, check_nothing_is_forgotten, check_stock

SCENARIOS = {
    each.name: each
    for each in (
        *checkout_and_payment.SCENARIOS,
        *expiry_and_unmatched_payments.SCENARIOS,
        *background_jobs.SCENARIOS,
        *staff_actions.SCENARIOS,
    )
}

# -- promises that are broken -------------------------------------------------------------------------------


def settling_without_looking() -> AbstractContextManager[Any]:
    """Settle every refund that PayPal tells of, booked before or not."""
    return mock.patch.object(Order, "has_recorded", lambda order, paypal_id: paypal_id == order.capture_id)


def writing_without_version() -> AbstractContextManager[Any]:
    """Write the order whoever has changed it since it was read."""
    put = Transaction.put

    def whatever(transaction: Transaction, name: str, item: Any, condition: Any = None) -> None:
        put(transaction, name, item, None if name == "order" else condition)

    return mock.patch.object(Transaction, "put", whatever)


def booking_beside_the_transaction() -> AbstractContextManager[Any]:
    """Write the ledger's row at once, and the order later."""
    add = movements.add_movement
    at_once = mock.Mock(put=lambda name, item, condition: item.save())
    return mock.patch.object(movements, "add_movement", lambda _, *what: add(at_once, *what))


def booking_every_fee_as_a_cent() -> AbstractContextManager[Any]:
    """Book one cent as PayPal's fee, whatever it was."""
    new = models.new_ledger_entry
    return mock.patch.object(movements, "new_ledger_entry", lambda kind, **row: new(kind, **row | {"fee": 1}))


def booking_refunds_under_another_id() -> AbstractContextManager[Any]:
    """Book a refund under an id that PayPal never gave it."""
    new = models.new_ledger_entry

    def misnamed(kind: str, **row: Any) -> models.LedgerEntry:
        return new(kind, **row | {"paypal_id": row["paypal_id"] + "X" * (kind == models.REFUND)})

    return mock.patch.object(movements, "new_ledger_entry", misnamed)


def striking_out_before_sending() -> AbstractContextManager[Any]:
    """Note a mail as sent, and send it then."""

    def send_due(order_id: str, entry: str) -> None:
        claim = outbox.claim(order_id, entry)
        if claim is not None:
            letter = render_email(claim.order, entry)
            assert letter is not None
            outbox.mark_sent(claim, HistoryEvent.EMAIL_SENT)
            sender.send_via_ses(letter)

    return mock.patch.object(sender, "send_due", send_due)


def owing_few_letters() -> AbstractContextManager[Any]:
    """Owe nobody a letter about a payment or a refund."""
    owe = Order.queue_email

    def owe_others(order: Order, kind: EmailKind, movement: str) -> None:
        if kind not in ("order_paid", "merchant_order_paid", "refund_completed"):
            owe(order, kind, movement)

    return mock.patch.object(Order, "queue_email", owe_others)


@contextmanager
def giving_up_at_the_first_conflict() -> Iterator[None]:
    """Try no write again, not even that of what became of a mail."""
    with (
        mock.patch.object(Transaction, "_is_retryable", return_value=False),
        mock.patch.object(repository, "MAX_ATTEMPTS", 1),
        mock.patch.object(outbox, "PAUSES", ()),
    ):
        yield


def leases_that_hold_nobody_off() -> AbstractContextManager[Any]:
    """Let the lease of a mail end before it begins."""
    return mock.patch.object(outbox, "LEASE_SECONDS", -60)


def giving_stock_back_twice() -> AbstractContextManager[Any]:
    """Put an order's units back on the shelf even where its reservation has fallen before."""
    give_back = Order.release_stock

    def release_stock(order: Order, transaction: Transaction) -> None:
        order.reserved = order.held = True
        give_back(order, transaction)

    return mock.patch.object(Order, "release_stock", release_stock)


def asking_under_fresh_ids() -> AbstractContextManager[Any]:
    """Ask PayPal for the same thing under another id each time."""
    ask_once = gateway._make_idempotent
    return mock.patch.object(gateway, "_make_idempotent", lambda request, _: ask_once(request, ids.new_id()))


def forgetting_claims() -> AbstractContextManager[Any]:
    """Claim a payment, and have nobody look after the claim."""
    mark_capturing = Order.mark_capturing

    def take_up_only(order: Order, claim: str) -> None:
        mark_capturing(order, claim)
        order.next_check_at = None

    return mock.patch.object(Order, "mark_capturing", take_up_only)


def forgetting_refunds() -> AbstractContextManager[Any]:
    """Decide a refund, and have nobody look after it."""
    request_refund = Order.request_refund

    def want_only(order: Order, *what: Any, **more: Any) -> None:
        request_refund(order, *what, **more)
        order.next_refund_at = None

    return mock.patch.object(Order, "request_refund", want_only)


def forgetting_forms() -> AbstractContextManager[Any]:
    """Take a form that is sent again for a new one."""
    return mock.patch.object(form_idempotency, "rows_processed_by", return_value={})


@contextmanager
def writing_the_manifest_first() -> Iterator[None]:
    """Vouch for files that are not there yet."""
    waiting: list[ReportWriter] = []
    write_manifest = daily_reports._write_manifest

    def finish(upload: ReportWriter) -> File:
        upload._encode()
        waiting.append(upload)
        return File(upload._key, upload._rows, upload._parts.size, upload._parts.sha256)

    def manifest_first(*what: Any, once: bool) -> None:
        write_manifest(*what, once=once)
        while waiting:
            waiting.pop()._parts.finish()

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(ReportWriter, "finish", finish))
        stack.enter_context(mock.patch.object(daily_reports, "_write_manifest", manifest_first))
        yield


@dataclass(frozen=True)
class Breach:
    """A broken promise, where it does harm, and who notices."""

    promise: Callable[[], AbstractContextManager[Any]]
    scenario: str
    noticed_by: Callable[..., None]
    fault: str = ""  # none: breaking the promise is enough
    operation: str = ""  # of the last call so called


BREACHES = [
    Breach(
        settling_without_looking,
        "refunded at PayPal",
        check_money,
        "overtaken by its double",
        "TransactWriteItems",
    ),
    Breach(
        writing_without_version,
        "refunded at PayPal",
        check_money,
        "overtaken by its double",
        "TransactWriteItems",
    ),
    Breach(
        booking_beside_the_transaction,
        "pay by webhook only",
        check_money,
        "dies before",
        "TransactWriteItems",
    ),
    Breach(booking_every_fee_as_a_cent, "pay by return", check_money),
    Breach(booking_refunds_under_another_id, "refunded at PayPal", check_money),
    Breach(striking_out_before_sending, "send the mails", assertions.check_mails, "dies before", "SendEmail"),
    Breach(owing_few_letters, "pay by return", check_letters),
    Breach(owing_few_letters, "refunded at PayPal", check_letters),
    Breach(
        giving_up_at_the_first_conflict,
        "send the mails",
        assertions.check_mails,
        "conflict once",
        "TransactWriteItems",
    ),
    Breach(
        leases_that_hold_nobody_off,
        "send the mails",
        assertions.check_mails,
        "overtaken by its double",
        "SendEmail",
    ),
    Breach(giving_stock_back_twice, "expiry", check_stock),
    Breach(asking_under_fresh_ids, "a refund whose answer was lost", check_money),
    Breach(
        forgetting_claims,
        "pay by return",
        check_nothing_is_forgotten,
        "dies after",
        "POST /v2/checkout/orders/…/capture",
    ),
    Breach(forgetting_forms, "staff add units", check_stock, "dies after", "TransactWriteItems"),
    Breach(forgetting_refunds, "a refund that was decided", assertions.check_refunds),
    Breach(
        writing_the_manifest_first,
        "export the books",
        background_jobs.export_the_books,
        "dies after",
        "PUT json",
    ),
]


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.promise.__name__)
def test_a_promise_that_is_broken_is_noticed(breach: Breach, world: World) -> None:
    # What a scenario itself would check is left out: the invariants alone have to notice.
    scenario = replace(SCENARIOS[breach.scenario], check=lambda case: None)
    with breach.promise(), pytest.raises(AssertionError) as noticed:
        _play(scenario, breach, world)
    assert breach.noticed_by.__name__ in [entry.name for entry in noticed.traceback]


def _play(scenario: Scenario, breach: Breach, world: World) -> None:
    cases = [Case(world, 0, "undisturbed")]
    calls = scenario.run(cases[0])
    if breach.fault:
        (fault,) = [each for each in FAULTS if each.name == breach.fault]
        at = max(at for at, call in enumerate(calls) if call.operation == breach.operation)
        cases.append(Case(world, 1, f"{fault.name} at {breach.operation}"))
        scenario.run(cases[1], fault, at)
    scenario.end(cases)
    assertions.check(scenario, cases, world)


# -- faults are real ----------------------------------------------------------------------------------------


def _count_in(name: str, path: Path) -> Callable[[], None]:
    def act() -> None:
        try:
            Order.fetch("0" * 32)
        finally:
            path.write_text(name)

    return act


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("death", [lambda_process.DIE_BEFORE, lambda_process.DIE_AFTER])
def test_death_is_real(death: str, tmp_path: Path) -> None:
    path = tmp_path / "last words"
    lives = Process(_count_in("lives", path))
    assert isinstance(lives.run(), Raised)
    assert path.read_text() == "lives"
    assert isinstance(Process(_count_in("dies", path)).run(lambda call: death), Died)
    assert path.read_text() == "lives"


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("verdict_", "done"),
    [
        (lambda_process.GO, True),
        (lambda_process.DIE_BEFORE, False),
        (lambda_process.DIE_AFTER, True),
        (lambda_process.SILENT_BEFORE, False),
        (lambda_process.SILENT_AFTER, True),
        (lambda_process.THROTTLED, False),
        (lambda_process.CONFLICT, False),
        (lambda_process.GARBAGE, True),
    ],
)
def test_what_is_said_to_be_done_is_done_and_nothing_else(verdict_: str, done: bool) -> None:
    from chalicelib import scheduled_runs

    writing = Process(lambda: scheduled_runs.record_run("reconcile_payments"))
    writing.run(lambda call: verdict_)
    assert bool(scheduled_runs.last_runs(["reconcile_payments"])) is done
    assert (verdict_ in lambda_process.DONE) is done


@pytest.mark.usefixtures("paypal")
@pytest.mark.parametrize(
    ("verdict_", "understood"),
    [(lambda_process.BROKEN, "PayPalOutcomeUnknown"), (lambda_process.NOT_FOUND, "PayPalNotFound")],
)
def test_an_error_of_paypals_is_read_as_one(verdict_: str, understood: str) -> None:
    def decide(call: Call) -> str:
        return verdict_ if call.operation.startswith("GET") else lambda_process.GO

    end = Process(lambda: gateway.get_order("0RDER")).run(decide)
    assert isinstance(end, Raised)
    assert understood in end.words


def test_a_process_that_sleeps_does_not_wait() -> None:
    import time

    def act() -> tuple[int, float]:
        began = time.monotonic()
        time.sleep(10_000)
        return os.getpid(), time.monotonic() - began

    end = Process(act).run()
    assert isinstance(end, Answered)
    pid, slept = end.value
    assert pid != os.getpid()
    assert slept >= 10_000


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("silence", [lambda_process.SILENT_BEFORE, lambda_process.SILENT_AFTER])
def test_a_process_that_waits_in_vain_has_lost_that_time(silence: str) -> None:
    import time

    def act() -> float:
        began = time.monotonic()
        with pytest.raises(PynamoDBException):
            Order.fetch("0" * 32)
        return time.monotonic() - began

    end = Process(act).run(lambda call: silence)
    assert isinstance(end, Answered), end
    assert end.value >= 2 * TableMeta.read_timeout_seconds  # it asks again


def test_what_aws_would_refuse_a_process_is_told_once(refused_by_aws: list[str]) -> None:
    for each in ("this", "that"):
        Process(partial(iam_policy_check.refused.append, each)).run()
    assert refused_by_aws == ["this", "that"]
    refused_by_aws.clear()


def test_a_fault_befalls_only_what_it_can() -> None:
    (conflict,) = [fault for fault in FAULTS if fault.name == "conflict once"]
    assert conflict.can_befall(Call("dynamodb", "PutItem"))
    assert not conflict.can_befall(Call("dynamodb", "GetItem"))
    (forbidden,) = [fault for fault in FAULTS if fault.name == "forbidden for a while"]
    assert forbidden.can_befall(Call("paypal", "POST /v1/oauth2/token"))
    assert not forbidden.can_befall(Call("s3", "GET csv"))
