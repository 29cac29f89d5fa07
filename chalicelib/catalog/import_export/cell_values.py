"""Parse a catalog file's cells, as spreadsheets of many countries write them. Pure; raises ValueError with a message for the merchant."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date

from chalicelib import money
from chalicelib.cleaning import clean_code

# Yes and no, and what spreadsheets make of true and false, in the languages of Europe and some others. “Ne” is no, as in
# Czech, Croatian, Slovenian and Lithuanian; “vale”, which is false in Estonian and fine in Spanish, is neither.
_YES_WORDS = """
    1 yes true ja wahr oui vrai sì vero sí si verdadero sim verdadeiro waar tak prawda ano áno pravda igen igaz sant sann
    sand kyllä tosi да так истина істина da istina točno tačno evet doğru adevărat ναι αληθής jah tõene jā patiesa taip
    tiesa já satt bai egia cert はい 是 真 예 نعم כן
"""
_NO_WORDS = """
    0 no false nein falsch non faux falso não nee onwaar nie fałsz ne nepravda nem hamis nej falskt falsk nei usann ei
    epätosi нет ні не ложь хибність неистина netočno netačno hayır yanlış nu fals όχι ψευδής väär nē aplams netiesa
    ósatt ez いいえ 否 假 아니요 لا לא
"""
_MIDNIGHT = r"(?:[ T]0?0:00(?::00)?)?"
_SIGN = r"(?P<sign>(?P<dot>\.)|[-/])"
# Hungarians and Koreans write a full stop after the day.
_YEAR_FIRST = re.compile(
    rf"(?P<year>[0-9]{{4}}){_SIGN} ?(?P<month>[0-9]{{1,2}})(?P=sign) ?(?P<day>[0-9]{{1,2}})(?(dot)\.?){_MIDNIGHT}",
    re.ASCII,
)
# Croats write a full stop after the year, Bulgarians and Poles an abbreviation; after two digits it may be the day's.
_YEAR_LAST = re.compile(
    rf"(?P<one>[0-9]{{1,2}}){_SIGN} ?(?P<other>[0-9]{{1,2}})(?P=sign) ?(?P<year>(?:[0-9]{{2}})?[0-9]{{2}})"
    rf"(?(dot)(?:(?<=[0-9]{{4}})(?:\.| ?[гr]\.?))?){_MIDNIGHT}",
    re.ASCII,
)
# A long number in a cell that was not formatted as text. The digits that it hides are lost.
_SCIENTIFIC = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]{1,3}", re.ASCII)

# Error values of spreadsheets, in any language: a # and capital letters followed by ! or ?, such as #DIV/0!, #¿NOMBRE?
# and #ИМЯ?; and those without ! and ?, which mean “not available” or a column too narrow.
_ERROR = re.compile(r"#[¡¿]?([^\W\d_]+(?:[/_.][^\W\d_]+)*)(?:/0)? ?[!?]")
_OTHER_ERROR = re.compile(
    r"#[A-ZА-Я]/[A-ZА-Я]|#N[AVD]|#YOK|#HIÁNYZIK|#NEDOSTUPNÝ|#NENÍ_K_DISPOZICI|#GETTING_DATA|#{3,}"
    r"|(?:Err|Error|Erreur|Erro|Fehler|Fel|Feil|Fejl|Fout|Hiba|Virhe|Błąd|Chyba|Ошибка) ?:[0-9]{3}"
)


def is_spreadsheet_error(cell: str) -> bool:
    """Return whether a cell is a spreadsheet's error value: #NAME?, #ARG!, #N/A; not “#1 Mug” or “#TEA”."""
    shape = _ERROR.fullmatch(cell)
    letters = re.sub("[/_.]", "", shape[1]) if shape is not None else ""
    return (len(letters) > 1 and all(map(str.isupper, letters))) or _OTHER_ERROR.fullmatch(cell) is not None


def _folded(word: str) -> str:
    """Return a word in lower case without accents; Turkish has a dotless ı, whose capital is I."""
    letters = unicodedata.normalize("NFKD", clean_code(word).casefold())
    plain = "".join(each for each in letters if not unicodedata.combining(each))
    return plain.translate(_PLAIN_LETTERS)


_PLAIN_LETTERS = str.maketrans("ıł", "il")
_YES = frozenset(map(_folded, _YES_WORDS.split()))
_NO = frozenset(map(_folded, _NO_WORDS.split()))


def read_flag(text: str) -> bool:
    """Read a yes or a no."""
    word = _folded(text)
    if word not in _YES | _NO:
        raise ValueError("Please enter yes or no (in JSON: true or false).")
    return word in _YES


def read_quantity(text: str) -> int:
    """Read a number of units: "12", "1 200" and "12,0"."""
    try:
        return money.parse_whole_number(text)
    except ValueError:
        message = "The stock must be a whole number, 0 or more, without thousands separators."
        raise ValueError(message) from None


def read_date(text: str, day_first: bool | None) -> str:
    """Read a date, return it in ISO format. `day_first`: whether 1/2/2026 is in February; None if unknown."""
    plain = clean_code(text)
    first = _YEAR_FIRST.fullmatch(plain)
    if first is not None:
        return _iso(plain, *first.group("year", "month", "day"))
    last = _YEAR_LAST.fullmatch(plain)
    if last is None:
        raise ValueError(f"“{text}” isn’t a date such as 2026-11-22.")
    one, sign, other, year = last.group("one", "sign", "other", "year")
    orders = {_readable(one, other, year, day_first=each): each for each in (True, False)}
    orders.pop("", None)
    if sign == "." or len(orders) == 1:
        day_first = True if sign == "." else next(iter(orders.values()))
    if day_first is None and orders:
        raise ValueError(f"“{text}” could be {' or '.join(sorted(orders))}. Please enter it in that format.")
    return _iso(text, year, *((other, one) if day_first else (one, other)))


def day_comes_first(texts: Iterable[str], known: Iterable[tuple[str, str]]) -> bool | None:
    """Return whether 1/2/2026 in a column of dates is in February; None if that is ambiguous.

    `known` pairs dates of the column with the stored ones: in a file exported here, those that are equal decide.
    """
    orders = set()
    for text in map(clean_code, texts):
        last = _YEAR_LAST.fullmatch(text)
        if last is not None and last["sign"] != ".":
            parts = last.group("one", "other", "year")
            readable = [each for each in (True, False) if _readable(*parts, day_first=each)]
            orders |= set(readable) if len(readable) == 1 else set()
    if not orders:
        for text, stored in known:
            last = _YEAR_LAST.fullmatch(clean_code(text))
            if last is not None and last["sign"] != "." and last["one"] != last["other"]:
                parts = last.group("one", "other", "year")
                orders |= {each for each in (True, False) if _readable(*parts, day_first=each) == stored}
    return orders.pop() if len(orders) == 1 else None


def is_scientific(sku: str) -> bool:
    """Return whether a SKU is what a spreadsheet makes of a long number, such as 4,01E+12."""
    return _SCIENTIFIC.fullmatch(sku) is not None


def _readable(one: str, other: str, year: str, *, day_first: bool) -> str:
    try:
        return _iso("", year, *((other, one) if day_first else (one, other)))
    except ValueError:
        return ""


def _iso(text: str, year: str, month: str, day: str) -> str:
    try:
        return date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day)).isoformat()
    except ValueError:
        raise ValueError(f"“{text}” isn’t a date such as 2026-11-22.") from None
