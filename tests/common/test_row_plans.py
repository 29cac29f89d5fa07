"""An item read by a table's plan is the item that pynamodb reads, and is written as pynamodb writes it, for every table."""

import importlib
import json
import pkgutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st
from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.exceptions import AttributeDeserializationError, AttributeNullError
from pynamodb.models import Model

import chalicelib
from chalicelib.catalog.models import Product, Stock
from chalicelib.database.connection import Table


def all_models() -> list[type[Table]]:
    """List every model that rows are read into, also those that share a table."""
    for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
        importlib.import_module(module.name)
    left, found = [Table], []
    while left:
        model = left.pop()
        left += model.__subclasses__()
        if hasattr(getattr(model, "Meta", None), "table_name") and model.__module__.startswith("chalicelib."):
            found.append(model)
    return found


TABLES = all_models()
STRINGS = st.text(max_size=8)
NUMBERS = st.one_of(
    st.integers(-(10**37), 10**37).map(str), st.floats(allow_nan=False, allow_infinity=False).map(json.dumps)
)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=5,
)
MAPS = st.dictionaries(
    st.text("abcXYZ-1", min_size=1, max_size=5).map(lambda name: f"k{name}"),
    st.one_of(
        st.fixed_dictionaries({"S": STRINGS}),
        st.fixed_dictionaries({"N": NUMBERS}),
        st.fixed_dictionaries({"M": st.dictionaries(st.just("quantity"), st.just({"N": "1"}))}),
    ),
    max_size=3,
)
VALUES: dict[type[Attribute[Any]], st.SearchStrategy[dict[str, Any]]] = {
    UnicodeAttribute: st.fixed_dictionaries({"S": STRINGS}),
    NumberAttribute: st.fixed_dictionaries({"N": NUMBERS}),
    BooleanAttribute: st.fixed_dictionaries({"BOOL": st.booleans()}),
    JSONAttribute: st.fixed_dictionaries({"S": JSONS.map(json.dumps)}),
    UnicodeSetAttribute: st.fixed_dictionaries({"SS": st.lists(STRINGS, min_size=1, unique=True)}),
}


def rows_of(table: type[Model]) -> st.SearchStrategy[dict[str, Any]]:
    """Make rows of a table, in which any attribute may be missing, or stored as nothing; and others may be."""
    values = {
        attribute.attr_name: VALUES.get(type(attribute), st.fixed_dictionaries({"M": MAPS}))
        for attribute in table.get_attributes().values()
    }
    some = {name: value | st.sampled_from([{"NULL": True}, {}]) for name, value in values.items()}
    return st.fixed_dictionaries({}, optional={**some, "of an older release": st.just({"S": "x"})})


def seen(value: Any) -> Any:
    """Write a value with its type: pynamodb's maps do not compare, and 1 is 1.0 and True."""
    inner = getattr(value, "attribute_values", value)
    if isinstance(inner, dict):
        return type(value), {name: seen(each) for name, each in inner.items()}
    if isinstance(inner, list):
        return type(value), [seen(each) for each in inner]
    return type(value), value


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
@rules(max_examples=50, deadline=None)
@given(data=st.data())
def test_an_item_read_by_its_plan_is_pynamodbs(table: type[Table], data: st.DataObject) -> None:
    row = data.draw(rows_of(table))
    before = json.dumps(row)
    planned = table.from_raw_data(row)
    assert json.dumps(row) == before
    pynamodbs: Any = Model.from_raw_data.__func__(table, row)  # type: ignore[attr-defined]  # of the class, beside ours
    assert seen(planned) == seen(pynamodbs)
    assert vars(planned).keys() == vars(pynamodbs).keys()


@pytest.mark.parametrize("null_check", [True, False])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
@rules(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_row_written_by_its_plan_is_pynamodbs(
    table: type[Table], null_check: bool, data: st.DataObject
) -> None:
    item = table.from_raw_data(data.draw(rows_of(table)))

    def written(serialize: Any) -> str:
        try:
            return json.dumps(serialize(item, null_check=null_check))  # in the same order, too
        except AttributeNullError as error:
            return str(error)

    assert written(table.serialize) == written(Model.serialize)


def test_mutable_defaults_are_created_for_each_item() -> None:
    one, other = Product.from_raw_data({}), Product.from_raw_data({})
    one.pending_pictures.append("x")
    assert other.pending_pictures == []


@pytest.mark.parametrize("row", [{"available": {"S": "1"}}, {"sku": {"N": "1"}}])
def test_a_value_of_another_type_is_refused_as_pynamodb_refuses_it(row: dict[str, Any]) -> None:
    for read in (Stock.from_raw_data, lambda row: Model.from_raw_data.__func__(Stock, row)):  # type: ignore[attr-defined]
        with pytest.raises(AttributeDeserializationError):
            read(row)
