"""Refusals that a customer can read. Each kind has its HTTP status."""

from chalice.app import ChaliceUnhandledError


class ShopError(ChaliceUnhandledError):
    """A refusal in words for the customer. Chalice hands it to the middleware, which makes the page."""

    status = 400
    title = "That didn’t work"
    retry_after: int | None = None  # seconds
    back: str | None = None  # staff's page that leads on from here, where it is not the first

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadInput(ShopError):
    """What was sent cannot be understood."""

    title = "Please check what you entered"


class Forbidden(ShopError):
    """The request came from another site."""

    status = 403
    title = "Request blocked"


class PermissionDenied(ShopError):
    """Somebody is known, but may not do this."""

    status = 403
    title = "You don’t have permission to do this"


class NotFound(ShopError):
    """Nothing is there."""

    status = 404
    title = "Page not found"


class MethodNotAllowed(ShopError):
    """The page exists, but not for this kind of request."""

    status = 405
    title = "This action isn’t available"


class Conflict(ShopError):
    """The world has changed since the customer looked: a price, the stock, an order's state."""

    status = 409
    title = "Something has changed"


class OutOfStock(Conflict):
    """Fewer pieces are left than were asked for."""

    title = "Not enough in stock"


class PayloadTooLarge(ShopError):
    """The request's body is larger than any form of ours."""

    status = 413
    title = "Too much data"


class UnsupportedMediaType(ShopError):
    """The request's body is not a form."""

    status = 415
    title = "We couldn’t read that"


class TooManyRequests(ShopError):
    """More came from one visitor or address than anybody means honestly; `retry_after` is in seconds."""

    status = 429
    title = "Please try again later"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServiceUnavailable(ShopError):
    """A neighbour failed or is overloaded; the same request may work in a moment."""

    status = 503
    title = "Temporarily unavailable"
    retry_after = 5


class SimultaneousChange(ServiceUnavailable):
    """Several requests of one visitor changed their cart or order at the same moment: no failure of the shop's."""

    status = 409
    title = "Please try again in a moment"
