"""One shopper of a flash sale: looks, wants, orders, pays, and is told how it went."""

import threading
import time
from dataclasses import dataclass, field
from typing import cast

from infra.local.api_gateway import Gateway
from infra.local.fake_paypal import Control
from tests.client import Answer, Shopper
from tests.load.http_connection import Sample, Wire
from tests.shop import CUSTOMER, order_id_of, token_of

SLUG, SKU = "last-lamp", "LAMP"
BOUGHT, LEFT, SOLD_OUT = "bought", "left without paying", "told it is sold out"
TOO_LATE = (
    "approved, and told that it is gone"  # what is more than one visitor may hold is taken when it is paid
)
GONE_WORDS = "Other customers bought one or more of your items before you paid."  # placed without a hold, and gone at once
SOLD_OUT_WORDS = ("Sorry, this item is sold out.", "This item is now sold out.", "has just sold out.")
FEWER_WORDS = ("Only 1 left.", f"Only 1 of {chr(0x201C)}Last lamp{chr(0x201D)} left.")
THANKS = "Thank you, your order is paid"
SORRY = "Sorry, your items sold out"
LOOKS = 3  # at the product, before the sale begins
TURNS = 4  # at the checkout
PATIENCE_SECONDS = 20


class Dishonest(Exception):
    """Raised where an answer leaves a shopper without an order and without a reason."""


@dataclass
class Buyer:
    """Somebody with a connection of their own; `wants` units, and one where only one is left."""

    shop_url: str
    paypal: Control
    number: int
    wants: int = 1
    pays: bool = True
    clicks_twice: bool = False
    wires: list[Wire] = field(default_factory=list)
    ending: str = ""
    order_id: str = ""

    def __post_init__(self) -> None:
        self.shopper = self._tab()

    @property
    def samples(self) -> list[Sample]:
        """All answers they got."""
        return [sample for wire in self.wires for sample in wire.samples]

    def look(self) -> None:
        """Wait in front of the door, reloading."""
        for _ in range(LOOKS):
            self._expect(self.shopper.get(f"/products/{SLUG}"), 200)

    def buy(self) -> None:
        """Try to buy; sets `ending`. Raises Dishonest."""
        try:
            self.ending = self._shop()
        finally:
            for wire in self.wires:
                wire.close()

    def _shop(self) -> str:
        answer = self._put_in_cart()
        for _ in range(TURNS):
            if self._is_sold_out(answer):
                return SOLD_OUT
            answer = self._place()
            if answer.status == 303:
                return self._pay(token_of(answer))
            if self._is_less(answer):
                answer = self.shopper.post(f"/cart/lines/{SKU}", {"quantity": "1"})
        raise Dishonest(f"no end after {TURNS} turns: {answer.status} {answer.text[:300]}")

    def _put_in_cart(self) -> Answer:
        answer = self.shopper.post("/cart/lines", {"sku": SKU, "quantity": str(self.wants)})
        if self._is_less(answer):
            answer = self.shopper.post("/cart/lines", {"sku": SKU, "quantity": "1"})
        return answer

    def _place(self) -> Answer:
        form = self._expect(self.shopper.get("/checkout"), 200)
        filled = {**CUSTOMER, "email": self.email, "total": form.field("total")}
        if not self.clicks_twice:
            return self.shopper.post("/checkout", filled)
        answers: list[Answer] = []
        tabs = [self.shopper, self._tab(dict(self.shopper.jar))]
        clicks = [
            threading.Thread(target=lambda tab=tab: answers.append(tab.post("/checkout", filled)))
            for tab in tabs
        ]
        for click in clicks:
            click.start()
        for click in clicks:
            click.join()
        if len({answer.location for answer in answers if answer.status == 303}) > 1:
            raise Dishonest("two clicks became two payments")
        return min(answers, key=lambda answer: answer.status)

    @property
    def email(self) -> str:
        """Where their mail goes."""
        return f"buyer-{self.number}@example.com"

    def _pay(self, token: str) -> str:
        if not self.pays:
            return LEFT
        self.paypal.approve(token)
        answer = self.shopper.get(f"/payments/paypal/return?token={token}&PayerID=PAYER")
        self.order_id = order_id_of(self._expect(answer, 303))
        ends = time.monotonic() + PATIENCE_SECONDS
        while THANKS not in (page := self._expect(self.shopper.follow(answer), 200)).text:
            if SORRY in page.text:
                return TOO_LATE
            if time.monotonic() > ends:
                raise Dishonest(f"paid, and the order's page says: {page.text[:300]}")
        return BOUGHT

    def _is_sold_out(self, answer: Answer) -> bool:
        if answer.status == 303:
            return False
        self._expect(answer, 409)
        if not any(words in answer.text for words in (*SOLD_OUT_WORDS, *FEWER_WORDS, GONE_WORDS)):
            raise Dishonest(f"refused without a reason: {answer.text[:300]}")
        return any(words in answer.text for words in SOLD_OUT_WORDS)

    @staticmethod
    def _is_less(answer: Answer) -> bool:
        return answer.status == 409 and any(words in answer.text for words in FEWER_WORDS)

    def _tab(self, jar: dict[str, str] | None = None) -> Shopper:
        wire = Wire(self.shop_url, f"198.18.{self.number // 250}.{self.number % 250}")
        self.wires.append(wire)
        return Shopper(cast("Gateway", wire), jar or {})

    @staticmethod
    def _expect(answer: Answer, status: int) -> Answer:
        if answer.status != status:
            raise Dishonest(f"expected {status}: {answer.status} {answer.text[:300]}")
        return answer
