"""When each scheduled function last ran, and with what result, so that a missing run is noticed."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib import clock
from chalicelib.database.connection import Table, TableMeta, table_name
from chalicelib.database.reads import batch_get

log = logging.getLogger("awning")


class Run(Table):
    """The last run of a scheduled function."""

    class Meta(TableMeta):
        table_name = table_name("scheduled-runs")

    name = UnicodeAttribute(hash_key=True)
    ran_at = NumberAttribute()  # seconds since 1970
    succeeded = BooleanAttribute()
    message = UnicodeAttribute(default="")


def record_run(name: str, message: str = "", *, well: bool = True) -> None:
    """Record that a function has just run, with a message for staff."""
    Run(name, ran_at=clock.timestamp(), succeeded=well, message=message).save()


@contextmanager
def recorded(name: str) -> Iterator[None]:
    """Record whether a run succeeds. A run whose record cannot be written still counts as a run."""
    well = False
    try:
        yield
        well = True
    finally:
        try:
            record_run(name, well=well)
        except Exception:
            log.exception("run of %s could not be recorded", name)


def last_runs(names: Iterable[str]) -> dict[str, Run]:
    """Read the last runs by name; functions that never ran are missing."""
    found: dict[str, Run] = batch_get({Run: names}, consistent=False)[Run]
    return found
