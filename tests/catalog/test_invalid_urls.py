"""Addresses that nobody was given: a clear 4xx, never a 500."""

import base64

import pytest

from tests.call_counter import counted_calls
from tests.client import Shopper


@pytest.mark.parametrize(
    "slug", ["no-such", "all", "categories", "Tea", "tea%20", "..%2f..", "tea#newest", "x" * 41]
)
def test_an_unknown_category_is_a_404(standing: Shopper, slug: str) -> None:
    assert standing.get(f"/categories/{slug.replace('#', '%23')}").status == 404


@pytest.mark.parametrize(
    "query", ["sort=cheap", "sort=", "sort=Price", "sort=newest&sort=price", "sort=price%00"]
)
def test_an_unknown_order_is_a_400(standing: Shopper, query: str) -> None:
    for path in ("/", "/categories/tea"):
        answer = standing.get(f"{path}?{query}")
        assert answer.status == 400
        assert answer.headers["content-type"].startswith("text/html")


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "====",
        "ä",
        "%00",
        "a" * 5000,
        encoded("all#newest"),
        encoded("all#newest\n"),
        encoded("all#price\n000000000500#sencha"),
        encoded("tea#newest\n2026-10-01#sencha"),
        encoded("all#newest\n" + "x" * 1025),
        encoded("all#newest\n2026") + "!",
        base64.urlsafe_b64encode(b"all#newest\n\xff\xfe").decode(),
    ],
)
def test_a_forged_next_page_is_a_400(standing: Shopper, after: str) -> None:
    standing.get("/")
    assert standing.get(f"/?after={after}").status == 400


@pytest.mark.parametrize(
    "slug", ["no-such", "MUG", "mug%2f", "..%2f..%2fetc", "%00", "%ff", "s" * 41, "mug%0d%0aX:1"]
)
def test_an_unknown_product_is_a_404(standing: Shopper, slug: str) -> None:
    with counted_calls() as calls:
        answer = standing.get(f"/products/{slug}")
    assert answer.status == 404
    assert "text/html" in answer.headers["content-type"]
    assert set(calls) <= {"GetItem", "Query"}


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "Enter a word"),
        ("%20%20", "Enter a word"),
        ("t", "at least two letters"),
        ("%E8%8C%B6", "at least two letters"),
        ("a b c", "at least two letters"),
        ("+".join(f"word{n}" for n in range(9)), "at most 8 words"),
        ("x" * 5000, "No products match your search"),
        ("%00%0d%0a%1b", "Enter a word"),
        ("%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E", "No products match your search"),
        ("%ED%A0%80%FF", None),
        ("%F0%9F%8D%B5", None),
        ("%23%23", None),
        ("te%23sencha", None),
        ("{{7*7}}", None),
        ("%25s%25n", None),
    ],
)
def test_no_question_breaks_the_page(standing: Shopper, question: str, said: str | None) -> None:
    answer = standing.get(f"/search?q={question}")
    assert answer.status == 200
    assert said is None or said in answer.text
    assert "<script>alert" not in answer.body
    assert len(answer.body) < 100_000


def test_a_question_asked_twice_in_one_address_is_refused(standing: Shopper) -> None:
    assert standing.get("/search?q=tea&q=pot").status == 400
