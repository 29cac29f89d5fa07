"""Store PayPal's secret in SSM: `python -m infra.aws.paypal_secret STAGE`, which `make secret STAGE=…` runs.

Asks for it without showing it; if the input is not a terminal, its first line is the secret. It is never an argument,
since those are visible in the shell's history and the list of processes.
"""

import sys
from getpass import getpass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, code_of, explain
from infra.aws.stage_config import Stage, read_stage

PARAMETER = "PayPalClientSecretParameter"
DEFAULT = "/awning/paypal-client-secret"
MIN_LENGTH = 16  # PayPal's have some eighty characters: a shorter one was cut off


def name_of(stage: Stage) -> str:
    """Return the parameter's name in SSM."""
    return stage.parameters.get(PARAMETER, DEFAULT)


def kept(ssm: Any, name: str) -> bool:
    """Return whether the secret exists, without reading it. Raises DeployError if it is not encrypted."""
    try:
        there = ssm.get_parameter(Name=name, WithDecryption=False)["Parameter"]
    except ClientError as error:
        if code_of(error) == "ParameterNotFound":
            return False
        raise
    if there["Type"] != "SecureString":
        raise DeployError(
            f"{name} in SSM is a {there['Type']}, which is not encrypted. Delete it there and run make secret."
        )
    return True


def ask() -> str:
    """Read the secret from the input. Raises DeployError if it cannot be one."""
    prompt = "PayPal's client secret (it is not shown): "
    text = (getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if len(text) < MIN_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise DeployError("That isn't a PayPal client secret. Nothing was changed.")
    return text


def keep(ssm: Any, name: str, secret: str) -> None:
    """Store the secret, encrypted with AWS's own key; an existing one is replaced."""
    ssm.put_parameter(Name=name, Value=secret, Type="SecureString", Overwrite=True)


def main(arguments: list[str]) -> int:
    """Ask for the secret of the given stage, and store it; return the process's exit status."""
    try:
        stage = read_stage(" ".join(arguments))
        account = Account(stage.region)
        account.must_be(stage.account)
        ssm, name = account.client("ssm"), name_of(stage)
        again = kept(ssm, name)
        keep(ssm, name, ask())
    except DeployError as stop:
        print(stop, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\nNothing was changed.", file=sys.stderr)
        return 130
    except (BotoCoreError, ClientError) as error:
        print(explain(error), file=sys.stderr)
        return 1
    print(f"{name} has been {'replaced' if again else 'stored'} in {account.region}, encrypted.")
    if again:
        print("Running functions use the old secret until PayPal rejects it, and then read the new one.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
