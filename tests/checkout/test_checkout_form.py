"""The checkout's form: what may stand in it, and how it comes back."""

import json
import re
from urllib.parse import urlencode

import pytest

from chalicelib.checkout.customer_form import MAX_LENGTHS, REQUIRED, validate_customer
from chalicelib.config import settings
from tests.call_counter import counted_calls
from tests.client import Answer, Shopper
from tests.dynamodb_faults import silence
from tests.shop import CUSTOMER, Shop

COUNTRIES = settings.shop.countries

ALL = {**CUSTOMER, "address2": "Hof, 3. OG", "region": "Berlin", "phone": "+49 (30) 123-45.6/7"}


def wrong_fields(answer: Answer) -> set[str]:
    """Name the fields that have a message beside them."""
    return set(re.findall(r'id="(\w+)-error"', answer.body))


def refused(shop: Shop, **changed: str) -> Answer:
    """Post a form that must come back, and see that nothing happened."""
    shopper = shop.shopper_with(MUG=1)
    answer = shop.place(shopper, **changed)
    assert answer.status == 400, answer.text
    assert (shop.orders(), shop.stock("MUG")) == ([], 100)
    return answer


def wrong_in(**changed: str) -> set[str]:
    """Name the fields of a form that are wrong."""
    return set(validate_customer({**CUSTOMER, **changed}, COUNTRIES)[1])


# -- showing it -------------------------------------------------------------------------------------------


def test_an_empty_cart_has_no_checkout(standing_shop: Shop) -> None:
    assert standing_shop.shopper().get("/checkout").location.endswith("/cart")
    lost = standing_shop.shopper().post("/checkout", {**CUSTOMER, "total": "23.40"})
    assert lost.location.endswith("/cart")  # whoever sends the form had something in a cart
    emptied = standing_shop.shopper_with(MUG=1)
    emptied.post("/cart/lines/MUG", {"quantity": "0"})
    assert emptied.get("/checkout").location.endswith("/cart")


def test_the_form_asks_for_what_is_needed_and_no_more(standing_shop: Shop) -> None:
    page = standing_shop.shopper_with(MUG=1).get("/checkout")
    for name, most in MAX_LENGTHS.items():
        (control,) = re.findall(rf'<(?:input|select)[^>]*\bname="{name}"[^>]*>', page.body)
        assert ("required" in control) == (name in REQUIRED), name
        assert "autocomplete=" in control
        assert name == "country" or f'maxlength="{most}"' in control
        assert f'<label for="{name}">' in page.body
    assert "Please check" not in page.body
    assert page.headers["cache-control"] == "private, no-store"


def test_a_country_is_chosen_for_who_has_not_chosen_one(standing_shop: Shop) -> None:
    assert '<option value="DE" selected>' in standing_shop.shopper_with(MUG=1).get("/checkout").body


def test_the_form_is_filled_in_after_an_unpaid_order(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    total = shop.place(shopper, **{**ALL, "country": "FR"}).field("total")
    shopper.post("/checkout", {**ALL, "country": "FR", "total": total})
    page = shopper.get("/checkout")
    for name in ALL.keys() - {"country"}:
        assert page.field(name) == ALL[name], name
    assert '<option value="FR" selected>' in page.body
    assert "Test Customer" not in shop.shopper_with(MUG=1).get("/checkout").body


# -- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", sorted(REQUIRED))
@pytest.mark.parametrize("value", ["", "   \t "])
def test_a_required_field_may_not_be_empty(field: str, value: str) -> None:
    assert wrong_in(**{field: value}) == {field}


def test_errors_are_shown_beside_the_field_and_in_the_summary(standing_shop: Shop) -> None:
    answer = refused(standing_shop, city="", email="a@b\r\nBcc: all@example.com", name="A\x00B")
    assert wrong_fields(answer) == {"city", "email", "name"}
    assert answer.text.count(REQUIRED["city"]) == 2
    assert '<a href="#city">' in answer.body
    assert answer.body.count('aria-invalid="true"') == 3


def test_a_form_with_nothing_in_it_names_every_required_field(standing_shop: Shop) -> None:
    answer = standing_shop.shopper_with(MUG=1).post("/checkout", {})
    assert (answer.status, wrong_fields(answer)) == (400, set(REQUIRED))


def test_the_summary_takes_the_focus(standing_shop: Shop) -> None:
    answer = refused(standing_shop, email="nobody")
    (summary,) = re.findall(r'<div class="notice[^>]*>', answer.body)
    assert all(part in summary for part in ("autofocus", 'tabindex="-1"', 'role="alert"'))
    assert answer.body.index(summary) < answer.body.index('<form class="checkout-layout"')
    assert "Error: Checkout" in answer.body


def test_nothing_that_was_typed_is_lost(standing_shop: Shop) -> None:
    typed = {
        **ALL,
        "name": 'Tést "O\'Hara" <b>&amp;</b>',
        "email": "tést@nowhere",
        "city": "x" * 101,
        "country": "FR",
    }
    answer = refused(standing_shop, **typed)
    assert wrong_fields(answer) == {"email", "city"}
    for name in typed.keys() - {"country"}:
        assert answer.field(name) == typed[name], name
    assert '<option value="FR" selected>' in answer.body
    assert "<b>" not in answer.body


@pytest.mark.parametrize("field", sorted(MAX_LENGTHS.keys() - {"country"}))
def test_every_field_has_an_end(field: str) -> None:
    _, errors = validate_customer({**CUSTOMER, field: "1" * (MAX_LENGTHS[field] + 1)}, COUNTRIES)
    assert errors == {field: f"Please shorten this to {MAX_LENGTHS[field]} characters."}


def test_as_long_as_may_be_is_taken(shop: Shop) -> None:
    longest = {name: "x" * most for name, most in MAX_LENGTHS.items() if name not in ("country", "email")}
    longest |= {"phone": "1" * 15 + " " * (MAX_LENGTHS["phone"] - 21) + "ext. 1", "postal_code": "10115"}
    email = "a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".de"
    answer = shop.place(shop.shopper_with(MUG=1), **longest, email=email)
    assert answer.status == 303
    assert shop.orders()[0].customer["email"] == email


@pytest.mark.parametrize("hidden", ["\x00", "\x07", "\x1b", "\x7f", "\x92"])
@pytest.mark.parametrize("field", ["name", "email", "city", "phone"])
def test_control_characters_are_refused_by_their_number(field: str, hidden: str) -> None:
    value = CUSTOMER.get(field, "12345")
    _, errors = validate_customer({**CUSTOMER, field: f"{value[:3]}{hidden}{value[3:]}"}, COUNTRIES)
    assert errors.keys() == {field}
    assert f"U+{ord(hidden):04X}" in errors[field]


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\ufeff", "\u200b", "\u00ad", "\u200e", "\u2060"])
@pytest.mark.parametrize("field", ["name", "email", "postal_code", "city", "phone"])
def test_what_nobody_sees_is_taken_off(field: str, hidden: str) -> None:
    value = CUSTOMER.get(field, "12345")
    values, errors = validate_customer(
        {**CUSTOMER, field: f"{hidden}{value[:3]}{hidden}{value[3:]}{hidden}"}, COUNTRIES
    )
    assert (values[field], errors) == (value, {})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x85", "\u2028", "\t"])
def test_a_line_break_becomes_a_space_and_never_a_header(end: str) -> None:
    broken = f"customer@example.com{end}Bcc: all@example.com"
    values, errors = validate_customer({**CUSTOMER, "name": f"Ann{end}Lee", "email": broken}, COUNTRIES)
    assert values["name"] == "Ann Lee"
    assert errors.keys() == {"email"}


@pytest.mark.parametrize(
    "name", ["Ωμέγα Ἀγάπη", "李小龍", "بكر", "O’Neill-Müller", "👩‍🌾 Farm", "Ng", "名" * 100]
)
def test_names_of_all_the_world_are_taken(name: str) -> None:
    assert wrong_in(name=name) == set()


@pytest.mark.parametrize(
    "email",
    [
        "nobody", "@example.com", "a@", "a@b", "a@@b.com", "a b@example.com", "a@exa mple.com", ".a@example.com",
        "a.@example.com", "a..b@example.com", "a@-b.com", "a@b-.com", "a@.com", "a@b..com", "a@b.c", "a@b.1",
        "a@[127.0.0.1]", '"a b"@example.com', "a@example.com,b@example.com", "a@example.com;b@example.com",
        "Ann <a@example.com>", "a(c)@example.com", "ä@example.com", "a@localhost", "a@shop.local", "a\\@example.com",
        "a" * 65 + "@example.com", "a@" + "b" * 64 + ".com", "mailto:", "a@example.com%0aBcc:b@example.com",
    ],
)  # fmt: skip
def test_an_email_address_that_mail_servers_refuse_is_refused(email: str) -> None:
    assert wrong_in(email=email) == {"email"}


@pytest.mark.parametrize(
    "email",
    [
        "a@b.co",
        "A.B+tag@Sub.Example.COM",
        "o'neill@example.com",
        "x!#$%&'*+/=?^_`{|}~-@example.museum",
        "1@2.example",
        "a@xn--exmple-cua.com",
        "max@müller.example",
        "a@例え.テスト",
        "a@shop.test",
        "\u202aａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ\u202c",
    ],
)
def test_odd_but_good_email_addresses_are_taken(email: str) -> None:
    assert wrong_in(email=email) == set()


@pytest.mark.parametrize(
    "typed", ["Max@MÜLLER.example", "Max@xn--mller-kva.example", " Max@müller.example\u200b"]
)
def test_an_address_is_kept_as_it_was_typed_with_its_domain_in_one_spelling(typed: str) -> None:
    assert validate_customer({**CUSTOMER, "email": typed}, COUNTRIES)[0]["email"] == "Max@müller.example"


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("tést@example.com", "with “é” before the “@”"),
        ('"a b"@example.com', "quotation marks"),
        ("a" * 65 + "@example.com", "64 of them before the “@”"),
        ("a..b@example.com", "two periods in a row"),
        ("a@localhost", "should have a period"),
    ],
)
def test_an_undeliverable_address_is_refused_with_a_helpful_message(email: str, words: str) -> None:
    assert words in validate_customer({**CUSTOMER, "email": email}, COUNTRIES)[1]["email"]


@pytest.mark.parametrize("country", ["US", "de", "DEU", "XX", "<>", "D", "ＤＥ"])
def test_a_country_that_is_not_shipped_to_is_refused(country: str) -> None:
    assert wrong_in(country=country) == {"country"}


@pytest.mark.parametrize(
    "phone", ["12", "call me", "+", "----", "( ) / .", "1" * 16, "ext. 12", "\u202a+49\u202c"]
)
def test_a_telephone_number_that_cannot_be_dialled_is_refused(phone: str) -> None:
    assert wrong_in(phone=phone) == {"phone"}


@pytest.mark.parametrize(
    ("phone", "kept"),
    [
        ("\u202a+49 30 1234567\u202c", "+49 30 1234567"),
        ("\u2066(+49) 30 123-456\u2069", "(+49) 30 123-456"),
        ("030/123 45 67 ext. 12", "030/123 45 67 ext. 12"),
        ("555-0100 x12", "555-0100 x12"),
        ("+44 20 7946 0958,,123456", "+44 20 7946 0958,,123456"),
        ("tel:+1-201-555-0123", "+1-201-555-0123"),
        ("0049.30.1234", "0049.30.1234"),
        ("０３ー１２３４ー５６７８", "03-1234-5678"),
        ("٠١٢٣٤٥", "012345"),
        ("1234", "1234"),
        ("+46 8 123 456 78 – 9", "+46 8 123 456 78 - 9"),
    ],
)
def test_a_telephone_number_is_taken_as_people_write_it(phone: str, kept: str) -> None:
    values, errors = validate_customer({**CUSTOMER, "phone": phone}, COUNTRIES)
    assert (values["phone"], errors) == (kept, {})


# -- addresses of other countries -------------------------------------------------------------------------


def again(shop: Shop, shopper: Shopper, answer: Answer, typed: dict[str, str]) -> Answer:
    """Send the form that came back once more, as a browser does."""
    names = re.findall(r'<input[^>]*\bname="(\w+)"', answer.body)
    return shopper.post("/checkout", {**typed, **{name: answer.field(name) for name in names}})


def test_a_doubtful_postal_code_is_asked_about_once_and_then_let_through(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    typed = {**CUSTOMER, "postal_code": "NOT-A-ZIP"}
    asked = shop.place(shopper, **typed)
    assert (asked.status, wrong_fields(asked), shop.orders()) == (400, {"postal_code"}, [])
    assert "“NOT-A-ZIP” doesn’t look like a postal code in Germany" in asked.text
    assert again(shop, shopper, asked, typed).status == 303
    (order,) = shop.orders()
    assert order.customer["postal_code"] == "NOT-A-ZIP"


@pytest.mark.parametrize(
    ("code", "country"),
    [("GB", "in the United Kingdom (for example"), ("NL", "in the Netherlands"), ("AT", "in Austria")],
)
def test_a_country_is_named_as_within_a_sentence(standing_shop: Shop, code: str, country: str) -> None:
    asked = refused(standing_shop, country=code, postal_code="12", city="Anywhere")
    assert country in asked.text


def test_another_doubtful_code_is_asked_about_again(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=1)
    asked = standing_shop.place(shopper, postal_code="NOT-A-ZIP")
    changed = standing_shop.place(shopper, postal_code="ALSO-NONE", confirmed=asked.field("confirmed"))
    assert (changed.status, wrong_fields(changed)) == (400, {"postal_code"})


def test_a_doubt_and_a_missing_field_are_said_at_once(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=1)
    asked = standing_shop.place(shopper, postal_code="NOT-A-ZIP", city="")
    assert wrong_fields(asked) == {"postal_code", "city"}


def test_a_doubt_that_was_said_beside_mistakes_is_asked_about_once_they_are_mended(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    typed = {**CUSTOMER, "postal_code": "NOT-A-ZIP"}
    first = shop.place(shopper, **{**typed, "name": "", "city": ""})
    assert wrong_fields(first) == {"name", "city", "postal_code"}
    second = again(shop, shopper, first, typed | {"confirmed": first.field("confirmed")})
    assert wrong_fields(second) == {"name", "city", "postal_code"}  # sent as it was

    mended = {**typed, "total": first.field("total"), "confirmed": first.field("confirmed")}
    asked = shopper.post("/checkout", mended)
    assert (asked.status, wrong_fields(asked), shop.orders()) == (400, {"postal_code"}, [])
    beside = shopper.post("/checkout", {**mended, "confirmed": asked.field("confirmed"), "name": ""})
    assert wrong_fields(beside) == {"name"}  # what was confirmed stays so
    assert shopper.post("/checkout", {**mended, "confirmed": beside.field("confirmed")}).status == 303


def test_an_unknown_province_is_asked_about_and_the_known_ones_are_offered(standing_shop: Shop) -> None:
    spanish = {"country": "ES", "postal_code": "2801", "city": "Getafe", "region": "Narnia"}
    asked = refused(standing_shop, **spanish)
    assert wrong_fields(asked) == {"postal_code", "region"}
    assert "“Narnia” doesn’t look like a province in Spain." in asked.text
    assert 'list="region-choices"' in asked.body
    assert '<option value="Cádiz">Cádiz</option>' in asked.body
    assert '<label for="region">Province' in asked.body


@pytest.mark.parametrize("region", ["", "Castilla"])
def test_a_province_taken_from_the_postal_code_is_no_error(shop: Shop, region: str) -> None:
    shopper = shop.shopper_with(MUG=1)
    typed = {**CUSTOMER, "country": "ES", "postal_code": "28013", "city": "", "region": region}
    refused_once = shop.place(shopper, **typed)
    assert wrong_fields(refused_once) == {"city"}
    assert refused_once.field("region") == region
    right = {**typed, "postal_code": "08001", "city": "Barcelona", "region": refused_once.field("region")}
    total = shop.place(shopper, **right).field("total")  # shipping to Spain costs more
    assert shopper.post("/checkout", {**right, "total": total}).status == 303
    (order,) = shop.orders()
    assert order.customer["region"] == "Barcelona"
    assert shopper.get("/checkout").field("region") == ""


def test_a_country_without_postal_codes_for_all_asks_for_none(standing_shop: Shop) -> None:
    assert wrong_in(country="IE", postal_code="", city="Cork") == set()
    asked = refused(standing_shop, country="IE", postal_code="", city="")
    assert wrong_fields(asked) == {"city"}
    assert '<label for="postal_code">Eircode <span class="muted">(optional)</span>' in asked.body


def test_the_order_keeps_code_and_region_as_they_are_written_there(shop: Shop) -> None:
    typed = {"country": "ES", "postal_code": "２８０１３", "city": "Getafe", "region": "MADRID"}
    shopper = shop.shopper_with(MUG=1)
    total = shop.place(shopper, **typed).field("total")
    assert shopper.post("/checkout", {**CUSTOMER, **typed, "total": total}).status == 303
    (order,) = shop.orders()
    assert (order.customer["postal_code"], order.customer["region"]) == ("28013", "Madrid")
    (sent,) = shop.paypal.requests("create")
    address = json.loads(sent.body)["purchase_units"][0]["shipping"]["address"]
    assert (address["postal_code"], address["admin_area_1"]) == ("28013", "Madrid")


# -- bodies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (urlencode({**CUSTOMER, "total": "23.40"}) + "&name=Another", 400),
        (urlencode({**CUSTOMER, "total": "23.40"}) + "&total=0.01", 400),
        (urlencode(CUSTOMER).replace("Test+Customer", "M%FCller"), 400),
        (urlencode(CUSTOMER).replace("Test+Customer", "%ED%A0%80"), 400),
        (urlencode(CUSTOMER).replace("Test+Customer", "%C0%80"), 400),
        (urlencode(CUSTOMER).replace("Test+Customer", "Müller").encode("latin-1"), 400),
        (b"\xff\xfe\x00", 400),
        ("&".join(f"field{number}=1" for number in range(300)), 400),
        ("name=" + "x" * 70_000, 413),
        ("", 400),
        ("&&&===", 400),
        ("%", 400),
    ],
)  # fmt: skip
def test_a_body_that_is_no_form_of_ours_is_refused(
    standing_shop: Shop, body: str | bytes, status: int
) -> None:
    shopper = standing_shop.shopper_with(MUG=1)
    assert shopper.post("/checkout", body).status == status
    assert standing_shop.orders() == []


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        "image/png",
        "application/octet-stream",
        "junk",
    ],
)
def test_a_body_of_another_kind_is_a_415(standing_shop: Shop, kind: str) -> None:
    shopper = standing_shop.shopper_with(MUG=1)
    answer = shopper.post("/checkout", urlencode({**CUSTOMER, "total": "23.40"}), Content_Type=kind)
    assert (answer.status, answer.headers["content-type"]) == (415, "text/html; charset=utf-8")
    assert standing_shop.orders() == []


def test_fields_that_the_form_has_not_change_nothing(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    shop.place(shopper, state="paid", id="x" * 32, price="1", **{"customer[name]": "x", "order": "y"})
    (order,) = shop.orders()
    assert (order.state, order.total, len(order.id)) == ("awaiting", 2340, 32)
    assert set(order.customer) == set(MAX_LENGTHS)


def test_spaces_around_are_dropped(shop: Shop) -> None:
    shop.place(shop.shopper_with(MUG=1), email="  customer@example.com ", name=" A  B ")
    customer = shop.orders()[0].customer
    assert (customer["email"], customer["name"]) == ("customer@example.com", "A  B")


# -- what it costs ----------------------------------------------------------------------------------------


def test_placing_costs_five_calls_and_superseding_two_more(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1, TEA_50=1)
    total = shopper.get("/checkout").field("total")
    with counted_calls() as calls:
        answer = shopper.post("/checkout", {**CUSTOMER, "total": total})
    assert answer.status == 303
    assert calls == {"GetItem": 1, "BatchGetItem": 2, "TransactWriteItems": 2}
    with counted_calls() as calls:
        shopper.post("/checkout", {**CUSTOMER, "total": total, "city": "Potsdam"})
    assert calls == {"GetItem": 2, "BatchGetItem": 2, "TransactWriteItems": 3}


def test_no_page_on_the_way_of_an_order_scans(shop: Shop) -> None:
    with counted_calls() as calls:
        shopper, order_id = shop.paid(MUG=1, TEA_50=2)
        shopper.get(f"/orders/{order_id}")
        shopper.post(f"/orders/{order_id}/payment")
        shopper.get("/cart")
    assert calls["Scan"] == 0
    assert calls["TransactWriteItems"] >= 3


def test_a_database_that_is_silent_while_the_form_is_shown_is_a_503(standing_shop: Shop) -> None:
    shopper = standing_shop.shopper_with(MUG=1)
    with silence():
        answer = shopper.get("/checkout")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def test_the_order_keeps_what_was_typed(shop: Shop) -> None:
    answer = shop.place(shop.shopper_with(MUG=1), **ALL)
    (order,) = shop.orders()
    assert order.customer == ALL
    assert "token=" in answer.location
    page = shop.shopper().get(f"/orders/{order.id}")
    assert all(value in page.text for name, value in ALL.items() if name != "country")


def test_the_summary_is_in_the_order_of_the_fields(standing_shop: Shop) -> None:
    asked = standing_shop.place(
        standing_shop.shopper_with(MUG=1), name="", email="", phone="1", address="", postal_code="", city=""
    )
    summary = asked.body.partition('role="alert"')[2].partition("</div>")[0]
    in_summary = re.findall(r'<a href="#(\w+)">', summary)
    assert in_summary == ["name", "email", "phone", "address", "postal_code", "city"]
    assert in_summary == re.findall(r'id="(\w+)-error"', asked.body)


def test_countries_are_listed_by_name_and_the_first_zones_is_chosen(standing_shop: Shop) -> None:
    page = standing_shop.shopper_with(MUG=1).get("/checkout")
    names = re.findall(r'<option value="[A-Z]{2}"[^>]*>([^<]+)', page.body)
    assert names == sorted(names)
    assert len(names) > 5
    assert '<option value="DE" selected>Germany' in page.body
