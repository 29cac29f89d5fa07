"""What happens where no shopper is looking: functions behind queue and clock do all that a page would."""

from chalicelib.payments.paypal import gateway
from chalicelib.rate_limits import RateLimitCounter
from tests.shop import Shop


def test_a_decline_that_the_reconciler_meets_counts_against_the_session(shop: Shop) -> None:
    _, token = shop.placed()
    shop.paypal.decline(token)
    with shop.later(minutes=6):
        shop.reconcile()
    (order,) = shop.orders()
    assert (order.state, order.declined) == ("awaiting", True)
    assert [int(row.declined) for row in RateLimitCounter.scan() if row.declined] == [1]


def test_pieces_that_went_back_are_taken_when_only_paypal_tells_of_the_payment(shop: Shop) -> None:
    _, token = shop.placed(BOWL=1)
    with shop.later(minutes=70):
        shop.reconcile()
        assert shop.stock("BOWL") == 1
        shop.paypal.approve(token)
        gateway.capture_order(token, "somebody:else")
        shop.deliver_notifications()
    (order,) = shop.orders()
    assert (order.state, shop.stock("BOWL")) == ("paid", 0)
