"""The pages of a part of the settings: edited, previewed, saved, and set back to what it was."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chalice.app import Request, Response

from chalicelib.config import settings
from chalicelib.errors import BadInput, NotFound
from chalicelib.shop_settings import store
from chalicelib.shop_settings.store import Current, Part, SettingsChanged, UnreadableVersion
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.models import StaffMember
from chalicelib.web.forms import MAX_BYTES, Form, read_form
from chalicelib.web.http_request import query

VERSIONS_PER_PAGE = 10
T = TypeVar("T")  # the part's value
F = TypeVar("F")  # its form as it was typed
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True)
class PartPage(Generic[T, F]):
    """A part of the settings with its pages. Templates: `{part}.html` for the form, `{part}_version.html` for a version."""

    part: Part[T]
    title: str  # Delivery
    noun: str  # before “settings”: delivery
    path: str
    consequence: str  # what saving means for orders, beside when customers see it
    summary: Callable[[T], str]
    read: Callable[[Form], F]  # what was posted; nothing is judged yet
    form_of: Callable[[T], F]
    fields_of: Callable[[F], Mapping[str, str]]  # as a browser would post them
    meaning: Callable[[F], tuple[T, Mapping[str, str]]]  # a value, and a message for each field that is wrong
    label: Callable[[str], str]  # of a field, before its message; empty for none
    edit: Callable[
        [F, str], str | None
    ]  # by one of the form's own buttons; what was done, None for another button
    beside: Callable[[T], Mapping[str, Any]]  # what the templates show of a value
    max_fields: int
    max_bytes: int = MAX_BYTES

    def show(self, request: Request, member: StaffMember) -> Response:
        """Show the form, and the earlier versions."""
        before = query(request, "before")
        if before is not None and not _NUMBER.fullmatch(before):
            raise BadInput("Please choose a version from the list.")
        now = store.load(self.part)
        typed = self.form_of(now.value)
        return self._form(member, now, typed, now.number, before=None if before is None else int(before))

    def change(self, request: Request, member: StaffMember) -> Response:
        """Change the form by one of its buttons, show what would change, or save it."""
        form = read_form(request, most_fields=self.max_fields, most_bytes=self.max_bytes)
        typed, shown, do = self.read(form), _shown(form), form.text("do")
        now = store.load(self.part)
        done = "" if do == "edit" else self.edit(typed, do)
        if done is not None:
            return self._form(member, now, typed, shown, done=done)
        wanted, errors = self.meaning(typed)
        if errors:
            return self._form(member, now, typed, shown, status=400, errors=errors)
        changes = self.part.changes(now.value, wanted)
        if not changes and not now.problem:
            return layout.redirect_with_notice(self.path, "No changes to save.")
        if now.number != shown:
            return self._conflict(member, typed, wanted)
        if do != "save":
            return layout.render_page(
                member,
                "staff/settings/review.html",
                page=self,
                fields=self.fields_of(self.form_of(wanted)),
                shown=shown,
                changes=changes,
                seconds=settings.shop.page_seconds,
            )
        write_audit = audit_log.writer_for(member, f"changed the {self.noun} settings")
        try:
            store.save(self.part, wanted, shown, member.email, write_audit)
        except SettingsChanged:
            return self._conflict(member, typed, wanted)
        return self._saved(f"{self.noun.capitalize()} settings saved.")

    def show_version(self, request: Request, member: StaffMember, version: str) -> Response:
        """Show an earlier version, and what restoring it would change."""
        return self._version(member, _number(version), store.load(self.part))

    def restore(self, request: Request, member: StaffMember, version: str) -> Response:
        """Save an earlier version again, as a new one."""
        number, shown = _number(version), _shown(read_form(request))
        now = store.load(self.part)
        try:
            wanted = store.get_version(self.part, number)
        except UnreadableVersion:
            return self._version(member, number, now, status=409)
        write_audit = audit_log.writer_for(member, f"restored earlier {self.noun} settings")
        try:
            store.save(self.part, wanted, shown, member.email, write_audit, restored_from=number)
        except SettingsChanged:
            return self._version(member, number, store.load(self.part), status=409, is_stale=True)
        return self._saved(f"{_called(number)} restored.")

    def _saved(self, words: str) -> Response:
        seconds = settings.shop.page_seconds
        return layout.redirect_with_notice(self.path, f"{words} Customers see it within {seconds} seconds.")

    def _form(
        self,
        member: StaffMember,
        now: Current[T],
        typed: F,
        shown: int,
        *,
        status: int = 200,
        errors: Mapping[str, str] | None = None,
        done: str = "",
        before: int | None = None,
        **conflict: Any,
    ) -> Response:
        """Show the form as it was typed. `shown` is the version that the member saw."""
        versions, has_more = store.list_versions(self.part, VERSIONS_PER_PAGE, before)
        values: dict[str, Any] = {
            "page": self,
            "typed": typed,
            "shown": shown,
            "now": now,
            "errors": errors or {},
            "done": done,
            "versions": versions,
            "earlier": int(versions[-1].version) if has_more else None,
            "is_first_page": before is None,
            "differences": [],
            **self.beside(now.value),
        }
        return layout.render_page(
            member, f"staff/settings/{self.part.name}.html", status, **values | conflict
        )

    def _conflict(self, member: StaffMember, typed: F, wanted: T) -> Response:
        """Show what was typed beside what somebody else has saved; from now on both are known."""
        now = store.load(self.part)
        differences = self.part.changes(now.value, wanted)
        return self._form(member, now, typed, now.number, status=409, differences=differences)

    def _version(
        self, member: StaffMember, number: int, now: Current[T], *, status: int = 200, is_stale: bool = False
    ) -> Response:
        value, problem = None, ""
        try:
            value = store.get_version(self.part, number)
        except UnreadableVersion as error:
            problem = str(error)
        return layout.render_page(
            member,
            f"staff/settings/{self.part.name}_version.html",
            status,
            page=self,
            number=number,
            called=_called(number),
            now=now,
            value=value,
            changes=[] if value is None else self.part.changes(now.value, value),
            problem=problem,
            is_stale=is_stale,
            seconds=settings.shop.page_seconds,
            **{} if value is None else self.beside(value),
        )


def _called(number: int) -> str:
    return f"Version {number}" if number else "The first values"


def _shown(form: Form) -> int:
    text = form.text("version")
    if not _NUMBER.fullmatch(text):
        raise BadInput("This form is out of date. Please reload the page.")
    return int(text)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise NotFound("There is no such version of these settings.")
    return int(text)
