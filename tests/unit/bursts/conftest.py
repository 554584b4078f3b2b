from __future__ import annotations

from pathlib import Path

import pytest

from cloud_sync.recipes.base import Exported, Trained, TrainingInputs
from cloud_sync.recipes.classify_images import RECIPE
from tests.unit.bursts.frames import LABELS, render_frames, training_items


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """As on a host with other work: threads that wait for one another make small networks slower, not faster."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def frame_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frames")


@pytest.fixture(scope="session")
def trained(frame_files: Path) -> Trained:
    """The recipe with its defaults on 900 clean frames."""
    items = training_items(render_frames(900, seed=1), frame_files)
    return RECIPE.train(
        TrainingInputs(items=items, labels=LABELS, seed=7),
        {},
        resume=None,
        report=lambda _report: None,
        checkpoint=lambda _step, _state: None,
        should_stop=lambda: False,
    )


@pytest.fixture(scope="session")
def exported(trained: Trained) -> Exported:
    return RECIPE.export(trained.weights)
