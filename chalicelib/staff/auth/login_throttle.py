"""Login throttling: attempts are counted before the password is checked, so that concurrent guessing is slow, too.

There are three counters: per account and IP address, per account, and per IP address. Each allows some
attempts, then one after a delay that grows to a quarter of an hour. If an account has recently logged in from
an address, only the first counter applies there: no stranger can lock the owner out.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib import clock
from chalicelib.database.connection import Table
from chalicelib.database.reads import batch_get
from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.errors import ServiceUnavailable
from chalicelib.staff.models import StaffSession

FREE_TRIES = {"pair": 5, "account": 50, "address": 20, "links": 10}
FIRST_WAIT = 60
MAX_WAIT = 15 * 60
FORGOTTEN_AFTER = 24 * 60 * 60
AN_HOUR = 60 * 60
MAX_LINKS_PER_HOUR = 3
KNOWN_FOR = 30 * 24 * 60 * 60
ROUNDS = 40  # against attempts at the same moment; each round lets one of them through


class Locked(Exception):
    """Raised while no password is checked. `until`: seconds since 1970."""

    def __init__(self, until: int) -> None:
        super().__init__()
        self.until = until

    @property
    def retry_after(self) -> int:
        """The seconds that are left to wait."""
        return max(1, self.until - clock.timestamp())


class AttemptCounter(Table):
    """A counter's row; no personal data, its key is a hash."""

    class Meta(StaffSession.Meta):
        pass

    key = UnicodeAttribute(hash_key=True)
    failures = NumberAttribute(default=0)
    last_attempt_at = NumberAttribute(default=0)  # in seconds since 1970, like all times here
    blocked_until = NumberAttribute(default=0)  # no attempt before
    trusted_until = NumberAttribute(default=0)  # the account has logged in from this address
    expires = NumberAttribute()


@dataclass(frozen=True)
class Counter:
    """A counter as it was read."""

    kind: str
    key: str
    row: AttemptCounter | None

    @property
    def is_known(self) -> bool:
        """Return whether the account has recently logged in from this address."""
        return self.row is not None and self.row.trusted_until > clock.timestamp()

    @property
    def until(self) -> int:
        """Return the time before which no attempt is allowed."""
        return int(self.row.blocked_until) if self.row is not None else 0

    @property
    def failures(self) -> int:
        """Return how many failures still count."""
        if self.row is None or clock.timestamp() - self.row.last_attempt_at >= FORGOTTEN_AFTER:
            return 0
        return int(self.row.failures)

    def counted(self) -> AttemptCounter:
        """Return the row with one more attempt, and the delay after it."""
        now = clock.timestamp()
        failures = self.failures + 1
        known = int(self.row.trusted_until) if self.row is not None else 0
        return AttemptCounter(
            self.key,
            failures=failures,
            last_attempt_at=now,
            blocked_until=now + wait_after(failures, FREE_TRIES[self.kind]),
            trusted_until=known,
            expires=max(now + FORGOTTEN_AFTER, known),
        )

    def as_read(self) -> Condition:
        """Return the condition that no other attempt was counted meanwhile."""
        if self.row is None:
            return AttemptCounter.key.does_not_exist()
        unchanged: Condition = (AttemptCounter.failures == self.row.failures) & (
            AttemptCounter.last_attempt_at == self.row.last_attempt_at
        )
        return unchanged


def wait_after(failures: int, free: int) -> int:
    """Return the delay in seconds after a number of failures."""
    if failures < free:
        return 0
    return int(min(FIRST_WAIT * 2 ** min(failures - free, 10), MAX_WAIT))


def register_attempt(email: str, source: str) -> bool:
    """Count an attempt before its password is checked; return whether it is the last before a delay.

    Raises Locked, or ServiceUnavailable if too many arrive at the same moment.
    """
    return _count(lambda: _keys_that_apply(email, source))


def register_reset_request(source: str) -> None:
    """Count a request for an emailed link. Raises Locked, or ServiceUnavailable."""
    _count(lambda: _read({"links": _key("links", source)}))


def reset_email_allowed(email: str) -> bool:
    """Count a link that is to be emailed to an account; return whether this hour's limit allows it."""
    key = _key("mails", email)
    for _ in range(ROUNDS):
        (counter,) = _read({"mails": key})
        now = clock.timestamp()
        recent = (
            counter.row if counter.row is not None and now - counter.row.last_attempt_at < AN_HOUR else None
        )
        mailed = recent.failures if recent is not None else 0
        if mailed >= MAX_LINKS_PER_HOUR:
            return False
        transaction = Transaction()
        one_more = AttemptCounter(key, failures=mailed + 1, last_attempt_at=now, expires=now + AN_HOUR)
        transaction.put("mails", one_more, counter.as_read())
        try:
            transaction.commit()
        except ConditionFailed:
            continue
        return True
    return False


def _count(read: Callable[[], list[Counter]]) -> bool:
    for _ in range(ROUNDS):
        counters = read()
        until = max(counter.until for counter in counters)
        if until > clock.timestamp():
            raise Locked(until)
        transaction = Transaction()
        for counter in counters:
            transaction.put(counter.kind, counter.counted(), counter.as_read())
        try:
            transaction.commit()
        except ConditionFailed:
            continue  # another attempt at the same moment: count again
        return any(counter.failures + 1 == FREE_TRIES[counter.kind] for counter in counters)
    raise ServiceUnavailable("Too many people are logging in right now. Please try again in a moment.")


def reset_attempts(email: str, source: str) -> None:
    """Reset the failures after a successful login, and trust the address from now on."""
    now = clock.timestamp()
    keys = _keys(email, source)
    transaction = Transaction()
    known = AttemptCounter(keys["pair"], trusted_until=now + KNOWN_FOR, expires=now + KNOWN_FOR)
    transaction.put("pair", known)
    transaction.delete("address", AttemptCounter(keys["address"]))
    transaction.commit()
    _take_back(keys["account"])


def _take_back(key: str) -> None:
    """Subtract one attempt of an account, so that logins from many places never add up to a delay."""
    row = batch_get({AttemptCounter: [key]})[AttemptCounter].get(key)
    if row is None or row.failures < 1:
        return
    transaction = Transaction()
    changed = [AttemptCounter.failures.set(row.failures - 1), AttemptCounter.blocked_until.set(0)]
    transaction.update("account", row, changed, AttemptCounter.failures == row.failures)
    try:
        transaction.commit()
    except ConditionFailed:
        return  # others try at the same moment; one attempt hardly matters


def _keys_that_apply(email: str, source: str) -> list[Counter]:
    counters = _read(_keys(email, source))
    return counters[:1] if counters[0].is_known else counters


def _read(keys: Mapping[str, str]) -> list[Counter]:
    rows = batch_get({AttemptCounter: keys.values()})[AttemptCounter]
    return [Counter(kind, key, rows.get(key)) for kind, key in keys.items()]


def _keys(email: str, source: str) -> dict[str, str]:
    parts = {"pair": (email, source), "account": (email,), "address": (source,)}
    return {kind: _key(kind, *what) for kind, what in parts.items()}


def _key(kind: str, *what: str) -> str:
    return f"tries#{hashlib.sha256(chr(0).join((kind, *what)).encode()).hexdigest()}"
