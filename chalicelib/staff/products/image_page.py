"""A product's images: uploaded to S3 by the browser, processed by a job, ordered, described, removed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalice.app import Request, Response

from chalicelib.catalog.editing.product_editing import VersionConflict
from chalicelib.catalog.editing.product_validation import MAX_ALT_LENGTH, MAX_PICTURES
from chalicelib.catalog.images import product_images, uploads
from chalicelib.catalog.models import Product
from chalicelib.config import settings
from chalicelib.errors import BadInput
from chalicelib.staff import layout
from chalicelib.staff.audit import audit_log
from chalicelib.staff.jobs import job_queue
from chalicelib.staff.models import StaffMember
from chalicelib.web import http_request
from chalicelib.web.forms import Form, read_form
from chalicelib.web.page_cache import cache
from chalicelib.web.urls import absolute_url

TEMPLATE = "staff/products/images.html"
CHANGED_MEANWHILE = (
    "Someone else has changed these images, or a new one has just been processed. "
    "Nothing has been saved. The current images are shown with your alt texts: please save again."
)
MOVES = {"earlier": -1, "later": 1}
Picture = dict[str, str]


def show(request: Request, member: StaffMember, slug: str) -> Response:
    """Show a product's images; S3 adds `key` when it redirects after an upload."""
    key = http_request.query(request, "key") or ""
    return _page(
        member, product_images.get_product(slug), sent=key if uploads.UPLOAD.fullmatch(key) else None
    )


# -- sending ----------------------------------------------------------------------------------------------


def add(request: Request, member: StaffMember, slug: str) -> Response:
    """Have an uploaded image processed; pressing twice adds it once."""
    form = read_form(request)
    key, alt = form.text("key"), form.text("alt")
    if not uploads.UPLOAD.fullmatch(key):
        raise BadInput("No image was uploaded. Please choose one and try again.")
    problem = product_images.problem_of_alt(alt)
    if problem is None:
        try:
            product_images.add_pending_image(
                slug, key, alt, audit_log.writer_for(member, "uploaded an image")
            )
        except BadInput as refusal:
            problem = refusal.message
    if problem is not None:
        product = product_images.get_product(slug)
        return _page(member, product, status=400, sent=key, errors={"alt": problem}, form_data={"alt": alt})
    job_queue.start(member, "image", {"slug": slug, "upload": key}, job_id=key.removeprefix("uploads/"))
    return layout.redirect_with_notice(f"/staff/products/{slug}/pictures")


def remove_pending(request: Request, member: StaffMember, slug: str) -> Response:
    """Remove an uploaded image that is not processed."""
    product_images.remove_pending_image(
        slug, read_form(request).text("key"), audit_log.writer_for(member, "removed a pending image")
    )
    return layout.redirect_with_notice(f"/staff/products/{slug}/pictures")


# -- arranging --------------------------------------------------------------------------------------------


def reorder(request: Request, member: StaffMember, slug: str) -> Response:
    """Save order and alt texts of the images as they were shown; ask before one is removed."""
    form = read_form(request)
    shown = _posted(form)
    what, _, number = form.text("do").partition(":")
    at = next((place for place in range(len(shown)) if str(place) == number), None)
    words = {picture["key"]: picture["alt"] for picture in shown}
    errors = _wrong([each for number, each in enumerate(shown) if (what, number) != ("removed", at)])
    if errors:
        return _page(member, product_images.get_product(slug), status=400, errors=errors, form_data=words)
    if what == "remove" and at is not None:
        return _page(member, product_images.get_product(slug), form_data=words, removing=shown[at]["key"])
    try:
        _arrange(member, slug, form.text("seen"), shown, _moved(shown, what, at))
    except VersionConflict as refusal:
        product = product_images.get_product(slug)
        return _page(member, product, status=refusal.status, form_data=words, problem=refusal.message)
    cache.clear()
    return layout.redirect_with_notice(
        f"/staff/products/{slug}/pictures",
        f"Saved. Shoppers will see it within {settings.shop.page_seconds} seconds.",
    )


def _arrange(
    member: StaffMember, slug: str, seen: str, shown: Sequence[Picture], wanted: Sequence[Picture]
) -> None:
    def change(product: Product) -> None:
        if product.pictures == wanted:
            return  # pressed twice, or the answer to the write was lost
        keys = [picture["key"] for picture in product.pictures]
        if _mark(product) != seen or keys != [picture["key"] for picture in shown]:
            raise VersionConflict(CHANGED_MEANWHILE)
        product.pictures = list(wanted)

    product_images.update_images(slug, change, audit_log.writer_for(member, "changed a product’s images"))


def _posted(form: Form) -> list[Picture]:
    """Return the images as the page showed them, with the alt texts as they were entered."""
    numbers = (number for number in range(MAX_PICTURES) if f"key.{number}" in form.values)
    return [{"key": form.text(f"key.{number}"), "alt": form.text(f"alt.{number}")} for number in numbers]


def _wrong(shown: Sequence[Picture]) -> dict[str, str]:
    problems = {picture["key"]: product_images.problem_of_alt(picture["alt"]) for picture in shown}
    return {key: problem for key, problem in problems.items() if problem is not None}


def _moved(shown: Sequence[Picture], what: str, at: int | None) -> list[Picture]:
    """Return the images in the order that a button asks for."""
    pictures = list(shown)
    if at is None:
        return pictures
    picture = pictures.pop(at)
    if what == "first":
        pictures.insert(0, picture)
    elif what in MOVES:
        pictures.insert(max(0, at + MOVES[what]), picture)
    elif what != "removed":
        pictures.insert(at, picture)
    return pictures


def _mark(product: Product) -> str:
    return hashlib.sha256(json.dumps(product.pictures, sort_keys=True).encode()).hexdigest()[:16]


# -- the page ---------------------------------------------------------------------------------------------


def _page(
    member: StaffMember,
    product: Product,
    *,
    status: int = 200,
    sent: str | None = None,
    errors: Mapping[str, str] | None = None,
    form_data: Mapping[str, str] | None = None,
    removing: str | None = None,
    problem: str | None = None,
) -> Response:
    key = uploads.new_upload()
    by_form = uploads.sign_upload(key, absolute_url(f"/staff/products/{product.slug}/pictures"))
    values: dict[str, Any] = {
        "product": product,
        "sent": sent,
        "errors": errors or {},
        "typed": form_data or {},
        "removing": removing,
        "problem": problem,
        "seen": _mark(product),
        "upload": by_form,
        "by_script": json.dumps(dict(uploads.sign_upload(key).fields)),
        "full": len(product.pictures) + len(product.pending_pictures) >= MAX_PICTURES,
        "under_way": any(each["problem"] is None for each in product.pending_pictures),
        "most": {"pictures": MAX_PICTURES, "alt": MAX_ALT_LENGTH, "bytes": uploads.MAX_SIZE},
    }
    return layout.render_page(member, TEMPLATE, status, uploads_to=by_form.address, **values)
