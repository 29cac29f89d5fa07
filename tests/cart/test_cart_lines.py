"""Putting things into the cart, changing how many, taking them out."""

import pytest

from chalicelib.cart.models import MAX_LINES, MAX_QUANTITY_PER_LINE, Cart
from tests.call_counter import counted_calls
from tests.client import Shopper
from tests.shop import Shop, token_of


def quantities(shopper: Shopper) -> dict[str, int]:
    """Read the lines from the table."""
    from chalicelib.cart.sessions import session_key

    cart = Cart.get(session_key(shopper.jar["session"]), consistent_read=True)
    return {sku: int(line["quantity"]) for sku, line in cart.lines.as_dict().items()}


def test_adding_leads_to_the_cart_which_says_so_once(shop: Shop) -> None:
    shopper = shop.shopper()
    answer = shopper.post("/cart/lines", {"sku": "MUG", "quantity": "2"})
    assert answer.location.endswith("/cart")
    page = shopper.follow(answer)
    assert "“Pebble mug” was added to your cart." in page.text
    assert "€37.00" in page.text
    assert 'class="notice notice-good" role="status"' in page.body
    assert "was added to your cart." not in shopper.get("/cart").text


def test_quotation_marks_of_a_name_become_single_ones_within_ours(shop: Shop) -> None:
    shop.put_on_shelf("premiere", "Sencha “Première Récolte”", {"PREMIERE": (690, None, 2)})
    shopper = shop.shopper()
    page = shopper.follow(shopper.post("/cart/lines", {"sku": "PREMIERE", "quantity": "2"}))
    assert "“Sencha ‘Première Récolte’” was added to your cart." in page.text
    shop.put_on_shelf("premiere", "Sencha “Première Récolte”", {"PREMIERE": (700, None, 1)})
    form = shopper.get("/checkout").text
    assert "“Sencha ‘Première Récolte’”: The price has changed from €6.90 to €7.00" in form


def test_adding_again_adds_up(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=2)
    shopper.post("/cart/lines", {"sku": "MUG", "quantity": "3"})
    shopper.post("/cart/lines", {"sku": "TEA-100", "quantity": "1"})
    assert quantities(shopper) == {"MUG": 5, "TEA-100": 1}


def test_a_quantity_is_changed_up_and_down(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=2)
    for quantity in (7, 1, 20):
        page = shopper.follow(shopper.post("/cart/lines/MUG", {"quantity": str(quantity)}))
        assert "Quantity of “Pebble mug” updated." in page.text
        assert quantities(shopper) == {"MUG": quantity}


def test_nought_takes_a_line_out_and_the_badge_follows(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=2, TEA_50=1)
    page = shopper.follow(shopper.post("/cart/lines/MUG", {"quantity": "0"}))
    assert "Removed from your cart." in page.text
    assert quantities(shopper) == {"TEA-50": 1}
    assert shopper.jar["cart_count"] == "1"
    last = shopper.follow(shopper.post("/cart/lines/TEA-50", {"quantity": "0"}))
    assert "Your cart is empty." in last.text
    assert shopper.jar["cart_count"] == "0"


def test_an_emptied_cart_can_be_filled_again(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=1)
    shopper.post("/cart/lines/MUG", {"quantity": "0"})
    shopper.post("/cart/lines", {"sku": "MUG", "quantity": "4"})
    assert quantities(shopper) == {"MUG": 4}


def test_looking_costs_two_calls_and_adding_two(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1, TEA_50=2, TEA_100=1)
    shopper.get("/cart")
    with counted_calls() as calls:
        assert shopper.get("/cart").status == 200
    assert calls == {"GetItem": 1, "BatchGetItem": 1}
    for address, form in (
        ("/cart/lines", {"sku": "MUG", "quantity": "1"}),
        ("/cart/lines/MUG", {"quantity": "4"}),
        ("/cart/lines/MUG", {"quantity": "0"}),
    ):
        with counted_calls() as calls:
            assert shopper.post(address, form).status == 303
        assert calls == {"BatchGetItem": 1, "UpdateItem": 1}
    with counted_calls() as calls:
        shop.shopper_with(MUG=1)
    assert calls == {"BatchGetItem": 1, "PutItem": 1}


# -- limits -----------------------------------------------------------------------------------------------


def test_a_quantity_in_full_width_digits_counts(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=2)

    assert shopper.post("/cart/lines", {"sku": "MUG", "quantity": "１"}).status == 303
    assert quantities(shopper) == {"MUG": 3}


@pytest.mark.parametrize(
    "quantity",
    ["0", "-1", "21", "1000000", "9" * 400, "1.5", "1e1", "", " ", "two", "+1", "0x1", "NaN"],
)
def test_a_quantity_that_makes_no_sense_changes_nothing(standing_shop: Shop, quantity: str) -> None:
    shopper = standing_shop.shopper_with(MUG=2)
    refused = shopper.post("/cart/lines", {"sku": "MUG", "quantity": quantity})
    assert refused.status == 400
    assert "quantity" in refused.text
    if quantity != "0":
        assert shopper.post("/cart/lines/MUG", {"quantity": quantity}).status == 400
    assert quantities(shopper) == {"MUG": 2}


@pytest.mark.parametrize(
    "form", ["", "sku=MUG", "quantity=1", "sku=MUG&sku=TEA-50&quantity=1", "sku=MUG&quantity=1&quantity=2"]
)
def test_missing_and_repeated_fields_are_refused(shop: Shop, form: str) -> None:
    assert shop.shopper().post("/cart/lines", form).status in (400, 404)
    assert list(Cart.scan()) == []


def test_a_cart_line_has_at_most_twenty_units(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=MAX_QUANTITY_PER_LINE - 1)
    assert shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"}).status == 303
    refused = shopper.post("/cart/lines", {"sku": "MUG", "quantity": "1"})
    assert (refused.status, quantities(shopper)) == (400, {"MUG": MAX_QUANTITY_PER_LINE})
    assert "You can order up to 20 of each item" in refused.text


def test_fifty_lines_and_no_more(shop: Shop) -> None:
    skus = [f"CUP-{number:02}" for number in range(MAX_LINES + 1)]
    for start in (0, 26):
        shop.put_on_shelf(f"cups-{start}", "Cups", dict.fromkeys(skus[start : start + 26], (100, None, 40)))
    shopper = shop.shopper_with(**{skus[0].replace("-", "_"): 1})
    (cart,) = Cart.scan()
    line = cart.lines.as_dict()[skus[0]]
    slugs = {sku: "cups-0" if sku in skus[:26] else "cups-26" for sku in skus[:MAX_LINES]}
    cart.update([Cart.lines.set({sku: {**line, "slug": slug} for sku, slug in slugs.items()})])

    refused = shopper.post("/cart/lines", {"sku": skus[-1], "quantity": "1"})
    assert refused.status == 400
    assert "it can hold 50 different items" in refused.text
    assert shopper.post("/cart/lines", {"sku": skus[3], "quantity": "1"}).status == 303

    with counted_calls() as calls:
        page = shopper.get("/cart")
    assert (page.status, calls.total()) == (200, 2)
    assert len(quantities(shopper)) == MAX_LINES
    placed = shop.place(shopper)
    assert (placed.status, shop.stock(skus[3])) == (303, 40)  # more than one transaction can hold
    shop.come_back(shopper, token_of(placed))
    assert shop.stock(skus[3]) == 38


def test_sold_out_and_scarce_variants_are_marked(shop: Shop) -> None:
    shop.put_on_shelf("gone", "Gone", {"GONE": (100, None, 0)})
    shopper = shop.shopper_with(TEA_100=4)
    gone = shopper.post("/cart/lines", {"sku": "GONE", "quantity": "1"})
    assert (gone.status, "Sorry, this item is sold out." in gone.text) == (409, True)
    more = shopper.post("/cart/lines", {"sku": "TEA-100", "quantity": "2"})
    assert (more.status, "Only 5 left, and your cart already contains 4." in more.text) == (409, True)
    changed = shopper.post("/cart/lines/TEA-100", {"quantity": "6"})
    assert (changed.status, "Only 5 left." in changed.text) == (409, True)
    assert "Green tea" in changed.text
    assert quantities(shopper) == {"TEA-100": 4}


@pytest.mark.parametrize(
    "sku", ["NO-SUCH", "", "mug", "MUG ", "x" * 41, "MÜG", "a b", "<script>", "../MUG", "number#1", "\x00"]
)
def test_an_unknown_sku_is_a_404_and_shows_no_markup(standing_shop: Shop, sku: str) -> None:
    shopper = standing_shop.shopper_with(TEA_50=1)
    answer = shopper.post("/cart/lines", {"sku": sku, "quantity": "1"})
    if sku.strip() == "MUG":
        assert answer.status == 303
    else:
        assert answer.status == 404
        assert "<script>" not in answer.text


@pytest.mark.parametrize("sku", ["MUG", "NO-SUCH", "%2e%2e", "a%00b", "%0d%0aSet-Cookie:x=1", "ä"])
def test_changing_what_is_not_in_the_cart_is_a_404(standing_shop: Shop, sku: str) -> None:
    shopper = standing_shop.shopper_with(TEA_50=1)
    for quantity in ("0", "1"):
        assert shopper.post(f"/cart/lines/{sku}", {"quantity": quantity}).status == 404
        assert standing_shop.shopper().post(f"/cart/lines/{sku}", {"quantity": quantity}).status == 404
    assert quantities(shopper) == {"TEA-50": 1}


@pytest.mark.parametrize(
    "said", ["added.<b>", "added.MUG", "nonsense", "added.", "added.%0d%0a", "taken.MUG"]
)
def test_a_forged_message_is_not_said(standing_shop: Shop, said: str) -> None:
    shopper = standing_shop.shopper_with(TEA_50=1)
    shopper.jar["said"] = said
    page = shopper.get("/cart")
    assert 'role="status"' not in page.body
    assert "<b>" not in page.text
