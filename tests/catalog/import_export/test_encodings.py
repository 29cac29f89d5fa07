"""A file in the encoding of any country's Windows or Mac is read as it was written, or refused."""

import pytest

from chalicelib.catalog.import_export.encodings import find_encoding
from chalicelib.catalog.import_export.importer import CatalogErrors, check_csv
from chalicelib.catalog.import_export.preview import preview_of
from tests.catalog.product_factory import fill, product

pytestmark = pytest.mark.usefixtures("aws")
HEAD = "slug;name;text;category;sku;price;stock\n"


def file_of(name: str, text: str) -> str:
    """Write a file of one product."""
    return f"{HEAD}tea;{name};{text};tea;TEA;5;10\n"


@pytest.mark.parametrize(
    ("encoding", "name", "text"),
    [
        ("cp1250", "Łyżka", "Ręcznie robiona"),
        ("cp1250", "Żółta łyżka", "Filiżanka śniadaniowa, biała. Nadaje się do zmywarki."),
        ("cp1250", "Dřevěná lžíce", "Ručně vyráběná"),
        ("cp1250", "Lyžica", "Ručná práca, modrá šálka"),
        ("cp1250", "Tűzálló bögre", "Fehér, főző"),
        ("cp1250", "Drvena žlica", "Ručno rađena šalica za kuću"),
        ("cp1250", "Ceaşcă", "Cană albă cu model ţărănesc"),
        ("cp1251", "Ложка", "Для мёда"),
        ("cp1251", "Дерев'яна ложка", "Для меду, їжа"),
        ("cp1253", "Ξύλινο κουτάλι", "Χειροποίητο, για μέλι"),
        ("cp1254", "Kaşık", "Tahta"),
        ("cp1254", "Kahve fincanı", "El yapımı, ince işçilik. Mavi desenli, güzel."),
        ("cp1255", "כף עץ לדבש", "עבודת יד"),
        ("cp1257", "Šaukštas", "Medinis, rankų darbo"),
        ("mac_roman", "Löffel", "länglich, für Äpfel"),
        ("cp850", "Löffel", "länglich, für Äpfel"),
        ("cp850", "Cuillère à miel", "Faite à la main, élégante"),
        ("cp852", "Żółta łyżka", "Filiżanka śniadaniowa"),
    ],
)
def test_a_file_of_another_windows_or_mac_is_read_as_it_was_written(
    encoding: str, name: str, text: str
) -> None:
    fill()
    (draft,) = check_csv(file_of(name, text).encode(encoding)).products
    assert (draft.name, draft.text) == (name, text)


@pytest.mark.parametrize(
    "text",
    [
        "Löffel, Größe 2 – 5 € günstiger, „spülmaschinenfest“",
        "Cuillère à miel, L’Haÿ, à l’œuf, naïve",
        "¿Té o café? Señor Ñandú, año",
        "Colher de pau à mão, coração, açúcar",
        "Tazza più bella: è così, perché città",
        "Cullera feta a mà, col·lecció, això és",
        "Smørrebrød på Ærø, blåbær",
        "Käsintehty hääpäivä, yö, Åland",
        "Þvottaskál úr íslensku birki, æðardúnn",
        "Crème brûlée, Größe, Señor, São Paulo, smørrebrød, Škoda, Preis¹",
        "½ l, 3 × 5 µm, ±2, 10 °C, 20 £ – £5, §12, 3 m³, Nº 5, ©",
        "Café",
        "BüroMöbel",
    ],
)
def test_text_plausible_in_western_europe_is_read_as_western(text: str) -> None:
    found = find_encoding(file_of(text.replace(";", ","), "x").encode("cp1252"))
    assert found is not None
    assert found.codec == "cp1252"


@pytest.mark.parametrize(
    ("encoding", "name", "text"),
    [
        ("shift_jis", "木のスプーン", "蜂蜜用の手作りスプーン"),
        ("gbk", "木勺", "手工制作的蜂蜜勺，白色的杯子"),
        ("big5", "木湯匙", "手工製作的蜂蜜湯匙"),
        ("euc_kr", "나무 숟가락", "수제 꿀 숟가락"),
        ("cp874", "ช้อนไม้", "ทำด้วยมือ"),
        ("cp1256", "ملعقة خشبية للعسل", "صنع يدوي"),
    ],
)
def test_an_unrecognised_encoding_is_refused(encoding: str, name: str, text: str) -> None:
    fill()
    with pytest.raises(CatalogErrors, match=r"line 2, column 1: .*couldn’t recognise its encoding"):
        check_csv(file_of(name, text).encode(encoding))


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("Żółta łyżka", "¯ó³ta ³y¿ka"),
        ("Żółta łyżka", "?ó?ta ?y?ka"),
        ("Löffel", "LÃ¶ffel"),
        ("Löffel", "L”ffel"),
        ("Ложка для мёда", "Ëîæêà äëÿ ì¸äà"),
        ("Ложка для мёда", "????? ??? ????"),
    ],
)
@pytest.mark.parametrize("field", ["name", "text"])
def test_a_text_that_became_another_in_special_letters_alone_is_warned_of(
    field: str, was: str, now: str
) -> None:
    fill(product("tea", **{field: was}))
    values = {"name": "Tea", "text": "Grown on a hill.", field: now}
    (warning,) = preview_of(check_csv(file_of(**values).encode())).warnings
    assert warning.startswith("tea differs only in accented letters.")


@pytest.mark.parametrize(
    ("was", "now"),
    [("Tea", "Thé"), ("Чашка белая", "Чашка синяя"), ("Löffel", "Löffel, groß"), ("お茶", "お皿")],
)
def test_a_text_that_was_changed_is_not(was: str, now: str) -> None:
    fill(product("tea", name=was))
    assert preview_of(check_csv(file_of(now, "Grown on a hill.").encode())).warnings == []
