"""Save a product with its stock, completely or not at all."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pynamodb.expressions.update import Action

from chalicelib import clock
from chalicelib.catalog import categories, search
from chalicelib.catalog.editing import audit_fields, form_idempotency
from chalicelib.catalog.editing.absent_fields import keep_absent_fields
from chalicelib.catalog.editing.product_validation import ProductDraft, VariantDraft, validate_product
from chalicelib.catalog.listing_entries import listing_keys, write_listing_entries
from chalicelib.catalog.models import CategoryRow, Product, Stock, stock_shard_of
from chalicelib.database.reads import batch_get, get
from chalicelib.database.retry import retry_contended
from chalicelib.database.transactions import (
    AuditWriter,
    ConditionFailed,
    Transaction,
    no_audit,
)
from chalicelib.errors import BadInput, Conflict


class VersionConflict(Conflict):
    """Raised when the product no longer has the version that was to be changed."""


class StockMode(Enum):
    """What saving a draft does to the stock of a known SKU. A new SKU gets the draft's stock."""

    IGNORE = "ignore"
    SET = "set"
    ADD = "add"


@dataclass
class StockUpdate:
    """How drafts change the stock of known SKUs, and how many SKUs were changed, ignored, or changed before.

    A product records the `run` that has changed its stock, so that the same run changes it once, however often it is
    repeated. Units are added or subtracted, never overwritten, so that sales in the meantime count.
    """

    mode: StockMode
    run: str
    changed: int = 0
    ignored: int = 0
    repeated: int = 0
    unanswered: int = 0  # SKUs of a write in progress, or of one whose answer was lost

    def count(self, moved: int, differing: int, *, is_repeated: bool) -> None:
        """Count the result of saving a product; a change by a write whose answer was lost is no repetition."""
        if is_repeated and self.unanswered:
            moved, differing = self.unanswered, 0
        self.changed += moved
        if self.mode is StockMode.IGNORE:
            self.ignored += differing
        elif is_repeated:
            self.repeated += differing


class SaveResult(Enum):
    """The result of saving."""

    ADDED = "added"
    CHANGED = "changed"
    SAME = "as it was"


@dataclass(frozen=True)
class StoredProduct:
    """A product, if there is one, and the stock rows of its SKUs and of a draft's, as they were read."""

    product: Product | None
    stocks: Mapping[str, Stock]


# -- products ---------------------------------------------------------------------------------------------


def read_stored(drafts: Sequence[ProductDraft]) -> dict[str, StoredProduct]:
    """Read the stored products and stock of drafts, by slug; one BatchGetItem per hundred rows."""
    skus = [variant.sku for draft in drafts for variant in draft.variants]
    found = batch_get({Product: [draft.slug for draft in drafts], Stock: skus})
    products, stocks = found[Product], found[Stock]
    dropped = [sku for draft in drafts for sku in _dropped(draft, products.get(draft.slug))]
    stocks |= batch_get({Stock: [sku for sku in dropped if sku not in stocks]})[Stock]
    return {draft.slug: StoredProduct(products.get(draft.slug), stocks) for draft in drafts}


def save_product(
    draft: ProductDraft,
    write_audit: AuditWriter = no_audit,
    *,
    expected_version: int | None = None,
    stock: StockUpdate | None = None,
    stored: StoredProduct | None = None,
) -> SaveResult:
    """Write a product in one transaction with its listing entries and its stock rows.

    Known SKUs keep their stock, unless `stock` says otherwise. Nothing is written if nothing differs; the audit entry
    has the differences. `expected_version` is the version to be changed, 0 for a new product, None for any. A draft
    that equals `stored`, read shortly before, needs no call; otherwise the product is read again. Raises BadInput for
    an invalid draft, Conflict if a SKU belongs to another product, VersionConflict, and ServiceUnavailable if others
    keep changing the product.
    """
    stock = stock or StockUpdate(StockMode.IGNORE, "")
    stock.unanswered = 0
    if stored is not None and stored.product is not None:
        with suppress(BadInput, Conflict):  # of what may have changed since: read again
            if (plan := _plan(draft, stored, stock)).is_same:
                return _leave_unchanged(plan, stock)

    def read_and_write() -> SaveResult:
        if draft.category not in {category.key for category in categories.read_categories()}:
            raise BadInput(f"There is no category “{draft.category}”.")
        try:
            return _save(draft, write_audit, expected_version, stock)
        except ConditionFailed:
            stock.unanswered = 0
            raise

    return retry_contended(read_and_write, "Someone else is changing this product. Please try again.")


def products_by_sku(skus: Sequence[str]) -> dict[str, str]:
    """Return the products of SKUs: SKU → slug. Free and unknown ones are missing."""
    stocks = batch_get({Stock: skus})[Stock]
    return {sku: stock.slug for sku, stock in stocks.items() if stock.slug is not None}


def _save(
    draft: ProductDraft, write_audit: AuditWriter, expected_version: int | None, stock: StockUpdate
) -> SaveResult:
    old = get(Product, draft.slug)
    if expected_version is not None and expected_version != (old.version if old is not None else 0):
        raise VersionConflict("Someone else has changed this product.")
    skus = [*(variant.sku for variant in draft.variants), *_dropped(draft, old)]
    plan = _plan(draft, StoredProduct(old, batch_get({Stock: skus})[Stock]), stock)
    if plan.is_same:
        return _leave_unchanged(plan, stock)
    transaction, product, moves = plan.transaction, plan.product, plan.moves
    write_product(transaction, product, old)
    if old is None or old.category != product.category:
        transaction.update("category", *CategoryRow.count_product_added(product.category))
    write_audit(transaction, f"product {draft.slug}", *plan.difference)
    old_words = search.stored_words(old) if old is not None else {}
    search.add_words(product, plan.words, old_words)
    stock.unanswered = len(moves)
    transaction.commit()
    stock.count(len(moves), len(plan.wanted), is_repeated=plan.is_repeated)
    search.remove_words(product, [word for word in old_words if word not in plan.words])
    return SaveResult.ADDED if old is None else SaveResult.CHANGED


def _leave_unchanged(plan: "_SavePlan", stock: StockUpdate) -> SaveResult:
    stock.count(0, len(plan.wanted), is_repeated=plan.is_repeated)
    return SaveResult.SAME


@dataclass(frozen=True)
class _SavePlan:
    """What saving a draft would write."""

    is_same: bool  # nothing would be written
    product: Product
    words: dict[str, bool]
    transaction: Transaction  # its stock rows
    moves: Mapping[str, int]  # by how many units SKUs change
    wanted: Mapping[str, int]  # by how many they differ from the draft
    is_repeated: bool  # the run has moved them before
    difference: tuple[dict[str, Any], dict[str, Any]]


def _plan(draft: ProductDraft, stored: StoredProduct, stock: StockUpdate) -> _SavePlan:
    old, stocks, transaction = stored.product, stored.stocks, Transaction()
    dropped = _dropped(draft, old)
    draft = keep_absent_fields(draft, old, stocks)
    for problem in validate_product(draft):
        raise BadInput(problem.message)
    is_repeated = old is not None and bool(form_idempotency.rows_processed_by(stock.run, old.processed_forms))
    wanted = _stock_moves(draft, stocks, stock.mode)
    moves = {} if is_repeated or stock.mode is StockMode.IGNORE else wanted
    sells_anew = _write_stock(transaction, draft, stocks, moves)
    _free_skus(transaction, draft.slug, [sku for sku in dropped if sku in stocks])
    product, words = _product(draft, old)
    if stock.mode is not StockMode.IGNORE and (
        moves or any(each.sku not in stocks for each in draft.variants)
    ):
        product.processed_forms = form_idempotency.record_form(
            stock.run, {"stock": stock.mode.value}, product.processed_forms
        )
    is_same = old is not None and not sells_anew and _content(old) == _content(product)
    difference = ({}, {}) if is_same else _difference(product, old, draft, stocks, moves)
    return _SavePlan(is_same, product, words, transaction, moves, wanted, is_repeated, difference)


def _dropped(draft: ProductDraft, old: Product | None) -> list[str]:
    kept = {variant.sku for variant in draft.variants}
    return [variant["sku"] for variant in old.variants if variant["sku"] not in kept] if old else []


def _product(draft: ProductDraft, old: Product | None) -> tuple[Product, dict[str, bool]]:
    """Return the product's new row, and its search terms: term → whether it is in the name."""
    today = clock.today().isoformat()
    product = Product(
        draft.slug,
        name=draft.name,
        text=draft.text.strip(),
        category=draft.category,
        tax_class=draft.tax_class,
        added=draft.added or (old.added if old is not None else today),
        hidden=draft.hidden,
        pictures=[{"key": picture.key, "alt": picture.alt} for picture in draft.pictures],
        variants=[{"sku": variant.sku, "options": dict(variant.options)} for variant in draft.variants],
        processed_forms=old.processed_forms if old is not None else {},
        pending_pictures=old.pending_pictures if old is not None else [],
        version=(old.version if old is not None else 0) + 1,
    )
    words = search.words_of(product)
    product.search_terms = sorted(words)
    product.listing_keys = listing_keys(product, min(variant.price_today for variant in draft.variants))
    return product, words


def _difference(
    product: Product,
    old: Product | None,
    draft: ProductDraft,
    stocks: Mapping[str, Stock],
    moves: Mapping[str, int],
) -> tuple[dict[str, Any], dict[str, Any]]:
    before = {sku: (stock.price, stock.sale_price) for sku, stock in stocks.items()}
    after = {variant.sku: (variant.price, variant.sale_price) for variant in draft.variants}
    new_stock = {
        f"{variant.sku} stock": variant.stock for variant in draft.variants if variant.sku not in stocks
    }
    quantities = {sku: int(stocks[sku].available) for sku in moves}
    return audit_fields.changed_fields(
        {
            **audit_fields.product_fields(old, before),
            **{f"{sku} stock": count for sku, count in quantities.items()},
        },
        {
            **audit_fields.product_fields(product, after),
            **new_stock,
            **{f"{sku} stock": count + moves[sku] for sku, count in quantities.items()},
        },
    )


def _content(product: Product) -> dict[str, object]:
    return {name: value for name, value in product.serialize().items() if name != "version"}


def write_product(transaction: Transaction, product: Product, old: Product | None) -> None:
    """Write a product and its listing entries on condition of the version that was read."""
    unchanged = Product.slug.does_not_exist() if old is None else Product.version == old.version
    transaction.put("product", product, unchanged)
    write_listing_entries(transaction, product, old)


def _stock_moves(draft: ProductDraft, stocks: Mapping[str, Stock], mode: StockMode) -> dict[str, int]:
    """Return by how many units each known SKU is to change, or would have to, to match the draft."""
    moves = {
        variant.sku: variant.stock - (0 if mode is StockMode.ADD else int(stocks[variant.sku].available))
        for variant in draft.variants
        if variant.sku in stocks
    }
    return {sku: move for sku, move in moves.items() if move}


def _write_stock(
    transaction: Transaction,
    draft: ProductDraft,
    stocks: Mapping[str, Stock],
    moves: Mapping[str, int],
) -> bool:
    """Add new SKUs with their stock, and write prices and stock changes of known ones. Return whether any differs.

    Raises Conflict for another product's SKU.
    """
    differs = False
    for variant in draft.variants:
        known = stocks.get(variant.sku)
        if known is None:
            row = Stock(
                variant.sku,
                slug=draft.slug,
                price=variant.price,
                sale_price=variant.sale_price,
                available=variant.stock,
                stock_shard=stock_shard_of(variant.sku),
            )
            transaction.put(f"stock#{variant.sku}", row, Stock.sku.does_not_exist())
        elif known.slug not in (None, draft.slug):
            raise Conflict(f"The SKU {variant.sku} is used by the product “{known.slug}”.")
        elif variant.sku in moves or (known.slug, known.price, known.sale_price) != (
            draft.slug,
            variant.price,
            variant.sale_price,
        ):
            _write_known(transaction, draft.slug, variant, moves.get(variant.sku, 0))
        else:
            continue
        differs = True
    return differs


def _write_known(transaction: Transaction, slug: str, variant: VariantDraft, move: int) -> None:
    sale = (
        Stock.sale_price.remove() if variant.sale_price is None else Stock.sale_price.set(variant.sale_price)
    )
    shard = Stock.stock_shard.set(stock_shard_of(variant.sku))
    actions: list[Action] = [Stock.slug.set(slug), shard, Stock.price.set(variant.price), sale]
    condition = Stock.slug.does_not_exist() | (Stock.slug == slug)
    if move:  # never by setting `available`: concurrent sales count
        actions.append(Stock.available.add(move))
    if move < 0:
        condition = condition & (Stock.available >= -move)
    transaction.update(f"stock#{variant.sku}", Stock(variant.sku), actions, condition)


def _free_skus(transaction: Transaction, slug: str, skus: Sequence[str]) -> None:
    """Keep the stock of dropped variants, to which orders may return units, but make them unavailable."""
    for sku in skus:
        gone = [Stock.slug.remove(), Stock.stock_shard.remove()]
        transaction.update(f"stock#{sku}", Stock(sku), gone, Stock.slug == slug)
