"""How a call to PayPal can fail. None of these contains a body, an address or a name, because they are logged."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# PayPal's names for a rejected address, even if it does not say in which field.
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
# Parts of a field's name in any spelling: shipping_address, shippingAddress, SHIPPING.
_ADDRESS_PARTS = {"shipping", "shippingaddress", "shippingpreference"}
_AMOUNT_PARTS = {"amount", "breakdown"}


@dataclass(frozen=True)
class Detail:
    """One of the issues that PayPal names in a refusal; `field` is a JSON pointer or path, or "" if it names none."""

    issue: str
    field: str = ""

    @property
    def is_about_address(self) -> bool:
        """Return whether the delivery address is rejected, rather than the shipping amount."""
        named = _SEPARATORS.split(self.field.casefold())
        parts = {part.strip("'\"").replace("_", "") for part in named}
        is_named = self.issue in ADDRESS_ISSUES or not parts.isdisjoint(_ADDRESS_PARTS)
        return is_named and parts.isdisjoint(_AMOUNT_PARTS)


class PayPalError(Exception):
    """PayPal did not do what was requested, or it is unknown whether it did."""

    def __init__(
        self, issue: str, debug_id: str = "", status: int = 0, details: Sequence[Detail] = ()
    ) -> None:
        super().__init__(f"{issue} (debug id {debug_id})" if debug_id else issue)
        self.issue = issue
        self.debug_id = debug_id
        self.status = status  # of PayPal's answer; 0 if PayPal was not asked
        self.details = tuple(details) or (Detail(issue),)

    def names(self, issue: str) -> bool:
        """Return whether PayPal names this issue, first or among others."""
        return any(detail.issue == issue for detail in self.details)

    @property
    def is_about_address(self) -> bool:
        """Return whether PayPal rejects the delivery address, alone or among other fields."""
        return any(detail.is_about_address for detail in self.details)


class PayPalRejected(PayPalError):
    """A definite refusal; `issue` is PayPal's error name, such as INSTRUMENT_DECLINED."""


class PayPalNotFound(PayPalError):
    """PayPal has nothing, or nothing any more, under this ID."""


class PayPalOutcomeUnknown(PayPalError):
    """No answer, or none that can be parsed: it may have happened. Read the current state."""


class PayPalAccessDenied(PayPalOutcomeUnknown):
    """PayPal denies this shop access: nothing was done, and nothing is known about the resource."""


class PayPalAuthError(PayPalAccessDenied):
    """PayPal does not accept our client secret."""
