"""Routes as features declare them."""

import logging
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Blueprint, Response
from pynamodb.exceptions import PynamoDBException

from chalicelib.database.transactions import ConditionFailed, OutcomeUnknown
from chalicelib.errors import BadInput, ServiceUnavailable
from chalicelib.web import http_request

View = Callable[..., Response]
# Views for addresses without a route, by the address's beginning; otherwise the shop's own page answers.
unknown_pages: "dict[str, View]" = {}
log = logging.getLogger("awning")
NEIGHBOUR_ERRORS = (
    PynamoDBException,
    ClientError,
    BotoCoreError,
    OutcomeUnknown,
    ConditionFailed,
)  # each becomes a 503


class Routes(Blueprint):
    """A feature's routes. They accept any content type, since Chalice would answer unknown ones in JSON."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.views: dict[tuple[str, str], View] = {}  # by method and path

    def get(self, path: str) -> Callable[[View], View]:
        """Route GET and HEAD."""
        return self._add(path, ["GET", "HEAD"])

    def post(self, path: str) -> Callable[[View], View]:
        """Route POST."""
        return self._add(path, ["POST"])

    def any(self, path: str) -> Callable[[View], View]:
        """Route every method."""
        return self._add(path, ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

    def _add(self, path: str, methods: list[str]) -> Callable[[View], View]:
        def register(view: View) -> View:
            self.views[methods[0], path] = view

            def answer(**arguments: str) -> Response:
                try:
                    return view(http_request.current(), **arguments)
                except UnicodeError as error:  # a lone surrogate, which no text of ours contains
                    raise BadInput("This contains characters that can’t be read.") from error
                except NEIGHBOUR_ERRORS as error:
                    log.exception("AWS call failed")
                    raise ServiceUnavailable(
                        "The shop isn’t responding. Please try again in a moment."
                    ) from error

            answer.__name__ = view.__name__
            self.route(path, methods=methods, content_types=["*/*"])(answer)
            return view

        return register
