"""That the figures of drift in the documents are of every line and every change."""

from __future__ import annotations

import pytest

from tests.bench.drift import CHANGES, LINES, PATIENCE, Change, Line, wait_for


@pytest.mark.parametrize("line", [line for line in LINES if line.frames <= 50_000], ids=lambda line: line.name)
@pytest.mark.parametrize(("change", "kind"), CHANGES)
def test_a_change_is_found_on_each_line_within_the_patience(change: Change, kind: str, line: Line) -> None:
    wait = wait_for(change, kind, line, seed=2)
    assert wait is not None, "a false alarm before the change"
    assert wait.thinned <= PATIENCE
