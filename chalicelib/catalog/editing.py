"""What staff or a file say of a product, checked and written with its stock."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, NamedTuple

from pynamodb.expressions.update import Action

from chalicelib import clock, money
from chalicelib.catalog import repeats, search, service, traces
from chalicelib.catalog.models import MAX_SKU_LENGTH, SLUG, CategoryRow, Product, Stock, is_sku, shelf_of
from chalicelib.catalog.places import places, write_places
from chalicelib.catalog.service import Picture
from chalicelib.cleaning import find_control_character
from chalicelib.config import settings
from chalicelib.errors import BadInput, Busy, Conflict
from chalicelib.storage import Refused, Transaction, Unknown, Witness, get, read_many, unseen

# Where all of a product changes, 36 SKUs come, 36 go, and it moves from twelve places in lists to twelve others:
# with its own row, its category's and the audit trail's that is 99 of the 100 writes that fit into one transaction.
MOST_VARIANTS = 36
MOST_OPTIONS = 4
MOST_PICTURES = 12
MOST_IN_STOCK = 1_000_000
LONGEST_NAME = 120
LONGEST_OPTION = 60
LONGEST_ALT = 300
LONGEST_TEXT = 10_000
PICTURE_KEY = re.compile(r"pictures/[0-9a-f]{16}(-[0-9]{1,4}x[0-9]{1,4})?\.[a-z]{3,4}", re.ASCII)
NEW = "new"  # where staff make a product
SLUG_RULE = "may have 1 to 40 letters (A to Z), digits and hyphens, nothing else"


@dataclass(frozen=True)
class VariantDraft:
    """What a variant should be; prices in minor units. `stock` counts only for a SKU that is new."""

    sku: str
    options: Mapping[str, str]
    price: int
    sale_price: int | None
    stock: int

    @property
    def price_today(self) -> int:
        """What one piece costs, in minor units."""
        return self.price if self.sale_price is None else self.sale_price


@dataclass(frozen=True)
class ProductDraft:
    """What a product should be, all of it. `added` None: as it was, or today."""

    slug: str
    name: str
    text: str
    category: str
    tax_rate: str
    added: str | None
    hidden: bool
    pictures: Sequence[Picture]
    variants: Sequence[VariantDraft]


class Problem(NamedTuple):
    """What is wrong with a draft, and where: ("variants", 2, "sale_price")."""

    path: tuple[str | int, ...]
    words: str


class Stale(Conflict):
    """The product is no longer the version that was to be changed."""


class StockMode(Enum):
    """What saving a draft does to the pieces of a SKU that is known. A new SKU gets the draft's."""

    IGNORE = "ignore"
    SET = "set"
    ADD = "add"


@dataclass
class StockUpdate:
    """How drafts change the pieces of known SKUs, and how many SKUs they have: changed, left, added to before.

    A product remembers the `run` that has changed its pieces, so that the same run changes them once, however often it
    is repeated. What is sold meanwhile stays sold: pieces are added or taken away, and no number is written over another.
    """

    mode: StockMode
    run: str
    changed: int = 0
    ignored: int = 0
    repeated: int = 0
    unanswered: int = 0  # SKUs of a write under way, or of one whose answer was lost

    def count(self, moved: int, differing: int, *, is_repeated: bool) -> None:
        """Count what saving a product did; what a lost answer has moved after all is no repetition."""
        if is_repeated and self.unanswered:
            moved, differing = self.unanswered, 0
        self.changed += moved
        if self.mode is StockMode.IGNORE:
            self.ignored += differing
        elif is_repeated:
            self.repeated += differing


class Saved(Enum):
    """What saving did."""

    ADDED = "added"
    CHANGED = "changed"
    SAME = "as it was"


# -- checking ---------------------------------------------------------------------------------------------


def problems_of_product(draft: ProductDraft) -> Iterator[Problem]:
    """List what is wrong with a product, apart from what only the tables know."""
    if not SLUG.fullmatch(draft.slug) or draft.slug == NEW:
        yield Problem(("slug",), f"The slug {SLUG_RULE}; “{NEW}” is taken.")
    yield from text_problems(("name",), draft.name, LONGEST_NAME)
    yield from long_text_problems(("text",), draft.text)
    if not SLUG.fullmatch(draft.category):
        yield Problem(("category",), f"A category's slug {SLUG_RULE}.")
    try:
        money.parse_rate(draft.tax_rate)
    except ValueError as error:
        yield Problem(("tax_rate",), f"{error}.")
    if draft.added is not None and not _is_date(draft.added):
        yield Problem(("added",), f"{draft.added!r} is not a date such as 2026-11-22.")
    yield from _picture_problems(draft.pictures)
    if not 1 <= len(draft.variants) <= MOST_VARIANTS:
        yield Problem(
            ("variants",), f"A product has 1 to {MOST_VARIANTS} variants, not {len(draft.variants)}."
        )
    for number, variant in enumerate(draft.variants):
        for path, words in _variant_problems(variant):
            yield Problem(("variants", number, *path), words)
    yield from _differences(draft.variants)


def _picture_problems(pictures: Sequence[Picture]) -> Iterator[Problem]:
    if len(pictures) > MOST_PICTURES:
        yield Problem(("pictures",), f"A product has at most {MOST_PICTURES} pictures.")
    for number, picture in enumerate(pictures):
        if not PICTURE_KEY.fullmatch(picture.key):
            yield Problem(
                ("pictures", number, "key"), "This is not the key of a picture in the media bucket."
            )
        yield from text_problems(("pictures", number, "alt"), picture.alt, LONGEST_ALT)


def _variant_problems(variant: VariantDraft) -> Iterator[Problem]:
    if not is_sku(variant.sku):
        yield Problem(("sku",), f"A SKU has 1 to {MAX_SKU_LENGTH} characters that can be seen.")
    if len(variant.options) > MOST_OPTIONS:
        yield Problem(("options",), f"A variant has at most {MOST_OPTIONS} options.")
    for name, value in variant.options.items():
        yield from text_problems(("options", name), name, LONGEST_OPTION)
        yield from text_problems(("options", name), value, LONGEST_OPTION)
    if not 0 < variant.price <= money.LARGEST:
        yield Problem(("price",), "The price must be more than nothing.")
    if variant.sale_price is not None and not 0 < variant.sale_price < variant.price:
        yield Problem(("sale_price",), "The sale price must be more than nothing and below the price.")
    if not 0 <= variant.stock <= MOST_IN_STOCK:
        yield Problem(("stock",), f"The stock must be a number from 0 to {MOST_IN_STOCK:,}.")


def _differences(variants: Sequence[VariantDraft]) -> Iterator[Problem]:
    """Find variants that cannot be told apart, or that differ in the names of their options."""
    skus: set[str] = set()
    choices: set[tuple[str, ...]] = set()
    for number, variant in enumerate(variants):
        choice = tuple(variant.options.values())
        if variant.sku in skus:
            yield Problem(("variants", number, "sku"), f"The SKU {variant.sku} is there twice.")
        if list(variant.options) != list(variants[0].options):
            wanted = ", ".join(variants[0].options) or "none"
            yield Problem(
                ("variants", number, "options"),
                f"All variants of a product have the same options in the same order, here: {wanted}.",
            )
        elif choice in choices:
            yield Problem(
                ("variants", number, "options"), "Another variant of this product has the same options."
            )
        skus.add(variant.sku)
        choices.add(choice)


def text_problems(path: tuple[str | int, ...], text: str, longest: int) -> Iterator[Problem]:
    """List what is wrong with a line of text."""
    if not text.strip():
        yield Problem(path, "This must not be empty.")
    elif text != text.strip():
        yield Problem(path, "This must not begin or end with white space.")
    elif len(text) > longest:
        yield Problem(path, f"This has {len(text)} characters; at most {longest} fit.")
    elif (control := find_control_character(text)) is not None:
        yield Problem(path, f"This must be one line without control characters such as {control}.")
    elif text.splitlines() != [text]:
        yield Problem(path, "This must be one line without control characters.")


def long_text_problems(path: tuple[str | int, ...], text: str) -> Iterator[Problem]:
    """List what is wrong with a text of several lines."""
    if len(text) > LONGEST_TEXT:
        yield Problem(path, f"This has {len(text):,} characters; at most {LONGEST_TEXT:,} fit.")
    elif (control := find_control_character(text)) is not None:
        yield Problem(path, f"This must not have control characters such as {control}.")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


# -- products ---------------------------------------------------------------------------------------------


def save_product(
    draft: ProductDraft,
    witness: Witness = unseen,
    *,
    over: int | None = None,
    stock: StockUpdate | None = None,
) -> Saved:
    """Write a product in one transaction with its places in lists and its stock rows.

    Known SKUs keep their pieces, unless `stock` says otherwise. What is already so is not written. The witness is told what differs. `over` is the
    version that is to be changed, 0 for a new product; None: whatever is there. Raises BadInput for a bad draft,
    Conflict where a SKU is another product's, Stale, and Busy where others keep changing the same product.
    """
    for problem in problems_of_product(draft):
        raise BadInput(problem.words)
    stock = stock or StockUpdate(StockMode.IGNORE, "")
    stock.unanswered = 0
    for _ in range(5):
        if draft.category not in {category.key for category in service.read_categories()}:
            raise BadInput(f"There is no category “{draft.category}”.")
        try:
            return _save(draft, witness, over, stock)
        except Refused:
            stock.unanswered = 0
            continue  # somebody else was quicker: read again
        except Unknown:
            continue  # no answer came: read again
    raise Busy("This product is being changed by somebody else. Please try again.")


def owners(skus: Sequence[str]) -> dict[str, str]:
    """Tell whose variants SKUs are: SKU → slug. Free and unknown ones are missing."""
    stocks = read_many({Stock: skus})[Stock]
    return {sku: stock.slug for sku, stock in stocks.items() if stock.slug is not None}


def _save(draft: ProductDraft, witness: Witness, over: int | None, stock: StockUpdate) -> Saved:
    old = get(Product, draft.slug)
    if over is not None and over != (old.version if old is not None else 0):
        raise Stale("Somebody else has changed this product meanwhile.")
    dropped = _dropped(draft, old)
    skus = [*(variant.sku for variant in draft.variants), *dropped]
    stocks = read_many({Stock: skus})[Stock]
    transaction = Transaction()
    is_repeated = old is not None and bool(repeats.changed_by(stock.run, old.forms))
    wanted = _stock_moves(draft, stocks, stock.mode)
    moves = {} if is_repeated or stock.mode is StockMode.IGNORE else wanted
    sells_anew = _write_stock(transaction, draft, stocks, moves)
    _free_skus(transaction, draft.slug, [sku for sku in dropped if sku in stocks])
    product, words = _product(draft, old)
    if stock.mode is not StockMode.IGNORE and (
        moves or any(each.sku not in stocks for each in draft.variants)
    ):
        product.forms = repeats.remember(
            stock.run, {repeats.mark("stock"): repeats.mark(stock.mode.value)}, product.forms
        )
    if old is not None and not sells_anew and _content(old) == _content(product):
        stock.count(0, len(wanted), is_repeated=is_repeated)
        return Saved.SAME
    write_product(transaction, product, old)
    if old is None or old.category != product.category:
        transaction.update("category", *CategoryRow.welcome(product.category))
    witness(transaction, f"product {draft.slug}", *_difference(product, old, draft, stocks, moves))
    old_words = search.stored_words(old) if old is not None else {}
    search.add_words(product, words, old_words)
    stock.unanswered = len(moves)
    transaction.commit()
    stock.count(len(moves), len(wanted), is_repeated=is_repeated)
    search.remove_words(product, [word for word in old_words if word not in words])
    return Saved.ADDED if old is None else Saved.CHANGED


def _dropped(draft: ProductDraft, old: Product | None) -> list[str]:
    kept = {variant.sku for variant in draft.variants}
    return [variant["sku"] for variant in old.variants if variant["sku"] not in kept] if old else []


def _product(draft: ProductDraft, old: Product | None) -> tuple[Product, dict[str, bool]]:
    """Make the product's new row, and its words: word → whether it is in the name."""
    today = clock.now().astimezone(settings.timezone).date().isoformat()
    product = Product(
        draft.slug,
        name=draft.name,
        text=draft.text.strip(),
        category=draft.category,
        tax_rate=money.parse_rate(draft.tax_rate),
        added=draft.added or (old.added if old is not None else today),
        hidden=draft.hidden,
        pictures=[{"key": picture.key, "alt": picture.alt} for picture in draft.pictures],
        variants=[{"sku": variant.sku, "options": dict(variant.options)} for variant in draft.variants],
        forms=old.forms if old is not None else [],
        arriving=old.arriving if old is not None else [],
        version=(old.version if old is not None else 0) + 1,
    )
    words = search.words_of(product)
    product.words = sorted(words)
    product.listed = places(product, min(variant.price_today for variant in draft.variants))
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
    new_pieces = {
        f"{variant.sku} pieces": variant.stock for variant in draft.variants if variant.sku not in stocks
    }
    pieces = {sku: int(stocks[sku].available) for sku in moves}
    return traces.difference(
        {**traces.told(old, before), **{f"{sku} pieces": count for sku, count in pieces.items()}},
        {
            **traces.told(product, after),
            **new_pieces,
            **{f"{sku} pieces": count + moves[sku] for sku, count in pieces.items()},
        },
    )


def _content(product: Product) -> dict[str, object]:
    return {name: value for name, value in product.serialize().items() if name != "version"}


def write_product(transaction: Transaction, product: Product, old: Product | None) -> None:
    """Write a product and its places over the version that was read."""
    unchanged = Product.slug.does_not_exist() if old is None else Product.version == old.version
    transaction.put("product", product, unchanged)
    write_places(transaction, product, old)


def _stock_moves(draft: ProductDraft, stocks: Mapping[str, Stock], mode: StockMode) -> dict[str, int]:
    """Tell by how many pieces each known SKU is to change, or would have to, to be what the draft says."""
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
    """Add SKUs that are new with their pieces, and give known ones their prices and what moves. Tell whether any differs.

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
                shelf=shelf_of(variant.sku),
            )
            transaction.put(f"stock#{variant.sku}", row, Stock.sku.does_not_exist())
        elif known.slug not in (None, draft.slug):
            raise Conflict(f"The SKU {variant.sku} belongs to the product “{known.slug}”.")
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
    shelf = Stock.shelf.set(shelf_of(variant.sku))
    actions: list[Action] = [Stock.slug.set(slug), shelf, Stock.price.set(variant.price), sale]
    condition = Stock.slug.does_not_exist() | (Stock.slug == slug)
    if move:  # never a number over `available`: what is sold in this moment stays sold
        actions.append(Stock.available.add(move))
    if move < 0:
        condition = condition & (Stock.available >= -move)
    transaction.update(f"stock#{variant.sku}", Stock(variant.sku), actions, condition)


def _free_skus(transaction: Transaction, slug: str, skus: Sequence[str]) -> None:
    """Leave dropped variants' pieces where orders may put more back, but let nobody buy them."""
    for sku in skus:
        gone = [Stock.slug.remove(), Stock.shelf.remove()]
        transaction.update(f"stock#{sku}", Stock(sku), gone, Stock.slug == slug)
