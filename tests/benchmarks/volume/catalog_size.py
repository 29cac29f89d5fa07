"""What a large catalog costs: searching, the staff's list, importing what is unchanged: `python -m tests.benchmarks.volume.catalog_size`.

The same pages in a shop of a hundred products and in one of ten thousand, each beside its floor of the same run: the same
calls to DynamoDB, and nothing done with their answers. The catalog's rows are made as saving makes them and written in
batches; of the products beyond a thousand only those rows that a search or a list can meet. Exits 1 where a promise below
is broken; times depend on the machine, so that none is promised, but their ratio is.
"""

import csv
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from infra.local.local_cloud import LocalCloud

SIZES = (100, 10_000)
IMPORTED = 1_000  # products of the file; with fewer in the shop it is not measured
ROUNDS = 15
WARM_UP = 2
WORD = "tea"  # in every product's text, and in one name in ten
MAX_SEARCH_CALLS = 5
MAX_LIST_CALLS = 7  # its account and session, the categories, a page of the list, products, stock
MAX_IMPORT_CALLS = 60
MAX_TIMES = 1.5  # the CPU of a search or a list in the large shop, as of the small one; 1 is the goal
SHOP = {"TABLE_PREFIX": "bench-", "TIMEZONE": "UTC", "CURRENCY": "EUR", "PUBLIC_URL": "http://127.0.0.1:8000"}
HEAD = "products  what                           CPU ms  its calls alone  times these  calls  most"


def main() -> int:
    """Measure both sizes and print a table; return the exit status."""
    print("A small and a large catalog: pages of staff and shoppers, and a file that changes nothing\n")
    print(HEAD)
    with LocalCloud() as cloud:
        os.environ |= cloud.environment | SHOP
        broken = list(_measure_all())
    for promise in broken:
        print(f"broken: {promise}")
    return bool(broken)


def _measure_all() -> Iterator[str]:
    # Imported here: chalicelib reads the environment once, when it is imported.
    from app import app
    from chalicelib.catalog import categories
    from chalicelib.web.page_cache import cache
    from infra.local.api_gateway import Gateway
    from infra.local.create_resources import make_shop_aws
    from tests.client import Shopper
    from tests.staff.staff_client import logged_in, member

    make_shop_aws()
    member("merchant")
    gateway = Gateway(app)
    staff = logged_in(gateway, "merchant")

    def search() -> object:
        cache.clear()
        categories.clear_category_cache()
        return Shopper(gateway, source="192.0.2.7").get(f"/search?q={WORD}").status

    taken: dict[str, list[float]] = {}
    for before, size in zip((0, *SIZES), SIZES, strict=False):
        _stock(range(before, size))
        for what, act, most in (
            ("search, cold, a frequent word", search, MAX_SEARCH_CALLS),
            ("staff's product list, a page", lambda: staff.get("/staff/products").status, MAX_LIST_CALLS),
        ):
            cpu, calls = _measure(size, what, act, 200, most, ROUNDS)
            taken.setdefault(what, []).append(cpu)
            if calls > most:
                yield f"{what}: {calls} calls, at most {most} are promised"
    for what, (small, large) in taken.items():
        print(f"{what}: {SIZES[-1] // SIZES[0]} times the products are {large / small:.2f} times the CPU")
        if large > small * MAX_TIMES:
            yield f"{what}: {large / small:.2f} times the CPU, at most {MAX_TIMES} is promised"
    yield from _measure_import()


def _measure_import() -> Iterator[str]:
    from chalicelib.catalog.import_export import importer
    from chalicelib.catalog.import_export.importer import ImportReport

    with tempfile.TemporaryDirectory(prefix="awning-bench-") as folder:
        file = Path(folder) / "catalog.csv"
        with file.open("w", newline="", encoding="utf-8") as target:
            csv.writer(target).writerows(_file_rows(range(IMPORTED)))
        checked = importer.check_file(file)
        what, unchanged = f"import of {IMPORTED:,}, nothing changed", ImportReport(0, 0, IMPORTED)
        _, calls = _measure(
            SIZES[-1], what, lambda: importer.load_checked(checked), unchanged, MAX_IMPORT_CALLS, 1
        )
    if calls > MAX_IMPORT_CALLS:
        yield f"{what}: {calls} calls, at most {MAX_IMPORT_CALLS} are promised"


def _measure(
    size: int, what: str, act: Callable[[], object], wanted: object, most: int, rounds: int
) -> tuple[float, int]:
    """Print a row; return the CPU in milliseconds, and the calls."""
    from chalicelib.database.connection import shared_connection
    from tests.dynamodb_faults import watched

    alone, whole, calls = [], [], 0
    for turn in range(-WARM_UP if rounds > 1 else 0, rounds):
        with watched() as seen:
            begun = time.process_time()
            answer = act()
            cpu = time.process_time() - begun
        if answer != wanted:
            raise RuntimeError(f"{what}: {answer}")
        calls = len(seen)
        reads = [(operation, arguments) for operation, arguments in seen if "Write" not in operation]
        begun = time.process_time()
        for operation, arguments in reads:
            shared_connection()._make_api_call(operation, arguments)
        floor = time.process_time() - begun
        if turn >= 0:
            whole.append(cpu * 1000)
            alone.append(floor * 1000)
    cpu, floor = median(whole), median(alone)
    print(
        f"{size:8,}  {what:30} {cpu:6.1f}  {floor:15.1f}  {cpu / floor:11.2f}  {calls:5}  {most:4}",
        flush=True,
    )
    return cpu, calls


# -- a catalog of any size --------------------------------------------------------------------------------


def _file_rows(numbers: Iterable[int]) -> Iterator[list[str]]:
    yield ["slug", "name", "text", "category", "category_name", "tax_rate", "added", "sku", "price", "stock"]
    for number in numbers:
        name, text = _name(number), _text(number)
        day, sku = "2026-10-01", f"SKU-{number:05}"
        yield [f"p{number:05}", name, text, "pots", "Pots", "19", day, sku, "12.90", "10"]


def _name(number: int) -> str:
    return f"{'Tea mug' if number % 10 == 0 else 'Mug'} {number}"


def _text(number: int) -> str:
    return f"For {WORD} and coffee. Glaze {number % 7}, thrown by hand, fired twice, and washed by whoever drinks last."


def _stock(numbers: range) -> None:
    """Write products, as saving them does."""
    from chalicelib.catalog.categories import Category
    from chalicelib.catalog.editing import product_editing
    from chalicelib.catalog.editing.category_editing import save_categories
    from chalicelib.catalog.editing.product_validation import ProductDraft, VariantDraft
    from chalicelib.catalog.listing_entries import _rows
    from chalicelib.catalog.models import Stock, stock_shard_of
    from chalicelib.catalog.search import _row

    save_categories([Category("pots", "Pots", "")])
    rows: list[Any] = []
    for number in numbers:
        sku = f"SKU-{number:05}"
        draft = ProductDraft(
            slug=f"p{number:05}",
            name=_name(number),
            text=_text(number),
            category="pots",
            tax_class="standard",
            added="2026-10-01",
            hidden=False,
            pictures=[],
            variants=[VariantDraft(sku, {}, 1290, None, 10)],
        )
        product, words = product_editing._product(draft, None)
        rows.append(product)
        shard = stock_shard_of(sku)
        rows.append(Stock(sku, slug=draft.slug, price=1290, available=10, stock_shard=shard))
        is_whole = number < IMPORTED
        rows += [row for (group, _), row in _rows(product).items() if is_whole or group == "@all#name"]
        for word, in_name in words.items():
            if is_whole or word.strip("!").startswith(WORD[:2]):
                entry = _row(word, draft.slug)
                entry.in_name, entry.version = in_name, 1
                rows.append(entry)
    for start in range(0, len(rows), 25):
        _write(rows[start : start + 25])


def _write(rows: list[Any]) -> None:
    from chalicelib.database.connection import shared_connection

    request: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        request.setdefault(row.Meta.table_name, []).append({"PutRequest": {"Item": row.serialize()}})
    answer = shared_connection()._make_api_call("BatchWriteItem", {"RequestItems": request})
    if answer.get("UnprocessedItems"):
        raise RuntimeError("the local cloud did not take all rows")


if __name__ == "__main__":
    sys.exit(main())
