"""One run of a scenario: a shopper of its own, who orders a thing that nobody else orders."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.client import Shopper
from tests.faults.process import Call
from tests.faults.world import Fault, World
from tests.shop import token_of

if TYPE_CHECKING:
    from chalicelib.orders.models import Order

ON_THE_SHELF = 5
IN_THE_CART = 2


@dataclass
class Case:
    """What one run is about. `things`: whatever else a scenario keeps between preparing and playing."""

    world: World
    number: int
    shopper: Shopper = field(init=False)
    token: str = ""  # PayPal's order
    may_mail_twice: int = 0
    things: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.shop.put_on_shelf(self.slug, f"Case {self.number}", {self.sku: (1000, None, ON_THE_SHELF)})
        self.shopper = self.world.shop.shopper()

    @property
    def slug(self) -> str:
        """Name the case's product."""
        return f"case-{self.number}"

    @property
    def sku(self) -> str:
        """Name the case's only variant."""
        return f"CASE-{self.number}"

    @property
    def email(self) -> str:
        """Tell the shopper's address: no other case has it."""
        return f"case-{self.number}@example.com"

    def orders(self) -> "list[Order]":
        """List what this shopper ordered, the oldest first."""
        mine = [order for order in self.world.shop.orders() if order.customer["email"] == self.email]
        return sorted(mine, key=lambda order: str(order.placed_at))

    # -- what is prepared, undisturbed --------------------------------------------------------------------

    def fill_cart(self) -> None:
        """Put two pieces into the cart."""
        answer = self.shopper.post("/cart/lines", {"sku": self.sku, "quantity": str(IN_THE_CART)})
        assert answer.status == 303, answer.text

    def place(self) -> None:
        """Fill the cart and place the order."""
        self.fill_cart()
        self.token = token_of(self.world.shop.place(self.shopper, email=self.email))

    def approve(self) -> None:
        """Place the order, and say yes at PayPal."""
        self.place()
        self.world.shop.paypal.approve(self.token)

    def pay(self) -> None:
        """Place the order, pay it and come back; the mails go out."""
        self.place()
        self.world.shop.come_back(self.shopper, self.token)
        self.world.shop.functions.drain("order-emails")


@dataclass(frozen=True)
class Scenario:
    """A way of an order: prepared undisturbed, played while something goes wrong, and what may have come of it.

    `states`: of the case's orders, the oldest first, once two rounds of the reconciler have passed. `check` looks at
    what only this scenario knows. `alone`: playing runs a scheduled function, which would meet the orders of other
    cases, so each case comes to rest before the next begins.
    """

    name: str
    prepare: Callable[[Case], None]
    play: Callable[[Case], None]
    states: tuple[str, ...]
    check: Callable[[Case], None] = lambda case: None
    alone: bool = False

    def run(self, case: Case, fault: Fault | None = None, at: int = -1, *, twice: bool = False) -> list[Call]:
        """Play it once; return the calls it made."""
        self.prepare(case)
        world = case.world
        world.begin(fault, at, twice=twice)
        self.play(case)
        calls, hit = world.calls, world.hit
        case.may_mail_twice = int(world.mail_in_doubt)
        world.begin()
        assert fault is None or hit == calls[at]
        if self.alone:
            world.rounds()
            world.come_to_rest()
        return calls
