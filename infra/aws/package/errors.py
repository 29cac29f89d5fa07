"""Why there is no package."""


class PackageError(Exception):
    """Raised where no package can be made."""
