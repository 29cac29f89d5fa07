"""The delivery zones: edited, previewed, saved, and set back to what they were."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chalice.app import Request, Response

from chalicelib.config import settings
from chalicelib.errors import BadInput, NotFound
from chalicelib.shop_settings import store
from chalicelib.shop_settings.delivery import (
    DELIVERY,
    MAX_NAME_LENGTH,
    MAX_ZONES,
    Delivery,
    find_changes,
    terms,
)
from chalicelib.shop_settings.store import Current, SettingsChanged, UnreadableVersion
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.staff.settings import delivery_form
from chalicelib.staff.settings.delivery_form import ZoneRow
from chalicelib.web.forms import Form, read_form
from chalicelib.web.http_request import query

PATH = "/staff/settings/delivery"
VERSIONS_PER_PAGE = 10
MAX_LENGTHS = {
    "name": MAX_NAME_LENGTH,
    "add": delivery_form.MAX_COUNTRIES_LENGTH,
    "zones": MAX_ZONES,
}
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def show(request: Request, member: StaffMember) -> Response:
    """Show the zones to change them, and their earlier versions."""
    before = query(request, "before")
    if before is not None and not _NUMBER.fullmatch(before):
        raise BadInput("Please choose a version from the list.")
    now = store.load(DELIVERY)
    rows = delivery_form.rows_of(now.value)
    return _form(member, now, rows, now.number, before=None if before is None else int(before))


def change(request: Request, member: StaffMember) -> Response:
    """Change the form by one of its buttons, show what would change, or save it."""
    form = read_form(request, most_fields=delivery_form.MAX_FIELDS)
    rows, shown, do = delivery_form.read_rows(form), _shown(form), form.text("do")
    now = store.load(DELIVERY)
    done = "" if do == "edit" else delivery_form.edit_rows(rows, do)
    if done is not None:
        return _form(member, now, rows, shown, done=done)
    wanted, errors = delivery_form.to_delivery(rows)
    if errors:
        return _form(member, now, rows, shown, status=400, errors=errors)
    changes = find_changes(now.value, wanted)
    if not changes and not now.problem:
        return layout.redirect_with_notice(PATH, "No changes to save.")
    if now.number != shown:
        return _conflict(member, rows, wanted)
    if do != "save":
        return layout.render_page(
            member,
            "staff/settings/delivery_review.html",
            rows=delivery_form.rows_of(wanted),
            shown=shown,
            changes=changes,
            seconds=settings.shop.page_seconds,
        )
    write_audit = audit_log.writer_for(member, "changed the delivery settings")
    try:
        store.save(DELIVERY, wanted, shown, member.email, write_audit)
    except SettingsChanged:
        return _conflict(member, rows, wanted)
    return layout.redirect_with_notice(PATH, _saved("Delivery settings saved."))


def show_version(request: Request, member: StaffMember, version: str) -> Response:
    """Show an earlier version, and what restoring it would change."""
    return _version(member, _number(version), store.load(DELIVERY))


def restore(request: Request, member: StaffMember, version: str) -> Response:
    """Save an earlier version again, as a new one."""
    number, shown = _number(version), _shown(read_form(request))
    now = store.load(DELIVERY)
    try:
        wanted = store.get_version(DELIVERY, number)
    except UnreadableVersion:
        return _version(member, number, now, status=409)
    write_audit = audit_log.writer_for(member, "restored earlier delivery settings")
    try:
        store.save(DELIVERY, wanted, shown, member.email, write_audit, restored_from=number)
    except SettingsChanged:
        return _version(member, number, store.load(DELIVERY), status=409, is_stale=True)
    return layout.redirect_with_notice(PATH, _saved(f"{_called(number)} restored."))


def _saved(words: str) -> str:
    return f"{words} Customers see it within {settings.shop.page_seconds} seconds."


def _called(number: int) -> str:
    return f"Version {number}" if number else "The first values"


# -- pages ------------------------------------------------------------------------------------------------


def _form(
    member: StaffMember,
    now: Current[Delivery],
    rows: Sequence[ZoneRow],
    shown: int,
    *,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
    done: str = "",
    before: int | None = None,
    **conflict: Any,
) -> Response:
    """Show the form as it was typed. `shown` is the version that the member saw."""
    versions, has_more = store.list_versions(DELIVERY, VERSIONS_PER_PAGE, before)
    values: dict[str, Any] = {
        "rows": rows,
        "shown": shown,
        "now": now,
        "errors": errors or {},
        "done": done,
        "most": MAX_LENGTHS,
        "versions": versions,
        "earlier": int(versions[-1].version) if has_more else None,
        "is_first_page": before is None,
        "differences": [],
    }
    return layout.render_page(member, "staff/settings/delivery.html", status, **values | conflict)


def _conflict(member: StaffMember, rows: Sequence[ZoneRow], wanted: Delivery) -> Response:
    """Show what was typed beside what somebody else has saved; from now on both are known."""
    now = store.load(DELIVERY)
    differences = find_changes(now.value, wanted)
    return _form(member, now, rows, now.number, status=409, differences=differences)


def _version(
    member: StaffMember, number: int, now: Current[Delivery], *, status: int = 200, is_stale: bool = False
) -> Response:
    value, problem = None, ""
    try:
        value = store.get_version(DELIVERY, number)
    except UnreadableVersion as error:
        problem = str(error)
    zones = [(zone, terms(zone)) for zone in value.zones] if value else []
    return layout.render_page(
        member,
        "staff/settings/delivery_version.html",
        status,
        number=number,
        called=_called(number),
        now=now,
        zones=zones,
        changes=find_changes(now.value, value) if value else [],
        problem=problem,
        is_stale=is_stale,
        seconds=settings.shop.page_seconds,
    )


def _shown(form: Form) -> int:
    text = form.text("version")
    if not _NUMBER.fullmatch(text):
        raise BadInput("This form is out of date. Please reload the page.")
    return int(text)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise NotFound("There is no such version of these settings.")
    return int(text)
