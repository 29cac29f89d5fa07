"""Run a command on a deployed stage: `python -m infra.aws.run_on_stage STAGE COMMAND …`.

The command gets the environment of the stage's own functions: names, addresses, currency, time zone. It uses the
credentials of the person who runs it.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws.aws_account import Account
from infra.aws.aws_errors import DeployError, explain
from infra.aws.cloudformation.stack import Stack
from infra.aws.stage_config import Stage, read_stage

# Its environment is the same as the others', and includes the shop's address, which the API's own function cannot
# know.
FUNCTION = "ExportBooks"


def environment_of(stage: Stage) -> dict[str, str]:
    """Return the environment of a stage's functions, and their region. Raises DeployError if there is no such stack."""
    account = Account(stage.region)
    account.must_be(stage.account)
    stack = Stack(stage.stack, account.client("cloudformation"), print)
    if not stack.outputs():
        raise DeployError(
            f"There is no stack {stage.stack} in {stage.region}. Run first: make deploy STAGE={stage.name}"
        )
    function = account.client("lambda").get_function_configuration(FunctionName=stack.physical(FUNCTION))
    variables: dict[str, str] = function["Environment"]["Variables"]
    return variables | {"AWS_REGION": stage.region, "AWS_DEFAULT_REGION": stage.region}


def run(name: str, command: list[str], given: Mapping[str, str]) -> int:
    """Run a command on the given stage; return its exit status. Raises DeployError."""
    environment = {**given, **environment_of(read_stage(name))}
    return subprocess.run(command, env=environment, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.aws.run_on_stage", description=__doc__)
    parser.add_argument("stage", help="names a file in infra/aws/stages")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    choice = parser.parse_args(arguments)
    if not choice.command:
        parser.error("no command to run")
    try:
        return run(choice.stage, choice.command, os.environ)
    except (DeployError, OSError) as stop:
        print(stop, file=sys.stderr)
    except (BotoCoreError, ClientError) as error:
        print(explain(error), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
