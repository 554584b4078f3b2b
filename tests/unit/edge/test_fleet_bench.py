"""That the simulated boxes of the measurements count who asks them: what follows them too seldom must show."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_runtime.contracts.status import BoxStatus
from tests.bench.many_boxes import simulate


def test_a_simulated_box_counts_each_question(tmp_path: Path) -> None:
    one, two = simulate(tmp_path, 1), simulate(tmp_path, 2)
    serials = [msgspec.json.decode(one.answer().partition(b"\r\n\r\n")[2], type=BoxStatus).serial for _ in range(3)]
    assert serials == [1, 2, 3]
    assert two.asked == 0
