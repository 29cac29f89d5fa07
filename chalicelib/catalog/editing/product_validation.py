"""The rules for every product, however it is saved."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from chalicelib import money
from chalicelib.catalog.models import MAX_SKU_LENGTH, SLUG, is_sku
from chalicelib.catalog.offers import Picture
from chalicelib.cleaning import find_control_character
from chalicelib.taxes.tax_classes import TaxClass

# If everything about a product changes, 36 SKUs are added, 36 removed, and its entries in twelve lists
# replaced: with its own row, its category's and the audit entry, that is 99 of the 100 writes that fit into one
# transaction.
MAX_VARIANTS = 36
MAX_OPTIONS = 4
MAX_PICTURES = 12
MAX_STOCK = 1_000_000
MAX_NAME_LENGTH = 120
MAX_OPTION_LENGTH = 60
MAX_ALT_LENGTH = 300
MAX_TEXT_LENGTH = 10_000
PICTURE_KEY = re.compile(r"pictures/[0-9a-f]{16}(-[0-9]{1,4}x[0-9]{1,4})?\.[a-z]{3,4}", re.ASCII)
NEW = "new"  # the path of staff's form for a new product
SLUG_RULE = "must have 1 to 40 letters (A to Z), digits and hyphens only"


@dataclass(frozen=True)
class VariantDraft:
    """A variant as it should be; prices in minor units. `stock` counts only for a new SKU.

    `absent_fields`: fields that a file does not have, and that an existing variant keeps.
    """

    sku: str
    options: Mapping[str, str]
    price: int
    sale_price: int | None
    stock: int
    absent_fields: frozenset[str] = frozenset()

    @property
    def price_today(self) -> int:
        """The price of one unit, in minor units."""
        return self.price if self.sale_price is None else self.sale_price


@dataclass(frozen=True)
class ProductDraft:
    """A product as it should be, with all fields.

    `added` None: unchanged, or today; `absent_fields` as in a variant. `possible_classes`: those that a file's tax rate
    may mean; an existing product keeps its own if it is one of them.
    """

    slug: str
    name: str
    text: str
    category: str
    tax_class: str
    added: str | None
    hidden: bool
    pictures: Sequence[Picture]
    variants: Sequence[VariantDraft]
    absent_fields: frozenset[str] = frozenset()
    possible_classes: frozenset[str] = frozenset()


class ValidationError(NamedTuple):
    """What is wrong with a draft, and where: ("variants", 2, "sale_price")."""

    path: tuple[str | int, ...]
    message: str


# -- checking ---------------------------------------------------------------------------------------------


def validate_product(draft: ProductDraft) -> Iterator[ValidationError]:
    """List what is wrong with a product, except for what needs the tables."""
    if not SLUG.fullmatch(draft.slug) or draft.slug == NEW:
        yield ValidationError(("slug",), f"The slug {SLUG_RULE}; “{NEW}” is reserved.")
    yield from text_problems(("name",), draft.name, MAX_NAME_LENGTH)
    yield from long_text_problems(("text",), draft.text)
    if not SLUG.fullmatch(draft.category):
        yield ValidationError(("category",), f"A category’s slug {SLUG_RULE}.")
    if draft.tax_class not in list(TaxClass):
        yield ValidationError(("tax_class",), f"Please choose a tax class: {', '.join(TaxClass)}.")
    if draft.added is not None and not _is_date(draft.added):
        yield ValidationError(("added",), f"{draft.added!r} is not a date such as 2026-11-22.")
    yield from _picture_problems(draft.pictures)
    if not 1 <= len(draft.variants) <= MAX_VARIANTS:
        yield ValidationError(
            ("variants",), f"A product must have 1 to {MAX_VARIANTS} variants, not {len(draft.variants)}."
        )
    for number, variant in enumerate(draft.variants):
        for path, message in _variant_problems(variant):
            yield ValidationError(("variants", number, *path), message)
    yield from _differences(draft.variants)


def _picture_problems(pictures: Sequence[Picture]) -> Iterator[ValidationError]:
    if len(pictures) > MAX_PICTURES:
        yield ValidationError(("pictures",), f"A product can have up to {MAX_PICTURES} images.")
    for number, picture in enumerate(pictures):
        if not PICTURE_KEY.fullmatch(picture.key):
            yield ValidationError(
                ("pictures", number, "key"), "This isn’t the key of an image in the media bucket."
            )
        yield from text_problems(("pictures", number, "alt"), picture.alt, MAX_ALT_LENGTH)


def _variant_problems(variant: VariantDraft) -> Iterator[ValidationError]:
    if not is_sku(variant.sku):
        yield ValidationError(("sku",), f"A SKU must have 1 to {MAX_SKU_LENGTH} visible characters.")
    if len(variant.options) > MAX_OPTIONS:
        yield ValidationError(("options",), f"A variant can have up to {MAX_OPTIONS} options.")
    for name, value in variant.options.items():
        yield from text_problems(("options", name), name, MAX_OPTION_LENGTH)
        yield from text_problems(("options", name), value, MAX_OPTION_LENGTH)
    if not 0 < variant.price <= money.MAX_AMOUNT:
        yield ValidationError(("price",), "The price must be above zero.")
    if variant.sale_price is not None and not 0 < variant.sale_price < variant.price:
        yield ValidationError(("sale_price",), "The sale price must be above zero and below the price.")
    if not 0 <= variant.stock <= MAX_STOCK:
        yield ValidationError(("stock",), f"The stock must be a number from 0 to {MAX_STOCK:,}.")


def _differences(variants: Sequence[VariantDraft]) -> Iterator[ValidationError]:
    """Find variants that cannot be distinguished, or whose options have different names."""
    skus: set[str] = set()
    choices: set[tuple[str, ...]] = set()
    for number, variant in enumerate(variants):
        choice = tuple(variant.options.values())
        if variant.sku in skus:
            yield ValidationError(("variants", number, "sku"), f"The SKU {variant.sku} is used twice.")
        if list(variant.options) != list(variants[0].options):
            wanted = ", ".join(variants[0].options) or "none"
            yield ValidationError(
                ("variants", number, "options"),
                f"All variants of a product must have the same options in the same order, here: {wanted}.",
            )
        elif choice in choices:
            yield ValidationError(
                ("variants", number, "options"), "Another variant of this product has the same options."
            )
        skus.add(variant.sku)
        choices.add(choice)


def text_problems(path: tuple[str | int, ...], text: str, longest: int) -> Iterator[ValidationError]:
    """List what is wrong with a line of text."""
    if not text.strip():
        yield ValidationError(path, "This can’t be empty.")
    elif text != text.strip():
        yield ValidationError(path, "This can’t begin or end with spaces.")
    elif len(text) > longest:
        yield ValidationError(path, f"This has {len(text)} characters; the maximum is {longest}.")
    elif (control := find_control_character(text)) is not None:
        yield ValidationError(
            path, f"This must be a single line without control characters such as {control}."
        )
    elif text.splitlines() != [text]:
        yield ValidationError(path, "This must be a single line without control characters.")


def long_text_problems(path: tuple[str | int, ...], text: str) -> Iterator[ValidationError]:
    """List what is wrong with a text of several lines."""
    if len(text) > MAX_TEXT_LENGTH:
        yield ValidationError(path, f"This has {len(text):,} characters; the maximum is {MAX_TEXT_LENGTH:,}.")
    elif (control := find_control_character(text)) is not None:
        yield ValidationError(path, f"This can’t contain control characters such as {control}.")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
