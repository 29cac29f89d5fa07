"""What changed since the shopper looked: prices, stock, and what is no longer sold."""

from chalicelib.cart.models import Cart
from chalicelib.catalog.models import Stock
from tests.call_counter import counted_calls
from tests.shop import Shop


def reprice(sku: str, price: int) -> None:
    Stock(sku).update([Stock.price.set(price)])


def leave(sku: str, quantity: int) -> None:
    Stock(sku).update([Stock.available.set(quantity)])


def test_a_new_price_is_shown_once_and_then_remembered(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    shopper.get("/cart")
    reprice("MUG", 2000)
    with counted_calls() as calls:
        page = shopper.get("/cart")
    assert "The price has changed from €18.50 to €20.00 since you last looked." in page.text
    assert calls == {"GetItem": 1, "BatchGetItem": 1, "UpdateItem": 1}
    again = shopper.get("/cart")
    assert "has changed" not in again.text
    assert "€20.00" in again.text


def test_the_checkout_shows_a_new_price_too(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1, TEA_50=1)
    reprice("MUG", 2000)
    page = shopper.get("/checkout")
    assert page.status == 200
    assert "“Pebble mug”: The price has changed from €18.50 to €20.00" in page.text
    assert shop.place(shopper).status == 303


def test_a_price_that_went_up_and_down_again_is_not_worth_a_word(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    reprice("MUG", 2000)
    reprice("MUG", 1850)
    assert "has changed" not in shopper.get("/cart").text


def test_the_start_of_a_sale_is_shown_with_the_current_price(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=2)
    Stock("MUG").update([Stock.sale_price.set(1500)])
    page = shopper.get("/cart")
    assert "from €18.50 to €15.00" in page.text
    assert "€30.00" in page.text


def test_missing_stock_is_shown_until_the_quantity_fits(shop: Shop) -> None:
    shopper = shop.shopper_with(TEA_100=4)
    leave("TEA-100", 2)
    for _ in range(2):
        page = shopper.get("/cart")
        assert "Only 2 left. Please reduce the quantity." in page.text
        assert "Go to checkout" not in page.text
    assert "Only 2 of “Green tea” (TEA-100) left." in shopper.get("/checkout").text
    assert shopper.post("/cart/lines/TEA-100", {"quantity": "3"}).status == 303
    page = shopper.follow(shopper.post("/cart/lines/TEA-100", {"quantity": "2"}))
    assert "left" not in page.text
    assert "Go to checkout" in page.text


def test_a_line_that_sold_out_is_marked_and_can_be_removed(shop: Shop) -> None:
    shopper = shop.shopper_with(BOWL=1, MUG=1)
    leave("BOWL", 0)
    assert "This item is now sold out. Please remove it." in shopper.get("/cart").text
    assert "“Last bowl” has just sold out." in shopper.get("/checkout").text
    page = shopper.follow(shopper.post("/cart/lines/BOWL", {"quantity": "0"}))
    assert "Go to checkout" in page.text


def test_a_discontinued_line_is_marked_and_cannot_be_ordered(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1, TEA_50=1)
    shop.put_on_shelf("mug", "Pebble mug", {"MUG": (1850, None, 100)}, hidden=True)
    assert "This item is no longer available." in shopper.get("/cart").text
    refused = shop.place(shopper)
    assert (refused.status, "An item in your cart is no longer available." in refused.text) == (409, True)
    assert shop.orders() == []
    shopper.post("/cart/lines/MUG", {"quantity": "0"})
    assert shop.place(shopper).status == 303


def test_a_dropped_variant_is_marked(shop: Shop) -> None:
    shopper = shop.shopper_with(TEA_50=1, MUG=1)
    shop.put_on_shelf("green-tea", "Green tea", {"TEA-100": (1290, 990, 5)}, tax_class="food")
    assert "This item is no longer available." in shopper.get("/cart").text
    assert shopper.post("/cart/lines", {"sku": "TEA-50", "quantity": "1"}).status == 404


def test_nothing_but_what_is_sold_no_more_is_no_order(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.put_on_shelf("mug", "Pebble mug", {"MUG": (1850, None, 100)}, hidden=True)
    assert shop.place(shopper).status == 409
    assert shop.orders() == []


def test_a_price_notice_is_shown_again_if_the_cart_changed_meanwhile(shop: Shop) -> None:
    from chalicelib.cart import service, sessions
    from chalicelib.database.reads import get

    shopper = shop.shopper_with(MUG=1)
    key = sessions.session_key(shopper.jar["session"])
    session = sessions.Session(shopper.jar["session"], get(Cart, key))
    reprice("MUG", 2000)
    shopper.post("/cart/lines", {"sku": "TEA-50", "quantity": "1"})
    (line,) = service.get_lines(session)
    assert line.notes
    assert "has changed" in shopper.get("/cart").text


def test_the_units_reserved_for_ones_own_order_can_still_be_had(shop: Shop) -> None:
    shopper, token = shop.placed(BOWL=1)
    assert shop.stock("BOWL") == 0
    page = shopper.get("/cart")
    assert "sold out" not in page.text
    assert "Go to checkout" in page.text
    assert "Last bowl" in shopper.get("/checkout").text
    more = shopper.post("/cart/lines", {"sku": "BOWL", "quantity": "1"})
    assert "Only 1 left, and your cart already contains 1." in more.text
    stranger = shop.shopper().post("/cart/lines", {"sku": "BOWL", "quantity": "1"})
    assert (stranger.status, "Sorry, this item is sold out." in stranger.text) == (409, True)
    assert token


def test_ones_own_units_count_no_longer_once_the_reservation_is_over(shop: Shop) -> None:
    shopper, _ = shop.placed(BOWL=1)
    with shop.later(minutes=61):
        shop.reconcile()
        shop.paid(BOWL=1)
        assert "now sold out" in shopper.get("/cart").text
