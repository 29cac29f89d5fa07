"""Where an order goes and in which parcels: what staff say of it, and what they correct later."""

from collections.abc import Mapping

from chalicelib import clock, ids
from chalicelib.database.transactions import Transaction
from chalicelib.errors import Conflict
from chalicelib.orders import states
from chalicelib.orders.delivery.parcels import parcel_of
from chalicelib.orders.refunds import Refundable
from chalicelib.orders.search.search_index import change_words, words_of

MAX_PARCELS = 30


class Fulfillable(Refundable):
    """An order's parcels and its customer. A parcel is given as carrier, tracking and link; the last two may be empty.

    Who changes them reads `words` before and calls `refile` after: staff find an order by its parcels and customer.
    """

    @property
    def words(self) -> list[str]:
        """List the words that staff find the order by."""
        return words_of(self.customer, self.parcels)

    def refile(self, before: list[str], transaction: Transaction) -> None:
        """Let the order be found by the words it has now instead of those before."""
        if self.placed:
            change_words(before, self.words, self.placed, transaction)

    def get_parcel(self, parcel_id: str) -> dict[str, str]:
        """Return a parcel as it is kept. Raises Conflict where it was removed."""
        found = next((parcel for parcel in self.parcels if parcel["id"] == parcel_id), None)
        if found is None:
            raise Conflict("This parcel is no longer with the order.")
        return found

    def has_parcel(self, parcel_id: str) -> bool:
        """Tell whether a parcel is with the order."""
        return any(parcel["id"] == parcel_id for parcel in self.parcels)

    def ship(self, parcel: Mapping[str, str], by: str) -> None:
        """paid → shipped with the last parcel, or the only one; owe the customer a mail."""
        self._move(states.SHIPPED)
        parcel_id = self._append(parcel)
        self.note("shipped", parcel["carrier"], by=by)
        self.owe_mail("shipped", parcel_id)

    def complete_shipping(self, by: str) -> None:
        """paid → shipped: all parcels were added before, and the customer knows of each."""
        self._move(states.SHIPPED)
        self.note("shipped", by=by)

    def add_parcel(self, parcel: Mapping[str, str], by: str, form: str, *, mail: bool) -> None:
        """Add a parcel and leave the state: more of them follow, or this one was left out."""
        parcel_id = self._append(parcel)
        self.note("parcel added", str(parcel_of(parcel)), by=by, form=form)
        if mail:
            self.owe_mail("parcel", parcel_id)

    def correct_parcel(
        self, parcel_id: str, parcel: Mapping[str, str], by: str, form: str, *, mail: bool
    ) -> None:
        """Correct carrier, tracking number and link of a parcel; each correction owes a mail of its own."""
        before = self.get_parcel(parcel_id)
        self.stored_parcels = [
            {**known, **parcel} if known["id"] == parcel_id else known for known in self.parcels
        ]
        self.note("parcel corrected", f"{parcel_of(before)} → {parcel_of(parcel)}", by=by, form=form)
        if mail:
            self.owe_mail("tracking", f"{parcel_id}-{form}")

    def remove_parcel(self, parcel_id: str, by: str, form: str, *, mail: bool) -> None:
        """Remove a parcel that was never sent; without any, what was shipped is to be shipped again: → paid."""
        removed = self.get_parcel(parcel_id)
        self.stored_parcels = [parcel for parcel in self.parcels if parcel["id"] != parcel_id]
        if self.state == states.SHIPPED and not self.stored_parcels:
            self._move(states.PAID)
        self.note("parcel removed", str(parcel_of(removed)), by=by, form=form)
        if mail:
            self.owe_mail("unsent", form)

    def correct_customer(self, customer: Mapping[str, str], by: str, form: str, *, mail: bool) -> list[str]:
        """Correct who the order goes to and where; return the names of the fields that changed."""
        changed = [name for name, value in customer.items() if (self.customer.get(name) or "") != value]
        self.customer = {**self.customer, **customer}
        self.note("address corrected", ", ".join(changed).replace("_", " "), by=by, form=form)
        if mail:
            self.owe_mail("address", form)
        return changed

    def _append(self, parcel: Mapping[str, str]) -> str:
        if len(self.parcels) >= MAX_PARCELS:
            raise Conflict(f"An order has {MAX_PARCELS} parcels at most.")
        parcel_id = ids.new_id()[:12]
        self.stored_parcels = [*self.parcels, {"id": parcel_id, **parcel, "at": clock.moment()}]
        return parcel_id
