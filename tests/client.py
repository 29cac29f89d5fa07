"""A browser without a screen: real API Gateway events into the app, a cookie jar, and the answers."""

import json
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

DOMAIN = "abc123.execute-api.eu-central-1.amazonaws.com"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    set_cookies: list[str]
    body: str

    @property
    def location(self) -> str:
        """Where a redirect leads."""
        return self.headers["location"]

    @property
    def text(self) -> str:
        """The page's words without its tags, white space folded."""
        without_heads = re.sub(r"<(script|style|head)\b.*?</\1>", " ", self.body, flags=re.S)
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", without_heads))).strip()

    def field(self, name: str) -> str:
        """Read the value of an input field."""
        match = re.search(rf'<input[^>]*\bname="{re.escape(name)}"[^>]*>', self.body)
        assert match, f"no input {name}"
        value = re.search(r'\bvalue="([^"]*)"', match[0])
        return unescape(value[1]) if value else ""


def match_route(routes: dict[str, Any], path: str) -> tuple[str, dict[str, str]]:
    """Find the resource of a path as API Gateway does: literal segments before parameters, `{proxy+}` last."""
    segments = path.strip("/").split("/")
    best: tuple[tuple[int, ...], str, dict[str, str]] | None = None
    for resource in routes:
        parts = resource.strip("/").split("/")
        parameters: dict[str, str] = {}
        rank: list[int] = []
        for index, part in enumerate(parts):
            if part == "{proxy+}":
                parameters["proxy"] = "/".join(segments[index:])
                rank.append(2)
                break
            if index >= len(segments):
                break
            if part.startswith("{"):
                parameters[part[1:-1]] = segments[index]
                rank.append(1)
            elif part == segments[index]:
                rank.append(0)
            else:
                break
        else:
            if len(parts) != len(segments):
                continue
        complete = len(rank) == len(parts)
        if complete and segments[-1 if rank[-1] != 2 else 0] != "" or (resource == "/" and path == "/"):
            candidate = (tuple(rank), resource, parameters)
            best = min(best, candidate, key=lambda c: c[0]) if best else candidate
    if best is None:
        raise LookupError(f"no route for {path}")
    return best[1], best[2]


def make_event(
    routes: dict[str, Any],
    method: str,
    address: str,
    *,
    headers: dict[str, str] | None = None,
    body: str | None = None,
    stage: str = "api",
    prefix: str = "",
) -> dict[str, Any]:
    """Make the event that API Gateway's REST API sends to a Lambda proxy integration."""
    parts = urlsplit(address)
    path = parts.path.removeprefix(prefix) or "/"
    resource, parameters = match_route(routes, path)
    query = parse_qs(parts.query, keep_blank_values=True, encoding="utf-8", errors="replace") or None
    sent = {"Host": DOMAIN, "Accept": "text/html", **(headers or {})}
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": query,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": f"/{stage}{path}",
            "stage": stage,
            "domainName": DOMAIN,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "192.0.2.7"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


class Context:
    """Lambda's context, as far as anybody here looks at it."""

    function_name = "api"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:000000000000:function:api"
    aws_request_id = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Tell how long the function may still run."""
        return 29_000


@dataclass
class Shopper:
    """One visitor with their own cookies."""

    app: Any
    jar: dict[str, str] = field(default_factory=dict)

    def get(self, address: str, **headers: str) -> Answer:
        """Open a page."""
        return self.send("GET", address, headers=_dashed(headers))

    def post(self, address: str, form: dict[str, str] | str | None = None, **headers: str) -> Answer:
        """Send a form."""
        body = form if isinstance(form, str) else urlencode(form or {})
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
            **_dashed(headers),
        }
        return self.send("POST", address, headers=sent, body=body)

    def send(
        self, method: str, address: str, *, headers: dict[str, str] | None = None, body: str | None = None
    ) -> Answer:
        """Send a request, keep the cookies of the answer."""
        path = address.removeprefix(_origin(address)) or "/"
        sent = dict(headers or {})
        if self.jar:
            sent.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.jar.items()))
        event = make_event(self.app.routes, method, path, headers=sent, body=body)
        result = self.app(json.loads(json.dumps(event)), Context())
        return self._keep(json.loads(json.dumps(result)))

    def follow(self, answer: Answer) -> Answer:
        """Go where a redirect leads, inside the shop."""
        assert answer.status == 303, (answer.status, answer.text)
        return self.get(answer.location)

    def _keep(self, result: dict[str, Any]) -> Answer:
        headers = {name.lower(): value for name, value in result["headers"].items()}
        cookies = next(
            (values for name, values in result["multiValueHeaders"].items() if name.lower() == "set-cookie"),
            [],
        )
        for cookie in cookies:
            name, _, value = cookie.split(";")[0].partition("=")
            if "Max-Age=0" in cookie:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        return Answer(result["statusCode"], headers, cookies, result["body"])


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme else ""
