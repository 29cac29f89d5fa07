"""Members of staff who are logged in."""

import pytest

from tests.client import Shopper
from tests.shop import Shop
from tests.staff.staff_client import logged_in


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with little work: hundreds of logins would take minutes. test_passwords.py has the real one."""
    from argon2 import PasswordHasher

    from chalicelib.staff.auth import passwords

    quick = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: quick)


@pytest.fixture
def merchant(shop: Shop) -> Shopper:
    """Return the merchant, logged in."""
    return logged_in(shop.gateway, "merchant")


@pytest.fixture
def finance(shop: Shop) -> Shopper:
    """Return somebody from finance, logged in."""
    return logged_in(shop.gateway, "finance")
