"""Why there is no package."""


class PackageFailed(Exception):
    """Say why there is no package."""
