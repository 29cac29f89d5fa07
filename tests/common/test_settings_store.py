"""The settings' store: versions, what is kept in memory, two people at once, and rows that cannot be read."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.database.reads import get
from chalicelib.database.transactions import Transaction
from chalicelib.errors import NotFound
from chalicelib.shop_settings import delivery, store
from chalicelib.shop_settings.delivery import DELIVERY, Delivery, zone_of_codes
from chalicelib.shop_settings.models import CURRENT, SettingsVersion
from chalicelib.shop_settings.store import Current, SettingsChanged, UnreadableVersion
from chalicelib.telemetry import Metric
from tests import dynamodb_faults
from tests.call_counter import counted_calls
from tests.cloud import Cloud
from tests.staff.staff_client import later

pytestmark = pytest.mark.usefixtures("aws")
WHO = "merchant@shop.example"
Audit = list[tuple[str, dict[str, Any], dict[str, Any]]]


def at(rate: int, codes: str = "DE") -> Delivery:
    return Delivery((zone_of_codes("Home", rate, None, codes.split()),))


def save(value: Delivery, shown: int, **more: int) -> Audit:
    written: Audit = []

    def write(_: Transaction, subject: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        written.append((subject, dict(before), dict(after)))

    store.save(DELIVERY, value, shown, WHO, write, **more)
    return written


def numbers() -> list[int]:
    return sorted(int(row.version) for row in SettingsVersion.scan())


def damage(version: int, **attributes: Any) -> None:
    """Write what no version of the shop writes into a row."""
    row = get(SettingsVersion, DELIVERY.name, version)
    assert row is not None
    for name, value in attributes.items():
        setattr(row, name, value)
    row.save()
    store.clear_settings_cache()


def counted(metric: Metric) -> int:
    return telemetry._counted[metric]


# -- first values, and saving -------------------------------------------------------------------------------


def test_before_anything_is_saved_shop_toml_counts() -> None:
    assert delivery.current() == DELIVERY.first()
    now = store.load(DELIVERY)
    assert (now.number, now.value, now.problem) == (0, DELIVERY.first(), "")
    assert store.load_all([DELIVERY]) == [now]
    assert store.list_versions(DELIVERY, 10) == ([], False)


def test_a_save_is_a_version_of_its_own_and_counts_at_once_in_its_process() -> None:
    delivery.current()
    (audit,) = save(at(500), 0)
    assert delivery.current() == at(500)
    save(at(600), 1)
    assert delivery.current() == at(600)
    assert numbers() == [CURRENT, 1, 2]
    now = store.load(DELIVERY)
    assert (now.number, now.saved_by, now.used) == (2, WHO, 2)
    assert [store.get_version(DELIVERY, number) for number in (0, 1, 2)] == [
        DELIVERY.first(),
        at(500),
        at(600),
    ]
    assert audit[0] == "settings delivery"
    assert (audit[1]["version"], audit[2]["version"]) == (0, 1)
    assert (audit[1]["Germany"], audit[2]["Germany"]) == (
        "Germany: €4.90, free from €60.00",
        "Home: €5.00",
    )


def test_saving_what_counts_already_writes_nothing() -> None:
    assert save(DELIVERY.first(), 0) == []
    save(at(500), 0)
    assert save(at(500), 0) == []  # pressed twice
    assert numbers() == [CURRENT, 1]


def test_an_earlier_version_is_saved_again_as_a_new_one() -> None:
    save(at(500), 0)
    save(at(600), 1)
    save(store.get_version(DELIVERY, 1), 2, restored_from=1)
    assert delivery.current() == at(500)
    (newest, *_), _ = store.list_versions(DELIVERY, 10)
    assert (newest.version, newest.restored_from) == (3, 1)


def test_what_somebody_else_has_saved_is_never_overwritten() -> None:
    save(at(500), 0)
    for shown in (0, 2, 99):
        with pytest.raises(SettingsChanged):
            save(at(700), shown)
    assert (delivery.current(), numbers()) == (at(500), [CURRENT, 1])


def test_of_two_saves_at_the_same_moment_one_is_told_of_the_other() -> None:
    rivals = [at(800)]

    def overtake(operation: str, arguments: dict[str, Any], ask: dynamodb_faults.Ask) -> Any:
        if operation == "TransactWriteItems" and rivals:
            save(rivals.pop(), 0)
        return ask()

    with dynamodb_faults.tampered(overtake), pytest.raises(SettingsChanged):
        save(at(700), 0)
    assert (delivery.current(), numbers()) == (at(800), [CURRENT, 1])


def test_what_cannot_be_read_again_is_never_saved() -> None:
    for wrong in (Delivery(()), at(-1), at(500, "DE ZZ")):
        with pytest.raises(ValueError):
            save(wrong, 0)
    assert numbers() == []


def test_versions_are_listed_in_pages_of_one_query_each() -> None:
    for number in range(25):
        save(at(500 + number), number)
    listed: list[int] = []
    before: int | None = None
    while True:
        with counted_calls() as calls:
            rows, has_more = store.list_versions(DELIVERY, 10, before)
        assert calls == {"Query": 1}
        listed += [int(row.version) for row in rows]
        if not has_more:
            break
        before = listed[-1]
    assert listed == list(range(25, 0, -1))
    assert store.list_versions(DELIVERY, 10, 1) == ([], False)
    with pytest.raises(NotFound):
        store.get_version(DELIVERY, 26)


# -- memory -----------------------------------------------------------------------------------------------


def test_what_was_read_is_kept_for_as_long_as_a_page_and_then_read_again() -> None:
    save(at(500), 0)
    with counted_calls() as calls:
        for _ in range(3):
            delivery.current()
    assert calls == {"BatchGetItem": 1}
    _save_in_another_process(at(600), 1)
    assert delivery.current() == at(500)
    with later(seconds=11), counted_calls() as calls:
        assert delivery.current() == at(600)
    assert calls == {"BatchGetItem": 1}


def test_zones_that_were_never_saved_are_kept_in_memory_too() -> None:
    delivery.current()
    with counted_calls() as calls:
        delivery.current()
    assert calls == {}


def _save_in_another_process(value: Delivery, shown: int) -> None:
    kept, parsed = dict(store._memory), dict(store._parsed)
    save(value, shown)
    store._memory.update(kept)
    store._parsed.clear()
    store._parsed.update(parsed)


# -- what cannot be read ----------------------------------------------------------------------------------

UNREADABLE = [
    {"format": 2},
    {"document": "{"},
    {"document": "[" * 100_000},
    {"document": "{}"},
    {"document": json.dumps({"currency": "JPY", "zones": []})},
    {"document": DELIVERY.dump(at(700)).replace('"DE"', '"ZZ"')},
    {"document": DELIVERY.dump(at(700)).replace('"7.00"', '"-7.00"')},
]


@pytest.mark.parametrize("wrong", UNREADABLE, ids=lambda wrong: str(wrong)[:40])
def test_the_newest_version_that_can_be_read_counts_and_somebody_is_called(
    wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    save(at(500), 0)
    save(at(600), 1)
    save(at(700), 2)
    damage(3, **wrong)
    damage(CURRENT, **wrong)
    before = counted(Metric.SETTINGS_UNREADABLE)

    assert delivery.current() == at(600)
    assert counted(Metric.SETTINGS_UNREADABLE) == before + 1
    assert Metric.SETTINGS_UNREADABLE in telemetry.ALERT_IMMEDIATELY
    assert "settings delivery: the current version cannot be read, version 2 is used" in caplog.text
    now = store.load(DELIVERY)
    assert (now.number, now.used, bool(now.problem)) == (3, 2, True)
    with counted_calls() as calls:
        delivery.current()
    assert calls == {}
    with pytest.raises(UnreadableVersion):
        store.get_version(DELIVERY, 3)

    save(at(600), 3)  # the same values: they are what is used, and are saved all the same
    assert (store.load(DELIVERY).problem, delivery.current(), numbers()) == (
        "",
        at(600),
        [CURRENT, 1, 2, 3, 4],
    )


def test_without_any_version_that_can_be_read_shop_toml_counts_and_saving_mends_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    save(at(500), 0)
    damage(1, document="?")
    damage(CURRENT, document="?")
    assert delivery.current() == DELIVERY.first()
    assert "shop.toml is used" in caplog.text
    save(at(800), 1)
    assert delivery.current() == at(800)


def test_values_of_other_types_are_damage_and_break_no_batch(aws: Cloud) -> None:
    from chalicelib.scheduled_runs import Run, record_run

    save(at(500), 0)
    row = {"part": {"S": "delivery"}, "version": {"N": "0"}, "number": {"S": "one"}, "document": {"N": "7"}}
    from chalicelib.database.connection import shared_connection

    shared_connection()._make_api_call("PutItem", {"TableName": SettingsVersion.Meta.table_name, "Item": row})
    store.clear_settings_cache()
    record_run("a run")
    found = store.get_beside(Run, "a run", DELIVERY)
    assert found is not None
    assert (found.name, delivery.current()) == ("a run", at(500))
    assert store.load(DELIVERY).problem == "the row is damaged"


@pytest.mark.parametrize("is_warm", [True, False])
def test_a_current_row_that_is_missing_is_loud_and_the_newest_version_counts(
    is_warm: bool, caplog: pytest.LogCaptureFixture
) -> None:
    save(at(500), 0)
    save(at(600), 1)
    SettingsVersion(DELIVERY.name, CURRENT).delete()
    store.clear_settings_cache()
    if is_warm:
        store._memory[DELIVERY.name] = (0.0, Current(at(500), 1, 1))
    before = counted(Metric.SETTINGS_UNREADABLE)

    assert delivery.current() == at(600)
    assert counted(Metric.SETTINGS_UNREADABLE) == before + 1
    assert "version 2 is used: its row is missing" in caplog.text
    now = store.load(DELIVERY)
    assert (now.number, now.value, now.problem) == (2, at(600), "its row is missing")
    assert store.load_all([DELIVERY]) == [now]
    save(at(600), 2)
    assert (delivery.current(), numbers()) == (at(600), [CURRENT, 1, 2, 3])


def test_a_document_is_parsed_once_and_again_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    save(at(500), 0)
    parsed: list[str] = []
    real = DELIVERY.read

    def read(document: Mapping[str, Any]) -> Delivery:
        parsed.append(str(document))
        return real(document)

    monkeypatch.setitem(vars(DELIVERY), "read", read)
    for seconds in (0, 11, 22):
        with later(seconds=seconds):
            assert delivery.current() == at(500)
    assert len(parsed) == 1
    _save_in_another_process(at(600), 1)
    with later(seconds=33):
        assert delivery.current() == at(600)
