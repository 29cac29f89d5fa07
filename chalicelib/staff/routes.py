"""Every address under /staff: who may use it, and the view that answers; a view's module is imported when it is asked for."""

from chalicelib.staff.routing import MERCHANT, OPEN, STAFF, StaffRoutes

staff = StaffRoutes("chalicelib.staff")
routes = staff.blueprint


# -- the entrance, and who may enter ----------------------------------------------------------------------

staff.page("/staff/login", OPEN, "entrance.ask")
staff.action("/staff/login", OPEN, "entrance.log_in")
staff.action("/staff/logout", STAFF, "entrance.log_out")
staff.page("/staff/forgotten", OPEN, "entrance.ask_whose")
staff.action("/staff/forgotten", OPEN, "entrance.mail_link")
staff.page("/staff/reset", OPEN, "entrance.show_reset")
staff.action("/staff/reset", OPEN, "entrance.reset")
staff.page("/staff/account", STAFF, "account.show")
staff.action("/staff/account/password", STAFF, "account.change_password")
staff.page("/staff/members", MERCHANT, "members.show")
staff.action("/staff/members", MERCHANT, "members.invite")
staff.action("/staff/members/invitation", MERCHANT, "members.invite_again")
staff.action("/staff/members/role", MERCHANT, "members.change_role")
staff.action("/staff/members/removal", MERCHANT, "members.remove")
staff.page("/staff/audit", MERCHANT, "trail.show")

# -- long work --------------------------------------------------------------------------------------------

staff.page("/staff/jobs/{job_id}", STAFF, "jobs.watch")
staff.action("/staff/jobs/{job_id}/again", STAFF, "jobs.ask_again")
staff.page("/staff/jobs/{job_id}/result", STAFF, "jobs.fetch")

# -- the day ----------------------------------------------------------------------------------------------

staff.page("/staff", STAFF, "today.show")
staff.page("/staff/attention", STAFF, "attention.show")
staff.action("/staff/attention/holds", MERCHANT, "holds.release")

# -- orders -----------------------------------------------------------------------------------------------

staff.page("/staff/orders", STAFF, "orders.show")
staff.page("/staff/orders/csv", STAFF, "orders_csv.export")
staff.page("/staff/orders/ship", MERCHANT, "shipping.ask")
staff.action("/staff/orders/ship", MERCHANT, "shipping.ship_several")
staff.page("/staff/orders/{order_id}/slip", STAFF, "slips.show_one")
staff.page("/staff/slips", STAFF, "slips.show_several")
staff.page("/staff/orders/{order_id}", STAFF, "order.show")
staff.action("/staff/orders/{order_id}/ship", MERCHANT, "order.ship")
staff.action("/staff/orders/{order_id}/complete", MERCHANT, "order.complete_shipping")
staff.action("/staff/orders/{order_id}/parcels", MERCHANT, "corrections.add_parcel")
staff.action("/staff/orders/{order_id}/parcels/{parcel_id}", MERCHANT, "corrections.correct_parcel")
staff.action("/staff/orders/{order_id}/parcels/{parcel_id}/removal", MERCHANT, "corrections.remove_parcel")
staff.action("/staff/orders/{order_id}/address", MERCHANT, "corrections.correct_customer")
staff.action("/staff/orders/{order_id}/cancel", MERCHANT, "order.cancel")
staff.action("/staff/orders/{order_id}/mails", MERCHANT, "order.send_again")
staff.action("/staff/orders/{order_id}/notes", MERCHANT, "order.add_note")
staff.action("/staff/orders/{order_id}/issues/{number}", MERCHANT, "order.look_at")
staff.action("/staff/orders/{order_id}/refunds", MERCHANT, "refunds.refund")
staff.page("/staff/orders/{order_id}/refunds", MERCHANT, "refunds.lead_back")
staff.page("/staff/erase", MERCHANT, "erasing.ask")
staff.action("/staff/erase", MERCHANT, "erasing.erase")

# -- products ---------------------------------------------------------------------------------------------

staff.page("/staff/products", MERCHANT, "products.show")
staff.action("/staff/products", MERCHANT, "products.save")
staff.page("/staff/products/new", MERCHANT, "product.show_new")
staff.action("/staff/products/new", MERCHANT, "product.make")
staff.page("/staff/products/{slug}", MERCHANT, "product.show")
staff.action("/staff/products/{slug}", MERCHANT, "product.save")
staff.page("/staff/products/{slug}/pictures", MERCHANT, "pictures.show")
staff.action("/staff/products/{slug}/pictures/add", MERCHANT, "pictures.add")
staff.action("/staff/products/{slug}/pictures/forget", MERCHANT, "pictures.forget")
staff.action("/staff/products/{slug}/pictures", MERCHANT, "pictures.arrange")

# -- categories, and the catalog as a file ----------------------------------------------------------------

staff.page("/staff/categories", MERCHANT, "categories.list_categories")
staff.action("/staff/categories", MERCHANT, "categories.create")
staff.action("/staff/categories/{key}/move", MERCHANT, "categories.move")
staff.page("/staff/categories/{key}", MERCHANT, "categories.show")
staff.action("/staff/categories/{key}", MERCHANT, "categories.change")
staff.action("/staff/categories/{key}/remove", MERCHANT, "categories.remove")
staff.page("/staff/catalog", MERCHANT, "catalog_files.show")
staff.action("/staff/catalog/out", MERCHANT, "catalog_files.take_out")
staff.page("/staff/catalog/sent", MERCHANT, "catalog_files.sent")
staff.action("/staff/catalog/look", MERCHANT, "catalog_files.look")
staff.action("/staff/catalog/in", MERCHANT, "catalog_files.take_in")

# -- books ------------------------------------------------------------------------------------------------

staff.page("/staff/books", STAFF, "books.show")
staff.page("/staff/books/{when}", STAFF, "books.fetch_month")
staff.page("/staff/books/{when}/{name}", STAFF, "books.fetch_file")
staff.action("/staff/books/{when}", MERCHANT, "books.write_now")
