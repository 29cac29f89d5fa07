"""How long an order rests until it is looked at again, in seconds."""

MINUTE = 60
CLAIM_SECONDS = 2 * MINUTE
EVERY_ROUND = MINUTE  # due again by the reconciler's next round
MAIL_GRACE = 10 * MINUTE
LONGEST_WAIT = 60 * MINUTE
PAYPAL_LIFE = 6 * 60 * MINUTE  # three hours to approve an order at PayPal, three more to capture it
