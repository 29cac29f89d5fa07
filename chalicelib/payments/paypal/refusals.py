"""PayPal's definite refusals: who can act on which, and the record of those that concern all payments.

The issues' names are those of PayPal's Orders v2 and Payments v2 APIs,
https://developer.paypal.com/api/rest/reference/orders/v2/errors/.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib import clock, telemetry
from chalicelib.database.connection import Table, TableMeta, is_condition_failure, table_name
from chalicelib.database.reads import batch_get, get
from chalicelib.database.transactions import Transaction
from chalicelib.orders.enums import EmailKind
from chalicelib.orders.models import Order
from chalicelib.orders.search.order_list import OrderFilter, list_orders
from chalicelib.payments.paypal.errors import PayPalError
from chalicelib.telemetry import Metric

FORGET_AFTER = timedelta(days=1)  # a refusal after this time starts a new record
QUERY_QUIET_PERIOD = timedelta(
    hours=2
)  # waiting orders are checked every hour, so this long without a refusal means that it works
log = logging.getLogger("awning")


class Responsible(StrEnum):
    """Who can act on a refused capture."""

    SHOPPER = "shopper"  # another card, account or way of paying may work
    ADDRESS = "address"  # the shop omits the delivery address in the next attempt
    SHOP = "shop"  # the merchant, at PayPal, or the shop's operator
    NOBODY = "nobody"  # the shop continues automatically, after reading PayPal's order


HANDLED_AUTOMATICALLY = {
    "DUPLICATE_INVOICE_ID",
    "DUPLICATE_REQUEST_ID",
    "ORDER_ALREADY_CAPTURED",
    "ORDER_NOT_APPROVED",
}
OTHER_WAY_OF_PAYING = {
    "AGREEMENT_ALREADY_CANCELLED",
    "ALIAS_DECLINED_BY_PROCESSOR",
    "BANK_NOT_SUPPORTED_FOR_VERIFICATION",
    "BILLING_ADDRESS_INVALID",
    "BILLING_AGREEMENT_ID_MISMATCH",
    "BILLING_AGREEMENT_NOT_FOUND",
    "CARD_BRAND_NOT_SUPPORTED",
    "CARD_EXPIRED",
    "COMPLIANCE_VIOLATION",
    "CURRENCY_NOT_SUPPORTED_FOR_BANK",
    "DECLINED_DUE_TO_RELATED_TXN",
    "DOMESTIC_TRANSACTION_REQUIRED",
    "IBAN_COUNTRY_NOT_SUPPORTED",
    "INSTRUMENT_DECLINED",
    "INVALID_IBAN",
    "INVALID_SECURITY_CODE_LENGTH",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED",
    "PAYEE_BLOCKED_TRANSACTION",  # the merchant's own rules about this payment
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
    "PAYER_ACCOUNT_RESTRICTED",
    "PAYER_ACTION_REQUIRED",
    "PAYER_CANNOT_PAY",
    "PAYMENT_SOURCE_CANNOT_BE_USED",
    "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR",
    "PAYMENT_SOURCE_INFO_CANNOT_BE_VERIFIED",
    "PAYMENT_SOURCE_NOT_SUPPORTED",
    "PREFERRED_PAYMENT_SOURCE_MISMATCH",
    "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
    "REFERENCED_CARD_EXPIRED",
    "TRANSACTION_BLOCKED_BY_PAYEE",
    "TRANSACTION_LIMIT_EXCEEDED",
    "TRANSACTION_REFUSED",
}


def responsible_for(error: PayPalError) -> Responsible:
    """Return who can act on a refused capture; for an unknown issue, the merchant."""
    named = {detail.issue for detail in error.details}
    if named & HANDLED_AUTOMATICALLY:
        return Responsible.NOBODY
    if error.is_about_address:
        return Responsible.ADDRESS
    return Responsible.SHOPPER if named & OTHER_WAY_OF_PAYING else Responsible.SHOP


# -- what concerns all payments ---------------------------------------------------------------------------


class RefusalKind(StrEnum):
    """What PayPal refuses; the key of its row."""

    PAYMENTS = "paypal-refuses-payments"  # to create them, or any access at all
    CAPTURES = "paypal-refuses-captures"  # to capture what shoppers approved
    QUESTIONS = "paypal-refuses-questions"  # to read orders, captures, refunds and events


class Refusal(Table):
    """A refusal that concerns every shopper: one row per kind, in the table of scheduled runs."""

    class Meta(TableMeta):
        table_name = table_name("scheduled-runs")

    name = UnicodeAttribute(hash_key=True)
    first_at = UnicodeAttribute()
    last_at = UnicodeAttribute()
    occurrences = NumberAttribute()
    issue = UnicodeAttribute()
    debug_id = UnicodeAttribute()  # by which PayPal's support finds the call
    mailed_for = UnicodeAttribute(null=True)  # the `first_at` that the merchant was emailed about


def record_refusal(kind: RefusalKind, error: PayPalError) -> None:
    """Record that PayPal refused, for the page Alerts and the alarm. Never raises."""
    telemetry.count(Metric.PAYPAL_REFUSALS)
    log.error("PayPal rejected: %s: %s", kind, error)
    now = clock.iso_now()
    said = [Refusal.last_at.set(now), Refusal.issue.set(error.issue), Refusal.debug_id.set(error.debug_id)]
    again = [Refusal.occurrences.add(1), *said], Refusal.last_at > _ago(FORGET_AFTER)
    first = (
        [Refusal.occurrences.set(1), Refusal.first_at.set(now), *said],
        Refusal.last_at.does_not_exist() | (Refusal.last_at <= _ago(FORGET_AFTER)),
    )
    try:
        if not (_update(kind, *again) or _update(kind, *first)):
            _update(kind, *again)  # another request recorded it first at the same moment
    except PynamoDBException:
        log.warning("PayPal rejection could not be recorded", exc_info=True)


def _update(kind: RefusalKind, actions: Sequence[Action], condition: Condition) -> bool:
    """Change a kind's row; False if the condition fails."""
    try:
        Refusal(kind).update(list(actions), condition)
    except UpdateError as error:
        if not is_condition_failure(error):
            raise
        return False
    return True


def queue_merchant_email(kind: RefusalKind, order: Order, transaction: Transaction) -> None:
    """Let a refused order email the merchant, once per refusal; the condition fails if another order does so."""
    row = get(Refusal, kind)
    if row is None or row.mailed_for == row.first_at:
        return
    not_yet = Refusal.mailed_for.does_not_exist() | (Refusal.mailed_for != row.first_at)
    transaction.update(
        "refusal",
        Refusal(kind),
        [Refusal.mailed_for.set(row.first_at)],
        (Refusal.first_at == row.first_at) & not_yet,
    )
    order.queue_email(EmailKind.MERCHANT_PAYMENTS_REFUSED, f"{kind}@{row.first_at}")


def clear_refused_payments() -> None:
    """Remove the record of refused payments: one was just created. Never raises."""
    try:
        Refusal(RefusalKind.PAYMENTS).delete()
    except PynamoDBException:
        log.warning("PayPal rejection could not be cleared", exc_info=True)


def current_refusals() -> list[Refusal]:
    """List what PayPal refuses now; what has worked since is left out."""
    found = batch_get({Refusal: list(RefusalKind)})[Refusal]
    return [found[kind] for kind in RefusalKind if kind in found and _is_current(kind, found[kind].last_at)]


def _is_current(kind: RefusalKind, last: str) -> bool:
    if kind is RefusalKind.QUESTIONS:
        return last > _ago(QUERY_QUIET_PERIOD)
    # Nothing is written when a payment is created or captured: this finds whether one was since.
    newest = list_orders(OrderFilter()).orders
    if kind is RefusalKind.CAPTURES:
        return not any((order.paid_at or "") > last for order in newest)
    return not any(attempt["at"] > last for order in newest for attempt in order.payment_attempts)


def _ago(span: timedelta) -> str:
    return clock.iso_now(clock.now() - span)


# -- in words -----------------------------------------------------------------------------------------------

KIND_LABELS = {
    RefusalKind.PAYMENTS: "Nobody can pay",
    RefusalKind.CAPTURES: "PayPal isn’t completing payments that customers have approved",
    RefusalKind.QUESTIONS: "PayPal isn’t giving the shop access to its payments",
}
LOG_IN = "Log in to PayPal: you’ll find what it needs from you on the home page, in its emails or in its Resolution Centre."
RIGHTS = "The operator can check on PayPal’s developer website whether the app still has permission to do this for your account."
ACTIONS = {
    "PAYEE_ACCOUNT_RESTRICTED": f"PayPal has restricted your account. {LOG_IN}",
    "PAYEE_ACCOUNT_LOCKED_OR_CLOSED": f"PayPal has locked or closed your account. {LOG_IN}",
    "PAYEE_ACCOUNT_NOT_VERIFIED": f"Your PayPal account isn’t verified. {LOG_IN}",
    "PAYEE_ACCOUNT_INVALID": f"PayPal doesn’t recognise your account. {LOG_IN}",
    "INVALID_ACCOUNT_STATUS": f"PayPal doesn’t accept the status of your account. {LOG_IN}",
    "TRANSACTION_RECEIVING_LIMIT_EXCEEDED": f"Your account has reached its limit for receiving money. {LOG_IN}",
    "PERMISSION_DENIED": RIGHTS,
    "NOT_AUTHORIZED": RIGHTS,
    "CONSENT_NEEDED": RIGHTS,
    "CURRENCY_NOT_SUPPORTED": "Your PayPal account doesn’t accept the shop’s currency. Add the currency in PayPal, or have the shop’s currency changed.",
    "INVALID_CURRENCY_CODE": "Your PayPal account doesn’t accept the shop’s currency. Add the currency in PayPal, or have the shop’s currency changed.",
    "invalid_client": "PayPal rejects the shop’s client ID and secret. Perhaps the secret was changed: the operator needs to store the new one.",
    "AUTHENTICATION_FAILURE": "PayPal rejects the shop’s client ID and secret. Perhaps the secret was changed: the operator needs to store the new one.",
}
DEFAULT_ACTION = "Log in to PayPal and look for a message. The operator can look up the error code in PayPal’s documentation, and PayPal’s support can trace the call by its debug ID."


def action_for(issue: str) -> str:
    """Return what the merchant can do about an issue."""
    return ACTIONS.get(issue, DEFAULT_ACTION)
