"""Import pynamodb without botocore's client, which it needs only for type names, and most processes never use.

Botocore's modules are two thirds of pynamodb's import time. This module alone knows which; it is written for the version
of pynamodb that its test names.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

DEFERRED = ("client", "config", "credentials", "endpoint", "hooks", "model", "session", "signers")


def import_pynamodb() -> None:
    """Import pynamodb with placeholders for those modules of botocore that only `load_botocore` needs."""
    import botocore.exceptions

    if "pynamodb.connection" in sys.modules:
        return
    absent = [name for name in DEFERRED if f"botocore.{name}" not in sys.modules]
    for name in absent:
        module = _Placeholder(f"botocore.{name}")
        module.__dict__.update(ClientError=botocore.exceptions.ClientError, get_session=_get_session)
        sys.modules[module.__name__] = module
        setattr(botocore, name, module)
    try:
        importlib.import_module("pynamodb.connection")
    finally:
        for name in absent:
            del sys.modules[f"botocore.{name}"]
            delattr(botocore, name)


def load_botocore() -> None:
    """Import the deferred modules: pynamodb finds them in the package when it creates a client."""
    for name in DEFERRED:
        importlib.import_module(f"botocore.{name}")


class _Placeholder(ModuleType):
    """A module whose classes are used only in annotations, and as bases of classes that are never instantiated."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _get_session() -> Any:
    load_botocore()
    return sys.modules["botocore.session"].get_session()
