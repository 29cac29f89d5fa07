"""Where an order goes and in which parcels: what staff enter, and what they correct later."""

from collections.abc import Mapping

from chalicelib import clock, ids
from chalicelib.database.transactions import Transaction
from chalicelib.errors import Conflict
from chalicelib.orders.delivery.parcels import parcel_of
from chalicelib.orders.enums import EmailKind, HistoryEvent
from chalicelib.orders.refunds import RefundsMixin
from chalicelib.orders.search.search_index import search_terms_of, update_search_entries
from chalicelib.orders.states import OrderState

MAX_PARCELS = 30


class FulfillmentMixin(RefundsMixin):
    """An order's parcels and its customer.

    A parcel is given as carrier, tracking number and link; the last two may be empty.

    Callers that change them read `search_terms` before and call `update_search_terms` after: staff find an
    order by its parcels and customer.
    """

    @property
    def search_terms(self) -> list[str]:
        """List the terms that staff find the order by."""
        return search_terms_of(self.customer, self.parcels)

    def update_search_terms(self, before: list[str], transaction: Transaction) -> None:
        """Make the order found by its current terms instead of those before."""
        if self.placed_key:
            update_search_entries(before, self.search_terms, self.placed_key, transaction)

    def get_parcel(self, parcel_id: str) -> dict[str, str]:
        """Return a parcel as it is stored. Raises Conflict if it was removed."""
        found = next((parcel for parcel in self.parcels if parcel["id"] == parcel_id), None)
        if found is None:
            raise Conflict("This parcel is no longer part of the order.")
        return found

    def has_parcel(self, parcel_id: str) -> bool:
        """Return whether the order has a parcel."""
        return any(parcel["id"] == parcel_id for parcel in self.parcels)

    def ship(self, parcel: Mapping[str, str], actor: str) -> None:
        """paid → shipped with the last or only parcel; email the customer."""
        self._transition(OrderState.SHIPPED)
        parcel_id = self._append(parcel)
        self.add_event(HistoryEvent.SHIPPED, parcel["carrier"], actor=actor)
        self.queue_email(EmailKind.ORDER_SHIPPED, parcel_id)

    def complete_shipping(self, actor: str) -> None:
        """paid → shipped: all parcels were added before, and the customer knows of each."""
        self._transition(OrderState.SHIPPED)
        self.add_event(HistoryEvent.SHIPPED, actor=actor)

    def add_parcel(self, parcel: Mapping[str, str], actor: str, form_token: str, *, mail: bool) -> None:
        """Add a parcel without changing the state: more will follow, or this one was forgotten."""
        parcel_id = self._append(parcel)
        self.add_event(HistoryEvent.PARCEL_ADDED, str(parcel_of(parcel)), actor=actor, form_token=form_token)
        if mail:
            self.queue_email(EmailKind.PARCEL_SHIPPED, parcel_id)

    def correct_parcel(
        self, parcel_id: str, parcel: Mapping[str, str], actor: str, form_token: str, *, mail: bool
    ) -> None:
        """Correct carrier, tracking number and link of a parcel; each correction has an email of its own."""
        before = self.get_parcel(parcel_id)
        self.stored_parcels = [
            {**known, **parcel} if known["id"] == parcel_id else known for known in self.parcels
        ]
        self.add_event(
            HistoryEvent.PARCEL_CORRECTED,
            f"{parcel_of(before)} → {parcel_of(parcel)}",
            actor=actor,
            form_token=form_token,
        )
        if mail:
            self.queue_email(EmailKind.TRACKING_CORRECTED, f"{parcel_id}-{form_token}")

    def remove_parcel(self, parcel_id: str, actor: str, form_token: str, *, mail: bool) -> None:
        """Remove a parcel that was never sent. If none is left, a shipped order must be shipped again: → paid."""
        removed = self.get_parcel(parcel_id)
        self.stored_parcels = [parcel for parcel in self.parcels if parcel["id"] != parcel_id]
        if self.state == OrderState.SHIPPED and not self.stored_parcels:
            self._transition(OrderState.PAID)
        self.add_event(
            HistoryEvent.PARCEL_REMOVED, str(parcel_of(removed)), actor=actor, form_token=form_token
        )
        if mail:
            self.queue_email(EmailKind.PARCEL_REMOVED, form_token)

    def correct_customer(
        self, customer: Mapping[str, str], actor: str, form_token: str, *, mail: bool
    ) -> list[str]:
        """Correct the order's customer and address; return the names of the changed fields."""
        changed = [name for name, value in customer.items() if (self.customer.get(name) or "") != value]
        self.customer = {**self.customer, **customer}
        self.add_event(
            HistoryEvent.ADDRESS_CORRECTED,
            ", ".join(changed).replace("_", " "),
            actor=actor,
            form_token=form_token,
        )
        if mail:
            self.queue_email(EmailKind.ADDRESS_CORRECTED, form_token)
        return changed

    def _append(self, parcel: Mapping[str, str]) -> str:
        if len(self.parcels) >= MAX_PARCELS:
            raise Conflict(f"An order can have up to {MAX_PARCELS} parcels.")
        parcel_id = ids.new_id()[:12]
        self.stored_parcels = [*self.parcels, {"id": parcel_id, **parcel, "at": clock.iso_now()}]
        return parcel_id
