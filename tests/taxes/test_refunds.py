"""The taxes of refunds: whatever is paid back in whatever parts, the sale's sums are met to the cent."""

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from chalicelib.taxes.assessment import TaxSum
from chalicelib.taxes.refunds import refund_shares, restored_shares
from chalicelib.taxes.shares import share_out

random_sales = budget(deadline=None, max_examples=200)
amounts = st.integers(0, 50_000)
RATES = (("standard", "19"), ("food", "7"), ("books", "7"), ("zero", "0"))


@st.composite
def sales(draw: st.DrawFn) -> list[TaxSum]:
    keys = draw(st.lists(st.sampled_from(RATES), min_size=1, unique=True))
    return [TaxSum(*key, draw(amounts), draw(st.integers(0, 9_000))) for key in keys]


def totals(movements: list[tuple[TaxSum, ...]]) -> dict[tuple[str, str], tuple[int, int]]:
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for each in (each for movement in movements for each in movement):
        net, tax = found.get((each.tax_class, each.rate), (0, 0))
        found[each.tax_class, each.rate] = (net + each.net, tax + each.tax)
    return {key: value for key, value in found.items() if value != (0, 0)}


def flat(movements: list[tuple[TaxSum, ...]]) -> list[TaxSum]:
    return [each for movement in movements for each in movement]


@random_sales
@given(sales(), st.data())
def test_parts_that_take_all_add_up_to_the_sale(sale: list[TaxSum], data: st.DataObject) -> None:
    left = sum(each.gross for each in sale)
    movements: list[tuple[TaxSum, ...]] = []
    while left:
        amount = data.draw(st.integers(1, left)) if len(movements) < 8 else left
        movements.append(refund_shares(sale, flat(movements), amount))
        assert sum(each.gross for each in movements[-1]) == amount
        left -= amount
        for each in sale:
            net, tax = totals(movements).get((each.tax_class, each.rate), (0, 0))
            assert 0 <= net <= each.net
            assert 0 <= tax <= each.tax
    assert totals(movements) == totals([tuple(sale)])


@random_sales
@given(sales(), st.data())
def test_money_that_comes_back_restores_what_was_taken(sale: list[TaxSum], data: st.DataObject) -> None:
    whole = sum(each.gross for each in sale)
    taken = [refund_shares(sale, [], data.draw(st.integers(0, whole)))]
    taken.append(
        refund_shares(sale, flat(taken), data.draw(st.integers(0, whole - sum(x.gross for x in flat(taken)))))
    )
    gone = sum(each.gross for each in flat(taken))
    back = data.draw(st.integers(0, gone))
    restored = restored_shares(flat(taken), back)
    assert sum(each.gross for each in restored) == back
    after = [*flat(taken), *(TaxSum(x.tax_class, x.rate, -x.net, -x.tax) for x in restored)]
    rest = refund_shares(sale, after, whole - gone + back)
    assert totals([tuple(after), rest]) == totals([tuple(sale)])
    assert totals([restored_shares(flat(taken), gone)]) == totals(taken)


@random_sales
@given(sales(), st.data())
def test_a_part_is_taxed_as_the_sale_was(sale: list[TaxSum], data: st.DataObject) -> None:
    whole = sum(each.gross for each in sale)
    amount = data.draw(st.integers(0, whole))
    for part in refund_shares(sale, [], amount):
        of_sale = next(each for each in sale if (each.tax_class, each.rate) == (part.tax_class, part.rate))
        assert abs(part.gross * whole - of_sale.gross * amount) < whole
        assert abs(part.tax * of_sale.gross - of_sale.tax * part.gross) * 2 <= of_sale.gross


def test_a_half_of_tea_and_a_candle() -> None:
    sale = [TaxSum("standard", "19", 1681, 319), TaxSum("food", "7", 1402, 98)]
    assert refund_shares(sale, [], 1750) == (TaxSum("standard", "19", 840, 160), TaxSum("food", "7", 701, 49))


@pytest.mark.parametrize("amount", [-1, 3501])
def test_more_than_is_left_is_refused(amount: int) -> None:
    sale = [TaxSum("standard", "19", 1681, 319), TaxSum("food", "7", 1402, 98)]
    with pytest.raises(ValueError, match="of 3500"):
        refund_shares(sale, [], amount)
    with pytest.raises(ValueError, match="of 3500"):
        restored_shares(sale, amount)


def test_nothing_is_left_of_a_sale_without_taxes() -> None:
    assert refund_shares([], [], 0) == ()
    assert refund_shares([TaxSum("food", "0", 0, 0)], [], 0) == ()


@random_sales
@given(st.integers(0, 100_000), st.lists(st.integers(0, 5_000), min_size=1, max_size=8))
def test_shares_are_whole_and_within_one_of_their_proportion(amount: int, weights: list[int]) -> None:
    shares = share_out(amount, weights)
    assert sum(shares) == amount
    if sum(weights):
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share * sum(weights) - amount * weight) < sum(weights)
    else:
        assert shares[0] == amount
