"""SVG drawings: taken as they are, if all that they do is show."""

import base64
import binascii
import re
from xml.parsers import expat

from chalicelib.catalog.photos import NoPicture, has_metadata

MAX_BYTES = 500 * 1024
SVG = "http://www.w3.org/2000/svg"
XHTML = "http://www.w3.org/1999/xhtml"
_BEGINNING = re.compile(rb"(\xef\xbb\xbf)?\s*<|\xff\xfe<\x00|\xfe\xff\x00<")
# What runs, embeds or changes addresses. In an <img> none of it works; opened at its own address it would.
_ACTIVE = {"script", "foreignobject", "iframe", "handler", "listener", "set", "embed", "object"}
_EMBEDDED = re.compile(r"\s*data:image/(?:png|jpeg|webp);base64,(.*)", re.I | re.S)
_OUTSIDE = re.compile(r"@import|url\(\s*(?!['\"]?\s*#)|\\", re.I)  # a backslash would hide either in a style


def is_markup(body: bytes) -> bool:
    """Return whether a file begins as XML and HTML do, and no photograph does."""
    return _BEGINNING.match(body) is not None


def check_svg(body: bytes) -> None:
    """Refuse an SVG that could run scripts, needs other files, tells of people, or blows up when it is read."""
    if len(body) > MAX_BYTES:
        raise NoPicture(f"This SVG is larger than {MAX_BYTES // 1024} KB.")
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    inside: list[str] = []

    def refuse(what: str) -> None:
        raise NoPicture(f"This SVG has {what}. Please save it as a plain SVG.")

    def start(element: str, attributes: dict[str, str]) -> None:
        namespace, _, local = element.rpartition(" ")
        if not inside and (namespace, local) != (SVG, "svg"):
            raise NoPicture("This is no SVG.")
        if namespace == XHTML or local.lower() in _ACTIVE or local.lower().startswith("animate"):
            refuse(f"<{local}>")
        for attribute, value in attributes.items():
            plain = attribute.rpartition(" ")[2].lower()
            if plain.startswith("on"):
                refuse(f"the attribute {plain}")
            if plain in ("href", "src"):
                check_address(value)
            elif "url(" in value.lower() or plain == "style":
                check_style(value)
        inside.append(local.lower())

    def check_address(value: str) -> None:
        embedded = _EMBEDDED.match(value)
        if embedded is not None:
            _check_embedded(embedded[1])
        elif not value.lstrip().startswith("#"):
            refuse(f"an address outside itself, {value[:60]!r}")

    def check_style(text: str) -> None:
        if _OUTSIDE.search(text):
            refuse(f"a style that loads something, {text.strip()[:60]!r}")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: inside.pop()
    parser.CharacterDataHandler = lambda text: check_style(text) if inside[-1] == "style" else None
    parser.StartDoctypeDeclHandler = lambda *_: refuse("a DOCTYPE")
    parser.ProcessingInstructionHandler = lambda *_: refuse("a processing instruction")
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise NoPicture(f"This is no SVG: {error}.") from error


def _check_embedded(text: str) -> None:
    try:
        has_more = has_metadata(base64.b64decode(re.sub(r"\s", "", text), validate=True))
    except (binascii.Error, NoPicture) as error:
        raise NoPicture(
            "This SVG has a picture inside that is damaged. Please save it as a plain SVG."
        ) from error
    if has_more:
        raise NoPicture(
            "This SVG has a photograph inside that tells of its camera, place or people. Please send the photograph itself."
        )
