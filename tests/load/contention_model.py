"""How many shoppers get past one row of DynamoDB: `python -m tests.load.contention_model`, a reckoning in virtual time.

Everybody presses “Place order” within the same second and wants the same units, of which there are enough. A
transaction keeps the row to itself for some time; who comes meanwhile is refused, and tries again as the shop does.
"""

import heapq
import random
import sys

from chalicelib.checkout.place_order import ATTEMPT_SECONDS, PLACING_SECONDS
from chalicelib.database.connection import pause_after

CONFLICT_SECONDS = 0.01  # until a refusal is back
LOOK_SECONDS = 0.02  # at cart and shelf, before the next round of tries
Try = tuple[
    float, int, int, float, float
]  # when, who, how many tries before, this round's end, their patience's end


def rush(many: int, hold_seconds: float, seed: int = 1) -> tuple[int, float]:
    """Let so many come within a second; return how many got through in time, and after how long the last of them."""
    chance = random.Random(seed)
    waiting: list[Try] = []
    for who in range(many):
        at = chance.random()
        waiting.append((at, who, 0, at + ATTEMPT_SECONDS, at + PLACING_SECONDS))
    heapq.heapify(waiting)
    free_at = last = 0.0
    through = 0
    while waiting:
        at, who, tries, round_ends, ends = heapq.heappop(waiting)
        if at >= free_at:
            free_at = last = at + hold_seconds
            through += 1
            continue
        again = at + CONFLICT_SECONDS
        if again <= round_ends:
            waits = chance.uniform(*pause_after(tries))
            heapq.heappush(waiting, (again + waits, who, tries + 1, round_ends, ends))
        elif again + LOOK_SECONDS <= ends:
            again += LOOK_SECONDS
            heapq.heappush(waiting, (again, who, 0, again + ATTEMPT_SECONDS, ends))
    return through, last


def main() -> int:
    """Print a table: of so many at once, how many get through."""
    print(f"{'a transaction':>14}{'at once':>9}{'through':>9}{'last s':>8}{'a second':>10}")
    for hold in (0.01, 0.02, 0.04):
        for many in (50, 200, 400, 800, 1600):
            through, last = rush(many, hold)
            print(f"{hold * 1000:11.0f} ms{many:9}{through:9}{last:8.1f}{through / last:10.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
