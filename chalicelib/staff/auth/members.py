"""Staff accounts: the merchant invites, changes roles and removes."""

import logging

from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Request, Response

from chalicelib.errors import BadInput, Conflict
from chalicelib.mail.addresses import BadAddress
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts, reset_tokens
from chalicelib.staff.auth.login import bad_address_message
from chalicelib.staff.models import StaffMember
from chalicelib.web.forms import Form, read_form

HERE = "/staff/members"
log = logging.getLogger("awning")


class AlreadyAccepted(Conflict):
    """The invited person has already chosen a password."""

    title = "This invitation was accepted"
    back = HERE


def show(request: Request, member: StaffMember) -> Response:
    """List all accounts."""
    return _page(member)


def invite(request: Request, member: StaffMember) -> Response:
    """Create an account whose owner chooses the password, by an emailed link."""
    form = read_form(request)
    form_data, role = form.text("email"), _role(form)
    try:
        email = accounts.normalize_email(form_data)
        accounts.make_member(email, role, None, audit_log.writer_for(member, "invited a staff member"))
    except BadAddress as refusal:
        return _page(member, form_data, role, bad_address_message(refusal), 422)
    except Conflict as conflict:
        return _page(member, form_data, role, conflict.message, conflict.status)
    return _mail_invitation(email)


def invite_again(request: Request, member: StaffMember) -> Response:
    """Email a new link to an owner who has not chosen a password yet."""
    invited = accounts.get_account(read_form(request).text("email"))
    if invited.password:
        raise AlreadyAccepted(
            "This account already has a password. Its owner can request a new one on the login page."
        )
    audit_log.record(member.email, "resent an invitation", f"account {invited.email}")
    return _mail_invitation(invited.email)


def change_role(request: Request, member: StaffMember) -> Response:
    """Change an account's role immediately."""
    form = read_form(request)
    email, role = form.text("email"), _role(form)
    accounts.change_role(email, role, audit_log.writer_for(member, "changed a role"))
    return layout.redirect_with_notice(HERE, f"{email} now has the role {accounts.ROLES[role].lower()}.")


def remove(request: Request, member: StaffMember) -> Response:
    """Remove an account; its sessions end immediately."""
    email = read_form(request).text("email")
    accounts.remove(email, audit_log.writer_for(member, "removed an account"))
    return layout.redirect_with_notice(HERE, f"{email} has been removed and logged out everywhere.")


def _role(form: Form) -> str:
    role = form.text("role")
    if role not in accounts.ROLES:
        raise BadInput("Please choose merchant or finance.")
    return role


def _mail_invitation(email: str) -> Response:
    try:
        reset_tokens.enqueue_account_email(reset_tokens.INVITED, email)
    except (ClientError, BotoCoreError):
        log.exception("invitation email not queued")
        return layout.redirect_with_notice(
            HERE, f"{email} now has an account, but the invitation couldn’t be sent. Please resend it."
        )
    return layout.redirect_with_notice(HERE, f"Invitation sent to {email}.")


def _page(
    member: StaffMember, email: str = "", role: str = accounts.FINANCE, problem: str = "", status: int = 200
) -> Response:
    return layout.render_page(
        member,
        "staff/auth/members.html",
        status,
        members=accounts.list_accounts(),
        roles=accounts.ROLES,
        email=email,
        role=role,
        problem=problem,
    )
