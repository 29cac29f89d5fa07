"""pynamodb without botocore's client, which it imports to name its types, and which most processes never use.

Two thirds of what importing pynamodb costs are modules of botocore. This file alone knows which; it is written for the
pynamodb whose version its test names.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

DEFERRED = ("client", "config", "credentials", "endpoint", "hooks", "model", "session", "signers")


def import_pynamodb() -> None:
    """Import pynamodb while modules stand in for those of botocore that only `load_botocore` will need."""
    import botocore.exceptions

    if "pynamodb.connection" in sys.modules:
        return
    absent = [name for name in DEFERRED if f"botocore.{name}" not in sys.modules]
    for name in absent:
        module = _StandIn(f"botocore.{name}")
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
    """Import what was left out: pynamodb finds it in the package when it makes a client."""
    for name in DEFERRED:
        importlib.import_module(f"botocore.{name}")


class _StandIn(ModuleType):
    """A module whose classes are named in annotations, and as bases of classes that nobody makes."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _get_session() -> Any:
    load_botocore()
    return sys.modules["botocore.session"].get_session()
