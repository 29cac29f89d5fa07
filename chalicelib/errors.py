"""Errors with a message for the customer. Each kind has its HTTP status."""

from chalice.app import ChaliceUnhandledError


class ShopError(ChaliceUnhandledError):
    """An error with a message for the customer. Chalice passes it to the middleware, which renders the page."""

    status = 400
    title = "That didn’t work"
    retry_after: int | None = None  # seconds
    back: str | None = None  # the staff page to continue from, if it is not the start page

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadInput(ShopError):
    """The request cannot be understood."""

    title = "Please check what you entered"


class Forbidden(ShopError):
    """The request came from another site."""

    status = 403
    title = "Request blocked"


class PermissionDenied(ShopError):
    """The user is logged in, but not allowed to do this."""

    status = 403
    title = "You don’t have permission to do this"


class NotFound(ShopError):
    """The page or resource does not exist."""

    status = 404
    title = "Page not found"


class MethodNotAllowed(ShopError):
    """The page exists, but not for this HTTP method."""

    status = 405
    title = "This action isn’t available"


class Conflict(ShopError):
    """Something has changed since the customer looked: a price, the stock, an order's state."""

    status = 409
    title = "Something has changed"


class OutOfStock(Conflict):
    """Fewer units are left than were requested."""

    title = "Not enough in stock"


class PayloadTooLarge(ShopError):
    """The request's body is larger than any form of the shop."""

    status = 413
    title = "Too much data"


class UnsupportedMediaType(ShopError):
    """The request's body is not a form."""

    status = 415
    title = "We couldn’t read that"


class TooManyRequests(ShopError):
    """One visitor or IP address sent more requests than the limit; `retry_after` is in seconds."""

    status = 429
    title = "Please try again later"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServiceUnavailable(ShopError):
    """A service the shop depends on failed or is overloaded; the same request may succeed in a moment."""

    status = 503
    title = "Temporarily unavailable"
    retry_after = 5


class SimultaneousChange(ServiceUnavailable):
    """Several requests of one visitor changed their cart or order at the same moment; the shop did not fail."""

    status = 409
    title = "Please try again in a moment"
