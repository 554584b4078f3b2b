"""A file that is served, and the trial of it in a process beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.commands.serve_model import ServedFile
from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.model_files import read_model_file
from edge_runtime.serving import model as serving_model
from tests.unit.serving import onnx_models as models


def test_a_trial_lets_a_model_take_as_long_as_a_run_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first load, which somebody waits for, does not: it serves all the same."""
    monkeypatch.setattr(serving_model, "BLANK_RUN_S", 0.01)
    path = tmp_path / "slow.onnx"
    path.write_bytes(models.parsed(models.UNHURRIED))
    file = read_model_file(path)
    with pytest.raises(ModelUnusable, match=r"did not answer .* within 0\.01 s") as refused:
        ServedFile(path=str(path), max_run_s=0.001).try_out(file)
    assert "--max-run-s" in refused.value.hint
    ServedFile(path=str(path), max_run_s=600).try_out(file)
    assert ServedFile(path=str(path), max_run_s=600).load(file).hangs
