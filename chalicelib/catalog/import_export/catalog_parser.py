"""Turn the values of a catalog file into drafts, and collect its errors."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from chalicelib import clock, money
from chalicelib.catalog import categories as shop_categories
from chalicelib.catalog.categories import Category
from chalicelib.catalog.editing import absent_fields, category_editing, product_editing, product_validation
from chalicelib.catalog.editing.product_editing import StockMode, StockUpdate
from chalicelib.catalog.editing.product_validation import (
    PICTURE_KEY,
    ProductDraft,
    ValidationError,
    VariantDraft,
)
from chalicelib.catalog.images.validation import InvalidImage, check_picture, is_stored
from chalicelib.catalog.import_export import cell_values
from chalicelib.catalog.import_export.csv_reader import CATEGORY_NAMES
from chalicelib.catalog.import_export.located_values import (
    Document,
    FileProblem,
    LocatedValue,
    RepeatedValue,
)
from chalicelib.catalog.import_export.tax_cells import WrongTax, read_tax_class
from chalicelib.catalog.models import SLUG, Product, Stock, is_sku
from chalicelib.catalog.offers import Picture
from chalicelib.cleaning import clean_line, clean_lines
from chalicelib.config import settings
from chalicelib.database.reads import batch_get
from chalicelib.shop_settings import taxes
from chalicelib.taxes.home_rates import find_home_rate
from chalicelib.taxes.tax_classes import TaxClass

MAX_BATCH_SIZE = 100
FILE_FIELDS = {"categories", "products"}
CATEGORY_FIELDS = {"slug", "name", "text"}
PRODUCT_FIELDS = {
    "slug", "name", "text", "category", "tax_rate", "added", "hidden", "pictures", "variants", "tax_class",
}  # fmt: skip  # as in the file
VARIANT_FIELDS = {"sku", "options", "price", "sale_price", "stock"}
PICTURE_FIELDS = {"file", "alt"}


@dataclass(frozen=True)
class CheckedCatalog:
    """A valid file's content; its products name categories by current or former slugs."""

    categories: list[Category]
    names_alone: bool  # of a CSV file's categories, which have neither texts nor an order
    products: list[ProductDraft]
    pictures: dict[str, Path]  # by key
    source: str  # a sentence on the file's format and encoding
    digest: str  # of the file

    @property
    def steps(self) -> int:
        """Return the number of the import's steps."""
        return len(self.pictures) + len(self.products)

    def stock_update(self, mode: StockMode, run: str) -> StockUpdate:
        """Return what the import does to the stock of known SKUs; `run` identifies one import and its repetitions.

        A file adds its units once, however often it is imported, since it is unknown how far an interrupted run came.
        """
        return StockUpdate(mode, self.digest if mode is StockMode.ADD else run)


class CatalogParser:
    """Turns a file's tree into drafts, and collects its errors. Without a folder there are no picture files."""

    def __init__(self, folder: Path | None, faults: list[FileProblem]) -> None:
        self._folder = folder.resolve() if folder is not None else None
        self._faults = faults
        self._unread = {fault.place for fault in faults}
        self._pictures: dict[str, Path] = {}
        self._keys: dict[Path, str | InvalidImage] = {}
        self._known = shop_categories.read_categories()
        self._day_first: bool | None = None
        self._rules, self._today = taxes.current(), clock.today()

    def read(self, document: Document) -> CheckedCatalog:
        """Read everything."""
        tree = document.tree
        names_alone = isinstance(tree.value, dict) and CATEGORY_NAMES in tree.value
        fields = self._fields(tree, {CATEGORY_NAMES, "products"} if names_alone else FILE_FIELDS, set())
        given = self._list(fields.get(CATEGORY_NAMES if names_alone else "categories"))
        products = self._list(fields.get("products"))
        named = self._categories(given)
        self._day_first = _day_comes_first(products)
        drafts = _keep_absent_fields([self._product(node) for node in products])
        for node, draft in zip(products, drafts, strict=True):
            self._add_problems(node, product_validation.validate_product(draft))
        for each in document.repeated:
            self._check_repeated(each)
        self._check_slugs(products, drafts, named)
        self._check_skus(products, drafts)
        self._check_keys(products, drafts)
        return CheckedCatalog(named, names_alone, drafts, self._pictures, document.source, document.digest)

    # -- categories

    def _categories(self, nodes: list[LocatedValue]) -> list[Category]:
        named: dict[str, Category] = {}
        for node in nodes:
            fields = self._fields(node, CATEGORY_FIELDS, {"slug", "name"})
            slug = self._text(fields, "slug")
            known = shop_categories.find_category(slug, self._known)
            text = known.text if known is not None and "text" not in fields else self._text(fields, "text")
            category = Category(
                slug, self._text(fields, "name"), text, known.key if known is not None else ""
            )
            self._add_problems(node, category_editing.validate_category(category))
            if category.key in (each.key for each in named.values()):
                self._fault(node.find("slug"), f"The category “{slug}” is listed twice.")
            named[slug] = category
        all_keys = {category.key for category in (*named.values(), *self._known)}
        if nodes and len(all_keys) > category_editing.MAX_CATEGORIES:
            self._fault(nodes[0], f"The shop can have up to {category_editing.MAX_CATEGORIES} categories.")
        return list(named.values())

    # -- products

    def _product(self, node: LocatedValue) -> ProductDraft:
        fields = self._fields(node, PRODUCT_FIELDS, {"slug", "name", "category", "variants"})
        tax_class, possible_classes = self._tax_class(fields)
        absent = absent_fields.OF_PRODUCTS - fields.keys()
        return ProductDraft(
            slug=self._text(fields, "slug"),
            name=self._text(fields, "name"),
            text=self._text(fields, "text"),
            category=self._text(fields, "category"),
            tax_class=tax_class,
            added=self._date(fields),
            hidden=self._flag(fields.get("hidden")),
            pictures=self._product_pictures(self._list(fields.get("pictures"))),
            variants=[self._variant(each) for each in self._list(fields.get("variants"))],
            absent_fields=absent - {"tax_class"} if "tax_rate" in fields else absent,
            possible_classes=frozenset(possible_classes),
        )

    def _tax_class(self, fields: dict[str, LocatedValue]) -> tuple[str, list[TaxClass]]:
        name, rate = self._text(fields, "tax_class"), self._text(fields, "tax_rate")
        try:
            return read_tax_class(name, rate, self._rules, self._today)
        except WrongTax as error:
            self._fault(fields[error.field], str(error))
            return TaxClass.STANDARD, []

    def _variant(self, node: LocatedValue) -> VariantDraft:
        fields = self._fields(node, VARIANT_FIELDS, {"sku", "price", "stock"})
        options = self._fields(fields["options"], None, set()) if _is_present(fields.get("options")) else {}
        price = self._amount(fields.get("price"))
        return VariantDraft(
            sku=self._text(fields, "sku"),
            options={clean_line(name): self._text(options, name) for name in options},
            # An unreadable price is a fault already; the rest of the variant is checked with a valid one.
            price=money.MAX_AMOUNT if price is None else price,
            sale_price=self._amount(fields["sale_price"]) if _is_present(fields.get("sale_price")) else None,
            stock=self._stock(fields.get("stock")),
            absent_fields=absent_fields.OF_VARIANTS - fields.keys(),
        )

    def _product_pictures(self, nodes: list[LocatedValue]) -> list[Picture]:
        found = []
        for node in nodes:
            fields = self._fields(node, PICTURE_FIELDS, PICTURE_FIELDS)
            name = self._text(fields, "file")
            key = self._picture_key(node.find("file"), name) if name else None
            if key is not None:
                found.append(Picture(key, self._text(fields, "alt")))
        return found

    def _picture_key(self, node: LocatedValue, name: str) -> str | None:
        """Return a picture's key: that of a file in the folder, or one that the catalog file itself contains."""
        file = (self._folder / name).resolve() if self._folder is not None else None
        if PICTURE_KEY.fullmatch(name) and not (file is not None and file.exists()):
            return name  # `_check_keys` checks that it exists
        if file is None or self._folder is None:
            self._fault(
                node, f"{name} isn’t an image in this shop. Use the image names from an exported catalog."
            )
            return None
        if file not in self._keys:
            try:
                if not file.is_relative_to(self._folder):
                    raise InvalidImage(f"{name} is outside the catalog file’s folder.")
                self._keys[file] = check_picture(file)
            except InvalidImage as error:
                self._keys[file] = error
        key = self._keys[file]
        if isinstance(key, InvalidImage):
            self._fault(node, str(key))
            return None
        self._pictures[key] = file
        return key

    # -- across products

    def _check_repeated(self, repeated: RepeatedValue) -> None:
        """Compare the meaning of two cells: “no” and “NEIN” are the same, and so are two formats of a date."""
        name, first, again = repeated
        if first.place in self._unread:
            return
        meaning = self._meaning(name, again)
        if again.place not in self._unread and meaning != self._meaning(name, first):
            message = f"This differs from row {first.place.line}, the product’s first row. Leave it empty or enter the same value."
            self._faults.append(FileProblem(again.place, message))

    def _meaning(self, name: str, node: LocatedValue) -> object:
        fields = {name: node}
        if name == "pictures":
            pictures = [each.value for each in self._list(node)]
            return [(self._text(each, "file"), self._text(each, "alt")) for each in pictures]
        if name == "hidden":
            return self._flag(node)
        if name == "added":
            return self._date(fields)
        text = self._text(fields, name)
        if name == "tax_class":
            return text.lower() or TaxClass.STANDARD
        if name == "tax_rate":
            standard = find_home_rate(self._rules, TaxClass.STANDARD, self._today) or ""
            with suppress(ValueError):  # an invalid rate is reported at its first cell
                return money.parse_tax_rate(text or standard)
        if name == "category":
            category = shop_categories.find_category(text, self._known)
            return category.key if category is not None else text
        return text

    def _check_slugs(
        self, nodes: list[LocatedValue], drafts: list[ProductDraft], named: list[Category]
    ) -> None:
        seen: set[str] = set()
        categories = (*named, *self._known)
        for node, draft in zip(nodes, drafts, strict=True):
            if draft.slug in seen:
                self._fault(node.find("slug"), f"The product “{draft.slug}” is listed twice.")
            seen.add(draft.slug)
            if draft.category and shop_categories.find_category(draft.category, categories) is None:
                self._fault(node.find("category"), f"There is no category “{draft.category}”.")

    def _check_skus(self, nodes: list[LocatedValue], drafts: list[ProductDraft]) -> None:
        seen: dict[str, str] = {}
        owners = product_editing.products_by_sku(
            [variant.sku for draft in drafts for variant in draft.variants if variant.sku]
        )
        for node, draft in zip(nodes, drafts, strict=True):
            for number, variant in enumerate(draft.variants):
                if cell_values.is_scientific(variant.sku) and variant.sku not in owners:
                    place = node.find("variants", number, "sku")
                    message = f"A spreadsheet has changed a long number into {variant.sku}. Please format the column as text and enter the number again."
                    self._fault(place, message)
                owner = seen.setdefault(variant.sku, owners.get(variant.sku, draft.slug))
                if owner != draft.slug and variant.sku:
                    place = node.find("variants", number, "sku")
                    self._fault(place, f"The SKU {variant.sku} is used by the product “{owner}”.")

    def _check_keys(self, nodes: list[LocatedValue], drafts: list[ProductDraft]) -> None:
        """Check that pictures named by key exist: in the stored product, else in the media bucket."""
        there = set(self._pictures)
        for start in range(0, len(drafts), MAX_BATCH_SIZE):
            slugs = [
                draft.slug
                for draft in drafts[start : start + MAX_BATCH_SIZE]
                if draft.pictures and draft.slug
            ]
            for product in batch_get({Product: slugs})[Product].values():
                there |= {picture["key"] for picture in product.pictures}
        for node, draft in zip(nodes, drafts, strict=True):
            for picture in draft.pictures:
                if picture.key not in there and not is_stored(picture.key):
                    self._fault(node.find("pictures"), f"The file {picture.key} doesn’t exist.")
                there.add(picture.key)

    # -- values

    def _fields(
        self, node: LocatedValue, known: set[str] | None, required: set[str]
    ) -> dict[str, LocatedValue]:
        """Return the fields of an object; add faults if it is no object, for unknown and for missing fields."""
        if not isinstance(node.value, dict):
            self._fault(node, "Expected an object with fields.")
            return {}
        for name in node.value:
            if known is not None and name not in known:
                self._fault(
                    node.value[name],
                    f"“{name}” isn’t a known field. The fields are: {', '.join(sorted(known))}.",
                )
        for name in sorted(required - set(node.value)):
            self._fault(node, f"The field “{name}” is missing.")
        return node.value

    def _list(self, node: LocatedValue | None) -> list[LocatedValue]:
        if not _is_present(node):
            return []
        if not isinstance(node.value, list):
            self._fault(node, "Expected a list.")
            return []
        return node.value

    def _text(self, fields: dict[str, LocatedValue], name: str) -> str:
        node = fields.get(name)
        if node is None or node.value is None:
            return ""
        if not isinstance(node.value, str):
            self._fault(node, "Expected text in quotes.")
            return ""
        # Invisible characters and unusual white space come with pasted texts, and are no fault.
        return clean_lines(node.value) if name == "text" else clean_line(node.value)

    def _amount(self, node: LocatedValue | None) -> int | None:
        if node is None:
            return None
        if not isinstance(node.value, str):
            self._fault(node, 'Expected an amount in quotes, such as "12.90".')
            return None
        try:
            return money.parse_user_amount(clean_line(node.value), settings.currency)
        except ValueError as error:
            self._fault(node, str(error))
            return None

    def _stock(self, node: LocatedValue | None) -> int:
        if node is None:
            return 0
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return node.value
        try:
            return cell_values.read_quantity(clean_line(node.value) if isinstance(node.value, str) else "")
        except ValueError as error:
            self._fault(node, str(error))
            return 0

    def _date(self, fields: dict[str, LocatedValue]) -> str | None:
        text = self._text(fields, "added")
        try:
            return cell_values.read_date(text, self._day_first) if text else None
        except ValueError as error:
            self._fault(fields["added"], str(error))
            return None

    def _flag(self, node: LocatedValue | None) -> bool:
        if not _is_present(node):
            return False
        if isinstance(node.value, bool):
            return node.value
        try:
            return cell_values.read_flag(clean_line(node.value) if isinstance(node.value, str) else "")
        except ValueError as error:
            self._fault(node, str(error))
            return False

    def _fault(self, node: LocatedValue, message: str) -> None:
        self._faults.append(FileProblem(node.place, message))
        self._unread.add(node.place)

    def _add_problems(self, node: LocatedValue, problems: Iterator[ValidationError]) -> None:
        """Add a draft's errors, except those of values that could not be read."""
        faults = [FileProblem(node.find(*problem.path).place, problem.message) for problem in problems]
        self._faults += [fault for fault in faults if fault.place not in self._unread]


def _day_comes_first(products: list[LocatedValue]) -> bool | None:
    """Return whether 1/2/2026 is in February, by other dates of the file or by stored dates of its products."""
    added: dict[str, str] = {}
    for node in products:
        slug, text = node.find("slug").value, node.find("added").value
        if isinstance(slug, str) and isinstance(text, str) and SLUG.fullmatch(slug):
            added[slug] = clean_line(text)
    if cell_values.day_comes_first(added.values(), ()) is not None or not any(
        "/" in text or "-" in text for text in added.values()
    ):
        return cell_values.day_comes_first(added.values(), ())
    stored: dict[str, Product] = batch_get({Product: list(added)[:MAX_BATCH_SIZE]})[Product]
    return cell_values.day_comes_first((), [(added[slug], product.added) for slug, product in stored.items()])


def _keep_absent_fields(drafts: list[ProductDraft]) -> list[ProductDraft]:
    """Fill in the fields of stored products that the file leaves out, so that all products can be validated."""
    kept = []
    for start in range(0, len(drafts), MAX_BATCH_SIZE):
        some = drafts[start : start + MAX_BATCH_SIZE]
        asked = [each for each in some if absent_fields.has_absent_fields(each)]
        products = batch_get({Product: [each.slug for each in asked if SLUG.fullmatch(each.slug)]})[Product]
        skus = {variant.sku for each in asked if each.slug in products for variant in each.variants}
        stocks = batch_get({Stock: sorted(filter(is_sku, skus))})[Stock]
        kept += [absent_fields.keep_absent_fields(each, products.get(each.slug), stocks) for each in some]
    return kept


def _is_present(node: LocatedValue | None) -> TypeGuard[LocatedValue]:
    """Return whether a field is neither missing nor empty."""
    return node is not None and node.value not in (None, "")
