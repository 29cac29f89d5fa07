"""`make run` starts everything, keeps everything, and leaves nothing behind."""

import json
import os
import shutil
import signal
import socket
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.processes import HOST, PortInUse, ProcessFailed
from infra.local.supervisor import Ports, check_paypal, check_prefix
from tests.local.example_app import Run, children, get, local_url, make_app, post
from tests.local.wait_until import eventually


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    make_app(folder / "app")
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Run]:
    with Run(folder) as run:
        yield run


def change(folder: Path, old: str, new: str) -> None:
    source = folder / "app" / "app.py"
    source.write_text(source.read_text("utf-8").replace(old, new), "utf-8")


def shows(url: str, text: str) -> bool:
    try:
        return text in get(url)
    except (urllib.error.URLError, TimeoutError):
        return False


def mails(run: Run) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(get(f"{run.address('mailbox')}/api/messages"))
    return found


def test_it_prints_one_address_a_line_before_ready(running: Run) -> None:
    assert running.lines == [
        f"shop: {local_url(running.port)}/",
        f"staff: {local_url(running.port)}/staff/",
        f"paypal: http://localhost:{running.ports['PAYPAL_PORT']}/",
        f"mailbox: {local_url(running.ports['MAILBOX_PORT'])}/",
        f"aws: {local_url(running.ports['AWS_PORT'])}",
        "ready",
    ]
    assert get(running.address("paypal"))


def test_pages_queues_objects_and_mails_work_together(running: Run) -> None:
    post(f"{running.address('shop')}/notes", "Hello")
    eventually(lambda: shows(f"{running.address('aws')}/awning-media/pictures/note.txt", "Hello"))

    post(f"{running.address('shop')}/mails", "")
    eventually(lambda: [mail["subject"] for mail in mails(running)] == ["Hello"])


def test_a_mail_to_sess_mailbox_simulator_comes_back_to_the_function_for_that(running: Run) -> None:
    post(f"{running.address('shop')}/mails", "Test <bounce+7@simulator.amazonses.com>")

    told = f"{running.address('aws')}/awning-media/pictures/bounce.json"
    eventually(lambda: shows(told, "bounce+7@simulator.amazonses.com"))
    detail = json.loads(get(told))
    assert detail["mail"]["tags"] == {"mail": ["paid"], "order": ["48219-30476"]}
    assert (detail["eventType"], detail["bounce"]["bounceType"]) == ("Bounce", "Permanent")
    assert mails(running)[0]["to"] == "Test <bounce+7@simulator.amazonses.com>"


def test_a_change_reloads_and_a_broken_one_waits_for_the_next(running: Run, folder: Path) -> None:
    shop = running.address("shop")
    assert shows(shop, "first")

    change(folder, "first", "second")
    eventually(lambda: shows(shop, "second"))
    change(folder, "import os", "import os (")
    eventually(lambda: "the shop does not start; waiting for the next change …" in running.errors)
    assert any("SyntaxError" in line for line in running.errors)
    change(folder, "import os (", "import os")
    eventually(lambda: shows(shop, "second"))


def test_a_second_shop_is_refused_in_one_line(running: Run, folder: Path, tmp_path: Path) -> None:
    make_app(tmp_path / "app")
    other = Run(tmp_path, PORT=str(running.port))
    assert other.wait() == 1
    assert other.lines == []
    assert other.errors == [
        f"the shop: port {running.port} is in use."
        f" Stop the process that listens there, or choose another port: PORT={running.port + 1000} make run"
    ]

    other = Run(folder)
    assert other.wait() == 1
    assert other.errors == [f"Another shop is already running from {folder / 'state'}. Stop it first."]


def test_what_it_holds_survives_a_restart_and_ctrl_c_ends_all(tmp_path: Path) -> None:
    make_app(tmp_path / "app")
    with Run(tmp_path) as first:
        post(f"{first.address('shop')}/notes", "Keep me")
        eventually(lambda: shows(f"{first.address('aws')}/awning-media/pictures/note.txt", "Keep me"))
        post(f"{first.address('shop')}/mails", "")
        eventually(lambda: mails(first))
        sent = mails(first)
        assert first.end(signal.SIGINT) == 0
        assert first.left_listening() == []

    with Run(tmp_path, PUBLIC_URL="http://localhost/api") as second:
        assert second.address("shop") == "http://localhost/api"
        assert json.loads(get(f"{local_url(second.port)}/api"))["url"] == "http://localhost/api"
        assert get(f"{second.address('aws')}/awning-media/pictures/note.txt") == "Keep me"
        assert mails(second) == sent
        assert second.end() == 0
        assert second.left_listening() == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the child in Linux's /proc")
def test_the_end_of_one_process_is_reported_and_stops_the_others(tmp_path: Path) -> None:
    make_app(tmp_path / "app")
    with Run(tmp_path, PAYPAL_CLIENT_ID="sandbox", PAYPAL_CLIENT_SECRET="sandbox") as run:
        assert run.address("paypal") == "https://www.sandbox.paypal.com"
        assert "PAYPAL_PORT" not in run.left_listening()
        assert json.loads(get(run.address("shop")))["paypal"] == "https://api-m.sandbox.paypal.com"
        (mailbox,) = [
            pid for command, pid in children(run.process.pid).items() if "infra.local.mailbox" in command
        ]
        os.kill(mailbox, signal.SIGKILL)

        assert run.wait() == 1
        assert run.errors[-1].startswith("the mailbox has stopped: it was stopped by SIGKILL")
        assert run.left_listening() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is Linux's /dev/full")
def test_a_full_disk_and_its_end_are_reported(tmp_path: Path) -> None:
    make_app(tmp_path / "app")
    with Run(tmp_path) as run:
        services, aside = tmp_path / "state" / "cloud" / "services", tmp_path / "aside"
        journal = services.with_name("journal")
        journal.unlink()
        journal.symlink_to("/dev/full")
        if services.exists():
            services.rename(aside)
        services.symlink_to("/dev/full")
        with pytest.raises(urllib.error.HTTPError):
            post(f"{run.address('shop')}/notes", "Where to?")
        eventually(lambda: any(line.startswith("The shop can't take orders") for line in run.errors))

        services.unlink()
        journal.unlink()
        eventually(lambda: tries(run, "Here again"))
        eventually(lambda: "The shop can take orders again: the local cloud can write." in run.errors)


def tries(run: Run, note: str) -> bool:
    try:
        post(f"{run.address('shop')}/notes", note)
    except urllib.error.HTTPError:
        return False
    return True


def test_a_shop_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    make_app(tmp_path / "app")
    change(tmp_path, "import os", "raise SystemExit('CURRENCY is missing')")
    run = Run(tmp_path)

    assert run.wait() == 1
    assert run.lines == []
    assert run.errors[-2:] == ["CURRENCY is missing", "the shop did not start: it ended with status 1"]
    assert run.left_listening() == []


@pytest.mark.skipif(
    not shutil.which("setpriv"), reason="only the kernel can end orphans, asked by util-linux"
)
def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    make_app(tmp_path / "app")
    with Run(tmp_path) as run:
        run.end(signal.SIGKILL)
        eventually(lambda: run.left_listening() == [])


def test_real_money_is_refused_in_one_line_before_anything_starts(tmp_path: Path) -> None:
    live = "https://api-m.paypal.com"
    run = Run(tmp_path, PAYPAL_API_URL=live, PAYPAL_CLIENT_ID="id", PAYPAL_CLIENT_SECRET="secret")

    assert run.wait() == 1
    assert run.lines == []
    assert run.errors == [
        f"PayPal: make run only takes payments in the sandbox or the fake PayPal, not at {live}. Unset PAYPAL_API_URL."
    ]
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "live", ["https://api.paypal.com", "https://api-m.paypal.com/", "https://API-M.PayPal.com:443"]
)
def test_real_money_is_refused_however_it_is_spelt(live: str) -> None:
    credentials = {"PAYPAL_CLIENT_ID": "id", "PAYPAL_CLIENT_SECRET": "secret"}
    with pytest.raises(ProcessFailed, match="Unset PAYPAL_API_URL"):
        check_paypal({"PAYPAL_API_URL": live, **credentials})
    check_paypal({"PAYPAL_API_URL": "https://api-m.sandbox.paypal.com/", **credentials})
    check_paypal({"PAYPAL_API_URL": live})  # without credentials, the fake PayPal takes its place


@pytest.mark.parametrize("half", ["ID", "SECRET"])
def test_one_half_of_the_credentials_is_refused_in_one_line(tmp_path: Path, half: str) -> None:
    (other,) = {"ID", "SECRET"} - {half}
    run = Run(tmp_path, **{f"PAYPAL_CLIENT_{half}": "set", f"PAYPAL_CLIENT_{other}": ""})

    assert run.wait() == 1
    assert run.lines == []
    assert run.errors == [
        f"PayPal: PAYPAL_CLIENT_{other} is missing. Set both PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET"
        " for the sandbox, or neither for the fake PayPal."
    ]
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("prefix", ["", "shop-", "a", "my-shop-2-", "x" * 40])
def test_a_prefix_that_all_names_allow_is_taken(prefix: str) -> None:
    check_prefix({"TABLE_PREFIX": prefix})


@pytest.mark.parametrize("prefix", ["a_b", "Shop-", "-shop", "a--b", "a.b", "ü-", "a b", "x" * 41, "a-\n"])
def test_a_prefix_that_some_names_do_not_allow_is_refused_in_words(prefix: str) -> None:
    with pytest.raises(ProcessFailed, match="TABLE_PREFIX may have up to 40 lower-case letters"):
        check_prefix({"TABLE_PREFIX": prefix})


@pytest.mark.parametrize("text", ["eighty", "0", "65536", "-1", "８０"])
def test_an_invalid_port_is_reported(text: str) -> None:
    with pytest.raises(ProcessFailed, match="PORT must be a port between 1 and 65535"):
        Ports({"PORT": text})


def test_ports_around_the_shop_give_way_unless_they_were_chosen() -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        ports = Ports({"PORT": str(taken - 2)})
        assert ports.mailbox == taken + 10
        with pytest.raises(PortInUse, match=f"the mailbox: port {taken} is in use"):
            Ports({"PORT": str(taken - 2), "MAILBOX_PORT": str(taken)})
