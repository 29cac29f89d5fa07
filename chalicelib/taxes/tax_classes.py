"""What a product is for the tax office: the rate of its class differs by territory and day."""

from enum import StrEnum


class TaxClass(StrEnum):
    """A product's tax class; the first is that of products without one."""

    STANDARD = "standard"
    FOOD = "food"
    TEA = "tea"
    BOOKS = "books"
    PLANTS = "plants"
    REDUCED = "reduced"
    ZERO = "zero"


NAMES = {
    TaxClass.STANDARD: "Standard",
    TaxClass.FOOD: "Food",
    TaxClass.TEA: "Tea and coffee",
    TaxClass.BOOKS: "Printed books",
    TaxClass.PLANTS: "Plants and flowers",
    TaxClass.REDUCED: "Other goods at a reduced rate",
    TaxClass.ZERO: "Other goods at 0%",
}
# They name a rate of the shop's own country, not a kind of goods. What the same goods bear elsewhere is not known:
# without a row of the merchant's own it is the standard rate there, so that never too little is declared.
ONLY_AT_HOME = frozenset({TaxClass.REDUCED, TaxClass.ZERO})
# Where a table of the merchant's has no row for a class, as in the United States, the rate of the wider class counts.
WIDER: dict[str, TaxClass] = {each: TaxClass.STANDARD for each in TaxClass if each is not TaxClass.STANDARD}
WIDER[TaxClass.TEA] = TaxClass.FOOD
