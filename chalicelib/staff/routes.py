"""All staff pages in one blueprint: each module below adds its own."""

from chalicelib.staff import entrance, jobs
from chalicelib.staff.routing import routes as declared

PAGES = (entrance, jobs)
routes = declared.blueprint
