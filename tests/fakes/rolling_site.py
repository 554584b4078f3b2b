"""A site with real boxes and released models, for rollouts; and a second desktop beside the first."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.context import Context, open_context
from app.store.records import Model, Rollout
from app.usecases import boxes, rollouts, sync
from app.usecases.rollout_runner import follow_rollout
from tests.fakes import models
from tests.fakes.prepared_site import admitted, in_library
from tests.fakes.running_box import RunningBox
from tests.waiting import wait_until

QUICK = "[update]\ntrial_seconds = 0.3\n"
SLOW = "[update]\ntrial_seconds = 3600.0\n"


def free_port() -> int:
    """A port of the loopback address on which nobody listens at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class RollingSite:
    """A desktop and the boxes that it enrolled."""

    ctx: Context
    folder: Path
    stack: ExitStack
    boxes: dict[str, RunningBox] = field(default_factory=dict)

    def add_box(self, name: str, *, more: str = QUICK, labels: tuple[str, ...] = ()) -> RunningBox:
        """Start a box and enrol it."""
        from app.usecases.labels import label_box

        box = RunningBox(self.folder, name, port=free_port(), more=more)
        self.stack.callback(box.kill)
        box.start()
        boxes.enrol_local(self.ctx, box.home)
        if labels:
            label_box(self.ctx, name, add=labels)
        self.boxes[name] = box
        return box

    def release(self, version: str, *, threshold: float = 128.0, ctx: Context | None = None, padding: int = 0) -> Model:
        """A signed model in a desktop's library.

        :param padding: so many bytes more in the file, which do not compress.
        """
        model = models.brightness_model(threshold=threshold, padding=padding)
        return in_library(ctx or self.ctx, self.folder, version, model)

    def roll_out(self, model: Model, *waves: list[str]) -> Rollout:
        """To its end, whichever that is."""
        started = rollouts.start_rollout(self.ctx, model.model, waves=waves or [list(self.boxes)])
        return follow_rollout(self.ctx, started.rollout)

    def second_desktop(self, name: str = "night shift") -> Context:
        """Another desktop of the site, which boxes have heard of; both have the same object store."""
        second = admitted(self.ctx, self.folder, self.stack, name)
        boxes.refresh(self.ctx)
        for ctx in (self.ctx, second):
            sync.setup_store(ctx, str(self.folder / "store"))
        self.exchange(second)
        return second

    def exchange(self, second: Context) -> None:
        """Both desktops sync until each knows what the other does."""
        for ctx in (self.ctx, second, self.ctx):
            sync.sync_now(ctx)

    def states(self, rollout: Rollout, ctx: Context | None = None) -> dict[str, str]:
        """State by the name of the box."""
        desktop = ctx or self.ctx
        names = {box.box: box.name for box in boxes.list_boxes(desktop)}
        found = rollouts.get_rollout(desktop, rollout.rollout)
        return {names[part.box]: part.state for part in found.boxes}

    def wait_for_frames(self, name: str) -> None:
        """Until a box's line is at work, so that a configuration by which no frame comes is worse."""

        def frames() -> int:
            status = boxes.refresh(self.ctx, name)[0].status
            return status.pipelines[0].frames if status is not None else 0

        wait_until(lambda: frames() >= 5, 60, "the line to be at work")

    def runs(self, name: str) -> str | None:
        """Version of the model that answers on a box and is committed there."""
        status = boxes.refresh(self.ctx, name)[0].status
        assert status is not None
        return next((slot.version for slot in status.slots if slot.active and slot.state == "COMMITTED"), None)


@contextmanager
def rolling_site(folder: Path, first_desktop: Path) -> Iterator[RollingSite]:
    """A site without boxes.

    :param first_desktop: of whose home it gets a copy.
    """
    with ExitStack() as stack:
        ctx = stack.enter_context(open_context(Path(shutil.copytree(first_desktop, folder / "desktop"))))
        yield RollingSite(ctx, folder, stack)
