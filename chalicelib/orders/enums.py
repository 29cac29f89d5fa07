"""The fixed values that are stored with an order: events, issues, refund statuses, close reasons and kinds of email.

Stored values never change, because rows are read for years. Adding a member is safe.
"""

from collections.abc import Mapping
from enum import StrEnum


class HistoryEvent(StrEnum):
    """What happened to an order: `event` of an entry of its history."""

    PLACED = "placed"
    PAYMENT_DECLINED = "payment_declined"  # this way of paying; another may work
    PAYER_ACTION_REQUIRED = "payer_action_required"  # PayPal asks the customer to confirm once more
    ADDRESS_REJECTED = "address_rejected"  # PayPal rejects the delivery address
    PAYMENT_REFUSED = "payment_refused"  # PayPal takes no payments for this shop
    PAYMENT_PENDING = "payment_pending"  # PayPal holds the money
    PAID = "paid"
    PAYMENT_REVERSED = "payment_reversed"  # a bank or PayPal took money back
    REVERSAL_CANCELLED = "reversal_cancelled"  # and returned it
    REFUND_REQUESTED = "refund_requested"  # by staff
    REFUNDED = "refunded"
    SHIPPED = "shipped"
    PARCEL_ADDED = "parcel_added"
    PARCEL_CORRECTED = "parcel_corrected"
    PARCEL_REMOVED = "parcel_removed"
    ADDRESS_CORRECTED = "address_corrected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    RESERVATION_EXPIRED = "reservation_expired"  # not paid in time, so others can buy its units
    HOLD_RELEASED = "hold_released"  # the same, by staff
    NOTE_ADDED = "note_added"  # a note that only staff read
    ISSUE_OPENED = "issue_opened"
    ISSUE_RESOLVED = "issue_resolved"
    EMAIL_SENT = "email_sent"
    EMAIL_REQUEUED = "email_requeued"  # staff send it again
    EMAIL_OBSOLETE = "email_obsolete"  # no longer true when it was due, so it was not sent
    EMAIL_REJECTED = "email_rejected"  # this address cannot receive email
    EMAIL_BOUNCED = "email_bounced"
    EMAIL_COMPLAINT = "email_complaint"  # the recipient called it spam
    CUSTOMER_ERASED = "customer_erased"

    @property
    def is_about_email(self) -> bool:
        """Return whether it reports on an email; its detail is then an outbox entry."""
        return self.startswith("email_")


PAYMENT_REJECTIONS = frozenset(
    {
        HistoryEvent.PAYMENT_DECLINED,
        HistoryEvent.PAYER_ACTION_REQUIRED,
        HistoryEvent.ADDRESS_REJECTED,
        HistoryEvent.PAYMENT_REFUSED,
    }
)  # the ways in which PayPal does not take a payment


class IssueKind(StrEnum):
    """What staff must look at: `kind` of one of an order's issues."""

    DUPLICATE_CAPTURE = "duplicate_capture"  # paid twice; the second payment is refunded
    CAPTURED_AFTER_CLOSE = "captured_after_close"  # paid after it had been closed; is refunded
    AMOUNT_MISMATCH = "amount_mismatch"  # the amount is not the order's; is refunded
    ORDER_MISMATCH = "order_mismatch"  # PayPal names another order; is refunded
    PAYEE_MISMATCH = "payee_mismatch"  # went to another account; the shop cannot refund it
    PAYMENT_UNRESOLVED = "payment_unresolved"  # PayPal leaves open whether it took the money
    SOLD_OUT = "sold_out"  # paid after others had bought its units; is refunded
    REFUND_FAILED = "refund_failed"  # PayPal accepted the refund, but it failed
    REFUND_REVERSED = "refund_reversed"  # PayPal reported it as completed, and later as failed
    REFUND_REJECTED = "refund_rejected"  # PayPal refuses a refund by staff
    RETURN_REJECTED = "return_rejected"  # PayPal refuses to refund a payment that pays no order
    REVERSAL = "reversal"  # a bank or PayPal took money back
    REVERSAL_CANCELLED = "reversal_cancelled"  # and returned it
    DISPUTE = "dispute"
    EMAIL_REJECTED = "email_rejected"
    EMAIL_BOUNCED = "email_bounced"
    EMAIL_COMPLAINT = "email_complaint"


class RefundStatus(StrEnum):
    """The status of a refund."""

    REQUESTED = "requested"  # stored; PayPal is being asked, or will be
    PENDING = "pending"  # PayPal is working on it
    COMPLETED = "completed"
    FAILED = "failed"


OPEN_REFUNDS = frozenset({RefundStatus.REQUESTED, RefundStatus.PENDING})


class CloseReason(StrEnum):
    """Why an order ended unpaid."""

    PAYMENT_EXPIRED = "payment_expired"  # its payment at PayPal was never completed
    SOLD_OUT = "sold_out"  # others bought its units first
    SUPERSEDED = "superseded"  # the customer placed another order instead
    CANCELLED_BY_STAFF = "cancelled_by_staff"


class EmailKind(StrEnum):
    """What an email about an order says: the first part of an outbox entry, and the name of its template."""

    ORDER_PAID = "order_paid"
    MERCHANT_ORDER_PAID = "merchant_order_paid"
    PAYMENT_PENDING = "payment_pending"
    PAYMENT_FAILED = "payment_failed"
    ORDER_EXPIRED = "order_expired"
    ORDER_SHIPPED = "order_shipped"
    PARCEL_SHIPPED = "parcel_shipped"  # one of several, or one that was left out
    TRACKING_CORRECTED = "tracking_corrected"
    PARCEL_REMOVED = "parcel_removed"
    ADDRESS_CORRECTED = "address_corrected"
    REFUND_COMPLETED = "refund_completed"
    MERCHANT_ISSUE = "merchant_issue"
    MERCHANT_PAYMENTS_REFUSED = "merchant_payments_refused"


EMAIL_LABELS: Mapping[str, str] = {
    EmailKind.ORDER_PAID: "Payment confirmation",
    EmailKind.MERCHANT_ORDER_PAID: "To you: order paid",
    EmailKind.PAYMENT_PENDING: "Payment pending",
    EmailKind.PAYMENT_FAILED: "Payment failed",
    EmailKind.ORDER_EXPIRED: "Order closed",
    EmailKind.ORDER_SHIPPED: "Order shipped",
    EmailKind.PARCEL_SHIPPED: "Parcel shipped",
    EmailKind.TRACKING_CORRECTED: "Parcel details corrected",
    EmailKind.PARCEL_REMOVED: "Parcel not sent after all",
    EmailKind.ADDRESS_CORRECTED: "Delivery details corrected",
    EmailKind.REFUND_COMPLETED: "Refund confirmation",
    EmailKind.MERCHANT_ISSUE: "To you: issue with the order",
    EmailKind.MERCHANT_PAYMENTS_REFUSED: "To you: PayPal is rejecting payments",
}
TO_MERCHANT = {
    EmailKind.MERCHANT_ORDER_PAID,
    EmailKind.MERCHANT_ISSUE,
    EmailKind.MERCHANT_PAYMENTS_REFUSED,
}  # kinds that are never sent to the customer


def email_label(entry: str) -> str:
    """Return the label of an outbox entry, or of an email kind."""
    kind = entry.partition("#")[0]
    return EMAIL_LABELS.get(kind, kind)
