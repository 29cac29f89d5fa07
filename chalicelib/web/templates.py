"""Jinja's environment, and what every template gets."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from chalice.app import Request
from jinja2 import (
    Environment,
    FileSystemLoader,
    ModuleLoader,
    StrictUndefined,
    pass_context,
    select_autoescape,
)
from jinja2.runtime import Context

from chalicelib import money
from chalicelib.config import settings
from chalicelib.web import http_request, image_urls
from chalicelib.web.urls import absolute_url, static_url, url

TEMPLATES = Path(__file__).parents[2] / "templates"
COMPILED = TEMPLATES.with_name("compiled_templates")  # the compiled templates, which packages contain instead

_public_processors: list[Callable[[], Mapping[str, Any]]] = []
_request_processors: list[Callable[[Request], Mapping[str, Any]]] = []


def public_context_processor(function: Callable[[], Mapping[str, Any]]) -> Callable[[], Mapping[str, Any]]:
    """Register a function without parameters whose values every template gets."""
    _public_processors.append(function)
    return function


def context_processor(
    function: Callable[[Request], Mapping[str, Any]],
) -> Callable[[Request], Mapping[str, Any]]:
    """Register a function of the request whose values the templates of a visitor's pages get."""
    _request_processors.append(function)
    return function


# -- templates --------------------------------------------------------------------------------------------


@pass_context
def _money_filter(context: Context, amount: int, currency: str | None = None) -> str:
    return money.format_money(amount, currency or context.get("currency") or settings.currency)


def _local_moment(iso: str) -> str:
    moment = datetime.fromisoformat(iso).astimezone(settings.timezone)
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def _address_lines(customer: Mapping[str, Any]) -> list[str]:
    from chalicelib import postal  # a shopper's first page does without

    return postal.address_lines(customer)


def paragraphs(text: str) -> list[str]:
    """Split a text at its empty lines."""
    return [part.strip() for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return Jinja's environment, created once: everything but plain text is escaped, undefined values raise."""
    made = Environment(
        loader=ModuleLoader(COMPILED) if COMPILED.is_dir() else FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(url=url, absolute_url=absolute_url, static=static_url)
    made.globals.update(media=image_urls.media_url, sizes_of=image_urls.sizes_of)
    made.filters.update(
        money=_money_filter,
        decimal=lambda amount: money.to_decimal_string(amount, settings.currency),
        moment=_local_moment,
        address_lines=_address_lines,
    )
    return made


def render(template: str, /, **values: Any) -> str:
    """Render a page made for one visitor, with the values of all context processors."""
    context: dict[str, Any] = {}
    request = http_request.current()
    for public in _public_processors:
        context.update(public())
    if request is not None:
        for private in _request_processors:
            context.update(private(request))
    return environment().get_template(template).render({**context, **values})


def render_public(template: str, /, **values: Any) -> str:
    """Render a page that is the same for everybody: no context processor sees the request."""
    context: dict[str, Any] = {}
    for public in _public_processors:
        context.update(public())
    return environment().get_template(template).render({**context, **values})
