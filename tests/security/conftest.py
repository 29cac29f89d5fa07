"""What attackers need: logins that take no time."""

from tests.staff.conftest import quick_hashes

__all__ = ["quick_hashes"]
