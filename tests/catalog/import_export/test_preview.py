"""What a catalog file would change is shown so that a merchant sees it before the yes."""

import pytest

from chalicelib.aws import client
from chalicelib.catalog.import_export.importer import check_csv
from chalicelib.catalog.import_export.preview import MAX_SHOWN, Preview, preview_of
from chalicelib.catalog.offers import Picture
from chalicelib.config import settings
from tests.catalog.product_factory import fill, options, product, variant

pytestmark = pytest.mark.usefixtures("aws")
HEAD = "slug,name,text,category,category_name,tax_rate,added,sku,price,stock,pictures,options"
LEAF, CUP = (Picture(f"pictures/{digit * 16}.webp", alt) for digit, alt in (("1", "A leaf"), ("2", "A cup")))
LONG = "Picked by hand in spring, on a hill that looks to the south, and dried in the shade"


def looked(*rows: dict[str, str]) -> Preview:
    """Preview a file whose rows are the product tea, but for what is given."""
    as_it_is = {
        "slug": "tea", "name": "Tea", "text": "Grown on a hill.", "category": "tea", "category_name": "Tea & herbs",
        "tax_rate": "7", "added": "2026-10-01", "sku": "TEA", "price": "5", "stock": "10",
    }  # fmt: skip
    columns = HEAD.split(",")
    lines = [",".join(f'"{(as_it_is | row).get(name, "")}"' for name in columns) for row in rows]
    return preview_of(check_csv("\n".join([HEAD, *lines]).encode()))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (
            f"{LONG} of oaks.",
            f"{LONG} of elms.",
            "“…in the shade of oaks.” → “…in the shade of elms.”",
        ),
        (f"{LONG}.", LONG, "“…dried in the shade.” → “…dried in the shade”"),
        (
            "x" * 100 + "y" * 90,
            "x" * 100 + "z" * 90,
            f"“…{'x' * 20}{'y' * 40}…” → “…{'x' * 20}{'z' * 40}…”",
        ),
        (
            f"Green. {LONG}.",
            f"Black. {LONG}.",
            "“Green. Picked by hand in spring, on a hill that looks to the…”"
            " → “Black. Picked by hand in spring, on a hill that looks to the…”",
        ),
        ("One.\n\nTwo.", "One.\nTwo.", "changes in spaces and line breaks only"),
    ],
)
def test_a_changed_text_is_shown_where_it_differs(was: str, now: str, said: str) -> None:
    fill(product("tea", text=was))

    assert looked({"text": now}).changes == [f"tea: text {said}"]


def test_long_options_are_shown_where_they_differ() -> None:
    fill(product("tea", variant("TEA", options=options(**{"For those who like": "x" * 50 + " much"}))))

    preview = looked({"options": "For those who like = " + "x" * 50 + " less"})

    assert preview.changes == [f"TEA: options “…{'x' * 19} much” → “…{'x' * 19} less”"]


def test_a_category_whose_text_and_name_change_shows_both() -> None:
    fill(product("tea"))

    assert looked({"category_name": "Fine teas"}).changes == [
        "category tea: name “Tea & herbs” → “Fine teas”"
    ]


def test_an_old_file_without_a_picture_says_that_the_product_loses_it() -> None:
    fill(product("tea", pictures=[LEAF, CUP]))

    some = looked({"pictures": f"{CUP.key} = A cup"})
    none = looked({})

    assert (some.changes, some.summary) == (["tea loses the image “A leaf”"], "1 product losing images.")
    assert none.changes == ["tea loses the image “A leaf”, loses the image “A cup”"]


def test_added_moved_and_redescribed_pictures_are_distinguished() -> None:
    fill(product("tea", pictures=[LEAF, CUP]), product("pot", pictures=[Picture(LEAF.key, "Green")]))
    client("s3").put_object(Bucket=settings.media_bucket, Key=CUP.key, Body=b"webp")

    moved = looked({"pictures": f"{CUP.key} = A cup | {LEAF.key} = Two leaves"})
    added = looked(
        {"slug": "pot", "name": "Pot", "sku": "POT", "pictures": f"{LEAF.key} = Green | {CUP.key} = A cup"}
    )

    assert moved.changes == [
        "tea changes an alt text: “A leaf” → “Two leaves”, shows its images in a different order"
    ]
    assert added.changes == ["pot gets the image “A cup”"]
    assert added.summary == "1 product with changed images."


@pytest.mark.parametrize(
    "name", ["tea & Herbs", "Tea  & herbs", "Tea & herb", "Teas & herbs", "Tea and herbs"]
)
def test_a_new_category_of_nearly_the_same_name_is_warned_of(name: str) -> None:
    fill(product("tea"))

    preview = looked({"category": "teas", "category_name": name})

    shown = " ".join(name.split())
    assert preview.warnings == [
        f"category teas is new, “{shown}”, similar to “Tea & herbs”, which is category tea. Are they the same?"
    ]


def test_a_category_that_is_renamed_to_nearly_another_ones_name_is_warned_of() -> None:
    fill(product("tea"))

    preview = looked({}, {"slug": "pot", "sku": "POT", "category": "pots", "category_name": "Tea & herb"})

    assert preview.warnings == [
        "category pots is renamed, “Tea & herb”, similar to “Tea & herbs”, which is category tea. Are they the same?"
    ]


def test_the_second_of_two_similar_new_categories_gets_a_warning() -> None:
    fill(product("tea"))

    preview = looked(
        {"slug": "cup", "sku": "CUP", "category": "cups", "category_name": "Large cups"},
        {"slug": "mug", "sku": "MUG", "category": "cup", "category_name": "large cup"},
    )

    assert preview.warnings == [
        "category cup is new, “large cup”, similar to “Large cups”, which is category cups. Are they the same?"
    ]


def test_categories_that_swap_names_or_keep_similar_ones_are_not_warned_of() -> None:
    fill(product("tea"))

    swapped = looked(
        {"category_name": "Pots"},
        {"slug": "pot", "sku": "POT", "category": "pots", "category_name": "Tea & herbs"},
    )
    other = looked({"category": "cups", "category_name": "Cups"})

    assert (swapped.warnings, other.warnings) == ([], [])


def test_warnings_are_no_more_than_a_page_and_a_jobs_row_hold() -> None:
    preview = Preview("Read as UTF-8.")

    for number in range(2 * MAX_SHOWN):
        preview.warn(f"{number} is new where 0{number} goes")

    assert len(preview.warnings) == MAX_SHOWN
