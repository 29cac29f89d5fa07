"""Another site's page changes nothing, on whatever route: walked, so that no new one is forgotten."""

from collections.abc import Iterator

import pytest

from tests.client import Shopper
from tests.shop import CUSTOMER, Shop
from tests.staff.staff_client import logged_in
from tests.staff.test_roles import _shop_rows

CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
ELSEWHERE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]
# A field for each form: what is let through would change something.
FIELDS = {
    **CUSTOMER,
    "total": "23.40",
    "sku": "MUG",
    "quantity": "3",
    "email": "new@shop.example",
    "role": "merchant",
}


def changing_routes(order_id: str) -> Iterator[tuple[str, str]]:
    """Give method and address of every route that takes changes, PayPal's own aside."""
    import app

    filled = {"{order_id}": order_id, "{sku}": "MUG", "{slug}": "mug", "{key}": "tea", "{proxy+}": "no/such"}
    for path, methods in sorted(app.app.routes.items()):
        address = path
        for name, value in filled.items():
            address = address.replace(name, value)
        for method in sorted(CHANGING & methods.keys()):
            if path != "/webhooks/paypal":
                yield method, address


@pytest.mark.usefixtures("quick_hashes")
def test_no_route_lets_another_site_change_anything(shop: Shop) -> None:
    shopper, _ = shop.placed(MUG=1)
    (order,) = shop.orders()
    jar = {**shopper.jar, **logged_in(shop.gateway, "merchant").jar}
    before = _shop_rows()
    walked = list(changing_routes(order.id))
    for method, address in walked:
        for headers in ELSEWHERE:
            visitor = Shopper(shop.gateway, dict(jar))
            body = "&".join(f"{name}={value}" for name, value in FIELDS.items())
            sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
            answer = visitor.send(method, address, headers=sent, body=body)
            assert (answer.status, answer.set_cookies) == (403, []), (method, address, headers)
            assert "came from another site" in answer.text
    assert _shop_rows() == before
    assert {"/checkout", "/cart/lines", "/staff/logout", f"/orders/{order.id}/payment"} <= {
        path for _, path in walked
    }


def test_paypal_alone_posts_from_elsewhere(shop: Shop) -> None:
    answer = shop.shopper().post("/webhooks/paypal", "{}", Sec_Fetch_Site="cross-site")
    assert (answer.status, "Not a notification for this shop" in answer.text) == (400, True)
