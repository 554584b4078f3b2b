"""``lineside visit`` as a person reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.__main__ import main
from app.context import Context
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases import boxes, rollouts
from edge_runtime.contracts.status import BoxStatus, PipelineStatus, SlotStatus
from tests.fakes.prepared_site import release


@pytest.fixture
def home(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return home


def lines(capsys: pytest.CaptureFixture[str], ctx: Context, *words: str, status: int = 0) -> str:
    assert main(["--home", str(ctx.home), "visit", *words]) == status
    said = capsys.readouterr()
    return said.out if status == 0 else said.err


def test_an_empty_site_says_what_to_do(capsys: pytest.CaptureFixture[str], ctx: Context) -> None:
    assert "No box is enrolled yet." in lines(capsys, ctx, "plan")
    assert "lineside visit record begin" in lines(capsys, ctx, "list")
    assert "No visit is open" in lines(capsys, ctx, "record")
    assert "[input.invalid]" in lines(capsys, ctx, "record", "begin", status=1)
    assert "[input.invalid]" in lines(capsys, ctx, "record", "note", "x", status=1)
    assert "[item.not-found]" in lines(capsys, ctx, "show", "abcdef", status=1)


def test_every_step_says_what_it_did(
    capsys: pytest.CaptureFixture[str], ctx: Context, box: Box, tmp_path: Path
) -> None:
    box_store.put_box(ctx.database, box)
    said = BoxStatus(
        box=box.box,
        name=box.name,
        version="0.0.1",
        boot="1",
        at_ms=1,
        uptime_s=1.0,
        serial=1,
        slots=(SlotStatus(slot="a", state="EMPTY"),),
        pipelines=(PipelineStatus(name="camera", source="x", state="no-input"),),
        arch="riscv64",
    )
    box_store.set_status(ctx.database, box.box, status=said, seen_ms=boxes.now_ms())
    model = release(ctx, tmp_path)
    rollouts.start_rollout(ctx, model.model, waves=[[box.name]])

    plan = lines(capsys, ctx, "plan", "--box", box.name)
    assert "parts 1.0.0 is to come (a rollout brings it)." in plan
    assert "The line camera: nothing comes in." in plan
    assert "riscv64" in plan
    assert "NO, fetch it first" in plan

    stick = tmp_path / "stick"
    assert "NOT in it, for it is not on this desktop: lineside-edge-" in lines(capsys, ctx, "pack", str(stick))
    assert "models: parts 1.0.0" in lines(capsys, ctx, "open", str(stick))
    assert "does not answer" in lines(capsys, ctx, "record", "begin", "--pack", str(stick))
    assert "Cleaned the lens." in lines(capsys, ctx, "record", "note", "Cleaned the lens.")
    assert "open" in lines(capsys, ctx, "record")
    assert "does not answer" in lines(capsys, ctx, "record", "receipt", "--box", box.name)
    assert "line-2" in lines(capsys, ctx, "record", "end")
    listed = lines(capsys, ctx, "list")
    assert "North plant" in listed
    visit = listed.splitlines()[1].split()[0]
    assert "Cleaned the lens." in lines(capsys, ctx, "show", visit)
    for name in ("report.html", "report.pdf"):
        out = str(tmp_path / name)
        assert "sha256" in lines(capsys, ctx, "report", visit, "--out", out)
        assert "Nothing was changed: North plant, 5 entries." in lines(capsys, ctx, "verify", out)
    assert "[item.not-found]" in lines(capsys, ctx, "verify", str(tmp_path / "gone"), status=1)
    assert main(["--home", str(tmp_path / "nobody"), "visit", "verify", out]) == 0
    assert "compare it with what the site says" in capsys.readouterr().out
