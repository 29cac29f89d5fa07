"""What happens by itself: queues deliver, PayPal notifies, schedules fire. At least once, at some time, in any order."""

import json
import math
import os
import random
from typing import Any
from unittest import mock

from infra.local.event_functions import _record, context, failed_ids, scheduled_event
from infra.local.fake_paypal import store
from infra.local.fake_paypal.webhooks import MAX_TRIES, Webhooks, backoff
from tests.fault_injection import lambda_process
from tests.fault_injection.lambda_process import Answered, Call
from tests.shop import Shop
from tests.simulation.scheduler import Act, Agent, Day, Turn

QUEUES = {"paypal-webhooks": "settle_notifications", "order-emails": "send_order_emails"}
HIDDEN_SECONDS = 360.0
TRIES = 5
FUNCTION_SECONDS = 60.0
ROUND, HOUR = 300.0, 3600.0
# What the reconciler finds without being told. Of refunds on PayPal's own pages it learns from PayPal alone.
MAY_BE_LOST = ("CHECKOUT.", "PAYMENT.CAPTURE.COMPLETED", "PAYMENT.CAPTURE.PENDING", "PAYMENT.CAPTURE.DENIED")
FORGED = "WH-F0RGED"  # the ID of what PayPal never sent
NOT_TAKEN = {lambda_process.DIE_BEFORE, lambda_process.SILENT_BEFORE, lambda_process.THROTTLED}


class Backstage:
    """Queues, PayPal's notifications and schedules of one day."""

    def __init__(self, shop: Shop, day: Day, seed: str) -> None:
        self._shop, self._day = shop, day
        self._chance = random.Random(f"backstage of {seed}")
        self._forger = random.Random(f"a forger of {seed}")
        self._handlers = shop.functions._app.handler_map
        self._sqs: Any = shop.functions._queues[0]._sqs
        self._urls = {
            queue: self._sqs.get_queue_url(QueueName=os.environ["TABLE_PREFIX"] + queue)["QueueUrl"]
            for queue in QUEUES
        }
        self._numbers = 0
        self._due = -1, math.inf  # as of which call, and what it was
        self._heard: list[dict[str, Any]] = []
        self.dead_letters: list[tuple[str, dict[str, Any]]] = []
        day.watchers.append(self._watch)
        self._patches = [
            mock.patch.object(store, "secrets", random.Random(f"PayPal's ids of {seed}")),
            mock.patch.object(Webhooks, "notify", self._overhear(Webhooks.notify)),
        ]

    def __enter__(self) -> "Backstage":
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()

    # -- queues -------------------------------------------------------------------------------------------

    def _watch(self, turn: Turn, call: Call, verdict: str) -> None:
        if call.operation.startswith("SendMessage") and verdict not in NOT_TAKEN:
            for queue in QUEUES:
                self._collect(queue)
        if call.service == "paypal":
            self.listen()

    def _collect(self, queue: str) -> None:
        """Take what was just sent out of the real queue; from here on the seed delivers it."""
        url = self._urls[queue]
        messages = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        records = []
        for message in sorted(messages, key=lambda message: str(message["Body"])):
            self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            assert FORGED not in message["Body"], "what PayPal never signed is to be worked on"
            records.append(self._named(_record(message, queue)))
        self._deliver(queue, records)

    def _named(self, record: dict[str, Any]) -> dict[str, Any]:
        self._numbers += 1
        return {**record, "messageId": f"message {self._numbers}"}

    def _deliver(self, queue: str, records: list[dict[str, Any]]) -> None:
        together = queue == "order-emails" and self._chance.random() < 0.5
        for batch in [records] if together and records else [[record] for record in records]:
            self._day.begin(f"{queue} {batch[0]['messageId']}", self._work(queue, batch))
        for record in records:
            if not self._day.fate.calm and self._chance.random() < 0.1:
                self._day.begin(f"{queue} {record['messageId']} again", self._work(queue, [record]))

    def _work(self, queue: str, batch: list[dict[str, Any]]) -> Agent:
        function = self._handlers[QUEUES[queue]]
        yield self._chance.choice((0.01, 0.05, 0.5, 3.0)) * self._chance.random()
        for _ in range(TRIES):
            event = {"Records": batch}
            end = yield Act(lambda event=event: function(event, context(queue)), FUNCTION_SECONDS, batch)  # type: ignore[misc]
            ids = {record["messageId"] for record in batch}
            failed = failed_ids(end.value, ids) if isinstance(end, Answered) else ids
            batch = [record for record in batch if record["messageId"] in failed]
            if not batch:
                return
            yield HIDDEN_SECONDS
        self.dead_letters += [(queue, record) for record in batch]

    def replay(self) -> None:
        """Send the dead letters through again, as an operator does once the trouble is over."""
        dead, self.dead_letters = self.dead_letters, []
        for queue, record in dead:
            self._day.begin(f"{queue} {record['messageId']} replayed", self._work(queue, [record]))

    # -- PayPal -------------------------------------------------------------------------------------------

    def _overhear(self, notify: Any) -> Any:
        def overheard(webhooks: Webhooks, *arguments: Any) -> Any:
            event = notify(webhooks, *arguments)
            self._heard.append(event)
            return event

        return overheard

    def listen(self) -> None:
        """Let PayPal post what has just happened there; or not, or twice, or late."""
        heard, self._heard = self._heard, []
        for event in heard:
            copies = 1
            if not self._day.fate.calm:
                lost = event["event_type"].startswith(MAY_BE_LOST) and self._chance.random() < 0.25
                copies = 0 if lost else self._chance.choice((1, 1, 1, 1, 1, 2))
            if not copies:
                self._day.note(f"PayPal {event['event_type']} is lost")
            for _ in range(copies):
                self._day.begin(f"webhook {event['event_type']}", self._post(event))
            if not self._day.fate.calm and self._forger.random() < 0.2:
                self._day.begin(f"forged {event['event_type']}", self._forge(event))

    def _post(self, event: dict[str, Any]) -> Agent:
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        yield self._chance.choice((0.1, 1, 1, 5, 60, 1500)) * self._chance.random()
        for tries in range(1, MAX_TRIES):
            headers = self._shop.paypal.sign(body)
            end = yield Act(lambda headers=headers: self._shop.notify(body, headers))  # type: ignore[misc]
            if isinstance(end, Answered) and end.value.status == 200:
                return
            yield backoff(tries)

    def _forge(self, event: dict[str, Any]) -> Agent:
        """Let a stranger post what PayPal never signed: whatever else goes wrong, it is not taken for PayPal's."""
        body = json.dumps({**event, "id": FORGED}, ensure_ascii=False, separators=(",", ":")).encode()
        yield self._forger.uniform(0, 5)
        headers = self._shop.paypal.sign(body, key="wrong")
        yield Act(lambda: self._shop.notify(body, headers))

    # -- schedules ----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Let the schedules fire from now on."""
        self._day.begin("reconciler", self._reconcile(), endless=True)
        self._day.begin("books", self._write_books(), endless=True)

    def _reconcile(self) -> Agent:
        while True:
            yield ROUND - self._day.now % ROUND
            self._shop.paypal.advance(0)  # what lapsed there lapses now
            self.listen()
            # A round that finds nothing changes nothing; there are hundreds in a day.
            if self.next_due() <= self._day.moment.now().timestamp():
                yield self._fire("reconcile_payments", 280.0)

    def next_due(self) -> float:
        """Return when the reconciler has something to do, in seconds since 1970; infinity: never again."""
        from chalicelib.orders.models import Order

        if self._due[0] != self._day.calls:  # else nothing has changed
            dues = [float(row.due_at) for row in Order.due_index.scan()]
            self._due = self._day.calls, min(dues, default=math.inf)
        return self._due[1]

    def _write_books(self) -> Agent:
        from chalicelib.ledger import daily_reports

        moved = 0
        while True:
            yield HOUR - self._day.now % HOUR
            # A run changes nothing where nothing moved and no day is to be closed.
            if len(self._shop.ledger()) != moved or daily_reports.days_due(self._day.moment.now()):
                end = yield self._fire("export_books", 900.0)
                moved = len(self._shop.ledger()) if isinstance(end, Answered) else moved

    def _fire(self, name: str, within: float) -> Act:
        run = self._handlers[name]
        return Act(lambda: run(scheduled_event(name), context(name)), within)
