"""What an operator may do: exactly what their commands ask AWS for, on the stage's own names."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib import clock
from chalicelib.aws import client, queue_url
from chalicelib.ledger import report_files
from infra.aws.policies import deployer_policy, operator_policy
from infra.commands import create_staff_user, export_books, import_catalog, redrive_dlq
from tests.iam_policy_check import OPERATOR, Policies, by_the_operator
from tests.infra.package import minimal_package
from tests.infra.package.minimal_package import STAGE
from tests.shop import Shop

ACCOUNT = "123456789012"
PICTURE = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 4 3'/>"


def write_catalog(folder: Path, name: str, price: str, *weights: str) -> str:
    """Write a catalog of one tea with a picture; return the file's name."""
    (folder / "tea.svg").write_text(PICTURE, encoding="utf-8")
    variants = [
        {"sku": f"T-{one}", "options": {"Weight": one}, "price": price, "stock": 3} for one in weights
    ]
    product = {"slug": "oolong", "name": name, "category": "tea", "variants": variants}
    product["pictures"] = [{"file": "tea.svg", "alt": "A tin"}]
    content = {"categories": [{"slug": "tea", "name": name}], "products": [product]}
    (folder / "shop.json").write_text(json.dumps(content), encoding="utf-8")
    return str(folder / "shop.json")


def makes_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    for email, role in (
        ("ann@a.example", "merchant"),
        ("bob@a.example", "merchant"),
        ("ann@a.example", "finance"),
    ):
        monkeypatch.setattr(sys, "stdin", io.StringIO("linen awning at noon\n"))
        assert create_staff_user.main([email, role]) == 0


def loads_catalogs(folder: Path) -> None:
    assert import_catalog.main([write_catalog(folder, "Oolong", "5.00", "50g", "100g")]) == 0
    assert import_catalog.main([write_catalog(folder, "Dark oolong", "6.00", "100g")]) == 0


def writes_books(shop: Shop) -> None:
    today = str(clock.now().date())
    for hours in (0, 0, 30, 30):
        with shop.later(hours=hours):
            assert export_books.main([today]) == 0
    with report_files.MultipartUpload("books/provisional/cut-off.csv", report_files.CSV, once=False) as parts:
        parts.write(b"more than one part holds" * 9)


def sends_round_again() -> None:
    for queue in redrive_dlq.QUEUES:
        assert redrive_dlq.main([queue, "1"]) == 0


def test_the_policy_is_what_the_commands_ask_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, refused_by_aws: list[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(redrive_dlq, "WAIT_SECONDS", 0)
    monkeypatch.setattr(report_files, "PART_BYTES", 100)
    queue_url.cache_clear()
    shop.paid()
    for queue in redrive_dlq.QUEUES:
        client("sqs").send_message(QueueUrl=queue_url(f"test-{queue}-dlq"), MessageBody="{}")

    with by_the_operator():
        makes_accounts(monkeypatch)
        loads_catalogs(tmp_path)
        writes_books(shop)
        sends_round_again()

    assert sorted(set(refused_by_aws)) == []
    assert [line for line in Policies().spare() if line[0] == OPERATOR] == []


def test_it_is_printed_with_the_stages_own_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deployer_policy, "read_stage", lambda name: minimal_package.of_account(ACCOUNT))

    assert operator_policy.main(["trial"]) == 0

    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert printed == operator_policy.policy(STAGE, ACCOUNT)
    resources = {one for statement in printed["Statement"] for one in statement["Resource"]}
    assert {
        f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/trial-staff",
        f"arn:aws:sqs:us-east-1:{ACCOUNT}:trial-order-emails-dlq",
        "arn:aws:s3:::awning-trial-booksbucket-*/books/*",
    } <= resources
    assert len("".join(json.dumps(printed).split())) <= 6144


def test_a_bucket_that_the_stages_file_names_is_meant() -> None:
    kept = minimal_package.of_parameter("KeptBooksBucket", "old-books")
    resources = [
        one
        for statement in operator_policy.policy(kept, ACCOUNT)["Statement"]
        for one in statement["Resource"]
    ]
    assert "arn:aws:s3:::old-books/books/*" in resources
