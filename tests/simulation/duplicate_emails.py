"""Which mails may have come twice: those that SES had taken when their sender ended without striking them out."""

import json
from collections import Counter
from typing import NamedTuple

from tests.fault_injection import lambda_process
from tests.fault_injection.harness import Mail, World
from tests.fault_injection.lambda_process import Call
from tests.shop import Shop
from tests.simulation.scheduler import Turn

NEVER_TAKEN = {lambda_process.DIE_BEFORE, lambda_process.SILENT_BEFORE, lambda_process.THROTTLED}
LAST = "the last mail that SES took"
SINCE = "what became of the calls since"


class Taken(NamedTuple):
    """A mail as SES took it, and what the outbox calls it."""

    mail: Mail
    order_id: str
    entries: list[str]  # one, unless a double of the message is at work on its neighbour in the batch


class Letters:
    """What SES took, compared with the outbox whenever a sender goes on to the next mail, or ends."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.in_doubt: Counter[Mail] = Counter()

    def watch(self, turn: Turn, call: Call, verdict: str) -> None:
        """Note the mail that may come again: each lost answer and each dead sender allows one more."""
        if call.operation == "SendEmail":
            self._look_back(turn)
            turn.notes[LAST] = None if verdict in NEVER_TAKEN else self._newest(turn)
            turn.notes[SINCE] = Counter[str]()
        turn.notes.setdefault(SINCE, Counter[str]())[verdict] += 1
        if turn.process.call is None:
            self._look_back(turn)

    def _newest(self, turn: Turn) -> Taken:
        from chalicelib import clock

        messages = [json.loads(record["body"]) for record in turn.about]
        mail = World.mails()[-1]
        orders = {message["order"]: self._shop.order(message["order"]) for message in messages}
        (order,) = (order for order in orders.values() if order.number in mail.subject + mail.text)
        claimed = {entry for entry, lease in order.emails_due.items() if lease > clock.timestamp()}
        entries = {message["entry"] for message in messages if message["order"] == order.id}
        return Taken(mail, order.id, sorted(entries & claimed))

    def _look_back(self, turn: Turn) -> None:
        taken: Taken | None = turn.notes.pop(LAST, None)
        if taken is None or not _may_be_lost(turn.notes[SINCE]):
            return
        if set(taken.entries) & set(self._shop.order(taken.order_id).emails_due):
            self.in_doubt[taken.mail] += 1


def _may_be_lost(verdicts: Counter[str]) -> bool:
    """Return what excuses a mail that was sent and not struck out: an answer that nobody heard, an outage."""
    return verdicts[lambda_process.THROTTLED] > 1 or any(verdicts[each] for each in lambda_process.UNHEARD)
