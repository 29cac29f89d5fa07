"""An empty shop, as often as one is needed."""

import os

from infra.local.api_gateway import Gateway
from infra.local.event_functions import Functions
from infra.local.fake_paypal import Control
from tests.cloud import Cloud
from tests.invariants import check_books
from tests.shop import Shop
from tests.staff.staff_client import logged_in

_warm: list[bool] = []


def opened(paypal: Control, cloud: Cloud) -> Shop:
    """Empty everything, and open a shop that sells nothing yet."""
    if not _warm:
        _warm.append(True)
        _warm_up(emptied(paypal, cloud))
    return emptied(paypal, cloud)


def _warm_up(shop: Shop) -> None:
    """Let this process learn what each forked one would have to: modules, clients, templates."""
    shop.put_on_shelf("cup", "A cup", {"CUP": (1000, None, 3)})
    shop.paid(CUP=1)
    for notification in shop.paypal.notifications():
        shop.notify(notification.body, notification.headers)
    for queue in ("paypal-webhooks", "order-emails"):
        shop.functions.drain(queue)
    merchant = logged_in(shop.gateway, "merchant")
    merchant.get("/staff/products")
    merchant.get(f"/staff/orders/{shop.orders()[0].id}")
    shop.reconcile()
    shop.functions.fire("export_books")
    check_books(shop)


def emptied(paypal: Control, cloud: Cloud) -> Shop:
    """Forget everything that was there."""
    import app
    from chalicelib.aws import client
    from chalicelib.catalog.categories import Category
    from chalicelib.catalog.editing.category_editing import save_categories

    cloud.renew()
    save_categories([Category("tea", "Tea", "For slow mornings.")])
    paypal.reset()
    paypal.set_webhook("http://127.0.0.1:9/webhooks/paypal")
    paypal.automatic(False)
    functions = Functions(app.app, client("sqs"), prefix=os.environ["TABLE_PREFIX"])
    return Shop(Gateway(app.app), functions, paypal)
