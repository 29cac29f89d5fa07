"""Staff give money back: once, never more than is left, with the stock, the ledger and the mail that belong to it."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.database.transactions import Transaction
from tests.dynamodb_faults import answers_lost
from tests.invariants import check_money, check_stock, units
from tests.shop import Shop

TOTAL = 2340  # a mug and its way to Berlin
FORM = "f" * 32


def refund(
    shop: Shop, order_id: str, amount: int, *, form: str = FORM, write_audit: Any = None, **wish: Any
) -> Any:
    """Refund as the staff's page does, having looked just now."""
    from chalicelib.database.transactions import no_audit
    from chalicelib.payments.refunds import RefundRequest, refund_payment

    shown = {"shown_refundable": shop.order(order_id).refundable_amount, "reason": "A crack in the glaze."}
    wished = RefundRequest(amount, **{**shown, **wish})
    order, _ = refund_payment(order_id, form, wished, "merchant@shop.example", write_audit or no_audit)
    return order


def states(shop: Shop, order_id: str) -> list[str]:
    return [entry["status"] for entry in shop.order(order_id).refunds.values()]


def kinds(shop: Shop) -> list[tuple[str, int]]:
    return [(row.kind, int(row.amount)) for row in shop.ledger()]


def refunds_at_paypal(shop: Shop) -> int:
    return sum(1 for row in shop.paypal.ledger() if row.kind == "refund")


# -- what is decided --------------------------------------------------------------------------------------


def test_a_part_goes_back_at_once_with_its_row_in_the_ledger_and_a_mail(shop: Shop) -> None:
    _, order_id = shop.paid()

    order = refund(shop, order_id, 500, note="Sorry for the crack.")

    assert states(shop, order_id) == ["completed"]
    assert kinds(shop) == [("sale", TOTAL), ("refund", -500)]
    assert (order.refunded, order.refundable_amount, order.state) == (500, TOTAL - 500, "paid")
    assert shop.mails() == ["merchant_order_paid", "order_paid", "refund_completed"]
    assert "Sorry for the crack." in shop.paypal.requests("refund")[0].body
    assert "A crack in the glaze." not in shop.paypal.requests("refund")[0].body
    check_money(shop)


def test_parts_add_up_to_the_whole_and_nothing_more_goes(shop: Shop) -> None:
    from chalicelib.payments.refunds import NothingToRefund, can_refund

    _, order_id = shop.paid()
    refund(shop, order_id, 1000, form="a")
    order = refund(shop, order_id, TOTAL - 1000, form="b")

    assert order.refundable_amount == 0
    assert not can_refund(order)
    with pytest.raises(NothingToRefund):
        refund(shop, order_id, 1, form="c")
    assert sum(amount for _, amount in kinds(shop)) == 0
    check_money(shop)


def test_a_shipped_order_is_refunded_like_a_paid_one(shop: Shop) -> None:
    from chalicelib.orders.models import Order
    from chalicelib.orders.repository import update_order

    def ship(order: Order, _: Transaction) -> bool:
        order.ship({"carrier": "", "tracking": "", "link": ""}, "merchant@shop.example")
        return True

    _, order_id = shop.paid()
    update_order(order_id, ship)

    assert refund(shop, order_id, TOTAL).state == "shipped"
    assert states(shop, order_id) == ["completed"]


@pytest.mark.parametrize("amount", [0, -1, TOTAL + 1])
def test_nothing_below_one_cent_or_above_what_is_left_is_decided(shop: Shop, amount: int) -> None:
    from chalicelib.payments.refunds import InvalidRefund

    _, order_id = shop.paid()

    with pytest.raises(InvalidRefund) as wrong:
        refund(shop, order_id, amount)
    assert wrong.value.problems.keys() == {"amount"}
    assert shop.order(order_id).refunds == {}
    assert shop.paypal.requests("refund") == []


def test_an_unpaid_order_has_nothing_to_refund(shop: Shop) -> None:
    from chalicelib.payments.refunds import NothingToRefund

    shop.placed()
    (order,) = shop.orders()

    with pytest.raises(NothingToRefund):
        refund(shop, order.id, 100)


def test_the_same_form_is_one_refund_however_often_it_comes(shop: Shop) -> None:
    from chalicelib.payments.refunds import FormAlreadySubmitted

    _, order_id = shop.paid()
    for _ in range(2):
        refund(shop, order_id, 700, shown_refundable=TOTAL)
    with pytest.raises(FormAlreadySubmitted):
        refund(shop, order_id, 800, shown_refundable=TOTAL)

    assert kinds(shop) == [("sale", TOTAL), ("refund", -700)]
    check_money(shop)


@pytest.mark.parametrize("forms", [("a", "a"), ("a", "b")], ids=["one form twice", "two members"])
def test_two_at_once_never_give_back_more_than_there_is(shop: Shop, forms: tuple[str, str]) -> None:
    from chalicelib.payments.refunds import RefundableAmountChanged

    _, order_id = shop.paid()
    ready = threading.Barrier(2)
    answers: list[str] = []

    def press(form: str) -> None:
        ready.wait(10)
        try:
            refund(shop, order_id, 2000, form=form, shown_refundable=TOTAL)
            answers.append("refunded")
        except RefundableAmountChanged:
            answers.append("told of the other")

    presses = [threading.Thread(target=press, args=(form,)) for form in forms]
    for thread in presses:
        thread.start()
    for thread in presses:
        thread.join(30)

    second = "refunded" if forms[0] == forms[1] else "told of the other"
    assert sorted(answers) == ["refunded", second]
    assert kinds(shop) == [("sale", TOTAL), ("refund", -2000)]
    check_money(shop)


def test_what_changed_since_the_page_was_shown_is_said_before_anything_moves(shop: Shop) -> None:
    from chalicelib.payments.refunds import RefundableAmountChanged

    _, order_id = shop.paid()
    shop.paypal.refund(shop.order(order_id).capture_id or "", "10.00", "completed")
    shop.deliver_notifications()

    with pytest.raises(RefundableAmountChanged, match=r"from €23.40 to €13.40"):
        refund(shop, order_id, 1340, shown_refundable=TOTAL)
    assert refunds_at_paypal(shop) == 1


def test_money_that_a_bank_took_back_is_not_left_to_refund(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.reverse(shop.order(order_id).capture_id or "", "20.00")
    shop.deliver_notifications()

    assert shop.order(order_id).refundable_amount == TOTAL - 2000


def test_the_audit_entry_of_a_refund_has_amounts_and_units_but_no_customer_data(shop: Shop) -> None:
    _, order_id = shop.paid(MUG=2)
    seen: list[tuple[Any, ...]] = []

    def write_audit(transaction: Transaction, *told: Any) -> None:
        seen.append(told)

    refund(shop, order_id, 500, restock={"MUG": 1}, write_audit=write_audit, note="Dear Test Customer")

    number = shop.order(order_id).number
    assert seen == [
        (
            f"order {number}",
            {"left to refund": "41.90 EUR", "restocked": {}},
            {"left to refund": "36.90 EUR", "restocked": {"MUG": 1}},
        )
    ]


# -- the shelf --------------------------------------------------------------------------------------------


def test_stock_comes_back_only_where_it_was_ticked(shop: Shop) -> None:
    before = units(shop)
    _, order_id = shop.paid(MUG=3)

    refund(shop, order_id, 500, form="a")
    assert shop.stock("MUG") == 97
    refund(shop, order_id, 500, form="b", restock={"MUG": 2})
    assert shop.stock("MUG") == 99
    refund(shop, order_id, 500, form="b", restock={"MUG": 2}, shown_refundable=0)
    assert shop.stock("MUG") == 99
    check_stock(shop, before)


def test_no_more_units_come_back_than_were_bought(shop: Shop) -> None:
    from chalicelib.payments.refunds import InvalidRefund, max_restock

    _, order_id = shop.paid(MUG=2)
    refund(shop, order_id, 500, form="a", restock={"MUG": 1})
    assert max_restock(shop.order(order_id)) == {"MUG": 1}

    for back in ({"MUG": 2}, {"MUG": -1}, {"BOWL": 1}, {"BOWL": 0}):
        with pytest.raises(InvalidRefund) as wrong:
            refund(shop, order_id, 500, form="b", restock=back)
        assert wrong.value.problems.keys() == {f"restock-{sku}" for sku in back}
    assert (shop.stock("MUG"), shop.stock("BOWL")) == (99, 1)


def test_units_of_a_refund_that_paypal_refused_stay_on_the_shelf_and_are_not_put_there_twice(
    shop: Shop,
) -> None:
    from chalicelib.payments.refunds import max_restock

    before = units(shop)
    _, order_id = shop.paid(MUG=1)
    shop.paypal.next_refund("REFUND_NOT_ALLOWED")

    refund(shop, order_id, 500, restock={"MUG": 1})

    assert states(shop, order_id) == ["failed"]
    assert (shop.stock("MUG"), max_restock(shop.order(order_id))) == (100, {"MUG": 0})
    check_stock(shop, before)


# -- what PayPal answers ----------------------------------------------------------------------------------


def test_a_pending_refund_counts_as_gone_and_is_followed_to_its_end(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.next_refund("pending")

    order = refund(shop, order_id, 2000)

    assert (states(shop, order_id), order.refundable_amount) == (["pending"], TOTAL - 2000)
    assert "refund_completed" not in shop.mails()
    (entry,) = order.refunds.values()
    shop.paypal.complete_refund(entry["paypal_refund_id"])
    with shop.later(minutes=6):
        shop.reconcile()
    assert states(shop, order_id) == ["completed"]
    assert "refund_completed" in shop.mails()
    check_money(shop)


def test_a_pending_refund_that_fails_is_an_issue_and_can_be_repeated(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.next_refund("pending")
    (entry,) = refund(shop, order_id, TOTAL).refunds.values()

    shop.paypal.fail_refund(entry["paypal_refund_id"])
    with shop.later(minutes=6):
        shop.reconcile()
    shop.deliver_notifications()

    order = shop.order(order_id)
    assert (states(shop, order_id), order.refundable_amount) == (["failed"], TOTAL)
    assert [issue["kind"] for issue in order.open_issues] == ["refund_failed"]
    assert shop.mails() == ["merchant_issue", "merchant_order_paid", "order_paid"]
    refund(shop, order_id, TOTAL, form="again")
    assert states(shop, order_id) == ["failed", "completed"]
    check_money(shop)


def test_a_refund_that_is_in_the_books_stays_there_whatever_paypal_says_later(shop: Shop) -> None:
    from chalicelib.payments.paypal import gateway
    from chalicelib.payments.refund_settlement import settle_refund

    _, order_id = shop.paid()
    shop.paypal.next_refund("pending")
    ((refund_id, entry),) = refund(shop, order_id, 500).refunds.items()
    told = gateway.get_refund(entry["paypal_refund_id"])
    for status in ("COMPLETED", "FAILED", "PENDING", "COMPLETED", "FAILED", "CANCELLED"):
        settle_refund(order_id, replace(told, status=status), refund_id)

    order = shop.order(order_id)
    assert (states(shop, order_id), order.refunded, order.refundable_amount) == (
        ["completed"],
        500,
        TOTAL - 500,
    )
    assert kinds(shop) == [("sale", TOTAL), ("refund", -500)]
    assert [issue["kind"] for issue in order.open_issues] == ["refund_reversed"]


def test_a_refund_that_fails_at_once_is_raised_too(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.next_refund("failed")

    order = refund(shop, order_id, 100)

    assert (states(shop, order_id), order.refundable_amount) == (["failed"], TOTAL)
    assert [issue["kind"] for issue in order.open_issues] == ["refund_failed"]
    assert kinds(shop) == [("sale", TOTAL)]


def test_a_refund_that_paypal_refuses_is_kept_with_its_reason(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.next_refund("REFUND_FAILED_INSUFFICIENT_FUNDS")

    order = refund(shop, order_id, 100)

    (entry,) = order.refunds.values()
    assert (entry["status"], entry["rejection"]) == ("failed", "REFUND_FAILED_INSUFFICIENT_FUNDS")
    assert order.refundable_amount == TOTAL
    assert [issue["kind"] for issue in order.open_issues] == ["refund_rejected"]


def test_more_than_paypal_has_left_is_refused_and_the_dashboards_refund_is_found(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.refund(shop.order(order_id).capture_id or "", "20.00", "completed")

    refund(shop, order_id, TOTAL)  # nobody has told the shop of the other yet

    assert sorted(states(shop, order_id)) == ["completed", "failed"]
    assert kinds(shop) == [("sale", TOTAL), ("refund", -2000)]
    assert shop.order(order_id).refundable_amount == TOTAL - 2000
    check_money(shop)


@pytest.mark.parametrize("fault", ["503", "cut_before", "cut_after", "html_body"])
def test_no_answer_leaves_the_refund_decided_and_the_reconciler_makes_it_once(shop: Shop, fault: str) -> None:
    _, order_id = shop.paid()
    shop.paypal.fault("refund", fault, times=None)

    order = refund(shop, order_id, 1500)

    assert (states(shop, order_id), order.refundable_amount) == (["requested"], TOTAL - 1500)
    shop.paypal.clear_faults()
    with shop.later(minutes=6):
        shop.reconcile()
    assert states(shop, order_id) == ["completed"]
    assert refunds_at_paypal(shop) == 1
    check_money(shop)


def test_a_refund_whose_answer_was_lost_is_known_as_ours_by_its_notification(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.fault("refund", "cut_after", times=None)
    refund(shop, order_id, 1500, note="With our apologies.")

    shop.deliver_notifications()

    order = shop.order(order_id)
    (entry,) = order.refunds.values()
    assert (entry["status"], entry["note"]) == ("completed", "With our apologies.")
    assert order.refundable_amount == TOTAL - 1500
    assert not order.next_refund_at
    check_money(shop)


def test_a_pending_answer_that_paypal_repeats_after_the_end_does_not_reopen_the_refund(shop: Shop) -> None:
    _, order_id = shop.paid()
    shop.paypal.next_refund("pending")
    shop.paypal.fault("refund", "cut_after", times=None)
    refund(shop, order_id, 1500)
    (pending,) = shop.paypal.notifications("PAYMENT.REFUND.PENDING")
    shop.paypal.complete_refund(pending.event["resource"]["id"])
    shop.deliver_notifications()
    shop.paypal.clear_faults()

    with shop.later(minutes=6):
        shop.reconcile()

    assert states(shop, order_id) == ["completed"]
    assert not shop.order(order_id).next_refund_at
    check_money(shop)


def test_a_decision_whose_answer_was_lost_is_one_decision(shop: Shop) -> None:
    before = units(shop)
    _, order_id = shop.paid()

    with answers_lost("TransactWriteItems"):
        refund(shop, order_id, 1500, restock={"MUG": 1})

    assert states(shop, order_id) == ["completed"]
    assert refunds_at_paypal(shop) == 1
    check_stock(shop, before)


def test_an_erased_customer_gets_no_mail_of_a_refund(shop: Shop) -> None:
    from chalicelib.orders.models import Order
    from chalicelib.orders.repository import update_order

    def erase(order: Order, _: Transaction) -> bool:
        order.erase("merchant@shop.example")
        return True

    _, order_id = shop.paid()
    refund(shop, order_id, 100, form="a", note="Dear Test Customer")
    shop.functions.drain("order-emails")
    update_order(order_id, erase)

    order = refund(shop, order_id, 100, form="b")

    assert order.emails_due == {}
    assert "Test Customer" not in str(order.refunds)
