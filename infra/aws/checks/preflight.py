"""What must be there before a deployment, and what had better be: account, PayPal's secret, the mails' sender, pictures."""

import sys
import tomllib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.mail.addresses import BadAddress, is_reserved, normalize_address
from infra.aws import paypal_secret
from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, code_of, explain
from infra.aws.package.build import PROJECT
from infra.aws.stage_config import ALARM_EMAIL, Stage

SHOP_FILE = PROJECT / "chalicelib" / "shop.toml"
NOBODY = ("example.com", "example.org", "example.net")
LIVE = "live"
# AWS keeps so many for functions that reserve none; the reconciler, the books and staff's work come on top.
KEPT_FREE, RESERVED = 100, 4


def check(account: Account, stage: Stage, tell: Callable[[str], None]) -> None:
    """Look at everything, ask for the secret where it is missing, tell what is doubtful. Raises Stop."""
    account.must_be(stage.account)
    live = paypals_world(stage.parameters.get("PayPalApiUrl", "")) == LIVE
    if live and not stage.parameters.get(ALARM_EMAIL):
        raise DeployError(
            "This shop takes real money, and nobody would be told when something goes wrong with it.\n"
            f'Name somebody in the stage\'s file: {ALARM_EMAIL} = "…"'
        )
    if live and _is_nobodys(stage.parameters[ALARM_EMAIL]):
        raise DeployError(
            f"This shop takes real money, and {stage.parameters[ALARM_EMAIL]} is an example, where nobody reads.\n"
            f'Name somebody in the stage\'s file: {ALARM_EMAIL} = "…"'
        )
    tell(f"Account {account.number}, region {account.region}, as {account.caller}.")
    _secret(account, stage, tell)
    for doubt in doubts_of_functions(account, stage):
        tell(f"Functions: {doubt}")
    for doubt in doubts_of_mail(account, sender(live=live)):
        tell(f"Mail: {doubt}")
    for doubt in doubts_of_pictures(account):
        tell(f"Pictures: {doubt}")
    if live:
        tell("PayPal: live. This shop takes real money.")
    else:
        tell("PayPal: not live. No money moves; PayPalApiUrl in the stage's file decides.")


def _is_nobodys(address: str) -> bool:
    """Return whether an address is an example, or in a domain that nobody can have."""
    return is_reserved(address) or f".{address.lower().rpartition('@')[2]}".endswith(
        tuple(f".{name}" for name in NOBODY)
    )


def paypals_world(address: str) -> str:
    """Return which of PayPal's worlds an address of its API leads to: live, sandbox, or what stands in for it."""
    host = urlsplit(address.lower()).hostname or ""
    if host != "paypal.com" and not host.endswith(".paypal.com"):
        return address
    return "sandbox" if "sandbox" in host else LIVE


def _secret(account: Account, stage: Stage, tell: Callable[[str], None]) -> None:
    ssm, name = account.client("ssm"), paypal_secret.name_of(stage)
    if paypal_secret.kept(ssm, name):
        return
    if not sys.stdin.isatty():
        raise DeployError(
            f"PayPal's secret is not kept in SSM as {name} yet. Run: make secret STAGE={stage.name}"
        )
    tell(f"PayPal's secret is not kept in SSM as {name} yet. It is asked for once:")
    paypal_secret.keep(ssm, name, paypal_secret.ask())


def sender(*, live: bool) -> str:
    """Read the address that the shop writes from. Raises Stop where it, or the merchant's, is none, or nobody's in live."""
    shop = tomllib.loads(SHOP_FILE.read_text(encoding="utf-8"))
    for name in ("email", "merchant_email"):
        address = str(shop.get(name, shop["email"]))
        try:
            normalize_address(address)
        except BadAddress as refusal:
            raise DeployError(f"chalicelib/shop.toml: {name}: {refusal}") from None
        if live and is_reserved(address):
            raise DeployError(
                f"chalicelib/shop.toml: {name}: This shop takes real money, and no mail can arrive at {address}."
            )
    return str(shop["email"])


def doubts_of_functions(account: Account, stage: Stage) -> list[str]:
    """Return whether the account may run few functions at once, as new ones may. Raises Stop where that is too few."""
    try:
        limits = account.client("lambda").get_account_settings()["AccountLimit"]
    except (BotoCoreError, ClientError) as error:
        return [f"it could not be told how many may run at once. {explain(error)}"]
    most = int(limits["ConcurrentExecutions"])
    if most < KEPT_FREE + RESERVED and stage.parameters.get("ReserveConcurrency") == "yes":
        raise DeployError(
            f"This account may run {most} functions at once in {account.region}, and AWS keeps {KEPT_FREE} for those"
            f" that reserve none. Ask for more (below), or leave ReserveConcurrency out of the stage's file.\n{_MORE}"
        )
    if most >= KEPT_FREE:
        return []
    return [
        f"this account may run {most} at once in {account.region}, the shop's and all others. Whoever comes beyond them"
        f" in one moment reads that the shop is very busy. {_MORE}"
    ]


_MORE = "Ask AWS for 1,000, which costs nothing: Service Quotas, AWS Lambda, Concurrent executions. It takes a day or so."


def doubts_of_alarms(account: Account, stage: Stage, outputs: Mapping[str, str]) -> list[str]:
    """Return why nobody may hear of an alarm; what cannot be told holds nothing up."""
    address, topic = stage.parameters.get(ALARM_EMAIL, ""), outputs.get("AlarmTopicArn")
    if not topic:
        return []
    if not address:
        return [
            f'nobody is written to when one goes off. Name somebody in the stage\'s file: {ALARM_EMAIL} = "…"'
        ]
    try:
        pages = account.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        there = [one for page in pages for one in page["Subscriptions"]]
    except (BotoCoreError, ClientError) as error:
        return [f"it could not be told whether {address} wants them. {explain(error)}"]
    states = {one["SubscriptionArn"] for one in there if one["Endpoint"].lower() == address.lower()}
    if any(state.startswith("arn:") for state in states):
        return []
    again = (
        f"aws sns subscribe --region {account.region} --topic-arn {topic}"
        f" --protocol email --notification-endpoint {address}"
    )
    if any(state.lower().startswith("pending") for state in states):
        return [
            f"{address} has not confirmed yet, so it is told of none. Open AWS's mail “Subscription Confirmation” and"
            f" follow its link, which holds for some days (PendingConfirmation). For another mail: {again}"
        ]
    return [f"{address} has unsubscribed, so it is told of none. To have them again: {again}"]


def doubts_of_pictures(account: Account) -> list[str]:
    """Return why nobody may see pictures; what cannot be told holds nothing up."""
    try:
        blocked = account.client("s3control").get_public_access_block(AccountId=account.number)
    except (BotoCoreError, ClientError) as error:
        if code_of(error) == "NoSuchPublicAccessBlockConfiguration":
            return []
        return [f"it could not be told whether this account lets anybody see them. {explain(error)}"]
    found = blocked["PublicAccessBlockConfiguration"]
    if not (found.get("BlockPublicPolicy") or found.get("RestrictPublicBuckets")):
        return []
    return [
        "this account lets no bucket be public, and theirs must be. In S3's console, Block Public Access settings for"
        " this account, let both kinds of bucket policies be. A first deployment fails without."
    ]


def doubts_of_mail(account: Account, address: str) -> list[str]:
    """Return why mails may not arrive; what cannot be told holds nothing up."""
    if _is_nobodys(address):
        return [f"{address} in chalicelib/shop.toml is the demo's. No mail will leave until it is yours."]
    ses = account.client("sesv2")
    try:
        return [*_of_identity(ses, address, account.region), *_of_account(ses, account.region)]
    except (BotoCoreError, ClientError) as error:
        return [f"it could not be told whether SES will send. {explain(error)}"]


def _of_identity(ses: Any, address: str, region: str) -> list[str]:
    verified = [_is_verified(ses, name) for name in (address, address.partition("@")[2])]
    if any(verified):
        return []
    state = "waits to be verified" if False in verified else "is not known"
    return [
        f"{address} {state} at SES in {region}. Mails wait, and then rest as dead letters, until it is verified."
    ]


def _is_verified(ses: Any, identity: str) -> bool | None:
    try:
        return bool(ses.get_email_identity(EmailIdentity=identity)["VerifiedForSendingStatus"])
    except ClientError as error:
        if code_of(error) == "NotFoundException":
            return None
        raise


def _of_account(ses: Any, region: str) -> list[str]:
    there = ses.get_account()
    doubts = []
    if not there.get("ProductionAccessEnabled"):
        doubts.append(
            f"SES in {region} is in its sandbox: it writes to verified addresses only. Ask for production access."
        )
    if not there.get("SendingEnabled", True):
        doubts.append(f"SES in {region} has stopped this account's mail. Its console says why.")
    return doubts
