"""What every table shares: one connection, transactions that say who refused, and reads of many items at once."""

import json
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from botocore.exceptions import HTTPClientError
from pynamodb.connection import Connection, TableConnection
from pynamodb.exceptions import PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib import aws, clock, telemetry
from chalicelib.config import settings
from chalicelib.errors import Busy, SimultaneousChange
from chalicelib.telemetry import Metric

CONDITION_FAILED = "ConditionalCheckFailed"
CONFLICT = "TransactionConflictException"  # of a write of one item, while a transaction is at work on it
PASSING_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
PASSING_ERRORS = {
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
# Of a transaction, what one visitor's requests alone contend for: two tabs, a form sent many times.
ONE_VISITORS = {"cart", "order"}
SIMULTANEOUS = "This is being changed at the same moment, perhaps from another tab. Nothing was changed now; please wait a few seconds and try again."
MOST_KEYS_A_READ = 100
PATIENCE_SECONDS = 4.0
MOST_TRIES = 100
_M = TypeVar("_M", bound="Table")
_T = TypeVar("_T")


class Refused(Exception):
    """Name the items of a transaction whose conditions did not hold; nothing was written."""

    def __init__(self, names: set[str]) -> None:
        # Told by kind: this is logged, and `paypal#…` or `number#…` is the key to somebody's order.
        super().__init__(", ".join(sorted({name.partition("#")[0] for name in names})))
        self.names = names


class Unknown(Exception):
    """Whether a write took effect is not known: read again."""


class TableMeta:
    """How tables are reached; AWS_ENDPOINT_URL and the region come from the environment, as boto3 reads them."""

    billing_mode = "PAY_PER_REQUEST"
    connect_timeout_seconds = 2
    read_timeout_seconds = 5
    max_retry_attempts = 2
    max_pool_connections = 20


class Table(Model):
    """A table of the shop."""

    TTL: ClassVar[str | None] = None
    _shared: ClassVar[Connection | None] = None

    @classmethod
    def _get_connection(cls) -> TableConnection:
        # pynamodb makes a botocore client a model, 20 ms each; they differ in nothing, so all share the first.
        connection = super()._get_connection()
        shared = Table._shared or connect()
        if connection.connection is not shared:
            if connection.table_name not in shared._tables:  # two models may share a table
                shared.add_meta_table(connection.get_meta_table())
            connection.connection = shared
        return connection

    def save(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        """Write the whole item; again where a transaction is at work on it."""
        write = super().save
        return _past_conflicts(lambda: write(condition, add_version_condition=add_version_condition))

    def update(
        self, actions: list[Action], condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> Any:
        """Change some attributes; again where a transaction is at work on the item."""
        write = super().update
        return _past_conflicts(lambda: write(actions, condition, add_version_condition=add_version_condition))

    def delete(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        """Delete the item; again where a transaction is at work on it."""
        write = super().delete
        return _past_conflicts(lambda: write(condition, add_version_condition=add_version_condition))


def _past_conflicts(write: Callable[[], _T]) -> _T:
    """Write one item, again while DynamoDB refuses it for a transaction: that has surely changed nothing."""
    deadline = clock.ends(PATIENCE_SECONDS)
    tries = 0
    while True:
        try:
            return write()
        except PynamoDBException as error:
            if _code(error) != CONFLICT or time.monotonic() > deadline:
                raise
        _pause(tries)
        tries += 1


def pause_after(tries: int) -> tuple[float, float]:
    """Tell the shortest and the longest pause after so many conflicts, in seconds."""
    return 0.005, 0.02 * 2 ** min(tries, 5)


def _pause(tries: int) -> None:
    """Step back for a moment after a conflict; by chance, so that not all come back together."""
    time.sleep(random.uniform(*pause_after(tries)))


def _parse_plainly(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Read DynamoDB's JSON as it is: no table holds binary values, which alone would need botocore's slow walk."""
    if response_dict["status_code"] == 200:
        try:
            customized_response_dict.update(json.loads(response_dict["body"]))
        except ValueError as error:  # half an answer is none: whether a write took effect is not known
            raise HTTPClientError(error=error) from error
        response_dict["body"] = b"{}"


def _count_call(**_: object) -> None:
    telemetry.count(Metric.DYNAMODB_CALLS)


def table_name(name: str) -> str:
    """Name a table, with the prefix that lets several shops share an account."""
    return settings.table_prefix + name


def connect() -> Connection:
    """Make the client that all tables share: before the first request, which need not wait for it then."""
    shared = Connection(
        connect_timeout_seconds=TableMeta.connect_timeout_seconds,
        read_timeout_seconds=TableMeta.read_timeout_seconds,
        max_retry_attempts=TableMeta.max_retry_attempts,
        max_pool_connections=TableMeta.max_pool_connections,
    )
    events = shared.client.meta.events
    events.register("before-parse.dynamodb", _parse_plainly)
    events.register("before-call.dynamodb", _count_call)
    aws.keep_deadline(shared.client, TableMeta.read_timeout_seconds)
    Table._shared = shared
    return shared


def shared_connection() -> Connection:
    """Return the one connection, once some table has been used."""
    if Table._shared is None:
        raise RuntimeError("no table has been used yet")
    return Table._shared


class Transaction:
    """Collect writes, then commit them together. Each has a name, by which `Refused` tells who refused."""

    def __init__(self) -> None:
        # pynamodb sends checks, deletes, puts, updates; reasons come back in that order.
        self._groups: tuple[list[tuple[str, Callable[[TransactWrite], None]]], ...] = ([], [], [], [])
        self._table: type[Table] | None = None

    def check(self, name: str, table: type[Table], key: str, condition: Condition) -> None:
        """Demand that a condition holds for an item that is not written."""
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

    def commit(self, patience: float = PATIENCE_SECONDS) -> None:
        """Write everything or nothing.

        A conflict with another transaction is tried again, with jitter, for so many seconds, or as long as the request
        has time. Raises `Refused` where a condition did not hold, `Busy` where the table stays contended,
        `SimultaneousChange` where a cart or an order does, `Unknown` where no answer came, and pynamodb's own error where
        DynamoDB will never take it.
        """
        if self._table is None:
            return
        self._table._get_connection()
        token = clock.new_id()
        deadline = clock.ends(patience)
        for attempt in range(MOST_TRIES):
            try:
                self._send(token)
            except TransactWriteError as error:
                if time.monotonic() > deadline or attempt == MOST_TRIES - 1 or not self._is_passing(error):
                    raise self._failure(error) from error
                if error.cancellation_reasons:
                    token = (
                        clock.new_id()
                    )  # that one is cancelled for good; else the same one might still be at work
            else:
                return
            _pause(attempt)

    def _send(self, token: str) -> None:
        transaction = TransactWrite(connection=shared_connection(), client_request_token=token)
        for group in self._groups:
            for _, write in group:
                write(transaction)
        transaction._commit()

    @staticmethod
    def _is_passing(error: TransactWriteError) -> bool:
        """Tell what may be gone at the next try: conflicts and throttling, even beside a condition that failed."""
        codes = {reason.code for reason in error.cancellation_reasons if reason is not None}
        return bool(codes & PASSING_REASONS) or _code(error) in PASSING_ERRORS

    def _failure(self, error: TransactWriteError) -> Exception:
        if refused := self._names(error, CONDITION_FAILED):
            return Refused(refused)
        if self._is_passing(error) and error.cancellation_reasons:
            if self._names(error, "TransactionConflict") & ONE_VISITORS:
                return SimultaneousChange(SIMULTANEOUS)
            telemetry.count(Metric.BUSY)
            return Busy(BUSY)
        code = _code(error)
        return error if code in DEFINITE_ERRORS else Unknown(code or type(error.cause).__name__)

    def _names(self, error: TransactWriteError, code: str) -> set[str]:
        """Name the items that the transaction was cancelled for, for this reason."""
        names = [name for group in self._groups for name, _ in group]
        return {
            name
            for name, reason in zip(names, error.cancellation_reasons, strict=False)
            if reason is not None and reason.code == code
        }


# Whoever wants to write down, within the same transaction, what changes: what it is about, before, after.
Witness = Callable[[Transaction, str, Mapping[str, Any], Mapping[str, Any]], None]


def unseen(
    transaction: Transaction, subject: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Witness nothing: what is done by shoppers, files and functions is in the order's own history."""


def hash_key_name(table: type[Table]) -> str:
    """Name the attribute that is a table's key."""
    return str(table._hash_key_attribute().attr_name)  # type: ignore[no-untyped-call]  # pynamodb leaves it untyped


def is_refused(error: PynamoDBException) -> bool:
    """Tell a condition that did not hold from every other failure of a single write."""
    return _code(error) == "ConditionalCheckFailedException"


def is_contended(error: PynamoDBException) -> bool:
    """Tell a single write that somebody else was quicker with from every other failure of it."""
    return is_refused(error) or _code(error) == CONFLICT


def _code(error: PynamoDBException) -> str:
    # pynamodb's own cause_response_code raises AttributeError for a timeout: botocore sets its response to None.
    response = getattr(error.cause, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def read_many(
    wanted: dict[type[Table], Iterable[str]], *, consistent: bool = True
) -> dict[type[Table], dict[str, Any]]:
    """Read items of several tables by their keys: one BatchGetItem a hundred keys.

    Returns, for each table, key → item; what does not exist is missing. Raises Busy where DynamoDB keeps some back.
    """
    found: dict[type[Table], dict[str, Any]] = {table: {} for table in wanted}
    by_name = {table.Meta.table_name: table for table in wanted}
    keys = [(table, key) for table, wanted_keys in wanted.items() for key in dict.fromkeys(wanted_keys)]
    for start in range(0, len(keys), MOST_KEYS_A_READ):
        request: dict[str, Any] = {}
        for table, key in keys[start : start + MOST_KEYS_A_READ]:
            table._get_connection()
            entry = request.setdefault(table.Meta.table_name, {"Keys": [], "ConsistentRead": consistent})
            entry["Keys"].append({hash_key_name(table): {"S": key}})
        for attempt in range(6):
            answer = shared_connection()._make_api_call("BatchGetItem", {"RequestItems": request})
            for name, rows in answer["Responses"].items():
                table = by_name[name]
                hash_name = hash_key_name(table)
                for row in rows:
                    found[table][row[hash_name]["S"]] = table.from_raw_data(row)
            request = answer.get("UnprocessedKeys") or {}
            if not request:
                break
            time.sleep(random.uniform(0.01, 0.05 * 2**attempt))
        else:
            raise Busy("The shop is very busy. Please try again in a moment.")
    return found


def get(table: type[_M], key: str, range_key: str | None = None, *, consistent: bool = True) -> _M | None:
    """Read one item, or None."""
    try:
        return table.get(key, range_key, consistent_read=consistent)
    except table.DoesNotExist:
        return None
