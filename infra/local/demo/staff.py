"""The demo's staff: an account of each role, made while there is none; never anywhere but on one's own machine."""

MEMBERS = {"merchant": "merchant@example.com", "finance": "finance@example.com"}  # role → e-mail address


def make_demo_staff(password: str) -> None:
    """Make an account of each role where the shop has no account at all."""
    # Imported here: chalicelib reads the environment once, when it is imported.
    from chalicelib.staff.auth.accounts import list_accounts, make_member

    if list_accounts():
        return
    for role, email in MEMBERS.items():
        make_member(email, role, password)


def login_line(password: str) -> str:
    """Return how to log in, as the accounts were made."""
    return f"staff login: {' or '.join(MEMBERS.values())}, password {password} (unless you changed it)"
