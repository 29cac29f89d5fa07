"""The purchases by which a German and an American shop are judged, to the cent."""

from datetime import date

import pytest

from chalicelib.taxes.assessment import Assessment, CannotBeServed, Destination, PricedLine, Scheme, assess
from chalicelib.taxes.rules import Mode, TaxRules, UsRateRow

DAY = date(2026, 12, 1)
TEA = PricedLine("food", 1450, 2)
CANDLE = PricedLine("standard", 2000, 1)
GERMAN = TaxRules(Mode.OSS, "DE", gb_limit=15500, voec_limit=26000)
SINCE = date(2025, 1, 1)
AMERICAN = TaxRules(
    Mode.US,
    "US",
    us_rates=(
        UsRateRow("NY", "", "standard", "4", True, SINCE),
        UsRateRow("NY", "10001", "standard", "8.875", True, SINCE),
        UsRateRow("NY", "", "food", "0", False, SINCE),
    ),
)


def german(lines: list[PricedLine], country: str, postal_code: str, **rules: object) -> Assessment:
    """Assess what the German shop sends, for EUR 4.90."""
    changed = TaxRules(**{**GERMAN.__dict__, **rules})
    return assess(changed, Destination(country, postal_code), lines, 490, DAY)


def test_shipping_of_tea_is_taxed_as_tea() -> None:
    with_shipping = german([TEA], "DE", "10115")
    without = assess(GERMAN, Destination("DE", "10115"), [TEA], 0, DAY)

    assert with_shipping.scheme is Scheme.HOME
    assert with_shipping.rates == ("7",)
    assert with_shipping.tax_by_rate["7"] - without.tax_by_rate["7"] == 32
    assert with_shipping.shipping == 490


def test_paris_has_the_french_rate() -> None:
    found = german([TEA], "FR", "75001")
    assert (found.scheme, found.territory, found.tax_by_rate) == (Scheme.OSS, "FR", {"5.5": 177})
    assert german([TEA], "FR", "75001", mode=Mode.HOME).tax_by_rate == {"7": 222}


@pytest.mark.parametrize(
    ("country", "postal_code", "territory"),
    [("ES", "35001", "ES-CN"), ("IT", "23041", "IT-LIVIGNO"), ("CH", "8001", "CH")],
)
@pytest.mark.parametrize("mode", [Mode.HOME, Mode.OSS])
def test_exports_carry_no_tax(mode: Mode, country: str, postal_code: str, territory: str) -> None:
    kept = german([TEA, CANDLE], country, postal_code, mode=mode)
    assert (kept.scheme, kept.territory, kept.tax_by_rate) == (Scheme.EXPORT, territory, {"0": 0})
    assert (kept.prices, kept.shipping) == ((1450, 2000), 490)

    net = german([TEA, CANDLE], country, postal_code, mode=mode, net_exports=True)
    assert net.prices == (1355, 1681)  # 1450 / 1.07, 2000 / 1.19
    assert net.shipping == 271 + 168  # 290 / 1.07 + 200 / 1.19
    assert sum(each.gross for each in net.sums) == 2 * 1355 + 1681 + 439


def test_belfast_has_the_british_rate_under_the_rules_of_the_union() -> None:
    found = german([TEA, CANDLE], "GB", "bt1 5gs")
    assert (found.scheme, found.territory) == (Scheme.OSS, "XI")
    assert found.rates == ("0", "20")


def test_london_is_refused_taxed_or_an_export_by_value() -> None:
    cheap, dear = [PricedLine("standard", 11500, 1)], [PricedLine("standard", 23000, 1)]
    with pytest.raises(CannotBeServed, match="135 pounds"):
        german(cheap, "GB", "SW1A 1AA")
    registered = german(cheap, "GB", "SW1A 1AA", gb_number="GB123456789")
    assert (registered.scheme, registered.tax_by_rate) == (Scheme.GB, {"20": 1998})
    for number in ("", "GB123456789"):
        assert german(dear, "GB", "SW1A 1AA", gb_number=number).scheme is Scheme.EXPORT


def test_a_business_in_vienna_is_exempt_with_a_confirmed_number_alone() -> None:
    confirmed = assess(GERMAN, Destination("AT", "1010", has_confirmed_vat_number=True), [TEA], 490, DAY)
    assert (confirmed.scheme, confirmed.prices, confirmed.shipping) == (
        Scheme.INTRA_COMMUNITY,
        (1355,),
        458,
    )
    assert confirmed.tax_by_rate == {"0": 0}
    assert german([TEA], "AT", "1010").tax_by_rate == {"10": 308}
    at_home = assess(GERMAN, Destination("DE", "10115", has_confirmed_vat_number=True), [TEA], 490, DAY)
    assert at_home.scheme is Scheme.HOME


def test_sales_tax_is_added_by_zip_code_class_and_state() -> None:
    new_york = assess(AMERICAN, Destination("US", "10001"), [CANDLE, TEA], 490, DAY)
    assert (new_york.scheme, new_york.territory, new_york.region) == (Scheme.US, "US-NY", "10001")
    assert new_york.rates == ("8.875", "0")
    assert new_york.added_tax == 195  # of 2000 and of the candle's share of shipping, 200
    assert (new_york.prices, new_york.shipping) == ((2000, 1450), 490)

    albany = assess(AMERICAN, Destination("US", "12207"), [CANDLE], 490, DAY)
    assert (albany.region, albany.added_tax) == ("", 100)
    oregon = assess(AMERICAN, Destination("US", "97201", "OR"), [CANDLE], 490, DAY)
    assert (oregon.added_tax, oregon.tax_by_rate) == (0, {"0": 0})
    assert assess(AMERICAN, Destination("CA", "K1A 0B1"), [CANDLE], 490, DAY).scheme is Scheme.EXPORT


def test_a_small_business_charges_nothing_anywhere() -> None:
    for country in ("DE", "FR", "GB", "NO", "CH"):
        found = german([TEA, CANDLE], country, "", mode=Mode.NONE)
        assert (found.scheme, found.tax_by_rate, found.prices) == (Scheme.NONE, {"0": 0}, (1450, 2000))
