"""What staff do at the counter: each button is pressed until the shop says that it is done."""

import csv
import io
from typing import TYPE_CHECKING

from tests.catalog.images.image_factory import encoded, photo
from tests.client import Shopper
from tests.fault_injection.scenario import IN_THE_CART, ON_THE_SHELF, Case, Rival, Scenario
from tests.fault_injection.scenarios.background_jobs import given_back_once
from tests.fault_injection.scenarios.checkout_and_payment import (
    NEWS_OF_THE_CAPTURE,
    NOTIFICATION,
    OTHER_TILL,
    be_reconciled,
)
from tests.staff.orders.test_corrections import form_of as correction_of
from tests.staff.orders.test_refund_form import form_of
from tests.staff.products.test_product_list import fields
from tests.staff.staff_client import member, trail

if TYPE_CHECKING:
    from chalicelib.staff.models import Job

MORE = 3  # units that staff add
TEXT = "Good, and plain."
PARCEL = {"carrier": "DHL", "tracking": "0034", "link": "https://carrier.example/0034"}

# -- at the counter -----------------------------------------------------------------------------------------


def stand_at(case: Case) -> Shopper:
    """Let the merchant in, without the entrance."""
    from chalicelib.staff.auth import sessions

    cookie = sessions.start(member("merchant")).split(";")[0]
    name, _, secret = cookie.partition("=")
    merchant = Shopper(case.world.shop.gateway, {name: secret})
    case.things["merchant"] = merchant
    return merchant


def press(case: Case) -> None:
    """Send the form that lies there, again where no answer comes; what comes back to be corrected is sent as it is."""
    form = case.things["form"]
    for _ in range(6):
        answer = case.world.send(case.things["merchant"], "POST", case.things["address"], form=form)
        if answer.status == 303:
            return
        if answer.status < 500:
            form = {**form, **fields(answer)}
    raise AssertionError(f"the button did nothing: {answer.status} {answer.text[:300]}")


def lay_out(case: Case, address: str, /, **form: str) -> None:
    """Open the page and fill in its form."""
    case.things |= {"address": address, "form": form}


def once(case: Case, what: str) -> None:
    """The audit trail tells of it once for each order."""
    for order in case.orders():
        told = [entry for entry in trail() if entry.subject == f"order {order.number}"]
        assert [entry.action for entry in told].count(what) == 1


# -- orders -------------------------------------------------------------------------------------------------


def about_to_refund(case: Case) -> None:
    """Open a paid order, and fill in a part of the payment and one unit."""
    case.pay()
    _lay_out_refund(case, **{"amount": "5.00", f"restock-{case.sku}": "1"})


def about_to_refund_all(case: Case) -> None:
    """Open a paid order, and tick that all comes back."""
    case.pay()
    _lay_out_refund(case, all_back="yes")


def _lay_out_refund(case: Case, **typed: str) -> None:
    (order,) = case.orders()
    form = form_of(stand_at(case).get(f"/staff/orders/{order.id}"))
    lay_out(case, f"/staff/orders/{order.id}/refunds", **{**form, "reason": "A crack.", **typed})


def refunded_once(case: Case) -> None:
    """A part went back once, with one unit."""
    given_back_once(case)
    once(case, "refunded")


def refunded_in_full(case: Case) -> None:
    """All went back once, with all units."""
    (order,) = case.orders()
    assert int(order.refunded) == int(order.total)
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF
    once(case, "refunded")


def about_to_ship(case: Case) -> None:
    """Open a paid order, and fill in its parcel."""
    case.pay()
    (order,) = case.orders()
    stand_at(case)
    lay_out(case, f"/staff/orders/{order.id}/ship", **PARCEL)


def about_to_ship_two(case: Case) -> None:
    """Tick two paid orders of one customer, and fill in their parcels."""
    case.pay()
    case.pay()
    stand_at(case)
    names = {f"{name}-{order.id}": value for order in case.orders() for name, value in PARCEL.items()}
    lay_out(case, "/staff/orders/ship", **names)


def shipped_once(case: Case) -> None:
    """Each was shipped once, and the customer told once."""
    for order in case.orders():
        assert [entry["event"] for entry in order.history].count("shipped") == 1
        assert [name.partition("#")[0] for name in order.emails_sent].count("order_shipped") == 1
    once(case, "marked as shipped")


def _ship(case: Case) -> str:
    """Pay an order and ship it, its mails sent; return its ID."""
    from chalicelib.staff.orders import order_actions

    case.pay()
    (order,) = case.orders()
    order_actions.ship(order.id, order_actions.Parcel("DHL", "0034"), "merchant@shop.example")
    case.world.shop.functions.drain("order-emails")
    return order.id


def about_to_correct_a_parcel(case: Case) -> None:
    """Open a shipped order, and fill in another number of its parcel."""
    order_id = _ship(case)
    address = f"/staff/orders/{order_id}/parcels/{case.world.shop.order(order_id).parcels[0]['id']}"
    form = correction_of(stand_at(case).get(f"/staff/orders/{order_id}"), address)
    lay_out(case, address, **{**form, "tracking": f"TRACK-{case.number}"})


def parcel_corrected_once(case: Case) -> None:
    """The parcel has the new number, by which the order is found; the customer was told once."""
    from chalicelib.orders.search import order_list, order_search

    (order,) = case.orders()
    assert [parcel["tracking"] for parcel in order.parcels] == [f"TRACK-{case.number}"]
    assert [name.partition("#")[0] for name in order.emails_sent].count("tracking_corrected") == 1
    assert [
        found.id
        for found in order_search.search_orders(f"TRACK-{case.number}", order_list.OrderFilter()).orders
    ] == [order.id]
    once(case, "corrected a parcel")


def about_to_remove_a_parcel(case: Case) -> None:
    """Open a shipped order whose only parcel was not sent after all."""
    order_id = _ship(case)
    form = correction_of(stand_at(case).get(f"/staff/orders/{order_id}"), "/removal")
    parcel_id = case.world.shop.order(order_id).parcels[0]["id"]
    lay_out(case, f"/staff/orders/{order_id}/parcels/{parcel_id}/removal", **form)


def parcel_removed_once(case: Case) -> None:
    """The order waits to be shipped again, is not found by the number, and the customer was told once."""
    from chalicelib.orders.search import search_index

    (order,) = case.orders()
    assert order.parcels == []
    assert [entry["event"] for entry in order.history].count("parcel_removed") == 1
    assert [name.partition("#")[0] for name in order.emails_sent].count("parcel_removed") == 1
    assert order.placed_key not in search_index.find_by_tracking_number("0034").placed_keys
    once(case, "removed a parcel")


def about_to_add_a_parcel(case: Case) -> None:
    """Open a paid order, and fill in the first of several parcels."""
    case.pay()
    (order,) = case.orders()
    form = correction_of(stand_at(case).get(f"/staff/orders/{order.id}"), "/ship")
    lay_out(case, f"/staff/orders/{order.id}/parcels", **{**form, "carrier": "DHL", "tracking": "0034"})


def parcel_added_once(case: Case) -> None:
    """One parcel is on its way, the customer was told once, and the rest is still to be shipped."""
    (order,) = case.orders()
    assert len(order.parcels) == 1
    assert [name.partition("#")[0] for name in order.emails_sent].count("parcel_shipped") == 1
    once(case, "added a parcel")


def about_to_correct_the_address(case: Case) -> None:
    """Open a shipped order, and fill in another name and town."""
    order_id = _ship(case)
    form = correction_of(stand_at(case).get(f"/staff/orders/{order_id}"), "/address")
    lay_out(case, f"/staff/orders/{order_id}/address", **{**form, "name": "Ada Quince", "city": "Potsdam"})


def address_corrected_once(case: Case) -> None:
    """The order goes to the new address, is found by the new name, and the customer was told once."""
    from chalicelib.orders.search import search_index

    (order,) = case.orders()
    assert (order.customer["name"], order.customer["city"]) == ("Ada Quince", "Potsdam")
    assert [name.partition("#")[0] for name in order.emails_sent].count("address_corrected") == 1
    assert order.placed_key in search_index.find_by_prefix("quince").placed_keys
    assert order.placed_key not in search_index.find_by_prefix("customer").placed_keys
    once(case, "corrected the delivery details")


def about_to_cancel(case: Case) -> None:
    """Open an order that nobody has paid for so long that the reconciler is due to look at it."""
    case.place()
    case.world.pass_time(minutes=6)
    (order,) = case.orders()
    stand_at(case)
    lay_out(case, f"/staff/orders/{order.id}/cancel")


def cancelled_once(case: Case) -> None:
    """All units are on the shelf again."""
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF
    once(case, "cancelled")


def about_to_release(case: Case) -> None:
    """See who holds what without paying; this case's visitor is at an address of their own."""
    case.shopper.source = f"198.51.{case.number // 250}.{case.number % 250}"
    case.place()
    case.world.pass_time(minutes=6)
    (order,) = case.orders()
    stand_at(case)
    lay_out(case, "/staff/attention/holds", visitor=order.holder or "")


def released_once(case: Case) -> None:
    """All units are available again, and the order that nobody paid has ended."""
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF
    once(case, "released reserved items")


def about_to_mail_again(case: Case) -> None:
    """Open a paid order whose customer has lost the mail."""
    from chalicelib import ids

    case.pay()
    (order,) = case.orders()
    stand_at(case)
    lay_out(
        case, f"/staff/orders/{order.id}/mails", entry=f"order_paid#{order.capture_id}", form=ids.new_id()
    )


def mailed_again_once(case: Case) -> None:
    """One mail was sent a second time."""
    (order,) = case.orders()
    assert [entry["event"] for entry in order.history].count("email_requeued") == 1
    once(case, "resent an email")


def about_to_erase(case: Case) -> None:
    """Ship an order; three months later its customer asks to be forgotten."""
    from chalicelib.staff.orders import order_actions

    case.pay()
    (order,) = case.orders()
    order_actions.ship(order.id, order_actions.Parcel("DHL"), "merchant@shop.example")
    case.world.shop.functions.drain("order-emails")
    case.world.pass_time(days=91)
    stand_at(case)
    lay_out(case, "/staff/erase", email=case.email, sure="yes")


def erased_once(case: Case) -> None:
    """Nobody finds the customer any more; the order and its sums stay."""
    from chalicelib.orders.search import search_index

    (order,) = case.orders()
    assert {name for name, value in order.customer.items() if value} == {"country"}
    assert list(search_index.find_by_email(case.email, 10).placed_keys) == []
    assert [entry["event"] for entry in order.history].count("customer_erased") == 1
    once(case, "erased customer data")


# -- stock --------------------------------------------------------------------------------------------------


def about_to_add_units(case: Case) -> None:
    """Open the list of products, count three units more; meanwhile two are ordered."""
    from chalicelib import ids

    stand_at(case)
    row = {
        f"was.{case.sku}": f"{case.slug}|10.00||{ON_THE_SHELF}",
        f"price.{case.sku}": "10.00",
        f"sale.{case.sku}": "",
        f"stock.{case.sku}": str(ON_THE_SHELF + MORE),
        f"shown.{case.slug}": "yes",
        f"visible.{case.slug}": "yes",
    }
    lay_out(case, "/staff/products", form=ids.new_id(), **row)
    case.units = ON_THE_SHELF + MORE
    case.place()


def added_once(case: Case) -> None:
    """What was sold meanwhile stays sold, and what came was added once."""
    elsewhere = case.things.get("sold at the other till", 0)
    assert case.world.shop.stock(case.sku) == ON_THE_SHELF + MORE - IN_THE_CART - elsewhere
    told = [entry for entry in trail() if case.slug in entry.subject.split()]
    assert [entry.action for entry in told] == ["edited the product list"]


# -- long work ----------------------------------------------------------------------------------------------


def ask_for_a_file(case: Case) -> None:
    """Sell something, and ask for a file of all orders."""
    from chalicelib import clock
    from chalicelib.staff.jobs import job_queue

    case.pay()
    stand_at(case)
    arguments = {"state": "", "before": f"{clock.now().isoformat()}~"}
    case.things["job"] = job_queue.start(member("merchant"), "orders-export", arguments).id


def send_a_picture(case: Case) -> None:
    """Send a picture of the product."""
    from chalicelib import aws, ids
    from chalicelib.catalog.images import product_images
    from chalicelib.config import settings
    from chalicelib.staff.jobs import job_queue

    upload = f"uploads/{ids.new_id()}"
    body = encoded(photo(500, 300))
    aws.client("s3").put_object(Bucket=settings.media_bucket, Key=upload, Body=body)
    product_images.add_pending_image(case.slug, upload, "A thing")
    stand_at(case)
    arguments = {"slug": case.slug, "upload": upload}
    case.things["job"] = job_queue.start(member("merchant"), "image", arguments).id


def send_a_catalog_file(case: Case) -> None:
    """Send a file in which a category has another name, a product is new, one is changed, and a variant is missing."""
    from chalicelib import aws, ids
    from chalicelib.config import settings

    number = case.number
    old = {f"OLD-{number}": (500, None, ON_THE_SHELF), f"GONE-{number}": (500, None, ON_THE_SHELF)}
    case.world.shop.put_on_shelf(f"old-{number}", "Old thing", old)
    head = "slug,name,text,category,category_name,tax_rate,added,sku,options,price,stock"
    rows = [
        f'{slug},{name},"{TEXT}",tea,Tea no. {number},19,2026-11-01,{sku},{options},{price},{MORE}'
        for slug, name, sku, options, price in (
            (f"new-{number}", "New thing", f"NEW-{number}", "", "7.50"),
            (case.slug, f"Case {number}", case.sku, "", "12.00"),
            (f"old-{number}", "Old thing", f"OLD-{number}", f"Size = OLD-{number}", "5.00"),
        )
    ]
    case.things["key"] = f"imports/{ids.new_id()}"
    aws.client("s3").put_object(
        Bucket=settings.books_bucket, Key=case.things["key"], Body="\n".join([head, *rows]).encode()
    )
    case.units = ON_THE_SHELF + MORE
    stand_at(case)
    load_file(case)


def load_file(case: Case) -> None:
    """Ask for the file to be loaded, its units to be added to those on the shelf."""
    from chalicelib.staff.jobs import job_queue

    arguments = {"key": case.things["key"], "stock": "add"}
    case.things["job"] = job_queue.start(member("merchant"), "catalog-import", arguments).id


def work(case: Case) -> None:
    """Let the function behind the queue do its work."""
    case.world.drain("background-jobs")


def ask_again(case: Case) -> None:
    """Press “Ask again” on the page of work that does not move."""
    page = f"/staff/jobs/{case.things['job']}"
    if _job(case).state != "done":
        case.world.pass_time(minutes=16)
        merchant = stand_at(case)
        assert merchant.post(f"{page}/again").status == 303
        case.world.shop.functions.drain("background-jobs")


def load_again(case: Case) -> None:
    """Press “Start again” where it does not move, and upload the file again where the page says that it failed."""
    ask_again(case)
    if _job(case).state == "failed":
        load_file(case)
        case.world.shop.functions.drain("background-jobs")


def file_is_loaded(case: Case) -> None:
    """Everything in the file is so, written once, and its units are added once."""
    from chalicelib.catalog.models import Product, Stock

    number = case.number
    assert _job(case).state == "done", _job(case).message
    skus = [f"NEW-{number}", case.sku, f"OLD-{number}", f"GONE-{number}"]
    stocks = [Stock.get(sku, consistent_read=True) for sku in skus]
    added = ON_THE_SHELF + MORE
    slugs = [f"new-{number}", case.slug, f"old-{number}"]
    assert [(stock.price, stock.available, stock.slug) for stock in stocks] == [
        (750, MORE, slugs[0]),
        (1200, added - case.things.get("sold at the other till", 0), slugs[1]),
        (500, added, slugs[2]),
        (500, ON_THE_SHELF, None),
    ]
    assert [len(Product.get(slug, consistent_read=True).variants) for slug in slugs] == [1, 1, 1]
    told = [entry for entry in trail() if entry.action == "imported a catalog file"]
    for slug in slugs:
        assert [entry.subject for entry in told].count(f"product {slug}") == 1, slug
    renamed = [entry for entry in told if f"Tea no. {number}" in (entry.after or {}).values()]
    assert len(renamed) == 1


def file_is_there(case: Case) -> None:
    """The work is done; its file has the order once."""
    from chalicelib import aws
    from chalicelib.config import settings

    (order,) = case.orders()
    job = _job(case)
    assert job.state == "done"
    stored = aws.client("s3").get_object(Bucket=settings.books_bucket, Key=job.result_key)["Body"].read()
    rows = list(csv.DictReader(io.StringIO(stored.decode("utf-8-sig"), newline="")))
    assert [row["order_number"] for row in rows].count(order.number) == 1


def picture_is_there(case: Case) -> None:
    """The work is done; the product has the picture once, and its file is there."""
    from chalicelib import aws
    from chalicelib.catalog.images.product_images import get_product
    from chalicelib.config import settings

    product = get_product(case.slug)
    assert _job(case).state == "done"
    assert (len(product.pictures), product.pending_pictures) == (1, [])
    assert aws.object_size(settings.media_bucket, product.pictures[0]["key"])


def _job(case: Case) -> "Job":
    from chalicelib.staff.models import Job

    return Job.get(case.things["job"], consistent_read=True)


SCENARIOS = [
    Scenario(
        "staff refund a part",
        about_to_refund,
        press,
        ("paid",),
        check=refunded_once,
        rivals=(NEWS_OF_THE_CAPTURE,),
    ),
    Scenario(
        "staff refund all",
        about_to_refund_all,
        press,
        ("paid",),
        check=refunded_in_full,
        rivals=(NEWS_OF_THE_CAPTURE,),
    ),
    Scenario("staff ship", about_to_ship, press, ("shipped",), check=shipped_once, rivals=(NOTIFICATION,)),
    Scenario(
        "staff ship two",
        about_to_ship_two,
        press,
        ("shipped", "shipped"),
        check=shipped_once,
        rivals=(NOTIFICATION,),
    ),
    Scenario(
        "staff correct a parcel",
        about_to_correct_a_parcel,
        press,
        ("shipped",),
        check=parcel_corrected_once,
        rivals=(NOTIFICATION,),
    ),
    Scenario(
        "staff remove a parcel",
        about_to_remove_a_parcel,
        press,
        ("paid",),
        check=parcel_removed_once,
        rivals=(NOTIFICATION,),
    ),
    Scenario(
        "staff add a parcel",
        about_to_add_a_parcel,
        press,
        ("paid",),
        check=parcel_added_once,
        rivals=(NOTIFICATION,),
    ),
    Scenario(
        "staff correct the address",
        about_to_correct_the_address,
        press,
        ("shipped",),
        check=address_corrected_once,
        rivals=(NOTIFICATION,),
    ),
    Scenario(
        "staff cancel",
        about_to_cancel,
        press,
        ("cancelled",),
        check=cancelled_once,
        rivals=(Rival("the reconciler", be_reconciled),),
    ),
    Scenario(
        "staff release what is held",
        about_to_release,
        press,
        ("expired",),
        check=released_once,
        rivals=(Rival("the reconciler", be_reconciled),),
    ),
    Scenario(
        "staff mail again",
        about_to_mail_again,
        press,
        ("paid",),
        check=mailed_again_once,
        rivals=(NOTIFICATION,),
    ),
    Scenario("staff erase", about_to_erase, press, ("shipped",), check=erased_once, rivals=(NOTIFICATION,)),
    Scenario(
        "staff add units",
        about_to_add_units,
        press,
        ("paid",),
        afterwards=Case.pay_up,
        check=added_once,
        rivals=(OTHER_TILL,),
    ),
    Scenario(
        "a file that staff asked for",
        ask_for_a_file,
        work,
        ("paid",),
        afterwards=ask_again,
        check=file_is_there,
        no_rival="nobody works on it but its double",
    ),
    Scenario(
        "a catalog file that staff loaded",
        send_a_catalog_file,
        work,
        (),
        afterwards=load_again,
        check=file_is_loaded,
        rivals=(OTHER_TILL,),
        alone=True,
    ),
    Scenario(
        "a picture that staff sent",
        send_a_picture,
        work,
        (),
        afterwards=ask_again,
        check=picture_is_there,
        no_rival="nobody works on it but its double",
        once_failed=frozenset({("overtaken by its double", 3), ("garbage, but done", 3)}),
    ),
]
