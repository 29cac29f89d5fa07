"""Erase a customer: first the page shows which of their orders are erased, and which are not yet, and why."""

from chalice.app import Request, Response

from chalicelib.cleaning import clean_line
from chalicelib.config import settings
from chalicelib.mail.addresses import BadAddress, normalize
from chalicelib.orders import erasure
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.web.forms import read_form
from chalicelib.web.http_request import query

WRONG = "Please enter the email address the orders were placed with."


def erasure_form(request: Request, member: StaffMember) -> Response:
    """Ask for an email address, then show what would be erased."""
    form_data = clean_line(query(request, "email") or "")
    if not form_data:
        return _page(member, "")
    email = _address(form_data)
    if email is None:
        return _page(member, form_data, error=WRONG)
    return _page(member, email, plan=erasure.plan_for(email))


def erase(request: Request, member: StaffMember) -> Response:
    """Erase what was shown: newer orders, and those that must be kept by now, stay."""
    form = read_form(request)
    email = _address(form.text("email"))
    if email is None:
        return _page(member, form.text("email"), error=WRONG)
    if form.text("sure") != "yes":
        return _page(member, email, plan=erasure.plan_for(email), unsure=True)
    write_audit = audit_log.writer_for(member, "erased customer data")
    plan = erasure.plan_for(email)
    done = sum(erasure.erase(order.id, member.email, write_audit) for order in plan.erased)
    orders = "1 order" if done == 1 else f"{done} orders"
    more = " There are more: please see below." if plan.more else ""
    return layout.redirect_with_notice("/staff/erase", f"Customer data has been erased from {orders}.{more}")


def _address(form_data: str) -> str | None:
    """Return an address as orders store it; None if it is invalid."""
    try:
        return normalize(form_data)
    except BadAddress:
        return None


def _page(
    member: StaffMember,
    email: str,
    *,
    plan: erasure.ErasurePlan | None = None,
    error: str = "",
    unsure: bool = False,
) -> Response:
    return layout.render_page(
        member,
        "staff/customers/erase.html",
        400 if error or unsure else 200,
        email=email,
        error=error,
        unsure=unsure,
        plan=plan,
        days=settings.shop.erase_after_days,
    )
