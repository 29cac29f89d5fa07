"""Every page behind the counter: no barrier by day or night, nothing too wide or too small for a phone."""

import pytest
from playwright.sync_api import expect

from chalicelib import aws
from chalicelib.config import settings
from chalicelib.shop_settings import store
from chalicelib.shop_settings.delivery import DELIVERY, Delivery
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import reset_tokens
from chalicelib.staff.auth.reset_tokens import FORGOTTEN
from chalicelib.staff.jobs import job_progress, job_queue
from chalicelib.staff.models import Job
from chalicelib.staff.orders import order_actions
from chalicelib.staff.router import PUBLIC
from chalicelib.staff.routes import staff
from tests.e2e.conftest import LetIn
from tests.e2e.shopper_browser import Visitor
from tests.e2e.staff.staff_browser import comes_in, what_is_wrong
from tests.e2e.test_accessibility import barriers, check_by_day_and_night
from tests.shop import Shop
from tests.staff.staff_client import member

# What answers with a file, or leads to a page that is listed.
NO_PAGES = {
    "/staff/books/{when}",
    "/staff/books/{when}/{name}",
    "/staff/jobs/{job_id}/result",
    "/staff/orders/csv",
    "/staff/orders/{order_id}/refunds",
}
SENT = f"imports/{'0' * 32}"


@pytest.fixture
def merchant(let_in: LetIn) -> Visitor:
    """Let the merchant in; nothing moves for them, as a colour that fades over is no colour to measure."""
    visitor = let_in(reduced_motion="reduce")
    comes_in(visitor)
    return visitor


@pytest.fixture
def orders(shop: Shop) -> dict[str, str]:
    """Sell in all the ways that look different, and some nobody wishes for; map each onto its order."""
    merchant = member("merchant")
    long = "TERRACOTTA-POT-WITH-A-SAUCER-28-CM"
    shop.put_on_shelf("pot", "Hand-thrown terracotta pot with a saucer", {long: (119900, None, 4)})
    found = {name: shop.paid(MUG=2, **{long: 1})[1] for name in ("paid", "shipped", "disputed")}
    order_actions.ship(
        found["shipped"],
        order_actions.Parcel("DHL", "0034", "https://carrier.example/0034"),
        merchant.email,
        audit_log.writer_for(merchant, "marked as shipped"),
    )
    zones = DELIVERY.first().zones
    write_audit = audit_log.writer_for(merchant, "changed the delivery settings")
    store.save(DELIVERY, Delivery(zones[:2]), 0, merchant.email, write_audit)
    order_actions.add_note(found["paid"], "Wrap it as a present.", merchant.email, "0" * 32)
    shop.paypal.refund(shop.order(found["shipped"]).capture_id or "", "5.00")
    shop.paypal.open_dispute(shop.order(found["disputed"]).capture_id or "")
    shop.deliver_notifications()
    shop.functions.drain("order-emails")
    shopper, token = shop.placed(TEA_50=1)
    shop.paypal.slow(token)
    found["pending"] = shopper.get(f"/payments/paypal/return?token={token}").location.rpartition("/")[2]
    shop.placed(BOWL=1)
    (found["placed"],) = {order.id for order in shop.orders()} - set(found.values())
    return found


def addresses(orders: dict[str, str]) -> dict[str, list[str]]:
    """Map the route of every page onto addresses that show it with something on it."""
    ticked = "?" + "&".join(f"pick-{order}=1" for order in orders.values())
    return {
        "/staff": ["/staff/"],
        "/staff/account": ["/staff/account"],
        "/staff/attention": ["/staff/attention"],
        "/staff/audit": ["/staff/audit"],
        "/staff/books": ["/staff/books"],
        "/staff/catalog": ["/staff/catalog"],
        "/staff/catalog/sent": [f"/staff/catalog/sent?key={SENT}"],
        "/staff/categories": ["/staff/categories"],
        "/staff/categories/{key}": ["/staff/categories/tea"],
        "/staff/erase": ["/staff/erase?email=customer@example.com"],
        "/staff/forgotten": ["/staff/forgotten"],
        "/staff/jobs/{job_id}": [f"/staff/jobs/{job}" for job in ended_jobs()],
        "/staff/login": ["/staff/login"],
        "/staff/members": ["/staff/members"],
        "/staff/orders": ["/staff/orders"],
        "/staff/orders/ship": ["/staff/orders/ship" + ticked],
        "/staff/orders/{order_id}": [f"/staff/orders/{order}" for order in orders.values()],
        "/staff/orders/{order_id}/slip": [f"/staff/orders/{orders['paid']}/slip"],
        "/staff/products": ["/staff/products"],
        "/staff/products/new": ["/staff/products/new"],
        "/staff/products/{slug}": ["/staff/products/pot"],
        "/staff/products/{slug}/pictures": ["/staff/products/green-tea/pictures"],
        "/staff/reset": [f"/staff/reset?token={reset_tokens.create_token(member('finance'), FORGOTTEN)}"],
        "/staff/settings": ["/staff/settings"],
        "/staff/settings/delivery": ["/staff/settings/delivery"],
        "/staff/settings/delivery/{version}": ["/staff/settings/delivery/0"],
        "/staff/settings/taxes": ["/staff/settings/taxes"],
        "/staff/settings/taxes/{version}": ["/staff/settings/taxes/0"],
        "/staff/slips": ["/staff/slips" + ticked],
    }


def ended_jobs() -> list[str]:
    """Let work end in both ways; return the jobs."""
    done, failed = (job_queue.start(member("merchant"), "catalog-export", {}) for _ in range(2))
    job_progress.finish(done, "The file has 4 products.", "exports/catalog.csv")
    failed.state, failed.message = "failed", "2 errors in the file. Nothing has been changed."
    failed.problems = [
        "line 3, column 5 (price): “x” is not an amount such as 12.90." * 2,
        "line 4: too short",
    ]
    failed.save()
    return [done.id, failed.id]


def test_no_page_has_barriers_or_does_not_fit_a_phone(
    merchant: Visitor, shop: Shop, orders: dict[str, str]
) -> None:
    aws.client("s3").put_object(Bucket=settings.books_bucket, Key=SENT, Body=b"slug\r\n")
    shown = addresses(orders)
    assert shown.keys() | NO_PAGES == {path for method, path in staff.declared if method == "GET"}
    wrong = []
    # The entrance last, as nobody: it leads on who is logged in.
    for route, paths in sorted(shown.items(), key=lambda page: staff.declared["GET", page[0]] == PUBLIC):
        if staff.declared["GET", route] == PUBLIC:
            merchant.context.clear_cookies()
        wrong += [f"{path}: {problem}" for path in paths for problem in looked_at(merchant, path)]
    assert wrong == []


def looked_at(visitor: Visitor, path: str) -> list[str]:
    """Open a page and look at it in every way; list what is wrong."""
    visitor.open(path)
    assert visitor.page.url.endswith(path)
    wrong = what_is_wrong(visitor)
    check_by_day_and_night(visitor.page)
    return wrong


def test_what_comes_back_from_a_form_has_no_barriers_either(
    merchant: Visitor, shop: Shop, orders: dict[str, str]
) -> None:
    merchant.expects(400)
    page = merchant.page
    merchant.open(f"/staff/orders/{orders['paid']}")
    merchant.button("Mark as shipped").click()
    merchant.is_told("Nothing has been changed yet")
    looks_right(merchant)
    merchant.open(f"/staff/orders/{orders['shipped']}")
    for details in page.locator("details.correction > summary").all():
        details.click()
    looks_right(merchant)
    merchant.field("City").fill("")
    merchant.button("Save delivery details").click()
    merchant.is_told("Nothing has been changed yet")
    looks_right(merchant)
    merchant.open(f"/staff/orders/{orders['paid']}")
    page.locator(".refund-new summary").click()
    merchant.field("Amount in EUR").fill("9999")
    merchant.button("Refund through PayPal").click()
    merchant.is_told("Nothing has been refunded yet")
    looks_right(merchant)
    merchant.open(f"/staff/orders/ship?pick-{orders['paid']}=1")
    page.get_by_label("Tracking link").fill("https://nowhere")
    merchant.button("Mark as shipped").click()
    merchant.is_told("Some orders couldn’t be marked as shipped")
    looks_right(merchant)
    merchant.open("/staff/categories")
    merchant.button("Create category").click()
    merchant.is_told("Please correct the marked fields")
    looks_right(merchant)
    merchant.open("/staff/settings/delivery")
    page.get_by_label("Shipping cost").first.fill("lots")
    page.get_by_label("Add countries").first.fill("Germny")
    merchant.button("Review changes").click()
    merchant.is_told("Please correct the following")
    looks_right(merchant)
    page.get_by_label("Shipping cost").first.fill("5")
    page.get_by_label("Add countries").first.fill("Andorra")
    merchant.button("Review changes").click()
    merchant.reads("Review changes")
    looks_right(merchant)
    merchant.open("/staff/settings/taxes")
    page.locator("summary", has_text=" rates").click()
    looks_right(merchant)
    page.get_by_label("Corrected rates").fill("DE,food,190,2027-01-01,a\nXX,food,7,2027-01-01,b")
    merchant.button("Review changes").click()
    merchant.is_told("Please correct the following")
    looks_right(merchant)
    page.get_by_label("Corrected rates").fill("DE,food,5,2027-01-01,a")
    merchant.button("Review changes").click()
    merchant.reads("Review changes")
    looks_right(merchant)


def looks_right(visitor: Visitor) -> None:
    """Look at the open page on a phone and at a desk."""
    assert what_is_wrong(visitor) == []
    assert barriers(visitor.page) == []


def test_work_that_goes_on_is_shown_until_it_is_done(merchant: Visitor, shop: Shop) -> None:
    job = job_queue.start(member("merchant"), "catalog-export", {})
    merchant.open(f"/staff/jobs/{job.id}")
    merchant.reads("In progress")
    assert barriers(merchant.page) == []
    shop.functions.drain("background-jobs")
    merchant.reads("Done")  # the page looks again by itself
    expect(merchant.link(f"Download {str(Job.get(job.id).result_key).rpartition('/')[2]}")).to_be_visible()
