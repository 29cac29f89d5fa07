"""Definite refusals of PayPal's: who can act on which, and what the shop remembers of those that concern all payments.

The issues' names are those of PayPal's Orders v2 and Payments v2 APIs, https://developer.paypal.com/api/rest/reference/orders/v2/errors/.
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
from chalicelib.database.connection import Table, TableMeta, is_refused, table_name
from chalicelib.database.reads import get, read_many
from chalicelib.database.transactions import Transaction
from chalicelib.orders.models import Order
from chalicelib.orders.search.order_list import Selection, page_of_orders
from chalicelib.payments.paypal.errors import PayPalError
from chalicelib.telemetry import Metric

FORGOTTEN_AFTER = timedelta(days=1)  # another refusal after so long is a new story
QUESTIONS_GO_ON = timedelta(
    hours=2
)  # an order that waits is asked about every hour: silence means that it works
log = logging.getLogger("awning")


class Actor(StrEnum):
    """Who can do something about a refused capture."""

    SHOPPER = "shopper"  # another card, account or way of paying may work
    ADDRESS = "address"  # the shop leaves the delivery address out of the next attempt
    SHOP = "shop"  # the merchant, at PayPal, or whoever looks after the shop
    NOBODY = "nobody"  # the shop goes on by itself, once it has looked at PayPal's order


GO_ON = {"DUPLICATE_INVOICE_ID", "DUPLICATE_REQUEST_ID", "ORDER_ALREADY_CAPTURED", "ORDER_NOT_APPROVED"}
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


def actor_for(error: PayPalError) -> Actor:
    """Return who can act on a refused capture. What the shop has no name for, the merchant must look at."""
    named = {detail.issue for detail in error.details}
    if named & GO_ON:
        return Actor.NOBODY
    if error.is_about_address:
        return Actor.ADDRESS
    return Actor.SHOPPER if named & OTHER_WAY_OF_PAYING else Actor.SHOP


# -- what concerns all payments ---------------------------------------------------------------------------


class Kind(StrEnum):
    """What PayPal refuses; the key of its row."""

    PAYMENTS = "paypal-refuses-payments"  # to begin them, or to let the shop in at all
    CAPTURES = "paypal-refuses-captures"  # to take what shoppers approved
    QUESTIONS = "paypal-refuses-questions"  # to tell about orders, captures, refunds, events


class Refusal(Table):
    """What PayPal refuses for good, whoever shops: one row a kind, beside the runs of scheduled functions."""

    class Meta(TableMeta):
        table_name = table_name("runs")

    name = UnicodeAttribute(hash_key=True)
    since = UnicodeAttribute()
    last = UnicodeAttribute()
    times = NumberAttribute()
    issue = UnicodeAttribute()
    debug_id = UnicodeAttribute()  # by which PayPal's support finds the call
    mailed = UnicodeAttribute(null=True)  # the `since` that the merchant was written to about


def note(kind: Kind, error: PayPalError) -> None:
    """Remember that PayPal refused, for the page Attention and the alarm. Never raises."""
    telemetry.count(Metric.PAYPAL_REFUSALS)
    log.error("PayPal refuses: %s: %s", kind, error)
    now = clock.moment()
    said = [Refusal.last.set(now), Refusal.issue.set(error.issue), Refusal.debug_id.set(error.debug_id)]
    again = [Refusal.times.add(1), *said], Refusal.last > _ago(FORGOTTEN_AFTER)
    first = (
        [Refusal.times.set(1), Refusal.since.set(now), *said],
        Refusal.last.does_not_exist() | (Refusal.last <= _ago(FORGOTTEN_AFTER)),
    )
    try:
        if not (_update(kind, *again) or _update(kind, *first)):
            _update(kind, *again)  # another one was the first at the same moment
    except PynamoDBException:
        log.warning("a refusal of PayPal's could not be written down", exc_info=True)


def _update(kind: Kind, actions: Sequence[Action], condition: Condition) -> bool:
    """Change a kind's row; False where the condition does not hold."""
    try:
        Refusal(kind).update(list(actions), condition)
    except UpdateError as error:
        if not is_refused(error):
            raise
        return False
    return True


def owe_mail(kind: Kind, order: Order, transaction: Transaction) -> None:
    """Have an order that was refused write to the merchant, once since PayPal refuses; refused where another one does."""
    row = get(Refusal, kind)
    if row is None or row.mailed == row.since:
        return
    not_yet = Refusal.mailed.does_not_exist() | (Refusal.mailed != row.since)
    transaction.update(
        "refusal", Refusal(kind), [Refusal.mailed.set(row.since)], (Refusal.since == row.since) & not_yet
    )
    order.owe_mail("refused", f"{kind}@{row.since}")


def forget_refused_payments() -> None:
    """Forget that payments were refused: one has just begun. Never raises."""
    try:
        Refusal(Kind.PAYMENTS).delete()
    except PynamoDBException:
        log.warning("a refusal of PayPal's could not be forgotten", exc_info=True)


def in_force() -> list[Refusal]:
    """List what PayPal refuses now; what has worked since is left out."""
    found = read_many({Refusal: list(Kind)})[Refusal]
    return [found[kind] for kind in Kind if kind in found and _lasts(kind, found[kind].last)]


def _lasts(kind: Kind, last: str) -> bool:
    if kind is Kind.QUESTIONS:
        return last > _ago(QUESTIONS_GO_ON)
    # Nothing is written where a payment begins or is taken: who looks finds that one was since.
    newest = page_of_orders(Selection()).orders
    if kind is Kind.CAPTURES:
        return not any((order.paid_at or "") > last for order in newest)
    return not any(attempt["at"] > last for order in newest for attempt in order.attempts)


def _ago(span: timedelta) -> str:
    return clock.moment(clock.now() - span)


# -- in words -----------------------------------------------------------------------------------------------

WHAT = {
    Kind.PAYMENTS: "Nobody can pay",
    Kind.CAPTURES: "PayPal does not take payments that customers approved",
    Kind.QUESTIONS: "PayPal does not tell the shop about its payments",
}
LOG_IN = "Log in at PayPal: the start page, the e-mails from PayPal or its Resolution Centre say what it wants from you."
RIGHTS = "Whoever looks after the shop sees in PayPal's developer pages whether the app may still do this for your account."
TODO = {
    "PAYEE_ACCOUNT_RESTRICTED": f"PayPal has restricted your account. {LOG_IN}",
    "PAYEE_ACCOUNT_LOCKED_OR_CLOSED": f"PayPal has locked or closed your account. {LOG_IN}",
    "PAYEE_ACCOUNT_NOT_VERIFIED": f"Your account at PayPal is not verified. {LOG_IN}",
    "PAYEE_ACCOUNT_INVALID": f"PayPal does not know your account. {LOG_IN}",
    "INVALID_ACCOUNT_STATUS": f"PayPal does not accept the state of your account. {LOG_IN}",
    "TRANSACTION_RECEIVING_LIMIT_EXCEEDED": f"Your account may not receive more for now. {LOG_IN}",
    "PERMISSION_DENIED": RIGHTS,
    "NOT_AUTHORIZED": RIGHTS,
    "CONSENT_NEEDED": RIGHTS,
    "CURRENCY_NOT_SUPPORTED": "PayPal does not take the shop's currency for your account. Add it there, or have the shop sell in another.",
    "INVALID_CURRENCY_CODE": "PayPal does not take the shop's currency for your account. Add it there, or have the shop sell in another.",
    "invalid_client": "PayPal does not accept the shop's client id and secret: perhaps the secret was changed. Whoever looks after the shop stores the new one.",
    "AUTHENTICATION_FAILURE": "PayPal does not accept the shop's client id and secret: perhaps the secret was changed. Whoever looks after the shop stores the new one.",
}
OTHERWISE = "Log in at PayPal and look for a message. Whoever looks after the shop finds the name in PayPal's documentation, and PayPal's support finds the call by its debug id."


def todo_for(issue: str) -> str:
    """Return what the merchant can do about an issue."""
    return TODO.get(issue, OTHERWISE)
