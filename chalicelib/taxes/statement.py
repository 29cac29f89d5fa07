"""An assessment as an order keeps it, and the sentences that say it: on pages, in emails."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.taxes.assessment import Assessment, Scheme
from chalicelib.taxes.rules import Mode, TaxRules
from chalicelib.taxes.tax_classes import NAMES, ONLY_AT_HOME, TaxClass
from chalicelib.taxes.territories import Area, find_territory

_UNNAMED = ONLY_AT_HOME | {TaxClass.STANDARD}  # their names say no more than the rate does
_EXPORT = "import duties and taxes may be due on delivery."


def freeze_assessment(assessment: Assessment, rules: TaxRules) -> dict[str, Any]:
    """Return an assessment as JSON, with what must not change with the rules: why there is no tax, if there is none."""
    return {
        "scheme": assessment.scheme.value,
        "territory": assessment.territory,
        "region": assessment.region,
        "added_tax": assessment.added_tax,
        "sums": [dict(vars(each)) for each in assessment.sums],
        "note": _note(assessment.scheme, rules),
    }


def _note(scheme: Scheme, rules: TaxRules) -> str:
    if scheme is Scheme.NONE:
        return rules.note
    if scheme is Scheme.INTRA_COMMUNITY:
        # Directive 2006/112/EC, Art. 226(11): a reference to the exemption.
        return "No VAT: exempt intra-Community supply (Article 138 of Directive 2006/112/EC)."
    if scheme is not Scheme.EXPORT:
        return ""
    if rules.mode is Mode.US:
        return f"No sales tax: exported from the United States; {_EXPORT}"
    is_from_eu = find_territory(rules.country).area is Area.EU
    return f"No VAT: exported from the EU; {_EXPORT}" if is_from_eu else f"No VAT: exported; {_EXPORT}"


def included_taxes(assessment: Assessment) -> dict[str, int]:
    """Return the taxes that the total includes, by rate in percent; what is added to prices is not included in them."""
    if assessment.scheme is Scheme.US:
        return {}
    return {rate: tax for rate, tax in assessment.tax_by_rate.items() if tax}


@dataclass(frozen=True)
class TaxStatement:
    """What pages and emails say of an order's taxes; amounts in minor units.

    `added` is paid beside items and shipping, None where tax is never added; `included` are sentences with their amounts.
    """

    added: int | None
    included: list[tuple[str, int]]
    note: str


def state_taxes(
    frozen: Mapping[str, Any] | None, taxes: Mapping[str, int], vat_number: str = ""
) -> TaxStatement:
    """State the taxes of an order: of its frozen assessment, or of `taxes` by rate for orders from before there were any."""
    if frozen is None:
        return TaxStatement(
            None, [(f"Includes {rate}% VAT", amount) for rate, amount in taxes.items() if amount], ""
        )
    classes: dict[str, list[str]] = {}
    for each in frozen["sums"]:
        classes.setdefault(each["rate"], []).append(each["tax_class"])
    included = [
        (f"Includes {rate}% VAT{_names(classes.get(rate, []))}", amount) for rate, amount in taxes.items()
    ]
    note = frozen["note"]
    if frozen["scheme"] == Scheme.INTRA_COMMUNITY and vat_number:
        note = f"{note} The customer’s VAT number: {vat_number}."
    return TaxStatement(frozen["added_tax"] if frozen["scheme"] == Scheme.US else None, included, note)


def _names(classes: list[str]) -> str:
    if not classes or any(each in _UNNAMED for each in classes):
        return ""
    return f" ({', '.join(NAMES[TaxClass(each)].lower() for each in classes)})"
