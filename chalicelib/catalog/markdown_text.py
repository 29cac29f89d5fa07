"""Products' texts: a small, safe part of Markdown, as a page shows it and as plain words.

Paragraphs, *emphasis*, **strong**, lists, two levels of headings, and links to http, https and mailto. Everything
else, HTML too, is shown as it was typed.
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
MAX_DEPTH = 12  # lists within lists; what is deeper is shown as it was typed
# Without one of these a text is paragraphs and nothing else: most are, and need no parser, which takes 25 ms to import.
_MARKS = re.compile(r"[*_#\[\\]|^ {0,3}([-+]|[0-9]{1,9}[.)])([ \t]|$)", re.M)
_ADDRESS = re.compile(r"(https?://[^/?#\s]|mailto:[^/\s])", re.I)
_REL = "noopener nofollow"


def render_html(text: str) -> Markup:
    """Render a text; the result holds no markup but ours."""
    if not needs_parser(text):
        return Markup("\n").join(Markup("<p>{}</p>").format(part) for part in paragraphs(text))
    return Markup(_parser().render(text))  # noqa: S704 - the parser escapes all that is not one of its few marks


def render_text(text: str) -> str:
    """Return a text's words without its marks and addresses, paragraphs and list items on lines of their own."""
    if not needs_parser(text):
        return text
    blocks = (_words(token.children or []) for token in _parser().parse(text) if token.type == "inline")
    return "\n".join(block for block in blocks if block)


def needs_parser(text: str) -> bool:
    """Return a text with marks from one that is paragraphs and nothing else."""
    return _MARKS.search(text) is not None


def _words(tokens: "Sequence[Token]") -> str:
    return "".join("\n" if token.type == "hardbreak" else token.content for token in tokens)


@cache
def _parser() -> "MarkdownIt":
    # Imported here: most products' texts have no marks, and shoppers wait for a cold start.
    from markdown_it import MarkdownIt

    parser = MarkdownIt("zero", {"maxNesting": MAX_DEPTH}).enable(RULES)
    parser.validateLink = _may_lead  # type: ignore[method-assign]  # its documented way
    parser.core.ruler.push("ours", _postprocess)
    return parser


def _may_lead(url: str) -> bool:
    return _ADDRESS.match(url) is not None


def _postprocess(state: "StateCore") -> None:
    """Put headings below the page's own, and keep links from telling or vouching."""
    for token in state.tokens:
        if token.type.startswith("heading_"):
            token.tag = "h2" if token.tag == "h1" else "h3"
        leads_nowhere = False
        for child in token.children or []:
            if child.type == "link_open":
                leads_nowhere = not child.attrs["href"]  # as of [this]()
                child.attrs["rel"] = _REL
            if leads_nowhere and child.type in ("link_open", "link_close"):
                child.type, child.attrs = "text", {}  # without content: what stands between them stays
