"""Erase a customer: first it is shown which of their orders lose name and address and which do not yet, and why."""

from dataclasses import dataclass

from chalice.app import Request, Response

from chalicelib.cleaning import clean_line
from chalicelib.config import settings
from chalicelib.mail.addresses import BadAddress, normalize
from chalicelib.orders.erasure import why_kept
from chalicelib.orders.models import Order
from chalicelib.orders.search import order_list, search_index
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import Member
from chalicelib.staff.orders import order_actions
from chalicelib.web.forms import read_form
from chalicelib.web.http_request import query

MOST = 100  # orders at a time: one read, a hundred small transactions
WRONG = "Please give the e-mail address that the orders were placed with."


@dataclass(frozen=True)
class Plan:
    """What erasing would do: the orders it is about, and those that stay as they are, each with why."""

    erased: list[Order]
    kept: list[tuple[Order, str]]
    more: bool


def ask(request: Request, member: Member) -> Response:
    """Ask whose orders, then show what would be erased."""
    typed = clean_line(query(request, "email") or "")
    if not typed:
        return _page(member, "")
    email = _address(typed)
    if email is None:
        return _page(member, typed, error=WRONG)
    return _page(member, email, plan=plan_for(email))


def erase(request: Request, member: Member) -> Response:
    """Erase what was shown: orders that came since, or are kept by now, stay."""
    form = read_form(request)
    email = _address(form.text("email"))
    if email is None:
        return _page(member, form.text("email"), error=WRONG)
    if form.text("sure") != "yes":
        return _page(member, email, plan=plan_for(email), unsure=True)
    witness = audit_log.witness(member, "erased a customer")
    plan = plan_for(email)
    done = sum(order_actions.erase(order.id, member.email, witness) for order in plan.erased)
    orders = "1 order" if done == 1 else f"{done} orders"
    more = " There are more: please look at them below." if plan.more else ""
    return layout.go("/staff/erase", f"The customer was erased from {orders}.{more}")


def plan_for(email: str) -> Plan:
    """Tell what erasing the customer of an address would do: one Query, one BatchGetItem."""
    hits = search_index.of_address(email, MOST)
    orders = [
        order
        for order in order_list.read_in_order(hits.placed)
        if search_index.folded_address(order.customer.get("email") or "")
        == search_index.folded_address(email)
    ]
    reasons = [(order, why_kept(order)) for order in orders]
    return Plan(
        [order for order, why in reasons if why is None],
        [(order, why) for order, why in reasons if why is not None],
        hits.cut,
    )


def _address(typed: str) -> str | None:
    """Return an address as orders keep it; None for what is none."""
    try:
        return normalize(typed)
    except BadAddress:
        return None


def _page(
    member: Member, email: str, *, plan: Plan | None = None, error: str = "", unsure: bool = False
) -> Response:
    return layout.show(
        member,
        "staff/customers/erase.html",
        400 if error or unsure else 200,
        email=email,
        error=error,
        unsure=unsure,
        plan=plan,
        days=settings.shop.erase_after_days,
    )
