"""SIGKILL of the box and of the desktop at every step of a pairing: done again, it ends well."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.store.records import Box
from app.usecases import boxes, pairing
from edge_runtime.contracts.errors import PairingInterrupted
from tests.fakes.imaged_box import ROOT, ImagedBox, imaged_box
from tests.fakes.pairing_power_cut import BOX_STEPS, DESKTOP_STEPS
from tests.waiting import wait_until


@pytest.fixture
def site(first_desktop: Path, tmp_path: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "site"))) as ctx:
        yield ctx


def again(site: Context, address: str, code: str | None) -> Box:
    """Pair, with ``code`` or where none may be asked for."""

    def typed(_hello: object) -> str:
        assert code is not None, "no code is asked for where the box trusts this desktop"
        return code

    return pairing.pair_box(site, address, typed)


@pytest.mark.parametrize("step", BOX_STEPS)
def test_a_power_cut_of_the_box_ends_well(site: Context, tmp_path: Path, step: str) -> None:
    box = ImagedBox(tmp_path)
    try:
        box.start("tests.fakes.pairing_power_cut", PAIRING_CUT=step)
        code = box.code
        with pytest.raises(PairingInterrupted):
            again(site, box.address, code)
        assert box.process is not None
        assert box.process.wait(60) == -signal.SIGKILL
        box.process.communicate()
        assert boxes.list_boxes(site) == []

        # A root that lists the desktop is trust already.
        if step in ("root", "trusted", "gone"):
            assert box.trusts() == {site.identity.fingerprint}
            (half,) = (site.home / "pairing").glob("*.json")
            box.run_at(json.loads(half.read_text())["port"])
            assert again(site, box.address, None).box == box.facts.box
            wait_until(lambda: box.codes.read() is None, 20, "the code to be removed")
        else:
            assert box.trusts() == set()
            assert (box.code, box.standing().tries) == (code, 0 if step == "uncounted" else 1)
            box.start()
            assert again(site, box.address, code).box == box.facts.box
        assert box.trusts() == {site.identity.fingerprint}
        assert boxes.refresh(site)[0].problem is None
        assert list((site.home / "pairing").glob("*")) == []
    finally:
        box.kill()


@pytest.mark.parametrize("step", DESKTOP_STEPS)
def test_a_power_cut_of_the_desktop_ends_well(site: Context, tmp_path: Path, step: str) -> None:
    home = site.home
    site.close()
    with imaged_box(tmp_path) as box:
        code = box.code
        died = subprocess.run(
            [sys.executable, "-m", "tests.fakes.pairing_power_cut", "pair", "--home", str(home), box.address, code],
            cwd=ROOT,
            env={**os.environ, "PAIRING_CUT": step},
            timeout=60,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL
        with open_context(home) as ctx:
            assert boxes.list_boxes(ctx) == []
            if step in ("learned", "kept"):
                assert box.trusts() == set()
                assert box.standing().tries == 1
                assert again(ctx, box.address, code).problem is None
            else:
                wait_until(box.is_shut, 20, "the port to be shut")
                assert again(ctx, box.address, None).problem is None
            assert [one.box for one in boxes.list_boxes(ctx)] == [box.facts.box]
            assert box.trusts() == {ctx.identity.fingerprint}
            assert list((home / "pairing").glob("*")) == []
