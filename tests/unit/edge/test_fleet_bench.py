"""That the simulated boxes of the measurements count who asks them: what follows them too seldom must show."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.contracts.status import BoxStatus
from tests.bench.many_boxes import simulate


def test_a_simulated_box_counts_each_question(tmp_path: Path) -> None:
    one, two = simulate(tmp_path, 1, b""), simulate(tmp_path, 2, b"")
    answers = [one.answer() for _ in range(3)]
    assert [answer.serial for answer in answers if isinstance(answer, BoxStatus)] == [1, 2, 3]
    assert two.asked == 0
