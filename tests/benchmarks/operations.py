"""What is measured: short stories, each from its beginning, of which the *last* call of the app is measured."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import cast

from chalice import Chalice

import app
from chalicelib.aws import client
from chalicelib.catalog import categories
from chalicelib.catalog.models import Stock
from chalicelib.config import settings
from chalicelib.database.reads import get
from chalicelib.payments.paypal.events import message_of
from chalicelib.web.page_cache import cache
from infra.local.api_gateway import Gateway
from infra.local.event_functions import Functions, context
from infra.local.fake_paypal import Control, Notification
from tests.benchmarks.timing import MeasuredApp, Stopwatch
from tests.client import Answer, Shopper
from tests.shop import Shop, message, order_id_of, token_of

# What everybody buys, from the demo catalog: three lines.
CART = {"TEA_BREAKFAST_100": 2, "HONEY_LINDEN_250": 1, "KNACKE_RYE_400": 1}
CATEGORY, PRODUCT, QUESTION = "tea-and-larder", "saturday-breakfast-tea", "tea"
ENOUGH = 1_000_000  # units of each, so that no round finds a shelf empty


class Wrong(Exception):
    """Raised where a story did not go as it must: its times would mean nothing."""


class BenchShop(Shop):
    """The shop, with visitors from the Internet: this machine's own address is not counted, and the calls for it missing."""

    _addresses = cycle(f"192.0.2.{number}" for number in range(1, 255))

    def shopper(self) -> Shopper:
        """Let somebody in, from an address of their own as far as there are any."""
        return Shopper(self.gateway, source=next(self._addresses))


@dataclass(frozen=True)
class Bench:
    """The shop with a stopwatch in it, and an app that does nothing."""

    shop: Shop
    bare: Gateway
    watch: Stopwatch

    @classmethod
    def opened(cls, paypal: Control, watch: Stopwatch) -> "Bench":
        """Fill the shelves."""
        for sku in CART:
            Stock(sku.replace("_", "-")).update([Stock.available.set(ENOUGH)])
        shop = BenchShop(
            _measured(app.app, watch), Functions(app.app, client("sqs"), settings.table_prefix), paypal
        )
        return cls(shop, _measured(_bare_app(), watch), watch)

    def run_function(self, name: str, body: str) -> None:
        """Hand one message to the function behind a queue, measured."""
        record = {"messageId": "1", "receiptHandle": "1", "eventSource": "aws:sqs", "body": body}
        function = app.app.handler_map[name]
        answer = self.watch.call(function, {"Records": [record]}, context(name))
        if answer != {"batchItemFailures": []}:
            raise Wrong(f"{name} answered {answer}")


@dataclass(frozen=True)
class Operation:
    """A story, and how many DynamoDB calls its last call may make, where that is promised."""

    name: str
    tell: Callable[[Bench], object]
    most: int | None = None


def _measured(chalice: Chalice, watch: Stopwatch) -> Gateway:
    gateway = Gateway(chalice)
    gateway.app = cast("Chalice", MeasuredApp(gateway.app, watch))
    return gateway


def _bare_app() -> Chalice:
    bare = Chalice(app_name="bare")

    @bare.route("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return bare


def _expect(answer: Answer, status: int) -> Answer:
    if answer.status != status:
        raise Wrong(f"expected {status}, not {answer.status}: {answer.text[:200]}")
    return answer


# -- floors -----------------------------------------------------------------------------------------------


def bare_health(bench: Bench) -> None:
    """Ask a Chalice app that has nothing but this, twice, as warm pages are."""
    shopper = Shopper(bench.bare)
    shopper.get("/health")
    _expect(shopper.get("/health"), 200)


def get_item(bench: Bench) -> None:
    """Read one item."""
    if bench.watch.call(get, Stock, "HONEY-LINDEN-250") is None:
        raise Wrong("the item is not there")


# -- browsing ---------------------------------------------------------------------------------------------


def warm(address: str) -> Callable[[Bench], None]:
    """Open a page that somebody opened before."""

    def tell(bench: Bench) -> None:
        shopper = bench.shop.shopper()
        shopper.get(address)
        _expect(shopper.get(address), 200)

    return tell


def unchanged(bench: Bench) -> None:
    """Open the shop page with a browser that has it already."""
    shopper = bench.shop.shopper()
    seen = shopper.get("/")
    _expect(shopper.get("/", If_None_Match=seen.headers["etag"]), 304)


def cold(address: str) -> Callable[[Bench], None]:
    """Open a page in a process that remembers none, nor the categories."""

    def tell(bench: Bench) -> None:
        cache.clear()
        categories.clear_category_cache()
        _expect(bench.shop.shopper().get(address), 200)

    return tell


# -- buying -----------------------------------------------------------------------------------------------


def add_first(bench: Bench) -> None:
    """Put the first thing into a cart."""
    bench.shop.shopper_with(HONEY_LINDEN_250=1)


def add_another(bench: Bench) -> None:
    """Put a third thing into a cart."""
    bench.shop.shopper_with(**CART)


def cart_page(bench: Bench) -> None:
    """Look at a cart of three lines."""
    _expect(bench.shop.shopper_with(**CART).get("/cart"), 200)


def checkout_form(bench: Bench) -> None:
    """Open the checkout."""
    _expect(bench.shop.shopper_with(**CART).get("/checkout"), 200)


def place_order(bench: Bench) -> None:
    """Place an order, for which a new one is made at PayPal."""
    token_of(bench.shop.place(bench.shop.shopper_with(**CART)))


def supersede_order(bench: Bench) -> None:
    """Place another order instead of one that is not paid."""
    shopper, first = bench.shop.placed(**CART)
    if token_of(bench.shop.place(shopper, name="Somebody Else")) == first:
        raise Wrong("the same order was placed again")


def come_back(bench: Bench) -> None:
    """Come back from PayPal: the payment is captured and settled."""
    shopper, token = bench.shop.placed(**CART)
    order_id_of(bench.shop.come_back(shopper, token))


def order_page(bench: Bench) -> None:
    """Look at a paid order."""
    shopper, order_id = bench.shop.paid(**CART)
    _expect(shopper.get(f"/orders/{order_id}"), 200)


# -- behind the counter -----------------------------------------------------------------------------------


def notify(bench: Bench) -> None:
    """Take PayPal's notification of a payment: verify it, put it on the queue."""
    told = _notification(bench)
    _expect(bench.shop.notify(told.body, told.headers), 200)


def settle_notification(bench: Bench) -> None:
    """Settle a notification of what the return from PayPal has settled already."""
    told = _notification(bench)
    bench.run_function("settle_notifications", json.dumps(message_of(json.loads(told.body))))


def send_mail(bench: Bench) -> None:
    """Send the confirmation of a paid order."""
    _, order_id = bench.shop.paid(**CART)
    (entry,) = [due for due in bench.shop.order(order_id).emails_due if due.startswith("order_paid#")]
    bench.run_function("send_order_emails", message(order=order_id, entry=entry))
    if entry not in bench.shop.order(order_id).emails_sent:
        raise Wrong("the mail was not sent")


def _notification(bench: Bench) -> Notification:
    bench.shop.paid(**CART)
    return bench.shop.paypal.notifications("PAYMENT.CAPTURE.COMPLETED")[-1]


FLOOR = Operation("floor: the shop's /health", warm("/health"), most=0)
OPERATIONS = (
    Operation("floor: a bare Chalice app's /health", bare_health, most=0),
    FLOOR,
    Operation("floor: one GetItem", get_item, most=1),
    Operation("shop page, warm", warm("/"), most=0),
    Operation("shop page, 304", unchanged, most=0),
    Operation("shop page, cold", cold("/")),
    Operation("category page, warm", warm(f"/categories/{CATEGORY}"), most=0),
    Operation("category page, cold", cold(f"/categories/{CATEGORY}")),
    Operation("product page, warm", warm(f"/products/{PRODUCT}"), most=0),
    Operation("product page, cold", cold(f"/products/{PRODUCT}")),
    Operation("search, cold", cold(f"/search?q={QUESTION}")),
    Operation("add to cart, the first line", add_first, most=2),
    Operation("add to cart, the third line", add_another, most=2),
    Operation("cart page", cart_page, most=2),
    Operation("checkout form", checkout_form),
    Operation("place an order", place_order, most=5),
    Operation("place, superseding an order", supersede_order, most=7),
    Operation("return: capture and settle", come_back),
    Operation("order page", order_page),
    Operation("webhook: verify and enqueue", notify),
    Operation("settle a notification, nothing new", settle_notification),
    Operation("send a mail", send_mail),
)
