"""Settings: read once, wrong ones named in words."""

from pathlib import Path

import pytest

from chalicelib.config import SHOP_FILE, ConfigError, load_settings


def test_addresses_carry_no_trailing_slash() -> None:
    settings = load_settings(
        {"PUBLIC_URL": "https://shop.example/api/", "MEDIA_URL": "https://media.example/"}
    )
    assert (settings.public_url, settings.media_url) == ("https://shop.example/api", "https://media.example")
    assert load_settings({}).public_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "shop.example"), ("PUBLIC_URL", "ftp://shop.example"), ("PUBLIC_URL", "javascript:alert(1)"),
        ("PUBLIC_URL", "https://"), ("PUBLIC_URL", "https://shop.example/?a=b"), ("PUBLIC_URL", "https://shop.example/a b"),
        ("PUBLIC_URL", "https://shop.example\r\nX: y"), ("MEDIA_URL", "media"), ("PAYPAL_API_URL", "paypal"),
        ("CURRENCY", "eur"), ("CURRENCY", "EURO"), ("CURRENCY", ""), ("CURRENCY", "ÄÖÜ"), ("CURRENCY", "E1R"),
        ("TIMEZONE", "Nowhere/Town"), ("TIMEZONE", "../etc"), ("DYNAMODB_CLIENT", ""), ("DYNAMODB_CLIENT", "no"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load_settings({name: value})


def test_paypals_pages_follow_its_api() -> None:
    assert load_settings({}).paypal_web_url == "https://www.sandbox.paypal.com"
    live = load_settings({"PAYPAL_API_URL": "https://api-m.paypal.com"})
    assert (live.paypal_web_url, live.paypal_is_live) == ("https://www.paypal.com", True)


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(load_settings({"PAYPAL_CLIENT_SECRET": "hush"}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('rate = "4.90"', 'rate = "4,90"'), ('rate = "4.90"', "rate = 4.9"), ('mode = "home"', 'mode = "all"'),
        ('country = "DE"', 'country = "Germany"'), ('gb_limit = "155.00"', "gb_limit = 155"), ("reservation_minutes = 15", ""), ('name = "Slow Saturday"', ""),
        ('name = "Slow Saturday"', "name = "), ("reservation_minutes = 15", 'reservation_minutes = "15"'),
        ("page_seconds = 10", "page_seconds = -1"),
        ("https://gls-group.com/track/{number}", "http://gls-group.com/track/{number}"),
        ("https://gls-group.com/track/{number}", "https://gls-group.com/track/"),
        ("https://gls-group.com/track/{number}", "https://gls-group.com/{number}/{number}"),
        ("https://gls-group.com/track/{number}", "https://gls-group.com/{id}/{number}"),
        ("https://gls-group.com/track/{number}", "https://{number}.example/"),
        ("https://gls-group.com/track/{number}", "https://user@gls-group.com/{number}"),
        ("https://gls-group.com/track/{number}", "https://gls-group.com/{number} x"),
        ('"10115 Berlin", ', "10115, "), ('address = ["12 Example Street", "10115 Berlin", "Germany"]', 'address = "12 Example Street"'),
        ('name = "GLS"', 'name = " "'), ('name = "GLS"', 'name = "dhl"'),
        ("held_share_per_session = 20", "held_share_per_session = 0"), ("held_share_per_address = 20", "held_share_per_address = 101"),
    ],
)  # fmt: skip
def test_an_invalid_line_in_shop_toml_is_reported(tmp_path: Path, old: str, new: str) -> None:
    text = SHOP_FILE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "shop.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"shop\.toml"):
        load_settings({}, file)


def test_a_shop_that_ships_nowhere_is_no_shop(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    text = SHOP_FILE.read_text(encoding="utf-8")
    file.write_text("shipping = []\n" + text.partition("[[shipping]]")[0], encoding="utf-8")
    with pytest.raises(ConfigError, match="ships to"):
        load_settings({}, file)
