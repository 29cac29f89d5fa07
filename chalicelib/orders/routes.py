"""The order's page. Its address is the only key: unguessable, and never cached."""

from chalice.app import Request, Response

from chalicelib import clock
from chalicelib.cart import sessions
from chalicelib.cart.sessions import Session
from chalicelib.errors import NotFound
from chalicelib.orders import states
from chalicelib.orders.models import Order
from chalicelib.orders.page import can_pay, order_view, timeline_of, words_for
from chalicelib.web.pages import page, render
from chalicelib.web.routing import Routes

routes = Routes(__name__)


def find_order(order_id: str) -> Order:
    """Read the order of an address. Raises NotFound."""
    if not clock.is_id(order_id):
        raise NotFound("We know no order with this address.")
    return Order.fetch(order_id)


@routes.get("/orders/{order_id}")
def show(request: Request, order_id: str) -> Response:
    """Show the customer their order."""
    order = find_order(order_id)
    return order_page(order, session=_own_session(request, order))


def order_page(
    order: Order, *, session: Session | None = None, message: str | None = None, status: int = 200
) -> Response:
    """Make the order's page. With the session it was placed from, the badge tells what is left in the cart."""
    words = words_for(order)
    badge = {} if session is None else {"cart_count": session.pieces}
    body = render(
        "orders/order.html",
        order=order_view(order),
        headline=words.headline,
        explanation=words.explanation,
        next_steps=words.next_steps,
        tone=words.tone,
        can_pay=can_pay(order),
        refresh=order.state == states.CAPTURING,
        timeline=timeline_of(order),
        message=message,
        **badge,
    )
    return page(body, status, None if session is None else session.cookies())


def _own_session(request: Request, order: Order) -> Session | None:
    """Load the visitor's session where it placed this order and the order is paid: its cart was emptied meanwhile."""
    session_id = sessions.session_id_of(request)
    if order.paid_at is None or session_id is None or sessions.key_of(session_id) != order.cart:
        return None
    return sessions.load(request)
