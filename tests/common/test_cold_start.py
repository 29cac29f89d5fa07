"""A cold start imports as little as possible, because a shopper waits for it."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from unittest import mock

from chalicelib.config import DYNAMODB_CLIENTS
from chalicelib.database import pynamodb_imports
from chalicelib.database.client import Client
from chalicelib.web.lazy_imports import LazyFunction
from infra.aws.package.build import PROJECT
from tests.shop import Shop

# Imported when first used: staff pages, orders, taxes, email, images, PayPal, books, JSON logs, and botocore's own client.
LATER = (
    *("aws_lambda_powertools", "chalicelib.checkout", "chalicelib.orders", "chalicelib.payments"),
    *("chalicelib.mail", "chalicelib.postal", "email.header"),
    *("chalicelib.taxes.assessment", "chalicelib.taxes.territories"),
    *("PIL", "argon2", "boto3", "markdown_it", "paypalcheckoutsdk", "requests", "urllib3"),
    *(f"botocore.{name}" for name in pynamodb_imports.DEFERRED),
)
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


def test_lazily_imported_views_can_be_loaded() -> None:
    import app

    for view in app.late.views.values():
        assert isinstance(view, LazyFunction)
        assert callable(view.load())


def test_botocore_is_whole_once_it_is_needed() -> None:
    look = (
        "import app; from chalicelib.database.connection import connect; print(connect().client.botocore())"
    )
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "HOME": os.devnull}
    for choice in DYNAMODB_CLIENTS:
        printed = _run(look, environment | {"DYNAMODB_CLIENT": choice})
        assert printed.startswith("<botocore.client.DynamoDB object")


def test_the_placeholders_for_botocore_match_this_version_of_pynamodb() -> None:
    assert version("pynamodb") == "6.1.0", "look at chalicelib/database/pynamodb_imports.py again"


def test_pages_of_shoppers_make_no_client_of_botocores(shop: Shop) -> None:
    with mock.patch.object(Client, "botocore", side_effect=AssertionError("a client is made")):
        shopper, order_id = shop.paid(MUG=1)
        for page in ("/", "/categories/tea", "/products/mug", "/search?q=mug", f"/orders/{order_id}"):
            assert shopper.get(page).status == 200, page
        buyer = shop.shopper_with(MUG=1)
        for page in ("/cart", "/checkout"):
            assert buyer.get(page).status == 200, page


def test_lambda_makes_dynamodbs_client_before_the_first_request() -> None:
    assert _look({"AWS_LAMBDA_FUNCTION_NAME": "awning", "AWS_DEFAULT_REGION": "us-east-1"})["connected"]
    assert not _look({})["connected"]


def _look(environment: dict[str, str]) -> dict[str, object]:
    """Import the app as Lambda does, and look around."""
    seen: dict[str, object] = json.loads(_run(LOOK, environment))
    return seen


def _run(code: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.check_output(
        command, cwd=PROJECT, env={"PATH": os.environ["PATH"], **environment}, text=True
    )
