"""The audit trail's page."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any
from unittest import mock

import pytest

from chalicelib import clock
from chalicelib.database.transactions import ConditionFailed, Transaction
from chalicelib.staff.audit import audit_log
from chalicelib.staff.audit.audit_log_page import changes
from chalicelib.staff.models import StaffSession
from infra.local.api_gateway import Gateway
from tests.call_counter import counted_calls
from tests.client import Shopper
from tests.staff.staff_client import logged_in, member, trail

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def merchant(gateway: Gateway) -> Shopper:
    """Return the merchant, logged in, in a shop without things to buy."""
    with mock.patch.object(clock, "now", return_value=NOON):
        return logged_in(gateway, "merchant")


def at(moment: str) -> Any:
    """Let a test's hand write at another moment."""
    return mock.patch.object(clock, "now", return_value=datetime.fromisoformat(moment).replace(tzinfo=UTC))


def test_an_entry_shows_actor_time_action_and_values_before_and_after(merchant: Shopper) -> None:
    transaction = Transaction()
    write_audit = audit_log.writer_for(member("merchant"), "shipped an order")
    with at("2026-11-22T12:01:00"):
        write_audit(
            transaction, "order 48219-30476", {"state": "paid"}, {"state": "shipped", "carrier": "DHL <b>"}
        )
        transaction.commit()
        page = merchant.get("/staff/audit")
    assert "22 November 2026, 12:01 merchant@shop.example shipped an order order 48219-30476" in page.text
    assert "state paid → shipped carrier DHL <b>" in page.text
    assert "DHL <b>" not in page.body
    assert page.text.index("shipped an order") < page.text.index("logged in")  # newest first


def test_a_change_that_is_refused_leaves_no_entry(merchant: Shopper) -> None:
    transaction = Transaction()
    transaction.check("nothing", StaffSession, "x", StaffSession.key.exists())
    audit_log.writer_for(member("merchant"), "did it")(transaction, "a thing", {}, {"done": True})
    with pytest.raises(ConditionFailed):
        transaction.commit()
    assert [entry.action for entry in trail()] == ["logged in"]


def test_a_month_is_read_in_pages_by_one_query_each(merchant: Shopper) -> None:
    for each in range(60):
        with at(f"2026-10-{each // 2 + 1:02}T{each % 2 + 10}:00:00"):
            audit_log.record("merchant@shop.example", f"did thing {each}", "it")
    with at("2026-11-22T12:02:00"), counted_calls() as calls:
        first = merchant.get("/staff/audit?month=2026-10")
        assert calls["Query"] <= 2  # the trail's, and the shop's categories
        assert "Scan" not in calls
        second = merchant.get(_link(first.body, "Older in October 2026"))
    seen = [int(number) for page in (first, second) for number in _numbers(page.text)]
    assert seen == list(range(59, -1, -1))
    assert "November 2026" in second.text
    assert "Older in" not in second.text


def test_a_month_without_changes_says_so_and_leads_on(merchant: Shopper) -> None:
    with at("2026-11-22T12:02:00"):
        page = merchant.get("/staff/audit?month=2026-09")
        assert "No changes in September 2026." in page.text
        assert "/staff/audit?month=2026-08" in page.body
        assert "/staff/audit?month=2026-10" in page.body
        assert "December 2026" not in merchant.get("/staff/audit").text


def test_a_forged_address_is_a_400_in_words(merchant: Shopper) -> None:
    twice = "month=2026-11&month=2026-10"
    with at("2026-11-22T12:02:00"):
        for query in ("month=x", "month=2026-13", "month=2026-11&before=x", twice, "before=%00"):
            assert merchant.get(f"/staff/audit?{query}").status == 400, query


def test_a_long_text_is_folded(merchant: Shopper) -> None:
    with at("2026-11-22T12:01:00"):
        audit_log.record(
            "merchant@shop.example", "changed a product", "it", {"text": "short"}, {"text": "long " * 99}
        )
        page = merchant.get("/staff/audit")
    assert page.body.count("<details class") == 2  # the text, and the menu of the account
    assert f"<summary>{('long ' * 99)[:80]}…</summary>" in page.body


def test_only_changed_values_are_shown() -> None:
    before = {"price": "6.90", "hidden": False, "stock": 10, "options": {"Size": "L"}, "note": None}
    after = {"price": "7.20", "hidden": True, "stock": 10, "options": {"Size": "M"}, "sale_price": "5.00"}
    assert changes(before, after) == [
        ("price", "6.90", "7.20"),
        ("hidden", "no", "yes"),
        ("options", "Size: L", "Size: M"),
        ("sale price", "", "5.00"),
    ]


def _link(body: str, words: str) -> str:
    return unescape(body.partition(f">{words}</a>")[0].rpartition('href="')[2].partition('"')[0])


def _numbers(text: str) -> list[str]:
    return re.findall(r"did thing (\d+)", text)
