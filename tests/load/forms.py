"""The forms of a page, filled in as they come: what a browser would send if somebody pressed each button."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

TYPED = "Something"  # into what must not stay empty
KINDS = {
    "email": "somebody@example.com",
    "number": "1",
    "date": "2026-11-20",
    "url": "https://example.com",
    "password": "linen awning at noon",
}


@dataclass
class Form:
    """Where a form goes, by which method, and its fields."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self, address: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._address = address
        self._select = ""
        self._text: str | None = None
        self._written = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = values.get("action") or self._address
            self.forms.append(Form(action, values.get("method", "get").lower()))
        elif not self.forms:
            return
        elif tag == "input":
            self._take(values)
        elif tag == "button" and values.get("name"):
            self._fields.setdefault(values["name"], values.get("value", ""))
        elif tag == "select":
            self._select = values.get("name", "")
        elif tag == "option" and self._select and ("selected" in values or self._select not in self._fields):
            self._fields[self._select] = values.get("value", "")
        elif tag == "textarea":
            self._text, self._written = values.get("name", ""), ""

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._written += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text is not None:
            self._fields[self._text] = self._written.strip() or TYPED
            self._text = None
        elif tag == "select":
            self._select = ""

    @property
    def _fields(self) -> dict[str, str]:
        return self.forms[-1].fields

    def _take(self, values: dict[str, str]) -> None:
        name, kind = values.get("name", ""), values.get("type", "text")
        if not name or kind == "file":
            return
        if kind == "radio" and "checked" not in values and name in self._fields:
            return
        if kind in ("checkbox", "radio"):
            self._fields[name] = values.get("value", "on")  # ticked: most say yes, I am sure
        else:
            typed = KINDS.get(kind, TYPED) if "required" in values else ""
            self._fields[name] = values.get("value") or typed


def forms_of(address: str, html: str) -> list[Form]:
    """Read the forms of the page at an address."""
    reader = _Reader(address)
    reader.feed(html)
    return reader.forms
