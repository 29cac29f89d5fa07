"""Modules that are imported when one of their functions is called, so that a first page does not wait for others."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class LazyFunction:
    """A function of a module that is imported on the first call."""

    module: str
    name: str

    @property
    def __name__(self) -> str:
        """Return the function's name, which Chalice asks of a view."""
        return self.name

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        function: Callable[..., Any] = getattr(import_module(self.module), self.name)
        return function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Import the function and call it."""
        return self.load()(*arguments, **named)


class LazyModule:
    """Stands in for a module at run time; type checkers and editors see the import beside it, under TYPE_CHECKING."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, function: str) -> LazyFunction:
        """Return the module's function, not imported yet."""
        return LazyFunction(self._name, function)
