"""Loading products from a file: all of it or nothing, and never a sale undone."""

import json
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws import client
from chalicelib.catalog import service
from chalicelib.catalog.importer import BadCatalog, Report, load_catalog
from chalicelib.catalog.models import Listing, Product, Stock, Word
from chalicelib.catalog.service import Category, product_view, read_offers
from chalicelib.config import settings
from tests.catalog.goods import POTS, TEA, fill, pieces, product, sell, variant
from tests.counting import counted_calls

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'
DEMO = Path(__file__).parents[2] / "infra" / "local" / "demo" / "catalog.json"
Write = Callable[[str, str], Path]

CATALOG: dict[str, Any] = {
    "categories": [{"slug": "tea", "name": "Tea", "text": "Leaves."}, {"slug": "pots", "name": "Pots"}],
    "products": [
        {
            "slug": "sencha",
            "name": "Sencha, grün",
            "text": "Bright.\n\nGrassy.",
            "category": "tea",
            "tax_rate": "7",
            "added": "2026-10-01",
            "pictures": [{"file": "leaf.svg", "alt": "Leaves"}],
            "variants": [
                {"sku": "S-50", "options": {"Weight": "50 g"}, "price": "5.90", "stock": 10},
                {
                    "sku": "S-99",
                    "options": {"Weight": "99 g"},
                    "price": "9.90",
                    "sale_price": "8.90",
                    "stock": 4,
                },
            ],
        },
        {
            "slug": "pot",
            "name": "Pot",
            "category": "pots",
            "variants": [{"sku": "POT", "price": "49", "stock": 1}],
        },
    ],
}
CSV = """\
slug,name,text,category,category_name,tax_rate,added,hidden,pictures,sku,options,price,sale_price,stock
sencha,"Sencha, grün","Bright.

Grassy.",tea,Tea,7,2026-10-01,,leaf.svg = Leaves,S-50,Weight = 50 g,5.90,,10
pot,Pot,,pots,Pots,,,no,,POT,,49,,1
sencha,,,,,,,,,S-99,Weight = 99 g,9.90,8.90,4
"""


@pytest.fixture
def write(aws: object, tmp_path: Path) -> Write:
    """Write a file beside the picture leaf.svg."""
    (tmp_path / "leaf.svg").write_text(SVG)

    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8", newline="")
        return file

    return write


def everything() -> list[Any]:
    return [sorted(str(row.serialize()) for row in table.scan()) for table in (Product, Stock, Listing, Word)]


def faults(file: Path) -> list[str]:
    """Load a bad file, and make sure that nothing was written."""
    before = everything()
    with pytest.raises(BadCatalog) as caught:
        load_catalog(file)
    assert everything() == before
    assert "Contents" not in client("s3").list_objects_v2(Bucket=settings.media_bucket)
    return str(caught.value).split("\n")


def changed(**changes: Any) -> str:
    """Write the catalog with changes to its first product."""
    catalog = json.loads(json.dumps(CATALOG))
    catalog["products"][0].update(changes)
    return json.dumps(catalog, indent=1)


def place_of(text: str, part: str) -> str:
    before = text[: text.index(part)]
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


# -- what is right ----------------------------------------------------------------------------------------


def test_a_json_file_fills_the_shop(write: Write) -> None:
    assert load_catalog(write("shop.json", json.dumps(CATALOG))) == Report(added=2, changed=0, same=0)
    assert service.categories() == (Category("tea", "Tea", "Leaves."), Category("pots", "Pots", ""))
    view = product_view("sencha")
    assert (view.name, view.text, view.price, view.pictures[0].alt) == (
        "Sencha, grün",
        "Bright.\n\nGrassy.",
        590,
        "Leaves",
    )
    offers = read_offers({"S-99": "sencha", "POT": "pot"})
    assert (offers["S-99"].price, offers["S-99"].was, offers["S-99"].available) == (890, 990, 4)
    assert (offers["POT"].price, offers["POT"].tax_rate) == (4900, settings.shop.default_tax_rate)


def test_a_csv_file_says_the_same_as_a_json_file(write: Write) -> None:
    load_catalog(write("shop.json", json.dumps(CATALOG)))
    assert load_catalog(write("shop.csv", CSV)) == Report(added=0, changed=0, same=2)


def test_a_csv_file_fills_the_shop(write: Write) -> None:
    assert str(load_catalog(write("shop.csv", CSV))) == "2 added, 0 changed, 0 as they were"
    assert [category.name for category in service.categories()] == ["Tea", "Pots"]
    assert [each.label for each in product_view("sencha").variants] == ["50 g", "99 g"]
    assert pieces("POT") == 1


@pytest.mark.parametrize(("name", "text"), [("shop.json", json.dumps(CATALOG)), ("shop.csv", CSV)])
def test_a_second_run_changes_nothing(write: Write, name: str, text: str) -> None:
    file = write(name, text)
    load_catalog(file)
    before = everything()
    with counted_calls() as calls:
        assert str(load_catalog(file)) == "0 added, 0 changed, 2 as they were"
    assert everything() == before
    assert set(calls) <= {"GetItem", "BatchGetItem", "Query"}


def test_stock_counts_only_for_skus_that_are_new(write: Write) -> None:
    file = write("shop.json", json.dumps(CATALOG))
    load_catalog(file)
    sell("S-50", 7)
    load_catalog(file)
    assert pieces("S-50") == 3
    load_catalog(write("shop.json", changed(variants=[{"sku": "S-50", "price": "1", "stock": 500}])))
    assert pieces("S-50") == 3


def test_what_a_file_does_not_name_stays(write: Write) -> None:
    fill(product("other", category="pots"))
    load_catalog(write("shop.csv", "slug,name,category,sku,price,stock\nsencha,Sencha,tea,S,5,1\n"))
    assert service.categories() == (TEA, POTS)
    assert product_view("other").name == "Other"
    assert product_view("sencha").category_name == "Tea & herbs"


def test_the_files_categories_come_first_in_its_order(write: Write) -> None:
    fill()
    text = json.dumps({"categories": [{"slug": "new", "name": "New"}, {"slug": "pots", "name": "Jars"}]})
    assert load_catalog(write("shop.json", text)) == Report(0, 0, 0)
    assert service.categories() == (Category("new", "New", ""), Category("pots", "Jars", ""), TEA)


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_of_every_spreadsheet_are_read(write: Write, delimiter: str, ends: str, mark: str) -> None:
    rows = [["SKU", "slug ", "name", "category", "category_name", "price", "stock", "options"]]
    rows += [["S-1", "sencha", "Sencha", "tea", "Tea", "5.90", "1", "Size = M | Tin = Red"]]
    rows += [
        ["", "", "", "", "", "", "", ""],
        ["S-2", "sencha", "Sencha", "", "", "6", "2", "Size=L|Tin=Blue=ish"],
    ]
    load_catalog(write("shop.csv", mark + ends.join(delimiter.join(row) for row in rows) + ends))
    assert [each.options for each in product_view("sencha").variants] == [
        {"Size": "M", "Tin": "Red"},
        {"Size": "L", "Tin": "Blue=ish"},
    ]


def test_hidden_products_are_loaded_and_not_shown(write: Write) -> None:
    for name, text in (
        ("a.json", changed(hidden=True)),
        ("b.csv", CSV.replace("2026-10-01,,", "2026-10-01,Yes,")),
    ):
        load_catalog(write(name, text))
        stored = Product.get("sencha")
        assert stored.hidden


def test_pictures_are_stored_once_under_the_hash_of_their_content(write: Write) -> None:
    file = write("shop.json", json.dumps(CATALOG))
    load_catalog(file)
    key = product_view("sencha").pictures[0].key
    stored = client("s3").get_object(Bucket=settings.media_bucket, Key=key)
    assert stored["Body"].read().decode() == SVG
    assert stored["ContentType"] == "image/svg+xml"
    assert stored["CacheControl"] == "public, max-age=31536000, immutable"
    load_catalog(file)
    again = client("s3").head_object(Bucket=settings.media_bucket, Key=key)
    assert again["LastModified"] == stored["LastModified"]


def test_progress_is_told_to_the_end(write: Write) -> None:
    told: list[tuple[int, int]] = []
    load_catalog(write("shop.json", json.dumps(CATALOG)), lambda done, steps: told.append((done, steps)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_demo_catalog_loads_twice(aws: object) -> None:
    first = load_catalog(DEMO)
    assert first.added >= 24
    assert load_catalog(DEMO) == Report(added=0, changed=0, same=first.added)


# -- what is wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "at", "words"),
    [
        ({"slug": "a b"}, '"a b"', "The slug may have"),
        ({"name": ""}, '""', "must not be empty"),
        ({"name": 7}, "7,", "Text in quotes"),
        ({"category": "coffee"}, '"coffee"', "no category “coffee”"),
        ({"tax_rate": "19 %"}, '"19 %"', "not a tax rate"),
        ({"tax_rate": 19}, "19,", "Text in quotes"),
        ({"added": "1.10.2026"}, '"1.10.2026"', "not a date"),
        ({"hidden": "perhaps"}, '"perhaps"', "yes or no"),
        ({"colour": "red"}, '"red"', "“colour” is no field"),
        ({"pictures": {"a": 1}}, '{\n    "a"', "A list is expected"),
        ({"pictures": [{"file": "no.svg", "alt": "x"}]}, '"no.svg"', "no file no.svg"),
        ({"pictures": [{"file": "leaf.svg", "alt": ""}]}, '""', "must not be empty"),
        ({"pictures": [{"file": "../../../../etc/passwd", "alt": "x"}]}, '"../../', "outside"),
        ({"pictures": [{"file": "/etc/hostname", "alt": "x"}]}, '"/etc', "outside"),
        ({"variants": []}, "[]", "1 to 40 variants, not 0"),
        ({"variants": "S"}, '"S"', "A list is expected"),
        ({"variants": ["S"]}, '"S"', "An object"),
        ({"variants": [{"sku": "S", "price": 5.9, "stock": 1}]}, "5.9", "in quotes"),
        ({"variants": [{"sku": "S", "price": "5,90", "stock": 1}]}, '"5,90"', "not an amount such as 12.90"),
        ({"variants": [{"sku": "S", "price": "-1", "stock": 1}]}, '"-1"', "not an amount"),
        ({"variants": [{"sku": "S", "price": "0", "stock": 1}]}, '"0"', "more than nothing"),
        ({"variants": [{"sku": "S", "price": "5.999", "stock": 1}]}, '"5.999"', "not an amount"),
        (
            {"variants": [{"sku": "S", "price": "5", "sale_price": "5", "stock": 1}]},
            '"5",\n     "stock"',
            "below the price",
        ),
        ({"variants": [{"sku": "S", "price": "5", "stock": -7}]}, "-7", "from 0 to"),
        ({"variants": [{"sku": "S", "price": "5", "stock": 1.5}]}, "1.5", "whole number"),
        ({"variants": [{"sku": "S", "price": "5", "stock": True}]}, "true", "whole number"),
        ({"variants": [{"sku": "S/1", "price": "5", "stock": 1}]}, '"S/1"', "A SKU may have"),
        ({"variants": [{"sku": "POT", "price": "5", "stock": 1}]}, '"POT"', None),
        (
            {"variants": [{"sku": "S", "options": ["M"], "price": "5", "stock": 1}]},
            '[\n      "M"',
            "An object",
        ),
        (
            {"variants": [{"sku": "S", "options": {"Size": 5}, "price": "5", "stock": 1}]},
            "5\n",
            "Text in quotes",
        ),
    ],
)
def test_a_fault_in_a_json_file_is_told_with_its_place(
    write: Write, changes: dict[str, Any], at: str, words: str | None
) -> None:
    text = changed(**changes)
    told = faults(write("shop.json", text))
    assert len(told) == 1, told
    if words is None:  # the SKU of the pot: the second product that has it is at fault
        assert "belongs to the product “sencha”" in told[0]
    else:
        assert told[0].startswith(place_of(text, at) + ": ")
        assert words in told[0]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "line 1, column 1", "not JSON"),
        ("{", "line 1, column 2", "name in quotes"),
        ('{"products": [}', "line 1, column 15", "not JSON"),
        ('{\n "products": []\n} x', "line 3, column 3", "after the end"),
        ('{"products": [] "a": 1}', "line 1, column 17", "A comma or }"),
        ('{"products" []}', "line 1, column 13", "colon"),
        ('{"products": [NaN]}', "line 1, column 15", "cannot be read"),
        ('{"products": [' + "9" * 5000 + "]}", "line 1, column 15", "cannot be read"),
        ("[" * 100_000, "line 1, column 21", "too deeply"),
        ('{"products": [], "products": []}', "line 1, column 18", "there twice"),
        ('{"products": ["a\nb"]}', "line 1, column 17", "not JSON"),
        ("[]", "line 1, column 1", "An object"),
        ('{"product": []}', "line 1, column 13", "“product” is no field"),
        ('{"products": [{}]}', "line 1, column 15", "“category” is missing"),
    ],
)
def test_what_is_no_catalog_is_told_with_its_place(write: Write, text: str, place: str, words: str) -> None:
    told = faults(write("shop.json", text))
    assert told[0].startswith(f"{place}: ")
    assert words in told[0]


HEAD = "slug,name,category,tax_rate,hidden,pictures,sku,options,price,sale_price,stock\n"
GOOD = "pot,Pot,tea,,,,POT,,49,,1\n"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "line 1, column 1", "The file is empty"),
        ("slug;name\n", "line 1, column 1: ", "Columns are missing: category, sku, price, stock"),
        ("slug,colour\n", "line 1, column 2", "“colour” is no column"),
        ("slug,name,slug\n", "line 1, column 1", "there twice"),
        (HEAD + "pot,Pot\n", "line 2, column 1", "2 cells, but there are 11 columns"),
        (HEAD + GOOD + 'x,"Pot', "line 3, column 1", "not CSV"),
        (HEAD + 'x,"Pot"y,tea,,,,X,,5,,1\n', "line 2, column 1", "not CSV"),
        (HEAD + ",Pot,tea,,,,POT,,5,,1\n", "line 2, column 1 (slug)", "The slug may have"),
        (HEAD + "pot,,tea,,,,POT,,5,,1\n", "line 2, column 2 (name)", "must not be empty"),
        (HEAD + "pot,Pot,mugs,,,,POT,,5,,1\n", "line 2, column 3 (category)", "no category “mugs”"),
        (HEAD + "pot,Pot,tea,x,,,POT,,5,,1\n", "line 2, column 4 (tax_rate)", "not a tax rate"),
        (HEAD + "pot,Pot,tea,,maybe,,POT,,5,,1\n", "line 2, column 5 (hidden)", "yes or no"),
        (HEAD + "pot,Pot,tea,,,leaf.svg,POT,,5,,1\n", "line 2, column 6 (pictures)", "should look like"),
        (HEAD + "pot,Pot,tea,,,no.svg = No,POT,,5,,1\n", "line 2, column 6 (pictures)", "no file no.svg"),
        (HEAD + "pot,Pot,tea,,,,,,5,,1\n", "line 2, column 7 (sku)", "A SKU may have"),
        (HEAD + "pot,Pot,tea,,,,POT,Size,5,,1\n", "line 2, column 8 (options)", "should look like"),
        (HEAD + "pot,Pot,tea,,,,POT,A=1|A=2,5,,1\n", "line 2, column 8 (options)", "should look like"),
        (HEAD + 'pot,Pot,tea,,,,POT,,"5,90",,1\n', "line 2, column 9 (price)", "not an amount such as 12.90"),
        (HEAD + "pot,Pot,tea,,,,POT,,,,1\n", "line 2, column 9 (price)", "not an amount"),
        (HEAD + "pot,Pot,tea,,,,POT,,5,6,1\n", "line 2, column 10 (sale_price)", "below the price"),
        (HEAD + "pot,Pot,tea,,,,POT,,5,,-1\n", "line 2, column 11 (stock)", "whole number"),
        (HEAD + "pot,Pot,tea,,,,POT,,5,,\n", "line 2, column 11 (stock)", "whole number"),
        (
            HEAD + GOOD + "cup,Cup,tea,,,,POT,,5,,1\n",
            "line 3, column 7 (sku)",
            "belongs to the product “pot”",
        ),
        (HEAD + GOOD + "pot,Jar,,,,,P-2,A=1,5,,1\n", "line 3, column 2 (name)", "differs from line 2"),
        (HEAD + GOOD + "pot,,,,,,POT,,5,,1\n", "line 3, column 7 (sku)", "there twice"),
        (HEAD + '"\n\npot","Pot\nPot",tea,,,,POT,,x,,1\n', "line 5, column 9 (price)", None),
    ],
)
def test_a_fault_in_a_csv_file_is_told_with_its_place(
    write: Write, text: str, place: str, words: str | None
) -> None:
    fill()
    told = faults(write("shop.csv", text))
    assert any(line.startswith(place) and (words or "not an amount") in line for line in told), told


def test_every_fault_is_told_at_once_in_the_files_order(write: Write) -> None:
    fill()
    text = HEAD + "a b,,tea,x,,,S/1,,0,,-1\n" + "pot,Pot,coffee,,,,POT,,5,9,1\n"
    assert [line.partition(":")[0] for line in faults(write("shop.csv", text))] == [
        "line 2, column 1 (slug)",
        "line 2, column 2 (name)",
        "line 2, column 4 (tax_rate)",
        "line 2, column 7 (sku)",
        "line 2, column 9 (price)",
        "line 2, column 11 (stock)",
        "line 3, column 3 (category)",
        "line 3, column 10 (sale_price)",
    ]


def test_a_flood_of_faults_is_cut(write: Write) -> None:
    fill()
    told = faults(write("shop.csv", HEAD + "".join(f"p{n},P,tea,,,,P{n},,x,,1\n" for n in range(150))))
    assert len(told) == 101
    assert told[-1] == "… and 50 more"


def test_products_and_categories_that_are_there_twice_are_told(write: Write) -> None:
    catalog = json.loads(json.dumps(CATALOG))
    catalog["categories"].append({"slug": "tea", "name": "Again"})
    catalog["products"].append(
        {**catalog["products"][1], "variants": [{"sku": "NEW", "price": "1", "stock": 0}]}
    )
    told = faults(write("shop.json", json.dumps(catalog, indent=1)))
    assert [
        "The category “tea” is there twice." in told[0],
        "The product “pot” is there twice." in told[1],
    ] == [True] * 2


def test_a_sku_of_a_product_that_is_in_the_shop_is_told(write: Write) -> None:
    fill(product("mug", variant("MUG")))
    told = faults(write("shop.csv", HEAD + "pot,Pot,tea,,,,MUG,,5,,1\n"))
    assert told == ["line 2, column 7 (sku): The SKU MUG belongs to the product “mug”."]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (HEAD.encode() + "pot,K\xf6nigin".encode("latin-1"), "line 2, column 6: This is not UTF-8"),
        (HEAD.encode("utf-16"), "line 1, column 1: This is not UTF-8"),
        (b"\x00" * 100, "line 1, column 1: "),
        (HEAD.encode() + b"pot," + b"x" * 200_000 + b"\n", "line 2, column 1: From here on this is not CSV"),
    ],
)
def test_bytes_that_are_no_text_are_told_with_their_place(
    write: Write, tmp_path: Path, data: bytes, said: str
) -> None:
    file = tmp_path / "shop.csv"
    file.write_bytes(data)
    assert faults(file)[0].startswith(said)


def test_a_file_that_is_not_there_or_of_another_kind_is_told(write: Write, tmp_path: Path) -> None:
    assert "No such file" in faults(tmp_path / "none.csv")[0]
    assert "Is a directory" in faults(tmp_path)[0]
    assert "must end in .json or .csv" in faults(write("shop.xlsx", CSV))[0]


@pytest.mark.parametrize("seed", range(20))
def test_no_damaged_file_is_anything_but_refused_or_loaded(write: Write, seed: int) -> None:
    """Change, drop and insert characters at random: the loader answers with faults, not with a crash."""
    chance = random.Random(seed)
    name, text = chance.choice([("shop.json", json.dumps(CATALOG, indent=1)), ("shop.csv", CSV)])
    letters = list(text)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(letters))
        letters[at : at + chance.randint(0, 2)] = chance.choice(
            [*string.printable, "\ufeff", "\u2028", "é", ""]
        )
    file = write(name, "".join(letters))
    try:
        load_catalog(file)
    except BadCatalog:
        assert faults(file)[0].startswith("line ")
