"""What loading a checked catalog file would change, of the catalog as it is now: shown before the yes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib import money
from chalicelib.catalog import service, traces
from chalicelib.catalog.editing import ProductDraft
from chalicelib.catalog.importer import Checked, variants
from chalicelib.catalog.models import Product, Stock
from chalicelib.catalog.service import Category
from chalicelib.storage import read_many

MOST_SHOWN = 100  # changes, and numbers of pieces
MOST_TOGETHER = 100
LONGEST_VALUE = 60
_KINDS = {
    "new products": ("product is new", "products are new"),
    "price": ("price changes", "prices change"),
    "sale price": ("sale price changes", "sale prices change"),
    "new variants": ("variant is new", "variants are new"),
    "dropped variants": ("variant is sold no more", "variants are sold no more"),
    "options": ("variant changes its options", "variants change their options"),
    "name": ("name changes", "names change"),
    "text": ("text changes", "texts change"),
    "category": ("product moves to another category", "products move to another category"),
    "tax rate": ("tax rate changes", "tax rates change"),
    "added": ("date changes", "dates change"),
    "visible": ("product is shown or hidden", "products are shown or hidden"),
    "pictures": ("product changes its pictures", "products change their pictures"),
    "categories": ("category is new or changes", "categories are new or change"),
}


@dataclass
class Preview:
    """A file beside the catalog. Lists are cut; the counts are whole."""

    source: str
    counts: Counter[str] = field(default_factory=Counter)  # of _KINDS
    same: int = 0  # products that stay as they are
    changes: list[str] = field(default_factory=list)
    changed: int = 0  # all of them
    pieces: list[str] = field(default_factory=list)  # where the file's stock is not the shop's
    differing: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """Say in a sentence what changes."""
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
        """Say in a sentence what the file's stock is beside the shop's; "" where it is the same."""
        if not self.differing:
            return ""
        has = "has" if self.differing == 1 else "have"
        return f"{variants(self.differing).capitalize()} {has} another stock in the file than in the shop."

    def change(self, kind: str, words: str) -> None:
        """Note a change."""
        self.counts[kind] += 1
        self.changed += 1
        if len(self.changes) < MOST_SHOWN:
            self.changes.append(words)

    def lines(self) -> Iterator[str]:
        """Write the changes, and how many more there are."""
        yield from self.changes
        if self.changed > len(self.changes):
            yield f"… and {self.changed - len(self.changes):,} more changes"

    def stock_lines(self) -> Iterator[str]:
        """Write the differing numbers of pieces, and how many more there are."""
        yield from self.pieces
        if self.differing > len(self.pieces):
            yield f"… and {self.differing - len(self.pieces):,} more"


def preview_of(checked: Checked) -> Preview:
    """Compare a checked file with the catalog, by batches of its products."""
    preview = Preview(checked.source)
    known = service.read_categories()
    _compare_categories(preview, checked, known)
    for start in range(0, len(checked.products), MOST_TOGETHER):
        drafts = checked.products[start : start + MOST_TOGETHER]
        products = read_many({Product: [draft.slug for draft in drafts]})[Product]
        skus = {variant.sku for draft in drafts for variant in draft.variants}
        skus |= {variant["sku"] for product in products.values() for variant in product.variants}
        stocks = read_many({Stock: sorted(skus)})[Stock]
        for draft in drafts:
            category = service.find_category(draft.category, known)
            key = category.key if category is not None else draft.category
            _compare(preview, draft, key, products.get(draft.slug), stocks)
    return preview


def _compare_categories(preview: Preview, checked: Checked, known: Sequence[Category]) -> None:
    for category in checked.categories:
        old = service.find_category(category.slug, known)
        if old is None:
            preview.change("categories", f"category {category.slug} is new: {_short(category.name)}")
        elif (old.name, old.text) != (category.name, category.text):
            words = (
                f": {_short(old.name)} → {_short(category.name)}"
                if old.name != category.name
                else "’s text changes"
            )
            preview.change("categories", f"category {category.slug}{words}")


def _compare(
    preview: Preview, draft: ProductDraft, key: str, old: Product | None, stocks: Mapping[str, Stock]
) -> None:
    if old is None:
        words = f"{draft.slug} is new: {_short(draft.name)}, {variants(len(draft.variants))}"
        preview.change("new products", words)
        return
    before = preview.changed
    for kind, was, now in _fields(draft, key, old):
        if was != now:
            preview.change(kind, f"{draft.slug}: {kind} {_short(was)} → {_short(now)}")
    _compare_variants(preview, draft, old, stocks)
    preview.same += preview.changed == before


def _fields(draft: ProductDraft, key: str, old: Product) -> Iterator[tuple[str, Any, Any]]:
    yield "name", old.name, draft.name
    yield "text", old.text, draft.text.strip()
    yield "category", old.category, key
    yield "tax rate", old.tax_rate, money.parse_rate(draft.tax_rate)
    yield "added", old.added, draft.added or old.added
    yield "visible", traces.yes_no(not old.hidden), traces.yes_no(not draft.hidden)
    had = [f"{picture['key']} = {picture['alt']}" for picture in old.pictures]
    yield "pictures", had, [f"{picture.key} = {picture.alt}" for picture in draft.pictures]


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
                        f"{variant.sku}: {kind} {traces.amount(was) or 'none'} → {traces.amount(now) or 'none'}",
                    )
            if list(options[variant.sku].items()) != list(variant.options.items()):
                preview.change(
                    "options",
                    f"{variant.sku}: options {_short(options[variant.sku])} → {_short(variant.options)}",
                )
        if stock is not None and int(stock.available) != variant.stock:
            preview.differing += 1
            if len(preview.pieces) < MOST_SHOWN:
                preview.pieces.append(
                    f"{variant.sku}: {int(stock.available):,} in the shop, {variant.stock:,} in the file"
                )
    for sku in options:
        if sku not in kept:
            preview.change("dropped variants", f"{sku} of {draft.slug} is sold no more")
            preview.warnings += [
                f"{each} is new where {sku} goes: has a spreadsheet dropped the zeros?"
                for each in new
                if each == sku.lstrip("0") or each.lstrip("0") == sku
            ]


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{name} = {each}" for name, each in value.items()) or "none"
    elif isinstance(value, list):
        value = "; ".join(value) or "none"
    text = " ".join(str(value).split())
    return f"“{text[:LONGEST_VALUE]}…”" if len(text) > LONGEST_VALUE else f"“{text}”"
