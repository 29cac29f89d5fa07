"""The list of orders as staff see it: what is asked for is shown, and nothing typed is lost."""

import re
from urllib.parse import urlencode

from chalicelib.config import settings
from tests.client import Answer, Shopper
from tests.orders.bulk_orders import order_id, stock_orders
from tests.shop import Shop


def numbers(page: Answer) -> list[str]:
    """List the orders' numbers of a page."""
    assert page.status == 200, page.text
    return re.findall(r'class="order-link"[^>]*>([0-9-]+)</a>', page.body)


def asked(merchant: Shopper, **question: str) -> list[str]:
    """Ask for orders; list their numbers."""
    return numbers(merchant.get("/staff/orders?" + urlencode(question)))


def test_an_empty_shop_says_so(merchant: Shopper) -> None:
    assert "No orders yet" in merchant.get("/staff/orders").text


def test_a_row_shows_customer_date_total_and_status(shop: Shop, merchant: Shopper) -> None:
    shop.paid(MUG=2, TEA_50=1)
    page = merchant.get("/staff/orders")
    (order,) = shop.orders()
    assert numbers(page) == [order.number]
    for words in ("Test Customer", "Berlin DE", "€48.80", "Ready to ship", "1 order, newest first."):
        assert words in page.text, words


def test_orders_are_found_by_state_day_and_text(shop: Shop, merchant: Shopper) -> None:
    stock_orders(range(8), name="Ann Lee", email="ann@shop.example")
    every = [f"00000-{number:05d}" for number in reversed(range(8))]
    assert asked(merchant) == every
    assert asked(merchant, state="shipped") == ["00000-00005", "00000-00001"]
    assert asked(merchant, day="2026-01-01") == every
    assert asked(merchant, day="2025-12-31", until="2026-01-02") == every
    assert asked(merchant, day="2025-12-31") == []
    assert asked(merchant, q="ann") == every
    assert asked(merchant, q="ann", state="paid") == ["00000-00004", "00000-00000"]
    assert asked(merchant, q="nobody") == []


def test_pages_lead_to_older_orders_and_back_with_the_same_question(shop: Shop, merchant: Shopper) -> None:
    stock_orders(range(100))
    page = merchant.get("/staff/orders?day=2026-01-01")
    seen = numbers(page)
    while following := re.search(r'href="([^"]+)" rel="next"', page.body):
        page = merchant.get(following[1].replace("&amp;", "&"))
        assert 'value="2026-01-01"' in page.body
        assert "Newest" in page.text
        seen += numbers(page)
    assert seen == [f"00000-{number:05d}" for number in reversed(range(100))]


WRONG: list[tuple[dict[str, str], str]] = [
    ({"day": "yesterday", "q": "ann"}, "Please enter a date such as 2026-11-22."),
    ({"day": "2026-02-30", "q": "ann"}, "Please enter a date such as 2026-11-22."),
    (
        {"day": "2026-11-22", "until": "2026-11-21", "q": "ann"},
        "The end date can’t be before the start date.",
    ),
    ({"until": "2026-11-21", "q": "ann"}, "Please enter a start date."),
    ({"q": "ann " * 60}, "Please use at most 200 characters."),
]
NOT_OURS = ("state=lost", "after=2026", "after=2026-01-01T00:00:00.000Z%23zz", "day=1&day=2", "q=a&q=b")


def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(merchant: Shopper) -> None:
    for question, words in WRONG:
        page = merchant.get("/staff/orders?" + urlencode(question))
        assert page.status == 400
        assert words in page.text
        assert page.body.count('aria-invalid="true"') == 1
        assert page.field("q") == question["q"].strip()
    for query in NOT_OURS:
        assert merchant.get(f"/staff/orders?{query}").status == 400, query


def test_no_question_breaks_the_page(merchant: Shopper) -> None:
    for text in (
        "%",
        "\x00",
        "😀",
        "#",
        "@",
        "a" * 200,
        "<script>",
        "ＡＢ",
        "\ud83d".encode("utf-8", "replace").decode(),
    ):
        page = merchant.get("/staff/orders?" + urlencode({"q": text}))
        assert page.status == 200, text
        assert "<script>" not in page.body.partition("</head>")[2]


def test_finance_finds_orders_and_is_offered_no_shipping(shop: Shop, finance: Shopper) -> None:
    shop.paid(MUG=1)
    page = finance.get("/staff/orders")
    assert len(numbers(page)) == 1
    assert "Ship…" not in page.text
    assert "Erase" not in page.text
    assert "Export to CSV" in page.text


# -- packing slips ----------------------------------------------------------------------------------------


def test_a_slip_says_what_goes_where_and_no_prices(shop: Shop, finance: Shopper) -> None:
    _, order = shop.paid(MUG=2, TEA_50=1)
    slip = finance.get(f"/staff/orders/{order}/slip")
    assert slip.status == 200
    for words in (
        "Test Customer",
        "Teststraße 1",
        "10115 Berlin",
        "Germany",
        "Pebble mug",
        "TEA-50",
        "3 items",
        *settings.shop.address,
    ):
        assert words in slip.text, words
    assert "€" not in slip.text
    assert "not paid" not in slip.text


def test_slips_of_ticked_orders_print_one_a_page_and_warn_of_unpaid_ones(
    shop: Shop, merchant: Shopper
) -> None:
    stock_orders([0, 2])
    page = merchant.get(f"/staff/slips?pick-{order_id(0)}=1&pick-{order_id(2)}=1&pick-nonsense=1")
    assert page.body.count("<article") == 2
    assert page.body.index("00000-00000") < page.body.index("00000-00002")
    assert page.text.count("This order isn’t paid. Please don’t ship it.") == 1


def test_a_slip_is_offered_of_what_is_paid_and_says_why_else_nothing_is_sent(
    shop: Shop, merchant: Shopper
) -> None:
    _, paid = shop.paid(MUG=1)
    stock_orders([2, 3])
    awaiting, expired = order_id(2), order_id(3)
    shopper, _ = shop.placed(MUG=1)
    shop.place(shopper, city="Potsdam")
    (cancelled,) = (order.id for order in shop.orders() if order.state == "cancelled")
    for order, words in (
        (paid, None),
        (awaiting, "This order isn’t paid."),
        (expired, "This order expired without being paid."),
        (cancelled, "This order was cancelled."),
    ):
        address = f"/staff/orders/{order}/slip"
        assert (address in merchant.get(f"/staff/orders/{order}").body) == (words is None)
        slip = merchant.get(address).text
        assert ("Please don’t ship it." in slip) == (words is not None)
        assert words is None or words in slip


def test_nothing_ticked_leads_back_with_words(merchant: Shopper) -> None:
    for path in ("/staff/slips", "/staff/orders/ship"):
        page = merchant.follow(merchant.get(path))
        assert "Please select the orders" in page.text
    many = "&".join(f"pick-{order_id(number)}=1" for number in range(101))
    assert merchant.get(f"/staff/slips?{many}").status == 400
