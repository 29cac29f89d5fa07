"""Banks and buyers who change their minds: seldom, money that was paid is taken back, or disputed."""

import random
from typing import Any

from infra.local.fake_paypal import ControlError
from tests.invariants import SOLD
from tests.shop import Shop
from tests.simulation.actors.background_events import Backstage
from tests.simulation.scheduler import Agent, Day

PAUSE_SECONDS = (1500, 6000)
ENDS = 20_000.0
ONE_IN = 3  # of its looks, so that most days have one case or none


class Bank:
    """Whoever can take money back, besides the merchant."""

    def __init__(self, shop: Shop, day: Day, backstage: Backstage, seed: str) -> None:
        self._shop, self._day, self._backstage = shop, day, backstage
        self._chance = random.Random(f"bank of {seed}")
        self._known: set[str] = set()  # orders that have had their case: two would be told in the same words

    def work(self) -> None:
        """Look at what was paid, now and then."""
        self._day.begin("bank", self._live())

    def _live(self) -> Agent:
        while self._day.now < ENDS:
            yield self._chance.uniform(*PAUSE_SECONDS)
            if self._chance.randrange(ONE_IN) == 0:
                yield from self._intervene()

    def _intervene(self) -> Agent:
        capture = self._somebodys_payment()
        if capture is None:
            return
        if self._chance.random() < 0.4:
            self._at_paypal("reverse", capture)
            return
        dispute = self._at_paypal("open_dispute", capture)
        if dispute is not None:
            yield self._chance.choice((60.0, 4000.0))
            self._at_paypal(
                "resolve_dispute", dispute["dispute_id"], self._chance.choice(("seller", "buyer"))
            )

    def _somebodys_payment(self) -> str | None:
        paid = [order for order in self._shop.orders() if order.state in SOLD and order.id not in self._known]
        if not paid:
            return None
        order = self._chance.choice(sorted(paid, key=lambda order: str(order.number)))
        self._known.add(order.id)
        return order.capture_id

    def _at_paypal(self, what: str, *about: str) -> dict[str, Any] | None:
        try:
            told: dict[str, Any] = getattr(self._shop.paypal, what)(*about)
        except ControlError:
            told = {}
        self._day.note(f"a bank: {what}{'' if told else ' is refused'}")
        self._backstage.listen()
        return told or None
