"""One run of a scenario: a shopper of its own, who orders a thing that nobody else orders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.client import Shopper
from tests.fault_injection.harness import FAULTS, Fault, World
from tests.fault_injection.lambda_process import Call
from tests.invariants import check_nothing_is_forgotten
from tests.shop import token_of

if TYPE_CHECKING:
    from chalicelib.orders.models import Order

ON_THE_SHELF = 15  # of which a cart is within what one visitor may hold
IN_THE_CART = 2
SAMPLED = 3  # of so many calls, one goes wrong
Triple = tuple[Fault, int]  # the third is the scenario


@dataclass
class Case:
    """What one run is about. `things`: whatever else a scenario keeps between preparing and playing."""

    world: World
    number: int
    label: str = ""
    shopper: Shopper = field(init=False)
    token: str = ""  # PayPal's order
    may_mail_twice: int = 0
    units: int = ON_THE_SHELF  # of its product, on the shelf, reserved and sold
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
        """Return the shopper's address: no other case has it."""
        return f"case-{self.number}@example.com"

    def orders(self) -> "list[Order]":
        """List what this shopper ordered, the oldest first."""
        mine = [order for order in self.world.shop.orders() if self.owns(order)]
        return sorted(mine, key=lambda order: str(order.placed_at))

    def owns(self, order: "Order") -> bool:
        """Return whether this shopper placed an order, even if the customer was erased from it since."""
        erased = order.erased_at and order.lines[0].sku == self.sku
        return bool(order.customer["email"] == self.email or erased)

    # -- what is prepared, undisturbed --------------------------------------------------------------------

    def fill_cart(self) -> None:
        """Put two units into the cart."""
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

    # -- what follows, undisturbed --------------------------------------------------------------------------

    def pay_up(self) -> None:
        """Pay the latest order, as its page offers."""
        address = f"/orders/{self.orders()[-1].id}/payment"
        self.world.shop.come_back(self.shopper, token_of(self.shopper.post(address)))


@dataclass(frozen=True)
class Rival:
    """What else may happen at any moment of a play. `minutes` pass before the play: then it is due."""

    name: str
    act: Callable[[Case], object]
    minutes: float = 0


@dataclass(frozen=True)
class Scenario:
    """A way of an order: prepared undisturbed, played while something goes wrong, and what comes of it.

    `afterwards` is what people do once two rounds of the reconciler have passed, undisturbed. `states`: of the case's
    orders, the oldest first, when everything has come to rest. `check` looks at what only this scenario knows, then.
    `rivals` are what else may happen at any moment of the play; `no_rival` says why there is none. `alone`: playing runs a scheduled function, which would
    meet the orders of other cases, so each case comes to rest before the next begins. `late`: PayPal took money for
    an order that is closed, which the design finds by a notification or the last look, not within two rounds.
    `main`: `make test` plays most of its triples, of the others one every third call, and those that found a bug,
    `once_failed`; `make soak` plays all.
    """

    name: str
    prepare: Callable[[Case], None]
    play: Callable[[Case], None]
    states: tuple[str, ...]
    afterwards: Callable[[Case], object] = lambda case: None
    check: Callable[[Case], None] = lambda case: None
    rivals: tuple[Rival, ...] = ()
    no_rival: str = ""
    alone: bool = False
    late: bool = False
    main: bool = False
    once_failed: frozenset[tuple[str, int]] = frozenset()

    def __post_init__(self) -> None:
        assert self.rivals or self.no_rival, f"{self.name}: nobody overtakes it, and nobody knows why"

    @property
    def faults(self) -> list[Fault]:
        """List what can go wrong with it."""
        overtaken = [
            Fault(f"overtaken by {rival.name}", overtaken=rival.name, sampled=number > 0)
            for number, rival in enumerate(self.rivals)
        ]
        return [*FAULTS, *overtaken]

    def all_triples(self, calls: Sequence[Call]) -> list[Triple]:
        """List everything that can go wrong with these calls."""
        return [
            (fault, at) for fault in self.faults for at, call in enumerate(calls) if fault.can_befall(call)
        ]

    def most_triples(self, calls: Sequence[Call]) -> list[Triple]:
        """List everything but of the faults that are sampled, of which each call meets one."""
        sample = [
            (sampled[at % len(sampled)], at)
            for at, call in enumerate(calls)
            if (sampled := self._sampled(call))
        ]
        return [(fault, at) for fault, at in self.all_triples(calls) if not fault.sampled] + sample

    def _sampled(self, call: Call) -> list[Fault]:
        return [fault for fault in self.faults if fault.sampled and fault.can_befall(call)]

    def some_triples(self, calls: Sequence[Call]) -> list[Triple]:
        """List one fault for every third call, another each time."""
        chosen = []
        for at, call in enumerate(calls):
            possible = [fault for fault in self.faults if fault.can_befall(call)]
            if at % SAMPLED == 0:
                chosen.append((possible[(at // SAMPLED + len(self.name)) % len(possible)], at))
            chosen += [(fault, at) for fault in possible if (fault.name, at) in self.once_failed]
        return list(dict.fromkeys(chosen))

    def run(self, case: Case, fault: Fault | None = None, at: int = -1, *, twice: bool = False) -> list[Call]:
        """Play it once; return the calls it made."""
        try:
            return self._run(case, fault, at, twice)
        except Exception as error:
            error.add_note(f"{self.name}: {case.label}")
            raise

    def _run(self, case: Case, fault: Fault | None, at: int, twice: bool) -> list[Call]:
        world = case.world
        self.prepare(case)
        for rival in self.rivals:
            if fault is not None and fault.overtaken == rival.name:
                world.pass_time(minutes=rival.minutes)
                world.rival = partial(rival.act, case)
        world.begin(fault, at, twice=twice)
        self.play(case)
        calls, hit = world.calls, world.hit
        case.may_mail_twice = int(world.mail_in_doubt)
        world.begin()
        assert fault is None or hit == calls[at]
        if self.alone:
            self.recover([case])
        return calls

    def end(self, cases: Sequence[Case]) -> None:
        """Let everything come to rest that has not yet."""
        if not self.alone:
            self.recover(cases)

    def recover(self, cases: Sequence[Case]) -> None:
        """Let happen what sets right whatever went wrong: two rounds of the reconciler, then people, then time."""
        world = cases[0].world
        world.rounds()
        if not self.late:
            check_nothing_is_forgotten(world.shop)
        for case in cases:
            self.afterwards(case)
        world.come_to_rest()
