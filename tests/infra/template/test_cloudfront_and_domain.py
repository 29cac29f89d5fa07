"""What stands before the shop where it is asked for, which address that gives it, and what a deployment tells."""

from typing import Any

import pytest

from chalicelib import config
from tests.infra.template.template_reader import Template, functions, of_type, resolved, values

API = "https://RestAPI.execute-api.eu-central-1.amazonaws.com/RestAPI.Stage"
DOMAIN = {"DomainName": "tea.example"}
CDN = {"Cdn": "yes"}
NEVER_KEPT = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # CloudFront's own CachingDisabled
LINKLESS = {"APIHandler", "NoteBounces"}  # the one reads its address from requests, the other writes no link
ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"  # and its AllViewerExceptHostHeader
# Addresses whose pages are the same for everybody.
PUBLIC = {
    "/",
    "/categories/{slug}",
    "/products/{slug}",
    "/search",
    "/pages/{name}",
    "/static/{name}",
    "/robots.txt",
    "/sitemap.xml",
    "/favicon.ico",
}


@pytest.mark.parametrize(
    ("given", "shop", "api", "workers", "pictures"),
    [
        ({}, API, None, API, "bucket"),
        ({"PublicUrl": API}, API, API, API, "bucket"),
        (DOMAIN, "https://tea.example", "https://tea.example", "https://tea.example", "bucket"),
        # CloudFront's address is known after the first pass only.
        (CDN, "https://d1.cloudfront.net", None, API, "bucket"),
        ({**CDN, "PublicUrl": "https://d1.cloudfront.net"}, *["https://d1.cloudfront.net"] * 4),
        ({**CDN, **DOMAIN}, *["https://tea.example"] * 4),
    ],
)
def test_the_shop_knows_its_address(
    template: Template, given: dict[str, str], shop: str, api: str | None, workers: str, pictures: str
) -> None:
    known = values(template, given) | {
        "Distribution.DomainName": "d1.cloudfront.net",
        "MediaBucket.RegionalDomainName": "bucket",
    }
    assert output(template, "ShopUrl", known) == shop
    assert output(template, "WebhookUrl", known) == f"{shop}/webhooks/paypal"
    everywhere = told(template, template["Globals"]["Function"], known)
    assert everywhere.get("PUBLIC_URL") == api
    assert everywhere["MEDIA_URL"].removeprefix("https://") == pictures.removeprefix("https://")
    assert config.load_settings(everywhere).proxies == ("Cdn" in given)
    for name, function in functions(template).items():
        own = told(template, function, known)
        assert own.get("PUBLIC_URL", api) == (api if name in LINKLESS else workers), name


def test_a_deployment_prints_these_outputs(template: Template) -> None:
    assert template["Outputs"].keys() >= {
        "ShopUrl",
        "WebhookUrl",
        "BooksBucketName",
        "MediaBucketName",
        "FinancePolicyArn",
        "AlarmTopicArn",
        "DashboardUrl",
        "DomainTarget",
    }


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ({}, set()),
        (DOMAIN, {"ApiDomain", "ApiDomainMapping"}),
        ({**DOMAIN, "HostedZoneId": "Z1"}, {"ApiDomain", "ApiDomainMapping", "DomainRecord"}),
        (CDN, {"Distribution", "AsThePagesSay"}),
        (
            {**CDN, **DOMAIN, "HostedZoneId": "Z1"},
            {"Distribution", "AsThePagesSay", "DomainRecord", "DomainRecordV6"},
        ),
    ],
)
def test_only_what_was_asked_for_is_made(template: Template, given: dict[str, str], there: set[str]) -> None:
    edge = ("AWS::ApiGateway::DomainName", "AWS::ApiGateway::BasePathMapping", "AWS::Route53::RecordSet")
    made = {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"].startswith(("AWS::CloudFront::", *edge)) and is_made(template, resource, given)
    }
    assert made == there


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (DOMAIN, "CertificateArn"),
        ({**DOMAIN, **CDN, "CertificateArn": "arn"}, "CdnCertificateArn"),
        ({**DOMAIN, "CertificateArn": "arn"}, None),
        ({**DOMAIN, **CDN, "CdnCertificateArn": "arn"}, None),
        ({}, None),
    ],
)
def test_a_domain_without_its_certificate_is_refused_before_anything_is_made(
    template: Template, given: dict[str, str], words: str | None
) -> None:
    known = values(template, {"AlarmEmail": "alarms@shop.example", **given})
    refused = [
        one["AssertDescription"]
        for rule in template["Rules"].values()
        if resolved(rule["RuleCondition"], known, {})
        for one in rule["Assertions"]
        if not resolved(one["Assert"], known, {})
    ]
    assert (words is None and refused == []) or (words and words in refused[0])


def test_links_lose_the_stages_name_with_a_domain(template: Template) -> None:
    mapping = template["Resources"]["ApiDomainMapping"]["Properties"]
    assert "BasePath" not in mapping
    assert mapping["Stage"] == {"Ref": "RestAPI.Stage"}
    domain = template["Resources"]["ApiDomain"]["Properties"]
    assert domain["SecurityPolicy"] == "TLS_1_2"
    assert domain["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_cloudfront_keeps_public_pages_alone(template: Template) -> None:
    """Whatever else the API has, today or tomorrow, is never kept, and comes with cookies and queries."""
    paths = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    for path in paths:
        behaviour = behaviour_for(template, path.replace("{", "x").replace("}", "x").replace("+", ""))
        assert behaviour["TargetOriginId"] == "shop", path
        if path in PUBLIC:
            assert behaviour["CachePolicyId"] == {"Ref": "AsThePagesSay"}, path
            assert "OriginRequestPolicyId" not in behaviour, path
        else:
            assert behaviour["CachePolicyId"] == NEVER_KEPT, path
            assert behaviour["OriginRequestPolicyId"] == ALL_BUT_HOST, path
            assert "POST" in behaviour["AllowedMethods"], path
    assert paths.keys() >= PUBLIC | {"/cart", "/checkout", "/orders/{order_id}", "/webhooks/paypal", "/staff"}
    assert behaviour_for(template, "/pictures/x.jpg")["TargetOriginId"] == "pictures"


def test_cloudfront_does_as_the_pages_say(template: Template) -> None:
    policy = template["Resources"]["AsThePagesSay"]["Properties"]["CachePolicyConfig"]
    assert (policy["MinTTL"], policy["DefaultTTL"]) == (0, 0)
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]
    assert key["QueryStringsConfig"] == {"QueryStringBehavior": "all"}
    assert key["CookiesConfig"] == {"CookieBehavior": "none"}
    assert key["HeadersConfig"] == {"HeaderBehavior": "none"}
    assert key["EnableAcceptEncodingGzip"] is key["EnableAcceptEncodingBrotli"] is True


@pytest.mark.parametrize("given", [CDN, {"Proxies": "1"}])
def test_functions_know_the_secret_by_which_proxies_are_believed(
    template: Template, given: dict[str, str]
) -> None:
    assert template["Parameters"]["OriginSecret"]["NoEcho"] is True
    known = values(template, {**given, "OriginSecret": "s" * 32})
    settings = config.load_settings(told(template, template["Globals"]["Function"], known))
    assert (settings.proxies, settings.origin_secret) == (1, "s" * 32)


def test_cloudfront_alone_sends_the_secret_and_to_the_shop_alone(template: Template) -> None:
    known = values(template, {**CDN, "OriginSecret": "s" * 32})
    sent = {
        origin["Id"]: resolved(origin.get("OriginCustomHeaders"), known, template["Conditions"])
        for origin in distribution(template)["Origins"]
    }
    assert sent == {
        "shop": [{"HeaderName": "X-Origin-Secret", "HeaderValue": "s" * 32}],
        "pictures": None,
    }
    assert "OriginSecret" not in str(template["Outputs"])


def test_cloudfront_gives_nobodys_error_to_others(template: Template) -> None:
    kept = {
        one["ErrorCode"]: one["ErrorCachingMinTTL"] for one in distribution(template)["CustomErrorResponses"]
    }
    assert kept.keys() >= {400, 403, 404, 405, 414, 500, 502, 503, 504}, "those that CloudFront keeps"
    assert set(kept.values()) == {0}


def test_nothing_goes_unencrypted(template: Template) -> None:
    config = distribution(template)
    for behaviour in (config["DefaultCacheBehavior"], *config["CacheBehaviors"]):
        assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
        assert behaviour["Compress"] is True
    # S3 is asked as CloudFront was.
    (shop,) = [origin["CustomOriginConfig"] for origin in config["Origins"] if origin["Id"] != "pictures"]
    assert (shop["OriginProtocolPolicy"], shop["OriginSSLProtocols"]) == ("https-only", ["TLSv1.2"])
    given = values(template, {**CDN, **DOMAIN, "CdnCertificateArn": "arn"})
    certificate = resolved(config["ViewerCertificate"], given, template["Conditions"])
    assert certificate["MinimumProtocolVersion"] == "TLSv1.2_2021"


def test_finance_reads_books_and_nothing_else(template: Template) -> None:
    (policy,) = of_type(template, "AWS::IAM::ManagedPolicy").values()
    read, listed, found = policy["PolicyDocument"]["Statement"]
    assert read["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    assert read["Resource"] == {"Fn::Sub": "${BooksBucket.Arn}/books/*"}
    assert listed["Action"] == ["s3:ListBucket", "s3:ListBucketVersions"]
    assert listed["Resource"] == {"Fn::GetAtt": ["BooksBucket", "Arn"]}
    assert listed["Condition"] == {"StringLike": {"s3:prefix": ["books", "books/*"]}}
    assert found["Action"] == "s3:GetBucketLocation"
    assert found["Resource"] == {"Fn::GetAtt": ["BooksBucket", "Arn"]}


def output(template: Template, name: str, known: dict[str, str]) -> Any:
    return resolved(template["Outputs"][name]["Value"], known, template["Conditions"])


def told(template: Template, function: dict[str, Any], known: dict[str, str]) -> dict[str, str]:
    given: dict[str, str] = resolved(
        function.get("Environment", {}).get("Variables", {}), known, template["Conditions"]
    )
    return given


def is_made(template: Template, resource: dict[str, Any], given: dict[str, str]) -> bool:
    condition = template["Conditions"][resource["Condition"]]
    return bool(resolved(condition, values(template, given), template["Conditions"]))


def distribution(template: Template) -> dict[str, Any]:
    config: dict[str, Any] = template["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    return config


def behaviour_for(template: Template, path: str) -> dict[str, Any]:
    """Choose as CloudFront does: the first pattern that fits; a star stands for anything."""
    config = distribution(template)
    for behaviour in config["CacheBehaviors"]:
        start, star, end = behaviour["PathPattern"].partition("*")
        assert not end
        if path == start or (star and path.startswith(start)):
            found: dict[str, Any] = behaviour
            return found
    return dict(config["DefaultCacheBehavior"])
