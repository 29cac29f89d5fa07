"""The packaged shop's pages, behind API Gateway and its stage."""

import re

import pytest

from tests.client import Answer
from tests.deployed.http_client import Visitor
from tests.deployed.stack import Stack

ADDRESS = re.compile(r'\b(?:href|src|action|srcset)="([^"]*)"')
PAGES = {
    "/api/": "Green tea",
    "/api/categories/tea": "For slow mornings.",
    "/api/products/green-tea": "€6.90",
    "/api/search?q=green": "Green tea",
    "/api/cart": "Your cart",
    "/api/staff/login": "Password",
}


@pytest.mark.parametrize("address", PAGES)
def test_a_page_of_the_package_leads_nowhere_outside_the_stage(visitor: Visitor, address: str) -> None:
    page = visitor.get(address)
    assert page.status == 200, page.text
    assert PAGES[address] in page.text
    leads = {found for found in ADDRESS.findall(page.body) if not found.startswith(("#", "mailto:"))}
    assert leads
    assert [found for found in leads if not _is_inside(visitor.stack, found)] == []


def _is_inside(stack: Stack, address: str) -> bool:
    return address.startswith(("/api/", stack.outputs["ShopUrl"], stack.environment["MEDIA_URL"]))


def test_static_files_of_the_package_are_served_for_a_year(visitor: Visitor) -> None:
    page = visitor.get("/api/").body
    files = set(re.findall(r'"(/api/static/[^"]+)"', page))
    assert {file.rpartition(".")[2] for file in files} >= {"css", "js", "svg"}
    for file in files:
        answer = visitor.get(file)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_an_unknown_url_is_an_error_page(visitor: Visitor) -> None:
    for address in ("/api/nothing", "/api/products/nothing", "/api/no/such/address"):
        answer = visitor.get(address)
        assert (answer.status, _is_page(answer)) == (404, True)


def _is_page(answer: Answer) -> bool:
    return answer.headers["content-type"].startswith("text/html") and "<h1" in answer.body


def test_the_cookie_belongs_to_the_stage_and_to_encrypted_connections(visitor: Visitor) -> None:
    answer = visitor.post("/api/cart/lines", {"sku": "TEA-50", "quantity": "1"})
    assert (answer.status, answer.location) == (303, "/api/cart")
    (session,) = (cookie for cookie in answer.set_cookies if cookie.startswith("session="))
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/api"} <= set(session.split("; "))
    assert visitor.follow(answer).field("quantity") == "1"
