"""Settings that the merchant saves while something goes wrong: one version, no gap, nobody overwritten."""

from collections import Counter
from dataclasses import replace
from typing import Any

from chalicelib.database.transactions import no_audit
from chalicelib.shop_settings import store
from chalicelib.shop_settings.delivery import DELIVERY, Delivery, zone_of_codes
from chalicelib.shop_settings.store import Part
from chalicelib.shop_settings.taxes import TAXES
from tests.fault_injection.scenario import Case, Rival, Scenario
from tests.fault_injection.scenarios.staff_actions import lay_out, stand_at
from tests.staff.settings import test_delivery_page, test_taxes_page
from tests.staff.staff_client import trail

# Amounts in minor units, by which each case's own versions are known: a rate of delivery, a limit of taxes.
MINE, EARLIER, THEIRS = 100_000, 200_000, 300_000


def save_as_somebody_else(part: Part[Any], value: Any) -> None:
    """Save a value over whatever is there."""
    store.save(part, value, store.load(part).number, "ann@shop.example", no_audit)


def save_rate(rate: int) -> None:
    """Save one zone with a rate, as somebody else."""
    save_as_somebody_else(DELIVERY, Delivery((zone_of_codes("Home", rate, None, ["DE"]),)))


def save_limit(limit: int) -> None:
    """Save the tax rules with a limit, as somebody else."""
    save_as_somebody_else(TAXES, replace(TAXES.first(), gb_limit=limit))


def about_to_save_delivery(case: Case) -> None:
    """Type a shipping cost, and look at what would change."""
    save_rate(EARLIER + case.number)
    page = test_delivery_page.review(stand_at(case), rate=f"{(MINE + case.number) / 100:.2f}")
    assert page.status == 200, page.text
    lay_out(case, test_delivery_page.PATH, **test_delivery_page.form_of(page), do="save")


def about_to_save_taxes(case: Case) -> None:
    """Type a limit, and look at what would change."""
    save_limit(EARLIER + case.number)
    page = test_taxes_page.review(stand_at(case), gb_limit=f"{(MINE + case.number) / 100:.2f}")
    assert page.status == 200, page.text
    lay_out(case, test_taxes_page.PATH, **test_taxes_page.form_of(page), do="save")


def save(case: Case) -> None:
    """Press Save, again where no answer comes; where somebody was quicker, look at theirs and save mine over it."""
    form, address = case.things["form"], case.things["address"]
    for _ in range(6):
        answer = case.world.send(case.things["merchant"], "POST", address, form=form)
        if answer.status == 303:
            return
        if answer.status == 409:
            form = {**form, "version": answer.field("version")}
    raise AssertionError(f"nothing was saved: {answer.status} {answer.text[:300]}")


def delivery_saved_once(case: Case) -> None:
    """The case's own shipping cost is there once."""
    rates = Counter(zones.zones[0].rate for zones in all_versions(DELIVERY))
    words = f"Home: €{(MINE + case.number) / 100:,.2f}"
    saved_once(case, rates, [entry for entry in trail() if entry.after.get("Germany") == words])


def taxes_saved_once(case: Case) -> None:
    """The case's own limit is there once."""
    limits = Counter(rules.gb_limit for rules in all_versions(TAXES))
    words = f"€{(MINE + case.number) / 100:,.2f}"
    saved_once(case, limits, [entry for entry in trail() if entry.after.get("GBP 135 are worth") == words])


def all_versions(part: Part[Any]) -> list[Any]:
    """Read all versions of a part, which have no gap and end with the one that counts."""
    versions, has_more = store.list_versions(part, 10_000)
    assert not has_more
    assert [int(row.version) for row in versions] == list(range(len(versions), 0, -1))
    now = store.load(part)
    assert (now.number, now.problem) == (len(versions), "")
    return [part.parse(row) for row in versions]


def saved_once(case: Case, amounts: Counter[int], logged: list[Any]) -> None:
    """The case's own version is there once and in the audit log once, and theirs is there, too."""
    assert (amounts[MINE + case.number], amounts[EARLIER + case.number]) == (1, 1)
    assert amounts[THEIRS + case.number] == ("overtaken by somebody else" in case.label)
    assert len(logged) == 1


SCENARIOS = [
    Scenario(
        "staff save the delivery settings",
        about_to_save_delivery,
        save,
        (),
        check=delivery_saved_once,
        rivals=(Rival("somebody else", lambda case: save_rate(THEIRS + case.number)),),
        main=True,
    ),
    Scenario(
        "staff save the tax settings",
        about_to_save_taxes,
        save,
        (),
        check=taxes_saved_once,
        rivals=(Rival("somebody else", lambda case: save_limit(THEIRS + case.number)),),
    ),
]
