"""Every address under /staff: the allowed roles, and the view; a view's module is imported on the first call."""

from typing import TYPE_CHECKING

from chalicelib.staff.router import MERCHANT, PUBLIC, STAFF, StaffRoutes, unknown_page
from chalicelib.web.lazy_imports import LazyModule
from chalicelib.web.router import unknown_pages

if TYPE_CHECKING:
    from chalicelib.staff.audit import audit_log_page
    from chalicelib.staff.auth import login, members, password_reset, profile
    from chalicelib.staff.customers import erasure_page
    from chalicelib.staff.dashboard import alerts, held_stock, sales
    from chalicelib.staff.jobs import job_page
    from chalicelib.staff.orders import (
        corrections,
        csv_export,
        order_detail,
        order_list,
        packing_slips,
        refund_form,
        shipping,
    )
    from chalicelib.staff.products import categories, image_page, import_export, product_detail, product_list
    from chalicelib.staff.reports import report_page
    from chalicelib.staff.settings import delivery_page, settings_list, taxes_page
else:
    audit_log_page = LazyModule("chalicelib.staff.audit.audit_log_page")
    login = LazyModule("chalicelib.staff.auth.login")
    members = LazyModule("chalicelib.staff.auth.members")
    password_reset = LazyModule("chalicelib.staff.auth.password_reset")
    profile = LazyModule("chalicelib.staff.auth.profile")
    erasure_page = LazyModule("chalicelib.staff.customers.erasure_page")
    alerts = LazyModule("chalicelib.staff.dashboard.alerts")
    held_stock = LazyModule("chalicelib.staff.dashboard.held_stock")
    sales = LazyModule("chalicelib.staff.dashboard.sales")
    job_page = LazyModule("chalicelib.staff.jobs.job_page")
    corrections = LazyModule("chalicelib.staff.orders.corrections")
    csv_export = LazyModule("chalicelib.staff.orders.csv_export")
    order_detail = LazyModule("chalicelib.staff.orders.order_detail")
    order_list = LazyModule("chalicelib.staff.orders.order_list")
    packing_slips = LazyModule("chalicelib.staff.orders.packing_slips")
    refund_form = LazyModule("chalicelib.staff.orders.refund_form")
    shipping = LazyModule("chalicelib.staff.orders.shipping")
    categories = LazyModule("chalicelib.staff.products.categories")
    image_page = LazyModule("chalicelib.staff.products.image_page")
    import_export = LazyModule("chalicelib.staff.products.import_export")
    product_detail = LazyModule("chalicelib.staff.products.product_detail")
    product_list = LazyModule("chalicelib.staff.products.product_list")
    report_page = LazyModule("chalicelib.staff.reports.report_page")
    delivery_page = LazyModule("chalicelib.staff.settings.delivery_page")
    settings_list = LazyModule("chalicelib.staff.settings.settings_list")
    taxes_page = LazyModule("chalicelib.staff.settings.taxes_page")

staff = StaffRoutes("chalicelib.staff")
routes = staff.blueprint


# -- login and accounts -----------------------------------------------------------------------------------

staff.page("/staff/login", PUBLIC, login.login_form)
staff.action("/staff/login", PUBLIC, login.log_in)
staff.action("/staff/logout", STAFF, login.log_out)
staff.page("/staff/forgotten", PUBLIC, password_reset.forgot_form)
staff.action("/staff/forgotten", PUBLIC, password_reset.send_reset_link)
staff.page("/staff/reset", PUBLIC, password_reset.show_reset)
staff.action("/staff/reset", PUBLIC, password_reset.reset)
staff.page("/staff/account", STAFF, profile.show)
staff.action("/staff/account/password", STAFF, profile.change_password)
staff.page("/staff/members", MERCHANT, members.show)
staff.action("/staff/members", MERCHANT, members.invite)
staff.action("/staff/members/invitation", MERCHANT, members.invite_again)
staff.action("/staff/members/role", MERCHANT, members.change_role)
staff.action("/staff/members/removal", MERCHANT, members.remove)
staff.page("/staff/audit", MERCHANT, audit_log_page.show)

# -- background jobs --------------------------------------------------------------------------------------

staff.page("/staff/jobs/{job_id}", STAFF, job_page.show_job)
staff.action("/staff/jobs/{job_id}/again", STAFF, job_page.retry_job)
staff.page("/staff/jobs/{job_id}/result", STAFF, job_page.download_result)

# -- sales and alerts -------------------------------------------------------------------------------------

unknown_pages["/staff/"] = unknown_page
staff.page("/staff", STAFF, sales.show)
staff.page("/staff/attention", STAFF, alerts.show)
staff.action("/staff/attention/holds", MERCHANT, held_stock.release)

# -- orders -----------------------------------------------------------------------------------------------

staff.page("/staff/orders", STAFF, order_list.show)
staff.page("/staff/orders/csv", STAFF, csv_export.export)
staff.page("/staff/orders/ship", MERCHANT, shipping.shipping_form)
staff.action("/staff/orders/ship", MERCHANT, shipping.ship_several)
staff.page("/staff/orders/{order_id}/slip", STAFF, packing_slips.show_one)
staff.page("/staff/slips", STAFF, packing_slips.show_several)
staff.page("/staff/orders/{order_id}", STAFF, order_detail.show)
staff.action("/staff/orders/{order_id}/ship", MERCHANT, order_detail.ship)
staff.action("/staff/orders/{order_id}/complete", MERCHANT, order_detail.complete_shipping)
staff.action("/staff/orders/{order_id}/parcels", MERCHANT, corrections.add_parcel)
staff.action("/staff/orders/{order_id}/parcels/{parcel_id}", MERCHANT, corrections.correct_parcel)
staff.action("/staff/orders/{order_id}/parcels/{parcel_id}/removal", MERCHANT, corrections.remove_parcel)
staff.action("/staff/orders/{order_id}/address", MERCHANT, corrections.correct_customer)
staff.action("/staff/orders/{order_id}/cancel", MERCHANT, order_detail.cancel)
staff.action("/staff/orders/{order_id}/mails", MERCHANT, order_detail.resend_email)
staff.action("/staff/orders/{order_id}/notes", MERCHANT, order_detail.add_note)
staff.action("/staff/orders/{order_id}/issues/{number}", MERCHANT, order_detail.resolve_issue)
staff.action("/staff/orders/{order_id}/refunds", MERCHANT, refund_form.refund)
staff.page("/staff/orders/{order_id}/refunds", MERCHANT, refund_form.redirect_to_order)
staff.page("/staff/erase", MERCHANT, erasure_page.erasure_form)
staff.action("/staff/erase", MERCHANT, erasure_page.erase)

# -- products ---------------------------------------------------------------------------------------------

staff.page("/staff/products", MERCHANT, product_list.show)
staff.action("/staff/products", MERCHANT, product_list.save)
staff.page("/staff/products/new", MERCHANT, product_detail.show_new)
staff.action("/staff/products/new", MERCHANT, product_detail.create)
staff.page("/staff/products/{slug}", MERCHANT, product_detail.show)
staff.action("/staff/products/{slug}", MERCHANT, product_detail.save)
staff.page("/staff/products/{slug}/pictures", MERCHANT, image_page.show)
staff.action("/staff/products/{slug}/pictures/add", MERCHANT, image_page.add)
staff.action("/staff/products/{slug}/pictures/forget", MERCHANT, image_page.remove_pending)
staff.action("/staff/products/{slug}/pictures", MERCHANT, image_page.reorder)

# -- categories, and the catalog as a file ----------------------------------------------------------------

staff.page("/staff/categories", MERCHANT, categories.list_categories)
staff.action("/staff/categories", MERCHANT, categories.create)
staff.action("/staff/categories/{key}/move", MERCHANT, categories.move)
staff.page("/staff/categories/{key}", MERCHANT, categories.show)
staff.action("/staff/categories/{key}", MERCHANT, categories.change)
staff.action("/staff/categories/{key}/remove", MERCHANT, categories.remove)
staff.page("/staff/catalog", MERCHANT, import_export.show)
staff.action("/staff/catalog/out", MERCHANT, import_export.export)
staff.page("/staff/catalog/sent", MERCHANT, import_export.confirm_import)
staff.action("/staff/catalog/look", MERCHANT, import_export.check_file)
staff.action("/staff/catalog/in", MERCHANT, import_export.start_import)

# -- books ------------------------------------------------------------------------------------------------

staff.page("/staff/books", STAFF, report_page.show)
staff.page("/staff/books/{when}", STAFF, report_page.fetch_month)
staff.page("/staff/books/{when}/{name}", STAFF, report_page.fetch_file)
staff.action("/staff/books/{when}", MERCHANT, report_page.write_now)

# -- settings ---------------------------------------------------------------------------------------------

staff.page("/staff/settings", MERCHANT, settings_list.show)
staff.page("/staff/settings/delivery", MERCHANT, delivery_page.show)
staff.action("/staff/settings/delivery", MERCHANT, delivery_page.change)
staff.page("/staff/settings/delivery/{version}", MERCHANT, delivery_page.show_version)
staff.action("/staff/settings/delivery/{version}", MERCHANT, delivery_page.restore)
staff.page("/staff/settings/taxes", MERCHANT, taxes_page.show)
staff.action("/staff/settings/taxes", MERCHANT, taxes_page.change)
staff.page("/staff/settings/taxes/{version}", MERCHANT, taxes_page.show_version)
staff.action("/staff/settings/taxes/{version}", MERCHANT, taxes_page.restore)
