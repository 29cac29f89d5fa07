"""A shop in which something goes wrong: acts run in processes of their own, and one call of them goes wrong.

Events come to the shop as in life. A page whose process died is a 502 to the shopper; a message whose function died
or failed comes again; a schedule fires again; PayPal posts a notification again until it hears 2xx.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from unittest import mock

from infra.local.event_functions import _Queue
from infra.local.fake_paypal.control.control_client import Notification
from tests.client import Answer, Shopper
from tests.fault_injection import lambda_process
from tests.fault_injection.lambda_process import Answered, Call, End, Process
from tests.mail.sent_emails import letters
from tests.shop import CUSTOMER, Shop

NO_ANSWER = Answer(502, {}, [], "")
DOUBLE = "its double"
MAX_ROUNDS = 40  # until everything must have come to rest


@dataclass(frozen=True)
class Fault:
    """What goes wrong at a call: how it begins, whether its repetitions go wrong too, whom it can befall.

    `lasting`: "" for this one request, "call" for its repetitions too, "service" for all that follow to this service,
    "while" for those of the next process, too. `sampled`: of all faults that are, `make test` plays one at each call.
    `overtaken`: another process runs whole just before this call: the `DOUBLE`, which is the same event delivered
    twice, or a rival that the scenario names.
    """

    name: str
    verdict: str = lambda_process.GO
    lasting: str = ""
    can_befall: Callable[[Call], bool] = lambda call: True
    overtaken: str = ""
    sampled: bool = False


class Mail(NamedTuple):
    """A mail as SES took it."""

    to: str
    subject: str
    text: str


WRITES = frozenset({"TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem"})


def _writes(call: Call) -> bool:
    return call.operation in WRITES


def _asks_paypal(call: Call) -> bool:
    return call.service == "paypal"


def _looks_at_paypal(call: Call) -> bool:
    return _asks_paypal(call) and call.operation.startswith("GET ")


FAULTS = [
    Fault("dies before", lambda_process.DIE_BEFORE),
    Fault("dies after", lambda_process.DIE_AFTER),
    Fault("answer lost once", lambda_process.SILENT_AFTER),
    Fault("silent, not done", lambda_process.SILENT_BEFORE, lasting="call"),
    Fault("silent, but done", lambda_process.SILENT_AFTER, lasting="call"),
    Fault("throttled once", lambda_process.THROTTLED),
    Fault("throttled from here on", lambda_process.THROTTLED, lasting="service"),
    Fault("conflict once", lambda_process.CONFLICT, can_befall=_writes),
    Fault("conflict from here on", lambda_process.CONFLICT, lasting="call", can_befall=_writes),
    Fault("garbage, but done", lambda_process.GARBAGE),
    Fault("overtaken by its double", overtaken=DOUBLE),
    Fault("an error of PayPal's once", lambda_process.BROKEN, can_befall=_asks_paypal, sampled=True),
    Fault(
        "errors of PayPal's for a while",
        lambda_process.BROKEN,
        lasting="while",
        can_befall=_asks_paypal,
        sampled=True,
    ),
    Fault("not found once", lambda_process.NOT_FOUND, can_befall=_looks_at_paypal, sampled=True),
    Fault(
        "in progress for a while",
        lambda_process.IN_PROGRESS,
        lasting="while",
        can_befall=_asks_paypal,
        sampled=True,
    ),
    Fault(
        "forbidden for a while",
        lambda_process.FORBIDDEN,
        lasting="while",
        can_befall=_asks_paypal,
        sampled=True,
    ),
]


@dataclass
class World:
    """One shop, one clock that goes on, and at most one fault at the call with a number."""

    shop: Shop
    passed: timedelta = timedelta()
    fault: Fault | None = None
    at: int = -1
    calls: list[Call] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    hit: Call | None = None  # the call that went wrong
    hit_in: int = -1  # the process that made it, counted from 0
    mail_in_doubt: bool = False  # nothing was heard between SES taking a mail and its being struck out
    twice: bool = False  # every event is delivered twice
    rival: Callable[[], object] = lambda: None
    _overtaking: bool = False
    posted: set[str] = field(default_factory=set)  # PayPal's notifications that were heard

    def __post_init__(self) -> None:
        _warm_up()

    # -- what is watched ----------------------------------------------------------------------------------

    def begin(self, fault: Fault | None = None, at: int = -1, *, twice: bool = False) -> None:
        """Begin a run in which the call with this number goes wrong."""
        self.fault, self.at, self.twice = fault, at, twice
        self.calls, self.ends, self.mail_in_doubt = [], [], False
        self.hit, self.hit_in = None, -1

    def act(self, what: Callable[[], Any]) -> End:
        """Let something happen in a process of its own."""
        end = self._act(what)
        if self.twice:
            end = self._act(what)
        return end

    def _act(self, what: Callable[[], Any]) -> End:
        if self._overtaking:
            return Process(what).run()
        end = Process(what).run(_Judge(self, what).decide)
        self.ends.append(end)
        return end

    def overtake(self) -> None:
        """Let the rival do what it does, undisturbed."""
        self._overtaking = True
        try:
            self.rival()
        finally:
            self._overtaking = False

    # -- what happens -------------------------------------------------------------------------------------

    def send(self, shopper: Shopper, method: str, address: str, **more: Any) -> Answer:
        """Let a browser ask; where no answer comes, it has learnt nothing, not even a cookie."""

        def ask() -> tuple[Answer, dict[str, str]]:
            return getattr(shopper, method.lower())(address, **more), shopper.jar

        end = self.act(ask)
        if not isinstance(end, Answered):
            return NO_ANSWER
        answer, shopper.jar = end.value
        assert isinstance(answer, Answer)
        return answer

    def insist(self, shopper: Shopper, method: str, address: str, **more: Any) -> Answer:
        """Ask as a shopper does who wants to know: again where the answer is 5xx, says so, or is none."""
        for _ in range(4):
            answer = self.send(shopper, method, address, **more)
            if not answer.says_try_again:
                return answer
        raise AssertionError(f"{method} {address} never answered: {answer.status} {answer.text[:300]}")

    def place(self, shopper: Shopper, **changed: str) -> Answer:
        """Send the checkout form, as often as it takes."""
        total = shopper.get("/checkout").field("total")
        return self.insist(shopper, "POST", "/checkout", form={**CUSTOMER, "total": total, **changed})

    def drain(self, queue: str) -> None:
        """Let the function behind a queue do its work, each message as often as it takes, or five times."""
        (source,) = [each for each in self.shop.functions._queues if each.name.endswith(queue)]
        with self._in_processes(source):
            source.drain(again=True)

    def fire(self, name: str) -> None:
        """Let a scheduled function run once; the schedule does not ask how it ended."""
        self.act(lambda: self.shop.functions.fire(name))

    def hush(self) -> None:
        """Let PayPal post nothing of what it has to tell by now."""
        self.posted.update(notification.id for notification in self.shop.paypal.notifications())

    def notify(self, token: str) -> None:
        """Let PayPal post what it has to tell of an order, again until it hears 2xx; then work through the queue."""
        for notification in self.shop.paypal.notifications():
            if notification.id not in self.posted and token in notification.body:
                self.posted.add(notification.id)
                self._post(notification)
        self.drain("paypal-webhooks")

    def _post(self, notification: Notification) -> None:
        body, headers = notification.body.encode(), notification.headers
        for _ in range(5):
            end = self.act(lambda: self.shop.notify(body, headers))
            if isinstance(end, Answered) and end.value.status == 200:
                return
        raise AssertionError(f"the webhook never took the notification: {end}")

    @contextmanager
    def _in_processes(self, source: _Queue) -> Iterator[None]:
        function = source._function

        def invoke(event: Any, lambda_context: Any) -> Any:
            end = self.act(lambda: function(event, lambda_context))
            if not isinstance(end, Answered):
                raise RuntimeError(f"the function ended: {end}")
            return end.value

        with mock.patch.object(source, "_function", invoke):
            yield

    # -- time ---------------------------------------------------------------------------------------------

    def pass_time(self, **span: float) -> None:
        """Move the shop's clock and PayPal's on: `pass_time(minutes=6)`."""
        self.passed += timedelta(**span)
        self.shop.paypal.advance(timedelta(**span).total_seconds())

    @contextmanager
    def keeping_time(self) -> Iterator[None]:
        """Let the shop's clock show what has passed."""
        from chalicelib import clock

        with mock.patch.object(clock, "now", side_effect=lambda: datetime.now(UTC) + self.passed):
            yield

    def rounds(self, number: int = 2, minutes: float = 6) -> None:
        """Let some rounds of the reconciler pass, undisturbed, and the queues behind it."""
        for _ in range(number):
            self.pass_time(minutes=minutes)
            self.shop.reconcile()
            self.shop.functions.drain("order-emails", again=True)

    def come_to_rest(self) -> None:
        """Let time pass until nothing is due any more: no order is stuck, none is looked at for ever."""
        from chalicelib import clock

        for _ in range(MAX_ROUNDS):
            dues = [order.due_at for order in self.shop.orders() if order.due_at is not None]
            if not dues:
                return
            wait = max(0, min(dues) - clock.timestamp()) / 60
            self.rounds(1, minutes=wait + 1)
        raise AssertionError(f"never at rest: {self.shop.orders()}")

    # -- independent books --------------------------------------------------------------------------------

    @staticmethod
    def mails() -> list[Mail]:
        """List what SES took, from its own log."""
        taken = letters(os.environ["AWS_ENDPOINT_URL"])
        return [Mail(mail["To"][0], mail["Subject"], mail["BodyText"]) for mail in taken]


def _warm_up() -> None:
    """Import and make before the first fork what every process would otherwise spend its time on."""
    from chalicelib.aws import client
    from chalicelib.mail import render  # noqa: F401  # imported for those that are forked
    from chalicelib.payments.paypal import api_client  # noqa: F401  # as above

    for service in ("sesv2", "sqs", "s3"):
        client(service)


class _Judge:
    """Decides about the calls of one process."""

    def __init__(self, world: World, what: Callable[[], Any]) -> None:
        self._world = world
        self._what = what
        self._befallen: Call | None = None
        self._mail_open = False  # a mail was handed to SES, and not struck out yet

    def decide(self, call: Call) -> str:
        """Return what becomes of a call."""
        self._world.calls.append(call)
        verdict = self._verdict(call)
        if call.operation == "SendEmail":
            self._mail_open = verdict in lambda_process.DONE
        elif call.operation == "TransactWriteItems" and verdict == lambda_process.GO:
            self._mail_open = False
        if self._mail_open and (verdict in lambda_process.UNHEARD or self._is_refused_for_good(verdict)):
            self._world.mail_in_doubt = True
        return verdict

    def _is_still_away(self, call: Call) -> bool:
        hit = self._world.hit
        return (
            hit is not None
            and call.service == hit.service
            and len(self._world.ends) <= self._world.hit_in + 1
        )

    def _is_refused_for_good(self, verdict: str) -> bool:
        # A refusal is tried again; one that outlives the process leaves nobody who could strike the mail out.
        fault = self._world.fault
        return verdict != lambda_process.GO and fault is not None and fault.lasting == "service"

    def _verdict(self, call: Call) -> str:
        world, fault = self._world, self._world.fault
        if fault is None:
            return lambda_process.GO
        if len(world.calls) == world.at + 1:
            world.hit = self._befallen = call
            world.hit_in = len(world.ends)
            if fault.overtaken == DOUBLE:
                Process(self._what).run()
            elif fault.overtaken:
                Context().run(world.overtake)  # on nobody's behalf: not on that of the function that waits
            return fault.verdict
        lasts = self._befallen is not None and (
            (fault.lasting == "service" and call.service == self._befallen.service)
            or (fault.lasting == "call" and call == self._befallen)
        )
        if lasts or (fault.lasting == "while" and self._is_still_away(call)):
            return fault.verdict
        if fault.lasting != "service":
            self._befallen = None
        return lambda_process.GO
