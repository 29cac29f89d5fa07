"""All staff pages in one blueprint: each module below adds its own."""

from chalicelib.staff import (
    account,
    entrance,
    erasing,
    jobs,
    members,
    order,
    orders,
    orders_csv,
    shipping,
    slips,
    trail,
)
from chalicelib.staff.routing import routes as declared

PAGES = (entrance, account, members, trail, jobs, orders, order, shipping, slips, orders_csv, erasing)
routes = declared.blueprint
