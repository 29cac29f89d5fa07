"""Check what a deployment requires, and warn about what it should have: account, PayPal's secret, email sender, images."""

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
# AWS keeps this many unreserved; the reconciler, the books and background jobs are reserved beside them.
KEPT_FREE, RESERVED = 100, 4


def check(account: Account, stage: Stage, echo: Callable[[str], None]) -> None:
    """Check everything, ask for the secret if it is missing, and print warnings. Raises DeployError."""
    account.must_be(stage.account)
    live = paypals_world(stage.parameters.get("PayPalApiUrl", "")) == LIVE
    if live and not stage.parameters.get(ALARM_EMAIL):
        raise DeployError(
            "This shop takes real money, but nobody would be notified of alarms.\n"
            f'Set an address in the stage file: {ALARM_EMAIL} = "…"'
        )
    if live and (_is_nobodys(stage.parameters[ALARM_EMAIL]) or is_reserved(stage.parameters[ALARM_EMAIL])):
        raise DeployError(
            f"This shop takes real money, and {stage.parameters[ALARM_EMAIL]} is an example address that nobody reads.\n"
            f'Set an address in the stage file: {ALARM_EMAIL} = "…"'
        )
    echo(f"Account {account.number}, region {account.region}, as {account.caller}.")
    _secret(account, stage, echo)
    for doubt in doubts_of_functions(account, stage):
        echo(f"Functions: {doubt}")
    for doubt in doubts_of_mail(account, sender(live=live)):
        echo(f"Mail: {doubt}")
    for doubt in doubts_of_pictures(account):
        echo(f"Pictures: {doubt}")
    if live:
        echo("PayPal: live. This shop takes real money.")
    else:
        echo("PayPal: not live. No real money moves; this is set by PayPalApiUrl in the stage file.")


def _is_nobodys(address: str) -> bool:
    """Return whether an address is an example, so that nobody reads what is sent there."""
    return f".{address.lower().rpartition('@')[2]}".endswith(tuple(f".{name}" for name in NOBODY))


def paypals_world(address: str) -> str:
    """Return which of PayPal's environments an API address belongs to: live, sandbox, or a fake."""
    host = urlsplit(address.lower()).hostname or ""
    if host != "paypal.com" and not host.endswith(".paypal.com"):
        return address
    return "sandbox" if "sandbox" in host else LIVE


def _secret(account: Account, stage: Stage, echo: Callable[[str], None]) -> None:
    ssm, name = account.client("ssm"), paypal_secret.name_of(stage)
    if paypal_secret.kept(ssm, name):
        return
    if not sys.stdin.isatty():
        raise DeployError(f"PayPal's secret is not in SSM as {name} yet. Run: make secret STAGE={stage.name}")
    echo(f"PayPal's secret is not in SSM as {name} yet. Enter it once:")
    paypal_secret.keep(ssm, name, paypal_secret.ask())


def sender(*, live: bool) -> str:
    """Return the address that the shop sends from.

    Raises DeployError if it, or the merchant's, is invalid, or an example in a live shop.
    """
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
    """Return a warning if the account may run few functions concurrently, as new ones. Raises DeployError if too few."""
    try:
        limits = account.client("lambda").get_account_settings()["AccountLimit"]
    except (BotoCoreError, ClientError) as error:
        return [f"the concurrency limit could not be read. {explain(error)}"]
    most = int(limits["ConcurrentExecutions"])
    if most < KEPT_FREE + RESERVED and stage.parameters.get("ReserveConcurrency") == "yes":
        raise DeployError(
            f"This account can run {most} functions concurrently in {account.region}, and AWS keeps {KEPT_FREE} for those"
            f" without a reservation. Request more (below), or remove ReserveConcurrency from the stage file.\n{_MORE}"
        )
    if most >= KEPT_FREE:
        return []
    return [
        f"this account can run {most} concurrently in {account.region}, the shop's and all others. Beyond that,"
        f" shoppers see that the shop is very busy. {_MORE}"
    ]


_MORE = "Request 1,000 from AWS, free of charge: Service Quotas, AWS Lambda, Concurrent executions. It takes about a day."


def doubts_of_alarms(account: Account, stage: Stage, outputs: Mapping[str, str]) -> list[str]:
    """Return why alarms may reach nobody; if that cannot be checked, the deployment continues."""
    address, topic = stage.parameters.get(ALARM_EMAIL, ""), outputs.get("AlarmTopicArn")
    if not topic:
        return []
    if not address:
        return [f'nobody is notified. Set an address in the stage file: {ALARM_EMAIL} = "…"']
    try:
        pages = account.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        there = [one for page in pages for one in page["Subscriptions"]]
    except (BotoCoreError, ClientError) as error:
        return [f"the subscription of {address} could not be checked. {explain(error)}"]
    states = {one["SubscriptionArn"] for one in there if one["Endpoint"].lower() == address.lower()}
    if any(state.startswith("arn:") for state in states):
        return []
    again = (
        f"aws sns subscribe --region {account.region} --topic-arn {topic}"
        f" --protocol email --notification-endpoint {address}"
    )
    if any(state.lower().startswith("pending") for state in states):
        return [
            f"{address} has not confirmed yet, so it receives none. Open AWS's email “Subscription Confirmation” and"
            f" follow its link, which is valid for a few days (PendingConfirmation). To send the email again: {again}"
        ]
    return [f"{address} has unsubscribed, so it receives none. To subscribe again: {again}"]


def doubts_of_pictures(account: Account) -> list[str]:
    """Return why images may not be visible; if that cannot be checked, the deployment continues."""
    try:
        blocked = account.client("s3control").get_public_access_block(AccountId=account.number)
    except (BotoCoreError, ClientError) as error:
        if code_of(error) == "NoSuchPublicAccessBlockConfiguration":
            return []
        return [f"the account's public access settings could not be read. {explain(error)}"]
    found = blocked["PublicAccessBlockConfiguration"]
    if not (found.get("BlockPublicPolicy") or found.get("RestrictPublicBuckets")):
        return []
    return [
        "this account blocks public buckets, but the images' bucket must be public. In the S3 console, Block Public Access settings for"
        " this account, turn off both settings about bucket policies. Otherwise a first deployment fails."
    ]


def doubts_of_mail(account: Account, address: str) -> list[str]:
    """Return why emails may not arrive; if that cannot be checked, the deployment continues."""
    if _is_nobodys(address):
        return [
            f"{address} in chalicelib/shop.toml is the demo's address. No emails will be sent until you replace it."
        ]
    ses = account.client("sesv2")
    try:
        return [*_of_identity(ses, address, account.region), *_of_account(ses, account.region)]
    except (BotoCoreError, ClientError) as error:
        return [f"the status of SES could not be read. {explain(error)}"]


def _of_identity(ses: Any, address: str, region: str) -> list[str]:
    verified = [_is_verified(ses, name) for name in (address, address.partition("@")[2])]
    if any(verified):
        return []
    state = "is waiting for verification" if False in verified else "is not registered"
    return [
        f"{address} {state} at SES in {region}. Until it is verified, emails wait and then end up in the dead-letter queue."
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
            f"SES in {region} is in its sandbox: it only sends to verified addresses. Request production access."
        )
    if not there.get("SendingEnabled", True):
        doubts.append(f"SES in {region} has paused sending for this account. Its console says why.")
    return doubts
