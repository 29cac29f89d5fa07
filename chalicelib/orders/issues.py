"""The texts of issues for staff: what happened, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.orders.enums import TO_MERCHANT, IssueKind, email_label


@dataclass(frozen=True)
class IssueText:
    """An issue as pages and emails show it; each part is one sentence or a few."""

    title: str
    description: str
    action: str


SEE_THE_REFUND = "You only need to check that the refund completes. If PayPal rejects it, we’ll let you know."
ISSUE_TEXTS: Mapping[str, IssueText] = {
    IssueKind.DUPLICATE_CAPTURE: IssueText(
        "This order was paid twice",
        "PayPal took a second payment. The order stays paid by the first; the second is being refunded automatically.",
        SEE_THE_REFUND,
    ),
    IssueKind.CAPTURED_AFTER_CLOSE: IssueText(
        "Paid after the order was closed",
        "PayPal took a payment for an order that was already closed. It is being refunded automatically.",
        f"{SEE_THE_REFUND} If the customer still wants the items, they need to order again.",
    ),
    IssueKind.AMOUNT_MISMATCH: IssueText(
        "Wrong amount paid",
        "The payment doesn’t match the order total, so the order isn’t paid. It is being refunded automatically.",
        f"{SEE_THE_REFUND} The customer can pay for the order again.",
    ),
    IssueKind.ORDER_MISMATCH: IssueText(
        "Payment for a different order",
        "PayPal says this payment is for something else, so the order isn’t paid. It is being refunded automatically.",
        SEE_THE_REFUND,
    ),
    IssueKind.PAYEE_MISMATCH: IssueText(
        "Paid to another PayPal account",
        "PayPal reported a payment for this order that went to a different account from yours. It hasn’t been recorded in the books, and we’ve asked the customer not to pay again.",
        "Check in PayPal whose account it is, and write to the customer. If it’s your own second account, the operator needs to add it to the shop’s settings.",
    ),
    IssueKind.PAYMENT_UNRESOLVED: IssueText(
        "Payment unresolved for 15 minutes",
        "PayPal hasn’t told us clearly whether it took the payment for this order. We ask every minute; as soon as PayPal tells us, the order is paid, or can be paid again.",
        "If the order isn’t “Payment processing” any more, you don’t need to do anything. If it is, look for its number in PayPal, and don’t ship yet. If the payment is there but not here after an hour, ask the operator. If it isn’t there, nothing was charged: tell the customer, who can order again.",
    ),
    IssueKind.SOLD_OUT: IssueText(
        "Paid, but sold out",
        "The payment arrived after the items had sold out. The order was closed, the payment is being refunded automatically, and the customer has been informed.",
        SEE_THE_REFUND,
    ),
    IssueKind.REFUND_FAILED: IssueText(
        "Refund failed",
        "PayPal accepted the refund but couldn’t complete it. The customer hasn’t received the money.",
        "Refund the order again on its page. If that fails too, return the money another way.",
    ),
    IssueKind.REFUND_REVERSED: IssueText(
        "Completed refund reported as failed",
        "PayPal first reported this refund as completed, so it’s in the books. Now PayPal reports that it failed.",
        "Check in PayPal whether the customer has received the money. If not, return it another way, and tell your bookkeeper.",
    ),
    IssueKind.REFUND_REJECTED: IssueText(
        "PayPal rejected a refund",
        "Nothing was refunded to the customer.",
        "You can see on the order’s page what’s left to refund, and try again there.",
    ),
    IssueKind.RETURN_REJECTED: IssueText(
        "PayPal rejected a refund",
        "A payment that doesn’t belong to this order couldn’t be refunded.",
        "Refund it on PayPal’s website, or another way. You’ll find the payment on the order’s page.",
    ),
    IssueKind.REVERSAL: IssueText(
        "Chargeback",
        "A bank or PayPal took back a payment for this order.",
        "Don’t ship anything that hasn’t been shipped yet. You’ll find the case, and the deadline for your answer, in PayPal’s Resolution Centre.",
    ),
    IssueKind.REVERSAL_CANCELLED: IssueText(
        "Chargeback reversed",
        "A bank or PayPal returned the money taken for a chargeback: the case was decided in your favour. The money has been recorded in the books.",
        "You don’t need to do anything about the money. If you held the parcel back because of the case, you can ship it now.",
    ),
    IssueKind.DISPUTE: IssueText(
        "PayPal dispute",
        "The customer, or their bank, has disputed this payment.",
        "Answer it in PayPal’s Resolution Centre before the deadline shown there, and don’t ship anything that hasn’t been shipped yet.",
    ),
}
REFUND_REJECTIONS = {
    "REFUND_AMOUNT_EXCEEDED": "PayPal says the amount is more than what’s left of the payment. Perhaps part of it was already refunded on PayPal’s website.",
    "CAPTURE_FULLY_REFUNDED": "The payment has already been refunded in full, perhaps on PayPal’s website.",
    "REFUND_TIME_LIMIT_EXCEEDED": "The payment is too old: PayPal only refunds within 180 days. Return the money another way.",
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK": "There is a chargeback for this payment: see PayPal’s Resolution Centre.",
    "TRANSACTION_DISPUTED": "The payment is disputed: PayPal only refunds it in full, or as agreed in its Resolution Centre.",
    "REFUND_FAILED_INSUFFICIENT_FUNDS": "Your PayPal balance is too low. Add money to it, then refund again.",
    "INSUFFICIENT_FUNDS": "Your PayPal balance is too low. Add money to it, then refund again.",
    "PARTIAL_REFUND_NOT_ALLOWED": "PayPal only refunds this payment in full.",
    "MAX_NUMBER_OF_REFUNDS_EXCEEDED": "PayPal doesn’t allow any more refunds of this payment. Return the rest another way.",
    "REFUND_AMOUNT_TOO_LOW": "The amount is too small to convert into the currency of your PayPal account.",
    "PENDING_CAPTURE": "PayPal is still holding the payment. Refund it once it’s complete.",
    "PAYEE_ACCOUNT_RESTRICTED": "PayPal has restricted your account. Log in to PayPal to see what it needs from you.",
    "PAYEE_ACCOUNT_LOCKED_OR_CLOSED": "PayPal has locked or closed your account. Log in to PayPal to see why.",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "The customer’s PayPal account is locked or closed. Return the money another way.",
    "PERMISSION_DENIED": "The shop’s PayPal app isn’t allowed to make refunds. Refund on PayPal’s website, and ask the operator to check the app.",
    "REFUND_IS_RESTRICTED": "Only the app that took the payment can refund it. Refund on PayPal’s website.",
    "REFUND_NOT_ALLOWED": "PayPal doesn’t allow a refund of this payment. You may find the reason on PayPal’s website.",
}
REACH_THEM = "Contact the customer another way: if they gave a phone number, it’s on the order’s page. If the address is only mistyped, correct it there and send the email again. The customer’s own order page shows everything that our emails say."
OUR_MAILBOX = (
    "Check that the shop’s own mailbox accepts email, or ask the operator to set a different address."
)
EMAIL_ISSUES: Mapping[str, IssueText] = {
    IssueKind.EMAIL_REJECTED: IssueText(
        "Email could not be sent",
        "The email “{mail}” wasn’t sent, because no email can be delivered to {whose} address.",
        REACH_THEM,
    ),
    IssueKind.EMAIL_BOUNCED: IssueText(
        "Email bounced",
        "The email “{mail}” bounced: {whose} mailbox doesn’t exist, or doesn’t accept your email.",
        REACH_THEM,
    ),
    IssueKind.EMAIL_COMPLAINT: IssueText(
        "Email marked as spam",
        "The recipient at {whose} address marked the email “{mail}” as spam. Further emails may not arrive there.",
        "If there’s something the customer needs to know, contact them another way.",
    ),
}
OPEN_DISPUTES = {
    "OPEN": "It’s open and waiting for an answer.",
    "WAITING_FOR_SELLER_RESPONSE": "PayPal is waiting for your answer.",
    "WAITING_FOR_BUYER_RESPONSE": "PayPal is waiting for the customer’s answer.",
    "UNDER_REVIEW": "PayPal is reviewing it.",
}
CLOSED_DISPUTES = {
    "RESOLVED": "It’s closed. You’ll find the decision in PayPal’s Resolution Centre.",
    "RESOLVED_SELLER_FAVOUR": "It was decided in your favour.",
    "RESOLVED_BUYER_FAVOUR": "It was decided in the customer’s favour.",
    "RESOLVED_WITH_PAYOUT": "It’s closed, and PayPal covered the payment itself. See its Resolution Centre for who was paid.",
    "CANCELED_BY_BUYER": "It’s closed: the customer withdrew it.",
    "ACCEPTED": "It was decided in the customer’s favour.",
    "DENIED": "PayPal denied it: it was decided in your favour.",
    "NONE": "It’s closed without a decision, because there is another case about the same payment.",
}


def describe_issue(issue: Mapping[str, Any]) -> IssueText:
    """Return the text of an entry of an order's `issues`."""
    kind, detail = issue["kind"], issue["detail"]
    if kind in EMAIL_ISSUES:
        return _describe_undelivered(EMAIL_ISSUES[kind], detail.partition(" ")[0])
    text = ISSUE_TEXTS.get(kind) or IssueText(
        "Needs attention", f"{kind}: {detail}", "Open the order to see what happened."
    )
    if kind in (IssueKind.REFUND_REJECTED, IssueKind.RETURN_REJECTED):
        return replace(text, description=f"{text.description} {refund_rejection_text(detail)}")
    if kind == IssueKind.DISPUTE:
        return _describe_dispute(text, detail)
    return text


def _describe_undelivered(text: IssueText, mail: str) -> IssueText:
    to_merchant = mail in TO_MERCHANT
    what = text.description.format(
        mail=email_label(mail), whose="your own" if to_merchant else "the customer’s"
    )
    return IssueText(text.title, what, OUR_MAILBOX if to_merchant else text.action)


def _describe_dispute(text: IssueText, detail: str) -> IssueText:
    number, _, status = detail.partition(" ")
    is_closed = status in CLOSED_DISPUTES
    description = f"{text.description} Its case number is {number}. {CLOSED_DISPUTES.get(status) or OPEN_DISPUTES.get(status, '')}".strip()
    action = "You’ll find the outcome in PayPal’s Resolution Centre." if is_closed else text.action
    return IssueText("PayPal dispute closed" if is_closed else text.title, description, action)


def refund_rejection_text(issue: str) -> str:
    """Return why PayPal did not make a refund; `issue` is PayPal's error name."""
    if not issue:
        return "PayPal didn’t give a reason."
    return REFUND_REJECTIONS.get(issue, f"PayPal’s error code is {issue}.")
