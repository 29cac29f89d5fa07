"""All staff pages in one blueprint: each module below adds its own."""

from chalicelib.staff import (
    account,
    attention,
    books,
    catalog_files,
    categories,
    entrance,
    erasing,
    jobs,
    members,
    order,
    orders,
    orders_csv,
    pictures,
    product,
    products,
    refunds,
    shipping,
    slips,
    today,
    trail,
)
from chalicelib.staff.routing import routes as declared

PAGES = (
    entrance,
    account,
    members,
    trail,
    jobs,
    orders,
    order,
    shipping,
    slips,
    orders_csv,
    refunds,
    product,
    pictures,
    products,
    categories,
    catalog_files,
    erasing,
    today,
    attention,
    books,
)
routes = declared.blueprint
