"""Logins that cost little."""

from tests.staff.conftest import quick_hashes

__all__ = ["quick_hashes"]
