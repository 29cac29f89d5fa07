"""Preview an import: what a validated catalog file would change in the current catalog."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.catalog import categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing import audit_fields
from chalicelib.catalog.editing.category_editing import fold_name
from chalicelib.catalog.editing.product_validation import ProductDraft
from chalicelib.catalog.import_export.catalog_parser import CheckedCatalog
from chalicelib.catalog.import_export.importer import variants
from chalicelib.catalog.models import Product, Stock
from chalicelib.database.reads import batch_get

MAX_SHOWN = 100  # changes, stock differences and warnings
MAX_BATCH_SIZE = 100
MAX_VALUE_LENGTH = 60
BEFORE_THE_DIFFERENCE = 20  # characters of a long value, for context
_SPECIAL = re.compile(r"(?:[^\x00-\x7f]|\?)+")  # a spreadsheet writes ? for what its encoding lacks
SIMILAR = 0.8  # of difflib's ratio: “Mug” and “Mugs” are, “Green tea” and “Red tea” are not
_KINDS = {
    "new products": ("new product", "new products"),
    "price": ("price change", "price changes"),
    "sale price": ("sale price change", "sale price changes"),
    "new variants": ("new variant", "new variants"),
    "dropped variants": ("variant no longer sold", "variants no longer sold"),
    "options": ("variant with changed options", "variants with changed options"),
    "name": ("name change", "name changes"),
    "text": ("description change", "description changes"),
    "category": ("product moved to another category", "products moved to another category"),
    "tax class": ("tax class change", "tax class changes"),
    "added": ("date change", "date changes"),
    "visible": ("product shown or hidden", "products shown or hidden"),
    "lost pictures": ("product losing images", "products losing images"),
    "pictures": ("product with changed images", "products with changed images"),
    "categories": ("new or changed category", "new or changed categories"),
}


@dataclass
class Preview:
    """A file compared with the catalog. Lists are truncated; counts are complete."""

    source: str
    counts: Counter[str] = field(default_factory=Counter)  # of _KINDS
    same: int = 0  # products that stay as they are
    changes: list[str] = field(default_factory=list)
    changed: int = 0  # all of them
    stock_differences: list[str] = field(default_factory=list)  # where the file's stock is not the shop's
    differing: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """Return a sentence that lists the changes."""
        parts = [
            f"{self.counts[kind]:,} {words[self.counts[kind] != 1]}"
            for kind, words in _KINDS.items()
            if self.counts[kind]
        ]
        stays = f"{self.same:,} product{' stays' if self.same == 1 else 's stay'} as they are".replace(
            "stays as they are", "stays as it is"
        )
        return f"{', '.join([*parts, stays] if self.same or not parts else parts)}."

    @property
    def stock(self) -> str:
        """Return a sentence on the differences in stock; "" if there are none."""
        if not self.differing:
            return ""
        has = "has" if self.differing == 1 else "have"
        return f"{variants(self.differing).capitalize()} {has} different stock in the file and in the shop."

    def change(self, kind: str, message: str) -> None:
        """Record a change."""
        self.counts[kind] += 1
        self.changed += 1
        if len(self.changes) < MAX_SHOWN:
            self.changes.append(message)

    def warn(self, message: str) -> None:
        """Add a warning of a probable mistake."""
        if len(self.warnings) < MAX_SHOWN:
            self.warnings.append(message)

    def lines(self) -> Iterator[str]:
        """Yield the changes, and how many more there are."""
        yield from self.changes
        if self.changed > len(self.changes):
            yield f"… and {self.changed - len(self.changes):,} more changes"

    def stock_lines(self) -> Iterator[str]:
        """Yield the stock differences, and how many more there are."""
        yield from self.stock_differences
        if self.differing > len(self.stock_differences):
            yield f"… and {self.differing - len(self.stock_differences):,} more"


def preview_of(checked: CheckedCatalog) -> Preview:
    """Compare a validated file with the catalog, in batches of its products."""
    preview = Preview(checked.source)
    known = categories.read_categories()
    _compare_categories(preview, checked, known)
    for start in range(0, len(checked.products), MAX_BATCH_SIZE):
        drafts = checked.products[start : start + MAX_BATCH_SIZE]
        products = batch_get({Product: [draft.slug for draft in drafts]})[Product]
        skus = {variant.sku for draft in drafts for variant in draft.variants}
        skus |= {variant["sku"] for product in products.values() for variant in product.variants}
        stocks = batch_get({Stock: sorted(skus)})[Stock]
        for draft in drafts:
            category = categories.find_category(draft.category, known)
            key = category.key if category is not None else draft.category
            _compare(preview, draft, key, products.get(draft.slug), stocks)
    return preview


def _compare_categories(preview: Preview, checked: CheckedCatalog, known: Sequence[Category]) -> None:
    named = []
    for category in checked.categories:
        old = categories.find_category(category.slug, known)
        if old is None:
            preview.change("categories", f"category {category.slug} is new: {_short(category.name)}")
            named.append((category, "new"))
            continue
        if old.name != category.name:
            named.append((category, "renamed"))
        changes = [("name", old.name, category.name), ("text", old.text, category.text)]
        words = [f"{kind} {_from_to(was, now)}" for kind, was, now in changes if was != now]
        if words:
            preview.change("categories", f"category {category.slug}: {', '.join(words)}")
    _warn_of_similar_names(preview, named, {each.key: each for each in (*known, *checked.categories)})


def _warn_of_similar_names(
    preview: Preview, named: Sequence[tuple[Category, str]], categories: Mapping[str, Category]
) -> None:
    """Warn if a file would add a category with nearly the same name as another, as a typo does."""
    for at, (category, verb) in enumerate(named):
        later = {each.key for each, _ in named[at:]}  # of two in the file, the second gets the warning
        others = {fold_name(each.name): each for key, each in categories.items() if key not in later}
        for name in difflib.get_close_matches(fold_name(category.name), others, n=1, cutoff=SIMILAR):
            other = others[name]
            preview.warn(
                f"category {category.slug} is {verb}, {_short(category.name)}, similar to {_short(other.name)},"
                f" which is category {other.slug}. Are they the same?"
            )


def _compare(
    preview: Preview, draft: ProductDraft, key: str, old: Product | None, stocks: Mapping[str, Stock]
) -> None:
    if old is None:
        message = f"{draft.slug} is new: {_short(draft.name)}, {variants(len(draft.variants))}"
        preview.change("new products", message)
        return
    before = preview.changed
    for kind, was, now in _fields(draft, key, old):
        if was != now:
            preview.change(kind, f"{draft.slug}: {kind} {_from_to(was, now)}")
    if _is_misread(old.name, draft.name) or _is_misread(old.text, draft.text):
        preview.warn(
            f"{draft.slug} differs only in accented letters. Is the file in the wrong encoding?"
            " Save it as “CSV UTF-8”, and try again."
        )
    _compare_pictures(preview, draft, old)
    _compare_variants(preview, draft, old, stocks)
    preview.same += preview.changed == before


def _fields(draft: ProductDraft, key: str, old: Product) -> Iterator[tuple[str, Any, Any]]:
    yield "name", old.name, draft.name
    yield "text", old.text, draft.text.strip()
    yield "category", old.category, key
    yield "tax class", old.tax_class, draft.tax_class
    yield "added", old.added, draft.added or old.added
    yield "visible", audit_fields.yes_no(not old.hidden), audit_fields.yes_no(not draft.hidden)


def _compare_pictures(preview: Preview, draft: ProductDraft, old: Product) -> None:
    had = {picture["key"]: picture["alt"] for picture in old.pictures}
    has = {picture.key: picture.alt for picture in draft.pictures}
    lost = [f"loses the image {_short(alt or key)}" for key, alt in had.items() if key not in has]
    if lost:
        preview.change("lost pictures", f"{draft.slug} {', '.join(lost)}")
    words = [f"gets the image {_short(alt or key)}" for key, alt in has.items() if key not in had]
    words += [
        f"changes an alt text: {_from_to(had[key], alt)}"
        for key, alt in has.items()
        if key in had and had[key] != alt
    ]
    if [key for key in had if key in has] != [key for key in has if key in had]:
        words.append("shows its images in a different order")
    if words:
        preview.change("pictures", f"{draft.slug} {', '.join(words)}")


def _compare_variants(
    preview: Preview, draft: ProductDraft, old: Product, stocks: Mapping[str, Stock]
) -> None:
    options = {variant["sku"]: variant["options"] for variant in old.variants}
    kept = {variant.sku for variant in draft.variants}
    new = []
    for variant in draft.variants:
        stock = stocks.get(variant.sku)
        if variant.sku not in options:
            new.append(variant.sku)
            preview.change("new variants", f"{variant.sku} is new in {draft.slug}")
        elif stock is not None:
            for kind, was, now in (
                ("price", stock.price, variant.price),
                ("sale price", stock.sale_price, variant.sale_price),
            ):
                if was != now:
                    preview.change(
                        kind,
                        f"{variant.sku}: {kind} {audit_fields.amount(was) or 'none'} → {audit_fields.amount(now) or 'none'}",
                    )
            if list(options[variant.sku].items()) != list(variant.options.items()):
                preview.change(
                    "options",
                    f"{variant.sku}: options {_from_to(options[variant.sku], variant.options)}",
                )
        if stock is not None and int(stock.available) != variant.stock:
            preview.differing += 1
            if len(preview.stock_differences) < MAX_SHOWN:
                preview.stock_differences.append(
                    f"{variant.sku}: {int(stock.available):,} in the shop, {variant.stock:,} in the file"
                )
    for sku in options:
        if sku not in kept:
            preview.change("dropped variants", f"{sku} of {draft.slug} is no longer sold")
            for each in new:
                if each == sku.lstrip("0") or each.lstrip("0") == sku:
                    preview.warn(
                        f"{each} is new and {sku} is missing: has a spreadsheet removed leading zeros?"
                    )


def _is_misread(was: str, now: str) -> bool:
    """Return whether a text became another in letters beyond ASCII alone, as one does that is read in the wrong encoding."""
    was, now = _line(was), _line(now)
    if was == now or was.isascii() or _SPECIAL.sub("?", was) != _SPECIAL.sub("?", now):
        return False
    if any(each.isascii() and each.isalpha() for each in was):
        return True
    pairs = {(a, b) for a, b in zip(was, now, strict=False) if not a.isascii()}
    is_one_to_one = len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    is_lost = {b for _, b in pairs} == {"?"}
    # Of a text in another script, each letter became one other.
    return len(was) == len(now) and all(a != b for a, b in pairs) and (is_one_to_one or is_lost)


def _from_to(was: Any, now: Any) -> str:
    """Write two values; of long ones what is around the first character that differs."""
    before, after = _line(was), _line(now)
    if before == after:
        return "changes in spaces and line breaks only"
    differs = next(
        (at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    start = 0
    if max(len(before), len(after)) > MAX_VALUE_LENGTH and differs > MAX_VALUE_LENGTH - BEFORE_THE_DIFFERENCE:
        start = differs - BEFORE_THE_DIFFERENCE
        start = before.find(" ", start, start + BEFORE_THE_DIFFERENCE // 2) + 1 or start  # a word's begin
    return f"{_short(before, start)} → {_short(after, start)}"


def _short(value: Any, start: int = 0) -> str:
    line = _line(value)
    end = start + MAX_VALUE_LENGTH
    return f"“{'…' if start else ''}{line[start:end]}{'…' if len(line) > end else ''}”"


def _line(value: Any) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{name} = {each}" for name, each in value.items()) or "none"
    return " ".join(str(value).split())
