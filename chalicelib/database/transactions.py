"""Transactions that name the writes whose conditions failed."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pynamodb.exceptions import PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib import deadlines, ids, telemetry
from chalicelib.database.connection import (
    CONFLICT,
    PATIENCE_SECONDS,
    Table,
    error_code,
    is_condition_failure,
    pause,
    shared_connection,
)
from chalicelib.errors import ServiceUnavailable, SimultaneousChange
from chalicelib.telemetry import Metric

CONDITION_FAILED = "ConditionalCheckFailed"
RETRYABLE_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
RETRYABLE_ERRORS = {
    "TransactionInProgressException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
}
DEFINITE_ERRORS = {
    "AccessDeniedException",
    "ResourceNotFoundException",
    "TransactionCanceledException",
    "UnrecognizedClientException",
    "ValidationException",
}
BUSY = "The shop is very busy. Nothing was changed; please try again."
# Writes for which only one visitor's own requests contend: two tabs, a form sent many times.
ONE_VISITORS = {"cart", "order"}
SIMULTANEOUS = "This was changed elsewhere at the same time, perhaps in another tab. Nothing was saved. Please wait a few seconds and try again."
MAX_ATTEMPTS = 100


class ConditionFailed(Exception):
    """Raised when conditions of a transaction failed; nothing was written. `names` are the writes that had them."""

    def __init__(self, names: set[str]) -> None:
        # Only the part before the #: this is logged, and `paypal#…` or `number#…` leads to someone's order.
        super().__init__(", ".join(sorted({name.partition("#")[0] for name in names})))
        self.names = names


class OutcomeUnknown(Exception):
    """Raised when it is unknown whether a write took effect: read again."""


class Transaction:
    """Collects writes, then commits them together. `ConditionFailed` reports failed conditions by the writes' names."""

    def __init__(self) -> None:
        # pynamodb sends checks, deletes, puts, updates; reasons come back in that order.
        self._groups: tuple[list[tuple[str, Callable[[TransactWrite], None]]], ...] = ([], [], [], [])
        self._table: type[Table] | None = None

    def check(self, name: str, table: type[Table], key: str, condition: Condition) -> None:
        """Require a condition of an item that is not written."""
        self._add(0, name, table, lambda tx: tx.condition_check(table, key, condition=condition))

    def delete(self, name: str, item: Table, condition: Condition | None = None) -> None:
        """Delete an item."""
        self._add(1, name, type(item), lambda tx: tx.delete(item, condition=condition))

    def put(self, name: str, item: Table, condition: Condition | None = None) -> None:
        """Write a whole item."""
        self._add(2, name, type(item), lambda tx: tx.save(item, condition=condition))

    def update(
        self, name: str, item: Table, actions: Sequence[Action], condition: Condition | None = None
    ) -> None:
        """Change some attributes of an item."""
        self._add(3, name, type(item), lambda tx: tx.update(item, actions=list(actions), condition=condition))

    def _add(self, group: int, name: str, table: type[Table], write: Callable[[TransactWrite], None]) -> None:
        self._groups[group].append((name, write))
        self._table = table

    def commit(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Write everything or nothing.

        Conflicts with other transactions are retried, with jitter, for `timeout` seconds, or until the request's deadline.
        Raises `ConditionFailed` if a condition failed, `ServiceUnavailable` if rows stay contended, `SimultaneousChange`
        if only a cart or an order does, `OutcomeUnknown` without an answer, and pynamodb's own error if DynamoDB would
        never accept the transaction.
        """
        if self._table is None:
            return
        self._table._get_connection()
        token = ids.new_id()
        deadline = deadlines.deadline_in(timeout)
        for attempt in range(MAX_ATTEMPTS):
            try:
                self._send(token)
            except TransactWriteError as error:
                if (
                    time.monotonic() > deadline
                    or attempt == MAX_ATTEMPTS - 1
                    or not self._is_retryable(error)
                ):
                    raise self._failure(error) from error
                if error.cancellation_reasons:
                    token = (
                        ids.new_id()
                    )  # that one is cancelled for good; else the same one might still be at work
            else:
                return
            pause(attempt)

    def _send(self, token: str) -> None:
        transaction = TransactWrite(connection=shared_connection(), client_request_token=token)
        for group in self._groups:
            for _, write in group:
                write(transaction)
        transaction._commit()

    @staticmethod
    def _is_retryable(error: TransactWriteError) -> bool:
        """Return whether a retry may succeed: after conflicts and throttling, even beside a condition that failed."""
        codes = {reason.code for reason in error.cancellation_reasons if reason is not None}
        return bool(codes & RETRYABLE_REASONS) or error_code(error) in RETRYABLE_ERRORS

    def _failure(self, error: TransactWriteError) -> Exception:
        if refused := self._names(error, CONDITION_FAILED):
            return ConditionFailed(refused)
        if self._is_retryable(error) and error.cancellation_reasons:
            if self._names(error, "TransactionConflict") & ONE_VISITORS:
                return SimultaneousChange(SIMULTANEOUS)
            telemetry.count(Metric.BUSY)
            return ServiceUnavailable(BUSY)
        code = error_code(error)
        return error if code in DEFINITE_ERRORS else OutcomeUnknown(code or type(error.cause).__name__)

    def _names(self, error: TransactWriteError, code: str) -> set[str]:
        """Return the names of the writes that DynamoDB cancelled the transaction for, with this code."""
        names = [name for group in self._groups for name, _ in group]
        return {
            name
            for name, reason in zip(names, error.cancellation_reasons, strict=False)
            if reason is not None and reason.code == code
        }


# Adds an audit entry to a transaction: subject, values before, values after.
AuditWriter = Callable[[Transaction, str, Mapping[str, Any], Mapping[str, Any]], None]


def no_audit(
    transaction: Transaction, subject: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Write no audit entry: changes by shoppers, files and functions are in the order's history."""


def is_contended(error: PynamoDBException) -> bool:
    """Return whether a single write failed because another process was faster."""
    return is_condition_failure(error) or error_code(error) == CONFLICT
