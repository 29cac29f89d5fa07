"""Everything that is wrong with a file is told with its place, and nothing is written."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.catalog.import_export.catalog_files import CATALOG, CSV, Write, changed, faults

pytestmark = pytest.mark.usefixtures("standing")


@pytest.mark.parametrize(
    ("changes", "at", "words"),
    [
        ({"slug": "a b"}, "slug", "The slug must have"),
        ({"name": ""}, "name", "can’t be empty"),
        ({"name": 7}, "name", "Expected text in quotes"),
        ({"name": "Half a \ud83d"}, "name", "single line without control characters"),
        ({"text": "Half a \ud83d"}, "text", "control characters"),
        (
            {"variants": [{"sku": "S", "options": {"Size": "XL\ud83d"}, "price": "5", "stock": 1}]},
            "variants[0].options.Size",
            "single line without control characters",
        ),
        ({"category": "coffee"}, "category", "no category “coffee”"),
        ({"tax_rate": "19 pc"}, "tax_rate", "not a tax rate"),
        ({"tax_rate": 19}, "tax_rate", "Expected text in quotes"),
        (
            {"tax_rate": "8.1"},
            "tax_rate",
            "No tax class is taxed at 8.1%. The classes are: standard (19%), food (7%)",
        ),
        ({"tax_class": "luxury"}, "tax_class", "“luxury” isn’t a tax class. The classes are: standard (19%)"),
        (
            {"tax_class": "food", "tax_rate": "19"},
            "tax_class",
            "“food” is taxed at 7% at home, and tax_rate says 19%",
        ),
        ({"added": "10.2026"}, "added", "isn’t a date"),
        ({"hidden": "perhaps"}, "hidden", "yes or no"),
        ({"colour": "red"}, "colour", "“colour” isn’t a known field"),
        ({"pictures": {"a": 1}}, "pictures", "Expected a list"),
        ({"pictures": [{"file": "no.svg", "alt": "x"}]}, "pictures[0].file", "no.svg doesn’t exist"),
        ({"pictures": [{"file": "leaf.svg", "alt": ""}]}, "pictures[0].alt", "can’t be empty"),
        ({"pictures": [{"file": "../../../../etc/passwd", "alt": "x"}]}, "pictures[0].file", "outside"),
        ({"pictures": [{"file": "/etc/hostname", "alt": "x"}]}, "pictures[0].file", "outside"),
        ({"variants": []}, "variants", "1 to 36 variants, not 0"),
        ({"variants": "S"}, "variants", "Expected a list"),
        ({"variants": ["S"]}, "variants[0]", "Expected an object"),
        ({"variants": [{"sku": "S", "price": 5.9, "stock": 1}]}, "variants[0].price", "in quotes"),
        (
            {"variants": [{"sku": "S", "price": "5,9,0", "stock": 1}]},
            "variants[0].price",
            "not an amount such as 12.90",
        ),
        ({"variants": [{"sku": "S", "price": "-1", "stock": 1}]}, "variants[0].price", "not an amount"),
        ({"variants": [{"sku": "S", "price": "0", "stock": 1}]}, "variants[0].price", "above zero"),
        (
            {"variants": [{"sku": "S", "price": "5.999", "stock": 1}]},
            "variants[0].price",
            "could be 5999 or 5.999",
        ),
        (
            {"variants": [{"sku": "S", "price": "5", "sale_price": "5", "stock": 1}]},
            "variants[0].sale_price",
            "below the price",
        ),
        ({"variants": [{"sku": "S", "price": "5", "stock": -7}]}, "variants[0].stock", "from 0 to"),
        ({"variants": [{"sku": "S", "price": "5", "stock": 1.5}]}, "variants[0].stock", "whole number"),
        ({"variants": [{"sku": "S", "price": "5", "stock": True}]}, "variants[0].stock", "whole number"),
        ({"variants": [{"sku": "S", "price": "5", "stock": 10**30}]}, "variants[0].stock", "whole number"),
        ({"variants": [{"sku": "S", "price": "5", "stock": math.inf}]}, "variants[0].stock", "whole number"),
        (
            {"variants": [{"sku": "x" * 65, "price": "5", "stock": 1}]},
            "variants[0].sku",
            "A SKU must have 1 to 64",
        ),
        ({"variants": [{"sku": "POT", "price": "5", "stock": 1}]}, "", None),
        (
            {"variants": [{"sku": "S", "options": ["M"], "price": "5", "stock": 1}]},
            "variants[0].options",
            "Expected an object",
        ),
        (
            {"variants": [{"sku": "S", "options": {"Size": 5}, "price": "5", "stock": 1}]},
            "variants[0].options.Size",
            "Expected text in quotes",
        ),
    ],
)
def test_a_fault_in_a_json_file_is_reported_with_its_location(
    write: Write, changes: dict[str, Any], at: str, words: str | None
) -> None:
    told = faults(write("shop.json", changed(**changes)))
    assert len(told) == 1, told
    if words is None:  # the SKU of the pot: the second product that has it is at fault
        assert "is used by the product “sencha”" in told[0]
    else:
        assert told[0].startswith(f"products[0].{at}: ")
        assert words in told[0]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "line 1, column 1", "isn’t valid JSON"),
        ("{", "line 1, column 2", "property name enclosed in double quotes"),
        ('{"products": [}', "line 1, column 15", "isn’t valid JSON"),
        ('{\n "products": []\n} x', "line 3, column 3", "Extra data"),
        ('{"products": [] "a": 1}', "line 1, column 17", "Expecting ','"),
        ('{"products" []}', "line 1, column 13", "Expecting ':'"),
        ('{"products": [NaN]}', "products[0]", "Expected an object"),
        ('{"products": [' + "9" * 5000 + "]}", "products[0]", "Expected an object"),
        ("[" * 100_000, "line 1, column 1", "too deeply"),
        ('{"a": ' * 400 + "1" + "}" * 400, "a", "“a” isn’t a known field"),
        ('{"products": [], "products": []}', "products", "is listed twice"),
        ('{"products": ["a\nb"]}', "line 1, column 17", "isn’t valid JSON"),
        ("[]", "line 1, column 1", "Expected an object"),
        ('{"product": []}', "product", "“product” isn’t a known field"),
        ('{"products": [{}]}', "products[0]", "“category” is missing"),
    ],
)
def test_a_file_that_is_no_catalog_is_reported_with_its_location(
    write: Write, text: str, place: str, words: str
) -> None:
    told = faults(write("shop.json", text))
    assert told[0].startswith(f"{place}: ")
    assert words in told[0]


HEAD = "slug,name,category,tax_rate,hidden,pictures,sku,options,price,sale_price,stock\n"
GOOD = "pot,Pot,tea,,,,POT,,49,,1\n"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "line 1, column 1", "The file is empty"),
        ("slug;name\n", "row 1, column A: ", "Missing columns: category, sku, price, stock"),
        ("slug,colour\n", "row 1, column B", "“colour” isn’t a known column"),
        (
            "slug,colour,sku,weight\n",
            "row 1, column B",
            "“colour”, “weight” aren’t known columns. The columns",
        ),
        ("slug,name,slug\n", "row 1, column A", "is listed twice"),
        (HEAD + "pot,Pot\n", "row 2, column I (price)", "not an amount"),
        (HEAD + "pot,Pot,tea,,,,POT,,5,,1,x\n", "row 2, column L, SKU POT", "a column without a name"),
        (
            HEAD + "pot,#NAME?,tea,,,,POT,,5,,1\n",
            "row 2, column B (name), SKU POT",
            "spreadsheet error",
        ),
        (
            HEAD + "pot,Pot,tea,,,,POT,,#####,,1\n",
            "row 2, column I (price), SKU POT",
            "spreadsheet error",
        ),
        (HEAD + 'pot,Pot,tea,,,,"4,01E+12",,5,,1\n', "row 2, column G (sku)", "format the column as text"),
        (HEAD + 'pot,Pot,tea,,,,POT,,"1,299",,1\n', "row 2, column I (price)", "could be 1299 or 1.299"),
        (HEAD + "pot,Pot,tea,,,,POT,,5 $,,1\n", "row 2, column I (price)", "“5 $” is not an amount"),
        (
            HEAD + "pot,Pot,tea,,,,POT,,5,,1.000\n",
            "row 2, column K (stock)",
            "without thousands separators",
        ),
        (HEAD + GOOD + 'x,"Pot', "row 3, column A", "isn’t valid CSV from line 3 on"),
        (HEAD + 'x,"Pot"y,tea,,,,X,,5,,1\n', "row 2, column A", "isn’t valid CSV"),
        (HEAD + ",Pot,tea,,,,POT,,5,,1\n", "row 2, column A (slug)", "The slug must have"),
        (HEAD + "pot,,tea,,,,POT,,5,,1\n", "row 2, column B (name)", "can’t be empty"),
        (HEAD + "pot,Pot,mugs,,,,POT,,5,,1\n", "row 2, column C (category)", "no category “mugs”"),
        (HEAD + "pot,Pot,tea,x,,,POT,,5,,1\n", "row 2, column D (tax_rate)", "not a tax rate"),
        (HEAD + "pot,Pot,tea,,maybe,,POT,,5,,1\n", "row 2, column E (hidden)", "yes or no"),
        (HEAD + "pot,Pot,tea,,,leaf.svg,POT,,5,,1\n", "row 2, column F (pictures)", "should look like"),
        (
            HEAD + "pot,Pot,tea,,,no.svg = No,POT,,5,,1\n",
            "row 2, column F (pictures)",
            "no.svg doesn’t exist",
        ),
        (HEAD + "pot,Pot,tea,,,,,,5,,1\n", "row 2, column G (sku)", "A SKU must have 1 to 64"),
        (HEAD + "pot,Pot,tea,,,,POT,Size,5,,1\n", "row 2, column H (options)", "should look like"),
        (HEAD + "pot,Pot,tea,,,,POT,A=1|A=2,5,,1\n", "row 2, column H (options)", "should look like"),
        (HEAD + 'pot,Pot,tea,,,,POT,,"5,905",,1\n', "row 2, column I (price)", "could be 5905 or 5.905"),
        (HEAD + "pot,Pot,tea,,,,POT,,,,1\n", "row 2, column I (price)", "not an amount"),
        (HEAD + "pot,Pot,tea,,,,POT,,5,6,1\n", "row 2, column J (sale_price)", "below the price"),
        (HEAD + "pot,Pot,tea,,,,POT,,5,,-1\n", "row 2, column K (stock)", "whole number"),
        (HEAD + "pot,Pot,tea,,,,POT,,5,,\n", "row 2, column K (stock)", "whole number"),
        (
            HEAD + GOOD + "cup,Cup,tea,,,,POT,,5,,1\n",
            "row 3, column G (sku)",
            "is used by the product “pot”",
        ),
        (HEAD + GOOD + "pot,Jar,,,,,P-2,A=1,5,,1\n", "row 3, column B (name)", "differs from row 2"),
        (HEAD + GOOD + "pot,,,,,,POT,,5,,1\n", "row 3, column G (sku)", "is used twice"),
        (HEAD + '"\n\npot","Pot\nPot",tea,,,,POT,,x,,1\n', "row 2, column I (price)", None),
    ],
)
def test_a_fault_in_a_csv_file_is_reported_with_its_location(
    write: Write, text: str, place: str, words: str | None
) -> None:
    told = faults(write("shop.csv", text))
    assert any(line.startswith(place) and (words or "not an amount") in line for line in told), told


def test_all_faults_are_reported_together_in_the_files_order(write: Write) -> None:
    text = HEAD + "a b,,tea,x,,," + "S" * 65 + ",,0,,-1\n" + "pot,Pot,coffee,,,,POT,,5,9,1\n"
    assert [line.partition(":")[0].partition(", SKU")[0] for line in faults(write("shop.csv", text))] == [
        "row 2, column A (slug)",
        "row 2, column B (name)",
        "row 2, column D (tax_rate)",
        "row 2, column G (sku)",
        "row 2, column I (price)",
        "row 2, column K (stock)",
        "row 3, column C (category)",
        "row 3, column J (sale_price)",
    ]


def test_a_flood_of_faults_is_cut(write: Write) -> None:
    told = faults(write("shop.csv", HEAD + "".join(f"p{n},P,tea,,,,P{n},,x,,1\n" for n in range(150))))
    assert len(told) == 101
    assert told[-1] == "… and 50 more"


def test_products_and_categories_listed_twice_are_reported(write: Write) -> None:
    catalog = json.loads(json.dumps(CATALOG))
    catalog["categories"].append({"slug": "tea", "name": "Again"})
    catalog["products"].append(
        {**catalog["products"][1], "variants": [{"sku": "NEW", "price": "1", "stock": 0}]}
    )
    told = faults(write("shop.json", json.dumps(catalog, indent=1)))
    assert [
        "The category “tea” is listed twice." in told[0],
        "The product “pot” is listed twice." in told[1],
    ] == [True] * 2


def test_a_sku_of_another_stored_product_is_reported(write: Write) -> None:
    told = faults(write("shop.csv", HEAD + "pot,Pot,tea,,,,MUG,,5,,1\n"))
    assert told == ["row 2, column G (sku), SKU MUG: The SKU MUG is used by the product “mug”."]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (HEAD.encode() + b"pot,K\xf6nigin\x81", "line 2, column 1: The file isn’t encoded in UTF-8"),
        (b"\x00" * 100, "row 1, column A: "),
        (b"PK\x03\x04" + b"\x00" * 100, "line 1, column 1: This is a spreadsheet, not a CSV file"),
        (b"\xd0\xcf\x11\xe0" + b"\x00" * 100, "line 1, column 1: This is a spreadsheet, not a CSV file"),
        (HEAD.encode("utf-16")[:-1], "line 1, column 1: The file isn’t encoded in UTF-16"),
        (HEAD.encode() + b"pot," + b"x" * 200_000 + b"\n", "row 2, column A: The file isn’t valid CSV from"),
    ],
)
def test_undecodable_bytes_are_reported_with_their_location(
    write: Write, tmp_path: Path, data: bytes, said: str
) -> None:
    file = tmp_path / "shop.csv"
    file.write_bytes(data)
    assert faults(file)[0].startswith(said)


def test_a_missing_file_or_one_of_another_type_is_reported(write: Write, tmp_path: Path) -> None:
    assert "No such file" in faults(tmp_path / "none.csv")[0]
    assert "Is a directory" in faults(tmp_path)[0]
    assert "save it as CSV" in faults(write("shop.xlsx", CSV))[0]
    assert "must end in .json or .csv" in faults(write("shop.pdf", CSV))[0]
