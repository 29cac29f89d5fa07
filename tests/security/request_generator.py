"""Requests as attackers send them: every route and none, with whatever may break, leak or mislead."""

import json
import re
from dataclasses import dataclass, field
from email.message import Message
from functools import cache
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from tests.shop import CUSTOMER
from tests.staff.test_invalid_input import QUESTIONS as STAFFS

FORM = "application/x-www-form-urlencoded"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
# After `zqq` nothing may come back as it is; the oracle looks for these.
MARKUP = "zqq<i>zqq\"zqq'zqq&x"
TEMPLATE = "zqq{{7*7}}${7*7}<%= 7*7 %>."
ELSEWHERE = "zqxhost.example"  # said in headers alone, so it never comes back
NASTY = [
    MARKUP,
    TEMPLATE,
    f"</script><script>alert(1)</script>{MARKUP}",
    "javascript:zqx.",
    "data:text/html,zqx.",
    "a\r\nZqx-Header: 1",
    "a\nSet-Cookie: zqx=1; Path=/",
    "a\u010d\u010aZqx-Header: 1",  # whose low bytes are CR and LF
    "a\u560d\u560aZqx-Header: 1",
    "a\u2028\u2029\u0085b",
    "\u202egnp.exe",
    "..",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "\x00",
    "a\x00b",
    "//zqx.example/",
    "https://zqx.example/",
    "\\\\zqx.example",
    "/\t/zqx.example",
    "\u0663\u00b2",
    "\uff11\uff12",
    "\U0001f600" * 20,
    "\ufffd\uffff",
    "x" * 5000,
    "9" * 5000,
    "-1",
    "1e9999",
    "NaN",
    "0x10",
    "1_000",
    "",
    " ",
    "%",
    "%zz",
    "'; DROP TABLE orders; --",
    "{slug}",
    "__proto__",
    "number#48219-30476",
    "paypal#X",
    "0" * 32,
    "0" * 64,
]
PLAUSIBLE = {
    "sku": ["MUG", "TEA-50", "BOWL"],
    "quantity": ["1", "2", "0"],
    "pay_with": ["paypal", "card", "cash"],
    "total": ["23.40", "18.50", "0"],
    "sort": ["newest", "price", "name"],
    "q": ["tea", "mug green"],
    "token": ["8XX12345678901234"],
    "PayerID": ["PAYER"],
    "after": ["YWxsI3ByaWNlCjAwMA"],
    "next": ["/staff/orders"],
    "password": ["linen awning at noon"],
    "month": ["2026-11"],
    "day": ["2026-11-22"],
    "period": ["week"],
    "visitor": ["0" * 64],
    "state": ["paid"],
    **{name: [value] for name, value in CUSTOMER.items()},
    "region": ["Berlin"],
    "phone": ["+49 30 1234"],
}
HEADERS = {
    "Accept": ["*/*", "application/json", MARKUP],
    "Accept-Encoding": ["gzip", "x" * 200],
    "Accept-Language": ["de", MARKUP],
    "Content-Type": [FORM, "application/json", "multipart/form-data; boundary=x", "text/plain", MARKUP, "", "é"],
    "Content-Encoding": ["gzip", "x"],
    "Forwarded": [f"for=1.2.3.4;host={ELSEWHERE};proto=https"],
    "Host": [ELSEWHERE, f"127.0.0.1@{ELSEWHERE}", f"{ELSEWHERE}:80", ""],
    "If-None-Match": ["*", '"x"', "W/" + MARKUP, "," * 3000],
    "If-Modified-Since": ["yesterday", "Thu, 01 Jan 1970 00:00:00 GMT"],
    "Origin": ["null", f"https://{ELSEWHERE}", MARKUP],
    "PayPal-Auth-Algo": ["SHA256withRSA", "none"],
    "PayPal-Cert-Url": [f"https://{ELSEWHERE}/v1/notifications/certs/x", "https://api.paypal.com", "file:///etc/passwd"],
    "PayPal-Transmission-Id": [MARKUP, "1|2|3"],
    "PayPal-Transmission-Sig": ["AAAA", "é", "=" * 999],
    "Range": ["bytes=0-1", "bytes=-1"],
    "Referer": [f"https://{ELSEWHERE}/", MARKUP],
    "Sec-Fetch-Site": ["same-origin", "none", "cross-site", MARKUP],
    "Sec-Purpose": ["prefetch"],
    "User-Agent": ["", "x" * 4000, MARKUP],
    "X-Forwarded-For": ["1.2.3.4", "x, y, z", "," * 500],
    "X-Forwarded-Host": [ELSEWHERE],
    "X-Forwarded-Prefix": [f"//{ELSEWHERE}"],
    "X-Forwarded-Proto": ["javascript", "https"],
    "X-HTTP-Method-Override": ["DELETE", "POST"],
    "X-Original-URL": ["/staff/orders", f"//{ELSEWHERE}"],
    "X-Rewrite-URL": ["/staff/orders"],
}  # fmt: skip
# What a page asks for; of others it must not care.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "/": ("sort", "after"),
    "/categories/{slug}": ("sort", "after"),
    "/search": ("q",),
    "/products/{slug}": ("sku",),
    "/sitemap.xml": ("after",),
    "/payments/paypal/return": ("token", "PayerID"),
    "/payments/paypal/cancel": ("token",),
    **STAFFS,
}
# What gets past the look at a notification's headers.
SIGNED = [
    ("PayPal-Auth-Algo", "SHA256withRSA"),
    ("PayPal-Cert-Url", "https://api.paypal.com/v1/notifications/certs/CERT-360caa42"),
    ("PayPal-Transmission-Id", "212a639d-125d-11f0-8798-c5d6de2737a0"),
    ("PayPal-Transmission-Sig", "AAAA"),
    ("PayPal-Transmission-Time", "2026-11-22T12:00:00Z"),
]
COOKIES = ["session", "cart_count", "said", "staff", "staff-notice", "x", "__proto__", ""]


@dataclass(frozen=True)
class Sent:
    """A request, and who sends it: nobody, a shopper with a cart and an order, finance, or the merchant's own browser."""

    who: str
    method: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def message(self, jar: dict[str, str]) -> Message:
        """Write the headers, with the sender's cookies before those that are made up."""
        own = [f"{name}={value}" for name, value in jar.items()]
        forged = [value for name, value in self.headers if name == "Cookie"]
        message = Message()
        for name, value in [("Host", "127.0.0.1"), *self.headers]:
            if name != "Cookie":
                del message[name]
                message[name] = value
        if own or forged:
            message["Cookie"] = "; ".join([*own, *forged])
        return message


@cache
def nasty() -> st.SearchStrategy[str]:
    """Draw something that no honest visitor writes."""
    return st.one_of(st.just(MARKUP), st.sampled_from(NASTY), st.sampled_from(NASTY), st.text(max_size=12))


def values_of(name: str, known: dict[str, list[str]]) -> st.SearchStrategy[str]:
    """Draw a value for a parameter, a field or a part of a path: often right, else nasty."""
    right = [*PLAUSIBLE.get(name, []), *known.get(name, [])]
    return st.one_of(st.sampled_from(right), st.sampled_from(right), nasty()) if right else nasty()


@st.composite
def targets(draw: st.DrawFn, path: str, known: dict[str, list[str]]) -> str:
    """Draw an address of a route, its parameters filled, with a question behind it."""
    route = path
    for name in re.findall(r"\{(\w+)\+?\}", path):
        value = draw(values_of(name, known))
        written = draw(st.sampled_from([quote(value, safe=""), quote(value), quote(quote(value, safe=""))]))
        path = re.sub(rf"\{{{name}\+?\}}", lambda _, written=written: written or "%20", path, count=1)  # type: ignore[misc]  # mypy does not type a lambda's default
    asked = list(draw(st.sampled_from([QUESTIONS.get(route, ()), QUESTIONS.get(route, ()), ()])))
    names = asked + draw(st.lists(st.sampled_from([*PLAUSIBLE, "x", "", MARKUP, "a[]"]), max_size=2))
    question = [(name, draw(values_of(name, known))) for name in names]
    raw = draw(
        st.sampled_from(["", "", "", "&&=", "&q=%ff%fe", "&sort=price&sort=price", "&%00", "#x", "?x"])
    )
    return path + ("?" + urlencode(question) + raw if question or raw else "")


@st.composite
def bodies(draw: st.DrawFn, known: dict[str, list[str]]) -> bytes:
    """Draw a body: a form, with some fields nasty, missing or twice; or what is none."""
    kind = draw(
        st.sampled_from(["form", "form", "form", "checkout", "checkout", "junk", "many", "large", "huge"])
    )
    if kind == "junk":
        return draw(
            st.binary(max_size=80)
            | st.sampled_from([b'{"id":', b"[" * 5000, b"a=%ff", b"\xff=\xfe", b"=&=&"])
        )
    if kind == "many":
        return b"&".join(b"f%d=1" % number for number in range(300))
    if kind == "huge":  # what HTML escapes, and Lambda's JSON once more
        return b"name=" + draw(st.sampled_from([b"'", b"%22", b"%01"])) * 450_000
    if kind == "large":
        return b"name=" + b"x" * 70_000
    names = (
        [*CUSTOMER, "total"]
        if kind == "checkout"
        else draw(st.lists(st.sampled_from(list(PLAUSIBLE)), max_size=5))
    )
    pairs = [(name, PLAUSIBLE[name][0]) for name in names]
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([*names, "x", MARKUP]))
        pairs = [pair for pair in pairs if pair[0] != name] + [(name, draw(values_of(name, known)))]
    twice = draw(st.sampled_from([0, 0, 0, 1]))
    return urlencode(pairs + pairs[:twice]).encode()


@st.composite
def events(draw: st.DrawFn, known: dict[str, list[str]]) -> bytes:
    """Draw a body like one of PayPal's events, which may name an order that there is; perhaps not quite JSON."""
    named = values_of("token", known) | st.none() | st.integers() | st.lists(nasty(), max_size=2)
    resource = {
        "id": draw(named),
        "custom_id": draw(values_of("order_id", known)),
        "links": [{"rel": "up", "href": f"https://api.paypal.com/v2/payments/captures/{draw(named)}"}],
        "supplementary_data": {"related_ids": draw(st.dictionaries(nasty(), named, max_size=2))},
        "disputed_transactions": [{"seller_transaction_id": draw(named)}],
        "purchase_units": draw(st.lists(named, max_size=2)),
    }
    types = ["PAYMENT.CAPTURE.COMPLETED", "CUSTOMER.DISPUTE.CREATED", "PAYMENT.SALE.PENDING"]
    event = {
        "id": draw(st.sampled_from(["WH-1", "WH-1"]) | nasty()),
        "event_type": draw(st.sampled_from(types) | nasty()),
        "resource_type": draw(st.sampled_from(["capture", "refund", 7, None]) | nasty()),
        "resource": draw(st.sampled_from([resource, resource, resource, [resource], None])),
    }
    text = json.dumps(event, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return draw(st.sampled_from([text, text, text, text[:-1], text + text, b"\xef\xbb\xbf" + text]))


@st.composite
def headers(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Draw headers; some hold what none may, since a gateway hands on more than a browser sends."""
    names = draw(st.lists(st.sampled_from([*HEADERS, "X-Nothing"]), max_size=4, unique=True))
    found = [(name, draw(st.sampled_from(HEADERS.get(name, ["x"])) | nasty())) for name in names]
    if draw(st.booleans()):
        pairs = draw(st.lists(st.tuples(st.sampled_from(COOKIES), nasty()), max_size=3))
        cookies = "; ".join(f"{name}={value}" for name, value in pairs)
        found.append(
            ("Cookie", draw(st.sampled_from([cookies, cookies, ";;=;" + cookies, "x=1; " * 3000 + cookies])))
        )
    return found


@st.composite
def requests(
    draw: st.DrawFn, routes: list[tuple[str, str]], known: dict[str, list[str]], who: str = ""
) -> Sent:
    """Draw a request for one of the routes (method and path), or for an address that none of them has."""
    method, path = draw(st.sampled_from(routes))
    if draw(st.integers(0, 9)) == 0:
        method = draw(st.sampled_from(METHODS))
    visitors = [who] if who else ["nobody", "shopper"]
    if path.startswith("/staff") and not who:
        visitors += ["finance", "merchant"]
    who = draw(st.sampled_from(visitors))
    sent = draw(headers())
    body = b""
    if method not in ("GET", "HEAD"):
        body = draw(bodies(known))
        honest = draw(st.integers(0, 4)) > 0  # else hardly anything gets past the guard
        if honest:
            sent = [pair for pair in sent if pair[0] not in ("Origin", "Sec-Fetch-Site", "Content-Type")]
            sent += [("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin")]
    if path == "/webhooks/paypal" and draw(st.booleans()):
        body = draw(events(known))
        sent = [pair for pair in sent if pair[0] not in dict(SIGNED)] + SIGNED
    return Sent(who, method, draw(targets(path, known)), sent, body)
