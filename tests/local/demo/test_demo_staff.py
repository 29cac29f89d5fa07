"""The demo's staff are let in where nobody else is."""

import pytest

from chalicelib.staff.auth.accounts import check_password, list_accounts, make_member
from infra.local.demo.staff import MEMBERS, login_line, make_demo_staff

pytestmark = pytest.mark.usefixtures("aws")
PASSWORD = "3fa9-01bc-77de-a0c4"


def test_an_account_of_each_role_has_the_printed_password() -> None:
    make_demo_staff(PASSWORD)

    for role, email in MEMBERS.items():
        member = check_password(email, PASSWORD)
        assert member is not None
        assert member.role == role
        assert email in login_line(PASSWORD)
    assert PASSWORD in login_line(PASSWORD)


def test_a_shop_with_an_account_gets_none() -> None:
    make_member("own@shop.example", "merchant", "linen awning at noon")
    make_demo_staff(PASSWORD)
    assert [member.email for member in list_accounts()] == ["own@shop.example"]
