"""The one connection that all tables share, and the base of every table."""

import random
import time
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from pynamodb.attributes import Attribute
from pynamodb.connection import Connection, TableConnection
from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from chalicelib import aws, deadlines
from chalicelib.config import settings
from chalicelib.database.client import Client
from chalicelib.database.direct.credentials import CredentialSource
from chalicelib.database.direct.direct_client import DirectClient
from chalicelib.database.direct.endpoint import find_endpoint
from chalicelib.database.row_plans import RowPlan

CONFLICT = "TransactionConflictException"  # of a single write, while a transaction changes the item
PATIENCE_SECONDS = 4.0
_T = TypeVar("_T")


class TableMeta:
    """Connection settings of all tables; AWS_ENDPOINT_URL and the region come from the environment, as boto3 reads them."""

    billing_mode = "PAY_PER_REQUEST"
    connect_timeout_seconds = 2
    read_timeout_seconds = 5
    max_retry_attempts = 2
    max_pool_connections = 20


class SharedConnection(Connection):
    """pynamodb's connection, which sends all calls through our client."""

    def __init__(self) -> None:
        super().__init__(
            connect_timeout_seconds=TableMeta.connect_timeout_seconds,
            read_timeout_seconds=TableMeta.read_timeout_seconds,
            max_retry_attempts=TableMeta.max_retry_attempts,
            max_pool_connections=TableMeta.max_pool_connections,
        )
        self._calls = Client(
            lambda: super(SharedConnection, self).client,
            TableMeta.read_timeout_seconds,
            _direct_client(self.region),
        )

    @property
    def client(self) -> Any:
        """Return the client that sends pynamodb's calls."""
        return self._calls


@cache
def _row_plan(table: type[Model]) -> RowPlan:
    return RowPlan(table)


def _direct_client(region: str | None) -> DirectClient | None:
    environment = aws.variables()
    endpoint = find_endpoint(environment, region)
    if endpoint is None or settings.dynamodb_client != "direct":
        return None
    return DirectClient(
        endpoint,
        CredentialSource(environment),
        connect_seconds=TableMeta.connect_timeout_seconds,
        read_seconds=TableMeta.read_timeout_seconds,
        max_attempts=1 + TableMeta.max_retry_attempts,
        max_idle=TableMeta.max_pool_connections,
    )


class Table(Model):
    """A table of the shop."""

    TTL: ClassVar[str | None] = None
    _shared: ClassVar[SharedConnection | None] = None

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """Make an item from a row as DynamoDB returns it."""
        item: Self = _row_plan(cls).read(data)
        return item

    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """Make a row from the item, as DynamoDB takes it."""
        plan = _row_plan(type(self))
        return plan.write(self, null_check=null_check) if plan.can_write else super().serialize(null_check)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        # pynamodb creates a botocore client per model, 20 ms each; they are identical, so all share the first.
        connection = super()._get_connection()
        shared = Table._shared or connect()
        if connection.connection is not shared:
            if connection.table_name not in shared._tables:  # two models may share a table
                shared.add_meta_table(connection.get_meta_table())
            connection.connection = shared
        return connection

    def save(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        """Write the whole item; retried while a transaction changes it."""
        write = super().save
        return _retry_conflicts(lambda: write(condition, add_version_condition=add_version_condition))

    def update(
        self, actions: list[Action], condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> Any:
        """Change some attributes; retried while a transaction changes the item."""
        write = super().update
        return _retry_conflicts(
            lambda: write(actions, condition, add_version_condition=add_version_condition)
        )

    def delete(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        """Delete the item; retried while a transaction changes it."""
        write = super().delete
        return _retry_conflicts(lambda: write(condition, add_version_condition=add_version_condition))


def _retry_conflicts(write: Callable[[], _T]) -> _T:
    """Write one item, retried while it conflicts with a transaction: such a refusal has changed nothing."""
    deadline = deadlines.deadline_in(PATIENCE_SECONDS)
    tries = 0
    while True:
        try:
            return write()
        except PynamoDBException as error:
            if error_code(error) != CONFLICT or time.monotonic() > deadline:
                raise
        pause(tries)
        tries += 1


def pause_after(tries: int) -> tuple[float, float]:
    """Return the shortest and the longest pause after so many conflicts, in seconds."""
    return 0.005, 0.02 * 2 ** min(tries, 5)


def pause(tries: int) -> None:
    """Sleep for a moment after a conflict, with jitter, so that not all retry together."""
    time.sleep(random.uniform(*pause_after(tries)))


def table_name(name: str) -> str:
    """Return a table's full name, with the prefix by which several shops share an account."""
    return settings.table_prefix + name


def connect() -> SharedConnection:
    """Create the connection that all tables share; called before the first request, so that it need not wait."""
    shared = SharedConnection()
    if shared.client.direct is None:
        shared.client.botocore()
    Table._shared = shared
    return shared


def shared_connection() -> SharedConnection:
    """Return the shared connection. Raises RuntimeError before any table has been used."""
    if Table._shared is None:
        raise RuntimeError("no table has been used yet")
    return Table._shared


def key_attributes(table: type[Table]) -> list[Attribute[Any]]:
    """List the attributes that are a table's key: the hash key, and the range key where there is one."""
    keys = (table._hash_key_attribute(), table._range_key_attribute())  # type: ignore[no-untyped-call]  # pynamodb leaves them untyped
    return [key for key in keys if key is not None]


def is_condition_failure(error: PynamoDBException) -> bool:
    """Return whether a single write failed because its condition did not hold."""
    return error_code(error) == "ConditionalCheckFailedException"


def error_code(error: PynamoDBException) -> str:
    # pynamodb's own cause_response_code raises AttributeError for a timeout: botocore sets its response to None.
    response = getattr(error.cause, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
