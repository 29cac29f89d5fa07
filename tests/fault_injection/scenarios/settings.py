"""Settings that the merchant saves while something goes wrong: one version, no gap, nobody overwritten."""

from collections import Counter

from chalicelib.database.transactions import no_audit
from chalicelib.shop_settings import store
from chalicelib.shop_settings.delivery import DELIVERY, Delivery, zone_of_codes
from tests.fault_injection.scenario import Case, Rival, Scenario
from tests.fault_injection.scenarios.staff_actions import lay_out, stand_at
from tests.staff.settings.test_delivery_page import PATH, review
from tests.staff.staff_client import trail

# Rates in minor units, by which each case's own versions are known.
MINE, EARLIER, THEIRS = 100_000, 200_000, 300_000


def save_rate(rate: int) -> None:
    """Save one zone with a rate, as somebody else."""
    value = Delivery((zone_of_codes("Home", rate, None, ["DE"]),))
    store.save(DELIVERY, value, store.load(DELIVERY).number, "ann@shop.example", no_audit)


def about_to_save(case: Case) -> None:
    """Type a shipping cost, and look at what would change."""
    save_rate(EARLIER + case.number)
    page = review(stand_at(case), rate=f"{(MINE + case.number) / 100:.2f}")
    assert page.status == 200, page.text
    names = [f"zone.0.{name}" for name in ("name", "rate", "free_from")]
    form = {name: page.field(name) for name in ("version", *names)}
    lay_out(case, PATH, **form, **{"zone.0.country.DE": "yes"}, do="save")


def save(case: Case) -> None:
    """Press Save, again where no answer comes; where somebody was quicker, look at theirs and save mine over it."""
    form = case.things["form"]
    for _ in range(6):
        answer = case.world.send(case.things["merchant"], "POST", PATH, form=form)
        if answer.status == 303:
            return
        if answer.status == 409:
            form = {**form, "version": answer.field("version")}
    raise AssertionError(f"nothing was saved: {answer.status} {answer.text[:300]}")


def saved_once(case: Case) -> None:
    """The versions have no gap; the case's own is there once and in the audit log once, and theirs is there, too."""
    versions, has_more = store.list_versions(DELIVERY, 10_000)
    assert not has_more
    assert [int(row.version) for row in versions] == list(range(len(versions), 0, -1))
    rates = Counter(DELIVERY.parse(row).zones[0].rate for row in versions)
    assert (rates[MINE + case.number], rates[EARLIER + case.number]) == (1, 1)
    assert rates[THEIRS + case.number] == ("overtaken by somebody else" in case.label)
    logged = [
        entry
        for entry in trail()
        if entry.after.get("Germany") == f"Home: €{(MINE + case.number) / 100:,.2f}"
    ]
    assert len(logged) == 1
    now = store.load(DELIVERY)
    assert (now.number, now.problem) == (len(versions), "")


SCENARIOS = [
    Scenario(
        "staff save the delivery settings",
        about_to_save,
        save,
        (),
        check=saved_once,
        rivals=(Rival("somebody else", lambda case: save_rate(THEIRS + case.number)),),
        main=True,
    )
]
