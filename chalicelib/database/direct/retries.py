"""Which failed attempts are retried, how often and after what pause, as in botocore's mode “standard”.

A single write has no token as a transaction has: retried after an attempt that may have taken effect, it could be applied
twice, or fail its own condition. So Put, Update and Delete are retried only if the attempt surely had no effect;
otherwise the caller reads.
"""

import random

from botocore.exceptions import BotoCoreError, ConnectTimeoutError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as AnyConnectionError
from botocore.retries.quota import RetryQuota

from chalicelib.database.direct.http_pool import CONNECT_ERRORS

MAX_PAUSE_SECONDS = 20
RETRY_COST, TIMEOUT_COST, REFUND = (
    5,
    10,
    1,
)  # of a budget that many failures exhaust, which ends the retries
SINGLE_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
THROTTLING_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
TRANSIENT_CODES = frozenset({"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"})
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})


def may_repeat_error(operation: str, error: BotoCoreError) -> bool:
    """Return whether an attempt without an answer may be retried."""
    if operation in SINGLE_WRITES:
        return isinstance(error, CONNECT_ERRORS)
    return isinstance(error, AnyConnectionError | HTTPClientError)


def may_repeat_refusal(operation: str, status: int, code: str) -> bool:
    """Return whether an attempt that DynamoDB refused may be retried."""
    if code in THROTTLING_CODES:
        return True
    return operation not in SINGLE_WRITES and (status in TRANSIENT_STATUSES or code in TRANSIENT_CODES)


class RetryBudget:
    """The retries of one call, out of a quota that all calls of the process share."""

    def __init__(self, quota: RetryQuota, max_attempts: int) -> None:
        self._quota = quota
        self._max_attempts = max_attempts
        self.attempts = 1
        self._cost = REFUND

    def take(self, error: BotoCoreError | None = None) -> float | None:
        """Return the seconds to wait before the next attempt; None if there is none left."""
        is_timeout = isinstance(error, ConnectTimeoutError | ReadTimeoutError)
        cost = TIMEOUT_COST if is_timeout else RETRY_COST
        if self.attempts >= self._max_attempts or not self._quota.acquire(cost):
            return None
        pause = random.random() * min(2.0 ** (self.attempts - 1), MAX_PAUSE_SECONDS)
        self.attempts += 1
        self._cost = cost
        return pause

    def refund(self) -> None:
        """Return the attempts' cost to the quota, after the call succeeded."""
        self._quota.release(self._cost)
