"""The delays until an order is checked again, in seconds."""

MINUTE = 60
CLAIM_SECONDS = 2 * MINUTE
UNRESOLVED_AFTER = 15 * MINUTE  # when staff look at a payment about which PayPal gives no clear answer
NEXT_RUN = MINUTE  # due in the reconciler's next run
EMAIL_RETRY_DELAY = 10 * MINUTE
MAX_CHECK_DELAY = 60 * MINUTE
PAYPAL_ORDER_LIFETIME = 6 * 60 * MINUTE  # three hours to approve an order at PayPal, three more to capture it
