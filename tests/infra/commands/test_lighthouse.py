"""What `make lighthouse` makes of Lighthouse's reports. Whether the pages are good, it finds out itself: it needs Node."""

from typing import Any

from infra.commands.lighthouse import CATEGORIES, judge, table


def report(performance: float, alt: float = 1) -> dict[str, Any]:
    audits = {
        "image-alt": {"title": "Images have alt texts", "score": alt},
        "other": {"title": "x", "score": None},
    }
    categories = {
        name: {"score": 1.0, "auditRefs": [{"id": "other", "weight": 1}, {"id": "image-alt", "weight": 0}]}
        for name in CATEGORIES
    }
    categories["performance"]["score"] = performance
    categories["accessibility"] = {"score": alt, "auditRefs": [{"id": "image-alt", "weight": 10}]}
    return {"categories": categories, "audits": audits}


def test_of_five_runs_the_median_counts() -> None:
    judged = judge([report(each) for each in (0.2, 0.96, 0.97, 0.94, 0.99)], "shop", "mobile")
    assert judged.scores == {"performance": 96, "accessibility": 100, "best-practices": 100, "seo": 100}
    assert judged.missed == []


def test_what_keeps_a_page_from_its_goal_is_named() -> None:
    judged = judge([report(0.94, alt=0)], "cart", "desktop")
    assert judged.missed == ["performance", "accessibility"]
    printed = table([judged])
    assert "94 !" in printed
    assert "cart, desktop: accessibility: Images have alt texts" in printed


def test_carts_are_not_for_search_engines() -> None:
    poor = report(1)
    poor["categories"]["seo"]["score"] = 0.5
    assert judge([poor], "cart", "mobile").missed == []
    assert judge([poor], "product", "mobile").missed == ["seo"]
