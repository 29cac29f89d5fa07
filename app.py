"""Awning's composition root: the app, its middleware, one line a feature, and every event function."""

import gc
from typing import Any

gc.disable()  # what imports make stays: looking for garbage in it is a fifth of a cold start

from chalice.app import Chalice, CloudWatchEvent, Rate, SQSEvent

from chalicelib import config, telemetry
from chalicelib.cart.routes import routes as cart
from chalicelib.catalog.routes import routes as catalog
from chalicelib.checkout.routes import routes as checkout
from chalicelib.database import connection
from chalicelib.orders.routes import routes as orders
from chalicelib.payments.routes import routes as payments
from chalicelib.staff.routes import routes as staff
from chalicelib.web.middleware import middleware
from chalicelib.web.routes import routes as web

app = Chalice(app_name="awning", configure_logs=False)  # Chalice's own handler keeps warnings back
telemetry.configure_logging()
app.register_middleware(telemetry.middleware, "all")
app.register_middleware(middleware, "http")
app.register_blueprint(catalog)
app.register_blueprint(cart)
app.register_blueprint(checkout)
app.register_blueprint(orders)
app.register_blueprint(payments)
app.register_blueprint(staff)
app.register_blueprint(web)


# One at a time: each may spend 20 s on PayPal, and a function that times out fails its whole batch.
@app.on_sqs_message(queue="paypal-webhooks", batch_size=1)
def settle_notifications(event: SQSEvent) -> dict[str, Any]:
    """Settle what PayPal notified us of."""
    from chalicelib.payments import webhook_events

    return webhook_events.settle_notifications(event.to_dict()["Records"])


@app.on_sqs_message(queue="order-emails", batch_size=4)
def send_order_emails(event: SQSEvent) -> dict[str, Any]:
    """Send the mails that orders owe."""
    from chalicelib.mail import sender

    return sender.send_order_emails(event.to_dict()["Records"])


# The next two are invoked asynchronously: no queue is asked for them all month long. One that raises is invoked twice
# more, then its event rests with the dead letters.
@app.lambda_function()
def note_bounces(event: dict[str, Any], context: Any) -> None:
    """Record SES's reports of bounces and complaints for staff."""
    from chalicelib.mail import bounces

    bounces.record_bounce(event)


@app.lambda_function()
def run_staff_jobs(event: dict[str, str], context: Any) -> None:
    """Do the long work that staff asked for."""
    from chalicelib.staff.jobs import job_worker

    job_worker.run_staff_job(event)


@app.schedule(Rate(5, unit=Rate.MINUTES))
def reconcile_payments(event: CloudWatchEvent) -> None:
    """Bring every order that something is due for to what PayPal says."""
    from chalicelib import scheduled_runs
    from chalicelib.orders import hold_alarm
    from chalicelib.payments import reconciler

    hold_alarm.watch_holds()
    with scheduled_runs.recorded("reconcile_payments"):
        reconciler.reconcile_payments()


@app.schedule(Rate(1, unit=Rate.HOURS))
def export_books(event: CloudWatchEvent) -> None:
    """Write the books of every closed day that has none, count what was booked, notice where PayPal tells of nothing."""
    from chalicelib import clock, dead_letters, scheduled_runs
    from chalicelib.ledger import daily_reports, daily_totals
    from chalicelib.payments import webhook_silence

    webhook_silence.watch_notifications()
    dead_letters.watch()
    with scheduled_runs.recorded("export_books"):
        try:
            daily_reports.export_closed_days(clock.now())
        finally:
            daily_totals.update_totals(clock.now())


if config.settings.function:
    connection.connect()  # while Lambda starts the function: the first shopper need not wait for it
gc.freeze()  # nor does any later look for garbage go through all of this
gc.enable()
