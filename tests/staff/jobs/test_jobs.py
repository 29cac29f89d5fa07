"""Long work: asked for once, done at least once, watched by whoever asked."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import BotoCoreError

from chalicelib.aws import client
from chalicelib.database.reads import get
from chalicelib.staff.jobs import job_kinds, job_progress, job_queue, job_worker
from chalicelib.staff.models import Job
from chalicelib.web.lazy_imports import LazyFunction
from tests.client import Shopper
from tests.dynamodb_faults import tampered
from tests.shop import Shop
from tests.staff.staff_client import later, logged_in, member, trail

Work = Callable[[Job], None]


@pytest.fixture
def work() -> Iterator[Callable[[Work], None]]:
    """Let a kind `errand` be done by a function of the test."""
    patches = []

    def becomes(function: Work) -> None:
        kind = job_kinds.JobKind("an errand", "/staff/books", "Books")
        kinds: Any = mock.patch.dict(job_kinds.KINDS, {"errand": kind})
        handlers: Any = mock.patch.dict(job_worker.HANDLERS, {"errand": run})
        for patch in (kinds, handlers):
            patch.start()
            patches.append(patch)
        errand.work = function

    yield becomes
    for patch in reversed(patches):
        patch.stop()


class Errand:
    """What the kind does."""

    work: Work = staticmethod(lambda job: None)


errand = Errand()


def run(job: Job) -> None:
    """Do the errand."""
    errand.work(job)


def read(job: Job) -> Job:
    """Read a job anew."""
    found = get(Job, job.id)
    assert found is not None
    return found


def test_a_job_is_watched_until_it_is_done_and_then_shows_what_it_did(
    shop: Shop, finance: Shopper, work: Callable[[Work], None]
) -> None:
    seen = []

    def half_way(job: Job) -> None:
        job_progress.report_progress(job, progress=3, total=6, message="Half of it.")
        seen.append(finance.get(f"/staff/jobs/{job.id}"))
        job_progress.finish(job, "All of it.")

    work(half_way)
    job = job_queue.start(member("finance"), "errand", {})
    assert "Waiting to start" in finance.get(f"/staff/jobs/{job.id}").text
    shop.functions.drain("background-jobs")
    assert "Half of it. 3 of 6" in seen[0].text
    answer = finance.get(f"/staff/jobs/{job.id}")
    assert "All of it." in answer.text
    assert "data-looks-again" not in answer.body


def test_a_job_is_nobody_elses(shop: Shop, merchant: Shopper, work: Callable[[Work], None]) -> None:
    work(lambda job: None)
    job = job_queue.start(member("finance"), "errand", {})
    shop.functions.drain("background-jobs")
    for address in (f"/staff/jobs/{job.id}", f"/staff/jobs/{job.id}/result"):
        assert merchant.get(address).status == 404
    assert merchant.post(f"/staff/jobs/{job.id}/again").status == 404


def test_what_cannot_be_done_says_why_and_is_not_tried_again(
    shop: Shop, finance: Shopper, work: Callable[[Work], None]
) -> None:
    tries = []

    def refuse(job: Job) -> None:
        tries.append(job.id)
        raise job_progress.JobFailed("The file is no good.", ["Line 3: <b>no</b> price."])

    work(refuse)
    job = job_queue.start(member("finance"), "errand", {})
    shop.functions.drain("background-jobs", again=True)
    assert len(tries) == 1
    assert "The file is no good. Line 3: <b>no</b> price." in finance.get(f"/staff/jobs/{job.id}").text


def test_a_job_that_breaks_off_comes_again_within_a_minute(shop: Shop, work: Callable[[Work], None]) -> None:
    asked = []
    hide = client("sqs").change_message_visibility

    def break_off(job: Job) -> None:
        raise RuntimeError("a neighbour was silent")

    def heard(**arguments: Any) -> Any:
        asked.append(arguments["VisibilityTimeout"])
        return hide(**{**arguments, "VisibilityTimeout": 0})  # the test does not wait for the minute

    work(break_off)
    job = job_queue.start(member("finance"), "errand", {})
    with mock.patch.object(client("sqs"), "change_message_visibility", heard):
        assert shop.functions.drain("background-jobs") == 3  # then it rests among the dead letters
    assert asked == [60] * 3
    assert read(job).state == "running"


@pytest.mark.parametrize("ending", [None, job_progress.JobFailed("There is no such thing.")])
def test_private_arguments_are_not_in_the_audit_log_and_are_deleted_when_the_job_ends(
    shop: Shop, work: Callable[[Work], None], ending: Exception | None
) -> None:
    seen = []

    def break_off_then_end(job: Job) -> None:
        job_progress.report_progress(job, message="Looking.")
        seen.append(read(job).private_arguments)
        if len(seen) == 1:
            raise RuntimeError("a neighbour was silent")
        if ending:
            raise ending

    work(break_off_then_end)
    job = job_queue.start(member("finance"), "errand", {"day": "2026-11-22"}, private={"text": "Ann Lee"})
    shop.functions.drain("background-jobs", again=True)
    assert seen == [{"text": "Ann Lee"}] * 2, "who comes again knows it still"
    assert (read(job).state, read(job).private_arguments) == ("failed" if ending else "done", None)
    assert "Ann" not in json.dumps(read(job).serialize())
    asked = trail()[-1]
    assert (asked.subject, asked.before, asked.after) == (f"job {job.id}", {}, {"day": "2026-11-22"})


def test_a_message_that_comes_twice_does_no_work_twice(shop: Shop, work: Callable[[Work], None]) -> None:
    tries = []
    work(lambda job: tries.append(job.id))
    job = job_queue.start(member("finance"), "errand", {})
    job_queue.send({"job": job.id})
    shop.functions.drain("background-jobs")
    assert tries == [job.id]


def test_the_same_form_asks_for_one_job(shop: Shop, work: Callable[[Work], None]) -> None:
    tries = []
    work(lambda job: tries.append(job.id))
    for _ in range(2):
        job_queue.start(member("finance"), "errand", {}, job_id="0123456789abcdef0123456789abcdef")
    shop.functions.drain("background-jobs")
    assert len(tries) == 1


def test_the_same_form_sent_twice_at_once_asks_for_one_job(shop: Shop, work: Callable[[Work], None]) -> None:
    asked: dict[str, Any] = {"kind": "errand", "arguments": {}, "job_id": "0123456789abcdef0123456789abcdef"}
    turns: list[str] = []

    def somebody_is_quicker(operation: str, arguments: dict[str, Any], ask: Callable[[], Any]) -> Any:
        if operation in ("PutItem", "TransactWriteItems") and not turns:
            turns.append(operation)
            job_queue.start(finance, **asked)
        return ask()

    tries = []
    work(lambda job: tries.append(job.id))
    finance = member("finance")
    with tampered(somebody_is_quicker):
        job_queue.start(finance, **asked)
    # One message: else two functions would do it side by side.
    assert shop.functions.drain("background-jobs") == 1
    assert tries == [asked["job_id"]]
    assert [entry.action for entry in trail()].count("requested an errand") == 1


def test_whatever_a_file_holds_its_faults_have_room(
    shop: Shop, finance: Shopper, work: Callable[[Work], None]
) -> None:
    def refuse(job: Job) -> None:
        raise job_progress.JobFailed("The file is no good.", ["\U0001f600" * 9000] * 1000)

    work(refuse)
    job = job_queue.start(member("finance"), "errand", {})
    assert shop.functions.drain("background-jobs") == 1
    assert read(job).state == "failed"
    assert len(json.dumps(read(job).problems)) < 400 * 1024


def test_a_lost_message_can_be_asked_for_again(
    shop: Shop, finance: Shopper, work: Callable[[Work], None]
) -> None:
    work(lambda job: None)
    with mock.patch.object(job_queue, "send", side_effect=BotoCoreError()):
        job = job_queue.start(member("finance"), "errand", {})
    assert shop.functions.drain("background-jobs") == 0
    assert "Start again" in finance.get(f"/staff/jobs/{job.id}").text
    finance.post(f"/staff/jobs/{job.id}/again")
    shop.functions.drain("background-jobs")
    assert read(job).state == "done"


def test_a_job_whose_function_died_can_be_asked_for_again(
    shop: Shop, finance: Shopper, work: Callable[[Work], None]
) -> None:
    work(lambda job: None)
    job = job_queue.start(member("finance"), "errand", {})
    job.state = "running"
    job.save()
    address = f"/staff/jobs/{job.id}"
    assert "Start again" not in finance.get(address).text
    with later(minutes=16):
        assert "Start again" in finance.get(address).text
        finance.post(f"{address}/again")
    shop.functions.drain("background-jobs")
    assert read(job).state == "done"


def test_a_job_that_goes_on_is_run_in_turns(shop: Shop, work: Callable[[Work], None]) -> None:
    def a_part(job: Job) -> None:
        job_progress.report_progress(job, progress=int(job.progress) + 1, total=3)
        if job.progress < 3:
            raise job_progress.JobContinues

    work(a_part)
    job = job_queue.start(member("finance"), "errand", {})
    shop.functions.drain("background-jobs")
    assert (read(job).state, read(job).progress) == ("done", 3)


def test_every_kind_names_what_does_it_and_where_it_was_asked_for(shop: Shop) -> None:
    merchant = logged_in(shop.gateway, "merchant")
    assert job_worker.HANDLERS.keys() == job_kinds.KINDS.keys()
    for name, kind in job_kinds.KINDS.items():
        handler = job_worker.HANDLERS[name]
        assert isinstance(handler, LazyFunction)
        assert callable(handler.load())
        page = merchant.get(kind.page)
        assert (page.status, kind.page_name in page.text) == (200, True)
