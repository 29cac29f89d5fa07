"""Detect the 8-bit encoding of a CSV file, by whether its letters form words of a language.

Spreadsheets save CSV in the encoding of their Windows or Mac, and the file does not name it: `¿ó³ta` is Polish `żółta` read
as Western. A word counts for an encoding if all its letters are in one language's alphabet, in one case, without a currency
sign among them. Western European is assumed, unless one language of another encoding explains more words.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

ICELANDIC = "Icelandic and Faroese"
# Alphabets beyond ASCII, loanwords' letters included, as CLDR's exemplar characters list them.
_WESTERN = {
    "German": "äöüßéàèêç",
    "French": "àâæçéèêëîïôœùûüÿ",
    "Spanish": "áéíñóúüç",
    "Portuguese": "áâãàçéêíóôõúü",
    "Italian": "àèéìîòóù",
    "Catalan": "àçèéíïòóúü",
    "Dutch": "áäàçéèêëíïóöúü",
    "Swedish and Finnish": "åäöéàüšž",
    "Danish and Norwegian": "æøåéèêòóôäöü",
    "Estonian": "õäöüšž",
    ICELANDIC: "áðéíóúýþæöø",
    "Albanian": "çë",
    "Welsh": "âêîôûïöëá",
}
_CENTRAL = {
    "Polish": "ąćęłńóśźż",
    "Czech": "áčďéěíňóřšťúůýž",
    "Slovak": "áäčďéíĺľňóôŕšťúýž",
    "Hungarian": "áéíóöőúüű",
    "Croatian, Serbian and Slovenian": "čćđšž",
    "Romanian": "ăâîşţ",
    "German": "äöüß",
    "Albanian": "çë",
}
_CYRILLIC = {
    "Russian": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
    "Ukrainian": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "Belarusian": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "Bulgarian": "абвгдежзийклмнопрстуфхцчшщъьюяѝ",
    "Serbian and Macedonian": "абвгдђежзијклљмнњопрстћуфхцчџшѓќѕ",
}
_HEBREW = {"Hebrew": "אבגדהוזחטיךכלםמןנסעףפץצקרשת"}
_GREEK = {"Greek": "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋ"}
_TURKISH = {"Turkish": "çğıöşüâîû\u0307"}  # small İ is i and a dot
_BALTIC = {"Lithuanian": "ąčęėįšųūž", "Latvian": "āčēģīķļņšūž", "Estonian": "õäöüšž"}
# The first is assumed; MAC_ROMAN for a file of an old Mac, whose lines end with a CR alone.
WINDOWS, MAC_ROMAN = "cp1252", "mac_roman"
_ENCODINGS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    WINDOWS: ("Windows-1252 (Western European)", _WESTERN),
    "cp1250": ("Windows-1250 (Central European)", _CENTRAL),
    "cp1255": (
        "Windows-1255 (Hebrew)",
        _HEBREW,
    ),  # before Cyrillic, whose small letters are at the same places
    "cp1251": ("Windows-1251 (Cyrillic)", _CYRILLIC),
    "cp1253": ("Windows-1253 (Greek)", _GREEK),
    "cp1254": ("Windows-1254 (Turkish)", _TURKISH),
    "cp1257": ("Windows-1257 (Baltic)", _BALTIC),
    MAC_ROMAN: ("Mac OS Roman (Western European)", _WESTERN),
    "mac_latin2": ("Mac OS Central European", _CENTRAL),
    "cp850": ("DOS code page 850 (Western European)", _WESTERN),
    "cp852": ("DOS code page 852 (Central European)", _CENTRAL),
}
MAX_WORDS = 500  # distinct ones; more add nothing
MIN_SHARE, MIN_SHARE_ELSEWHERE = 0.5, 0.75  # of the words that an encoding must explain
_TOKEN = re.compile(rb"[0-9A-Za-z'\x80-\xff]+")
_MEASURE = re.compile(
    r"[£€¥¢¤±~≈]*[0-9]+[£€¥¢¤°¼½¾²³¹ªº×]*|(?<=[mM])[²³]|(?<=[A-Za-z])¹\Z|(?<=\A[A-Za-z])[ªº]|\A[£€¥¢¼½¾×±°÷]+\Z"
)
_APART = re.compile(r"[\s\u00a0\u00ad'’‘–—…·•×]+")
_AROUND = "„“”‚«»‹›¡¿§©®™°%‰†‡²¶µ"
_BEFORE = _AROUND.replace("™", "")
_BEHIND = re.sub("[„‚¡¿§µ]", "", _AROUND)


class Encoding(NamedTuple):
    """An encoding: Python's name for it, and the usual one."""

    codec: str
    name: str


def find_encoding(data: bytes, likely: str = WINDOWS) -> Encoding | None:
    """Return the encoding of a file that is not UTF-8; None if no encoding makes words of enough of it."""
    tokens = _tokens(data)
    codecs = [likely, *(codec for codec in _ENCODINGS if codec != likely)]
    occurring = bytes(set(data))
    best: tuple[float, str] = (-1.0, "")
    for codec in codecs:
        if not _can_decode(occurring, codec):
            continue
        words = [token.decode(codec) for token in tokens]
        languages = _languages(words, codec)
        score = float(max(sum(_is_word(word, letters) for word in words) for letters in languages))
        if codec == likely:  # texts in several languages count for it, too
            score += 0.75 * (_count_words(words, languages) - score)
        if not best[1] or score >= best[0] + (1 if best[1] == likely else 0.01):
            best = score, codec
    if not best[1]:
        return None
    codec = best[1]
    words = [token.decode(codec) for token in tokens]
    share = MIN_SHARE if codec == likely else MIN_SHARE_ELSEWHERE
    if _count_words(words, _languages(words, codec)) < share * len(words):
        return None
    return Encoding(codec, _ENCODINGS[codec][0])


def _tokens(data: bytes) -> Collection[bytes]:
    tokens: dict[bytes, None] = {}
    for found in _TOKEN.finditer(data):
        if not found[0].isascii():
            tokens[found[0]] = None
            if len(tokens) >= MAX_WORDS:
                break
    return tokens


def _can_decode(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _languages(words: Collection[str], codec: str) -> list[str]:
    """Return the alphabets that words may be in: without Icelandic vowels, ð, þ and ý are Turkish or Baltic letters."""
    languages = dict(_ENCODINGS[codec][1])
    icelandic, vowels = (sum(bool(set(word.lower()) & set(of)) for word in words) for of in ("ðþý", "áéíóú"))
    if icelandic > vowels:
        languages.pop(ICELANDIC, None)
    return list(languages.values())


def _count_words(words: Collection[str], languages: Collection[str]) -> int:
    return sum(any(_is_word(word, letters) for letters in languages) for word in words)


def _is_word(text: str, alphabet: str) -> bool:
    """Return whether a text's non-ASCII characters are marks in their usual places, and letters of an alphabet."""
    return all(_is_spelled(part, alphabet) for part in _parts(text))


@lru_cache(maxsize=MAX_WORDS)
def _parts(text: str) -> tuple[str, ...]:
    """Return the parts of a text that are not pure ASCII, without measures and the marks around words."""
    parts = _APART.split(_MEASURE.sub(" ", text))
    stripped = (part.lstrip(_BEFORE).rstrip(_BEHIND) for part in parts)
    return tuple(part for part in stripped if not part.isascii())


def _is_spelled(word: str, alphabet: str) -> bool:
    if not word.isalpha() or any(
        before.islower() and behind.isupper() and not behind.isascii() for before, behind in pairwise(word)
    ):
        return False
    special = [letter for letter in word.lower() if not letter.isascii()]
    if not set(special) <= set(alphabet):
        return False
    if alphabet[0] > "\u036f":  # words in Greek, Cyrillic and Hebrew have no Latin letters
        return len(special) == len(word)
    return len(special) <= 2 or len(special) * 3 <= len(word) * 2
