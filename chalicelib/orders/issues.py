"""What staff are asked to look at, in a shopkeeper's words: what happened, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.orders.enums import TO_MERCHANT, IssueKind, email_label


@dataclass(frozen=True)
class IssueText:
    """An issue as it is told on pages and in mails; each part is one sentence or a few."""

    title: str
    description: str
    action: str


SEE_THE_REFUND = (
    "Nothing needs doing but to see that the refund goes through; if PayPal refuses it, you are told."
)
ISSUE_TEXTS: Mapping[str, IssueText] = {
    IssueKind.DUPLICATE_CAPTURE: IssueText(
        "This order was paid twice",
        "PayPal took a second payment. The order stays paid by the first; the second goes back by itself.",
        SEE_THE_REFUND,
    ),
    IssueKind.CAPTURED_AFTER_CLOSE: IssueText(
        "Paid after the order had ended",
        "PayPal took a payment when the order was closed already. It goes back by itself.",
        f"{SEE_THE_REFUND} If the customer still wants the things, they order again.",
    ),
    IssueKind.AMOUNT_MISMATCH: IssueText(
        "Another amount was paid",
        "The payment is not what the order costs, so it does not pay it. It goes back by itself.",
        f"{SEE_THE_REFUND} The customer can pay the order anew.",
    ),
    IssueKind.ORDER_MISMATCH: IssueText(
        "A payment that names another order",
        "PayPal says that this payment is meant for something else, so it does not pay this order. It goes back by itself.",
        SEE_THE_REFUND,
    ),
    IssueKind.PAYEE_MISMATCH: IssueText(
        "Paid to somebody else",
        "PayPal tells of a payment for this order that went to another account than yours. Nothing was booked, and the customer was asked not to pay again.",
        "Look in PayPal whose account it is, and write to the customer. If it is your own second account, the shop must be told its name there.",
    ),
    IssueKind.SOLD_OUT: IssueText(
        "Paid, but sold out",
        "The payment came when others had bought the pieces. The order ended, the money goes back by itself, and the customer was told.",
        SEE_THE_REFUND,
    ),
    IssueKind.REFUND_FAILED: IssueText(
        "A refund did not go through",
        "PayPal took the refund on, and then could not make it. The customer does not have the money.",
        "Refund anew on the order's page; if it fails again, return the money in another way.",
    ),
    IssueKind.REFUND_REVERSED: IssueText(
        "A refund that went through is told to have failed",
        "PayPal said that the money went back, so the books say so, and says now that it did not.",
        "Look in PayPal whether the customer has the money. If not, return it in another way, and tell whoever keeps the books.",
    ),
    IssueKind.REFUND_REJECTED: IssueText(
        "PayPal refused a refund",
        "Nothing went back to the customer.",
        "The order's page says what is left, and lets you refund anew.",
    ),
    IssueKind.RETURN_REJECTED: IssueText(
        "PayPal refused a refund",
        "A payment that does not pay this order could not be given back.",
        "Give it back on PayPal's own pages, or in another way: the order's page names the payment.",
    ),
    IssueKind.REVERSAL: IssueText(
        "A payment was taken back",
        "A bank or PayPal took money back that had been paid for this order.",
        "Do not send what has not left the house. The case, and until when you can answer, is in PayPal's Resolution Centre.",
    ),
    IssueKind.REVERSAL_CANCELLED: IssueText(
        "Money that was taken came back",
        "A bank or PayPal has returned what it had taken of this payment: the case ended in your favour. It is booked.",
        "Nothing needs doing about the money. If you held the parcel back because of the case, you can send it.",
    ),
    IssueKind.DISPUTE: IssueText(
        "A dispute at PayPal",
        "The customer, or their bank, disputes this payment.",
        "Answer it in PayPal's Resolution Centre before the day that is named there, and do not send what has not left the house.",
    ),
}
REFUND_REJECTIONS = {
    "REFUND_AMOUNT_EXCEEDED": "It is more than is left of the payment, as PayPal counts: perhaps some was refunded on PayPal's own pages.",
    "CAPTURE_FULLY_REFUNDED": "All of the payment was refunded before, perhaps on PayPal's own pages.",
    "REFUND_TIME_LIMIT_EXCEEDED": "The payment is too old: PayPal refunds within 180 days. Return the money in another way.",
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK": "A bank has taken the payment back: see PayPal's Resolution Centre.",
    "TRANSACTION_DISPUTED": "The payment is disputed: PayPal refunds all of it, or what is agreed in its Resolution Centre.",
    "REFUND_FAILED_INSUFFICIENT_FUNDS": "Your PayPal account does not hold enough. Put money in, then refund anew.",
    "INSUFFICIENT_FUNDS": "Your PayPal account does not hold enough. Put money in, then refund anew.",
    "PARTIAL_REFUND_NOT_ALLOWED": "PayPal refunds all of this payment or nothing.",
    "MAX_NUMBER_OF_REFUNDS_EXCEEDED": "PayPal makes no more refunds of this payment. Return the rest in another way.",
    "REFUND_AMOUNT_TOO_LOW": "It is too little to be worth anything in the currency of your PayPal account.",
    "PENDING_CAPTURE": "PayPal is still holding the payment. Refund it once it has arrived.",
    "PAYEE_ACCOUNT_RESTRICTED": "PayPal has restricted your account: log in there, it says what it wants from you.",
    "PAYEE_ACCOUNT_LOCKED_OR_CLOSED": "PayPal has locked or closed your account: log in there, it says why.",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "The customer's PayPal account is locked or closed. Return the money in another way.",
    "PERMISSION_DENIED": "The shop's app at PayPal may not refund. Refund on PayPal's own pages; whoever looks after the shop sees to the app.",
    "REFUND_IS_RESTRICTED": "Only the app that took the payment may refund it. Refund on PayPal's own pages.",
    "REFUND_NOT_ALLOWED": "PayPal allows no refund of this payment. Its own pages may say why.",
}
REACH_THEM = "Reach the customer in another way: their telephone number, where they gave one, is on the order's page. Perhaps the address is only mistyped: correct it there, and send the mail again. All that mails tell is also on the customer's own page."
OUR_MAILBOX = (
    "Look whether the shop's own mailbox takes mail, or give another one to whoever looks after the shop."
)
EMAIL_ISSUES: Mapping[str, IssueText] = {
    IssueKind.EMAIL_REJECTED: IssueText(
        "A mail could not be sent",
        "The mail “{mail}” was not sent: no mail can go to {whose} address.",
        REACH_THEM,
    ),
    IssueKind.EMAIL_BOUNCED: IssueText(
        "A mail came back",
        "The mail “{mail}” came back: {whose} mailbox does not exist, or takes no mail from you.",
        REACH_THEM,
    ),
    IssueKind.EMAIL_COMPLAINT: IssueText(
        "A mail was called spam",
        "Whoever reads mail at {whose} address called “{mail}” spam. Other mails may not arrive there any more.",
        "If there is something that the customer must know, reach them in another way.",
    ),
}
OPEN_DISPUTES = {
    "OPEN": "It was opened, and waits for an answer.",
    "WAITING_FOR_SELLER_RESPONSE": "PayPal waits for your answer.",
    "WAITING_FOR_BUYER_RESPONSE": "PayPal waits for the customer's answer.",
    "UNDER_REVIEW": "PayPal is deciding.",
}
CLOSED_DISPUTES = {
    "RESOLVED": "It is closed. What was decided is in PayPal's Resolution Centre.",
    "RESOLVED_SELLER_FAVOUR": "It is closed, in your favour.",
    "RESOLVED_BUYER_FAVOUR": "It is closed, in the customer's favour.",
    "RESOLVED_WITH_PAYOUT": "It is closed, and PayPal has paid somebody out of its own pocket: its Resolution Centre says whom.",
    "CANCELED_BY_BUYER": "It is closed: the customer took it back.",
    "ACCEPTED": "It is closed, in the customer's favour.",
    "DENIED": "It is closed, in your favour: PayPal denied it.",
    "NONE": "It is closed without a decision, since another case is about the same payment.",
}


def describe_issue(issue: Mapping[str, Any]) -> IssueText:
    """Return an entry of an order's `issues` in words."""
    kind, detail = issue["kind"], issue["detail"]
    if kind in EMAIL_ISSUES:
        return _describe_undelivered(EMAIL_ISSUES[kind], detail.partition(" ")[0])
    told = ISSUE_TEXTS.get(kind) or IssueText(
        "Something to look at", f"{kind}: {detail}", "Open the order to see what happened."
    )
    if kind in (IssueKind.REFUND_REJECTED, IssueKind.RETURN_REJECTED):
        return replace(told, description=f"{told.description} {refund_rejection_text(detail)}")
    if kind == IssueKind.DISPUTE:
        return _describe_dispute(told, detail)
    return told


def _describe_undelivered(told: IssueText, mail: str) -> IssueText:
    to_merchant = mail in TO_MERCHANT
    what = told.description.format(
        mail=email_label(mail), whose="your own" if to_merchant else "the customer's"
    )
    return IssueText(told.title, what, OUR_MAILBOX if to_merchant else told.action)


def _describe_dispute(told: IssueText, detail: str) -> IssueText:
    number, _, status = detail.partition(" ")
    is_closed = status in CLOSED_DISPUTES
    said = f"{told.description} It has the number {number}. {CLOSED_DISPUTES.get(status) or OPEN_DISPUTES.get(status, '')}".strip()
    todo = "Look in PayPal's Resolution Centre how it ended." if is_closed else told.action
    return IssueText("A dispute at PayPal is closed" if is_closed else told.title, said, todo)


def refund_rejection_text(issue: str) -> str:
    """Return why PayPal did not make a refund; `issue` is PayPal's name for it."""
    if not issue:
        return "PayPal did not say why."
    return REFUND_REJECTIONS.get(issue, f"PayPal's word for it is {issue}.")
