"""Which of the things that were rolled out a person means."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.__main__ import main
from app.context import Context, open_context
from app.store import boxes as box_store
from app.store import decisions, rollouts
from app.store.records import Box
from app.usecases.rollout_words import outlook
from app.usecases.subjects.finding import find_named, find_subject
from app.usecases.subjects.sealing import sealed
from edge_runtime.contracts.errors import InputInvalid, NotFound
from tests.fakes.prepared_site import release
from tests.unit.app.rows import digest
from tests.unit.app.test_rollouts import ROLLOUT

PROGRAM = replace(
    ROLLOUT, subject="program", model=digest("program"), version="1.1.0", object=digest("zip"), size=9, boxes=()
)


@pytest.fixture
def ctx(tmp_path: Path, site_template: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(site_template, tmp_path / "desktop"))) as context:
        yield context


def test_a_model_and_a_program_of_one_version_are_not_taken_for_each_other(
    ctx: Context, box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = release(ctx, tmp_path, "1.1.0")
    rollouts.put_rollout(ctx.database, PROGRAM)
    box_store.put_box(ctx.database, box)
    with pytest.raises(InputInvalid) as refused:
        find_named(ctx, "1.1.0")
    assert f"program 1.1.0 (id {PROGRAM.model[:12]})" in refused.value.message
    assert f"model parts 1.1.0 (id {model.model[:12]})" in refused.value.message
    decide = ["rollouts", "decide", "line-2", "1.1.0", "blacklist", "--yes", "--home", str(ctx.home)]
    assert main(decide) != 0
    assert decisions.list_decisions(ctx.database) == []
    capsys.readouterr()
    decide[3] = PROGRAM.model[:12]
    assert main(decide) == 0
    assert f"program 1.1.0 (id {PROGRAM.model[:12]})" in capsys.readouterr().out
    (decided,) = decisions.list_decisions(ctx.database)
    assert (decided.subject, decided.bundle) == ("program", PROGRAM.model)
    assert find_named(ctx, "parts@1.1.0").key == model.model
    assert find_named(ctx, model.model[:12]).subject == "model"


def test_the_question_before_a_blacklist_says_what_it_is_about(
    ctx: Context, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    rollouts.put_rollout(ctx.database, PROGRAM)
    box_store.put_box(ctx.database, box)
    assert main(["rollouts", "decide", "line-2", "1.1.0", "blacklist", "--home", str(ctx.home)]) != 0
    assert f"program 1.1.0 (id {PROGRAM.model[:12]})" in capsys.readouterr().err
    with pytest.raises(NotFound, match="no configuration or program"):
        find_named(ctx, "1.2.0")


def test_a_damaged_file_is_told_from_one_that_has_not_come_yet(ctx: Context) -> None:
    body = b"[drift]\nthin = 3\n"
    missing = replace(PROGRAM, subject="configuration", object=hashlib.sha256(body).hexdigest(), size=len(body))
    rollouts.put_rollout(ctx.database, missing)
    assert (outlook(ctx, missing).bundle_missing, outlook(ctx, missing).bundle_damaged) == (True, False)
    path = ctx.blobs.path(ctx.blobs.put(body))
    path.write_bytes(body.replace(b"3", b"7"))
    started = sealed(ctx, missing)
    assert find_subject(ctx, started) is None
    assert "was damaged on this desktop" in (outlook(ctx, started).words or "")
    ctx.blobs.put(body)
    assert outlook(ctx, started).words is None
    assert find_subject(ctx, started) is not None
