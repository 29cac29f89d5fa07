"""The order's page, routed in app.py. Its unguessable URL is the only key; it is never cached."""

from chalice.app import Request, Response

from chalicelib.cart import sessions
from chalicelib.cart.sessions import Session
from chalicelib.orders.models import Order
from chalicelib.orders.repository import get_order
from chalicelib.orders.views.customer_view import render_order_page


def show(request: Request, order_id: str) -> Response:
    """Show the customer their order."""
    order = get_order(order_id)
    return render_order_page(order, session=_own_session(request, order))


def _own_session(request: Request, order: Order) -> Session | None:
    """Return the visitor's session if it placed this order and the payment has emptied its cart meanwhile; else None."""
    session_id = sessions.session_id_of(request)
    if not order.has_emptied_cart or session_id is None or sessions.session_key(session_id) != order.cart:
        return None
    return sessions.load(request)
