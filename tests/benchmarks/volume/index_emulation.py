"""Stand before the local cloud's DynamoDB, and answer for two indexes over orders in the order of their keys.

Orders that are written by BatchWriteItem are remembered on their way: their keys, as the indexes `by-placed` and `by-state`
project them. Queries of these are answered newest first, in pages of at most a megabyte; all else is passed on. Orders
that are written in other ways are not seen: this serves a bench, which stocks a shop and then only reads orders.
"""

import http.client
import json
import sys
from bisect import bisect_left, bisect_right
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

PARTITIONS = {"by-placed": "shard", "by-state": "state_shard"}  # index → its partition key
MAX_KEYS = 8_000  # of some 120 bytes: DynamoDB answers with a megabyte at most
ORDERS = "orders"  # how the table's name ends


def serve(cloud: str) -> None:
    """Answer until the process is ended; print the port first."""
    Before.cloud = urlsplit(cloud).netloc
    server = ThreadingHTTPServer(("127.0.0.1", 0), Before)
    print(server.server_port, flush=True)
    server.serve_forever()


class Indexes:
    """The keys of the orders, a sorted list of (placed, id) a partition."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        self._sorted = True

    def note(self, request: dict[str, Any]) -> None:
        """Remember the orders of a BatchWriteItem."""
        for table, writes in request["RequestItems"].items():
            if not table.endswith(ORDERS):
                continue
            for row in (write["PutRequest"]["Item"] for write in writes):
                for index, partition in PARTITIONS.items():
                    key = row["placed_key"]["S"], row["id"]["S"]
                    self._keys[index, row[partition]["S"]].append(key)
        self._sorted = False

    def query(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer `partition = :0 AND placed BETWEEN :1 AND :2`, the newest first."""
        self._sort()
        values = request["ExpressionAttributeValues"]
        partition, low, high = (values[name]["S"] for name in (":0", ":1", ":2"))
        index, after = request["IndexName"], request.get("ExclusiveStartKey")
        keys = self._keys[index, partition]
        first = bisect_left(keys, (low,))
        last = bisect_left(keys, (after["placed_key"]["S"],)) if after else bisect_right(keys, (high, "~"))
        begin = max(first, last - min(request.get("Limit", MAX_KEYS), MAX_KEYS))
        rows = [self._projected(index, partition, *key) for key in reversed(keys[begin:last])]
        answer: dict[str, Any] = {"Count": len(rows), "ScannedCount": len(rows)}
        answer |= {} if request.get("Select") == "COUNT" else {"Items": rows}
        return answer | ({"LastEvaluatedKey": rows[-1]} if begin > first else {})

    def _sort(self) -> None:
        if not self._sorted:
            for keys in self._keys.values():
                keys.sort()
            self._sorted = True

    def _projected(self, index: str, partition: str, placed: str, order_id: str) -> dict[str, Any]:
        return {"id": {"S": order_id}, "placed_key": {"S": placed}, PARTITIONS[index]: {"S": partition}}


class Before(BaseHTTPRequestHandler):
    """DynamoDB's JSON protocol: two indexes answered here, the rest by the local cloud."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    cloud: ClassVar[str]
    indexes: ClassVar[Indexes] = Indexes()
    _connection: http.client.HTTPConnection | None = None  # one a client's connection: each has its handler

    def do_POST(self) -> None:
        """Answer, or pass on."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        if operation == "Query" and (request := json.loads(body)).get("IndexName") in PARTITIONS:
            self._send(200, json.dumps(self.indexes.query(request)).encode())
            return
        if operation == "BatchWriteItem":
            self.indexes.note(json.loads(body))
        self._send(*self._passed_on(body))

    def _passed_on(self, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.cloud)
        self._connection.request("POST", "/", body, dict(self.headers.items()))
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Log nothing."""


if __name__ == "__main__":
    serve(sys.argv[1])
