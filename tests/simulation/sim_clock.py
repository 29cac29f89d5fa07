"""The simulation's one clock: shared by every process, moved by the simulation alone."""

import gc
import mmap
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from infra.local.fake_paypal.payments.orders import Orders
from infra.local.fake_paypal.store import Clock

# Ahead of the machine's clock, by which the local cloud deletes what has expired; the same in every run.
BEGINS = datetime(2031, 5, 5, 20, tzinfo=UTC)
_DOUBLE = struct.Struct("d")


class Moment:
    """How many seconds have passed since the beginning. Lies in memory that forked processes share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _DOUBLE.size)

    @property
    def seconds(self) -> float:
        """Return the seconds since the beginning."""
        return float(_DOUBLE.unpack_from(self._memory)[0])

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        _DOUBLE.pack_into(self._memory, 0, seconds)

    def now(self) -> datetime:
        """Return the time."""
        return BEGINS + timedelta(seconds=self.seconds)

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Let the shop's clock and PayPal's show it."""
        from chalicelib import clock

        with (
            mock.patch.object(clock, "now", self.now),
            mock.patch.object(Clock, "now", side_effect=self.now),
            mock.patch.object(Orders, "expire_approvals", _only_when_asked(Orders.expire_approvals)),
        ):
            yield

    def rule(self, act: Callable[[], Any]) -> Callable[[], Any]:
        """Let an act's own process wait by this clock, too; its sleep passes at once."""

        def ruled() -> Any:
            slept = 0.0
            gc.disable()  # it would touch, and so copy, all that the processes share

            def sleep(seconds: float) -> None:
                nonlocal slept
                slept += seconds

            with (
                mock.patch.object(time, "sleep", sleep),
                mock.patch.object(time, "monotonic", side_effect=lambda: self.seconds + slept),
            ):
                return act()

        return ruled


def _only_when_asked(expire_approvals: Callable[[Any], None]) -> Callable[[Any], None]:
    # The fake PayPal's own thread would expire approvals at moments that no seed decides.
    def sweep_unless_alone(orders: Any) -> None:
        if threading.current_thread().name != "paypal-webhooks":
            expire_approvals(orders)

    return sweep_unless_alone
