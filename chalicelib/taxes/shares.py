"""An amount shared out to the minor unit: shipping over lines, a refund over the taxes of a sale."""

from collections.abc import Sequence


def share_out(amount: int, weights: Sequence[int]) -> list[int]:
    """Share an amount in proportion of weights, by the largest remainder; of equal ones the first has it.

    Without any weight the first has all. Amount and weights are 0 or more, and there is a weight.
    """
    whole = sum(weights)
    if not whole:
        return [amount, *[0] * (len(weights) - 1)]
    shares = [amount * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(amount * weights[place] % whole))
    for place in by_remainder[: amount - sum(shares)]:
        shares[place] += 1
    return shares
