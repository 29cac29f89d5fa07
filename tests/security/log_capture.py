"""Hear all that a function would write into its log, and look for what must not be there."""

import logging
import sys
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MIN_SECRET_LENGTH = 5


class Ears(logging.Handler):
    """What every logger said, as Lambda writes it: message, arguments, traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self._secrets: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, with what a formatter of another kind would show of it."""
        # What a function raises Lambda writes itself: the local runner does it in its place.
        if record.name.startswith("infra.") and record.name != "infra.local.event_functions":
            return  # the fake PayPal, in threads of this process: not ours to keep quiet
        self.lines.append(f"{record.name}: {self.format(record)} {record.args!r}")

    def keep_secret(self, **secrets: str) -> None:
        """Name what must never be heard."""
        for name, value in secrets.items():
            assert len(value) >= MIN_SECRET_LENGTH, name
            self._secrets[name] = value

    def heard(self, words: str) -> bool:
        """Return whether something was said."""
        return any(words in line for line in self.lines)

    def leaks(self, printed: Iterable[str] = ()) -> list[str]:
        """List the secrets that were told, in whatever writing, with the line that tells them."""
        lines = [*self.lines, *printed]
        return [
            f"{name} in {line[:2000]}"
            for name, value in self._secrets.items()
            for line in lines
            if any(form.lower() in line.lower() for form in _writings(value))
        ]


def listen(ears: Ears) -> list[tuple[logging.Logger, int]]:
    """Attach the ears where Lambda listens; return the levels to go back to.

    The handler sits at the root, to which all others hand up.
    """
    loggers = {logging.getLogger(): logging.INFO}
    loggers |= {logging.getLogger(name): logging.DEBUG for name in ("awning", "awning.events", "chalicelib")}
    before = [(logger, logger.level) for logger in loggers]
    for logger, level in loggers.items():
        logger.setLevel(level)
    logging.getLogger().addHandler(ears)
    return before


def stop_listening(ears: Ears, before: list[tuple[logging.Logger, int]]) -> None:
    """Undo `listen`."""
    for logger, level in before:
        logger.setLevel(level)
    logging.getLogger().removeHandler(ears)
    sys.stdout.flush()


def _writings(value: str) -> set[str]:
    return {
        value,
        repr(value)[1:-1],
        quote(value),
        quote_plus(value),
        value.encode("unicode_escape").decode(),
    }
