"""A shop with a victim in it, attackers before it, and what no answer to them may ever be."""

import re
import time
from collections import Counter
from typing import Any

from chalicelib.config import settings
from chalicelib.staff.auth import login_throttle
from infra.local.api_gateway import Response
from infra.local.processes import HOST
from tests.client import Shopper
from tests.security.request_generator import ELSEWHERE, Sent
from tests.shop import Shop
from tests.staff.staff_client import logged_in

SECONDS = 5.0
VICTIM = {
    "name": "Vetiveria Ocampolis",
    "email": "vetiveria@victim.example",
    "address": "Ocampolisgasse 4711",
    "city": "Vetiverstadt",
    "phone": "+49 30 471147",
}
COOKIE = re.compile(
    r"(session|cart_count|said|staff|staff-notice)=[A-Za-z0-9._=-]*; Path=/[a-z]*; Max-Age=\d+; SameSite=(Lax|Strict)(; HttpOnly)?"
)
UNESCAPED = re.compile(r"zqq[<\"']|zqq&(?!amp;|lt;|#34;|#39;)|zqq49|<script>alert")
ADDRESS = re.compile(r"(?:href|src|action|content)=\"\s*(?:javascript|data):", re.IGNORECASE)
STAFF = ("finance", "merchant")
READ_BY_SCRIPT = {"cart_count"}
PROTECTION = {"content-security-policy", "referrer-policy", "x-content-type-options", "cache-control"}


class Arena:
    """Sends requests, and says what is wrong with the answers."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.statuses: Counter[int] = Counter()
        self._secrets = self._plant(shop)
        attacker, order_id = shop.paid(MUG=1)
        attacker.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
        self._jars: dict[str, dict[str, str]] = {
            "nobody": {},
            "shopper": dict(attacker.jar),
            **{role: dict(logged_in(shop.gateway, role).jar) for role in STAFF},
        }
        near = self._near_misses()
        self.known = {
            "order_id": [order_id, *near],
            "token": near,
            "sku": ["MUG"],
            "slug": ["mug", "green-tea", "tea"],
            "name": ["imprint", "ledger"],
            "number": ["0"],
            "when": ["2026-11"],
            "job_id": ["0" * 32],
        }

    def _plant(self, shop: Shop) -> dict[str, str]:
        """Let the victim order and pay, and keep what must never be told to anybody else."""
        shopper = shop.shopper_with(TEA_50=1)
        token = shop.place(shopper, **VICTIM).location.rpartition("token=")[2]
        shop.come_back(shopper, token)
        (order,) = shop.orders()
        secrets = {
            "session": shopper.jar["session"],
            "order": order.id,
            "token": token,
            "key": str(order.cart),
        }
        self._victims = [order.id, token, shopper.jar["session"]]
        return {**VICTIM, **secrets, "number": order.number}

    def _near_misses(self) -> list[str]:
        """Change the victim's ids a little: what is looked up too leniently would find their order."""
        order, token, session = self._victims
        return [
            order.upper(),
            order[:-1],
            order[1:],
            token.lower(),
            token[:-1],
            session.upper(),
            f"paypal#{token[1:]}",
        ]

    def fire(self, sent: Sent) -> None:
        """Send a request; raise AssertionError, with the request in it, where the answer must not be."""
        jar = self._jars[sent.who]
        began = time.perf_counter()
        answer = self.shop.gateway.handle(sent.method, sent.target, sent.message(jar), sent.body)
        seconds = time.perf_counter() - began
        self.statuses[answer.status] += 1
        wrong = [*self._wrong(sent, answer), *([f"took {seconds:.1f} s"] if seconds > SECONDS else [])]
        assert not wrong, f"{wrong} after {sent!r}: {answer.status} {answer.headers} {answer.body[:300]!r}"
        self._stay_logged_in(sent, answer)

    def _stay_logged_in(self, sent: Sent, answer: Response) -> None:
        where = dict(answer.headers).get("Location", "")
        if sent.who in STAFF and "/staff/login" in where:
            # It may have sent wrong passwords of its own, to the page that changes it, and would have to wait.
            login_throttle.reset_attempts(f"{sent.who}@shop.example", HOST)
            visitor: Shopper = logged_in(self.shop.gateway, sent.who)
            self._jars[sent.who] = dict(visitor.jar)

    def _wrong(self, sent: Sent, answer: Response) -> list[str]:
        named: dict[str, list[str]] = {}
        for name, value in answer.headers:
            named.setdefault(name.lower(), []).append(value)
        body = answer.body.decode()
        told = "\n".join([*(f"{name}: {value}" for name, value in answer.headers), body])
        wrong = [f"{answer.status}"] if answer.status >= 500 else []
        # Staff may see orders; nobody may see how to become a customer or open their page from elsewhere.
        kept = self._secrets if sent.who not in STAFF else {"session": self._secrets["session"]}
        wrong += [f"tells the victim's {name}" for name, value in kept.items() if value in told]
        wrong += ["believes what it is told to be called"] if ELSEWHERE in told else []
        wrong += [f"echoes {found!r}" for found in UNESCAPED.findall(body)]
        wrong += [f"leads to {found!r}" for found in ADDRESS.findall(body)]
        wrong += [f"lacks {name}" for name in sorted(PROTECTION - named.keys())]
        return wrong + _wrong_headers(answer, named)


def _wrong_headers(answer: Response, named: dict[str, list[str]]) -> list[str]:
    wrong = [
        f"header {name!r}"
        for name, value in answer.headers
        if not _is_plain(name + value) or "zq" in name.lower()
    ]
    wrong += [f"leads to {where!r}" for where in named.get("location", []) if not is_own(where)]
    wrong += [f"cookie {each!r}" for each in named.get("set-cookie", []) if not _is_right(each)]
    if "public" in named["cache-control"][0] and "set-cookie" in named:
        wrong.append("a cookie that caches keep")
    return wrong


def is_own(where: str) -> bool:
    """Return an address of the shop, or of PayPal's pages, or a file in the shop's own buckets."""
    import os

    if where.startswith("/"):
        return not where.startswith(("//", "/\\")) and _is_plain(where)
    own = (settings.paypal_web_url, settings.public_url or "", os.environ["AWS_ENDPOINT_URL"])
    return any(where.startswith(f"{address}/") for address in own if address)


def _is_right(cookie: str) -> bool:
    name = cookie.partition("=")[0]
    found: Any = COOKIE.fullmatch(cookie)
    return bool(found) and bool(found[3]) == (name not in READ_BY_SCRIPT)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
