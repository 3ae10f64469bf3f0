"""Putting something else in the place of one method of a port, while the rest stays what it is."""

from collections.abc import Callable
from typing import Any

from harness.killing import Watched
from harness.world import World


class Stub:
    """A port with some of its methods replaced; each gets the real port first."""

    def __init__(self, real: Any, methods: dict[str, Callable[..., Any]]) -> None:
        self.real = real
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        """The replaced method, or the real one."""
        method = self._methods.get(name)
        if method is None:
            return getattr(self.real, name)
        return lambda *args, **kwargs: method(self.real, *args, **kwargs)


def stub(world: World, *, port: str = "partner", **methods: Callable[..., Any]) -> None:
    """Replace methods of a port of a world; without any, the real ones are back."""
    watched: Watched = getattr(world.ports, port)
    real = watched.port
    watched.port = Stub(real.real if isinstance(real, Stub) else real, methods)


def stub_store(world: World, **methods: Callable[..., Any]) -> None:
    """Replace methods of the store."""
    stub(world, port="store", **methods)
