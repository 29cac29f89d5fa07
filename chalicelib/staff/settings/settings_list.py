"""The parts of the settings: what each says, and who changed it last."""

from typing import Any

from chalice.app import Request, Response

from chalicelib.shop_settings import store
from chalicelib.staff import layout
from chalicelib.staff.models import StaffMember
from chalicelib.staff.settings import delivery_page, taxes_page
from chalicelib.staff.settings.part_page import PartPage

PAGES: tuple[PartPage[Any, Any], ...] = (delivery_page.PAGE, taxes_page.PAGE)


def show(request: Request, member: StaffMember) -> Response:
    """List the parts."""
    parts = [
        {"title": page.title, "path": page.path, "summary": page.summary(current.value), "current": current}
        for page, current in zip(PAGES, store.load_all([page.part for page in PAGES]), strict=True)
    ]
    return layout.render_page(member, "staff/settings/settings.html", parts=parts)


def unreadable_parts() -> list[dict[str, Any]]:
    """List the parts whose current version cannot be read, with what is used instead."""
    loaded = store.load_all([page.part for page in PAGES])
    return [
        {"noun": page.noun.capitalize(), "path": page.path, "problem": current.problem, "used": current.used}
        for page, current in zip(PAGES, loaded, strict=True)
        if current.problem
    ]
