"""How much memory the books of a day take, and how fast they are: `python -m tests.benchmarks.volume.report_memory`.

A fresh process closes a day of each size, over real connections. S3 is the local cloud's. DynamoDB's two reads
(Query, BatchGetItem) are answered by a server of this file's own, which makes the rows while it is asked: the local
cloud looks at a whole partition for every page of it, so that 100,000 rows would measure the local cloud. Half as
many paid orders as ledger rows, two lines each; a sale and a refund an order. Beside each is its floor, of the
same run: the same pages parsed by json, the same rows written by csv (tests/benchmarks/volume/floor.py). Exits 1 where the
larger day takes more than 1.3 times the memory of the smaller, or a day is slower than 0.15 of its floor; half of it is the goal.
"""

import json
import os
import resource
import subprocess
import sys
import time
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from chalicelib.orders.enums import HistoryEvent
from infra.local.local_cloud import LocalCloud
from tests.benchmarks.server import served

SIZES = (10_000, 100_000)
MAX_MEMORY_RATIO = 1.3
MIN_OF_FLOOR = 0.15
SHOP = {"TIMEZONE": "UTC", "PUBLIC_URL": "http://127.0.0.1:8000"}
DAY = date(2025, 11, 22)


def main() -> int:
    """Measure both sizes and print a table; return the exit status."""
    print("The books of a day: memory and speed of a process that closes it (rows made on request)\n")
    print(
        "ledger rows   CSV MB   peak MB   above start MB   CPU s   rows a CPU s   the floor's   of the floor   wall s"
    )
    peaks, shares = [], []
    for size in SIZES:
        with (
            LocalCloud() as cloud,
            served("tests.benchmarks.volume.report_memory", "serve", str(size)) as address,
        ):
            environment = cloud.environment | SHOP | {"AWS_ENDPOINT_URL_DYNAMODB": address}
            command = [sys.executable, "-m", "tests.benchmarks.volume.report_memory", "close"]
            # A child's peak begins with its parent's: this process imports nothing of the shop and stays small.
            result = json.loads(subprocess.check_output(command, env=os.environ | environment))
            command[-1:] = ["floor", str(size)]
            floor = json.loads(subprocess.check_output(command, env=os.environ | environment))["cpu"]
        peaks.append(result["peak"])
        shares.append(floor / result["cpu"])
        print(
            f"{size:11,}   {result['bytes'] / 1e6:6.1f}   {result['peak'] / 1e6:7.1f}"
            f"   {(result['peak'] - result['start']) / 1e6:14.1f}   {result['cpu']:5.1f}"
            f"   {size / result['cpu']:12,.0f}   {size / floor:11,.0f}   {shares[-1]:12.2f}   {result['wall']:6.1f}"
        )
        if result["rows"] != [size // 2, size, size]:
            print(f"the files have {result['rows']} rows")
            return 1
    ratio = peaks[-1] / peaks[0]
    print(f"\nmemory: {ratio:.2f} times, at most {MAX_MEMORY_RATIO} is allowed")
    print(f"speed: {shares[-1]:.2f} of the floor, at least {MIN_OF_FLOOR} is promised, 0.5 is the goal")
    return int(ratio > MAX_MEMORY_RATIO or shares[-1] < MIN_OF_FLOOR)


def close() -> None:
    """Close the day; print what it took as JSON: bytes, and seconds."""
    import app  # noqa: F401  # as on Lambda: what it has made is no garbage to look through
    from chalicelib import aws
    from chalicelib.config import settings
    from chalicelib.ledger import daily_reports

    aws.client("s3").create_bucket(Bucket=settings.books_bucket)
    start, cpu, wall = _peak_bytes(), time.process_time(), time.perf_counter()
    export = daily_reports.export_day(DAY)
    result = {
        "start": start,
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "peak": _peak_bytes(),
        "bytes": sum(file.size for file in export.files.values()),
        "rows": [export.files[name].rows for name in ("orders", "order-lines", "ledger")],
    }
    print(json.dumps(result))


def floor(size: int) -> None:
    """Parse the day's pages and write its rows, with a stopwatch; print the CPU seconds as JSON."""
    import app  # noqa: F401  # as in close
    from chalicelib.ledger.daily_reports import ROWS_PER_PAGE, SALES_PER_BATCH
    from chalicelib.ledger.ledger_record import LedgerRecord
    from chalicelib.ledger.report_columns import ledger_row, line_rows, order_row
    from chalicelib.orders.views.order_record import OrderRecord
    from tests.benchmarks.volume.floor import Floor

    day, measured = Day(size), Floor()
    for shard in range(4):
        after = None
        while True:
            request = {"ExpressionAttributeValues": {":0": {"S": f"{DAY}#{shard}"}}, "Limit": ROWS_PER_PAGE}
            answer = day.query(request | ({"ExclusiveStartKey": after} if after else {}))
            measured.parse(answer)
            measured.write(ledger_row(LedgerRecord(item)) for item in answer["Items"])
            after = answer.get("LastEvaluatedKey")
            if not after:
                break
    for start in range(0, size, 2 * SALES_PER_BATCH):
        keys = [{"id": {"S": f"{number:032}"}} for number in range(start, start + 2 * SALES_PER_BATCH, 2)]
        answer = day.batch_get_item({"RequestItems": {"orders": {"Keys": keys}}})
        measured.parse(answer)
        records = [OrderRecord(item) for item in answer["Responses"]["orders"]]
        measured.write(map(order_row, records))
        measured.write(row for record in records for row in line_rows(record))
    print(json.dumps({"cpu": measured.cpu}))


def serve(size: int) -> None:
    """Answer DynamoDB's reads until the process is ended; print the port first."""
    Reads.day = Day(size)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Reads)
    print(server.server_port, flush=True)
    server.serve_forever()


class Day:
    """A day of any size, as DynamoDB would hold it: rows are made from their number."""

    def __init__(self, size: int) -> None:
        from chalicelib.ledger.models import SHARDS

        begin = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
        self._moments = [begin + timedelta(days=1) * number / size for number in range(size)]
        self._shards = [
            [number for number in range(size) if number // 2 % SHARDS == shard] for shard in range(SHARDS)
        ]
        self._order, self._sale, self._refund = _examples()

    def query(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a Query of a partition of the ledger."""
        (partition,) = request["ExpressionAttributeValues"].values()
        numbers = self._shards[int(partition["S"].rpartition("#")[2])]
        after = request.get("ExclusiveStartKey")
        start = bisect_right(numbers, int(after["entry"]["S"].rpartition("M")[2])) if after else 0
        asked = numbers[start : start + request["Limit"]]
        rows = [self._movement(number) | {"partition": partition} for number in asked]
        answer: dict[str, Any] = {"Items": rows, "Count": len(rows), "ScannedCount": len(rows)}
        if rows and asked[-1] != numbers[-1]:
            answer["LastEvaluatedKey"] = {name: rows[-1][name] for name in ("partition", "entry")}
        return answer

    def batch_get_item(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a BatchGetItem of orders."""
        ((table, wanted),) = request["RequestItems"].items()
        return {"Responses": {table: [self._paid_order(key["id"]["S"]) for key in wanted["Keys"]]}}

    def _movement(self, number: int) -> dict[str, Any]:
        moment = self._moments[number].isoformat(timespec="milliseconds").replace("+00:00", "Z")
        order = number - number % 2
        names = {
            "entry": f"{moment}#M{number:09}",
            "booked_at": moment,
            "paypal_id": f"M{number:09}",
            "order_id": f"{order:032}",
            "order_number": f"K{order:07}",
        }
        return (self._refund if number % 2 else self._sale) | _strings(names)

    def _paid_order(self, key: str) -> dict[str, Any]:
        names = {"id": key, "number": f"K{int(key):07}", "capture_id": f"M{int(key):09}"}
        return self._order | _strings(names)


class Reads(BaseHTTPRequestHandler):
    """DynamoDB's JSON protocol, as far as the books use it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    day: ClassVar[Day]

    def do_POST(self) -> None:
        """Answer a read."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        answer = self.day.query(request) if operation == "Query" else self.day.batch_get_item(request)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Log nothing."""


def _examples() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Make one order with two lines, its sale and its refund, as DynamoDB keeps them."""
    from chalicelib import clock
    from chalicelib.ledger.models import REFUND, SALE, new_ledger_entry
    from chalicelib.orders.base import OrderLine
    from chalicelib.orders.repository import new_order

    lines = [
        OrderLine(
            "TEA-LARGE-MOSS", "green-tea", "Green tea", {"Size": "Large", "Colour": "Moss"}, 2, 1290, "7"
        ),
        OrderLine("CUP-WHITE", "cup", "Cup, thrown by hand", {"Colour": "White"}, 1, 1900, "19"),
    ]
    customer = {
        "name": "Test Customer",
        "email": "ada.lovelace@example.com",
        "address": "12 St James's Square",
        "postal_code": "SW1Y 4JH",
        "city": "London",
        "country": "GB",
    }
    taxes = {"7": 169, "19": 381}
    order = new_order(
        lines=lines, customer=customer, shipping=490, taxes=taxes, cart="c" * 64, cart_version=3
    )
    order.payment_attempts = [{"id": "5O190127TN364715T", "payee": "MERCHANT", "link": "https://example.com"}]
    order.paid_at, order.paid_paypal_order_id = clock.iso_now(), "5O190127TN364715T"
    order.add_event(HistoryEvent.PAID)
    sale = new_ledger_entry(
        SALE,
        order=order.id,
        order_number=order.number,
        amount=int(order.total),
        currency="EUR",
        paypal_id="",
        paypal_at=clock.iso_now(),
        fee=157,
    )
    refund = sale.serialize() | {"kind": {"S": REFUND}, "amount": {"N": "-490"}, "fee": {"N": "-14"}}
    return order.serialize(), sale.serialize(), refund


def _strings(values: dict[str, str]) -> dict[str, Any]:
    return {name: {"S": value} for name, value in values.items()}


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kilobytes


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
    elif sys.argv[1:2] == ["close"]:
        close()
    elif sys.argv[1:2] == ["floor"]:
        floor(int(sys.argv[2]))
    else:
        sys.exit(main())
