"""Shipping: once an order, the customer told with number and link, each of several told how it went."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.errors import Conflict
from chalicelib.mail.render import render_email
from chalicelib.orders.states import OrderState
from chalicelib.staff.orders import order_actions, shipping
from chalicelib.staff.orders.order_actions import Parcel
from tests.client import Shopper
from tests.mail import order_factory as made
from tests.shop import Shop
from tests.staff.staff_client import trail

LINK = "https://carrier.example/track?id=1&lang=de"
FORM = {"carrier": "DHL", "tracking": "0034 0434/1610-94", "link": LINK}


def ship(merchant: Shopper, order: str, **changed: str) -> Any:
    """Send the form of an order's page."""
    return merchant.post(f"/staff/orders/{order}/ship", {**FORM, **changed})


def test_shipping_is_shown_to_the_customer_by_email_and_on_their_page(shop: Shop, merchant: Shopper) -> None:
    customer, order_id = shop.paid(MUG=1)
    page = merchant.follow(ship(merchant, order_id))
    assert "Marked as shipped" in page.text
    assert "0034 0434/1610-94" in page.text
    order = shop.order(order_id)
    assert order.state == OrderState.SHIPPED
    assert order.history[-1]["actor"] == "merchant@shop.example"
    assert shop.mails().count("order_shipped") == 1

    shop.functions.drain("order-emails")
    letter = render_email(shop.order(order_id), f"order_shipped#{order.parcels[0]['id']}")
    assert letter is not None
    assert letter.to.endswith("<customer@example.com>")
    assert LINK in letter.text
    assert f'href="{LINK.replace("&", "&amp;")}"' in letter.html
    own = customer.get(f"/orders/{order_id}")
    assert "Your parcel is on its way" in own.text
    assert "Carrier DHL Tracking number 0034 0434/1610-94" in own.text
    assert 'href="https://carrier.example/track?id=1&amp;lang=de"' in own.body


def test_pressing_twice_ships_once(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    before = len(trail())
    with ThreadPoolExecutor(4) as hands:
        answers = list(hands.map(lambda _: ship(merchant, order_id), range(4)))
    assert [answer.status for answer in answers] == [303] * 4
    order = shop.order(order_id)
    assert [entry["event"] for entry in order.history].count("shipped") == 1
    assert shop.mails().count("order_shipped") == 1
    (entry,) = trail()[before:]
    assert (entry.action, entry.subject) == ("marked as shipped", f"order {order.number}")
    assert (entry.before, entry.after) == ({"state": "paid"}, {"state": "shipped", "carrier": "DHL"})


def test_another_parcel_for_a_shipped_order_is_a_409(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    ship(merchant, order_id)
    answer = ship(merchant, order_id, tracking="another")
    assert answer.status == 409
    assert "This order has already been shipped." in answer.text
    assert f"You entered: DHL, another, {LINK}" in answer.text
    assert shop.order(order_id).parcels[-1]["tracking"] == FORM["tracking"]


@pytest.mark.usefixtures("aws")
def test_what_is_not_paid_is_not_shipped() -> None:
    refused = {
        (): "isn’t paid yet",
        ("claim",): "is being processed",
        ("claim", "pend"): "still holding",
        ("die",): "expired unpaid",
    }
    for actions, words in refused.items():
        order = made.move(made.placed(), *actions)
        with pytest.raises(Conflict, match=words):
            order_actions.ship(order.id, Parcel("DHL"), "merchant@shop.example")


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("carrier", ""),
        ("carrier", "D" * 41),
        ("carrier", "DHL\x1b"),
        ("tracking", "1" * 61),
        ("tracking", "<b>"),
        ("tracking", "ü"),
        ("link", "http://carrier.example/1"),
        ("link", "javascript:alert(1)"),
        ("link", "HTTP://carrier.example/1"),
        ("link", "JavaScript://carrier.example/%0aalert(1)"),
        ("link", "https://user@carrier.example/"),
        ("link", "https://localhost"),
        ("link", 'https://carrier.example/"onclick='),
        ("link", "https://carrier.example/a b"),
        ("link", "https://carrier.example/" + "a" * 500),
    ],
)
def test_an_error_is_shown_beside_its_field_and_the_input_is_kept(field: str, typed: str) -> None:
    _, errors = shipping.parse_parcel({**FORM, field: typed})
    assert list(errors) == [field]


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("(00) 3 4043 4161 1234 5678 9", "00 3 4043 4161 1234 5678 9"),  # an SSCC, as DHL and others print it
        ("(00)340434161123456789", "00340434161123456789"),
        ("(420)94107 9400 1000", "42094107 9400 1000"),  # USPS
        ("#12345", "12345"),
        ("# 1Z 999 AA1 01 2345 6784", "1Z 999 AA1 01 2345 6784"),
        ("12345 \u200b\u00a0\r\n", "12345"),
        ("\ufeff12345\t", "12345"),
        ("*JJD0099999999*", "JJD0099999999"),  # the signs around a Code 39 bar code
        ("%0081827099800002003335", "0081827099800002003335"),  # a DPD bar code begins so
        ("'00340434", "00340434"),  # out of a spreadsheet
        ("“RR 123 456 785 DE”.", "RR 123 456 785 DE"),
        ("９９．６０．１２３４５６", "99.60.123456"),
        ("1234–5678–9012", "1234-5678-9012"),
        ("0034 0434/1610-94", "0034 0434/1610-94"),
        ("№ 0034 0434", "0034 0434"),
        ("№00340434", "00340434"),
        ("Nr. 00340434", "00340434"),
        ("NR.: 00340434", "00340434"),
        ("No 00340434", "00340434"),
        ("n° 00340434", "00340434"),
        ("N°00340434", "00340434"),
        ("Nº: 00340434", "00340434"),
        ("N.º 00340434", "00340434"),
        ("Tracking number: 00340434", "00340434"),
        ("Tracking #: 1Z 999 AA1 01 2345 6784", "1Z 999 AA1 01 2345 6784"),
        ("tracking no. JD0146", "JD0146"),
        ("Tracking-Nr.: 00340434", "00340434"),
        ("Sendungsnummer 00340434", "00340434"),
        ("Sendungs-Nr.:\u00a000340434", "00340434"),
        ("Track & Trace ID: 00340434", "00340434"),
        ("Numéro de suivi : 6A 12345", "6A 12345"),
        ("Nume\u0301ro de colis: 6A12345", "6A12345"),
        ("n° de suivi : 6A12345", "6A12345"),
        ("Número de seguimiento: PQ4F1", "PQ4F1"),
        ("Číslo zásilky: DR12345", "DR12345"),
        ("№ Nr. 12", "12"),
        ("NO 123 456 785 DE", "NO 123 456 785 DE"),  # a number of the Universal Postal Union
        ("NR123456785DE", "NR123456785DE"),
        ("NO12345", "NO12345"),  # letters of the number itself
        ("NR-12345", "NR-12345"),
        ("ID12345", "ID12345"),
        ("Number two", "Number two"),
        ("#", "#"),
        ("(12", "12"),
    ],
)
def test_a_tracking_number_is_kept_without_what_surrounds_it(pasted: str, kept: str) -> None:
    parcel, errors = shipping.parse_parcel({**FORM, "tracking": pasted})
    assert parcel.tracking == kept
    assert list(errors) == (["tracking"] if kept == "#" else [])


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("HTTPS://Carrier.Example/Track?Id=1", "https://Carrier.Example/Track?Id=1"),
        ("Https://carrier.example", "https://carrier.example"),
        (
            "https://päckchen.example/verfolgen/ä?id=ü#ö",
            "https://xn--pckchen-5wa.example/verfolgen/%C3%A4?id=%C3%BC#%C3%B6",
        ),
        ("https://例え.example/追跡/1", "https://xn--r8jz45g.example/%E8%BF%BD%E8%B7%A1/1"),
        ("https://carrier.example/{1}|'2'", "https://carrier.example/%7B1%7D%7C%272%27"),
        ("https://carrier.example/a%20b?q=[1]", "https://carrier.example/a%20b?q=[1]"),
    ],
)
def test_a_link_is_kept_as_a_browser_sends_it(pasted: str, kept: str) -> None:
    parcel, errors = shipping.parse_parcel({**FORM, "link": pasted})
    assert (parcel.link, errors) == (kept, {})


def test_an_order_is_found_by_a_tracking_number_as_it_is_printed(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    ship(merchant, order_id, tracking="(00) 3 4043 4161 1234 5678 9")
    number = shop.order(order_id).number
    for typed in (
        "(00) 3 4043 4161 1234 5678 9",
        "#00340434161123456 789",
        "0034043416112345678 9",
        "００３４０４３４１６１１２３４５６７８９",
        "٠٠٣٤٠٤٣٤١٦١١٢٣٤٥٦٧٨٩",
    ):
        page = merchant.get("/staff/orders?" + urlencode({"q": typed}))
        assert number in page.text, typed


def test_the_form_comes_back_as_it_was_typed(shop: Shop, merchant: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    page = ship(merchant, order_id, link="carrier.example/1", carrier='"><b>')
    assert page.status == 400
    assert page.field("link") == "carrier.example/1"
    assert page.field("tracking") == FORM["tracking"]
    assert page.field("carrier") == '"><b>'
    assert "<b>" not in page.body
    assert 'aria-describedby="link-error"' in page.body
    assert shop.order(order_id).state == OrderState.PAID


# -- several ----------------------------------------------------------------------------------------------


def picks(*order_ids: str) -> str:
    """Write the address that ticked boxes lead to."""
    return "/staff/orders/ship?" + "&".join(f"pick-{order_id}=1" for order_id in order_ids)


def test_two_orders_are_shipped_in_one_go(shop: Shop, merchant: Shopper) -> None:
    _, first = shop.paid(MUG=1)
    _, second = shop.paid(MUG=2)
    page = merchant.get(picks(first, second))
    names = re.findall(r'name="((?:carrier|tracking|link)-[0-9a-f]{32})"', page.body)
    assert len(names) == 6
    form = dict.fromkeys(names, "") | {
        "carrier": "DHL",
        f"tracking-{first}": "111",
        f"carrier-{second}": "UPS",
    }
    page = merchant.follow(merchant.post("/staff/orders/ship", form))
    assert "Marked as shipped, and the customers emailed" in page.text
    assert (shop.order(first).parcels[-1]["carrier"], shop.order(first).parcels[-1]["tracking"]) == (
        "DHL",
        "111",
    )
    assert shop.order(second).parcels[-1]["carrier"] == "UPS"
    assert shop.mails().count("order_shipped") == 2
    # Sent again, it changes nothing and says so.
    assert merchant.post("/staff/orders/ship", form).status == 303
    assert shop.mails().count("order_shipped") == 2


def test_one_that_cannot_be_shipped_keeps_no_other_from_it(shop: Shop, merchant: Shopper) -> None:
    _, good = shop.paid(MUG=1)
    _, wrong = shop.paid(MUG=1)
    _, gone = shop.paid(MUG=1)
    shop.placed(MUG=1)
    (unpaid,) = (order for order in shop.orders() if order.state == "awaiting")
    order_actions.ship(gone, Parcel("UPS", "other"), "somebody@shop.example")
    before = len(trail())
    form = {
        "carrier": "DHL",
        f"tracking-{good}": "1",
        f"tracking-{wrong}": "<>",
        f"link-{wrong}": LINK,
        f"tracking-{gone}": "2",
        f"tracking-{unpaid.id}": "3",
    }
    page = merchant.post("/staff/orders/ship", form)
    assert page.status == 400
    assert shop.order(good).number in page.text
    assert [shop.order(each).state for each in (good, wrong, gone, unpaid.id)] == [
        "shipped",
        "paid",
        "shipped",
        "awaiting",
    ]
    assert (page.field(f"tracking-{wrong}"), page.field(f"link-{wrong}")) == ("<>", LINK)
    assert "This order has already been shipped." in page.text
    assert "This order isn’t paid yet." in page.text
    assert shop.order(gone).parcels[-1]["tracking"] == "other"
    assert len(trail()) == before + 1


def test_finance_ships_nothing(shop: Shop, finance: Shopper) -> None:
    _, order_id = shop.paid(MUG=1)
    assert ship(finance, order_id).status == 403
    assert finance.get(picks(order_id)).status == 403
    assert finance.post("/staff/orders/ship", {f"carrier-{order_id}": "DHL"}).status == 403
    assert shop.order(order_id).state == OrderState.PAID
