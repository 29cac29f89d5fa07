"""What SES took, from the local cloud's own log."""

import json
import urllib.request
from typing import Any


def letters(endpoint_url: str) -> list[dict[str, Any]]:
    """Read the mails that SES took, in their order: To (a list), Subject, BodyText, BodyHtml and more."""
    with urllib.request.urlopen(f"{endpoint_url}/_ministack/ses/messages", timeout=10) as answer:
        return [mail for sent in json.load(answer)["messages"].values() for mail in sent]
