"""One thing is tried on a box at a time: of two, each would be blamed for what the other does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from edge_runtime.contracts.errors import BoxBusy

Kind = Literal["configuration", "model", "drill", "program"]
_WORDS: dict[Kind, str] = {
    "configuration": "A configuration is on trial on this box.",
    "model": "A model is being installed or on trial on this box.",
    "drill": "A drill is under way on this box.",
    "program": "Another version of the box's own program is on trial on this box.",
}
_WAITS_FOR: dict[Kind, tuple[Kind, ...]] = {
    "configuration": ("model", "drill", "program"),
    # An update comes first: a drill ends where one begins.
    "model": ("configuration", "program"),
    "drill": ("configuration", "model", "program"),
    "program": ("configuration", "model", "drill"),
}


class Turns:
    """Who may begin; used by any thread.

    :param under_way: whether a trial of each kind is under way, or was asked for.
    """

    def __init__(self, under_way: Mapping[Kind, Callable[[], bool]]) -> None:
        self._under_way = under_way
        self._lock = threading.Lock()

    @contextmanager
    def begin(self, kind: Kind) -> Iterator[None]:
        """Whatever is begun within is under way when this ends; nobody else begins meanwhile.

        :raises BoxBusy: something else is under way.
        """
        with self._lock:
            for other in _WAITS_FOR[kind]:
                if self._under_way[other]():
                    raise BoxBusy(_WORDS[other])
            yield
