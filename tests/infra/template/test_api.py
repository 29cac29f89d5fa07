"""What API Gateway does before the shop is asked: how much it lets through, what it logs, what it answers alone."""

import json
import re
from typing import Any

import pytest

from infra.aws.package.build import PROJECT
from tests.infra.template.template_reader import Template, resolved, values

# What tells who somebody is, where they are, or opens an order: its ID is in the path.
PERSONAL = re.compile(
    r"identity|sourceIp|userAgent|authorizer|\$context\.path\b|querystring|header|domainName"
)


@pytest.fixture
def api(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"]["RestAPI"]["Properties"]
    return found


def test_each_request_is_logged_without_anything_of_a_person(template: Template, api: dict[str, Any]) -> None:
    setting = resolved(api["AccessLogSetting"], values(template, {}), template["Conditions"])
    assert setting["DestinationArn"] == "AccessLogGroup.Arn"
    logged = json.loads(setting["Format"])
    assert {"requestId", "time", "method", "resource", "status", "latency"} <= logged.keys()
    assert logged["resource"] == "$context.resourcePath", "the pattern of the path, not the path"
    assert not PERSONAL.search(setting["Format"])
    assert template["Resources"]["AccessLogGroup"]["Properties"]["RetentionInDays"] == 30


@pytest.mark.parametrize(
    ("chosen", "there"),
    [
        ("with-role", {"AccessLogGroup", "ApiGatewayAccount", "ApiGatewayLogRole"}),
        ("yes", {"AccessLogGroup"}),
        ("no", set()),
    ],
)
def test_the_accounts_role_for_logs_is_made_left_alone_or_not_needed(
    template: Template, api: dict[str, Any], chosen: str, there: set[str]
) -> None:
    given = values(template, {"AccessLog": chosen})
    conditions = template["Conditions"]
    made = {
        name
        for name in ("AccessLogGroup", "ApiGatewayAccount", "ApiGatewayLogRole")
        if resolved(conditions[template["Resources"][name]["Condition"]], given, conditions)
    }
    assert made == there
    setting = resolved(api["AccessLogSetting"], given, conditions)
    assert (setting != "AWS::NoValue") == bool(there)


def test_the_accounts_role_for_logs_outlives_the_stack(template: Template) -> None:
    role = template["Resources"]["ApiGatewayLogRole"]
    assert (role["DeletionPolicy"], role["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_every_address_is_throttled_and_no_stranger_uses_up_what_staff_need(
    template: Template, api: dict[str, Any]
) -> None:
    settings = {
        (setting["HttpMethod"], setting["ResourcePath"].replace("~1", "/").replace("//", "/")): resolved(
            (setting["ThrottlingRateLimit"], setting["ThrottlingBurstLimit"])[0],
            values(template, {}),
            {},
        )
        for setting in api["MethodSettings"]
    }
    # A method's throttle is shared by all callers: staff's login counts each address for itself, in the shop.
    assert settings == {("*", "/*"): "500", ("POST", "/webhooks/paypal"): 50}
    assert "post" in api["DefinitionBody"]["paths"]["/webhooks/paypal"]


def test_execution_logs_which_hold_whole_requests_are_off(api: dict[str, Any]) -> None:
    for setting in api["MethodSettings"]:
        assert not {"LoggingLevel", "DataTraceEnabled"} & setting.keys()


def test_pages_are_compressed(api: dict[str, Any]) -> None:
    assert api["MinimumCompressionSize"] == 1024


def test_what_comes_and_goes_is_text(api: dict[str, Any]) -> None:
    """What API Gateway takes for bytes comes to the shop in base64, and goes out so to who asks for another type first."""
    types = api["DefinitionBody"]["x-amazon-apigateway-binary-media-types"]
    assert not [kind for kind in types if "*" in kind or kind.startswith("text/")]
    assert not {"application/x-www-form-urlencoded", "multipart/form-data", "application/json"} & set(types)
    files = (PROJECT / "chalicelib" / "web" / "static").iterdir()
    assert {file.suffix for file in files} == {".css", ".js", ".svg"}


def test_errors_of_api_gateway_itself_are_pages(template: Template) -> None:
    body = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    answers = body["x-amazon-apigateway-gateway-responses"]
    assert answers["MISSING_AUTHENTICATION_TOKEN"]["statusCode"] == "404"
    assert answers.keys() >= {
        "DEFAULT_4XX",
        "DEFAULT_5XX",
        "THROTTLED",
        "REQUEST_TOO_LARGE",
        "INTEGRATION_TIMEOUT",
        "INTEGRATION_FAILURE",
    }
    assert answers["INTEGRATION_FAILURE"]["statusCode"] == "503", "what Lambda has no room for comes again"
    assert "gatewayresponse.header.Retry-After" in answers["INTEGRATION_FAILURE"]["responseParameters"]
    for kind, answer in answers.items():
        header = answer["responseParameters"]["gatewayresponse.header.Content-Type"]
        assert header == "'text/html; charset=utf-8'", kind
        assert set(answer["responseTemplates"]) == {"application/json", "text/html"}, kind
        for page in resolved(answer["responseTemplates"], {}, {}).values():
            assert page.startswith("<!doctype html>"), kind
            assert "<title>" in page, kind
            assert "#" not in page, "it begins a command in some of API Gateway's templates"
            assert re.findall(r"\$[\w.{]+", page) in ([], ["$context.requestId"]), kind
