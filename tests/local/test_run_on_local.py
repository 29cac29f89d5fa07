"""Commands reach the local shop's data, whether `make run` is up or not."""

import os
import sys
from pathlib import Path

import pytest

from infra.local.processes import ProcessFailed, free_port
from infra.local.run_on_local import local_shop, run
from infra.local.state_dir import State, StateHeld

WRITE = """
import boto3, os, sys
boto3.client("s3").put_object(Bucket="awning-books", Key="note", Body=b"kept")
sys.exit(7)
"""
READ = """
import boto3, os, sys
body = boto3.client("s3").get_object(Bucket="awning-books", Key="note")["Body"].read()
sys.exit(0 if body == b"kept" and os.environ["PUBLIC_URL"] == "http://127.0.0.1:8000" else 1)
"""


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    ours = ("PUBLIC_URL", "MEDIA_URL", "TABLE_PREFIX")
    plain = {name: value for name, value in os.environ.items() if name not in ours}
    return plain | {"AWS_PORT": str(free_port()), "PORT": ""}


def test_a_commands_data_persist_and_its_exit_status_is_returned(
    tmp_path: Path, given: dict[str, str]
) -> None:
    assert run([sys.executable, "-c", WRITE], State(tmp_path), given) == 7
    assert run([sys.executable, "-c", READ], State(tmp_path), given) == 0


def test_while_the_shop_runs_its_own_data_are_reached(tmp_path: Path, given: dict[str, str]) -> None:
    told = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "TABLE_PREFIX": "mine-",
        "PAYPAL_CLIENT_SECRET": "secret",
    }
    shop = State(tmp_path)
    with shop.held():
        with pytest.raises(ProcessFailed, match="is starting"), local_shop(State(tmp_path), given):
            pass
        shop.publish(told)
        with local_shop(State(tmp_path), given | {"CURRENCY": "USD"}) as environment:
            assert "CURRENCY" not in environment, "the running shop has the default"
            assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
            assert environment["TABLE_PREFIX"] == "mine-"
            assert "secret" not in (tmp_path / "environment.json").read_text("utf-8")
    assert not (tmp_path / "environment.json").exists()


def test_a_state_has_one_holder(tmp_path: Path) -> None:
    with State(tmp_path).held(), pytest.raises(StateHeld, match="is already running"), State(tmp_path).held():
        pass
    with State(tmp_path).held():
        pass
