"""A process that fails reports it in one line."""

import os
import socket
import sys
from itertools import count
from pathlib import Path

import pytest

from infra.local.local_cloud import LocalCloud, without_aws_settings
from infra.local.processes import HOST, ChildProcess, PortInUse, ProcessFailed, StartReports

IGNORES_SIGTERM = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


def child(tmp_path: Path, code: str) -> ChildProcess:
    return ChildProcess("the kettle", [sys.executable, "-c", code], os.environ, log=tmp_path / "kettle.log")


def test_a_process_that_ends_immediately_is_reported_with_its_last_line(tmp_path: Path) -> None:
    kettle = child(tmp_path, "import sys; print('filling', flush=True); sys.exit('no water')")
    kettle.start()
    with pytest.raises(ProcessFailed) as failure:
        kettle.wait_until(lambda: False, 10)

    assert str(failure.value) == "the kettle did not start: it ended with status 1; no water"


def test_a_process_that_starts_too_slowly_is_reported(tmp_path: Path) -> None:
    kettle = child(tmp_path, "import time; print('heating', flush=True); time.sleep(60)")
    kettle.start()
    try:
        kettle.wait_until(lambda: "heating" in (tmp_path / "kettle.log").read_text("utf-8"), 10)
        with pytest.raises(ProcessFailed) as failure:
            kettle.wait_until(lambda: False, 0.1)
    finally:
        kettle.stop()

    assert str(failure.value) == (
        "the kettle did not start within 0.1 s: it is running but does not answer; heating"
    )
    assert not kettle.alive


def test_a_piece_that_makes_progress_may_take_longer_until_it_stalls(tmp_path: Path) -> None:
    kettle = child(tmp_path, "import time; print('heating', flush=True); time.sleep(60)")
    kettle.start()
    kettle.wait_until(lambda: "heating" in (tmp_path / "kettle.log").read_text("utf-8"), 10)
    reading, writing = os.pipe()
    reports, log = StartReports(reading), StartReports(writing)
    turns = count()

    def work_on() -> bool:
        turn = next(turns)
        if turn < 12:  # of 0.05 s each: six times as long as it may stall
            log.write()
        return reports.read()

    try:
        with pytest.raises(ProcessFailed) as failure:
            kettle.wait_until(lambda: reports.serves, 0.1, has_progressed=work_on, advice="Start it again.")
        assert next(turns) > 12
        log.write(StartReports.SERVING)
        kettle.wait_until(lambda: reports.serves, 10, has_progressed=reports.read)
        os.close(reading)
        log.write(StartReports.SERVING)  # nobody reads it any more: no traceback
    finally:
        os.close(writing)
        kettle.stop()
    assert str(failure.value) == (
        "the kettle made no progress for 0.1 s: it is running but does not answer; heating. Start it again."
    )


def test_a_piece_that_will_not_end_is_killed(tmp_path: Path) -> None:
    kettle = child(tmp_path, IGNORES_SIGTERM)
    kettle.start()
    kettle.wait_until(lambda: "deaf" in (tmp_path / "kettle.log").read_text("utf-8"), 10)
    kettle.stop(0.1)

    assert not kettle.alive
    assert kettle.last_words() == "it was stopped by SIGKILL; deaf"


def test_a_cloud_does_not_start_on_a_port_in_use() -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=f"the local cloud: port {port} is in use"), LocalCloud(port=port):
            pass


def test_nothing_of_the_callers_aws_account_reaches_the_local_shop() -> None:
    given = {
        "AWS_PROFILE": "work",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_ENDPOINT_URL": "https://elsewhere.example",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8001",
        "PATH": "/bin",
    }

    assert without_aws_settings(given) == {
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8001",
        "PATH": "/bin",
    }
