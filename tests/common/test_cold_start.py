"""What a process does before its first event: as little as it can, for a shopper waits."""

import json
import os
import subprocess
import sys

from infra.aws.package.build import PROJECT

# Staff's pages, mails, pictures, PayPal, books: each pays for its own where it is used.
LATER = ("PIL", "argon2", "boto3", "markdown_it", "paypalcheckoutsdk", "requests")
LOOK = f"""
import gc, json, sys, app
from chalicelib.database.connection import Table
print(json.dumps({{
    "collects": gc.isenabled(),
    "frozen": gc.get_freeze_count(),
    "connected": Table._shared is not None,
    "later": [name for name in {LATER} if name in sys.modules],
}}))
"""


def test_a_shoppers_cold_start_pays_for_shopping_alone() -> None:
    seen = _look({})
    assert seen["later"] == []
    assert seen["collects"]
    assert int(str(seen["frozen"])) > 10_000


def test_lambda_makes_dynamodbs_client_before_the_first_request() -> None:
    assert _look({"AWS_LAMBDA_FUNCTION_NAME": "awning", "AWS_DEFAULT_REGION": "us-east-1"})["connected"]
    assert not _look({})["connected"]


def _look(environment: dict[str, str]) -> dict[str, object]:
    """Import the app as Lambda does, and look around."""
    found = subprocess.check_output(
        [sys.executable, "-c", LOOK], cwd=PROJECT, env={"PATH": os.environ["PATH"], **environment}
    )
    seen: dict[str, object] = json.loads(found)
    return seen
