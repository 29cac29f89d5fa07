"""Passwords: the rules for new ones, and the slow hash that is stored."""

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH, MAX_LENGTH = 12, 200
MIN_DISTINCT_CHARACTERS = 5  # different characters
# argon2id over 46 MiB, two passes, one thread: 100 ms of a core. OWASP's minimum is one pass.
MEMORY_KIB, PASSES, THREADS = 47104, 2, 1
# The hash of a discarded password, checked if there is no account, so that the response takes as long.
NOBODYS = "$argon2id$v=19$m=47104,t=2,p=1$SZbWGYejKM2RvONAPmLC1w$KxiJaaNfHM4xtXWsnau5XGg4fM4KwzQH+W076pHl1Kk"
# The most common ones of at least twelve characters in lists of leaked passwords.
COMMONEST = frozenset(
    """
    123456789012 1234567890123 12345678901234 123456789123 1234567891011 123123123123 121212121212 123412341234
    1q2w3e4r5t6y 1q2w3e4r5t6y7u 1qaz2wsx3edc 1qaz2wsx3edc4rfv zaq12wsxcde3 qazwsxedcrfv qwertyuiop12 qwertyuiop123
    qwertyuiopas qwertyuiop[] qwertyuiop1234567890 qwerty123456 qwerty1234567 qwerty12345678 qwerty123456789
    qwertyqwerty asdfghjkl123 asdfghjklzxcvbnm qwertyasdfgh 123qweasdzxc q1w2e3r4t5y6 abcdefghijkl abcdefg12345
    abc123456789 abcd12345678 a12345678901 aa1234567890 password1234 password12345 password123456 passwordpassword
    password!123 password2024 password2025 password2026 passw0rd1234 p@ssw0rd1234 mypassword123 welcome12345
    welcome123456 letmein12345 letmein123456 iloveyou1234 iloveyou12345 iloveyouforever changeme1234 changemeplease
    administrator administrator1 administrator123 admin1234567 admin12345678 adminadminadmin rootrootroot
    testtesttest test12345678 test123456789 secret123456 superman1234 football1234 baseball1234 basketball12
    princess1234 sunshine1234 dragon123456 monkey123456 michael12345 jennifer1234 charlie12345 liverpool1234
    chocolate123 computer1234 internet1234 whatever1234 trustno1trustno1 correcthorsebatterystaple thisisapassword
    """.split()  # noqa: SIM905 - as words they fit on a page
)


def normalize(password: str) -> str:
    """Return a password in Unicode's normal form, however the keyboard composed its letters."""
    return unicodedata.normalize("NFKC", password)


def validate_password(password: str, email: str) -> str | None:
    """Return why a password is not good enough; None if it is."""
    password = normalize(password)
    plain = password.casefold()
    if len(password) < MIN_LENGTH:
        return f"Please use at least {MIN_LENGTH} characters. Several words in a row are easy to remember."
    if len(password) > MAX_LENGTH:
        return f"Please use no more than {MAX_LENGTH} characters."
    if not password.isprintable():
        return "Please use only letters, digits, symbols and spaces."
    if plain in (email, email.partition("@")[0], email[::-1]):
        return "Your email address is easy to guess. Please choose something else."
    if plain.replace(" ", "") in COMMONEST or len(set(plain)) < MIN_DISTINCT_CHARACTERS:
        return "This password is very common and easy to guess. Please choose something else."
    return None


def hash_password(password: str) -> str:
    """Return the hash of a password."""
    return _hasher().hash(normalize(password))


def verify(password: str, kept: str) -> bool:
    """Compare a password with the stored hash, which is "" if none was ever set.

    Takes equally long for every result.
    """
    from argon2.exceptions import VerifyMismatchError

    password = normalize(password)
    try:
        matches = _hasher().verify(kept or NOBODYS, password[:MAX_LENGTH])
    except VerifyMismatchError:
        return False
    return matches and bool(kept) and len(password) <= MAX_LENGTH


def is_outdated(kept: str) -> bool:
    """Return whether a hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(kept)


@cache
def _hasher() -> "PasswordHasher":
    # Imported here: it takes 30 ms, which shoppers' pages do not need.
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=THREADS)
