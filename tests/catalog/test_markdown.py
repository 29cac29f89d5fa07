"""What a product's text may be made of, and that nothing else gets out of it."""

import re
import time
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.catalog import markdown_text
from chalicelib.catalog.editing.product_validation import MAX_TEXT_LENGTH
from tests.catalog.product_factory import fill, product, variant
from tests.catalog.test_product_page import documents
from tests.client import Shopper

ALLOWED = {"p", "em", "strong", "ul", "ol", "li", "h2", "h3", "a", "br"}
TEXT = """\
# Bright and grassy

From the *first* pick, **steamed** at once. See [the garden](https://garden.example/tea?a=1&b=2).

- 70 degrees
- two minutes

1. Warm the pot.
2. Wait.
"""


class Reader(HTMLParser):
    """Collect the tags and attributes of a page."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def assert_harmless(rendered: str) -> None:
    for tag, attributes in Reader(rendered).tags:
        assert tag in ALLOWED, rendered
        if tag == "a":
            assert set(attributes) <= {"href", "rel", "title"}
            assert attributes["rel"] == "noopener nofollow"
            assert re.match(r"(https?://|mailto:)", attributes["href"] or "", re.I), rendered
        else:
            assert set(attributes) <= ({"start"} if tag == "ol" else set()), rendered


def folded(rendered: str) -> str:
    return "".join(unescape(rendered).split())


def test_paragraphs_emphasis_lists_headings_and_links_are_shown() -> None:
    assert str(markdown_text.render_html(TEXT)) == (
        "<h2>Bright and grassy</h2>\n"
        "<p>From the <em>first</em> pick, <strong>steamed</strong> at once. "
        'See <a href="https://garden.example/tea?a=1&amp;b=2" rel="noopener nofollow">the garden</a>.</p>\n'
        "<ul>\n<li>70 degrees</li>\n<li>two minutes</li>\n</ul>\n"
        "<ol>\n<li>Warm the pot.</li>\n<li>Wait.</li>\n</ol>\n"
    )


def test_headings_stay_below_the_pages_own() -> None:
    assert re.findall(r"<h.>", markdown_text.render_html("# a\n\n## b\n\n### c\n\n###### d")) == [
        "<h2>",
        "<h3>",
        "<h3>",
        "<h3>",
    ]


def test_plain_words_have_no_marks_and_no_addresses() -> None:
    assert markdown_text.render_text(TEXT) == (
        "Bright and grassy\nFrom the first pick, steamed at once. See the garden.\n"
        "70 degrees\ntwo minutes\nWarm the pot.\nWait."
    )


@pytest.mark.parametrize(
    "plain",
    [
        "One line.",
        "Two\n\nparagraphs & a <b>\n\nlast one",
        "a line\nthat breaks",
        "9 - 5 = 4; 50 % off: 3.20 (!)",
    ],
)
def test_a_text_without_marks_is_shown_as_it_always_was(plain: str) -> None:
    assert re.findall(r"<p>(.*?)</p>", markdown_text.render_html(plain), re.S) == [
        part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for part in plain.split("\n\n")
    ]
    assert markdown_text.render_text(plain) == plain


@given(st.text(alphabet="ab .,:;!?&<>\"'=()/%-+1\n", max_size=60))
def test_a_text_without_marks_is_what_the_parser_makes_of_it(written: str) -> None:
    tidy = "\n".join(line.strip() for line in written.strip().split("\n"))
    if not markdown_text.needs_parser(tidy):
        by_the_parser = markdown_text.render_html(f"{tidy}\n\n\\*").removesuffix("<p>*</p>\n")
        assert folded(markdown_text.render_html(tidy)) == folded(by_the_parser)


@pytest.mark.parametrize(
    "nasty",
    [
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](java\tscript:alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](\\javascript:alert(1))",
        "[a](<javascript:alert(1)>)",
        "[a](data:text/html;base64,AAAA)",
        "[a](vbscript:x)",
        "[a](//elsewhere.example)",
        "[a](/staff/logout)",
        "[a](https:elsewhere)",
        "[a](mailto:)",
        "![a](https://elsewhere.example/pixel.png)",
        '[a](https://x.example/"onmouseover="alert(1))',
        '[a](https://x.example "\\" onclick=\\"alert(1)")',
        "[a](https://x.example/<script>alert(1)</script>)",
        "[<img src=x onerror=alert(1)>](https://x.example)",
        "<script>alert(1)</script> *x*",
        "<img src=x onerror=alert(1)> **x**",
        "<a href='javascript:alert(1)'>*x*</a>",
        "<https://x.example> *x*",
        "<javascript:alert(1)> *x*",
        "&lt;script&gt; *x* &#60;script&#62;",
        "[a]: javascript:alert(1)\n\n[a]",
        "```html\n<script>alert(1)</script>\n```\n*x*",
        "# <svg onload=alert(1)>",
        "- <b onclick=alert(1)>x</b>",
        "*</p><script>alert(1)</script>*",
        "**\u2028<script>**",
    ],
)
def test_nothing_but_our_few_marks_becomes_markup(nasty: str) -> None:
    shown = markdown_text.render_html(nasty)
    assert_harmless(shown)
    assert "<script" not in shown


@given(st.text(alphabet="*_[]()<>#\\-+1. \n\t\"'&;:/ahtps!`~|", max_size=200))
@example("[](")  # a link that leads nowhere
def test_no_jumble_of_marks_gets_out(jumble: str) -> None:
    assert_harmless(markdown_text.render_html(jumble))
    assert_harmless(markdown_text.render_html(f"[a](https://x.example/{jumble})"))
    markdown_text.render_text(jumble)


@pytest.mark.parametrize(
    "piece",
    ["[", "*", "*a ", "**a", "*_", "[a](", "[a](<", "![", "[](", "- ", "> ", "1. ", "# ", "\\", "_a__b"],
)
def test_no_text_takes_long(piece: str) -> None:
    long = (piece * MAX_TEXT_LENGTH)[:MAX_TEXT_LENGTH]
    began = time.process_time()
    assert_harmless(markdown_text.render_html(long))
    markdown_text.render_text(long)
    assert time.process_time() - began < 3


def test_lists_within_lists_end_somewhere() -> None:
    deep = "\n".join("  " * depth + "- a" for depth in range(200))
    assert 3 < markdown_text.render_html(deep).count("<ul>") <= markdown_text.MAX_DEPTH


def test_a_products_page_shows_it_and_tells_search_engines_the_words(shopper: Shopper) -> None:
    fill(product("sencha", variant("S"), text=TEXT))
    body = shopper.get("/products/sencha").body
    assert "<em>first</em>" in body
    assert "**" not in body
    assert documents(body)["Product"]["description"].startswith("Bright and grassy\nFrom the first pick")
    assert re.search(r'<meta name="description" content="Bright and grassy From the first pick', body)


def test_marks_and_addresses_are_no_words_to_search_for(shopper: Shopper) -> None:
    fill(product("sencha", variant("S"), text=TEXT))
    assert "Sencha" in shopper.get("/search?q=steamed").text
    assert 'href="/products/sencha"' not in shopper.get("/search?q=example").body
