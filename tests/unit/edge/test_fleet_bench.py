"""That the simulated boxes of the measurements count who asks them: what follows them too seldom must show."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.config import parse_config
from edge_runtime.contracts.status import BoxStatus
from tests.bench.fleet import require_found
from tests.bench.management import CONFIG
from tests.bench.many_boxes import simulate


def test_a_simulated_box_counts_each_question(tmp_path: Path) -> None:
    one, two = simulate(tmp_path, 1, b""), simulate(tmp_path, 2, b"")
    answers = [one.answer() for _ in range(3)]
    assert [answer.serial for answer in answers if isinstance(answer, BoxStatus)] == [1, 2, 3]
    assert two.asked == 0


def test_other_boxes_in_the_network_do_not_spoil_a_measurement() -> None:
    require_found({"a", "b", "another"}, {"a", "b"})
    with pytest.raises(AssertionError, match="1 of 2"):
        require_found({"a", "another"}, {"a", "b"})
    parsed = parse_config(CONFIG)
    assert parsed.management.address == ("127.0.0.1", 0)
    assert (parsed.management.announce, parsed.management.pairing, parsed.inference.http) == (False, "", "")
