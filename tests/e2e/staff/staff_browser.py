"""Behind the counter: members of staff at a browser, and how a page is looked at from there."""

from chalicelib.staff.auth import sessions
from tests.e2e.shopper_browser import Visitor
from tests.staff.staff_client import member

PHONE_WIDTH = 390
# Every thing to press, smaller than a finger; a link within a sentence may be as high as its line.
TOO_SMALL = """() => [...document.querySelectorAll("a, button, select, textarea, summary, input:not([type=hidden])")]
    .filter((element) => element.checkVisibility({visibilityProperty: true}) && !element.closest(".visually-hidden, .skip-link"))
    .map((element) => [element, element.matches("[type=checkbox], [type=radio]") && element.closest("label") || element])
    .filter(([element, target]) => {
        const within = element.matches("a") && getComputedStyle(element).display === "inline"
            && element.parentElement.textContent.trim() !== element.textContent.trim();
        return !within && target.getBoundingClientRect().height < 43.5;
    })
    .map(([element, target]) => `${element.outerHTML.slice(0, 120)}: ${target.getBoundingClientRect().height} px`)"""

STICKS_OUT = """() => [...document.querySelectorAll("table, .card, .notice")]
    .filter((element) => !element.closest(".table-frame")
        && element.getBoundingClientRect().right > element.parentElement.getBoundingClientRect().right + 1)
    .map((element) => `sticks out: ${element.outerHTML.slice(0, 120)}`)"""


def comes_in(visitor: Visitor, role: str = "merchant") -> None:
    """Let a member in by a session, without the form that other tests walk through."""
    secret = sessions.start(member(role)).partition(";")[0].partition("=")[2]
    visitor.context.add_cookies(
        [
            {
                "name": sessions.COOKIE,
                "value": secret,
                "domain": "127.0.0.1",
                "path": sessions.PATH,
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )


def what_is_wrong(visitor: Visitor) -> list[str]:
    """Look at the open page as a reader of its frame and as a thumb on a phone: list what is wrong."""
    page = visitor.page
    page.set_viewport_size({"width": PHONE_WIDTH, "height": 844})
    wide = page.evaluate("document.documentElement.scrollWidth")
    headlines = page.locator("h1").all_inner_texts()
    checks = {
        f"{wide} px wide": wide <= PHONE_WIDTH,
        f"headlines {headlines}": len(headlines) == 1 and bool(headlines[0]),
        f"title {page.title()!r}": page.title().endswith(" · Slow Saturday"),
        "language": page.locator("html").get_attribute("lang") == "en",
        "two things of one id": page.evaluate(
            "new Set([...document.querySelectorAll('[id]')].map(({id}) => id)).size"
            " === document.querySelectorAll('[id]').length"
        ),
    }
    seen: list[str] = page.evaluate(TOO_SMALL) + page.evaluate(STICKS_OUT)
    return [name for name, is_right in checks.items() if not is_right] + seen
