"""What PayPal can answer besides yes. None of these carries a body, an address or a name: they are logged."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# What PayPal names where the address is what it refuses, even if it does not say in which field.
ADDRESS_ISSUES = {
    "CITY_REQUIRED",
    "INVALID_COUNTRY_CODE",
    "INVALID_PICKUP_ADDRESS",
    "MISSING_PICKUP_ADDRESS",
    "MISSING_SHIPPING_ADDRESS",
    "MULTIPLE_SHIPPING_ADDRESS_NOT_SUPPORTED",
    "POSTAL_CODE_REQUIRED",
    "SHIPPING_ADDRESS_INVALID",
}
_SEPARATORS = re.compile(r"[/.\[\]]+")
# Parts of a field's name, however it is spelled: shipping_address, shippingAddress, SHIPPING.
_ADDRESS_PARTS = {"shipping", "shippingaddress", "shippingpreference"}
_AMOUNT_PARTS = {"amount", "breakdown"}


@dataclass(frozen=True)
class Detail:
    """One of the things that PayPal names in a refusal; `field` is a JSON pointer or path, or "" where it names none."""

    issue: str
    field: str = ""

    @property
    def is_about_address(self) -> bool:
        """Return whether the delivery address is refused, rather than what delivery costs."""
        named = _SEPARATORS.split(self.field.casefold())
        parts = {part.strip("'\"").replace("_", "") for part in named}
        is_named = self.issue in ADDRESS_ISSUES or not parts.isdisjoint(_ADDRESS_PARTS)
        return is_named and parts.isdisjoint(_AMOUNT_PARTS)


class PayPalError(Exception):
    """PayPal did not do what was asked, or it is not known whether it did."""

    def __init__(
        self, issue: str, debug_id: str = "", status: int = 0, details: Sequence[Detail] = ()
    ) -> None:
        super().__init__(f"{issue} (debug id {debug_id})" if debug_id else issue)
        self.issue = issue
        self.debug_id = debug_id
        self.status = status  # of PayPal's answer; 0 where PayPal was not asked
        self.details = tuple(details) or (Detail(issue),)

    def names(self, issue: str) -> bool:
        """Return whether PayPal names this issue, be it first or among others."""
        return any(detail.issue == issue for detail in self.details)

    @property
    def is_about_address(self) -> bool:
        """Return whether PayPal refuses the delivery address, among other things or alone."""
        return any(detail.is_about_address for detail in self.details)


class PayPalRejected(PayPalError):
    """A definite no; `issue` is PayPal's name for it, such as INSTRUMENT_DECLINED."""


class PayPalNotFound(PayPalError):
    """PayPal knows nothing under this id, or no more."""


class PayPalOutcomeUnknown(PayPalError):
    """No answer, or none that can be understood: it may have happened. Ask for the truth."""


class PayPalAccessDenied(PayPalOutcomeUnknown):
    """PayPal does not let this shop in at all: nothing was done, and what was asked about is as it was."""


class PayPalAuthError(PayPalAccessDenied):
    """PayPal does not take our client secret."""
