"""A product's images: their order and alt texts, and uploads that are not processed yet."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.catalog.editing.audit_fields import changed_fields, image_fields
from chalicelib.catalog.editing.product_editing import write_product
from chalicelib.catalog.editing.product_validation import MAX_ALT_LENGTH, MAX_PICTURES, text_problems
from chalicelib.catalog.models import SLUG, Product
from chalicelib.database.reads import get
from chalicelib.database.retry import retry_contended
from chalicelib.database.transactions import (
    AuditWriter,
    Transaction,
    no_audit,
)
from chalicelib.errors import BadInput, NotFound

Change = Callable[[Product], None]


def get_product(slug: str) -> Product:
    """Read a product as it is now, also a hidden one. Raises NotFound."""
    product = get(Product, slug) if SLUG.fullmatch(slug) else None
    if product is None:
        raise NotFound("We couldn’t find this product.")
    return product


def problem_of_alt(alt: str) -> str | None:
    """Return what is wrong with an image's alt text; None if it is valid."""
    return next((problem.message for problem in text_problems(("alt",), alt, MAX_ALT_LENGTH)), None)


def add_pending_image(slug: str, upload: str, alt: str, write_audit: AuditWriter = no_audit) -> None:
    """Add an uploaded image; adding it twice changes nothing.

    Raises BadInput for too many images or a bad alt text.
    """
    problem = problem_of_alt(alt)
    if problem:
        raise BadInput(problem)

    def note(product: Product) -> None:
        if any(each["upload"] == upload for each in product.pending_pictures):
            return
        if len(product.pictures) + len(product.pending_pictures) >= MAX_PICTURES:
            raise BadInput(f"A product can have up to {MAX_PICTURES} images. Please remove one first.")
        product.pending_pictures = [
            *product.pending_pictures,
            {"upload": upload, "alt": alt, "problem": None},
        ]

    update_images(slug, note, write_audit)


def is_pending(slug: str, upload: str) -> bool:
    """Return whether an image was uploaded and is neither processed nor rejected."""
    return any(
        each["upload"] == upload and each["problem"] is None for each in get_product(slug).pending_pictures
    )


def attach_image(slug: str, upload: str, key: str, write_audit: AuditWriter = no_audit) -> None:
    """Add a processed image after the others; ignored if it is no longer pending."""

    def put(product: Product) -> None:
        alt = next((each["alt"] for each in product.pending_pictures if each["upload"] == upload), None)
        if alt is None:
            return
        product.pending_pictures = _without(product.pending_pictures, upload)
        others = [each for each in product.pictures if each["key"] != key]
        product.pictures = [*others, {"key": key, "alt": alt}]

    update_images(slug, put, write_audit)


def reject_image(slug: str, upload: str, message: str) -> None:
    """Record why an uploaded image was rejected."""

    def say(product: Product) -> None:
        product.pending_pictures = [
            {**each, "problem": message} if each["upload"] == upload else each
            for each in product.pending_pictures
        ]

    update_images(slug, say)


def remove_pending_image(slug: str, upload: str, write_audit: AuditWriter = no_audit) -> None:
    """Remove a pending image."""

    def forget(product: Product) -> None:
        product.pending_pictures = _without(product.pending_pictures, upload)

    update_images(slug, forget, write_audit)


def update_images(slug: str, change: Change, write_audit: AuditWriter = no_audit) -> None:
    """Change a product's images on condition of its version; `change` may be called again, with the product as it then is.

    Raises what `change` raises, NotFound, and ServiceUnavailable if other changes of the product keep being
    faster.
    """

    def read_and_write() -> None:
        old = get_product(slug)
        product = Product.from_raw_data(old.serialize())
        change(product)
        before, after = changed_fields(image_fields(old), image_fields(product))
        if not before and not after:
            return
        product.version = old.version + 1
        transaction = Transaction()
        write_product(transaction, product, old)
        write_audit(transaction, f"product {slug}", before, after)
        transaction.commit()

    retry_contended(read_and_write, "Someone else is changing this product. Please try again.")


def _without(arriving: Sequence[Mapping[str, Any]], upload: str) -> list[dict[str, Any]]:
    return [dict(each) for each in arriving if each["upload"] != upload]
