"""The whole fake PayPal: started in threads of this process, stopped without remains."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.fake_paypal.api.http_server import Dispatcher, Server
from infra.local.fake_paypal.api.rest_api import Api
from infra.local.fake_paypal.certificates import Certificate
from infra.local.fake_paypal.context import Context
from infra.local.fake_paypal.control.control_api import Steering
from infra.local.fake_paypal.control.control_client import Control
from infra.local.fake_paypal.faults import Faults
from infra.local.fake_paypal.pages import Pages
from infra.local.fake_paypal.payments.payments import Payments
from infra.local.fake_paypal.settings import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, Settings
from infra.local.fake_paypal.store import Clock, Store
from infra.local.fake_paypal.webhooks import Webhooks

_IDLE = 30.0


class FakePayPal:
    """A fake of PayPal's sandbox at http://localhost:PORT; use it as a context manager.

    `state_dir` stores its certificates, orders and money; `port` 0 takes a free one. Raises OSError if the port is in
    use.
    """

    def __init__(
        self,
        state_dir: Path | str,
        webhook_url: str | None = None,
        port: int = 0,
        client_id: str | None = None,
        client_secret: str | None = None,
        webhook_id: str | None = None,
    ) -> None:
        self._folder = Path(state_dir)
        self._port = port
        self._settings = Settings(
            webhook_url=webhook_url,
            client_id=client_id or CLIENT_ID,
            client_secret=client_secret or CLIENT_SECRET,
            webhook_id=webhook_id or WEBHOOK_ID,
        )
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        """Return the origin of PayPal's API."""
        return self._settings.base_url

    @property
    def web_url(self) -> str:
        """Return the origin that the buyer's browser is sent to: the same."""
        return self._settings.base_url

    @property
    def client_id(self) -> str:
        """Return the shop's client ID."""
        return self._settings.client_id

    @property
    def client_secret(self) -> str:
        """Return the shop's secret."""
        return self._settings.client_secret

    @property
    def webhook_id(self) -> str:
        """Return the webhook's ID, which is part of every signature."""
        return self._settings.webhook_id

    def start(self) -> None:
        """Open the state, then listen."""
        self._certificate = Certificate(self._folder)
        self._store = Store(self._folder)
        try:
            self._build()
        except BaseException:
            self._store.close()
            raise
        self._deliverer = threading.Thread(target=self._deliver, name="paypal-webhooks", daemon=True)
        self._stopping.clear()
        for server in self._servers:
            server.start()
        self._deliverer.start()

    def stop(self) -> None:
        """End hanging calls, connections and deliveries; keep the state."""
        self._stopping.set()
        self._faults.clear()
        self._webhooks.stop()
        for server in self._servers:
            server.stop()
        self._deliverer.join()
        self._store.close()

    def reset(self) -> None:
        """Delete everything but the certificate."""
        self.control.reset()

    def _build(self) -> None:
        clock = Clock(self._store)
        self._faults = Faults()
        self._webhooks = Webhooks(self._settings, self._store, clock, self._certificate, self._faults)
        context = Context(self._settings, self._store, clock, self._webhooks)
        self._clock = clock
        payments = Payments(context)
        self._orders = payments.orders
        steering = Steering(context, payments, self._faults)
        api, pages = Api(context, payments, self._certificate), Pages(context, payments)
        routes = [*api.routes(), *steering.routes(), *pages.routes()]
        dispatcher = Dispatcher(routes, self._store, clock, self._faults)
        steering.dispatcher = dispatcher
        self._servers = _listen(self._port, dispatcher)
        self._settings.base_url = f"http://localhost:{self._servers[0].server_address[1]}"
        self.control = Control(self._settings.base_url)

    def _deliver(self) -> None:
        while not self._stopping.is_set():
            self._webhooks.news.clear()
            with self._store.transaction():
                self._orders.expire_approvals()
            if self._settings.automatic and self._settings.webhook_url:
                self._webhooks.deliver_pending(due_only=True)
            self._webhooks.news.wait(self._until_next())

    def _until_next(self) -> float:
        with self._store.transaction():
            due = self._webhooks.next_due() if self._settings.automatic else None
            times = [time for time in (due, self._orders.next_deadline()) if time is not None]
        seconds = min(times, default=float("inf")) - self._clock.stamp()
        return max(0.02, min(_IDLE, seconds))


def _listen(port: int, dispatcher: Dispatcher) -> list[Server]:
    """Listen on 127.0.0.1, and on ::1 if it exists: browsers use either for localhost."""
    first = Server(("127.0.0.1", port), dispatcher.handle)
    try:
        return [first, Server(("::1", first.server_address[1]), dispatcher.handle)]
    except OSError as error:
        if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            return [first]
        first.server_close()
        if port == 0 and error.errno == errno.EADDRINUSE:
            return _listen(port, dispatcher)
        raise
