"""Print the policy for operating a stage: `python -m infra.aws.policies.operator_policy STAGE`.

It is operator-policy.json and the functions' policies, with the stage's own names. It allows `make staff`, `catalog`,
`export` and `replay`.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.aws.cloudformation import adopt_resources
from infra.aws.cloudformation.stack import BUCKET, QUEUE, TABLE
from infra.aws.policies.deployer_policy import print_for
from infra.aws.stage_config import Stage, declared

FILE = Path(__file__).with_name("operator-policy.json")
FUNCTION = "AWS::Serverless::Function"  # the type that Chalice writes, unlike our parts of the template
BEGINNINGS = {
    TABLE: "dynamodb:REGION:ACCOUNT:table/",
    QUEUE: "sqs:REGION:ACCOUNT:",
    FUNCTION: "lambda:REGION:ACCOUNT:function:",
}
_ARN = re.compile(r"\$\{(\w+)\.Arn\}")


def policy(stage: Stage, account: str) -> dict[str, Any]:
    """Return the policy of a stage."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    for statement in found["Statement"]:
        statement["Resource"] = [_named(one, stage, account) for one in statement["Resource"]]
    return found


def _named(resource: str | Mapping[str, Any], stage: Stage, account: str) -> str:
    text = _ARN.sub(lambda key: _arn(key[1], stage), _text(resource))
    for word, value in {"ACCOUNT": account, "REGION": stage.region, "STACK": stage.stack}.items():
        text = text.replace(word, value)
    return text


def _text(resource: str | Mapping[str, Any]) -> str:
    if isinstance(resource, str):
        return resource
    return str(resource["Fn::Sub"]) if "Fn::Sub" in resource else f"${{{resource['Fn::GetAtt'][0]}.Arn}}"


def _arn(key: str, stage: Stage) -> str:
    resource = declared()["Resources"][key]
    kind = resource.get("Type", FUNCTION)
    if kind == BUCKET:  # CloudFormation adds a random suffix to its name
        return f"arn:aws:s3:::{stage.parameters.get(adopt_resources.kept(key)) or f'STACK-{key.lower()}-*'}"
    name = adopt_resources.name_of(resource, adopt_resources.prefix_of(stage))
    return f"arn:aws:{BEGINNINGS[kind]}{name}"


def main(arguments: list[str]) -> int:
    """Print the policy of the given stage; return the process's exit status."""
    return print_for(arguments, lambda stage, account: json.dumps(policy(stage, account), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
