"""A product's pictures: their order and their words, and those that were sent and are not ready yet."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.catalog.editing.audit_fields import difference
from chalicelib.catalog.editing.product_editing import write_product
from chalicelib.catalog.editing.product_validation import LONGEST_ALT, MOST_PICTURES, text_problems
from chalicelib.catalog.models import SLUG, Product
from chalicelib.database.reads import get
from chalicelib.database.transactions import Refused, Transaction, Unknown, Witness, unseen
from chalicelib.errors import BadInput, Busy, NotFound

Change = Callable[[Product], None]


def get_product(slug: str) -> Product:
    """Read a product as it is now, a hidden one too. Raises NotFound."""
    product = get(Product, slug) if SLUG.fullmatch(slug) else None
    if product is None:
        raise NotFound("There is no such product.")
    return product


def problem_of_alt(alt: str) -> str | None:
    """Say what is wrong with a picture's words; None where nothing is."""
    return next((problem.words for problem in text_problems(("alt",), alt, LONGEST_ALT)), None)


def expect(slug: str, upload: str, alt: str, witness: Witness = unseen) -> None:
    """Note a picture that was sent; to note it twice changes nothing. Raises BadInput for too many or bad words."""
    problem = problem_of_alt(alt)
    if problem:
        raise BadInput(problem)

    def note(product: Product) -> None:
        if any(each["upload"] == upload for each in product.arriving):
            return
        if len(product.pictures) + len(product.arriving) >= MOST_PICTURES:
            raise BadInput(f"A product has at most {MOST_PICTURES} pictures. Please remove one first.")
        product.arriving = [*product.arriving, {"upload": upload, "alt": alt, "problem": None}]

    change_pictures(slug, note, witness)


def is_expected(slug: str, upload: str) -> bool:
    """Tell whether a picture was sent and is neither ready nor refused."""
    return any(each["upload"] == upload and each["problem"] is None for each in get_product(slug).arriving)


def attach(slug: str, upload: str, key: str, witness: Witness = unseen) -> None:
    """Put a picture that is ready behind the others; nothing where it is no longer expected."""

    def put(product: Product) -> None:
        alt = next((each["alt"] for each in product.arriving if each["upload"] == upload), None)
        if alt is None:
            return
        product.arriving = _without(product.arriving, upload)
        others = [each for each in product.pictures if each["key"] != key]
        product.pictures = [*others, {"key": key, "alt": alt}]

    change_pictures(slug, put, witness)


def refuse(slug: str, upload: str, words: str) -> None:
    """Say of a picture that was sent why it is not taken."""

    def say(product: Product) -> None:
        product.arriving = [
            {**each, "problem": words} if each["upload"] == upload else each for each in product.arriving
        ]

    change_pictures(slug, say)


def forget_upload(slug: str, upload: str, witness: Witness = unseen) -> None:
    """Expect a picture no longer."""

    def forget(product: Product) -> None:
        product.arriving = _without(product.arriving, upload)

    change_pictures(slug, forget, witness)


def change_pictures(slug: str, change: Change, witness: Witness = unseen) -> None:
    """Change a product's pictures under its version; `change` may be called again, on the product as it then is.

    Raises what `change` raises, NotFound, and Busy where others keep changing the same product.
    """
    for _ in range(5):
        old = get_product(slug)
        product = Product.from_raw_data(old.serialize())
        change(product)
        before, after = difference(_told(old), _told(product))
        if not before and not after:
            return
        product.version = old.version + 1
        transaction = Transaction()
        write_product(transaction, product, old)
        witness(transaction, f"product {slug}", before, after)
        try:
            transaction.commit()
        except (Refused, Unknown):
            continue  # somebody else was quicker, or no answer came: read again
        return
    raise Busy("This product is being changed by somebody else. Please try again.")


def _told(product: Product) -> Mapping[str, Any]:
    return {
        "pictures": [f"{each['key']}: {each['alt']}" for each in product.pictures],
        "pictures on their way": [
            f"{each['upload']}: {each['alt']}" + (f" ({each['problem']})" if each["problem"] else "")
            for each in product.arriving
        ],
    }


def _without(arriving: Sequence[Mapping[str, Any]], upload: str) -> list[dict[str, Any]]:
    return [dict(each) for each in arriving if each["upload"] != upload]
