"""A day: whoever does something in it takes turns, and the seed decides whose turn it is after each call.

Everybody is a generator. It yields how long it waits, or an `Act`, which runs in a process of its own and is stopped
before each call that leaves it. How long the call then waits for its turn is drawn from the seed, so processes overtake
each other in every order, yet one alone runs at a time: the same seed gives the same day.
"""

import hashlib
import heapq
import itertools
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fault_injection import lambda_process
from tests.fault_injection.lambda_process import Answered, Call, End, Process, Raised
from tests.simulation.fault_plan import Fate
from tests.simulation.sim_clock import Moment

PAGE_SECONDS = 29.0  # Lambda ends the process then, wherever it is
LAST_LINES = 60


@dataclass(frozen=True)
class Act:
    """What somebody wants done in a process of its own.

    `within`: the function's time, in seconds. `about`: the records that a queue's function is given.
    """

    what: Callable[[], Any]
    within: float = PAGE_SECONDS
    about: Sequence[Mapping[str, Any]] = ()


Agent = Generator[float | Act, End | None, Any]
Watcher = Callable[["Turn", Call, str], None]


@dataclass
class Turn:
    """A process of somebody's, and what it is about to do."""

    name: str
    process: Process
    agent: Agent
    ends: float
    about: Sequence[Mapping[str, Any]]
    notes: dict[str, Any] = field(default_factory=dict)  # what watchers remember of it


class Day:
    """Who is awake, when it is whose turn, and all that happened."""

    def __init__(self, seed: str, fate: Fate, moment: Moment) -> None:
        self.chance = random.Random(f"day of {seed}")
        self.fate = fate
        self.moment = moment
        self.awake = 0  # agents that will come to an end
        self.calls = 0
        self.faults = 0
        self.crowded = 0  # calls that were made while another process was half-way through something
        self.story: list[str] = []
        self.watchers: list[Watcher] = []
        self._turns: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._open: list[Turn] = []

    @property
    def now(self) -> float:
        """Return the seconds since the beginning."""
        return self.moment.seconds

    def begin(self, name: str, agent: Agent, *, endless: bool = False) -> None:
        """Let somebody take part from now on; the day is not over before they are, unless they are endless."""
        self.awake += not endless
        self._in(0, lambda: self._resume(name, agent, None, endless))

    def note(self, words: str) -> None:
        """Write a line into the story."""
        self.story.append(f"{self.moment.now():%d %H:%M:%S.%f} {words}")

    def run(self, is_over: Callable[[], bool]) -> None:
        """Let it happen until it is over."""
        while self._turns and not is_over():
            at, _, turn = heapq.heappop(self._turns)
            self.moment.seconds = at
            turn()

    def close(self) -> None:
        """End what still runs."""
        for turn in self._open:
            turn.process.kill()
        self._open.clear()

    def digest(self) -> str:
        """Return a hash of who called what when, what became of it, and how each process ended."""
        return hashlib.sha256("\n".join(self.story).encode()).hexdigest()[:16]

    def tail(self) -> str:
        """Show how it ended."""
        return "\n".join(self.story[-LAST_LINES:])

    # -- turns --------------------------------------------------------------------------------------------

    def _in(self, seconds: float, turn: Callable[[], None]) -> None:
        heapq.heappush(self._turns, (self.now + seconds, next(self._numbers), turn))

    def _resume(self, name: str, agent: Agent, end: End | None, endless: bool) -> None:
        try:
            wish = agent.send(end)
        except StopIteration:
            self.awake -= not endless
            return
        if not isinstance(wish, Act):
            self._in(wish, lambda: self._resume(name, agent, None, endless))
            return
        child = Process(self.moment.rule(wish.what), seed=self.chance.getrandbits(64))
        turn = Turn(name, child, agent, self.now + wish.within, wish.about)
        self._open.append(turn)
        self._await_turn(turn, endless)

    def _await_turn(self, turn: Turn, endless: bool) -> None:
        if turn.process.call is None:
            self._open.remove(turn)
            self.note(f"{turn.name} {_words_of(turn.process.end)}")
            self._resume(turn.name, turn.agent, turn.process.end, endless)
            return
        self._in(self.fate.seconds(), lambda: self._take_turn(turn, endless))

    def _take_turn(self, turn: Turn, endless: bool) -> None:
        call = turn.process.call
        assert call is not None
        verdict = lambda_process.DIE_BEFORE if self.now > turn.ends else self.fate.verdict(call, self.now)
        self.calls += 1
        self.crowded += len(self._open) > 1
        self.faults += verdict != lambda_process.GO
        self.note(
            f"{turn.name} {call.service} {call.operation}{'' if verdict == lambda_process.GO else ': ' + verdict}"
        )
        turn.process.advance(verdict)
        for watch in self.watchers:
            watch(turn, call, verdict)
        self._await_turn(turn, endless)


def _words_of(end: End | None) -> str:
    # Nothing that differs from run to run: no message of an exception, no address of an object.
    if isinstance(end, Raised):
        return f"raised {end.words.strip().splitlines()[-1].partition(':')[0]}"
    if isinstance(end, Answered):
        value = end.value[0] if isinstance(end.value, tuple) else end.value
        return f"answered {getattr(value, 'status', '')}".rstrip()
    return "died"
