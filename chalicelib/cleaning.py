"""Clean text that people type or paste, before it is validated: in forms, addresses and catalog files.

Text comes with invisible characters: direction marks around a telephone number from a contact list, soft
hyphens from a word processor, zero-width spaces from a web page, no-break spaces from a spreadsheet. They are
removed, or become plain spaces. Invisible characters that change their neighbours stay: joiners in Persian and
Indic words and within emoji, variation selectors after Han characters and symbols.

Control characters that are no white space stay, too: `find_control_character` finds them, so that an error can
name them. Passwords are never cleaned.
"""

import re
import unicodedata
from itertools import groupby

# Unicode's default-ignorable code points, which are invisible, and interlinear annotation.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_LINE_BREAK = re.compile("\r\n|[\n\v\f\r\x85\u2028\u2029]")
_SPACE = re.compile("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")  # includes the Braille blank
_LEADING_TABS = re.compile("^[ \t]*\t", re.M)
# Controls, noncharacters, and surrogates, which JSON can contain and no page can show.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_TAG_SEQUENCE = re.compile(
    "\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"
)  # the flags of England, Scotland, Wales
# First and last characters of the scripts in which a joiner changes its neighbours: Arabic, Syriac, Indic,
# Khmer, Mongolian and their neighbours.
_JOINING = ("\u0600\u109f", "\u1780\u18af", "\u1a00\u1cff", "\ua840\uaaff", "\ufb50\ufdff", "\ufe70\ufefc", "\U00010ac0\U00011fff")  # fmt: skip
# Han, Myanmar and Phags-pa, whose characters have variants.
_VARYING = ("\u1000\u109f", "\u3005\u3007", "\u3400\u9fff", "\ua840\ua877", "\uf900\ufaff", "\U00020000\U0003ffff")  # fmt: skip
_EMOJI_PUNCTUATION = "\u203c\u2049\u2139\u3030\u303d"
_HYPHENS = re.compile("[\u2010-\u2015\u2043\u2212\ufe58]|(?<=[0-9])\u30fc(?=[0-9])")


def clean_line(text: str) -> str:
    """Return a text as one line: without invisible characters, with plain spaces, trimmed, in Unicode's NFC."""
    return _visible(_SPACE.sub(" ", _LINE_BREAK.sub(" ", text))).strip(" ")


def clean_lines(text: str) -> str:
    """Return a text of several lines, each cleaned, with line feeds and no empty lines around it.

    Tabs at the beginning of a line become four spaces, so that nested lists stay nested.
    """
    text = _LEADING_TABS.sub(lambda tabs: tabs[0].expandtabs(4), _LINE_BREAK.sub("\n", text))
    lines = _visible(_SPACE.sub(" ", text)).split("\n")
    return "\n".join(line.rstrip(" ") for line in lines).strip("\n ")


def clean_code(text: str) -> str:
    """Return a number or a code, such as a postal code, in plain characters.

    Full-width letters and digits of other scripts become ASCII, dashes become hyphens; invisible characters are
    removed, and no two spaces are adjacent. Superscripts, fractions and circled numbers are no digits, and stay.
    """
    parts = groupby(_INVISIBLE.sub("", clean_line(text)), lambda each: unicodedata.category(each) == "No")
    plain = "".join(
        "".join(part) if kept else unicodedata.normalize("NFKC", "".join(part)) for kept, part in parts
    )
    digits = "".join(str(unicodedata.decimal(each, each)) for each in plain)
    return re.sub(" +", " ", _HYPHENS.sub("-", clean_line(digits)))


def find_control_character(text: str) -> str | None:
    """Return the name, such as U+0007, of the first character of a cleaned text that cannot be shown; None if all can."""
    found = _CONTROL.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def _visible(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    if not _INVISIBLE.search(text):
        return text
    flags = {place for found in _TAG_SEQUENCE.finditer(text) for place in range(*found.span())}
    kept: list[str] = []
    for place, character in enumerate(text):
        if (
            place in flags
            or not _INVISIBLE.match(character)
            or _belongs(kept[-1] if kept else " ", character, text[place + 1 : place + 2] or " ")
        ):
            kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))


def _belongs(before: str, character: str, behind: str) -> bool:
    """Return whether an invisible character changes how its neighbours are drawn, as Unicode intends."""
    symbol = unicodedata.category(before)[0] == "S"
    if character in "\u200c\u200d":
        if _is_of(
            _JOINING, before
        ):  # a ZWJ after a virama makes a letter of its own, also at the end of a word
            is_letter = character == "\u200d" and unicodedata.combining(before) == 9
            return is_letter or _is_of(_JOINING, behind)
        is_emoji = (symbol or before in "\ufe0e\ufe0f") and unicodedata.category(behind)[0] == "S"
        return character == "\u200d" and is_emoji
    if "\ufe00" <= character <= "\ufe02" or "\U000e0100" <= character <= "\U000e01ef":
        return symbol or _is_of(_VARYING, before)
    if character in "\ufe0e\ufe0f":
        is_keycap = before in "0123456789#*" and behind == "\u20e3"
        return is_keycap or symbol or before in _EMOJI_PUNCTUATION
    return character in "\u180b\u180c\u180d\u180f" and "\u1800" <= before <= "\u18af"


def _is_of(scripts: tuple[str, ...], character: str) -> bool:
    return any(script[0] <= character <= script[1] for script in scripts)
