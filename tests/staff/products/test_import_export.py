"""The catalog as a file, on the web: taken out, sent to S3, checked, loaded."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from html import unescape
from itertools import count
from re import findall, search
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from chalicelib.aws import client
from chalicelib.catalog.editing.product_editing import SaveResult, StockMode
from chalicelib.catalog.images.product_images import get_product
from chalicelib.catalog.import_export import importer
from chalicelib.catalog.models import Product
from chalicelib.config import settings
from chalicelib.database.transactions import OutcomeUnknown, no_audit
from chalicelib.shop_settings import store
from chalicelib.shop_settings.models import CURRENT, SettingsVersion
from chalicelib.shop_settings.taxes import TAXES
from chalicelib.staff import csv_response
from chalicelib.staff.jobs.job_worker import run_staff_job
from chalicelib.staff.models import Job
from chalicelib.staff.products import import_export, import_export_jobs
from chalicelib.taxes.rules import Mode
from tests.call_counter import counted_calls
from tests.catalog.import_export.catalog_files import everything
from tests.catalog.product_factory import sell
from tests.client import Answer, Shopper
from tests.dynamodb_faults import Ask, answers_lost, tampered
from tests.shop import Shop
from tests.staff.products.test_product_list import fields
from tests.staff.staff_client import trail

PATH = "/staff/catalog"


class Stay(urllib.request.HTTPRedirectHandler):
    """Follow no redirect."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def send_to_s3(page: Answer, data: bytes) -> tuple[int, str]:
    """Send a file by the page's form, as a browser does; return S3's status and where it leads."""
    form = page.body.partition('enctype="multipart/form-data"')
    action = search(r'action="([^"]+)"[^>]*$', form[0])
    assert action
    fields = findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form[2])
    body = b"".join(_part(f'name="{unescape(name)}"', unescape(value).encode()) for name, value in fields)
    body += _part('name="file"; filename="catalog.csv"\r\nContent-Type: text/csv', data) + b"--cut--\r\n"
    request = urllib.request.Request(unescape(action[1]), body)
    request.add_header("Content-Type", "multipart/form-data; boundary=cut")
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=10) as answer:
            return answer.status, answer.headers.get("Location", "")
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location", "")


def _part(name: str, value: bytes) -> bytes:
    return f"--cut\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode() + value + b"\r\n"


def sent_page(merchant: Shopper, data: bytes) -> Answer:
    """Send a file, and come back to the page that S3 leads to."""
    status, location = send_to_s3(merchant.get(PATH), data)
    assert status == 303, (status, location)
    assert location.startswith(f"{settings.public_url}{PATH}/sent?")
    return merchant.get(location.removeprefix(str(settings.public_url)))


def load(merchant: Shopper, shop: Shop, data: bytes, **typed: str) -> Answer:
    """Send a file, press the button, let the function run, and look at the job's page."""
    page = sent_page(merchant, data)
    answer = merchant.post(f"{PATH}/in", {"key": page.field("key"), "form": page.field("form"), **typed})
    shop.functions.drain("background-jobs")
    return merchant.follow(answer)


def taken_out(merchant: Shopper) -> bytes:
    """Download the catalog."""
    answer = merchant.post(f"{PATH}/out", {"form": merchant.get(PATH).field("form")})
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert search(
        r'attachment; filename="catalog-\d{4}-\d\d-\d\d\.csv"', answer.headers["content-disposition"]
    )
    assert answer.headers["cache-control"] == "private, no-store"
    return answer.body.encode()


def job_of(answer: Answer) -> Job:
    """Read the job that a redirect leads to."""
    return Job.get(urlsplit(answer.location).path.rpartition("/")[2])


def test_what_is_taken_out_changes_nothing_when_it_is_loaded(merchant: Shopper, shop: Shop) -> None:
    shop.put_on_shelf("hidden", "Hidden thing", {"HID": (500, None, 3)}, hidden=True)
    data = taken_out(merchant)
    assert data.startswith("\ufeffslug,name,text,category,category_name,".encode())
    assert data.count(b"\r\n") == 1 + 5
    assert b"hidden,Hidden thing" in data
    before, entries = everything(), len(trail())
    page = load(merchant, shop, data)
    assert "0 added, 0 changed, 4 unchanged" in page.text
    assert everything() == before
    assert [entry.action for entry in trail()[entries:]] == [
        "requested a catalog import",
        "imported a catalog file",
    ]
    assert trail()[-1].after == {"added": 0, "changed": 0, "same": 4}
    address = f"/staff/audit?month={trail()[-1].month}&before={quote(trail()[-1].entry)}"
    assert (
        "requested a catalog import" in merchant.get(address).text
    )  # a page of the log may begin behind a result


def test_a_changed_file_changes_what_it_says_and_each_change_is_in_the_trail(
    merchant: Shopper, shop: Shop
) -> None:
    data = taken_out(merchant).replace(b"18.50", b"19.50").replace(b",100,", b",7,")
    data += b"cup,Cup,Small.,tea,,19,2026-11-02,no,,CUP,,4.50,,12\r\n"
    page = load(merchant, shop, data)
    assert "1 added, 1 changed, 2 unchanged" in page.text
    assert (shop.stock("MUG"), shop.stock("CUP")) == (100, 12)
    assert "19.50" in merchant.get("/products/mug").text
    changes = {entry.subject: entry for entry in trail() if entry.subject.startswith("product ")}
    assert changes.keys() == {"product mug", "product cup"}
    assert (changes["product mug"].before, changes["product mug"].after) == (
        {"MUG price": "18.50"},
        {"MUG price": "19.50"},
    )
    assert changes["product mug"].actor == "merchant@shop.example"


def test_a_job_reads_tax_rates_even_where_the_newest_settings_cannot_be_read(
    merchant: Shopper, shop: Shop
) -> None:
    note = replace(TAXES.first(), mode=Mode.NONE, note="No VAT.")
    store.save(TAXES, note, 0, "merchant@shop.example", no_audit)
    row = SettingsVersion.get(TAXES.name, CURRENT)
    row.document = "?"
    row.save()
    store.clear_settings_cache()
    sent = sent_page(merchant, b"slug,name,category,sku,price,stock,tax_rate\r\ncup,Cup,tea,CUP,5,1,7\r\n")
    store.clear_settings_cache()
    answer = merchant.post(f"{PATH}/in", {"key": sent.field("key"), "form": sent.field("form")})
    shop.functions.drain("background-jobs")
    assert "1 added" in merchant.follow(answer).text
    assert get_product("cup").tax_class == "reduced"


def test_what_would_change_is_shown_before_the_yes(merchant: Shopper, shop: Shop) -> None:
    data = taken_out(merchant).replace(b"18.50", b"19.50")
    data = data.replace(b",100,", b",7,")
    data += b"cup,Cup,Small.,tea,,19,2026-11-02,no,,CUP,,4.50,,12\r\n"
    before, entries = everything(), len(trail())

    page = sent_page(merchant, data)

    assert "Read as UTF-8, with commas between cells." in page.text
    assert "1 new product, 1 price change, 2 products stay as they are." in page.text
    assert "MUG: price 18.50 → 19.50" in page.text
    assert "cup is new: “Cup”, 1 variant" in page.text
    assert "1 variant has different stock in the file and in the shop." in page.text
    assert "MUG: 100 in the shop, 7 in the file" in page.text
    assert everything() == before
    assert len(trail()) == entries


def test_pictures_of_other_products_are_found_and_those_of_none_are_a_fault(
    merchant: Shopper, shop: Shop
) -> None:
    key = "pictures/0123456789abcdef.svg"
    row = f"slug,name,category,sku,price,stock,pictures\ncup,Cup,tea,CUP,5,1,{key} = A cup\n".encode()
    page = sent_page(merchant, row)
    assert f"row 2, column G (pictures), SKU CUP: The file {key} doesn’t exist." in page.text

    client("s3").put_object(Bucket=settings.media_bucket, Key=key, Body=b"<svg/>")

    assert "1 new product" in sent_page(merchant, row).text
    assert "1 added" in load(merchant, shop, row).text


def test_a_file_saved_by_a_european_spreadsheet_is_shown_as_what_it_is(merchant: Shopper, shop: Shop) -> None:
    text = taken_out(merchant).decode("utf-8-sig").replace("Pebble mug", "Kännchen")
    data = text.replace(",", ";").replace("18.50", "18,50").encode("cp1252")

    page = sent_page(merchant, data)

    assert "Read as Windows-1252 (Western European), with semicolons between cells." in page.text
    assert "mug: name “Pebble mug” → “Kännchen”" in page.text


def test_a_large_file_is_compared_by_a_job_whose_page_loads_it(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_export, "MAX_PREVIEW_BYTES", 10)
    data = taken_out(merchant).replace(b"18.50", b"19.50").replace(b",100,", b",7,")
    page = sent_page(merchant, data)
    assert "1 KB uploaded" in page.text

    compared = merchant.post(f"{PATH}/look", {"key": page.field("key"), "form": page.field("form")})
    shop.functions.drain("background-jobs")
    page = merchant.follow(compared)
    assert "1 price change, 2 products stay as they are." in page.text
    assert "MUG: price 18.50 → 19.50" in page.text
    loaded = merchant.post(
        f"{PATH}/in", {"key": page.field("key"), "form": page.field("form"), "stock": "set"}
    )
    shop.functions.drain("background-jobs")

    assert "0 added, 1 changed, 2 unchanged; stock changed for 1 variant." in merchant.follow(loaded).text
    assert shop.stock("MUG") == 7


def test_the_errors_of_a_large_file_are_shown_by_its_job(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_export, "MAX_PREVIEW_BYTES", 10)
    page = sent_page(merchant, taken_out(merchant).replace(b"18.50", b"much"))
    answer = merchant.post(f"{PATH}/look", {"key": page.field("key"), "form": page.field("form")})
    shop.functions.drain("background-jobs")

    assert "1 error in the file. Nothing has been changed." in merchant.follow(answer).text
    assert "SKU MUG: “much” is not an amount" in merchant.follow(answer).text


def test_what_changed_meanwhile_is_in_the_result_and_not_the_look(merchant: Shopper, shop: Shop) -> None:
    page = sent_page(merchant, taken_out(merchant).replace(b"18.50", b"19.50"))
    assert "1 price change" in page.text
    shop.put_on_shelf("mug", "Pebble mug", {"MUG": (1950, None, 1)})
    cells = {**form_of_price(merchant), "price.BOWL": "41.00"}
    assert merchant.post("/staff/products", cells).status == 303

    answer = merchant.post(f"{PATH}/in", {"key": page.field("key"), "form": page.field("form")})
    shop.functions.drain("background-jobs")

    assert (
        "0 added, 1 changed, 2 unchanged" in merchant.follow(answer).text
    )  # the bowl is as in the file again


def form_of_price(merchant: Shopper) -> dict[str, str]:
    """Read the form of the products' list."""
    return fields(merchant.get("/staff/products"))


# -- stock ------------------------------------------------------------------------------------------------


def counted(merchant: Shopper, units: bytes) -> bytes:
    """Take the catalog out, and count 100 mugs anew."""
    return taken_out(merchant).replace(b",100,", b"," + units + b",")


def test_ignored_stock_is_reported(merchant: Shopper, shop: Shop) -> None:
    page = load(merchant, shop, counted(merchant, b"7"))

    assert "0 added, 0 changed, 3 unchanged; the file’s stock was ignored for 1 variant." in page.text
    assert shop.stock("MUG") == 100


@pytest.mark.parametrize(("mode", "quantity"), [("set", 7), ("add", 107)])
def test_stock_is_set_or_added_and_in_the_trail(
    merchant: Shopper, shop: Shop, mode: str, quantity: int
) -> None:
    page = load(merchant, shop, counted(merchant, b"7"), stock=mode)

    assert "stock changed for " in page.text
    assert shop.stock("MUG") == quantity
    (entry,) = [entry for entry in trail() if entry.subject == "product mug"]
    assert (entry.before, entry.after) == ({"MUG stock": 100}, {"MUG stock": quantity})


def test_a_delivery_is_added_once_however_often_its_file_is_sent(merchant: Shopper, shop: Shop) -> None:
    data = counted(merchant, b"7")
    load(merchant, shop, data, stock="add")
    before = everything()

    page = load(merchant, shop, data, stock="add")

    assert "because this file has already added it" in page.text
    assert everything() == before


@pytest.mark.parametrize("mode", ["set", "add"])
def test_a_load_that_breaks_off_and_goes_on_moves_units_once_and_keeps_what_is_sold(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    page = sent_page(merchant, counted(merchant, b"7"))
    answer = merchant.post(
        f"{PATH}/in", {"key": page.field("key"), "form": page.field("form"), "stock": mode}
    )
    job = job_of(answer)
    import_export_jobs.import_file(Job.get(job.id))  # whose end nobody hears of
    after = shop.stock("MUG")
    sell("MUG", 2)
    again = Job.get(job.id)
    again.progress, again.state = 0, "running"
    import_export_jobs.import_file(again)

    assert (after, shop.stock("MUG")) == ((7, 5) if mode == "set" else (107, 105))


@pytest.mark.parametrize(("mode", "quantity"), [("set", 5), ("add", 105)])
def test_what_is_sold_in_the_moment_of_the_write_stays_sold(
    merchant: Shopper, shop: Shop, mode: str, quantity: int
) -> None:
    data = counted(merchant, b"7")
    sold: list[int] = []

    def sell_first(operation: str, arguments: dict[str, Any], ask: Ask) -> Any:
        if operation == "TransactWriteItems" and '"MUG"' in json.dumps(arguments) and not sold:
            sold.append(2)
            sell("MUG", 2)
        return ask()

    checked = importer.check_csv(data)
    stock = checked.stock_update(StockMode(mode), "f" * 32)
    with tampered(sell_first):
        list(importer.load(checked, stock=stock))

    assert sold
    assert shop.stock("MUG") == quantity
    assert stock.changed >= 1


@pytest.mark.parametrize(("mode", "quantity"), [("set", 7), ("add", 107)])
def test_a_lost_answer_moves_units_once_and_counts_them(
    merchant: Shopper, shop: Shop, mode: str, quantity: int
) -> None:
    checked = importer.check_csv(
        b"slug,name,category,sku,price,stock,text,added\nmug,Pebble mug,tea,MUG,18.50,7,Good,2026-11-01\n"
    )
    stock = checked.stock_update(StockMode(mode), "f" * 32)

    with answers_lost("TransactWriteItems"):
        list(importer.load(checked, stock=stock))

    assert shop.stock("MUG") == quantity
    assert (stock.changed, stock.repeated) == (1, 0)


def test_setting_stock_leaves_what_unpaid_orders_have_reserved(merchant: Shopper, shop: Shop) -> None:
    shop.placed(MUG=3)
    data = taken_out(merchant).replace(b",97,", b",7,")
    load(merchant, shop, data, stock="set")
    assert shop.stock("MUG") == 7

    with shop.later(hours=30):
        shop.reconcile()

    assert shop.stock("MUG") == 10


def test_what_is_no_way_to_use_stock_is_refused(merchant: Shopper, shop: Shop) -> None:
    page = sent_page(merchant, counted(merchant, b"7"))
    typed = {"key": page.field("key"), "form": page.field("form"), "stock": "double"}
    assert merchant.post(f"{PATH}/in", typed).status == 400


def test_every_error_is_shown_with_its_row_and_nothing_changes(merchant: Shopper, shop: Shop) -> None:
    bad = b"slug,name,category,sku,price,stock\nmug,Mug,tea,MUG,5,1\ncup,Cup,cups,CUP,x,-1\n"
    before = everything()
    page = sent_page(merchant, bad)
    assert "3 errors found. Nothing has been changed." in page.text
    assert 'action="/staff/catalog/in"' not in page.body
    for words in (
        "row 3, column C (category), SKU CUP: There is no category “cups”.",
        "row 3, column E (price), SKU CUP: “x” is not an amount such as 12.90.",
        "row 3, column F (stock), SKU CUP: The stock must be a whole number, 0 or more, without thousands separators.",
    ):
        assert words in page.text
    assert everything() == before


def test_what_is_no_csv_file_is_refused_in_words(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "save it as CSV" in sent_page(merchant, b"PK\x03\x04\xff\xfe").text
    assert "isn’t a known column" in sent_page(merchant, b'{"products": []}').text
    data = taken_out(merchant)
    monkeypatch.setattr(import_export_jobs, "MAX_FILE_SIZE", 10)
    assert "larger than 0 MB. Nothing has been changed." in load(merchant, shop, data).text


def test_pressing_twice_loads_once(merchant: Shopper, shop: Shop) -> None:
    page = sent_page(merchant, taken_out(merchant).replace(b"18.50", b"19.50"))
    form = {"key": page.field("key"), "form": page.field("form")}
    first, second = (merchant.post(f"{PATH}/in", form) for _ in range(2))
    assert first.location == second.location
    shop.functions.drain("background-jobs")
    merchant.post(f"{PATH}/in", form)
    shop.functions.drain("background-jobs")
    assert [entry.action for entry in trail()].count(
        "imported a catalog file"
    ) == 2  # a product, and the file
    assert "0 added, 1 changed, 2 unchanged" in merchant.follow(first).text


def test_a_message_that_comes_again_goes_on_and_counts_all(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = sent_page(merchant, taken_out(merchant).replace(b"Good", b"Better"))
    seconds = count(step=100)
    monkeypatch.setattr(import_export_jobs, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    monkeypatch.setattr(import_export_jobs, "TURN_SECONDS", 150)
    answer = merchant.post(f"{PATH}/in", {"key": page.field("key"), "form": page.field("form")})
    shop.functions.drain("background-jobs")
    assert "0 added, 3 changed, 0 unchanged" in merchant.follow(answer).text
    assert next(seconds) >= 500  # it took two turns


class Crash(BaseException):
    """The function's end in the middle of its work."""


def test_a_function_that_dies_after_any_write_records_the_result_once(merchant: Shopper, shop: Shop) -> None:
    """Each time it dies one write later, and its message is delivered again."""
    data = taken_out(merchant)
    for survived in count():
        page = sent_page(merchant, data.replace(b"Good", f"Good {survived}".encode()))
        job = job_of(merchant.post(f"{PATH}/in", {"key": page.field("key"), "form": page.field("form")}))
        writes = count()

        def die(operation: str, _: dict[str, Any], ask: Ask, writes: Iterator[int] = writes) -> Any:
            answer = ask()
            if operation in {"PutItem", "TransactWriteItems"} and next(writes) == survived:  # noqa: B023 - runs here
                raise Crash
            return answer

        with tampered(die), suppress(Crash):
            run_staff_job({"job": job.id})
        shop.functions.drain("background-jobs")

        assert Job.get(job.id).state == "done"
        results = [
            entry
            for entry in trail()
            if (entry.subject, entry.action) == (f"job {job.id}", "imported a catalog file")
        ]
        # What was changed before it died may be counted as unchanged.
        assert [sum(entry.after.values()) for entry in results] == [3], survived
        if next(writes) <= survived:
            break
    assert survived >= 5


def test_an_interrupted_import_is_reported_and_importing_again_completes_it(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = taken_out(merchant).replace(b"Good", b"Better")

    def breaks_off(*arguments: Any) -> Iterator[SaveResult | None]:
        yield next(whole(*arguments))
        raise OutcomeUnknown("no answer")

    whole = importer.load
    with monkeypatch.context() as broken:
        broken.setattr(importer, "load", breaks_off)
        page = load(merchant, shop, data)
    assert "The database didn’t respond." in page.text
    assert "Upload the file again" in page.text
    assert "0 added, 2 changed, 1 unchanged" in load(merchant, shop, data).text


def test_s3_takes_no_file_that_is_too_large_and_no_other_key(
    merchant: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_export, "MAX_FILE_SIZE", 100)
    page = merchant.get(PATH)
    policy = search(r'name="policy" value="([^"]+)"', page.body)
    assert policy
    conditions = json.loads(base64.b64decode(unescape(policy[1])))["conditions"]
    assert ["content-length-range", 1, 100] in conditions
    assert any(isinstance(each, dict) and each.get("key", "").startswith("imports/") for each in conditions)
    assert urlsplit(client("s3").meta.endpoint_url).netloc in page.headers["content-security-policy"]


def test_no_other_object_can_be_asked_for(merchant: Shopper) -> None:
    for key in ("", "books/2026-11-01/orders.csv", "imports/../books", "imports/" + "A" * 32):
        assert merchant.get(f"{PATH}/sent?key={key}").status == 400
        assert merchant.post(f"{PATH}/in", {"key": key, "form": "0" * 32}).status == 400
    assert merchant.get(f"{PATH}/sent?key=imports/{'0' * 32}").status == 404
    assert merchant.post(f"{PATH}/in", {"key": f"imports/{'0' * 32}", "form": "1"}).status == 400
    assert merchant.post(f"{PATH}/out", {"form": "../1"}).status == 400
    assert list(Job.scan()) == []


def test_a_large_shop_is_written_by_a_job_and_linked(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = taken_out(merchant)
    monkeypatch.setattr(import_export, "MAX_DIRECT", 2)
    form = merchant.get(PATH).field("form")
    with counted_calls() as calls:
        answers = [merchant.post(f"{PATH}/out", {"form": form}) for _ in range(2)]
    assert calls["Scan"] == 0
    assert answers[0].location == answers[1].location
    shop.functions.drain("background-jobs")
    page = merchant.follow(answers[0])
    assert "Catalog exported: 3 products." in page.text
    link = merchant.get(f"{answers[0].location}/result")
    with urllib.request.urlopen(link.location, timeout=10) as file:
        assert file.read() == direct
    assert job_of(answers[0]).result_key.startswith(f"exports/{job_of(answers[0]).id}/catalog-")
    monkeypatch.setattr(import_export, "MAX_DIRECT", 3)
    monkeypatch.setattr(csv_response, "MAX_CHARACTERS", 300)  # few products, with long texts
    assert merchant.post(f"{PATH}/out", {"form": merchant.get(PATH).field("form")}).status == 303


def test_finance_may_neither_take_out_nor_load(finance: Shopper) -> None:
    key = f"imports/{'0' * 32}"
    assert [finance.get(path).status for path in (PATH, f"{PATH}/sent?key={key}")] == [403, 403]
    for action in ("out", "look", "in"):
        assert finance.post(f"{PATH}/{action}", {"key": key, "form": "0" * 32}).status == 403
    assert list(Job.scan()) == []


def test_a_job_of_a_former_merchant_changes_nothing(merchant: Shopper, shop: Shop) -> None:
    from chalicelib.staff.models import StaffMember

    page = sent_page(merchant, taken_out(merchant).replace(b"18.50", b"19.50"))
    answer = merchant.post(f"{PATH}/in", {"key": page.field("key"), "form": page.field("form")})
    account = StaffMember.get("merchant@shop.example")
    account.role = "finance"
    account.save()
    shop.functions.drain("background-jobs")
    assert "no longer allowed to change the catalog" in job_of(answer).message
    assert Product.get("mug").version == 1
