"""Stopping the process at any of its side effects: every call to a port is one."""

import threading
from collections.abc import Callable
from typing import Any


class Killed(BaseException):
    """The process is gone: nothing of ours may catch this."""


class Killer:
    """Stops the process at the `at`-th side effect, before it or after it, once."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self._at = at
        self._after = after
        self._lock = threading.Lock()
        self._before: dict[str, tuple[int, Callable[[], object]]] = {}
        self._deadly: str | None = None
        self._meanwhile: tuple[int, Callable[[], None]] | None = None
        self.calls: list[str] = []
        """The names of all side effects so far, in order."""

    def when(self, name: str, action: Callable[[], object], *, skip: int = 0) -> None:
        """Do `action` right before the next call of `name` (after `skip` calls of it), once."""
        self._before[name] = (skip, action)

    def kill_in(self, steps: int, *, after: bool = False) -> None:
        """Stop the process at the side effect that is `steps` ahead."""
        self._at = len(self.calls) + steps
        self._after = after

    def meanwhile(self, steps: int, action: Callable[[], None]) -> None:
        """Do `action` behind the side effect that is `steps` ahead, as somebody else does it, once."""
        self._meanwhile = (len(self.calls) + steps, action)

    def spare(self) -> None:
        """Do no more harm."""
        self._at = None

    def kill_always(self, name: str) -> None:
        """Stop the process at every call of `name`."""
        self._deadly = name

    def _act(self, name: str) -> None:
        skip, action = self._before.pop(name, (0, None))
        if action is not None and skip:
            self._before[name] = (skip - 1, action)
        elif action is not None:
            action()
        if name == self._deadly:
            raise Killed(name)

    def _let_others(self, place: int) -> None:
        if self._meanwhile is not None and self._meanwhile[0] == place:
            _, action = self._meanwhile
            self._meanwhile = None
            action()

    def __call__[T](self, name: str, call: Callable[[], T]) -> T:
        with self._lock:
            self.calls.append(name)
            place = len(self.calls) - 1
        self._act(name)
        if place == self._at and not self._after:
            raise self.trouble(name)
        try:
            result = call()
        finally:
            self._let_others(place)
        if place == self._at:
            raise self.trouble(name)
        return result

    def trouble(self, name: str) -> BaseException:
        """What the process meets at that side effect."""
        return Killed(name)


class Watched:
    """A port whose every call passes the killer."""

    def __init__(self, name: str, port: object, killer: Killer) -> None:
        self._name = name
        self.port = port
        self._killer = killer

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._killer(f"{self._name}.{name}", lambda: method(*args, **kwargs))

        return call
