"""Every staff route × every role: declared, obeyed, never kept by a browser, never framed, and written into the trail."""

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalice import Chalice

from chalicelib.staff.router import PUBLIC
from chalicelib.staff.routes import staff
from chalicelib.staff.settings import part_page
from chalicelib.web.lazy_imports import LazyFunction
from infra.local.api_gateway import Gateway
from tests.client import Answer, Shopper
from tests.shop import Shop
from tests.staff.staff_client import logged_in

ROOT = Path(__file__).parents[2]
# What finance may post: their own account, and asking for files anew. Nothing of it changes the shop.
OWN_OF_FINANCE = {"/staff/logout", "/staff/account/password", "/staff/jobs/{job_id}/again"}
ENTRANCE = {"/staff/login", "/staff/forgotten", "/staff/reset"}
# Changes nothing: it hands a request on, and the letter's link tells when it is used.
UNWRITTEN = {"send_reset_link"}
REFUSAL = "Your account can view orders and books, but can’t change anything."

Route = tuple[str, str]


def staff_routes(chalice: Chalice) -> set[Route]:
    """List what an app answers under /staff, as method and path."""
    return {
        (method, path)
        for path, methods in chalice.routes.items()
        if path == "/staff" or path.startswith(("/staff/", "/staff{"))
        for method in methods
    }


def role_of(method: str, path: str) -> frozenset[str] | None:
    """Return who may use a route as it was declared; a HEAD is a GET."""
    return staff.declared.get(("GET" if method == "HEAD" else method, path))


def undeclared(chalice: Chalice) -> set[Route]:
    """List the staff routes that no role was declared for."""
    return {(method, path) for method, path in staff_routes(chalice) if role_of(method, path) is None}


def test_every_staff_route_has_a_declared_role() -> None:
    import app

    assert undeclared(app.app) == set()
    assert {(method, path) for method, path in staff_routes(app.app) if method != "HEAD"} == set(
        staff.declared
    )


def test_a_route_that_was_added_past_the_roles_is_found() -> None:
    chalice = Chalice("stray")
    chalice.route("/staff/stray", methods=["POST"])(lambda: None)
    chalice.route("/staff/login", methods=["GET", "DELETE"])(lambda: None)
    chalice.route("/staffage")(lambda: None)
    assert undeclared(chalice) == {("POST", "/staff/stray"), ("DELETE", "/staff/login")}


def test_every_route_leads_to_a_view_that_takes_its_parameters() -> None:
    for (_, path), view in staff.views.items():
        assert isinstance(view, LazyFunction)
        taken = list(inspect.signature(view.load()).parameters)
        parameters = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        assert taken == ["request", "member", *parameters], view


def test_nobody_but_the_merchant_may_change_anything() -> None:
    posts = {path: may for (method, path), may in staff.declared.items() if method == "POST"}
    assert {path for path, may in posts.items() if may == PUBLIC} == ENTRANCE
    assert {path for path, may in posts.items() if "finance" in may} == OWN_OF_FINANCE
    assert all(may <= {"merchant", "finance"} for may in staff.declared.values())


# -- the walk ---------------------------------------------------------------------------------------------


@pytest.fixture
def filled(shop: Shop) -> dict[str, str]:
    """Stock the shop and sell something; return what stands for the parameters of a route."""
    _, order_id = shop.paid(MUG=1)
    return {"order_id": order_id, "slug": "green-tea", "number": "0", "when": "2026-11", "name": "ledger"}


def addresses(filled: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Give method, path and a real address of every declared route."""
    for method, path in sorted(staff.declared):
        parts = [
            filled.get(part.strip("{}"), "0" * 32) if part.startswith("{") else part
            for part in path.split("/")
        ]
        yield method, path, "/".join(parts)


def asked(gateway: Gateway, jar: dict[str, str], method: str, address: str) -> Answer:
    """Ask with somebody's cookies; a change is asked for with an empty form."""
    visitor = Shopper(gateway, dict(jar))
    return visitor.post(address) if method == "POST" else visitor.get(address)


def is_private(answer: Answer) -> bool:
    """Return whether no browser or cache keeps an answer, and no page frames it."""
    policy = answer.headers["content-security-policy"].split("; ")
    return answer.headers["cache-control"] == "private, no-store" and "frame-ancestors 'none'" in policy


def test_every_route_lets_in_whom_it_declares_and_nobody_else(shop: Shop, filled: dict[str, str]) -> None:
    jars: dict[str, dict[str, str]] = {
        "nobody": {},
        "finance": logged_in(shop.gateway, "finance").jar,
        "merchant": logged_in(shop.gateway, "merchant").jar,
    }
    last = ("POST", "/staff/logout")  # it ends the session that the others need
    walked = sorted(addresses(filled), key=lambda route: route[:2] == last)
    for method, path, address in walked:
        may = staff.declared[method, path]
        for role, jar in jars.items():
            answer = asked(shop.gateway, jar, method, address)
            told = (role, method, address, answer.status, answer.text[:200])
            assert is_private(answer), told
            assert answer.status < 500, told
            to_login = answer.status == 303 and "/staff/login" in answer.location
            if may == PUBLIC or role in may:
                assert REFUSAL not in answer.text, told
                assert not to_login or path == "/staff/logout", told
            elif role == "nobody":
                assert to_login, told
                assert answer.body == "", told
            else:
                assert answer.status == 403, told
                assert REFUSAL in answer.text, told


def test_finance_can_post_whatever_they_like_and_nothing_in_the_shop_changes(
    shop: Shop, filled: dict[str, str]
) -> None:
    finance = logged_in(shop.gateway, "finance")
    before = _shop_rows()
    for method, path, address in addresses(filled):
        if method != "POST" or path == "/staff/logout":
            continue
        for form in (
            {},
            {"form": "0" * 32, "number": "1", "email": "finance@shop.example", "role": "merchant"},
        ):
            finance.post(address, form)
    assert finance.get("/staff/account").status == 200
    assert _shop_rows() == before


def test_another_sites_page_can_press_no_button(shop: Shop, filled: dict[str, str]) -> None:
    merchant = logged_in(shop.gateway, "merchant")
    before = _shop_rows()
    for method, _, address in addresses(filled):
        if method == "POST":
            for site in ("cross-site", "same-site"):
                answer = merchant.post(address, {}, Sec_Fetch_Site=site)
                assert (answer.status, "came from another site" in answer.text) == (403, True), address
    assert _shop_rows() == before


def _shop_rows() -> dict[str, list[str]]:
    """Read every row of the shop's own tables, and of the accounts."""
    from chalicelib.tables import all_tables

    loose = ("staff-sessions", "audit-log", "scheduled-runs")  # logging in and guessing are written there
    tables = [table for table in all_tables() if not table.Meta.table_name.endswith(loose)]
    return {table.__name__: sorted(_told(row) for row in table.scan()) for table in tables}


def _told(row: Any) -> str:
    values = {
        name: sorted(value) if kind == "SS" else value
        for name, typed in row.to_dynamodb_dict().items()
        for kind, value in typed.items()
    }
    return json.dumps(values, sort_keys=True)


# -- the trail --------------------------------------------------------------------------------------------


def actions() -> Iterator[tuple[str, str, ast.Module]]:
    """Give module and name of every view that a POST leads to, and the module's code."""
    for (method, _), view in staff.views.items():
        if method == "POST":
            assert isinstance(view, LazyFunction)
            module, name, tree = view.module, view.name, module_tree(view.module)
            if (method_name := method_behind(tree, name)) is not None:
                module, name, tree = part_page.__name__, method_name, module_tree(part_page.__name__)
            yield module, name, tree


def module_tree(module: str) -> ast.Module:
    return ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))


def method_behind(tree: ast.Module, name: str) -> str | None:
    """Name the method of PartPage that a view is, as in `show, change = PAGE.show, PAGE.change`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("(PAGE."):
            values = ast.unparse(node.value).strip("()").replace("PAGE.", "").split(", ")
            return dict(zip(ast.unparse(node.targets[0]).strip("()").split(", "), values, strict=True))[name]
    return None


def reached(tree: ast.Module, name: str) -> set[str]:
    """List what a function calls, itself and through the functions of its own module: `audit_log.writer_for`."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        body = functions.get(ahead.pop().removeprefix("self."))
        for node in ast.walk(body) if body else ():
            if isinstance(node, ast.Name | ast.Attribute):
                words = ast.unparse(node)
                if words not in seen:
                    seen.add(words)
                    ahead.append(words)
    return seen


def test_every_action_writes_into_the_trail() -> None:
    found = list(actions())
    posts = [path for method, path in staff.declared if method == "POST"]
    assert len(found) == len(posts)
    silent = [
        f"{module}.{name}"
        for module, name, tree in found
        if name not in UNWRITTEN
        and not reached(tree, name) & {"audit_log.writer_for", "audit_log.record", "job_queue.start"}
    ]
    assert silent == []


def test_an_unknown_staff_url_is_a_staff_page_for_members_and_a_shop_page_for_others(
    standing_shop: Shop,
) -> None:
    for role in ("merchant", "finance"):
        page = logged_in(standing_shop.gateway, role).get("/staff/xyz/no-such")
        assert (page.status, "Go to the staff pages" in page.text) == (404, True)
        assert page.headers["cache-control"] == "private, no-store"
        assert "Go to the shop" not in page.text
    stranger = standing_shop.shopper().get("/staff/xyz")
    assert (stranger.status, "Go to the shop" in stranger.text) == (404, True)
    assert logged_in(standing_shop.gateway, "merchant").post("/staff/xyz").status == 405
