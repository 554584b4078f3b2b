"""A process with a line that hangs in its model and one that hangs in its source; it stops itself (SIGSTOP) and tells,
once it goes on, whom it blames: at once, and when it has looked for long enough.

Arguments: a folder, and the seconds after which something counts as hanging.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_runtime.config import EdgeConfig, PipelineConfig
from edge_runtime.inference.answers import Tensor
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.inputs import Prepared
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.service import lines as lines_module
from edge_runtime.service import lineup as lineup_module
from edge_runtime.service.lineup import LineUp
from edge_runtime.sources.base import Frame, Source
from tests.fakes import models
from tests.unit.edge.line import Answering
from tests.unit.edge.rows import MODEL, ListSource, open_spool
from tests.waiting import wait_until


class Hanging(Engine):
    """An engine that never answers, until it may."""

    def __init__(self) -> None:
        super().__init__(models.brightness_model(), models.INPUT, models.OUTPUT)
        self.entered, self.gate = threading.Event(), threading.Event()

    def run(self, prepared: Prepared) -> Sequence[Tensor]:
        self.entered.set()
        self.gate.wait()
        return super().run(prepared)


def main(folder: Path, after_s: float, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lines_module, "SOURCE_HANGS_S", after_s)
    engine = Hanging()
    source = ListSource()
    source.frames.append(Frame("one", models.frame(1)))
    opening = threading.Event()

    def open_one(address: str, *_: object) -> Source:
        if address == "list:source":
            opening.set()
            engine.gate.wait()
            return ListSource()
        return source

    patch.setattr(lineup_module, "open_source", open_one)
    spool = open_spool(folder)
    lines = LineUp(
        memory=folder / "sources",
        models=Answering(LoadedModel(MODEL, engine)),
        sink=spool,
        seed=1,
        failed=lambda *_: None,
        changed=lambda: None,
    )
    lines.apply(
        EdgeConfig(
            name="box", pipeline=tuple(PipelineConfig(name=name, source=f"list:{name}") for name in ("model", "source"))
        )
    )

    def blamed() -> tuple[str | None, tuple[str, ...], bool]:
        return lines.hanging(after_s), lines.stalled(after_s), lines.status()[1].last_error == lines_module.SOURCE_HANGS

    assert engine.entered.wait(60) and opening.wait(60)
    os.kill(os.getpid(), signal.SIGSTOP)
    sys.stdout.write(f"after the pause: {blamed()}\n")
    wait_until(lambda: all(blamed()), 60, "what hangs to be told")
    sys.stdout.write(f"at last: {blamed()}\n")
    engine.gate.set()
    lines.stop(5)
    spool.close()


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        main(Path(sys.argv[1]), float(sys.argv[2]), patch)
