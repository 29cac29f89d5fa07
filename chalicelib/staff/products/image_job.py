"""The background job that processes an uploaded image and adds it to its product."""

from chalicelib.catalog.images import product_images, uploads
from chalicelib.catalog.images.validation import NoPicture
from chalicelib.staff.audit import audit_log
from chalicelib.staff.jobs import job_progress
from chalicelib.staff.models import Job


def prepare(job: Job) -> None:
    """Make a picture ready and put it to its product. Found done, or no longer wanted, it changes nothing."""
    slug, upload = job.arguments["slug"], job.arguments["upload"]
    if not product_images.is_expected(slug, upload):
        return
    try:
        witness = audit_log.witness_of(job.by, "put a picture into the shop")
        product_images.attach(slug, upload, uploads.take_in(upload), witness)
    except NoPicture as refusal:
        if not product_images.is_expected(slug, upload):
            return  # the same job ran twice at once, and the other run has taken the upload in
        product_images.refuse(slug, upload, str(refusal))
        uploads.throw_away(upload)
        raise job_progress.JobFailed(str(refusal)) from refusal
    uploads.throw_away(upload)
