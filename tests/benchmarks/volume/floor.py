"""The least that a file can take: its pages of DynamoDB's JSON parsed by json, its rows written by csv, nothing else."""

import csv
import io
import json
import time
from collections.abc import Iterable, Sequence
from typing import Any


class Floor:
    """Parse and write with a stopwatch; `cpu` is in seconds, and without what prepares a page or a row."""

    def __init__(self) -> None:
        self.cpu = 0.0
        self._text = io.StringIO(newline="")
        self._csv = csv.writer(self._text, lineterminator="\r\n")

    def parse(self, answer: Any) -> None:
        """Parse what DynamoDB answered."""
        body = json.dumps(answer).encode()
        begun = time.thread_time()
        json.loads(body)
        self.cpu += time.thread_time() - begun

    def write(self, rows: Iterable[Sequence[str]]) -> None:
        """Write rows, and make bytes of them."""
        made = list(rows)
        begun = time.thread_time()
        self._csv.writerows(made)
        self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        self.cpu += time.thread_time() - begun
