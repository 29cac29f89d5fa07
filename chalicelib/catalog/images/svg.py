"""SVG drawings: accepted if they only draw, without metadata of editors and people."""

import base64
import binascii
import re
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from chalicelib.catalog.images.processing import InvalidImage, has_metadata

MAX_BYTES = 500 * 1024
SVG = "http://www.w3.org/2000/svg"
XHTML = "http://www.w3.org/1999/xhtml"
XLINK = "http://www.w3.org/1999/xlink"
_BEGINNING = re.compile(rb"(\xef\xbb\xbf)?\s*<|\xff\xfe<\x00|\xfe\xff\x00<")
# Elements that run scripts, embed files or change addresses. In an <img> none of them works; opened at its own
# address they would.
_UNSAFE_ELEMENTS = {"script", "foreignobject", "iframe", "handler", "listener", "set", "embed", "object"}
_EMBEDDED = re.compile(r"\s*data:image/(?:png|jpeg|webp);base64,(.*)", re.I | re.S)
_OUTSIDE = re.compile(r"@import|url\(\s*(?!['\"]?\s*#)|\\", re.I)  # a backslash would hide either in a style


def is_markup(body: bytes) -> bool:
    """Return whether a file begins like XML and HTML, and no photograph does."""
    return _BEGINNING.match(body) is not None


def process_svg(body: bytes) -> bytes:
    """Return an SVG without metadata, comments, and elements and attributes of other vocabularies.

    These contain data on people, places and an editor's files, and draw nothing. A file without any is returned
    unchanged. Raises InvalidImage for one that could run scripts, needs other files, or expands excessively
    when it is read.
    """
    if len(body) > MAX_BYTES:
        raise InvalidImage(f"This SVG is larger than {MAX_BYTES // 1024} KB.")
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.namespace_prefixes = True
    inside: list[str] = []
    sheet: list[str] = []  # a style's text, which comments may split
    kept: list[str] = []
    names: dict[str, str] = {}  # the namespaces that the next element declares
    dropped = False
    dropping = 0  # the depth in elements that are dropped

    def refuse(what: str) -> None:
        raise InvalidImage(f"This SVG contains {what}. Please save it as a plain SVG.")

    def declare(prefix: str | None, namespace: str | None) -> None:
        nonlocal dropped
        if namespace in (SVG, XLINK):
            names[f"xmlns:{prefix}" if prefix else "xmlns"] = namespace
        else:
            dropped = True

    def start(element: str, attributes: dict[str, str]) -> None:
        nonlocal dropped, dropping
        namespace, local, name = _parts(element)
        if not inside and (namespace, local) != (SVG, "svg"):
            raise InvalidImage("This isn’t an SVG.")
        if namespace == XHTML or local.lower() in _UNSAFE_ELEMENTS or local.lower().startswith("animate"):
            refuse(f"<{local}>")
        if "style" in inside:
            refuse(f"<{local}> in a style")
        written = dict(names)
        names.clear()
        for attribute, value in attributes.items():
            vocabulary, plain, full = _parts(attribute)
            if vocabulary in ("", XLINK) or full in ("xml:lang", "xml:space"):
                written[full] = value
            else:
                dropped = True
            plain = plain.lower()
            if plain.startswith("on"):
                refuse(f"the attribute {plain}")
            if plain in ("href", "src"):
                check_address(value)
            elif "url(" in value.lower() or plain == "style":
                check_style(value)
        inside.append(local.lower())
        if dropping or namespace != SVG or local == "metadata":
            dropped = True
            dropping += 1
        else:
            kept.append(f"<{name}{''.join(f' {each}={quoteattr(text)}' for each, text in written.items())}>")

    def end(element: str) -> None:
        nonlocal dropping
        if inside.pop() == "style":
            check_style("".join(sheet))
            sheet.clear()
        if dropping:
            dropping -= 1
        else:
            kept.append(f"</{_parts(element)[2]}>")

    def say(text: str) -> None:
        if "style" in inside:
            sheet.append(text)
        if not dropping:
            kept.append(escape(text, {"\r": "&#13;"}))

    def comment(_: str) -> None:
        nonlocal dropped
        dropped = True

    def check_address(value: str) -> None:
        embedded = _EMBEDDED.match(value)
        if embedded is not None:
            _check_embedded(embedded[1])
        elif not value.lstrip().startswith("#"):
            refuse(f"a link to another file, {value[:60]!r}")

    def check_style(text: str) -> None:
        if _OUTSIDE.search(text):
            refuse(f"a style that loads another file, {text.strip()[:60]!r}")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = say
    parser.CommentHandler = comment
    parser.StartNamespaceDeclHandler = declare
    parser.StartDoctypeDeclHandler = lambda *_: refuse("a DOCTYPE")
    parser.ProcessingInstructionHandler = lambda *_: refuse("a processing instruction")
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise InvalidImage(f"This isn’t a valid SVG: {error}.") from error
    return "".join(kept).encode() if dropped else body


def _parts(name: str) -> tuple[str, str, str]:
    """Split expat's name: its namespace, its local name, and its name in the file."""
    namespace, local, prefix = (*name.split(" "), "")[:3] if " " in name else ("", name, "")
    return namespace, local, f"{prefix}:{local}" if prefix else local


def _check_embedded(text: str) -> None:
    try:
        has_more = has_metadata(base64.b64decode(re.sub(r"\s", "", text), validate=True))
    except (binascii.Error, InvalidImage) as error:
        raise InvalidImage("This SVG contains a damaged image. Please save it as a plain SVG.") from error
    if has_more:
        raise InvalidImage(
            "This SVG contains a photo with metadata about its camera, location or people. Please upload the photo itself."
        )
