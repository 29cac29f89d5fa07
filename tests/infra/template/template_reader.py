"""How tests read the packaged template."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Template = dict[str, Any]


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """List the properties of all resources of a type, by name."""
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def functions(template: Template) -> dict[str, Any]:
    """List the properties of all functions, by name."""
    return of_type(template, "AWS::Serverless::Function")


def references(part: Any) -> Iterator[str]:
    """List what a part of the template names: parameters, resources and their attributes."""
    if isinstance(part, list):
        for one in part:
            yield from references(one)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "Ref":
                yield value.partition(".")[0]
            elif key == "Fn::GetAtt":
                yield value[0]
            elif key == "Fn::Sub":
                text = value if isinstance(value, str) else value[0]
                yield from re.findall(r"\$\{(\w+)", text)
            yield from references(value)


def values(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """List the template's parameters as an operator gave them, and where that would be."""
    defaults = {name: str(facts.get("Default", "given")) for name, facts in template["Parameters"].items()}
    return {**defaults, "AWS::Region": "eu-central-1", "AWS::URLSuffix": "amazonaws.com", **given}


def resolved(part: Any, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> Any:
    """Work out a part of the template as CloudFormation does, for parameters and attributes with these values.

    Knows what this template uses; what is not among `values` stays its own name.
    """
    if isinstance(part, list):
        every = [resolved(one, values, conditions) for one in part]
        return [one for one in every if one != NO_VALUE]
    if not isinstance(part, dict):
        return part
    if len(part) != 1 or (key := next(iter(part))) not in FUNCTIONS:
        named = {name: resolved(one, values, conditions) for name, one in part.items()}
        return {name: one for name, one in named.items() if one != NO_VALUE}
    return FUNCTIONS[key](part[key], values, conditions)


NO_VALUE = "AWS::NoValue"


def _value(name: str, values: Mapping[str, Any]) -> Any:
    return values.get(name, name)


def _sub(given: Any, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> str:
    text, own = (given, {}) if isinstance(given, str) else given
    known = {**values, **resolved(own, values, conditions)}
    return re.sub(r"\$\{([^}]+)\}", lambda name: str(_value(name[1], known)), text)


def _if(given: Any, values: Mapping[str, Any], conditions: Mapping[str, Any]) -> Any:
    holds = resolved(conditions[given[0]], values, conditions)
    return resolved(given[1] if holds else given[2], values, conditions)


def _over(work: Any) -> Any:
    """Make of a function of plain values one of a part of the template."""
    return lambda given, values, conditions: work(resolved(given, values, conditions))


FUNCTIONS: dict[str, Any] = {
    "Ref": lambda given, values, _: _value(given, values),
    "Fn::GetAtt": lambda given, values, _: _value(".".join(given), values),
    "Fn::Sub": _sub,
    "Fn::If": _if,
    "Condition": lambda given, values, conditions: resolved(conditions[given], values, conditions),
    "Fn::Select": _over(lambda given: given[1][int(given[0])]),
    "Fn::Split": _over(lambda given: given[1].split(given[0])),
    "Fn::Join": _over(lambda given: given[0].join(given[1])),
    "Fn::Equals": _over(lambda given: given[0] == given[1]),
    "Fn::Not": _over(lambda given: not given[0]),
    "Fn::And": _over(all),
    "Fn::Or": _over(any),
}
