"""Garbage collection on the GUI thread alone.

Python collects on whatever thread happens to allocate. On a worker that would destroy Qt's objects there, while the GUI
thread walks over them without the interpreter's lock: the window crashes.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

LOOK_MS = 500


class GuiGarbage(QObject):
    """Takes the collection over from its making until :meth:`hand_back`; lives in the GUI thread."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._was_enabled = gc.isenabled()
        gc.disable()
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(collect_what_is_due)
        self._timer.start()

    def stop(self) -> None:
        """Look no more. Until :meth:`hand_back` nobody collects, which is right for a program that is about to end."""
        self._timer.stop()

    def hand_back(self) -> None:
        """Python collects by itself again, if it did before: no worker is left."""
        self.stop()
        if self._was_enabled:
            gc.enable()


def collect_what_is_due() -> None:
    """What Python would have collected by itself by now, oldest generation first."""
    for generation, (count, limit) in reversed(list(enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True)))):
        if limit and count > limit:
            gc.collect(generation)
            return
