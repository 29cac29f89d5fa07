"""The packaging error."""


class PackageError(Exception):
    """Raised if no package can be built."""
