"""Limits: bots that place and pay by the hundred are told to wait, honest shoppers never, and no paid order is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib import clock
from chalicelib.cart.sessions import COOKIE, session_key
from chalicelib.config import Limits, settings
from chalicelib.rate_limits import TRIES_PER_PAYMENT, RateLimitCounter
from infra.local import api_gateway
from tests.call_counter import counted_calls
from tests.client import Answer, Shopper
from tests.dynamodb_faults import answers_lost, tampered
from tests.shop import CUSTOMER, Shop, order_id_of, token_of

ELSEWHERE, BEHIND_NAT = "198.51.100.7", "203.0.113.9"
STRICT = Limits(
    orders_per_session=3,
    orders_per_address=5,
    declined_per_session=2,
    declined_per_address=4,
    held_share_per_session=20,
    held_share_per_address=20,
)


@pytest.fixture(autouse=True)
def strict(setting: Any, half_past: None) -> None:
    """Let few pass, so that tests are short."""
    setting(shop=replace(settings.shop, limits=STRICT))


@pytest.fixture
def half_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin at half past: no test runs over the hour's end."""
    now = datetime.now(UTC)
    offset = now.replace(minute=30, second=0) - now
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + offset)


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    """Let requests come from an address, as API Gateway would tell it."""
    with mock.patch.object(api_gateway, "HOST", address):
        yield


def place(shop: Shop, shopper: Shopper, turn: int = 0) -> Answer:
    """Place an order that differs from those of other turns."""
    return shop.place(shopper, address2=f"Flat {turn}")


def decline(shop: Shop, shopper: Shopper, token: str) -> None:
    """Try to pay with a card that PayPal declines."""
    shop.paypal.decline(token)
    shopper.get(f"/payments/paypal/return?token={token}&PayerID=PAYER")


def fail_to_create(shop: Shop, failure: str) -> None:
    """Let PayPal begin no payment: away, or by a definite no."""
    if failure == "refused":
        shop.paypal.refuse("create", "PAYEE_ACCOUNT_RESTRICTED")
    else:
        shop.paypal.fault("create", failure, times=None)


def counts() -> list[RateLimitCounter]:
    """List the rows that count; the others of the table say who holds what."""
    return [row for row in RateLimitCounter.scan() if not row.key.startswith("hold#")]


def is_told_to_wait(answer: Answer) -> bool:
    """Return the page that asks to wait until the hour is over, which was half past."""
    assert answer.status == 429, answer.text
    assert 0 < int(answer.headers["retry-after"]) <= 1800
    assert "try again in 30 minutes" in answer.text
    assert "Nothing was ordered or charged" in answer.text
    return settings.shop.email in answer.text


def test_one_visitor_places_a_few_orders_an_hour_and_then_waits(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    for turn in range(STRICT.orders_per_session):
        assert place(shop, shopper, turn).status == 303
    refused = shopper.post("/checkout", {**CUSTOMER, "address2": "Flat 9", "total": "23.40"})
    assert is_told_to_wait(refused)
    assert refused.field("address2") == "Flat 9"
    assert "Pebble mug" in refused.text
    assert sum(order.state == "awaiting" for order in shop.orders()) == 1
    assert shop.stock("MUG") == 99


def test_the_next_hour_is_a_new_one(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    for turn in range(STRICT.orders_per_session + 1):
        answer = place(shop, shopper, turn)
    assert is_told_to_wait(answer)
    with shop.later(minutes=31):
        assert place(shop, shopper, 9).status == 303
    assert all(row.expires <= clock.timestamp() + 5400 for row in counts())


def test_others_are_not_kept_waiting(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    for turn in range(STRICT.orders_per_session + 1):
        place(shop, shopper, turn)
    assert place(shop, shop.shopper_with(MUG=1)).status == 303


def test_an_address_is_counted_over_all_its_visitors(shop: Shop) -> None:
    with coming_from(ELSEWHERE):
        answers = [place(shop, shop.shopper_with(MUG=1)) for _ in range(STRICT.orders_per_address + 1)]
        assert [answer.status for answer in answers] == [303] * STRICT.orders_per_address + [429]
        assert is_told_to_wait(answers[-1])
    with coming_from(BEHIND_NAT):
        assert place(shop, shop.shopper_with(MUG=1)).status == 303


@pytest.mark.parametrize("address", ["2001:db8:1:2::%s", "2001:db8:1:2:%s::9"])
def test_an_ipv6_home_is_one_address(shop: Shop, address: str) -> None:
    for turn in range(STRICT.orders_per_address + 1):
        with coming_from(address % turn):
            answer = place(shop, shop.shopper_with(MUG=1))
    assert answer.status == 429


def test_what_a_visitor_writes_about_their_address_counts_for_nothing(shop: Shop) -> None:
    with coming_from(ELSEWHERE):
        for turn in range(STRICT.orders_per_address + 1):
            shopper = shop.shopper_with(MUG=1)
            answer = shopper.post(
                "/checkout", {**CUSTOMER, "total": "23.40"}, X_Forwarded_For=f"192.0.2.{turn}"
            )
    assert answer.status == 429


def test_a_machine_of_ones_own_is_no_address(shop: Shop) -> None:
    for _ in range(STRICT.orders_per_address + 2):
        assert place(shop, shop.shopper_with(MUG=1)).status == 303


def test_paying_again_counts_like_ordering(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    (order,) = shop.orders()
    pay = f"/orders/{order.id}/payment"
    stranger = shop.shopper()  # who has the order's address pays from any browser
    for visitor in (shopper, stranger):
        assert token_of(visitor.post(pay)) == token
    assert is_told_to_wait(stranger.post(pay))
    assert is_told_to_wait(shopper.post(pay))


@pytest.mark.parametrize("failure", ["503", "refused"])
def test_payments_that_paypal_did_not_begin_count_for_nothing(shop: Shop, failure: str) -> None:
    shopper = shop.shopper_with(MUG=1)
    fail_to_create(shop, failure)
    with coming_from(ELSEWHERE):
        for _ in range(STRICT.orders_per_session):
            answer = place(shop, shopper)
            assert answer.status == 303, answer.text
        pay = f"/orders/{order_id_of(answer)}/payment"
        for _ in range(2):
            assert shopper.post(pay).status == 503
        assert sorted(int(row.placed) for row in counts()) == [1, 1]
        shop.paypal.clear_faults()
        assert shop.come_back(shopper, token_of(shopper.post(pay))).status == 303
    assert [order.state for order in shop.orders()] == ["paid"]
    assert sorted(int(row.placed) for row in counts()) == [2, 2]


def test_payment_attempts_have_a_limit_of_their_own_whatever_makes_them_fail(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    fail_to_create(shop, "refused")
    pay = f"/orders/{order_id_of(place(shop, shopper))}/payment"
    answers = [shopper.post(pay).status for _ in range(3 * TRIES_PER_PAYMENT)]
    assert answers == [503] * 3 * TRIES_PER_PAYMENT
    asked = len(shop.paypal.requests("create"))
    assert is_told_to_wait(shopper.post(pay))
    assert is_told_to_wait(place(shop, shopper))
    assert len(shop.paypal.requests("create")) == asked


def test_of_two_that_race_for_the_last_payment_of_an_hour_one_is_begun(shop: Shop) -> None:
    """The first has not failed yet while the second asks: counted is counted before."""
    shopper, _ = shop.placed(MUG=1)
    (order,) = shop.orders()
    pay = f"/orders/{order.id}/payment"
    shopper.post(pay)
    entered: list[Answer] = []

    def interfere(operation: str, _: dict[str, Any], ask: Any) -> Any:
        answer = ask()
        if operation == "UpdateItem" and not entered:
            entered.append(Answer(0, {}, [], ""))
            entered.append(shopper.post(pay))
        return answer

    with tampered(interfere):
        assert shopper.post(pay).status == 303
    assert is_told_to_wait(entered[1])
    assert [int(row.placed) for row in counts()] == [STRICT.orders_per_session]


def test_a_count_that_cannot_be_taken_back_stays_and_breaks_nothing(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    fail_to_create(shop, "503")
    pay = f"/orders/{order_id_of(place(shop, shopper))}/payment"
    updates: list[str] = []

    def away(operation: str, arguments: dict[str, Any], ask: Any) -> Any:
        if operation == "UpdateItem" and arguments["TableName"].endswith("rate-limits"):
            updates.append(operation)
            if len(updates) > 1:
                raise ReadTimeoutError(endpoint_url="http://dynamodb")
        return ask()

    with tampered(away):
        assert shopper.post(pay).status == 503
    assert len(updates) > 1
    assert [int(row.placed) for row in counts()] == [2]


def test_an_address_that_is_beyond_its_limit_uses_up_no_sessions_payments(shop: Shop) -> None:
    with coming_from(ELSEWHERE):
        shopper, _ = shop.placed(MUG=1)
        for _ in range(STRICT.orders_per_address - 1):
            shop.placed(MUG=1)
        mine = next(order for order in shop.orders() if order.cart == session_key(shopper.jar[COOKIE]))
        assert is_told_to_wait(shopper.post(f"/orders/{mine.id}/payment"))
    assert sorted(int(row.placed) for row in counts()) == [1] * 5 + [STRICT.orders_per_address]


def test_declined_payments_keep_waiting_sooner(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    (order,) = shop.orders()
    for _ in range(STRICT.declined_per_session):
        decline(shop, shopper, token)
    assert is_told_to_wait(shopper.post(f"/orders/{order.id}/payment"))
    assert is_told_to_wait(place(shop, shopper, 1))
    assert place(shop, shop.shopper_with(MUG=1)).status == 303


def test_a_decline_behind_the_shoppers_back_counts_for_their_session(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    (order,) = shop.orders()
    shop.paypal.decline(token)
    with shop.later(minutes=15):
        shop.reconcile()
    assert shop.order(order.id).declined_at
    decline(shop, shopper, token)
    assert is_told_to_wait(shopper.post(f"/orders/{order.id}/payment"))


def test_many_declined_visitors_of_one_address_wait_together(shop: Shop) -> None:
    with coming_from(ELSEWHERE):
        for _ in range(STRICT.declined_per_address):
            shopper, token = shop.placed(MUG=1)
            decline(shop, shopper, token)
        assert is_told_to_wait(place(shop, shop.shopper_with(MUG=1)))


def test_returning_from_paypal_is_never_rate_limited(shop: Shop) -> None:
    with coming_from(ELSEWHERE):
        shopper, token = shop.placed(MUG=1)
        for _ in range(STRICT.declined_per_session):
            decline(shop, shopper, token)
        for turn in range(STRICT.orders_per_address):
            place(shop, shopper, turn)
        back = shop.come_back(shopper, token)
    assert "your order is paid" in shopper.follow(back).text
    assert [order.state for order in shop.orders()] == ["paid"]


def test_a_payment_that_two_look_at_is_declined_once(shop: Shop) -> None:
    shopper, token = shop.placed(MUG=1)
    (order,) = shop.orders()
    decline(shop, shopper, token)
    shopper.get(f"/orders/{order.id}")
    shopper.get(f"/payments/paypal/cancel?token={token}")
    with shop.later(minutes=15):
        shop.reconcile()
    assert [int(row.declined) for row in counts() if row.declined] == [1]


def test_a_count_that_cannot_be_written_keeps_nobody_from_buying(shop: Shop) -> None:
    def away(operation: str, arguments: dict[str, Any], ask: Any) -> Any:
        if arguments.get("TableName", "").endswith("rate-limits"):
            raise ReadTimeoutError(endpoint_url="http://dynamodb")
        return ask()

    shopper, token = shop.placed(MUG=1)
    (order,) = shop.orders()
    with tampered(away):
        decline(shop, shopper, token)
        assert token_of(shopper.post(f"/orders/{order.id}/payment")) == token
        assert "your order is paid" in shopper.follow(shop.come_back(shopper, token)).text
    assert [(int(row.placed), int(row.declined)) for row in counts()] == [(1, 0)]


def test_a_count_whose_answer_is_lost_counts_and_lets_pass(shop: Shop) -> None:
    shopper, _ = shop.placed(MUG=1)
    (order,) = shop.orders()
    with answers_lost("UpdateItem"):
        assert shopper.post(f"/orders/{order.id}/payment").status == 303
    assert [int(row.placed) for row in counts()] == [2]


def test_looking_costs_nothing_and_placing_one_read(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    with counted_calls() as calls:
        shopper.get("/checkout")
        shopper.get("/cart")
    assert "UpdateItem" not in calls
    total = shopper.get("/checkout").field("total")
    with coming_from(ELSEWHERE), counted_calls() as calls:
        shopper.post("/checkout", {**CUSTOMER, "total": total})
    assert calls == {"GetItem": 1, "BatchGetItem": 2, "TransactWriteItems": 2}


def test_what_was_refused_counts_for_nothing(shop: Shop) -> None:
    """A changed total, or an item that someone else has just bought, is no order."""
    shop.placed(BOWL=1)
    shopper = shop.shopper_with(MUG=1)
    for _ in range(STRICT.orders_per_session + 1):
        assert shop.place(shopper, total="1.00").status == 409
    shop.put_on_shelf("one-vase", "Vase", {"VASE": (1000, None, 1)})
    late = shop.shopper_with(VASE=1)
    shop.placed(VASE=1)
    for _ in range(STRICT.orders_per_session + 1):
        assert place(shop, late).status == 409
    assert place(shop, shopper).status == 303
    assert sorted(int(row.placed) for row in counts()) == [1, 1, 1]


def test_an_order_that_is_refused_by_a_limit_leaves_the_one_before_alone(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    for turn in range(STRICT.orders_per_session):
        place(shop, shopper, turn)
    (before,) = [order for order in shop.orders() if order.state == "awaiting"]
    assert is_told_to_wait(place(shop, shopper, 9))
    assert shop.order(before.id).state == "awaiting"


def test_two_that_race_for_the_last_order_of_an_hour_are_not_both_placed(shop: Shop) -> None:
    """The read before lets both pass; the transaction does not."""
    shoppers = [shop.shopper_with(MUG=1) for _ in range(STRICT.orders_per_address + 1)]
    for shopper in shoppers:
        shopper.source = ELSEWHERE
    for shopper in shoppers[:-2]:
        assert place(shop, shopper).status == 303
    total = shoppers[-1].get("/checkout").field("total")
    entered: list[Answer] = []

    def interfere(operation: str, _: dict[str, Any], ask: Any) -> Any:
        if operation == "TransactWriteItems" and not entered:
            entered.append(Answer(0, {}, [], ""))
            entered.append(place(shop, shoppers[-2]))
        return ask()

    with tampered(interfere):
        late = shoppers[-1].post("/checkout", {**CUSTOMER, "total": total})
    assert entered[1].status == 303
    assert is_told_to_wait(late)
    assert len(shop.orders()) == STRICT.orders_per_address


def test_what_is_not_a_valid_form_is_not_counted(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    for _ in range(STRICT.orders_per_session + 1):
        assert shop.place(shopper, email="nobody").status == 400
    assert place(shop, shopper).status == 303


def test_no_row_names_anybody(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    with coming_from(ELSEWHERE):
        place(shop, shopper)
    rows = [str(row.to_simple_dict()) for row in RateLimitCounter.scan()]
    assert len(rows) == 3  # of the session, of the address, and what the address holds
    (order,) = shop.orders()
    assert not any(what in row for row in rows for what in (ELSEWHERE, str(order.cart), order.id))
