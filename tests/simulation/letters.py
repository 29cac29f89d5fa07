"""Which mails may have come twice: those that SES had taken when its answer was lost, or when their sender failed."""

from collections import Counter

from tests.faults import process
from tests.faults.process import Call, Died
from tests.faults.world import Mail, World
from tests.simulation.day import Turn

NEVER_TAKEN = {process.DIE_BEFORE, process.SILENT_BEFORE, process.THROTTLED}
OPEN = "the mail that SES has taken and nobody has struck out"


class Letters:
    """What SES took, looked at after every call that could leave a mail in doubt."""

    def __init__(self) -> None:
        self.in_doubt: Counter[Mail] = Counter()

    def watch(self, turn: Turn, call: Call, verdict: str) -> None:
        """Note the mail that may come again: one lost answer, or one dead sender, allows one more."""
        if call.operation == "SendEmail":
            turn.notes[OPEN] = None if verdict in NEVER_TAKEN else World.mails()[-1]
        mail = turn.notes.get(OPEN)
        if mail is None:
            return
        if verdict != process.GO or isinstance(turn.process.end, Died):
            self.in_doubt[mail] += 1
            turn.notes[OPEN] = None
        elif call.operation == "TransactWriteItems":
            turn.notes[OPEN] = None
