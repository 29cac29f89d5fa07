"""Print the policy for deploying a stage: `python -m infra.aws.policies.deployer_policy STAGE`.

It is deployer-policy.json, with the stage's own account, region, stack, prefix and secret.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws import paypal_secret
from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, explain
from infra.aws.cloudformation import adopt_resources
from infra.aws.stage_config import Stage, read_stage

FILE = Path(__file__).with_name("deployer-policy.json")


def policy(stage: Stage, account: str) -> str:
    """Return the policy of a stage; IAM allows at most 6,144 characters without spaces."""
    text = FILE.read_text(encoding="utf-8")
    for word, value in {
        "ACCOUNT": account,
        "REGION": stage.region,
        "STACK": stage.stack,
        "PREFIX": adopt_resources.prefix_of(stage),
        "SECRET": paypal_secret.name_of(stage),
    }.items():
        text = text.replace(word, value)
    return text


def main(arguments: list[str]) -> int:
    """Print the policy of the given stage; return the process's exit status."""
    return print_for(arguments, policy)


def print_for(arguments: list[str], text: Callable[[Stage, str], str]) -> int:
    """Print a text about the given stage and its account; return the process's exit status."""
    try:
        stage = read_stage(" ".join(arguments))
        print(text(stage, stage.account or Account(stage.region).number), end="")
    except DeployError as stop:
        print(stop, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(explain(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
