"""The box's own program over the management channel: real bundles, the real installer, real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.context import Context
from app.usecases import boxes, runtime, sites
from tests.fakes.runtime_bundles import LaunchedBox, enrolled_box, runtime_bundle

BASE_BUILT = 1_800_000_000


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runtime_bundle(tmp_path_factory.mktemp("base"), "1.0.0", built=BASE_BUILT, padding=3_000_000)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with sites.create_site(tmp_path / "site", "North plant", "correct horse") as context:
        yield context


@pytest.fixture
def box(tmp_path: Path, ctx: Context, base: Path) -> Iterator[LaunchedBox]:
    with enrolled_box(tmp_path, ctx, base) as made:
        yield made


def test_a_new_version_comes_is_tried_and_stays(tmp_path: Path, ctx: Context, box: LaunchedBox) -> None:
    new = runtime_bundle(tmp_path / "new", "1.1.0", built=BASE_BUILT + 100, padding=3_000_000)
    plan = runtime.plan_update(ctx, "line-2", path=new)
    assert (plan.running, plan.version, plan.there, plan.refusal) == ("1.0.0", "1.1.0", False, "")
    # The manifest and lineside itself; the dependencies are there.
    assert plan.files == 2
    assert plan.bytes < 2_000_000 < plan.whole_bytes
    report = runtime.update_box(ctx, "line-2", path=new)
    assert report.changed
    assert report.sent == plan.bytes
    status = boxes.refresh(ctx, "line-2")[0].status
    assert status is not None
    assert status.version == "1.1.0"
    assert not runtime.update_box(ctx, "line-2", path=new).changed
