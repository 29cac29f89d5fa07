"""What the mails about an order are called, in a shopkeeper's words."""

MAILS = {
    "paid": "Confirmation of the payment",
    "merchant": "Your own notice of a paid order",
    "pending": "PayPal is holding the payment",
    "failed": "The payment failed",
    "expired": "The order has ended",
    "shipped": "The parcel is on its way",
    "parcel": "A parcel is on its way",
    "tracking": "A parcel's details were corrected",
    "unsent": "A parcel was not sent after all",
    "address": "The delivery details were corrected",
    "refunded": "Money went back",
    "issue": "Your own notice of something to look at",
    "refused": "Your own notice that PayPal refuses payments",
}
TO_MERCHANT = {"merchant", "issue", "refused"}  # kinds that the customer never gets


def mail_name(entry: str) -> str:
    """Name a mail of the outbox by its entry, or by its kind alone."""
    kind = entry.partition("#")[0]
    return MAILS.get(kind, kind)
