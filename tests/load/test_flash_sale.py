"""A small flash sale over HTTP, in a real `make run`; `make load` holds a large one."""

from pathlib import Path

from tests.load.run import flash_sale
from tests.load.shopper import BOUGHT, LEFT, SOLD_OUT, TOO_LATE

SHOPPERS, PIECES = 40, 7


def test_a_flash_sale_sells_exactly_the_stock_and_answers_every_shopper(tmp_path: Path) -> None:
    figures = flash_sale(tmp_path, SHOPPERS, PIECES)
    assert figures["faults"] == []
    endings = figures["endings"]
    assert endings.keys() <= {BOUGHT, LEFT, SOLD_OUT, TOO_LATE}
    assert sum(endings.values()) == SHOPPERS
    # Orders for two are more than one visitor may hold: there may be more of them than units, but not paid.
    assert endings[BOUGHT] + endings.get(LEFT, 0) >= PIECES / 2
    assert endings[BOUGHT] <= PIECES
    assert figures["conflicts"] > 0, "nobody met: this was no rush"
