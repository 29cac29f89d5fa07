"""Exports that the country of destination wants taxed: consignments to Great Britain, items to Norway."""

from dataclasses import replace
from datetime import date

import pytest

from chalicelib.taxes.assessment import Assessment, CannotBeServed, Destination, PricedLine, Scheme, assess
from chalicelib.taxes.rules import Mode, TaxRules

DAY = date(2026, 12, 1)
BARE = TaxRules(Mode.OSS, "DE")
RULES = replace(BARE, gb_number="GB123456789", gb_limit=15500, voec_number="2000000", voec_limit=26000)


def sent(rules: TaxRules, country: str, *lines: tuple[str, int, int], shipping: int = 1690) -> Assessment:
    """Assess (class, price, quantity) that are sent to a country."""
    return assess(rules, Destination(country), [PricedLine(*line) for line in lines], shipping, DAY)


def test_value_of_a_consignment_counts_without_shipping() -> None:
    at_limit, above = [sent(RULES, "GB", ("standard", price, 1)) for price in (15500, 15501)]
    assert (at_limit.scheme, above.scheme) == (Scheme.GB, Scheme.EXPORT)
    assert (at_limit.prices, at_limit.shipping) == ((15500,), 1690)
    assert at_limit.tax_by_rate == {"20": 2865}  # of 155.00 and 16.90


def test_value_of_a_consignment_is_that_of_all_its_units() -> None:
    assert sent(RULES, "GB", ("standard", 8000, 2)).scheme is Scheme.EXPORT
    assert sent(RULES, "GB", ("standard", 8000, 1), ("food", 7500, 1)).scheme is Scheme.GB


def test_value_of_a_consignment_is_net_where_exports_are() -> None:
    net = replace(RULES, net_exports=True)
    assert sent(net, "GB", ("standard", 18445, 1)).scheme is Scheme.GB  # 155.00 without 19%
    above = sent(net, "GB", ("standard", 18446, 1))
    assert (above.scheme, above.prices) == (Scheme.EXPORT, (15501,))


def test_great_britain_is_refused_where_the_limit_is_not_known() -> None:
    for rules in (BARE, replace(BARE, gb_number="GB123456789")):
        for price in (100, 1_000_000):
            with pytest.raises(CannotBeServed, match="Great Britain and the Isle of Man yet"):
                sent(rules, "GB", ("standard", price, 1))


def test_british_zero_rate_is_no_export() -> None:
    found = sent(RULES, "GB", ("food", 1450, 1), ("books", 2000, 1))
    assert (found.scheme, found.tax_by_rate) == (Scheme.GB, {"0": 0})


def test_norwegian_limit_is_per_item() -> None:
    found = sent(RULES, "NO", ("standard", 25999, 3), ("standard", 26000, 1))
    assert (found.scheme, found.rates) == (Scheme.NO, ("25", "0"))
    taxed, exported = found.sums
    assert taxed.gross == 3 * 25999 + 1267  # and three quarters of shipping
    assert (exported.rate, exported.net) == ("0", 26000 + 423)
    assert sent(RULES, "NO", ("standard", 26000, 1)).scheme is Scheme.EXPORT


def test_food_is_an_export_to_norway() -> None:
    without_number = replace(RULES, voec_number="")
    for tax_class in ("food", "tea"):
        for rules in (RULES, without_number, BARE):
            assert sent(rules, "NO", (tax_class, 1450, 2)).scheme is Scheme.EXPORT
    mixed = sent(replace(RULES, net_exports=True), "NO", ("food", 1070, 1), ("standard", 1190, 1), shipping=0)
    assert (mixed.scheme, mixed.prices, mixed.rates) == (Scheme.NO, (1000, 1190), ("0", "25"))


def test_norwegian_books_bear_no_tax_but_are_in_the_scheme() -> None:
    assert sent(RULES, "NO", ("books", 2000, 1)).scheme is Scheme.NO


def test_norway_is_refused_without_a_registration_below_its_threshold_served() -> None:
    for rules in (BARE, replace(BARE, voec_limit=26000), replace(BARE, voec_number="2000000")):
        with pytest.raises(CannotBeServed, match="Norway"):
            sent(rules, "NO", ("standard", 2000, 1), ("food", 1450, 1))
    below = sent(replace(BARE, is_below_norwegian_threshold=True), "NO", ("standard", 2000, 1))
    assert (below.scheme, below.tax_by_rate) == (Scheme.EXPORT, {"0": 0})


def test_a_shop_in_either_country_is_at_home_there() -> None:
    british = TaxRules(Mode.HOME, "GB")
    for postal_code in ("SW1A 1AA", "BT1 5GS"):
        found = assess(british, Destination("GB", postal_code), [PricedLine("standard", 1200, 1)], 0, DAY)
        assert (found.scheme, found.tax_by_rate) == (Scheme.HOME, {"20": 200})
    assert sent(british, "DE", ("standard", 1200, 1)).scheme is Scheme.EXPORT
    norwegian = TaxRules(Mode.HOME, "NO")
    assert sent(norwegian, "NO", ("food", 1150, 1), shipping=0).tax_by_rate == {"15": 150}
    swiss = TaxRules(Mode.HOME, "CH")
    assert sent(swiss, "CH", ("standard", 1081, 1), shipping=0).tax_by_rate == {"8.1": 81}
    assert sent(swiss, "LI", ("standard", 1081, 1), shipping=0).scheme is Scheme.HOME
