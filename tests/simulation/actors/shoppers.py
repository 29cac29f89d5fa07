"""Shoppers: they come in rushes, change their minds, close tabs, reload, come back much too late."""

import random
from collections.abc import Generator
from typing import Any

from infra.local.fake_paypal import ControlError
from tests.client import Answer, Shopper
from tests.fault_injection.lambda_process import Answered, End
from tests.shop import CUSTOMER, Shop, order_id_of
from tests.simulation.actors.background_events import Backstage
from tests.simulation.scheduler import Act, Agent, Day

PRODUCTS = {"CUP": 4, "POT": 3, "LAST": 1, "TEA": 12}  # SKU → units, far fewer than are wanted
RUSHES = (0.0, 7200.0, 14340.0)  # the last one runs through midnight
RUSH_SECONDS = (3.0, 15.0, 100.0)
LAST_RUSH = RUSHES[-1] + RUSH_SECONDS[-1]
RELOADS = 5
PAID = "Thank you, your order is paid"
WAYS = {
    "pays": 30,
    "pays and closes the tab": 14,
    "pays in two tabs": 10,
    "pays slowly": 12,
    "is declined": 8,
    "is declined, then pays": 10,
    "cancels, then buys something else": 10,
    "leaves, and pays much later": 8,
    "leaves": 8,
}
Ask = Generator[float | Act, End | None, Answer | None]


class Shoppers:
    """All the shoppers of a day, and what the shop told them."""

    def __init__(self, shop: Shop, day: Day, backstage: Backstage, seed: str) -> None:
        self._shop, self._day, self._backstage = shop, day, backstage
        self._chance = random.Random(f"shoppers of {seed}")
        self.told_paid: set[str] = set()  # orders whose page said so
        self.bugs: list[str] = []  # pages for bugs that were seen

    def come(self, number: int) -> None:
        """Let so many come in the course of the day."""
        for each in range(number):
            self._day.begin(f"shopper {each}", self._live(each))

    def _live(self, number: int) -> Agent:
        rush = self._chance.randrange(len(RUSHES))
        yield RUSHES[rush] + self._chance.random() * RUSH_SECONDS[rush]
        visitor = self._shop.shopper()
        yield from self._fill_cart(visitor, number)
        token = yield from self._order(visitor, number)
        if token is not None:
            yield from self._pay(visitor, number, token)

    # -- in the shop --------------------------------------------------------------------------------------

    def _fill_cart(self, visitor: Shopper, number: int) -> Agent:
        for sku in self._chance.sample(sorted(PRODUCTS), self._chance.choice((1, 1, 2))):
            form = {"sku": sku, "quantity": str(self._chance.choice((1, 1, 2)))}
            yield from self._ask(visitor, "POST", "/cart/lines", form=form)
            yield self._chance.random()

    def _order(self, visitor: Shopper, number: int) -> Generator[float | Act, End | None, str | None]:
        """Order what is in the cart; return PayPal's order, or None where nothing came of it."""
        for _ in range(2):
            shown = yield from self._ask(visitor, "GET", "/checkout")
            if shown is None or shown.status != 200:
                return None
            form = {**CUSTOMER, "email": f"shopper-{number}@example.com", "total": shown.field("total")}
            form["pay_with"] = ("paypal", "card")[number % 2]
            answer = yield from self._ask(visitor, "POST", "/checkout", form=form)
            if answer is None:
                return None
            if answer.status == 303:
                return (yield from self._way_to_paypal(visitor, answer))
            for sku in sorted(PRODUCTS):  # what is gone: a little less, or nothing
                if f"/cart/lines/{sku}" in (yield from self._cart(visitor)):
                    quantity = str(self._chance.choice((0, 1)))
                    yield from self._ask(visitor, "POST", f"/cart/lines/{sku}", form={"quantity": quantity})
        return None

    def _cart(self, visitor: Shopper) -> Generator[float | Act, End | None, str]:
        answer = yield from self._ask(visitor, "GET", "/cart")
        return "" if answer is None else answer.body

    def _way_to_paypal(
        self, visitor: Shopper, answer: Answer
    ) -> Generator[float | Act, End | None, str | None]:
        """Follow to PayPal, by the order's page where PayPal could not be reached at first."""
        for _ in range(3):
            if "token=" in answer.location:
                return answer.location.rpartition("token=")[2]
            if "/orders/" not in answer.location:
                return None
            yield self._chance.uniform(1, 400)
            order_id = order_id_of(answer)
            again = yield from self._ask(visitor, "POST", f"/orders/{order_id}/payment")
            if again is None or again.status != 303:
                return None
            answer = again
        return None

    # -- at PayPal ----------------------------------------------------------------------------------------

    def _pay(self, visitor: Shopper, number: int, token: str) -> Agent:
        way = self._chance.choices(list(WAYS), list(WAYS.values()))[0]
        self._day.note(f"shopper {number} {way}")
        yield self._chance.choice((1, 5, 60)) * self._chance.random()
        if way == "leaves, and pays much later":
            yield self._chance.choice((3700, 9000, 11000))
        yield from getattr(self, "_" + way.replace(",", "").replace(" ", "_"))(visitor, number, token)

    def _pays(self, visitor: Shopper, number: int, token: str) -> Agent:
        self._at_paypal("approve", token)
        yield from self._come_back(visitor, token)
        if self._chance.random() < 0.3:  # from the history, or a bookmark
            yield self._chance.choice((2, 600, 20000))
            yield from self._come_back(visitor, token)

    def _pays_and_closes_the_tab(self, visitor: Shopper, number: int, token: str) -> Agent:
        self._at_paypal("approve", token)
        yield 0.0

    def _pays_in_two_tabs(self, visitor: Shopper, number: int, token: str) -> Agent:
        """Have the form sent twice, and come back twice at once; the tabs share their cookies."""
        shown = yield from self._ask(visitor, "GET", "/checkout")
        other = Shopper(visitor.gateway, dict(visitor.jar))
        self._day.begin(f"shopper {number} other tab", self._second_tab(other, number))
        if shown is not None and shown.status == 200:
            form = {**CUSTOMER, "email": f"shopper-{number}@example.com", "total": shown.field("total")}
            answer = yield from self._ask(visitor, "POST", "/checkout", form=form)
            if answer is not None and answer.status == 303 and "token=" in answer.location:
                token = answer.location.rpartition("token=")[2]
        self._at_paypal("approve", token)
        self._day.begin(f"shopper {number} other tab back", self._come_back(other, token))
        yield from self._come_back(visitor, token)

    def _second_tab(self, visitor: Shopper, number: int) -> Agent:
        token = yield from self._order(visitor, number)
        if token is not None:
            self._at_paypal("approve", token)
            yield from self._come_back(visitor, token)

    def _pays_slowly(self, visitor: Shopper, number: int, token: str) -> Agent:
        self._at_paypal("slow", token)
        yield from self._come_back(visitor, token)
        settle = self._chance.choice(("complete", "complete", "deny"))
        for _ in range(100):
            captures = self._shop.paypal.captures(token)
            pending = [capture["id"] for capture in captures if capture["status"] == "PENDING"]
            if pending:
                yield self._chance.choice((1.0, 700.0, 8000.0))
                self._at_paypal(settle, pending[0])
                return
            yield 120.0

    def _is_declined(self, visitor: Shopper, number: int, token: str) -> Agent:
        self._at_paypal("decline", token)
        yield from self._come_back(visitor, token)

    def _is_declined_then_pays(self, visitor: Shopper, number: int, token: str) -> Agent:
        yield from self._is_declined(visitor, number, token)
        yield self._chance.uniform(1, 100)
        self._at_paypal("approve", token)
        if self._chance.random() < 0.7:
            yield from self._come_back(visitor, token)

    def _cancels_then_buys_something_else(self, visitor: Shopper, number: int, token: str) -> Agent:
        yield from self._ask(visitor, "GET", f"/payments/paypal/cancel?token={token}")
        yield from self._fill_cart(visitor, number)
        other = yield from self._order(visitor, number)
        if self._chance.random() < 0.3:  # the first tab is still open
            self._at_paypal("approve", token)
        if other is not None:
            yield from self._pays(visitor, number, other)

    def _leaves_and_pays_much_later(self, visitor: Shopper, number: int, token: str) -> Agent:
        yield from self._pays(visitor, number, token)

    def _leaves(self, visitor: Shopper, number: int, token: str) -> Agent:
        yield 0.0

    def _at_paypal(self, what: str, about: str) -> None:
        try:
            getattr(self._shop.paypal, what)(about)
        except ControlError:
            self._day.note(f"PayPal rejected: {what}")  # its order has ended, or is paid
        self._backstage.listen()

    def _come_back(self, visitor: Shopper, token: str) -> Agent:
        address = f"/payments/paypal/return?token={token}&PayerID=PAYER"
        answer = yield from self._ask(visitor, "GET", address)
        for _ in range(3):
            if answer is None or answer.status != 303:
                return
            page = yield from self._ask(visitor, "GET", answer.location)
            if page is None or "Confirming your payment" not in page.text:
                return
            yield 20.0

    # -- a browser ----------------------------------------------------------------------------------------

    def _ask(self, visitor: Shopper, method: str, address: str, **more: Any) -> Ask:
        """Ask, and reload a few times where no answer comes, or the shop is not well; None where nothing helps."""

        def ask() -> tuple[Answer, dict[str, str]]:
            return getattr(visitor, method.lower())(address, **more), visitor.jar

        for _ in range(RELOADS):
            end = yield Act(ask)
            if isinstance(end, Answered):
                answer: Answer = end.value[0]
                visitor.jar = end.value[1]
                self._remember(method, address, answer)
                if not answer.says_try_again:
                    return answer
            yield self._chance.choice((1, 5, 60)) * self._chance.random()
        return None

    def _remember(self, method: str, address: str, answer: Answer) -> None:
        if address.startswith("/orders/") and PAID in answer.text:
            self.told_paid.add(address.removeprefix("/orders/").partition("/")[0])
        if answer.status == 500:
            self.bugs.append(f"{method} {address}")
