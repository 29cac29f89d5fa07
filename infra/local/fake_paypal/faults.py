"""Injected faults: of the API's responses and of the notifications."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass, field

from infra.local.fake_paypal.api.api_errors import MESSAGES, ApiError, detail
from infra.local.fake_paypal.store import Document

OPERATIONS = (
    *("token", "create", "get", "capture", "capture_get", "refund", "refund_get"),
    *("events", "event_get", "resend", "verify", "webhook_get", "cert", "any"),
)
CALL_KINDS = (
    *("hang", "hang_after", "cut_before", "cut_after", "cut_body"),
    *("bad_body", "html_body", "slow"),
    "refuse",
)
NOTIFICATION_KINDS = ("drop", "duplicate", "delay", "reorder", "bad_signature")
_STATUS_KIND = re.compile(r"([45]\d\d)(_after)?")


@dataclass
class Fault:
    """A fault: the first `skip` matching calls pass, then `times` are hit (None: all)."""

    id: int
    operation: str
    kind: str
    times: int | None
    skip: int
    seconds: float | None
    match: str
    refusal: ApiError | None = None
    hits: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def status(self) -> int | None:
        """Return the HTTP status to answer with; None for other faults."""
        found = _STATUS_KIND.fullmatch(self.kind)
        return int(found[1]) if found else None

    @property
    def works_first(self) -> bool:
        """Return whether the call's work is done, and only its response fails."""
        always = {"bad_body", "html_body", "cut_body", "slow", "refuse"}
        return self.kind in always or self.kind.endswith("_after")

    def wait(self, default_seconds: float) -> None:
        """Wait for some time, or until the fault is cleared."""
        self.released.wait(default_seconds if self.seconds is None else self.seconds)

    def describe(self) -> Document:
        """Return what the control API shows of it."""
        return {
            "id": self.id,
            "operation": self.operation,
            "kind": self.kind,
            "times": self.times,
            "skip": self.skip,
            "seconds": self.seconds,
            "match": self.match,
            "issues": [str(one["issue"]) for one in self.refusal.details] if self.refusal else [],
            "hits": self.hits,
        }


class Faults:
    """The active faults. They have a lock of their own, so that a hanging call never blocks the money."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._faults: list[Fault] = []
        self._waiting: list[Fault] = []

    def add(
        self,
        operation: str,
        kind: str,
        times: int | None = 1,
        skip: int = 0,
        seconds: float | None = None,
        match: str = "",
        issue: str = "",
        status: int | None = None,
        field: str = "",
        details: list[Document] | None = None,
    ) -> Fault:
        """Add a fault; `match` must occur in the call's target, its body, or the event's type. Raises ValueError.

        `refuse` takes an `issue` and its `field`, or several `details` of both, and a `status` (422).
        """
        _check(operation, kind)
        named = details or ([{"issue": issue, "field": field}] if issue else [])
        refusal = _refusal(status, named) if kind == "refuse" else None
        if refusal is None and (named or status):
            raise ValueError(f"a fault of kind {kind!r} has no issue and no status")
        with self._lock:
            fault = Fault(next(self._numbers), operation, kind, times, skip, seconds, match, refusal)
            self._faults.append(fault)
        return fault

    def take(self, operation: str, *texts: str) -> Fault | None:
        """Return the fault that hits this call, and count it; the first added comes first."""
        with self._lock:
            for fault in self._faults:
                if not _hits(fault, operation, texts):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                self._count(fault)
                return fault
        return None

    def _count(self, fault: Fault) -> None:
        fault.hits += 1
        if fault.times is None:
            return
        fault.times -= 1
        if fault.times <= 0:
            self._faults.remove(fault)
            # Kept, so that clearing it ends a call that is hanging.
            self._waiting = [*self._waiting[-99:], fault]

    def in_force(self) -> list[Document]:
        """Return the active faults."""
        with self._lock:
            return [fault.describe() for fault in self._faults]

    def clear(self, id_: int | None = None) -> None:
        """Clear one fault or all of them, and end hanging calls."""
        with self._lock:
            for fault in [*self._faults, *self._waiting]:
                if id_ in (None, fault.id):
                    fault.released.set()
            self._faults = [fault for fault in self._faults if not fault.released.is_set()]
            self._waiting = [fault for fault in self._waiting if not fault.released.is_set()]


def _check(operation: str, kind: str) -> None:
    if operation == "notification":
        known = kind in NOTIFICATION_KINDS
    elif operation in OPERATIONS:
        known = kind in CALL_KINDS or _STATUS_KIND.fullmatch(kind) is not None
    else:
        raise ValueError(f"unknown operation {operation!r}: one of {', '.join(OPERATIONS)}, notification")
    if not known:
        raise ValueError(f"unknown kind {kind!r} of fault for {operation}")


def _refusal(status: int | None, named: list[Document]) -> ApiError:
    """Return the injected refusal: its name is that of its status."""
    if status is not None and status not in MESSAGES:
        raise ValueError(f"PayPal refuses with no status {status}: one of {', '.join(map(str, MESSAGES))}")
    entries = [detail(str(one["issue"]), str(one.get("field") or "") or None) for one in named]
    return ApiError(status or 422, entries)


def _hits(fault: Fault, operation: str, texts: tuple[str, ...]) -> bool:
    if fault.operation == "any":
        if operation == "notification":
            return False
    elif fault.operation != operation:
        return False
    return not fault.match or any(fault.match in text for text in texts)
