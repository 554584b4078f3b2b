"""``lineside boxes follow``."""

from __future__ import annotations

import argparse
import queue
import time
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Session

if TYPE_CHECKING:
    from app.store.records import Box

LOOK_EVERY_S = 5.0
"""How soon a box that was enrolled meanwhile is followed, too."""
STOP_WITHIN_S = 0.2


def add_verb(topic: Topic) -> None:
    topic.verb("follow", _follow, "stay connected to every box and tell what changes, until Ctrl+C")


def _follow(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import boxes
    from app.usecases.following import Following

    signals: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    told: dict[str, str] = {}
    with session.open() as ctx, session.stoppable() as cancel:
        following = Following(ctx, changed=lambda: signals.put(None), failed=signals.put)
        try:
            look_at = 0.0
            while not cancel.cancelled:
                if time.monotonic() >= look_at:
                    following.look_again()
                    look_at = time.monotonic() + LOOK_EVERY_S
                try:
                    if (error := signals.get(timeout=STOP_WITHIN_S)) is not None:
                        raise error
                except queue.Empty:
                    continue
                for box in boxes.list_boxes(ctx):
                    state = _state(box)
                    if state and told.get(box.box) != state:
                        told[box.box] = state
                        session.answer(
                            {"box": box}, [f"{text.moment(boxes.now_ms())}  {text.clean(box.name)}  {state}"]
                        )
        finally:
            following.close()


def _state(box: Box) -> str:
    """What is worth a line; empty while the box was not heard."""
    if box.problem:
        return text.clean(box.problem)
    if box.status is None:
        return ""
    model = next((f"{slot.name} {slot.version}" for slot in box.status.slots if slot.active), "no model")
    lines = ", ".join(f"{line.name} {line.state}{' (drift)' if line.drift else ''}" for line in box.status.pipelines)
    disk = f"; its disk: {box.status.spool.problem}" if box.status.spool.problem else ""
    return text.clean(f"{model}; {lines or 'no pipeline'}{disk}")
