"""Notifications: events as PayPal words them, signed, delivered, and redelivered until accepted."""

from __future__ import annotations

import http.client
import json
import logging
import threading
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.local.fake_paypal.certificates import AUTH_ALGO, Certificate, holds, signed_text
from infra.local.fake_paypal.faults import Faults
from infra.local.fake_paypal.store import Clock, Document, Store, new_id

if TYPE_CHECKING:
    from infra.local.fake_paypal.settings import Settings

_LOG = logging.getLogger(__name__)
MAX_TRIES = 25
_TIMEOUT = 10.0
_HOLD = 30.0  # a notification that is to come after the next one waits this long for it


class Webhooks:
    """The events and their deliveries."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, certificate: Certificate, faults: Faults
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._certificate = certificate
        self._faults = faults
        self._sending: set[str] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self.news = threading.Event()

    def notify(
        self, event_type: str, resource_type: str | None, summary: str, resource: Document
    ) -> Document:
        """Record an event and enqueue its notification; call it within the transaction that caused it."""
        id_ = f"WH-{new_id()}-{new_id()}"
        path = f"{self._settings.base_url}/v1/notifications/webhooks-events/{id_}"
        event: Document = {
            "id": id_,
            "event_version": "1.0",
            "create_time": self._milliseconds(),
            **({"resource_type": resource_type} if resource_type else {}),
            "resource_version": "2.0",
            "event_type": event_type,
            "summary": summary,
            "resource": resource,
            "links": [
                {"href": path, "rel": "self", "method": "GET"},
                {"href": f"{path}/resend", "rel": "resend", "method": "POST"},
            ],
        }
        self._store.put("event", id_, event)
        self._enqueue(event)
        return event

    def event(self, event_id: str) -> Document | None:
        """Return one event, or None."""
        return self._store.get("event", event_id)

    def events(
        self, start: datetime | None, end: datetime | None, transaction_id: str, event_type: str
    ) -> list[Document]:
        """List events, newest first, that match all given filters."""
        found = []
        for event in reversed(self._store.all("event")):
            time = datetime.fromisoformat(event["create_time"])
            if (start and time < start) or (end and time > end):
                continue
            if event_type not in ("", event["event_type"]):
                continue
            if transaction_id and transaction_id not in _transaction_ids(event["resource"]):
                continue
            found.append(event)
        return found

    def resend(self, event: Document) -> None:
        """Enqueue another delivery of an event, with its own transmission ID and no faults."""
        self._line_up(event, due=self._clock.stamp())
        self.news.set()

    def deliveries(self) -> list[Document]:
        """Return every delivery, oldest first, with its headers and body."""
        shown = [self._shown(delivery) for delivery in self._store.all("delivery")]
        return [delivery for delivery in shown if delivery is not None]

    def latest(self, count: int) -> list[Document]:
        """Return the newest deliveries, newest first, without headers and bodies."""
        return self._store.latest("delivery", count)

    def deliver(self, delivery_id: str) -> Document | None:
        """Send one delivery now, whatever its state; return the response, None if there is no such delivery."""
        delivery = self._store.get("delivery", delivery_id)
        return None if delivery is None else self._send(delivery)

    def deliver_pending(self, due_only: bool = False) -> list[Document]:
        """Send each pending delivery once, in order, and return the responses; held-back ones come last."""
        if self._settings.webhook_url is None:
            return []
        self._release_held(only_late=due_only)
        now = self._clock.stamp()
        pending = [delivery for delivery in self._pending() if not due_only or delivery["due"] <= now]
        answers = [self._send(delivery) for delivery in sorted(pending, key=_turn)]
        return [answer for answer in answers if answer is not None]

    def stop(self) -> None:
        """Send nothing more; what is in progress may end."""
        self._stopped = True
        self.news.set()

    def next_due(self) -> float | None:
        """Return when the next delivery is due, in seconds since 1970; None if there is none, or nobody to send it to."""
        if self._settings.webhook_url is None:
            return None
        return min((delivery["due"] for delivery in self._pending()), default=None)

    def sign(
        self,
        body: bytes,
        key: str = "right",
        transmission_id: str | None = None,
        time: str | None = None,
        webhook_id: str | None = None,
    ) -> dict[str, str]:
        """Return PayPal's headers for a body; `key` is `right` or `wrong`."""
        transmission_id = transmission_id or str(uuid.uuid4())
        time = time or self._clock.iso()
        text = signed_text(transmission_id, time, webhook_id or self._settings.webhook_id, body)
        signature = self._certificate.sign(text) if key == "right" else self._certificate.sign_wrongly(text)
        return {
            "Content-Type": "application/json",
            "PAYPAL-TRANSMISSION-ID": transmission_id,
            "PAYPAL-TRANSMISSION-TIME": time,
            "PAYPAL-TRANSMISSION-SIG": signature,
            "PAYPAL-CERT-URL": self.certificate_url,
            "PAYPAL-AUTH-ALGO": AUTH_ALGO,
            "PAYPAL-AUTH-VERSION": "v2",
            "User-Agent": "fake-PayPal/1.0",
        }

    @property
    def certificate_url(self) -> str:
        """Return the address of the certificate that notifications are signed with."""
        return f"{self._settings.base_url}/v1/notifications/certs/{self._certificate.name}"

    def trust(self, certificate_url: str, pem: str) -> None:
        """Accept signatures by another certificate, too, as if it were at that address."""
        self._store.put("certificate", certificate_url, {"pem": pem})

    def is_genuine(self, asked: Document, body: bytes) -> bool:
        """Return whether `body` was signed for the named webhook, with the named certificate."""
        if asked["cert_url"] == self.certificate_url:
            pem = self._certificate.pem
        else:
            pem = (self._store.get("certificate", asked["cert_url"]) or {"pem": ""})["pem"].encode()
        named = asked["transmission_id"], asked["transmission_time"], asked["webhook_id"]
        right = asked["auth_algo"] == AUTH_ALGO
        return right and bool(pem) and holds(pem, signed_text(*named, body), asked["transmission_sig"])

    def webhook(self) -> Document | None:
        """Return the shop's webhook as PayPal shows it; None while it has no address."""
        if self._settings.webhook_url is None:
            return None
        path = f"{self._settings.base_url}/v1/notifications/webhooks/{self._settings.webhook_id}"
        return {
            "id": self._settings.webhook_id,
            "url": self._settings.webhook_url,
            "event_types": [{"name": name, "status": "ENABLED"} for name in self._settings.webhook_events],
            "links": [
                {"href": path, "rel": "self", "method": "GET"},
                {"href": path, "rel": "update", "method": "PATCH"},
                {"href": path, "rel": "delete", "method": "DELETE"},
            ],
        }

    def post(self, body: bytes, headers: dict[str, str]) -> Document:
        """Post a body to the shop's webhook; return {"status": …} or {"error": …}."""
        if self._settings.webhook_url is None:
            return {"error": "no webhook address is set"}
        try:
            return _post(self._settings.webhook_url, body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _enqueue(self, event: Document) -> None:
        if not {"*", event["event_type"]} & set(self._settings.webhook_events):
            return
        fault = self._faults.take("notification", event["event_type"], json.dumps(event))
        kind = fault.kind if fault else None
        due = self._clock.stamp()
        if kind == "delay" and fault is not None:
            due += 60.0 if fault.seconds is None else fault.seconds
        if kind == "reorder":
            due += _HOLD
        delivery = self._line_up(event, due, fault=kind)
        if kind == "duplicate":
            self._line_up(event, due, fault=kind)
        if kind == "drop":
            delivery["state"] = "dropped"
            self._save(delivery)
        if kind != "reorder":
            self._release_held()
        self.news.set()

    def _line_up(self, event: Document, due: float, fault: str | None = None) -> Document:
        delivery: Document = {
            "id": str(uuid.uuid4()),
            "time": self._clock.iso(),
            "event_id": event["id"],
            "event_type": event["event_type"],
            "state": "pending",
            "due": due,
            "turn": self._clock.stamp(),
            "fault": fault,
            "held": fault == "reorder",
            "attempts": [],
        }
        self._save(delivery)
        return delivery

    def _release_held(self, only_late: bool = False) -> None:
        """Release held-back notifications, after everything that is enqueued by now."""
        with self._store.transaction():
            now = self._clock.stamp()
            for delivery in self._pending():
                if delivery["held"] and (not only_late or delivery["due"] <= now):
                    delivery.update(held=False, due=min(delivery["due"], now), turn=now + 0.001)
                    self._save(delivery)

    def _send(self, delivery: Document) -> Document | None:
        with self._lock:
            if delivery["id"] in self._sending or self._stopped:
                return None
            self._sending.add(delivery["id"])
        try:
            shown = self._shown(delivery)
            if shown is None:
                return None
            answer = self.post(shown["body"].encode(), shown["headers"])
            self._note(delivery["id"], answer)
            _LOG.info("%s -> %s", delivery["event_type"], answer.get("status") or answer["error"])
        finally:
            with self._lock:
                self._sending.discard(delivery["id"])
        return {"event_id": delivery["event_id"], "event_type": delivery["event_type"], **answer}

    def _note(self, delivery_id: str, answer: Document) -> None:
        with self._store.transaction():
            delivery = self._store.get("delivery", delivery_id)
            if delivery is None:  # a reset happened in between
                return
            delivery["attempts"].append({"time": self._clock.iso(), **answer})
            if 200 <= answer.get("status", 0) < 300:
                delivery["state"] = "delivered"
            elif len(delivery["attempts"]) >= MAX_TRIES:
                delivery["state"] = "given up"
            else:
                delivery["due"] = self._clock.stamp() + backoff(len(delivery["attempts"]))
            self._save(delivery)

    def _shown(self, delivery: Document) -> Document | None:
        event = self._store.get("event", delivery["event_id"])
        if event is None:  # a reset happened in between
            return None
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        key = "wrong" if delivery["fault"] == "bad_signature" else "right"
        headers = self.sign(body.encode(), key, transmission_id=delivery["id"], time=delivery["time"])
        return {**delivery, "headers": headers, "body": body}

    def _pending(self) -> list[Document]:
        return self._store.tagged("delivery", "pending")

    def _save(self, delivery: Document) -> None:
        self._store.put("delivery", delivery["id"], delivery, tag=delivery["state"])

    def _milliseconds(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def backoff(tries: int) -> float:
    """Return the delay in seconds after a number of failures: short at first, at most three hours."""
    return (1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)[tries - 1] if tries <= 6 else 3 * 3600.0


def _turn(delivery: Document) -> tuple[bool, float]:
    return delivery["held"], delivery["turn"]


def _transaction_ids(resource: Document) -> Iterable[str | None]:
    yield resource.get("id")
    yield resource.get("dispute_id")
    for transaction in resource.get("disputed_transactions", []):
        yield transaction.get("seller_transaction_id")


def _post(url: str, body: bytes, headers: dict[str, str]) -> Document:
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.netloc, timeout=_TIMEOUT)
    try:
        target = parts.path or "/"
        connection.request("POST", f"{target}?{parts.query}" if parts.query else target, body, headers)
        response = connection.getresponse()
        text = response.read(4096).decode("utf-8", "replace")
        return {"status": response.status, "answer": text}
    finally:
        connection.close()
