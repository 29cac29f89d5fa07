"""What spreadsheets of many countries save is read, and the file says how it was read."""

import csv
import datetime
import io
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.catalog.editing.product_editing import SaveResult
from chalicelib.catalog.import_export import cell_values, exporter
from chalicelib.catalog.import_export.csv_reader import COLUMNS
from chalicelib.catalog.import_export.file_reader import read_csv
from chalicelib.catalog.import_export.importer import (
    CatalogErrors,
    ImportReport,
    check_csv,
    load,
    load_catalog,
)
from chalicelib.catalog.import_export.preview import preview_of
from chalicelib.catalog.models import Product
from chalicelib.catalog.product_details import product_view
from chalicelib.config import settings
from chalicelib.taxes.rules import RateRow
from tests.catalog.import_export.catalog_files import everything
from tests.catalog.product_factory import fill, product, variant

pytestmark = pytest.mark.usefixtures("aws")
HEAD = "slug,name,category,category_name,sku,price,stock"


@pytest.fixture
def own_export() -> list[list[str]]:
    """Fill a shop with what spreadsheets like to change; return its catalog as rows."""
    fill(
        product("kännchen".replace("ä", "a"), variant("0012", price=129950), name="Kännchen „Größe 2“ – 1½"),
        product(
            "tea",
            variant("T/1 b", price=590, sale_price=450),
            text="- one\n- two; three\n\n=four",
            tax_class="books",
        ),
        product("pot", variant("=POT", price=4900), hidden=True, added="2026-10-13"),
    )
    return [list(COLUMNS), *(row for _, rows in exporter.catalog_rows() for row in rows)]


def without_halves(rows: list[list[str]]) -> list[list[str]]:
    """Save products again without a character that old Macs lack; return the rows."""
    fill(product("kannchen", variant("0012", price=129950), name="Kännchen „Größe 2“ – €"))
    return [[cell.replace("1½", "€") for cell in row] for row in rows]


def european(
    rows: list[list[str]], encoding: str, delimiter: str, ends: str, date: str = "{2}.{1}.{0}"
) -> bytes:
    """Save rows as a European spreadsheet does, which has understood amounts, dates and yes and no as its own."""
    header, *rest = rows
    saved = [header]
    for row in rest:
        cells = dict(zip(header, row, strict=True))
        cells["price"] = cells["price"].replace(".", ",").removesuffix(",00")
        cells["sale_price"] = cells["sale_price"].replace(".", ",")
        cells["tax_rate"] = cells["tax_rate"].replace(".", ",")
        cells["added"] = cells["added"] and date.format(*cells["added"].split("-"))
        saved.append(list(cells.values()))
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=ends).writerows(saved)
    return file.getvalue().encode(encoding)


@pytest.mark.parametrize(
    ("encoding", "delimiter", "ends", "said"),
    [
        (
            "cp1252",
            ";",
            "\r\n",
            "Read as Windows-1252 (Western European), with semicolons between cells.",
        ),
        ("utf-8-sig", ";", "\r\n", "Read as UTF-8, with semicolons between cells."),
        ("utf-16", "\t", "\r\n", "Read as UTF-16, with tabs between cells."),
        ("utf-16-le", "\t", "\n", "Read as UTF-16, with tabs between cells."),
        ("utf-8", ",", "\n", "Read as UTF-8, with commas between cells."),
        (
            "mac_roman",
            ";",
            "\r",
            "Read as Mac OS Roman (Western European), with semicolons between cells.",
        ),
        ("cp1252", ";", "\n", "Read as Windows-1252 (Western European), with semicolons between cells."),
        ("utf-8", "|", "\n", "Read as UTF-8, with bars between cells."),
    ],
)
def test_our_own_catalog_saved_by_a_european_spreadsheet_changes_nothing(
    own_export: list[list[str]], encoding: str, delimiter: str, ends: str, said: str
) -> None:
    rows = without_halves(own_export) if encoding == "mac_roman" else own_export
    data = european(rows, encoding, delimiter, ends)
    before = everything()

    checked = check_csv(data)

    assert checked.source == said
    assert preview_of(checked).summary == "3 products stay as they are."
    assert {outcome.value for outcome in load(checked) if outcome} == {"as it was"}
    assert everything() == before


# LibreOffice 7.4 set to German opened written.csv, whose numbers it was told to read as English, and saved it.
RECORDED = Path(__file__).parent / "spreadsheets"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("libreoffice-german-windows", "Read as Windows-1252 (Western European), with semicolons"),
        ("libreoffice-german-quoted", "Read as Windows-1252 (Western European), with semicolons"),
        ("libreoffice-german-unicode", "Read as UTF-16, with tabs"),
    ],
)
def test_a_file_saved_by_libreoffice_is_read_as_it_was_exported(name: str, said: str, setting: Any) -> None:
    rules = replace(
        settings.shop.tax_rules, corrections=(RateRow("DE", "books", "8.1", datetime.date(2026, 1, 1)),)
    )
    setting(shop=replace(settings.shop, tax_rules=rules))  # a rate with a decimal
    written = load_catalog(RECORDED / "written.csv")
    checked = check_csv((RECORDED / f"{name}.csv").read_bytes())

    assert checked.source.startswith(said)
    assert preview_of(checked).summary == "3 products stay as they are."
    assert (written.added, list(load(checked))) == (3, [SaveResult.SAME] * 3)


@pytest.mark.parametrize("date", ["{1}/{2}/{0}", "{2}/{1}/{0}", "{2}-{1}-{0}", "{2}.{1}.26", "{0}/{1}/{2}"])
def test_dates_are_understood_as_the_file_writes_them(own_export: list[list[str]], date: str) -> None:
    checked = check_csv(european(own_export, "utf-8", ";", "\r\n", date))

    assert preview_of(checked).summary == "3 products stay as they are."


def test_dates_that_may_be_two_are_known_by_what_the_shop_has(own_export: list[list[str]]) -> None:
    fill(product("pot", variant("=POT", price=4900), hidden=True, added="2026-10-02"))
    rows = [list(COLUMNS), *(row for _, some in exporter.catalog_rows() for row in some)]

    for date in ("{1}/{2}/{0}", "{2}/{1}/{0}"):
        assert preview_of(check_csv(european(rows, "utf-8", ";", "\r\n", date))).counts == {}


def test_a_date_that_may_be_two_is_asked_about() -> None:
    fill()
    with pytest.raises(CatalogErrors) as caught:
        check_csv(b"slug,name,category,sku,price,stock,added\ncup,Cup,tea,CUP,5,1,2/10/2026\n")
    assert "“2/10/2026” could be 2026-02-10 or 2026-10-02" in str(caught.value)
    with pytest.raises(ValueError, match="isn’t a date"):
        cell_values.read_date("31.02.2026", None)


@pytest.mark.parametrize(
    "text",
    [
        "2026. 11. 01.",
        "2026.11.01.",
        "2026. 11. 1. 0:00:00",
        "1.11.2026.",
        "1. 11. 2026.",
        "1.11.2026 г.",
        "1.11.2026 г. 0:00:00",
        "01.11.2026 r.",
        "1.11.2026 0:00",
        "2026-11-01 0:00:00",
    ],
)
def test_a_date_in_a_countrys_short_form_is_understood(text: str) -> None:
    assert cell_values.read_date(text, None) == "2026-11-01"


def test_midnight_with_one_digit_is_no_part_of_a_date() -> None:
    assert cell_values.read_date("13/11/2026 0:00:00", None) == "2026-11-13"
    assert cell_values.read_date("01/11/2026 0:00:00", True) == "2026-11-01"
    assert cell_values.day_comes_first(["01/11/2026 0:00:00", "13/11/2026 0:00:00"], ()) is True
    with pytest.raises(ValueError, match="could be 2026-01-11 or 2026-11-01"):
        cell_values.read_date("01/11/2026 0:00:00", None)


@pytest.mark.parametrize(
    "text", ["26.11.01.", "1.11.26 г.", "1/11/2026.", "2026/11/01.", "1.11.2026 10:00", "1.11.2026 x."]
)
def test_an_ambiguous_date_or_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="isn’t a date"):
        cell_values.read_date(text, True)


@pytest.mark.parametrize("empty", [";;;;;;\r\n", "\r\n", " ; ;\r\n\r\n", "sep=;\r\n;;;\r\n"])
def test_the_first_row_that_is_not_empty_names_the_columns(empty: str) -> None:
    fill()
    text = f"{empty}slug;name;category;sku;price;stock\r\ncup;Cup, white;tea;CUP;5,90;1\r\n"

    checked = check_csv(text.encode())

    assert checked.source == "Read as UTF-8, with semicolons between cells."
    assert list(map(str, load(checked))) == ["SaveResult.ADDED"]


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\r\n', "sep=;\n", "SEP=;\r"])
def test_excels_line_that_names_the_separator_is_no_row(first: str) -> None:
    fill()
    text = (
        first
        + "slug;name, long;category".replace(", long", "")
        + ";sku;price;stock\r\ncup;Cup;tea;CUP;x;1\r\n"
    )
    with pytest.raises(CatalogErrors) as caught:
        check_csv(text.encode("utf-8-sig"))
    assert str(caught.value).startswith("row 2, column E (price), SKU CUP: “x” is not an amount")


def test_what_spreadsheets_leave_around_a_table_is_no_part_of_it() -> None:
    fill()
    text = (
        "\ufeffSlug ;Name;Category;SKU;Price;Sale Price;Stock;Tax-Rate;Hidden;;\r\n"
        ";;;;;;;;;;\r\n"
        "cup;Cup;tea;CUP;1.299,50 €;;12,0;19 %;FALSCH;;\r\n"
        "jar;Jar;tea;JAR;5\r\n".replace("JAR;5", "JAR;5;4,50;1 200")
        + ";;;;;;;;;;\r\n;;\r\n"
    )

    assert list(map(str, load(check_csv(text.encode())))) == ["SaveResult.ADDED"] * 2

    cup, jar = product_view("cup"), product_view("jar")
    assert (cup.price, cup.variants[0].sku, Product.get("cup").tax_class) == (129950, "CUP", "standard")
    assert (jar.price, jar.variants[0].was) == (450, 500)


def test_rows_are_counted_as_a_spreadsheet_does(write: Callable[[str, str], Path]) -> None:
    text = f'{HEAD}\n\ncup,"Cup\nand\nsaucer",tea,Tea,CUP,5,1\n\njar,Jar,tea,,JAR,x,1\n'
    with pytest.raises(CatalogErrors) as caught:
        load_catalog(write("shop.csv", text))
    assert [str(fault).partition(":")[0] for fault in caught.value.faults] == [
        "row 5, column F (price), SKU JAR"
    ]


YES = """
    1 TRUE yes WAHR ja VRAI oui VERO sì si sí VERDADERO VERDADEIRO sim WAAR PRAWDA tak PRAVDA ano áno ÁNO IGAZ igen SANT SANN
    SAND TOSI kyllä ИСТИНА да ІСТИНА так DOĞRU evet ADEVĂRAT da ΑΛΗΘΗΣ ναι TÕENE １
"""
NO = """
    0 FALSE no FALSCH Nein FAUX non FALSO não NÃO ONWAAR nee FAŁSZ nie NEPRAVDA ne NE HAMIS nem FALSKT nej FALSK nei USANN
    EPÄTOSI ei ЛОЖЬ нет не ні YANLIŞ yanlış hayır HAYIR FALS nu ΨΕΥΔΗΣ όχι ΌΧΙ VÄÄR ０
"""


@pytest.mark.parametrize(
    ("word", "flag"), [*((word, True) for word in YES.split()), *((word, False) for word in NO.split())]
)
def test_yes_and_no_of_spreadsheets_are_understood(word: str, flag: bool) -> None:
    assert cell_values.read_flag(word) == flag
    assert cell_values.read_flag(unicodedata.normalize("NFD", word)) == flag


@pytest.mark.parametrize("word", ["vale", "maybe", "2", "-", "yes no", "hidden", "1²"])
def test_a_word_that_is_neither_yes_nor_no_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="yes or no"):
        cell_values.read_flag(word)


ERRORS = """
    #NAME? #REF! #VALUE! #DIV/0! #NUM! #NULL! #SPILL! #CALC! #FIELD! #BLOCKED! #N/A #NAZWA? #ADR! #ARG! #LICZBA! #N/D!
    #DZIEL/0! #WAARDE! #NAAM? #VERW! #DEEL/0! #¡VALOR! #¿NOMBRE? #¡REF! #¡DIV/0! #RIF! #NOME? #NAMN? #VÄRDEFEL! #SAKNAS!
    #ÉRTÉK! #NÉV? #HIV! #ZÉRÓOSZTÓ! #HIÁNYZIK #HODNOTA! #NÁZEV? #DĚLENÍ_NULOU! #NENÍ_K_DISPOZICI #ИМЯ? #ЗНАЧ! #ССЫЛКА!
    #ДЕЛ/0! #Н/Д #AD? #BAŞV! #SAYI/0! #YOK #NV #WERT! #BEZUG! #ZAHL! #NOM? #VALEUR! #NOMBRE! #PUUTTUU! #JAKO/0! #I/T
    #ΟΝΟΜΑ? #ΤΙΜΗ! ##### Err:502 Fehler:509
""".split()  # noqa: SIM905 - else one line each


def test_an_error_of_a_spreadsheet_in_any_language_is_no_text() -> None:
    row = {
        "slug": "jar",
        "name": "Jar",
        "text": "",
        "category": "tea",
        "category_name": "Tea",
        "sku": "JAR",
        "price": "5",
        "stock": "1",
    }
    errors = [*ERRORS, "#NOM ?", "#\u200bN/A"]
    rows = [
        {**row, "slug": f"jar-{number}", "sku": f"JAR-{number}", ("name", "text")[number % 2]: error}
        for number, error in enumerate(errors)
    ]
    table = "\n".join("\t".join(each) for each in (row, *(each.values() for each in rows)))
    with pytest.raises(CatalogErrors) as bad:
        check_csv(table.encode())
    said = str(bad.value)
    assert [
        error for error in errors if f"{error.replace(chr(0x200B), '')} is a spreadsheet error" not in said
    ] == []


@pytest.mark.parametrize(
    "name",
    ["#1 Mug", "#TEA", "#1!", "#1", "#Wow!", "#tea?", "#Tea!", "#?", "#!", "#A!", "#愛!", "TEA!", "#OH MY TEA!", "N/A tea",
     "C# IN 7 DAYS!", "## Tea", "#Tea/0!", "No. #TEA!", "#2GO!", "Err: tea"],
)  # fmt: skip
def test_a_name_with_a_number_sign_is_no_error_of_a_spreadsheet(name: str) -> None:
    assert not cell_values.is_spreadsheet_error(name)


def test_a_sku_that_the_shop_knows_is_never_taken_for_a_long_number() -> None:
    fill(product("tea", variant("1E+5")))
    text = "slug,name,category,sku,price,stock\n{},Tea,tea,{},5,10\n"

    assert check_csv(text.format("tea", "1E+5").encode()).products
    with pytest.raises(CatalogErrors) as caught:
        check_csv(text.format("cup", "4,01E+12").replace("4,01E+12", '"4,01E+12"').encode())
    assert "A spreadsheet has changed a long number into 4,01E+12" in str(caught.value)


def test_zeros_that_a_spreadsheet_has_dropped_are_asked_about() -> None:
    fill(product("cup", variant("0012")))

    preview = preview_of(
        check_csv(b"slug,name,category,sku,price,stock,text\ncup,Cup,tea,12,5,10,Grown on a hill.\n")
    )

    assert preview.warnings == ["12 is new and 0012 is missing: has a spreadsheet removed leading zeros?"]


@pytest.mark.parametrize("sample", ["woocommerce", "shopify", "spree"])
def test_a_file_of_another_shop_is_refused_in_words(sample: str) -> None:
    heads = {
        "woocommerce": "ID,Type,SKU,Name,Published,Regular price,Images",
        "shopify": "Handle,Title,Body (HTML),Vendor,Variant SKU,Variant Price",
        "spree": "slug,sku,name,price,compare_at_price,currency,status",
    }
    with pytest.raises(CatalogErrors) as caught:
        check_csv(f"{heads[sample]}\n1,2,3,4,5,6,7\n".encode())
    assert re.match(
        r"row 1, column [A-E]: “.*” aren’t known columns\. The columns are: slug, name", str(caught.value)
    )


def test_columns_are_named_as_spreadsheets_name_them() -> None:
    wide = ",".join([HEAD, *[""] * 25])
    with pytest.raises(CatalogErrors) as caught:
        check_csv(f"{wide}\n{',' * 30}x\n".encode())
    assert "row 2, column AE: “x” is in a column without a name." in str(caught.value)


def test_a_file_loaded_twice_says_the_same(write: Callable[[str, str], Path]) -> None:
    file = write("shop.tsv", HEAD.replace(",", "\t") + "\ncup\tCup\ttea\tTea\tCUP\t5,90\t1\n")

    assert load_catalog(file) == ImportReport(1, 0, 0)
    assert load_catalog(file) == ImportReport(0, 0, 1)
    assert read_csv(file.read_bytes(), []).source == "Read as UTF-8, with tabs between cells."
