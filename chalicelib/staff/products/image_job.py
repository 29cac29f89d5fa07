"""The background job that processes an uploaded image and adds it to its product."""

from chalicelib.catalog.images import product_images, uploads
from chalicelib.catalog.images.validation import InvalidImage
from chalicelib.staff.audit import audit_log
from chalicelib.staff.jobs import job_progress
from chalicelib.staff.models import Job


def process_image_job(job: Job) -> None:
    """Process an image and add it to its product. If that is done or no longer wanted, nothing changes."""
    slug, upload = job.arguments["slug"], job.arguments["upload"]
    if not product_images.is_pending(slug, upload):
        return
    try:
        write_audit = audit_log.writer_as(job.actor, "added an image")
        product_images.attach_image(slug, upload, uploads.take_in(upload), write_audit)
    except InvalidImage as refusal:
        if not product_images.is_pending(slug, upload):
            return  # the same job ran twice concurrently, and the other run has processed the upload
        product_images.reject_image(slug, upload, str(refusal))
        uploads.delete_upload(upload)
        raise job_progress.JobFailed(str(refusal)) from refusal
    uploads.delete_upload(upload)
