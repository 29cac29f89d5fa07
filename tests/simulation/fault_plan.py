"""What becomes of each call, by the seed: mostly nothing, sometimes a fault, and now and then a service is away."""

import random
from dataclasses import dataclass

from tests.fault_injection import lambda_process
from tests.fault_injection.lambda_process import Call

FAULT_RATE = 0.02
OUTAGES = 3
OUTAGE_SECONDS = (20, 900)
ANYWHERE = [
    lambda_process.DIE_BEFORE,
    lambda_process.DIE_AFTER,
    lambda_process.SILENT_BEFORE,
    lambda_process.SILENT_AFTER,
    lambda_process.SILENT_AFTER,
    lambda_process.THROTTLED,
    lambda_process.GARBAGE,
]
AWAY = [lambda_process.SILENT_BEFORE, lambda_process.SILENT_AFTER, lambda_process.THROTTLED]
SERVICES = ["dynamodb", "sqs", "sesv2", "s3", "paypal", "paypal", "sesv2"]


@dataclass(frozen=True)
class Outage:
    """A service that is away for a while."""

    service: str
    begins: float
    ends: float
    verdict: str


class Fate:
    """Decides about calls, and how long each takes."""

    def __init__(self, seed: str, *, last: float) -> None:
        self._chance = random.Random(f"fate of {seed}")
        self.calm = False
        self.outages = [self._outage(last) for _ in range(OUTAGES)]

    def _outage(self, last: float) -> Outage:
        begins = self._chance.uniform(0, last)
        service = self._chance.choice(SERVICES)
        return Outage(
            service, begins, begins + self._chance.uniform(*OUTAGE_SECONDS), self._chance.choice(AWAY)
        )

    def verdict(self, call: Call, now: float) -> str:
        """Return what becomes of a call."""
        if self.calm:
            return lambda_process.GO
        for outage in self.outages:
            if call.service == outage.service and outage.begins <= now < outage.ends:
                return outage.verdict
        if self._chance.random() >= FAULT_RATE:
            return lambda_process.GO
        if call.operation == "TransactWriteItems" and self._chance.random() < 0.4:
            return lambda_process.CONFLICT
        return self._chance.choice(ANYWHERE)

    def seconds(self) -> float:
        """Return how long a call waits for its turn: mostly little, seldom so long that its process is given up."""
        return (
            self._chance.uniform(0.002, 0.08)
            if self._chance.random() < 0.94
            else self._chance.uniform(0.1, 8)
        )
