"""The parts of the settings: what each says, and who changed it last."""

from collections.abc import Callable
from typing import Any, NamedTuple

from chalice.app import Request, Response

from chalicelib.shop_settings import store
from chalicelib.shop_settings.delivery import DELIVERY, Delivery
from chalicelib.staff import layout
from chalicelib.staff.models import StaffMember


class PartPage(NamedTuple):
    """A part of the settings, and the page on which it is changed."""

    part: store.Part[Any]
    title: str
    path: str
    summary: Callable[[Any], str]


def _summary_of_delivery(delivery: Delivery) -> str:
    zones, countries = len(delivery.zones), len(delivery.countries)
    return (
        f"{zones} zone{'s' if zones > 1 else ''}, {countries} countr{'ies' if countries > 1 else 'y'}, "
        f"beginning with {next(iter(delivery.countries.values()), 'none')}"
    )


PAGES = (PartPage(DELIVERY, "Delivery", "/staff/settings/delivery", _summary_of_delivery),)


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
        {"title": page.title, "path": page.path, "problem": current.problem, "used": current.used}
        for page, current in zip(PAGES, loaded, strict=True)
        if current.problem
    ]
