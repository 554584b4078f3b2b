"""A program beside the line that asks what crashes the box: neither the lines nor their model pay for it."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from edge_runtime.contracts.configuring import ConfigChange
from edge_runtime.contracts.rows import AlertRow
from edge_runtime.service.crashes import RETURNS_AFTER
from tests.fakes import models
from tests.fakes.box_process import CONFIG, BoxProcess, install, wait_for_slot
from tests.fakes.drilled_site import running_line
from tests.faults.conftest import Committed
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="boxes run Linux"),
    pytest.mark.skipif(
        platform.machine() not in ("x86_64", "AMD64"), reason="other processors divide without complaint"
    ),
]
BRITTLE = "7.2.0"
SHUT = "what a program asked of it crashed the box"


@pytest.fixture
def box(committed: Committed, tmp_path: Path) -> Iterator[BoxProcess]:
    """It runs and answers programs; its model, which is committed, crashes the process on a white frame."""
    config = CONFIG.replace('http = ""', 'http = "127.0.0.1:0"')
    box = committed.copy(tmp_path / "box", tmp_path / "frames", config)
    box.start()
    try:
        with box.client(committed.desktop) as client, running_line(box.frames):
            install(client, committed.site, committed.site.release(BRITTLE, model=models.brittle_model()))
            wait_for_slot(client, BRITTLE, "COMMITTED")
        yield box
    finally:
        box.end()


def ask(box: BoxProcess, committed: Committed, level: int) -> int:
    """What the model says of a frame of this level.

    :raises InferenceServerException: it is refused, or there is no answer.
    """
    with box.client(committed.desktop) as client:
        address = wait_until(lambda: client.status().inference.get("http"), 30, "the listener for programs")
    frame = triton.InferInput("frame", [1, 1, models.SIDE, models.SIDE], "UINT8")
    frame.set_data_from_numpy(np.full((1, 1, models.SIDE, models.SIDE), level, np.uint8))
    with triton.InferenceServerClient(address, network_timeout=60, connection_timeout=60) as client:
        return int(client.infer("parts", [frame]).as_numpy("logits").argmax())


def goes_on(box: BoxProcess, committed: Committed) -> None:
    """Once the line has answered more than it had."""
    with box.client(committed.desktop) as client:
        before = client.status().pipelines[0].frames
        wait_until(lambda: client.status().pipelines[0].frames > before, 60, "the line to go on")


def alerts(box: BoxProcess, committed: Committed) -> dict[str, str]:
    with box.client(committed.desktop) as client:
        return {row.kind: row.message for row in client.page("alerts", 0, 1000).rows if isinstance(row, AlertRow)}


def restart(box: BoxProcess) -> None:
    (box.home / "run" / "address.json").unlink(missing_ok=True)
    box.start()


def test_a_program_stops_the_lines_once_and_no_model_pays_for_it(box: BoxProcess, committed: Committed) -> None:
    assert ask(box, committed, 200) == 1
    with running_line(box.frames):
        goes_on(box, committed)
        with pytest.raises(Exception, match=r"(?i)connection (closed|reset)"):
            ask(box, committed, 255)
        assert box.process is not None
        assert box.process.wait(30) == -signal.SIGFPE
        # However often it asks, and however the box ends: the lines are not stopped again.
        for _ in range(RETURNS_AFTER):
            restart(box)
            goes_on(box, committed)
            for level in (255, 0):
                with pytest.raises(InferenceServerException, match=SHUT) as refused:
                    ask(box, committed, level)
                assert refused.value.status() == "503"
            box.stop(signal.SIGKILL)
        restart(box)
        goes_on(box, committed)
        told = alerts(box, committed)
        said = f"Floating point exception in what a program beside the lines asked of parts {BRITTLE}"
        assert said in told["inference.crashed"]
        assert told.keys().isdisjoint({"update.rolled-back", "model.crashing", "config.returned", "frame.given-up"})
        with box.client(committed.desktop) as client:
            assert [slot.version for slot in client.status().slots if slot.active] == [BRITTLE]
            text = client.config()
            changed = text.toml.replace("trial_frames = 5", "trial_frames = 6")
            client.set_config(ConfigChange(toml=changed, base=text.digest))

        def answers() -> bool:
            try:
                return ask(box, committed, 200) == 1
            except InferenceServerException as error:
                assert SHUT in str(error)
                return False

        wait_until(answers, 60, "programs to be answered under another configuration")
