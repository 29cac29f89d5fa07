"""Emails to members of staff, sent by another function, so that no page's speed shows whether an account exists."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib import telemetry
from chalicelib.config import settings
from chalicelib.mail import plain_text
from chalicelib.mail.addresses import Undeliverable, format_address, single_line
from chalicelib.mail.render import Email
from chalicelib.mail.sender import send_via_ses
from chalicelib.staff.auth import accounts, login_throttle, reset_tokens
from chalicelib.staff.models import StaffMember
from chalicelib.telemetry import Metric
from chalicelib.web.templates import environment, paragraphs
from chalicelib.web.urls import absolute_url

BUTTONS = {
    reset_tokens.FORGOTTEN: "Choose a new password",
    reset_tokens.INVITED: "Choose a password",
    reset_tokens.CHANGED: "Open the staff pages",
}
TEMPLATES = {
    reset_tokens.FORGOTTEN: "password_reset",
    reset_tokens.INVITED: "invitation",
    reset_tokens.CHANGED: "password_changed",
}
log = logging.getLogger("awning")


@dataclass(frozen=True)
class Kind:
    """What the email's template needs of a kind."""

    button: str


def send(message: Mapping[str, str]) -> None:
    """Send the email of a message: only to an existing account, and no more than a few links per hour."""
    kind, email = message["account_email"], message["email"]
    member = accounts.find(email)
    if member is None:
        return
    if kind == reset_tokens.FORGOTTEN and not login_throttle.reset_email_allowed(email):
        log.info("password link not emailed: hourly limit reached")
        return
    try:
        send_via_ses(write(member, kind))
    except Undeliverable:  # it cannot be delivered, however often it is tried
        telemetry.count(Metric.EMAILS_BOUNCED)
        log.warning("staff email cannot be delivered")


def write(member: StaffMember, kind: str) -> Email:
    """Render an email, with a new link if its kind has one."""
    address = (
        "/staff/account"
        if kind == reset_tokens.CHANGED
        else f"/staff/reset?token={reset_tokens.create_token(member, kind)}"
    )
    values: dict[str, Any] = {
        "kind": Kind(BUTTONS[kind]),
        "order_url": absolute_url(address),
        "shop": settings.shop,
        "shop_url": absolute_url("/"),
        "forgotten_url": absolute_url("/staff/forgotten"),
        "role": accounts.ROLES[member.role].lower(),
        "wrap": plain_text.wrap,
        "divider": plain_text.divider,
    }
    message = environment().get_template(f"staff/auth/emails/{TEMPLATES[kind]}.txt").render(values)
    subject, headline, *body = [single_line(paragraph) for paragraph in paragraphs(message)]
    values |= {"subject": subject, "headline": headline, "body": body}
    shop = format_address(settings.shop.name, settings.shop.email)
    return Email(
        sender=shop,
        to=member.email,
        reply_to=shop,
        subject=subject,
        text=environment().get_template("staff/auth/emails/layout.txt").render(values),
        html=environment().get_template("staff/auth/emails/layout.html").render(values),
        tags={"mail": "account_email"},
    )
