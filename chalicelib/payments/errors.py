"""What PayPal can answer besides yes. None of these carries a body, an address or a name: they are logged."""


class PayPalError(Exception):
    """PayPal did not do what was asked, or it is not known whether it did."""

    def __init__(self, issue: str, debug_id: str = "", status: int = 0) -> None:
        super().__init__(f"{issue} (debug id {debug_id})" if debug_id else issue)
        self.issue = issue
        self.debug_id = debug_id
        self.status = status  # of PayPal's answer; 0 where PayPal was not asked


class PayPalRefused(PayPalError):
    """A definite no; `issue` is PayPal's name for it, such as INSTRUMENT_DECLINED."""


class PayPalGone(PayPalError):
    """PayPal knows nothing under this id, or no more."""


class PayPalUnknown(PayPalError):
    """No answer, or none that can be understood: it may have happened. Ask for the truth."""


class SecretRefused(PayPalUnknown):
    """PayPal does not take our client secret: nothing was asked."""
