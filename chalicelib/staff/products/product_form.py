"""The form of one product: what was typed, and what it means."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib import money
from chalicelib.catalog.editing.product_validation import (
    MOST_OPTIONS,
    MOST_VARIANTS,
    ProductDraft,
    VariantDraft,
    problems_of_product,
)
from chalicelib.catalog.models import Product, Stock
from chalicelib.catalog.offers import Picture
from chalicelib.config import settings
from chalicelib.web.forms import Form

MOST_FIELDS = 30 + (MOST_VARIANTS + 4) * (7 + MOST_OPTIONS)
MOST_BYTES = 256 * 1024
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass
class Row:
    """A variant as it was typed. A known one is in the shop already: its SKU and its pieces are not typed here."""

    sku: str = ""
    options: list[str] = field(default_factory=list)
    price: str = ""
    sale_price: str = ""
    stock: str = ""
    known: bool = False
    gone: bool = False

    @property
    def is_empty(self) -> bool:
        """Tell a row that nobody has written anything into."""
        return not (
            self.known or self.sku or self.price or self.sale_price or self.stock or any(self.options)
        )


@dataclass
class Typed:
    """A whole form as it was typed."""

    slug: str = ""
    name: str = ""
    category: str = ""
    tax_rate: str = ""
    added: str = ""
    visible: bool = False
    text: str = ""
    options: list[str] = field(default_factory=lambda: [""])  # their names
    rows: list[Row] = field(default_factory=lambda: [Row(options=[""])])

    def take(self, part: str, other: "Typed") -> None:
        """Take a part of the form from another one."""
        setattr(
            self,
            "rows" if part == "variants" else part,
            getattr(other, "rows" if part == "variants" else part),
        )
        if part == "variants":
            self.options = other.options

    def widen(self) -> None:
        """Make room for one more option in every row."""
        if len(self.options) < MOST_OPTIONS:
            self.options.append("")
            for row in self.rows:
                row.options.append("")

    def lengthen(self) -> None:
        """Make room for one more variant."""
        if len(self.rows) < MOST_VARIANTS:
            self.rows.append(Row(options=[""] * len(self.options)))


# -- typed ------------------------------------------------------------------------------------------------


def read_typed(form: Form) -> Typed:
    """Read what was posted; nothing is judged yet."""
    count = sum(1 for name in form.values if re.fullmatch(r"option\.[0-3]", name, re.ASCII)) or 1
    numbers = (number for number in range(MOST_VARIANTS + 4) if f"v.{number}.sku" in form.values)
    return Typed(
        slug=form.text("slug"),
        name=form.text("name"),
        category=form.text("category"),
        tax_rate=form.text("tax_rate"),
        added=form.text("added"),
        visible=form.text("visible") == "yes",
        text=form.lines("text"),
        options=[form.text(f"option.{number}") for number in range(count)],
        rows=[_row(form, f"v.{number}", count) for number in numbers],
    )


def _row(form: Form, name: str, count: int) -> Row:
    return Row(
        sku=form.text(f"{name}.sku"),
        options=[form.text(f"{name}.option.{number}") for number in range(count)],
        price=form.text(f"{name}.price"),
        sale_price=form.text(f"{name}.sale_price"),
        stock=form.text(f"{name}.stock"),
        known=form.text(f"{name}.known") == "yes",
        gone=form.text(f"{name}.gone") == "yes",
    )


def propose_slug(name: str) -> str:
    """Make an address of a name: "Grüner Tee" → "gruner-tee"; "" where it has no such letters."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")


# -- meant ------------------------------------------------------------------------------------------------


def draft_of(
    typed: Typed, pictures: Sequence[Picture], stocks: Mapping[str, Stock]
) -> tuple[ProductDraft, dict[str, str]]:
    """Make a draft of what was typed, and list what is wrong with it: name of the field → words.

    `stocks` has the SKUs' rows; a known variant keeps its pieces.
    """
    reader = _Reader(typed, stocks)
    draft = ProductDraft(
        slug=typed.slug,
        name=typed.name,
        text=typed.text,
        category=typed.category,
        tax_rate=reader.rate(),
        added=typed.added or None,
        hidden=not typed.visible,
        pictures=pictures,
        variants=reader.variants(),
    )
    for problem in problems_of_product(draft):
        reader.wrong(reader.name_of(problem.path), problem.words)
    return draft, reader.errors


class _Reader:
    """Reads amounts, options and pieces, and collects what is wrong by the names of the fields."""

    def __init__(self, typed: Typed, stocks: Mapping[str, Stock]) -> None:
        self.errors: dict[str, str] = {}
        self._typed = typed
        self._stocks = stocks
        self._numbers = [n for n, row in enumerate(typed.rows) if not row.gone and not row.is_empty]
        self._options = self._option_names()

    def wrong(self, name: str, words: str) -> None:
        """Note what is wrong with a field; the first words stay."""
        self.errors.setdefault(name, words)

    def name_of(self, path: tuple[str | int, ...]) -> str:
        """Name the field that a problem's path leads to."""
        if path[0] != "variants" or len(path) == 1:
            return str(path[0])
        row, what = f"v.{self._numbers[int(path[1])]}", str(path[2])
        if what != "options":
            return f"{row}.{what}"
        places = [place for place, name in self._options.items() if name in path[3:]]
        return f"{row}.option.{places[0] if places else 0}"

    def rate(self) -> str:
        """Read the tax rate; what cannot be read stays, and is a problem of the draft."""
        try:
            return money.parse_rate(self._typed.tax_rate)
        except ValueError:
            return self._typed.tax_rate

    def variants(self) -> list[VariantDraft]:
        """Read the rows that stay."""
        return [self._variant(number, self._typed.rows[number]) for number in self._numbers]

    def _variant(self, number: int, row: Row) -> VariantDraft:
        price = self._amount(f"v.{number}.price", row.price)
        return VariantDraft(
            sku=row.sku,
            options={name: row.options[place] for place, name in self._options.items()},
            # What cannot be read is said already; the rest is looked at as if it were harmless.
            price=money.LARGEST if price is None else price,
            sale_price=self._amount(f"v.{number}.sale_price", row.sale_price) if row.sale_price else None,
            stock=self._pieces(number, row),
        )

    def _option_names(self) -> dict[int, str]:
        """Find the options that are used: place → name."""
        names: dict[int, str] = {}
        for place, name in enumerate(self._typed.options):
            if not name and not any(self._typed.rows[number].options[place] for number in self._numbers):
                continue
            if not name:
                self.wrong(f"option.{place}", "Please name this option, such as Size.")
            if name in names.values():
                self.wrong(f"option.{place}", f"The option {name} is there twice.")
            names[place] = name or f"Option {place + 1}"
        return names

    def _amount(self, name: str, text: str) -> int | None:
        try:
            return money.parse_typed(text, settings.currency)
        except ValueError as error:
            self.wrong(name, str(error) if text else "Please give a price.")
            return None

    def _pieces(self, number: int, row: Row) -> int:
        stock = self._stocks.get(row.sku)
        name = f"v.{number}.stock"
        if stock is not None and stock.slug not in (None, self._typed.slug):
            self.wrong(f"v.{number}.sku", f"This SKU belongs to the product “{stock.slug}”.")
        if row.known:
            return int(stock.available) if stock is not None else 0
        if not _WHOLE.fullmatch(row.stock):
            self.wrong(name, "Please give the pieces as a whole number, 0 or more.")
            return 0
        if stock is not None and int(row.stock) != stock.available:
            words = f"This SKU was sold before, and {stock.available:.0f} of it are left. Please give that number."
            self.wrong(name, words)
        return int(row.stock)


def stored_draft(product: Product, stocks: Mapping[str, Stock]) -> ProductDraft:
    """Make the draft that would leave a product as it is."""
    variants = [(variant, stocks.get(variant["sku"])) for variant in product.variants]
    return ProductDraft(
        slug=product.slug,
        name=product.name,
        text=product.text,
        category=product.category,
        tax_rate=product.tax_rate,
        added=product.added,
        hidden=product.hidden,
        pictures=[Picture(**picture) for picture in product.pictures],
        variants=[
            VariantDraft(
                variant["sku"],
                variant["options"],
                int(stock.price or 0) if stock else 0,
                None if stock is None or stock.sale_price is None else int(stock.sale_price),
                int(stock.available) if stock else 0,
            )
            for variant, stock in variants
        ],
    )


def typed_of(draft: ProductDraft) -> Typed:
    """Fill the form in with what is stored."""
    names = list(draft.variants[0].options) if draft.variants else []
    return Typed(
        slug=draft.slug,
        name=draft.name,
        category=draft.category,
        tax_rate=draft.tax_rate,
        added=draft.added or "",
        visible=not draft.hidden,
        text=draft.text,
        options=names or [""],
        rows=[
            Row(
                sku=variant.sku,
                options=[variant.options.get(name, "") for name in names] or [""],
                price=_decimal(variant.price),
                sale_price="" if variant.sale_price is None else _decimal(variant.sale_price),
                stock=str(variant.stock),
                known=True,
            )
            for variant in draft.variants
        ],
    )


def _decimal(amount: int) -> str:
    return money.decimal_string(amount, settings.currency)
