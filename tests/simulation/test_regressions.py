"""What the days have found, each told again by itself."""

from tests.fault_injection import lambda_process
from tests.fault_injection.lambda_process import Answered, Call, Process
from tests.shop import CUSTOMER, Shop


def test_half_an_answer_of_the_database_is_no_answer(shop: Shop) -> None:
    shopper = shop.shopper_with(MUG=1)
    form = {**CUSTOMER, "total": shopper.get("/checkout").field("total")}

    def lose_half_of(operation: str) -> int:
        def decide(call: Call) -> str:
            return lambda_process.GARBAGE if call.operation == operation else lambda_process.GO

        end = Process(lambda: shopper.post("/checkout", form).status).run(decide)
        assert isinstance(end, Answered), end
        return int(end.value)

    assert lose_half_of("BatchGetItem") == 503
    assert shop.orders() == []
    assert lose_half_of("TransactWriteItems") == 303  # it took effect: read again, and gone by
    assert len(shop.orders()) == 1
    assert shop.stock("MUG") == 99
