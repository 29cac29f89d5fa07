"""Genuine notifications of PayPal's, with their certificates; tests without them skip, visibly."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Vector:
    """A notification as PayPal once sent it, and what it was signed with."""

    name: str
    webhook_id: str
    headers: dict[str, str]
    body: str
    certificate: str

    @property
    def event(self) -> dict[str, Any]:
        """Return the parsed body."""
        event: dict[str, Any] = json.loads(self.body)
        return event


def vectors() -> list[Vector]:
    """Return all of them; skip the test where they are not at hand."""
    folder = _folder()
    if not (folder / "vectors.json").is_file():
        pytest.skip(f"PayPal's genuine notifications are not in {folder}: set PAYPAL_VECTORS")
    found = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))
    return [
        Vector(
            name=one["name"],
            webhook_id=one["webhook_id"],
            headers={name.upper(): value for name, value in one["headers"].items()},
            body=one["body"],
            certificate=(folder / one["cert"]).read_text(encoding="ascii"),
        )
        for one in found
    ]


def _folder() -> Path:
    given = os.environ.get("PAYPAL_VECTORS")
    return Path(given) if given else (_ROOT / "../shared/paypal-vectors").resolve()
