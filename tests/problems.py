"""Asking for what is refused."""

from collections.abc import Callable

import pytest

from onramp.domain.errors import Problem


def refused(call: Callable[[], object]) -> Problem:
    """The problem that a call is answered with."""
    with pytest.raises(Problem) as caught:
        call()
    return caught.value
