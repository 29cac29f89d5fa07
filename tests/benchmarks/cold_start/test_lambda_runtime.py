"""A cold start is measured beneath Lambda's own client, in a process that has nothing else."""

import sys
from pathlib import Path

import pytest

from tests.benchmarks.cold_start.lambda_runtime import cold_start, install_client

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Lambda's client is made for Linux")

LOOK = """
import importlib.util


def handler(event, context):
    found = [name for name in ("pytest", "chalice", "botocore") if importlib.util.find_spec(name)]
    return {"event": event, "function": context.function_name, "found": found}


def broken(event, context):
    raise ValueError("not today")
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Lay out a function's code and Lambda's client."""
    code, client = tmp_path_factory.mktemp("code"), tmp_path_factory.mktemp("client")
    (code / "look.py").write_text(LOOK)
    install_client(client)
    return code, client


def test_a_function_answers_and_its_process_is_measured(folders: tuple[Path, Path]) -> None:
    start = cold_start("look.handler", *folders, {}, {"number": 5})
    assert start.answer == {"event": {"number": 5}, "function": "bench", "found": []}
    assert 0 < start.first < start.init < start.whole
    assert start.cpu > 1
    assert 5_000_000 < start.peak < 100_000_000


def test_a_failing_function_is_distinguished_from_a_response(folders: tuple[Path, Path]) -> None:
    assert "not today" in cold_start("look.broken", *folders, {}, {}).answer["errorMessage"]
    with pytest.raises(RuntimeError, match=r"look\.nobody did not answer"):
        cold_start("look.nobody", *folders, {}, {})
