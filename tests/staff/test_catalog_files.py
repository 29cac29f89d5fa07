"""The catalog as a file, on the web: taken out, sent to S3, checked, loaded."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from html import unescape
from itertools import count
from re import findall, search
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from chalicelib.aws import client
from chalicelib.catalog import importer
from chalicelib.catalog.editing import Saved
from chalicelib.catalog.models import Product
from chalicelib.config import settings
from chalicelib.staff import catalog_files, catalog_jobs, csv_answers
from chalicelib.staff.models import Job
from chalicelib.storage import Unknown
from tests.catalog.catalog_files import everything
from tests.client import Answer, Shopper
from tests.counting import counted_calls
from tests.shop import Shop
from tests.staff.desk import trail

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


def load(merchant: Shopper, shop: Shop, data: bytes) -> Answer:
    """Send a file, press the button, let the function run, and look at the job's page."""
    page = sent_page(merchant, data)
    answer = merchant.post(f"{PATH}/in", {"key": page.field("key"), "form": page.field("form")})
    shop.functions.drain("staff-jobs")
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
    assert "0 added, 0 changed, 4 as they were" in page.text
    assert everything() == before
    assert [entry.what for entry in trail()[entries:]] == [
        "asked for a catalog file to be loaded",
        "loaded a catalog file",
    ]
    assert trail()[-1].after == {"added": 0, "changed": 0, "same": 4}


def test_a_changed_file_changes_what_it_says_and_each_change_is_in_the_trail(
    merchant: Shopper, shop: Shop
) -> None:
    data = taken_out(merchant).replace(b"18.50", b"19.50").replace(b",100\r\n", b",7\r\n")
    data += b"cup,Cup,Small.,tea,,19,2026-11-02,no,,CUP,,4.50,,12\r\n"
    page = load(merchant, shop, data)
    assert "1 added, 1 changed, 2 as they were" in page.text
    assert (shop.stock("MUG"), shop.stock("CUP")) == (100, 12)
    assert "19.50" in merchant.get("/products/mug").text
    changes = {entry.subject: entry for entry in trail() if entry.subject.startswith("product ")}
    assert changes.keys() == {"product mug", "product cup"}
    assert (changes["product mug"].before, changes["product mug"].after) == (
        {"MUG price": "18.50"},
        {"MUG price": "19.50"},
    )
    assert changes["product mug"].who == "merchant@shop.example"


def test_every_fault_is_told_with_its_line_and_nothing_changes(merchant: Shopper, shop: Shop) -> None:
    bad = b"slug,name,category,sku,price,stock\nmug,Mug,tea,MUG,5,1\ncup,Cup,cups,CUP,x,-1\n"
    before = everything()
    page = load(merchant, shop, bad)
    assert "3 faults in the file. Nothing was changed." in page.text
    for words in (
        "line 3, column 3 (category): There is no category “cups”.",
        "line 3, column 5 (price): 'x' is not an amount such as 12.90.",
        "line 3, column 6 (stock): The stock is a whole number of pieces, 0 or more.",
    ):
        assert words in page.text
    assert everything() == before


def test_what_is_no_csv_file_is_refused_in_words(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "This is not UTF-8" in load(merchant, shop, b"PK\x03\x04\xff\xfe").text
    assert "is no column" in load(merchant, shop, b'{"products": []}').text
    monkeypatch.setattr(catalog_jobs, "LARGEST_FILE", 10)
    assert "larger than 0 MB. Nothing was changed." in load(merchant, shop, b"slug,name,sku").text


def test_pressing_twice_loads_once(merchant: Shopper, shop: Shop) -> None:
    page = sent_page(merchant, taken_out(merchant).replace(b"18.50", b"19.50"))
    form = {"key": page.field("key"), "form": page.field("form")}
    first, second = (merchant.post(f"{PATH}/in", form) for _ in range(2))
    assert first.location == second.location
    shop.functions.drain("staff-jobs")
    merchant.post(f"{PATH}/in", form)
    shop.functions.drain("staff-jobs")
    assert [entry.what for entry in trail()].count("loaded a catalog file") == 2  # a product, and the file
    assert "0 added, 1 changed, 2 as they were" in merchant.follow(first).text


def test_a_message_that_comes_again_goes_on_and_counts_all(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = sent_page(merchant, taken_out(merchant).replace(b"Good", b"Better"))
    seconds = count(step=100)
    monkeypatch.setattr(catalog_jobs, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    monkeypatch.setattr(catalog_jobs, "TURN_SECONDS", 150)
    answer = merchant.post(f"{PATH}/in", {"key": page.field("key"), "form": page.field("form")})
    shop.functions.drain("staff-jobs")
    assert "0 added, 3 changed, 0 as they were" in merchant.follow(answer).text
    assert next(seconds) >= 500  # it took two turns


def test_what_breaks_off_is_told_and_loading_again_finishes_it(
    merchant: Shopper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = taken_out(merchant).replace(b"Good", b"Better")

    def breaks_off(*arguments: Any) -> Iterator[Saved | None]:
        yield next(whole(*arguments))
        raise Unknown("no answer")

    whole = importer.load
    with monkeypatch.context() as broken:
        broken.setattr(importer, "load", breaks_off)
        page = load(merchant, shop, data)
    assert "The shop's database did not answer." in page.text
    assert "Send the file again" in page.text
    assert "0 added, 2 changed, 1 as they were" in load(merchant, shop, data).text


def test_s3_takes_no_file_that_is_too_large_and_no_other_key(
    merchant: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_files, "LARGEST_FILE", 100)
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
    monkeypatch.setattr(catalog_files, "MOST_AT_ONCE", 2)
    form = merchant.get(PATH).field("form")
    with counted_calls() as calls:
        answers = [merchant.post(f"{PATH}/out", {"form": form}) for _ in range(2)]
    assert calls["Scan"] == 0
    assert answers[0].location == answers[1].location
    shop.functions.drain("staff-jobs")
    page = merchant.follow(answers[0])
    assert "The catalog is written: 3 products." in page.text
    link = merchant.get(f"{answers[0].location}/result")
    with urllib.request.urlopen(link.location, timeout=10) as file:
        assert file.read() == direct
    assert job_of(answers[0]).result_key.startswith(f"exports/{job_of(answers[0]).id}/catalog-")
    monkeypatch.setattr(catalog_files, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(csv_answers, "MOST_BYTES", 300)  # few products, with long texts
    assert merchant.post(f"{PATH}/out", {"form": merchant.get(PATH).field("form")}).status == 303


def test_finance_may_neither_take_out_nor_load(finance: Shopper) -> None:
    key = f"imports/{'0' * 32}"
    assert [finance.get(path).status for path in (PATH, f"{PATH}/sent?key={key}")] == [403, 403]
    for action in ("out", "in"):
        assert finance.post(f"{PATH}/{action}", {"key": key, "form": "0" * 32}).status == 403
    assert list(Job.scan()) == []


def test_who_is_no_merchant_any_more_changes_nothing(merchant: Shopper, shop: Shop) -> None:
    from chalicelib.staff.models import Member

    page = sent_page(merchant, taken_out(merchant).replace(b"18.50", b"19.50"))
    answer = merchant.post(f"{PATH}/in", {"key": page.field("key"), "form": page.field("form")})
    account = Member.get("merchant@shop.example")
    account.role = "finance"
    account.save()
    shop.functions.drain("staff-jobs")
    assert "may not change the catalog" in job_of(answer).words
    assert Product.get("mug").version == 1
