"""The form of one product: what was entered, and its meaning."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib import money
from chalicelib.catalog.editing.product_validation import (
    MAX_OPTIONS,
    MAX_VARIANTS,
    ProductDraft,
    VariantDraft,
    validate_product,
)
from chalicelib.catalog.models import Product, Stock
from chalicelib.catalog.offers import Picture
from chalicelib.config import settings
from chalicelib.web.forms import Form

MAX_FIELDS = 30 + (MAX_VARIANTS + 4) * (7 + MAX_OPTIONS)
MAX_BYTES = 256 * 1024


@dataclass
class VariantFormRow:
    """A variant as it was entered. A known one is in the shop already: its SKU and stock are not entered here."""

    sku: str = ""
    options: list[str] = field(default_factory=list)
    price: str = ""
    sale_price: str = ""
    stock: str = ""
    known: bool = False
    gone: bool = False

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was entered in a row."""
        return not (
            self.known or self.sku or self.price or self.sale_price or self.stock or any(self.options)
        )


@dataclass
class ProductForm:
    """A whole form as it was entered."""

    slug: str = ""
    name: str = ""
    category: str = ""
    tax_class: str = ""
    added: str = ""
    visible: bool = False
    text: str = ""
    options: list[str] = field(default_factory=lambda: [""])  # their names
    rows: list[VariantFormRow] = field(default_factory=lambda: [VariantFormRow(options=[""])])

    def take(self, part: str, other: "ProductForm") -> None:
        """Copy a part of another form."""
        setattr(
            self,
            "rows" if part == "variants" else part,
            getattr(other, "rows" if part == "variants" else part),
        )
        if part == "variants":
            self.options = other.options

    def add_option(self) -> None:
        """Add an empty option to every row."""
        if len(self.options) < MAX_OPTIONS:
            self.options.append("")
            for row in self.rows:
                row.options.append("")

    def add_variant(self) -> None:
        """Add an empty variant."""
        if len(self.rows) < MAX_VARIANTS:
            self.rows.append(VariantFormRow(options=[""] * len(self.options)))


# -- typed ------------------------------------------------------------------------------------------------


def read_typed(form: Form) -> ProductForm:
    """Return what was posted, without validation."""
    count = sum(1 for name in form.values if re.fullmatch(r"option\.[0-3]", name, re.ASCII)) or 1
    numbers = (number for number in range(MAX_VARIANTS + 4) if f"v.{number}.sku" in form.values)
    return ProductForm(
        slug=form.text("slug"),
        name=form.text("name"),
        category=form.text("category"),
        tax_class=form.text("tax_class"),
        added=form.text("added"),
        visible=form.text("visible") == "yes",
        text=form.lines("text"),
        options=[form.text(f"option.{number}") for number in range(count)],
        rows=[_row(form, f"v.{number}", count) for number in numbers],
    )


def _row(form: Form, name: str, count: int) -> VariantFormRow:
    return VariantFormRow(
        sku=form.text(f"{name}.sku"),
        options=[form.text(f"{name}.option.{number}") for number in range(count)],
        price=form.text(f"{name}.price"),
        sale_price=form.text(f"{name}.sale_price"),
        stock=form.text(f"{name}.stock"),
        known=form.text(f"{name}.known") == "yes",
        gone=form.text(f"{name}.gone") == "yes",
    )


def propose_slug(name: str) -> str:
    """Propose a slug for a name: "Grüner Tee" → "gruner-tee"; "" if it has no such letters."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")


# -- meant ------------------------------------------------------------------------------------------------


def to_draft(
    form_data: ProductForm, pictures: Sequence[Picture], stocks: Mapping[str, Stock]
) -> tuple[ProductDraft, dict[str, str]]:
    """Return a draft of what was entered, and its errors: name of the field → message.

    `stocks` has the SKUs' rows; a known variant keeps its stock.
    """
    reader = _FormReader(form_data, stocks)
    draft = ProductDraft(
        slug=form_data.slug,
        name=form_data.name,
        text=form_data.text,
        category=form_data.category,
        tax_class=form_data.tax_class,
        added=form_data.added or None,
        hidden=not form_data.visible,
        pictures=pictures,
        variants=reader.variants(),
    )
    for problem in validate_product(draft):
        reader.wrong(reader.name_of(problem.path), problem.message)
    return draft, reader.errors


class _FormReader:
    """Parses amounts, options and stock, and collects errors by the names of the fields."""

    def __init__(self, form_data: ProductForm, stocks: Mapping[str, Stock]) -> None:
        self.errors: dict[str, str] = {}
        self._typed = form_data
        self._stocks = stocks
        self._numbers = [n for n, row in enumerate(form_data.rows) if not row.gone and not row.is_empty]
        self._options = self._option_names()

    def wrong(self, name: str, message: str) -> None:
        """Add an error of a field; the first one stays."""
        self.errors.setdefault(name, message)

    def name_of(self, path: tuple[str | int, ...]) -> str:
        """Return the name of the field that an error's path leads to."""
        if path[0] != "variants" or len(path) == 1:
            return str(path[0])
        row, what = f"v.{self._numbers[int(path[1])]}", str(path[2])
        if what != "options":
            return f"{row}.{what}"
        places = [place for place, name in self._options.items() if name in path[3:]]
        return f"{row}.option.{places[0] if places else 0}"

    def variants(self) -> list[VariantDraft]:
        """Return the variants that stay."""
        return [self._variant(number, self._typed.rows[number]) for number in self._numbers]

    def _variant(self, number: int, row: VariantFormRow) -> VariantDraft:
        price = self._amount(f"v.{number}.price", row.price)
        return VariantDraft(
            sku=row.sku,
            options={name: row.options[place] for place, name in self._options.items()},
            # What cannot be parsed has an error already; a valid value lets the rest be validated.
            price=money.MAX_AMOUNT if price is None else price,
            sale_price=self._amount(f"v.{number}.sale_price", row.sale_price) if row.sale_price else None,
            stock=self._stock(number, row),
        )

    def _option_names(self) -> dict[int, str]:
        """Return the options that are used: index → name."""
        names: dict[int, str] = {}
        for place, name in enumerate(self._typed.options):
            if not name and not any(self._typed.rows[number].options[place] for number in self._numbers):
                continue
            if not name:
                self.wrong(f"option.{place}", "Please name this option, such as Size.")
            if name in names.values():
                self.wrong(f"option.{place}", f"The option {name} is used twice.")
            names[place] = name or f"Option {place + 1}"
        return names

    def _amount(self, name: str, text: str) -> int | None:
        try:
            return money.parse_user_amount(text, settings.currency)
        except ValueError as error:
            self.wrong(name, str(error) if text else "Please enter a price.")
            return None

    def _stock(self, number: int, row: VariantFormRow) -> int:
        stock = self._stocks.get(row.sku)
        name = f"v.{number}.stock"
        if stock is not None and stock.slug not in (None, self._typed.slug):
            self.wrong(f"v.{number}.sku", f"This SKU is used by the product “{stock.slug}”.")
        if row.known:
            return int(stock.available) if stock is not None else 0
        try:
            wanted = money.parse_whole_number(row.stock)
        except ValueError:
            self.wrong(name, "Please enter the stock as a whole number, 0 or more.")
            return 0
        if stock is not None and wanted != stock.available:
            left = f"{stock.available:.0f}"
            message = f"This SKU already has {left} in stock. Please enter {left}."
            self.wrong(name, message)
        return wanted


def stored_draft(product: Product, stocks: Mapping[str, Stock]) -> ProductDraft:
    """Return the draft that would leave a product unchanged."""
    variants = [(variant, stocks.get(variant["sku"])) for variant in product.variants]
    return ProductDraft(
        slug=product.slug,
        name=product.name,
        text=product.text,
        category=product.category,
        tax_class=product.tax_class,
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


def from_draft(draft: ProductDraft) -> ProductForm:
    """Return the form of a stored product."""
    names = list(draft.variants[0].options) if draft.variants else []
    return ProductForm(
        slug=draft.slug,
        name=draft.name,
        category=draft.category,
        tax_class=draft.tax_class,
        added=draft.added or "",
        visible=not draft.hidden,
        text=draft.text,
        options=names or [""],
        rows=[
            VariantFormRow(
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
    return money.to_decimal_string(amount, settings.currency)
