"""All staff pages in one blueprint: each module below adds its own."""

from chalicelib.staff import account, entrance, jobs, members, trail
from chalicelib.staff.routing import routes as declared

PAGES = (entrance, account, members, trail, jobs)
routes = declared.blueprint
