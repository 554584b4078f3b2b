"""Between the shadow's bundle, the thread in which it runs, and whoever asks for it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge_runtime.awake import AwakeClock
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.status import ShadowStatus
from edge_runtime.inference.in_hand import GIVEN_UP_AFTER, InHand
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.inference.shadow import Shadow, shadow_key
from edge_runtime.service.models import Alert
from edge_runtime.update.bundle import Bundle
from edge_runtime.update.shadow import ShadowSlot

_log = logging.getLogger(__name__)


class ShadowKeeper:
    """The box's shadow model, one for all lines.

    :param load: opens a bundle's model as the line's own are opened.
    :param blame: false where it is known that something else brought about the last end.
    :param changed: called when :meth:`status` is not what it was.
    """

    def __init__(
        self,
        slot: ShadowSlot,
        *,
        load: Callable[[Bundle], LoadedModel],
        alert: Alert,
        changed: Callable[[], None],
        blame: bool = True,
    ) -> None:
        self._slot, self._load, self._alert, self._changed = slot, load, alert, changed
        clock = AwakeClock()
        self._in_hand = InHand(slot.in_hand, blame=blame, clock=clock)
        self.runner = Shadow(dropped=self._given_up, in_hand=self._in_hand, clock=clock)

    @property
    def interrupted(self) -> bool:
        """It had a frame in hand when the process last ended uncleanly: the lines' frames are not to blame for that."""
        return self._in_hand.interrupted

    def start(self) -> None:
        """Take up again what was kept before the last stop; whatever is wrong with it, the box goes on without."""
        try:
            bundle = self._slot.recover()
        except (LinesideError, OSError) as error:
            self._alert("shadow.given-up", f"The shadow model is damaged and was let go. {_words(error)}", None, {})
            return
        if bundle is None:
            return
        if (ends := self._in_hand.ends(shadow_key(bundle.id))) >= GIVEN_UP_AFTER:
            self._given_up(bundle.id, f"It had a frame in hand when the box crashed or was killed, {ends} times.")
            return
        try:
            with self._in_hand.holding(shadow_key(bundle.id), acquit=False):
                model = self._load(bundle)
            self.runner.put(model)
        except Exception as error:  # noqa: BLE001 - nothing that answers for nothing may keep the box from starting
            self._given_up(bundle.id, _words(error))

    def status(self) -> ShadowStatus | None:
        return self._slot.status()

    def choose(self, target: str | None) -> None:
        """Let a delivered target see the lines, or nothing any more; takes as long as the sandbox does.

        :raises LinesideError: refused, as an installation would be; what was there before goes on.
        """
        if target is None:
            self.runner.put(None)
            self._slot.clear()
        else:
            bundle = self._slot.put(target)
            self._in_hand.acquit(shadow_key(bundle.id))
            self.runner.put(self._load(bundle))
        self._changed()

    def close(self, timeout_s: float) -> None:
        self.runner.close(timeout_s)
        self._in_hand.stop()
        self._in_hand.close()

    def _given_up(self, bundle: str, why: str) -> None:
        try:
            self._slot.give_up(bundle, why)
        except (LinesideError, OSError) as error:
            _log.error("that the shadow was given up could not be written: %s", error)
            why = f"{why} This could not be written down, so the next start takes it up again: {_words(error)}"
        self._alert("shadow.given-up", f"The shadow model sees no more frames. {why}", bundle, {})
        self._changed()


def _words(error: Exception) -> str:
    return error.message if isinstance(error, LinesideError) else str(error)
