"""Merge a product's form with what others saved meanwhile, part by part; conflicts are shown."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib import money
from chalicelib.catalog.editing.product_validation import ProductDraft
from chalicelib.config import settings
from chalicelib.taxes.tax_classes import NAMES

PARTS = {
    "name": "Name",
    "category": "Category",
    "tax_class": "Tax class",
    "added": "Date added",
    "visible": "Visible in the shop",
    "text": "Description",
    "variants": "Variants",
}


@dataclass(frozen=True)
class Merged:
    """The result of merging a form with the stored product.

    `theirs` were changed only by others, `conflicts` by both.
    """

    draft: ProductDraft
    theirs: list[str]
    conflicts: list[str]


def marks_of(draft: ProductDraft) -> dict[str, str]:
    """Return a fingerprint of each part of a product, to detect later which part was changed."""
    return {part: _mark(value) for part, value in _parts(draft).items()}


def write_marks(marks: Mapping[str, str]) -> str:
    """Return fingerprints as a form's field."""
    return " ".join(f"{part}:{mark}" for part, mark in marks.items())


def read_marks(text: str) -> dict[str, str]:
    """Parse fingerprints from a form's field; without them every difference is a conflict."""
    return {part: mark for part, _, mark in (pair.partition(":") for pair in text.split())}


def merge(mine: ProductDraft, stored: ProductDraft, shown: Mapping[str, str]) -> Merged:
    """Merge what was entered with what is stored, by the fingerprints of what the form showed."""
    my_marks, now_marks = marks_of(mine), marks_of(stored)
    changed = [part for part in PARTS if now_marks[part] not in (shown.get(part), my_marks[part])]
    theirs = [part for part in changed if my_marks[part] == shown.get(part)]
    draft = replace(
        mine, pictures=stored.pictures, **{name: getattr(stored, name) for name in map(_name, theirs)}
    )
    return Merged(draft, theirs, [part for part in changed if part not in theirs])


def differences(mine: ProductDraft, stored: ProductDraft, parts: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return the differences in these parts: name, what is stored, what was entered."""
    return [
        (label, now, form_data)
        for part in parts
        for label, now, form_data in _compared(part, _parts(stored)[part], _parts(mine)[part])
        if now != form_data
    ]


def _compared(part: str, now: Any, form_data: Any) -> Iterator[tuple[str, str, str]]:
    if part == "tax_class":
        now, form_data = NAMES.get(now, now), NAMES.get(form_data, form_data)
    if part != "variants":
        yield PARTS[part], _format_value(now), _format_value(form_data)
        return
    before, after = ({sku: rest for sku, *rest in variants} for variants in (now, form_data))
    for sku in dict.fromkeys([*before, *after]):
        yield sku, _variant_said(before.get(sku)), _variant_said(after.get(sku))
    if [*before] != [*after] and set(before) == set(after):
        yield "Order of the variants", ", ".join(before), ", ".join(after)


def _format_value(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value) or "nothing"


def _variant_said(rest: Sequence[Any] | None) -> str:
    if rest is None:
        return "not sold"
    options, price, sale_price = rest
    said = [f"{name} {value}" for name, value in options] + [money.format_money(price, settings.currency)]
    return ", ".join(
        [*said, f"sale {money.format_money(sale_price, settings.currency)}"] if sale_price else said
    )


def _parts(draft: ProductDraft) -> dict[str, Any]:
    variants = [
        [variant.sku, [list(option) for option in variant.options.items()], variant.price, variant.sale_price]
        for variant in draft.variants
    ]
    return {
        "name": draft.name,
        "category": draft.category,
        "tax_class": draft.tax_class,
        "added": draft.added,
        "visible": not draft.hidden,
        "text": draft.text,
        "variants": variants,
    }


def _mark(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]


def _name(part: str) -> str:
    return "hidden" if part == "visible" else part
