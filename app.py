"""Awning's composition root: the app, its middleware, one line per feature, and every event function."""

import gc
from typing import TYPE_CHECKING, Any

gc.disable()  # imports allocate much and free little: collecting garbage meanwhile takes a fifth of a cold start

from chalicelib.database import pynamodb_imports

pynamodb_imports.import_pynamodb()  # before any model is

from chalice.app import Chalice, CloudWatchEvent, Rate, SQSEvent

from chalicelib import config, telemetry
from chalicelib.cart.routes import routes as cart
from chalicelib.catalog.routes import routes as catalog
from chalicelib.database import connection
from chalicelib.staff.routes import routes as staff
from chalicelib.web.lazy_imports import LazyModule
from chalicelib.web.middleware import middleware
from chalicelib.web.router import Routes
from chalicelib.web.routes import routes as web

if TYPE_CHECKING:
    from chalicelib.checkout import routes as checkout
    from chalicelib.orders import routes as orders
    from chalicelib.payments import routes as payments
else:  # imported when one of their views is called, since no visit begins there
    checkout = LazyModule("chalicelib.checkout.routes")
    orders = LazyModule("chalicelib.orders.routes")
    payments = LazyModule("chalicelib.payments.routes")

app = Chalice(app_name="awning", configure_logs=False)  # Chalice's own handler suppresses warnings
telemetry.configure_logging()
app.register_middleware(telemetry.middleware, "all")
app.register_middleware(middleware, "http")
app.register_blueprint(catalog)
app.register_blueprint(cart)
late = Routes("late")
late.get("/checkout")(checkout.show)
late.post("/checkout")(checkout.place)
late.get("/orders/{order_id}")(orders.show)
late.post("/orders/{order_id}/payment")(payments.pay)
late.get("/payments/paypal/return")(payments.paypal_return)
late.get("/payments/paypal/cancel")(payments.paypal_cancel)
late.post("/webhooks/paypal")(payments.paypal_webhook)
app.register_blueprint(late)
app.register_blueprint(staff)
app.register_blueprint(web)


# One message per call: each may spend 20 s on PayPal, and a function that times out fails its whole batch.
@app.on_sqs_message(queue="paypal-webhooks", batch_size=1)
def settle_notifications(event: SQSEvent) -> dict[str, Any]:
    """Settle what PayPal's notifications report."""
    from chalicelib.payments import webhook_events

    return webhook_events.settle_notifications(event.to_dict()["Records"])


@app.on_sqs_message(queue="order-emails", batch_size=4)
def send_order_emails(event: SQSEvent) -> dict[str, Any]:
    """Send the emails that are due in orders' outboxes."""
    from chalicelib.mail import sender

    return sender.send_order_emails(event.to_dict()["Records"])


# The next two are invoked asynchronously, because Lambda would poll a queue all month. If one raises, Lambda
# retries it twice, then moves its event to the dead-letter queue.
@app.lambda_function()
def note_bounces(event: dict[str, Any], context: Any) -> None:
    """Record SES's reports of bounces and complaints for staff."""
    from chalicelib.mail import bounces

    bounces.record_bounce(event)


@app.lambda_function()
def run_staff_jobs(event: dict[str, str], context: Any) -> None:
    """Run a background job that staff started."""
    from chalicelib.staff.jobs import job_worker

    job_worker.run_staff_job(event)


@app.schedule(Rate(5, unit=Rate.MINUTES))
def reconcile_payments(event: CloudWatchEvent) -> None:
    """Bring every order that is due in line with what PayPal says."""
    from chalicelib import scheduled_runs
    from chalicelib.orders import hold_alarm
    from chalicelib.payments import reconciler

    hold_alarm.watch_holds()
    with scheduled_runs.recorded("reconcile_payments"):
        reconciler.reconcile_payments()


@app.schedule(Rate(1, unit=Rate.HOURS))
def export_books(event: CloudWatchEvent) -> None:
    """Write the books of every closed day that has none, count what was booked, notice missing notifications."""
    from chalicelib import clock, scheduled_runs
    from chalicelib.ledger import daily_reports, daily_totals
    from chalicelib.payments import webhook_silence
    from chalicelib.queues import dead_letters

    webhook_silence.watch_notifications()
    dead_letters.watch()
    with scheduled_runs.recorded("export_books"):
        try:
            daily_reports.export_closed_days(clock.now())
        finally:
            daily_totals.update_totals(clock.now())


if config.settings.function:
    connection.connect()  # while Lambda starts the function, so that the first shopper does not wait for it
gc.freeze()  # later collections skip what was imported
gc.enable()
