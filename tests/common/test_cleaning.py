"""What people paste: what is taken off, what becomes a space, what stays, and what is left to be refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.cleaning import clean_code, clean_line, clean_lines, find_control_character

INVISIBLE = [
    "\u00ad", "\u034f", "\u061c", "\u115f", "\u17b4", "\u180b", "\u180e", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f",
    "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2060", "\u2063", "\u2066", "\u2067", "\u2068", "\u2069", "\u206f",
    "\u3164", "\ufe00", "\ufe0e", "\ufe0f", "\ufeff", "\uffa0", "\ufff9", "\ufffb", "\U000e0001", "\U000e0041", "\U000e0100",
]  # fmt: skip
SPACES = ["\t", "\u00a0", "\u1680", "\u2000", "\u2009", "\u202f", "\u205f", "\u2800", "\u3000"]
LINE_BREAKS = ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"]
MEANINGFUL = [
    "می‌خواهم",  # Persian, with a zero-width non-joiner
    "रा\u094d\u200dय",  # Devanagari, with a joiner behind a virama
    "രാജന\u0d4d\u200d",  # Malayalam: the joiner makes the last letter
    "葛\U000e0100城",  # a variant of a Han character, as in Japanese names
    "👩‍🌾",
    "👨🏽‍⚕️",
    "❤️‍🔥",
    "🙂‍↔️",
    "1️⃣",
    "‼️",
    "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "ᠠ᠋",  # a Mongolian letter with its variation selector
]


@pytest.mark.parametrize("character", INVISIBLE)
def test_what_nobody_sees_is_taken_off(character: str) -> None:
    pasted = f"{character}Ann{character}a 1{character}2{character}"
    assert clean_line(pasted) == clean_lines(pasted) == clean_code(pasted) == "Anna 12"


@pytest.mark.parametrize("space", SPACES)
def test_every_kind_of_space_is_a_plain_one(space: str) -> None:
    pasted = f"{space}Anna{space}Lee{space}"
    assert clean_line(pasted) == clean_lines(pasted) == clean_code(pasted) == "Anna Lee"


@pytest.mark.parametrize("line_break", LINE_BREAKS)
def test_a_line_break_is_a_space_in_a_line_and_a_newline_in_a_text(line_break: str) -> None:
    pasted = f"{line_break}Anna{line_break}Lee{line_break}"
    assert clean_line(pasted) == clean_code(pasted) == "Anna Lee"
    assert clean_lines(pasted) == "Anna\nLee"


@pytest.mark.parametrize("text", MEANINGFUL)
def test_what_its_neighbours_need_stays(text: str) -> None:
    assert clean_line(text) == clean_lines(text) == text


@pytest.mark.parametrize(
    "text", ["رضا\u200c", "\u200cرضا", "👩\u200d", "Zoë\u200d👩", "محمد\ufe0f", "12\ufe0f"]
)
def test_a_joiner_that_joins_nothing_is_taken_off(text: str) -> None:
    assert len(clean_line(text)) == len(text) - 1


def test_letters_are_composed() -> None:
    assert clean_line("Zoe\u0308") == clean_line("Zoe\u200b\u0308") == "Zo\u00eb"


def test_spaces_within_stay_as_they_were_typed() -> None:
    assert clean_line(" A  B ") == "A  B"
    assert clean_lines("A  B  \n\n  C ") == "A  B\n\n  C"


def test_a_list_within_a_list_stays_one() -> None:
    assert clean_lines("- a\n\t- b\tc") == "- a\n    - b c"


@pytest.mark.parametrize(
    ("pasted", "code"),
    [
        ("１５０ー０００１", "150-0001"),
        ("150‐0001", "150-0001"),
        ("SW1A\u00a0 1AA", "SW1A 1AA"),
        ("٠٣-١٢٣", "03-123"),
        ("१२", "12"),
        ("コー", "コー"),
        ("（０３）１２３４", "(03)1234"),
    ],
)
def test_codes_are_in_plain_characters(pasted: str, code: str) -> None:
    assert clean_code(pasted) == code


@pytest.mark.parametrize(
    "character", ["\x00", "\x07", "\x1b", "\x1f", "\x7f", "\x80", "\x92", "\ud83d", "\uffff"]
)
def test_control_characters_are_found_by_their_number(character: str) -> None:
    for clean in (clean_line, clean_lines, clean_code):
        assert find_control_character(clean(f"a{character}b")) == f"U+{ord(character):04X}"
    assert find_control_character("a b") is None


ODD = st.sampled_from("".join([*INVISIBLE, *SPACES, *LINE_BREAKS, *MEANINGFUL, "a1-ب葛\u3099\u0308"]))


@given(st.text(ODD | st.characters()))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    for clean in (clean_line, clean_lines, clean_code):
        once = clean(text)
        assert clean(once) == once
        assert unicodedata.is_normalized("NFC", once)
    assert "\n" not in clean_line(text)


def test_a_flood_of_invisible_characters_takes_no_time() -> None:
    assert clean_line("ب" + "\u200d" * 20_000) == "ب"
