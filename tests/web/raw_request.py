"""Requests as nobody's browser sends them."""

from dataclasses import dataclass
from email.message import Message

from infra.local.api_gateway import Gateway


@dataclass(frozen=True)
class Raw:
    """An answer as it is on the wire."""

    status: int
    headers: dict[str, str]  # lower-case names; of several the last
    body: str

    @property
    def is_page(self) -> bool:
        """Return a page of the shop from anything else."""
        return self.headers["content-type"] == "text/html; charset=utf-8" and self.body.startswith(
            "<!doctype html>"
        )


def send(
    gateway: Gateway, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> Raw:
    """Send a request whose target is not touched on the way."""
    message = Message()
    for name, value in {"Host": "127.0.0.1", **(headers or {})}.items():
        message[name] = value
    answer = gateway.handle(method, target, message, body)
    named = {name.lower(): value for name, value in answer.headers}
    return Raw(answer.status, named, answer.body.decode())
