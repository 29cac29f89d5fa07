"""The merchant: now and then ships, corrects, refunds, counts stock, releases what is held; some refunds are made on PayPal's own pages."""

import random
from collections import Counter
from typing import Any

from infra.local.fake_paypal import ControlError
from tests.client import Answer
from tests.fault_injection.lambda_process import Answered
from tests.shop import Shop
from tests.simulation.actors.background_events import Backstage
from tests.simulation.actors.shoppers import PRODUCTS, Ask
from tests.simulation.scheduler import Act, Agent, Day
from tests.staff.orders.test_corrections import form_of as correction_of
from tests.staff.orders.test_refund_form import form_of
from tests.staff.products.test_product_list import fields
from tests.staff.staff_client import PASSWORD, logged_in

PAUSE_SECONDS = (100, 3000)
ENDS = 16_000.0
PATIENCE = 30


class Merchant:
    """Whoever stands behind the counter, and what they put on the shelves."""

    def __init__(self, shop: Shop, day: Day, backstage: Backstage, seed: str) -> None:
        self._shop, self._day, self._backstage = shop, day, backstage
        self._chance = random.Random(f"merchant of {seed}")
        self._visitor = logged_in(shop.gateway, "merchant")
        self._slips = random.Random(f"slips of the merchant of {seed}")
        self._watch = random.Random(f"holds that the merchant of {seed} releases")
        self._parts = 0
        self._corrected = 0
        self.delivered: Counter[str] = Counter()  # SKU → units that came

    def work(self) -> None:
        """Work until the last rush is over."""
        self._day.begin("merchant", self._live())

    def _live(self) -> Agent:
        while self._day.now < ENDS:
            yield self._chance.uniform(*PAUSE_SECONDS)
            yield from self._chance.choice((self._ship, self._refund, self._refund_at_paypal, self._count))()
            if self._watch.random() < 0.3:
                yield from self._release()

    def _paid(self, *states: str) -> str | None:
        orders = sorted((o for o in self._shop.orders() if o.state in states), key=lambda o: str(o.number))
        return self._chance.choice(orders).id if orders else None

    def _ship(self) -> Agent:
        order_id = self._paid("paid")
        if order_id is not None:
            form = {"carrier": "DHL", "tracking": "0034", "link": ""}
            yield from self._ask("POST", f"/staff/orders/{order_id}/ship", form=form)
            if self._slips.random() < 0.3:
                yield self._slips.uniform(5, 600)
                yield from self._correct(order_id)

    def _correct(self, order_id: str) -> Agent:
        """Correct the number of the parcel, or the town, and tell the customer."""
        parcels = self._shop.order(order_id).parcels
        if not parcels:
            return
        self._corrected += 1
        address, correction = self._slips.choice(
            (
                (
                    f"/staff/orders/{order_id}/parcels/{parcels[0]['id']}",
                    {"tracking": f"C-{self._corrected}"},
                ),
                (f"/staff/orders/{order_id}/address", {"city": f"Town {self._corrected}"}),
            )
        )
        page = yield from self._ask("GET", f"/staff/orders/{order_id}")
        if page is not None and page.status == 200:
            yield from self._ask("POST", address, form=correction_of(page, address) | correction)

    def _release(self) -> Agent:
        """Release what some visitor holds without paying; who pays after all still gets what is there."""
        from chalicelib.staff.orders.order_actions import visitor_of

        visitors = sorted({visitor_of(order) for order in self._shop.orders() if order.held})
        if visitors:
            form = {"visitor": self._watch.choice(visitors)}
            yield from self._ask("POST", "/staff/attention/holds", form=form)

    def _refund(self) -> Agent:
        order_id = self._paid("paid", "shipped")
        page = order_id and (yield from self._ask("GET", f"/staff/orders/{order_id}"))
        if not page or 'class="refund-new"' not in page.body:
            return
        form = form_of(page) | {"reason": "A crack."}
        if self._chance.random() < 0.5:
            form["amount"] = self._part()
        if self._chance.random() < 0.5:
            form["all_back"] = "yes"
        yield from self._ask("POST", f"/staff/orders/{order_id}/refunds", form=form)

    def _refund_at_paypal(self) -> Agent:
        order_id = self._paid("paid", "shipped")
        if order_id is not None:
            try:
                self._shop.paypal.refund(self._shop.order(order_id).capture_id or "", self._part())
            except ControlError:
                self._day.note("PayPal refuses: refund")
            self._backstage.listen()
        yield 0.0

    def _part(self) -> str:
        """Name an amount that no other refund has, so that no two mails of a refund read the same."""
        self._parts += 1
        return f"1.{self._parts:02d}"

    def _count(self) -> Agent:
        """Put units on a shelf, in the list of products."""
        page = yield from self._ask("GET", "/staff/products")
        if page is None or page.status != 200:
            return
        sku, came = self._chance.choice(sorted(PRODUCTS)), self._chance.choice((1, 2))
        form = fields(page)
        form[f"stock.{sku}"] = str(int(form[f"stock.{sku}"]) + came)
        answer = yield from self._ask("POST", "/staff/products", form=form)
        if answer is not None and answer.status == 303 and "login" not in answer.location:
            self.delivered[sku] += came

    def _ask(self, method: str, address: str, **more: Any) -> Ask:
        """Ask, and press again until there is an answer: what was typed is not forgotten."""
        visitor = self._visitor

        def ask(
            method: str = method, address: str = address, more: Any = more
        ) -> tuple[Answer, dict[str, str]]:
            return getattr(visitor, method.lower())(address, **more), visitor.jar

        for _ in range(PATIENCE):
            end = yield Act(ask)
            if isinstance(end, Answered):
                answer: Answer = end.value[0]
                visitor.jar = end.value[1]
                if answer.status == 303 and "/staff/login" in answer.location:
                    who = {"email": "merchant@shop.example", "password": PASSWORD}
                    end = yield Act(lambda who=who: ask("POST", "/staff/login", {"form": who}))  # type: ignore[misc]
                    visitor.jar = end.value[1] if isinstance(end, Answered) else visitor.jar
                elif not answer.says_try_again:
                    return answer
            yield self._chance.uniform(5, 60)
        raise AssertionError(f"the merchant never got an answer: {method} {address}")
