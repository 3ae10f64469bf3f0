"""A fact that several checks need and nobody reads twice."""

import threading
from collections.abc import Callable


class Once[T]:
    """Calls a function at most once, whoever asks first; its error is remembered too."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._value: T
        self._error: Exception | None = None
        self._done = False

    @property
    def known(self) -> T | None:
        """The value if it has been read, without reading it."""
        return self._value if self._done and self._error is None else None

    def __call__(self) -> T:
        """The value. Raises what reading it raised."""
        with self._lock:
            if not self._done:
                try:
                    self._value = self._read()
                except Exception as error:  # noqa: BLE001 - raised below, for each who asks
                    self._error = error
                self._done = True
        if self._error is not None:
            raise self._error
        return self._value
