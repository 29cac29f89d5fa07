"""Random orders, assessed a second time with fractions and loops, from a table of rates written by hand."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from chalicelib.taxes.assessment import Assessment, Destination, PricedLine, TaxSum, assess
from chalicelib.taxes.rules import Mode, TaxRules, UsRateRow

DAY = date(2026, 12, 1)
CLASSES = ("standard", "food", "tea", "books")
HOME = {"standard": "19", "food": "7", "tea": "7", "books": "7"}
# country, postal code → the rates there, in the order of CLASSES; none: an export
IN_THE_UNION = {
    ("DE", "10115"): ("19", "7", "7", "7"),
    ("FR", "75001"): ("20", "5.5", "5.5", "5.5"),
    ("FR", "20000"): ("20", "2.1", "2.1", "2.1"),
    ("IT", "00100"): ("22", "10", "22", "4"),
    ("PL", "00-001"): ("23", "5", "23", "5"),
    ("FI", "00100"): ("25.5", "13.5", "13.5", "13.5"),
    ("GB", "BT1 5GS"): ("20", "0", "0", "0"),
}
EXPORTS = [
    ("CH", "8001"),
    ("ES", "35001"),
    ("IT", "23041"),
    ("FR", "97110"),
    ("US", "10001"),
    ("GB", "JE2 3AB"),
]

lines = st.lists(
    st.builds(
        PricedLine, st.sampled_from(CLASSES), st.integers(0, 20_000) | st.integers(0, 3), st.integers(1, 12)
    ),
    min_size=1,
    max_size=7,
)
shippings = st.integers(0, 700)
random_orders = budget(deadline=None, max_examples=200)


def half_up(number: Fraction) -> int:
    return (2 * number.numerator + number.denominator) // (2 * number.denominator)


def without(gross: int, rate: str) -> int:
    """Return an amount without the tax in it."""
    return gross - half_up(gross * Fraction(rate) / (100 + Fraction(rate)))


def shares(shipping: int, order: Sequence[PricedLine]) -> list[int]:
    """Give away cents one by one, each to the line that is furthest from its due."""
    whole = sum(line.price * line.quantity for line in order)
    if whole == 0:
        return [shipping] + [0] * (len(order) - 1)
    given = [0] * len(order)
    for _ in range(shipping):
        missing = [
            shipping * line.price * line.quantity - each * whole
            for line, each in zip(order, given, strict=True)
        ]
        given[missing.index(max(missing))] += 1
    return given


def check_money(found: Assessment, order: Sequence[PricedLine]) -> None:
    """Check that the sums are what is paid."""
    items = sum(price * line.quantity for price, line in zip(found.prices, order, strict=True))
    assert sum(each.net + each.tax for each in found.sums) == items + found.shipping + found.added_tax
    assert min((min(each.net, each.tax) for each in found.sums), default=0) >= 0
    assert [float(each.rate) for each in found.sums] == sorted(
        (float(e.rate) for e in found.sums), reverse=True
    )
    assert max(Counter((each.tax_class, each.rate) for each in found.sums).values()) == 1


@random_orders
@given(lines, shippings, st.sampled_from(sorted(IN_THE_UNION)), st.booleans())
def test_supplies_within_the_union(
    order: list[PricedLine], shipping: int, address: tuple[str, str], oss: bool
) -> None:
    rules = TaxRules(Mode.OSS if oss else Mode.HOME, "DE")
    found = assess(rules, Destination(*address), order, shipping, DAY)

    rates = dict(zip(CLASSES, IN_THE_UNION[address], strict=True)) if oss else HOME
    gross = Counter[str]()
    for line, share in zip(order, shares(shipping, order), strict=True):
        gross[line.tax_class] += line.price * line.quantity + share
    expected = {
        TaxSum(name, rates[name], without(amount, rates[name]), amount - without(amount, rates[name]))
        for name, amount in gross.items()
    }
    assert set(found.sums) == expected
    assert found.scheme == ("home" if not oss or address[0] == "DE" else "oss")
    assert (found.prices, found.shipping) == (tuple(line.price for line in order), shipping)
    assert found.rates == tuple(rates[line.tax_class] for line in order)
    check_money(found, order)


@random_orders
@given(
    lines,
    shippings,
    st.sampled_from([*EXPORTS, ("AT", "1010"), ("FR", "75001"), ("GB", "BT1 5GS")]),
    st.booleans(),
)
def test_exports_and_businesses(
    order: list[PricedLine], shipping: int, address: tuple[str, str], net_exports: bool
) -> None:
    rules = TaxRules(Mode.OSS, "DE", net_exports=net_exports)
    found = assess(rules, Destination(*address, has_confirmed_vat_number=True), order, shipping, DAY)

    is_export = address in EXPORTS
    is_net = net_exports or not is_export
    prices = [without(line.price, HOME[line.tax_class]) if is_net else line.price for line in order]
    shipped = Counter[str]()
    for line, share in zip(order, shares(shipping, order), strict=True):
        shipped[line.tax_class] += share
    if is_net:
        shipped = Counter({name: without(share, HOME[name]) for name, share in shipped.items()})
    nets = Counter(shipped)
    for line, price in zip(order, prices, strict=True):
        nets[line.tax_class] += price * line.quantity
    assert found.scheme == ("export" if is_export else "intra_community")
    assert (found.prices, found.shipping) == (tuple(prices), sum(shipped.values()))
    assert {each.tax_class: (each.rate, each.net, each.tax) for each in found.sums} == {
        line.tax_class: ("0", nets[line.tax_class], 0) for line in order
    }
    check_money(found, order)


US_ROWS = [
    ("NY", "", "standard", "4", True),
    ("NY", "10001", "standard", "8.875", True),
    ("NY", "", "food", "0", False),
    ("NY", "10001", "books", "2", False),
    ("CA", "", "standard", "7.25", False),
]
# ZIP code → rate and whether shipping is taxed, in the order of CLASSES
US_RATES = {
    "10001": (("8.875", True), ("0", False), ("0", False), ("2", False)),
    "12207": (("4", True), ("0", False), ("0", False), ("4", True)),
    "90001": (("7.25", False), ("7.25", False), ("7.25", False), ("7.25", False)),
    "97201": (("0", False),) * 4,
}


@random_orders
@given(lines, shippings, st.sampled_from(sorted(US_RATES)))
def test_sales_tax(order: list[PricedLine], shipping: int, zip5: str) -> None:
    rows = tuple(UsRateRow(*row, date(2025, 1, 1)) for row in US_ROWS)
    old = tuple(UsRateRow(*row[:3], "99", True, date(2020, 1, 1)) for row in US_ROWS)
    future = tuple(UsRateRow(*row[:3], "98", True, date(2027, 1, 1)) for row in US_ROWS)
    rules = TaxRules(Mode.US, "US", us_rates=(*future, *rows, *old))
    found = assess(rules, Destination("US", f"{zip5}-1234"), order, shipping, DAY)

    nets = Counter[tuple[str, str]]()
    for line, share in zip(order, shares(shipping, order), strict=True):
        rate, shipping_is_taxed = US_RATES[zip5][CLASSES.index(line.tax_class)]
        nets[line.tax_class, rate] += line.price * line.quantity
        nets[line.tax_class, rate if shipping_is_taxed else "0"] += share
    taxes = {key: half_up(net * Fraction(key[1]) / 100) for key, net in nets.items()}
    assert {(each.tax_class, each.rate): (each.net, each.tax) for each in found.sums if each.net} == {
        key: (net, taxes[key]) for key, net in nets.items() if net
    }
    assert found.added_tax == sum(taxes.values())
    assert (found.prices, found.shipping) == (tuple(line.price for line in order), shipping)
    check_money(found, order)


@random_orders
@given(lines, shippings)
def test_small_business(order: list[PricedLine], shipping: int) -> None:
    found = assess(TaxRules(Mode.NONE, "DE"), Destination("FR", "75001"), order, shipping, DAY)
    assert {each.rate for each in found.sums} == {"0"}
    assert found.shipping == shipping
    check_money(found, order)


def test_yen_have_no_cents_and_shipping_may_be_free_or_alone() -> None:
    rules = TaxRules(Mode.HOME, "DE")
    yen = assess(rules, Destination("DE"), [PricedLine("food", 3, 1), PricedLine("standard", 1, 1)], 1, DAY)
    assert yen.sums == (TaxSum("standard", "19", 1, 0), TaxSum("food", "7", 4, 0))
    free = assess(rules, Destination("DE"), [PricedLine("standard", 0, 1)], 0, DAY)
    assert free.sums == (TaxSum("standard", "19", 0, 0),)
    gift = assess(rules, Destination("DE"), [PricedLine("food", 0, 3)], 490, DAY)
    assert gift.tax_by_rate == {"7": 32}
    empty = assess(rules, Destination("DE"), [], 490, DAY)
    assert (empty.prices, empty.rates, empty.tax_by_rate, empty.shipping) == ((), (), {"19": 78}, 490)
