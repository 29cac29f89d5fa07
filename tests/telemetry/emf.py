"""Metrics as CloudWatch would read them out of a log: its embedded metric format, and nothing that it would skip.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # comes with openapi-core; ships no types

IN_THE_LINE = ("ColdStarts", "DynamoDBCalls")
UNITS = {"Count", "Percent", "None"}  # of CloudWatch's units, those that the shop has
MAX_DIMENSIONS, MAX_VALUES = 30, 100
TWO_HOURS = 2 * 60 * 60 * 1000
SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "maxItems": MAX_DIMENSIONS,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                        "Unit": {"enum": sorted(UNITS)},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


def read(printed: str) -> list[dict[str, Any]]:
    """Read the lines that hold metrics, each checked against the specification."""
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith(('{"_aws"', '{"shop"'))]
    for line in lines:
        if "_aws" not in line:
            continue  # what was counted and is no metric
        Draft202012Validator(SCHEMA).validate(line)
        assert abs(line["_aws"]["Timestamp"] - time.time() * 1000) < TWO_HOURS
    return lines


def sums(lines: list[dict[str, Any]]) -> Counter[str]:
    """Add up metrics, all of them whole numbers, by name, and by currency where there is one: "OrdersPaid", "MoneySettled EUR"."""
    added: Counter[str] = Counter()
    for line in lines:
        added.update({name: line[name] for name in IN_THE_LINE if name in line})
        for name, dimensions, values in _metrics(line) if "_aws" in line else ():
            assert dimensions.pop("shop") == "test"
            added[" ".join([name, *dimensions.values()])] += int(sum(values))
    return added


def _metrics(line: dict[str, Any]) -> Iterator[tuple[str, dict[str, str], list[float]]]:
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Awning"
        for names in directive["Dimensions"]:
            dimensions = {name: line[name] for name in names}
            assert all(isinstance(value, str) and value for value in dimensions.values())
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                values = values if isinstance(values, list) else [values]
                assert 0 < len(values) <= MAX_VALUES
                assert all(isinstance(value, int | float) for value in values)
                yield metric["Name"], dict(dimensions), values
