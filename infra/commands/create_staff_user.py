"""Create a staff account: `python -m infra.commands.create_staff_user EMAIL [ROLE]`.

`make staff EMAIL=… ROLE=… STAGE=…` runs it. Asks for the password twice, without showing it; if the input is not a
terminal, its first line is the password. After a confirmation, an existing account gets the new password, and the
role if one is given; then its sessions end.
"""

import sys
from getpass import getpass

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib.cleaning import clean_line
from chalicelib.database.transactions import OutcomeUnknown
from chalicelib.errors import ShopError
from chalicelib.mail.addresses import BadAddress
from chalicelib.staff.audit import audit_log
from chalicelib.staff.auth import accounts, passwords
from chalicelib.staff.models import StaffMember

USAGE = "Name an account, such as EMAIL=name@example.com, and ROLE=merchant (full access) or ROLE=finance (view only)."
UNCHANGED = "Nothing was changed."
TRIES = 3


class Refused(Exception):
    """Raised if nothing was changed."""


def main(arguments: list[str]) -> int:
    """Create or change the given account; return the process's exit status."""
    try:
        email, role = read_arguments(arguments)
    except BadAddress as error:
        print(f"{USAGE}\n({error})", file=sys.stderr)
        return 2
    try:
        print(make_staff(email, role))
    except Refused as refusal:
        print(refusal, UNCHANGED, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print(f"\n{UNCHANGED}", file=sys.stderr)
        return 130
    except (ShopError, OutcomeUnknown, BotoCoreError, ClientError, PynamoDBException) as error:
        print("The account could not be created:", *str(error).split(), file=sys.stderr)
        return 1
    return 0


def read_arguments(arguments: list[str]) -> tuple[str, str | None]:
    """Return address and role; None if no role is given. Raises BadAddress for anything else."""
    given = [cleaned for argument in arguments if (cleaned := clean_line(argument))]
    if len(given) not in (1, 2):
        raise BadAddress(
            "the email address is missing" if not given else "expected only an email address and a role"
        )
    role = given[1].lower() if len(given) == 2 else None
    if role is not None and role not in accounts.ROLES:
        raise BadAddress(f"{role!r} is not a role")
    return accounts.normalize_email(given[0]), role


def make_staff(email: str, role: str | None) -> str:
    """Create or change the account; return a message. Raises Refused."""
    known = accounts.find(email)
    if known is None:
        new_role = role or accounts.MERCHANT
        accounts.make_member(
            email, new_role, ask_password(email), audit_log.writer_as("make staff", "created an account")
        )
        return f"{email} can now log in at /staff/ as {new_role}."
    new_role = role or known.role
    agree(known, new_role)
    change = audit_log.writer_as("make staff", "set password and role")
    accounts.make_member(email, new_role, ask_password(email), change)
    return f"{email} is now {new_role}, has the new password, and has been logged out of all browsers."


def agree(known: StaffMember, role: str) -> None:
    """Ask whether an existing account is to be changed; piping a password counts as consent. Raises Refused."""
    becomes = "" if role == known.role else f", change the role to {role}"
    question = f"{known.email} already has an account ({known.role}). Set a new password{becomes} and log it out everywhere? [y/N] "
    if sys.stdin.isatty() and input(question).strip().lower() not in ("y", "yes"):
        raise Refused("Cancelled.")


def ask_password(email: str) -> str:
    """Read a password that meets the rules. Raises Refused."""
    if not sys.stdin.isatty():
        return _good(sys.stdin.readline().rstrip("\r\n"), email)
    for _ in range(TRIES):
        password = getpass("Password: ")
        wrong = passwords.validate_password(password, email)
        if wrong is None and getpass("Repeat the password: ") != password:
            wrong = "The passwords don’t match."
        if wrong is None:
            return password
        print(wrong, file=sys.stderr)
    raise Refused("No password was entered.")


def _good(password: str, email: str) -> str:
    wrong = passwords.validate_password(password, email)
    if wrong:
        raise Refused(wrong)
    return password


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
