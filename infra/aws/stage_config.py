"""An operator's settings for a stage: infra/aws/stages/NAME.toml, which contains no secrets."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from chalicelib.mail.addresses import BadAddress, normalize_address
from chalicelib.money import PAYPAL_CURRENCIES
from infra.aws.aws_errors import DeployError
from infra.aws.package.archive import ARCHITECTURES
from infra.aws.package.build import PROJECT, merged

FOLDER = PROJECT / "infra" / "aws" / "stages"
EXAMPLE = "example"
SETTINGS = ("region", "account", "stack", "arch", "parameters")
ALARM_EMAIL = "AlarmEmail"
ELSEWHERE = ("cn-", "us-gov-", "us-iso")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,22}", re.ASCII)
# Buckets' names begin with it: in lower case, and short enough not to be cut by AWS.
_STACK = re.compile(r"[a-z][a-z0-9-]{0,29}", re.ASCII)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]", re.ASCII)
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)


class BadStage(DeployError):
    """Raised if a stage's file is wrong."""


@cache
def declared() -> dict[str, dict[str, Any]]:
    """Read the template's declarations, once per process: it takes a second."""
    return merged(PROJECT)


@dataclass(frozen=True)
class Stage:
    """A stage: its stack, region, and the template's parameters that differ from their defaults."""

    name: str
    region: str
    stack: str
    account: str = ""  # twelve digits; if empty, the credentials' account
    arch: str = "arm64"
    parameters: Mapping[str, str] = field(default_factory=dict)


def read_stage(name: str, folder: Path = FOLDER, known: Mapping[str, Any] | None = None) -> Stage:
    """Read a stage's file; `known` are the template's parameters. Raises BadStage with every error."""
    if not _NAME.fullmatch(name) or name in ("local", EXAMPLE):
        raise BadStage(f"Name a stage, such as STAGE=prod, not {name!r}.")
    file = folder / f"{name}.toml"
    content = _content(file, folder)
    faults = list(_faults(content, declared()["Parameters"] if known is None else known))
    if faults:
        raise BadStage("\n".join([f"{file.name} cannot be used:", *(f"  {fault}" for fault in faults)]))
    given = {key: content[key] for key in ("region", "account", "arch") if key in content}
    parameters = {key: str(value) for key, value in content.get("parameters", {}).items()}
    if parameters.get(ALARM_EMAIL):
        parameters[ALARM_EMAIL] = normalize_address(parameters[ALARM_EMAIL])
    return Stage(name, stack=content.get("stack", f"awning-{name}"), parameters=parameters, **given)


def _content(file: Path, folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        named = sorted(there.stem for there in folder.glob("*.toml") if there.stem != EXAMPLE)
        others = f" Stages with a file: {', '.join(named)}." if named else ""
        raise BadStage(
            f"There is no {_near(file)}.{others}\nCopy {_near(folder)}/{EXAMPLE}.toml to it and fill it in."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadStage(f"{file} cannot be read: {error}") from error


def _faults(content: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    for key in content.keys() - set(SETTINGS):
        belongs = f" It belongs below [parameters]: {key} = …" if key in known else _meant(key, SETTINGS)
        yield f"{key} is not a setting.{belongs}"
    yield from _own_faults(content)
    parameters = content.get("parameters", {})
    if not isinstance(parameters, dict):
        yield "parameters must be a table: [parameters]."
        return
    for key, value in parameters.items():
        fault = _fault_of(key, value, known)
        if fault:
            yield fault
    for key in sorted(
        name for name, facts in known.items() if "Default" not in facts and name not in parameters
    ):
        yield f"{key} is missing from [parameters]: {known[key].get('Description', 'the template needs it')}"


def _own_faults(content: Mapping[str, Any]) -> Iterator[str]:
    if not _REGION.fullmatch(str(content.get("region", ""))):
        yield 'region must be an AWS region, such as region = "eu-central-1".'
    elif content["region"].startswith(ELSEWHERE):
        yield "region is in a separate AWS partition (such as China or GovCloud), which is not supported."
    if "account" in content and not _matches(_ACCOUNT, content["account"]):
        yield 'account must be twelve digits in quotes, such as account = "123456789012".'
    if "stack" in content and not _matches(_STACK, content["stack"]):
        yield "stack must have at most 30 lowercase letters, digits and hyphens, and begin with a letter."
    if "arch" in content and content["arch"] not in ARCHITECTURES:
        yield f"arch must be {' or '.join(ARCHITECTURES)}."


def _fault_of(key: str, value: object, known: Mapping[str, Any]) -> str | None:
    if key not in known and "secret" in key.lower():
        return f"{key} must not be in a file. Store the secret in SSM: make secret STAGE=…"
    if key not in known:
        return f"{key} is not a parameter of the template.{_meant(key, known)}"
    if isinstance(value, bool) or not isinstance(value, str | int):
        return f'{key} must be text in quotes, such as {key} = "…".'
    facts, text = known[key], str(value)
    if key == ALARM_EMAIL and text:
        return _fault_of_address(key, text)
    if key == "Timezone" and text not in available_timezones():
        return f"{key} cannot be {text!r}. Use a time zone such as Europe/Berlin.{_meant(text, available_timezones())}"
    if key == "Currency" and text not in PAYPAL_CURRENCIES:
        return f"{key} cannot be {text!r}. PayPal supports {', '.join(sorted(PAYPAL_CURRENCIES))}."
    if facts.get("NoEcho"):
        return f"{key} must not be in a file. `make deploy` creates it, and CloudFormation keeps it."
    allowed = [str(one) for one in facts.get("AllowedValues", [])]
    if allowed and text not in allowed:
        return f"{key} must be one of {', '.join(map(repr, allowed))}, not {text!r}."
    if facts.get("Type") == "Number" and not _is_number(text, facts):
        return f"{key} must be a number of {facts.get('MinValue', 0)} or more, not {text!r}."
    if not re.fullmatch(facts.get("AllowedPattern", ".*"), text) or len(text) < int(
        facts.get("MinLength", 0)
    ):
        return f"{key} cannot be {text!r}. {facts.get('Description', '')}".rstrip()
    return None


def _fault_of_address(key: str, text: str) -> str | None:
    try:
        normalize_address(text)
    except BadAddress as refusal:
        return f"{key} cannot be {text!r}. {refusal}"
    return None


def _is_number(text: str, facts: Mapping[str, Any]) -> bool:
    return text.isascii() and text.isdigit() and int(text) >= int(facts.get("MinValue", 0))


def _near(path: Path) -> str:
    return str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path)


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _meant(key: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(names), n=1)
    return f" Did you mean {near[0]}?" if near else ""
