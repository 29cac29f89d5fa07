"""The demo's staff: an account per role, created if there is none; only on a local machine."""

MEMBERS = {"merchant": "merchant@example.com", "finance": "finance@example.com"}  # role → email address


def make_demo_staff(password: str) -> None:
    """Create an account per role if the shop has no account."""
    # Imported here: chalicelib reads the environment once, when it is imported.
    from chalicelib.staff.auth.accounts import list_accounts, make_member

    if list_accounts():
        return
    for role, email in MEMBERS.items():
        make_member(email, role, password)


def login_line(password: str) -> str:
    """Return the credentials of the demo accounts."""
    return f"staff login: {' or '.join(MEMBERS.values())}, password {password} (unless you changed it)"
