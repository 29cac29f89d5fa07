"""What happens in the shop is counted once, when it has happened, in the words that CloudWatch reads."""

from datetime import timedelta
from typing import Any
from unittest import mock

import boto3
import pytest
from aws_lambda_powertools.metrics.provider.cloudwatch_emf import cloudwatch

from chalicelib import clock, telemetry
from chalicelib.database.transactions import ConditionFailed, OutcomeUnknown, Transaction
from chalicelib.ledger import daily_reports
from chalicelib.orders.models import Order
from chalicelib.orders.repository import update_order
from chalicelib.telemetry import Metric
from tests.client import Shopper
from tests.mail.test_bounces import report
from tests.shop import Shop, order_id_of
from tests.telemetry import emf
from tests.telemetry.conftest import Counted


def without_calls(counted: Counted) -> dict[str, float]:
    """Leave out how often DynamoDB was asked."""
    return {name: number for name, number in counted().items() if name != Metric.DYNAMODB_CALLS}


# -- orders and money ---------------------------------------------------------------------------------------


def test_a_purchase_is_counted_step_by_step(shop: Shop, counted: Counted) -> None:
    shopper, token = shop.placed(MUG=1)
    placed = counted()
    assert placed["OrdersPlaced"] == 1
    assert placed["DynamoDBCalls"] > 5

    shop.come_back(shopper, token)
    assert without_calls(counted) == {"OrdersPaid": 1, "MoneySettled EUR": 2340}

    shop.functions.drain("order-emails")
    assert without_calls(counted) == {"EmailsSent": 2}


def test_a_repeated_notification_is_counted_once(shop: Shop, counted: Counted) -> None:
    shopper, token = shop.placed(MUG=1)
    shop.place(shopper)
    shop.paypal.approve(token)
    for _ in range(2):
        shopper.get(f"/payments/paypal/return?token={token}")
        shop.deliver_notifications()
        with shop.later(minutes=10):
            shop.reconcile()

    found = counted()
    assert (found["OrdersPlaced"], found["OrdersPaid"], found["MoneySettled EUR"]) == (1, 1, 2340)
    assert found["ReconcilerFound"] == 0


def test_a_change_that_lost_a_race_is_counted_once(shop: Shop, counted: Counted) -> None:
    shopper, token = shop.placed(MUG=1)
    counted()
    commit = Transaction.commit
    answers = [ConditionFailed({"order"}), ConditionFailed({"order"})]

    def refused_twice(transaction: Transaction, *given: float) -> None:
        if answers:
            raise answers.pop()
        commit(transaction, *given)

    with mock.patch.object(Transaction, "commit", refused_twice):
        shop.come_back(shopper, token)

    assert without_calls(counted) == {"OrdersPaid": 1, "MoneySettled EUR": 2340}


def test_a_change_whose_answer_was_lost_is_counted_once_at_most(shop: Shop, counted: Counted) -> None:
    shop.placed(MUG=1)
    (order,) = shop.orders()
    counted()
    commit = Transaction.commit

    def silent(transaction: Transaction, *given: float) -> None:
        commit(transaction, *given)
        raise OutcomeUnknown

    with mock.patch.object(Transaction, "commit", silent):
        update_order(order.id, _decline_once)

    assert shop.order(order.id).declined
    assert without_calls(counted) == {}, "one too few rather than one too many"


def _decline_once(order: Order, _: Transaction) -> bool:
    if order.declined:
        return False
    order.mark_declined("INSTRUMENT_DECLINED")
    return True


def test_a_payment_that_is_declined(shop: Shop, counted: Counted) -> None:
    shopper, token = shop.placed(MUG=1)
    shop.paypal.next_capture("INSTRUMENT_DECLINED")
    counted()

    shop.come_back(shopper, token)

    assert without_calls(counted) == {"PaymentsDeclined": 1}


def test_a_shopper_who_never_came_back_is_found_by_the_reconciler(shop: Shop, counted: Counted) -> None:
    _, token = shop.placed(MUG=1)
    shop.paypal.approve(token)
    counted()

    with shop.later(minutes=10):
        shop.reconcile()

    assert without_calls(counted) == {
        "OrdersPaid": 1,
        "ReconcilerFound": 1,
        "MoneySettled EUR": 2340,
        "HeldShare": 1,
    }


def test_an_order_that_nobody_pays_expires(shop: Shop, counted: Counted) -> None:
    shop.placed(MUG=1)
    counted()

    with shop.later(hours=4):
        shop.reconcile()

    assert without_calls(counted) == {"OrdersExpired": 1, "HeldShare": 1}


def test_money_that_pays_no_order_is_unexplained_and_goes_back(shop: Shop, counted: Counted) -> None:
    shopper, token = shop.placed(MUG=1)
    shop.paypal.next_capture("completed", value="1.00")
    counted()

    shop.come_back(shopper, token)
    assert without_calls(counted) == {
        "UnmatchedPayments": 1,
        "NeedsAttention": 1,
        "MoneySettled EUR": 100,
    }

    with shop.later(minutes=10):
        shop.reconcile()
    assert counted()["MoneySettled EUR"] == -100


def test_paypal_that_does_not_answer(shop: Shop, counted: Counted) -> None:
    shopper, token = shop.placed(MUG=1)
    shop.paypal.fault("any", "cut_after", times=None)
    counted()

    shop.come_back(shopper, token)
    shop.paypal.clear_faults()

    assert counted()["PaymentErrors"] >= 1


# -- mails and books ----------------------------------------------------------------------------------------


def test_a_mail_that_comes_back_is_counted_once(shop: Shop, counted: Counted) -> None:
    _, order_id = shop.paid(MUG=1)
    url = boto3.client("sqs").get_queue_url(QueueName="test-ses-feedback")["QueueUrl"]
    counted()
    for _ in range(3):
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody=report(shop.order(order_id)))

    shop.functions.drain("ses-feedback")

    assert without_calls(counted) == {"EmailsBounced": 1}


def test_days_without_books_are_counted_hourly(shop: Shop, counted: Counted) -> None:
    with shop.far_from_midnight():
        shop.paid(MUG=1)
        counted()
        with shop.later(days=1):
            shop.functions.fire("export_books")
            assert "DaysWithoutBooks" not in counted()

        with (
            shop.later(days=3) as moment,
            mock.patch.object(daily_reports, "_export", side_effect=OSError("S3 is away")),
        ):
            midnight = moment.replace(hour=0, minute=0)
            for hours, days in ((1.5, 1), (4.5, 2)):
                now = mock.patch.object(clock, "now", return_value=midnight + timedelta(hours=hours))
                with now, pytest.raises(daily_reports.ReportError):
                    shop.functions.fire("export_books")
                assert counted()["DaysWithoutBooks"] == days


def test_events_that_need_attention_or_repeat_are_summed_in_one_metric(counted: Counted) -> None:
    telemetry.count(Metric.DEAD_LETTERS, 2)
    telemetry.count(Metric.DAYS_WITHOUT_BOOKS)
    telemetry.count(Metric.PAYMENT_ERRORS)
    telemetry.flush({})
    told = counted()
    assert (told["NeedsAttention"], told["Degraded"]) == (3, 1)
    assert (told["DeadLetters"], told["DaysWithoutBooks"], told["PaymentErrors"]) == (2, 1, 1)


def test_messages_that_rest_are_counted_each_hour(shop: Shop, counted: Counted) -> None:
    with shop.far_from_midnight():
        shop.functions.fire("export_books")
        assert "DeadLetters" not in counted()
        for name in ("test-order-emails-dlq", "test-background-jobs-dlq"):
            url = boto3.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
            boto3.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
        shop.functions.fire("export_books")
        told = counted()
    assert (told["DeadLetters"], told["NeedsAttention"]) == (2, 2)


def test_an_event_that_nearly_times_out_is_counted(gateway: Any, counted: Counted) -> None:
    with mock.patch.object(telemetry, "_milliseconds_left", return_value=0.001):
        Shopper(gateway).get("/cart")
    told = counted()
    assert (told["TookLong"], told["Degraded"]) == (1, 1)


# -- what it costs ------------------------------------------------------------------------------------------


def test_an_event_has_one_log_line_and_another_for_money(
    shop: Shop, counted: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    shopper, token = shop.placed(MUG=1)
    shop.paypal.approve(token)
    capsys.readouterr()

    order_id = order_id_of(shopper.get(f"/payments/paypal/return?token={token}"))

    printed = capsys.readouterr().out
    whole, money = emf.read(printed)
    assert (whole["route"], whole["method"], whole["status"]) == ("/payments/paypal/return", "GET", 303)
    assert whole["milliseconds"] >= 0
    assert whole["request_id"] == money["request_id"] != ""
    assert token not in printed
    assert order_id not in printed


def test_a_page_without_dynamodb_calls_logs_nothing(
    gateway: Any, counted: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    shopper = Shopper(gateway)
    assert shopper.get("/").status == 200
    assert counted()["DynamoDBCalls"] > 0

    assert shopper.get("/").status == 200

    assert capsys.readouterr().out == ""


def test_on_ones_own_machine_nothing_is_printed(
    gateway: Any, setting: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    setting(function="")
    assert Shopper(gateway).get("/").status == 200

    assert capsys.readouterr().out == ""


def test_a_failure_to_emit_metrics_breaks_no_page(
    gateway: Any, counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    with mock.patch.object(cloudwatch, "AmazonCloudWatchEMFProvider", side_effect=RuntimeError("broken")):
        telemetry.count(Metric.ORDERS_PLACED)
        assert Shopper(gateway).get("/").status == 200

    assert "metrics could not be emitted" in caplog.text
