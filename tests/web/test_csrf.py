"""The guard: changes are refused when another site's page asks for them."""

from itertools import product
from typing import Any

from infra.local.api_gateway import Gateway
from tests.shop import Shop
from tests.web.raw_request import send

OWN = "https://shop.example"
SITES = ("same-origin", "none", "same-site", "cross-site", "nonsense", "Same-Origin", None)
ORIGINS = (
    OWN,
    "https://SHOP.example",
    "https://evil.example",
    "http://shop.example",
    OWN + ":8443",
    OWN + ".evil.example",
    "null",
    None,
)
CHANGING = ("POST", "PUT", "PATCH", "DELETE")


def expected(site: str | None, origin: str | None) -> bool:
    """Return whether a change goes through: Sec-Fetch-Site decides, else Origin, else nobody's browser sent it."""
    if site is not None:
        return site.lower() in ("same-origin", "none")
    return origin is None or origin.lower() == OWN


def headers_of(site: str | None, origin: str | None) -> dict[str, str]:
    headers = {"Sec-Fetch-Site": site, "Origin": origin}
    return {name: value for name, value in headers.items() if value is not None}


def test_every_change_from_elsewhere_is_refused(standing: Gateway, setting: Any) -> None:
    setting(public_url=OWN + "/api")
    for method, site, origin in product(CHANGING, SITES, ORIGINS):
        answer = send(standing, method, "/cart/lines", headers_of(site, origin))
        assert (answer.status != 403) == expected(site, origin), (method, site, origin, answer.status)
        assert answer.is_page


def test_reading_is_never_guarded(standing: Gateway) -> None:
    for method, site, origin in product(("GET", "HEAD"), SITES, ORIGINS):
        assert send(standing, method, "/cart", headers_of(site, origin)).status == 200


def test_where_the_address_comes_from_the_request_so_does_the_origin(standing: Gateway, setting: Any) -> None:
    setting(public_url=None)
    answer = send(standing, "POST", "/cart/lines", {"Host": "abc.example", "Origin": "https://abc.example"})
    assert answer.status == 415
    assert send(standing, "POST", "/cart/lines", {"Host": "abc.example", "Origin": OWN}).status == 403


def test_paypals_notifications_are_exempt_and_nothing_else_is(standing: Gateway) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert (
        send(standing, "POST", "/webhooks/paypal", foreign, b"{}").status == 400
    )  # its signature is missing
    for path in (
        "/webhooks/paypal/x",
        "/webhooks/other",
        "/cart/lines",
        "/checkout",
        "/orders/" + "0" * 32 + "/payment",
    ):
        assert send(standing, "POST", path, foreign).status == 403, path


def test_a_page_of_another_site_changes_nothing_though_it_has_the_cookie(shop: Shop) -> None:
    shopper, _ = shop.placed(MUG=1)
    (order,) = shop.orders()
    for address, form in (
        ("/cart/lines", {"sku": "MUG", "quantity": "1"}),
        ("/cart/lines/MUG", {"quantity": "0"}),
        ("/checkout", {"total": "23.40"}),
        (f"/orders/{order.id}/payment", {}),
    ):
        answer = shopper.post(address, form, Sec_Fetch_Site="same-site", Origin="http://127.0.0.1:9")
        assert (answer.status, answer.set_cookies) == (403, [])
        assert "came from another site" in answer.text
    assert "Pebble mug" in shopper.get("/cart").text
    assert len(shop.paypal.requests("create")) == 1
