"""A file that is served, and the trial of it in a process beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.commands.serve import load_file
from edge_runtime.commands.serve_model import ServedFile
from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.model_files import read_model_file
from edge_runtime.serving import model as serving_model
from tests.unit.serving import onnx_models as models


def test_a_trial_lets_a_model_take_as_long_as_a_run_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_model, "BLANK_RUN_S", 0.01)
    path = tmp_path / "slow.onnx"
    path.write_bytes(models.parsed(models.UNHURRIED))
    file = read_model_file(path)
    for find_out in (ServedFile.try_out, ServedFile.load_untried):
        with pytest.raises(ModelUnusable, match=r"did not answer .* within 0\.01 s") as refused:
            find_out(ServedFile(path=str(path), max_run_s=0.001), file)
        assert "--max-run-s" in refused.value.hint
        find_out(ServedFile(path=str(path), max_run_s=600), file)
    # Behind a trial nobody waits for the blank's end once more.
    assert ServedFile(path=str(path), max_run_s=600).load(file).hangs


def test_a_model_that_finds_no_memory_for_the_smallest_input_serves_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "vast.onnx"
    path.write_bytes(models.parsed(models.BOUNDLESS))
    file, what = read_model_file(path), ServedFile(path=str(path))
    for find_out in (what.try_out, what.load_untried, what.load):
        with pytest.raises(MemoryError, match="allocate"):
            find_out(file)
    outcome = load_file(what, None)
    assert isinstance(outcome, ModelUnusable)
    assert "not enough memory" in outcome.message
