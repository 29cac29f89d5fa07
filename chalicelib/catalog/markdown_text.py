"""Products' texts: a small, safe subset of Markdown, as HTML and as plain text.

Paragraphs, *emphasis*, **strong**, lists, two levels of headings, and links to http, https and mailto.
Everything else, including HTML, is shown as it was entered.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from chalicelib.web.templates import paragraphs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

RULES = ("emphasis", "escape", "heading", "link", "list")
MAX_DEPTH = 12  # of nested lists; deeper ones are shown as they were entered
# A text without any of these consists of paragraphs: most do, and need no parser, which takes 25 ms to import.
_MARKS = re.compile(r"[*_#\[\\]|^ {0,3}([-+]|[0-9]{1,9}[.)])([ \t]|$)", re.M)
_ADDRESS = re.compile(r"(https?://[^/?#\s]|mailto:[^/\s])", re.I)
_REL = "noopener nofollow"


def render_html(text: str) -> Markup:
    """Render a text as HTML; the result contains no other markup than the parser's."""
    if not needs_parser(text):
        return Markup("\n").join(Markup("<p>{}</p>").format(part) for part in paragraphs(text))
    return Markup(_parser().render(text))  # noqa: S704 - the parser escapes everything but its few marks


def render_text(text: str) -> str:
    """Return a text without its marks and addresses; paragraphs and list items are on lines of their own."""
    if not needs_parser(text):
        return text
    blocks = (_words(token.children or []) for token in _parser().parse(text) if token.type == "inline")
    return "\n".join(block for block in blocks if block)


def needs_parser(text: str) -> bool:
    """Return whether a text has marks, so that it is more than paragraphs."""
    return _MARKS.search(text) is not None


def _words(tokens: "Sequence[Token]") -> str:
    return "".join("\n" if token.type == "hardbreak" else token.content for token in tokens)


@cache
def _parser() -> "MarkdownIt":
    # Imported here: most products' texts have no marks, and it slows down a cold start.
    from markdown_it import MarkdownIt

    parser = MarkdownIt("zero", {"maxNesting": MAX_DEPTH}).enable(RULES)
    parser.validateLink = _may_lead  # type: ignore[method-assign]  # the documented way
    parser.core.ruler.push("ours", _postprocess)
    return parser


def _may_lead(url: str) -> bool:
    return _ADDRESS.match(url) is not None


def _postprocess(state: "StateCore") -> None:
    """Put headings below the page's own, and add rel attributes to links: no referrer, no endorsement."""
    for token in state.tokens:
        if token.type.startswith("heading_"):
            token.tag = "h2" if token.tag == "h1" else "h3"
        leads_nowhere = False
        for child in token.children or []:
            if child.type == "link_open":
                leads_nowhere = not child.attrs["href"]  # as of [this]()
                child.attrs["rel"] = _REL
            if leads_nowhere and child.type in ("link_open", "link_close"):
                child.type, child.attrs = "text", {}  # without content: what is between them stays
