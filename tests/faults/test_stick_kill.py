"""SIGKILL at every step of an export to a stick and of an import from one: done again, everything is there, once."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.store.rekey import rekey
from app.usecases import datasets, samples, sites
from app.usecases.stick.exporting import export_to
from app.usecases.stick.importing import import_from
from tests.fakes.fatal_step import run_until
from tests.unit.app.rows import write_images

ROUNDS = int(os.environ.get("LINESIDE_FAULT_ROUNDS", "3"))
"""Of how many steps the kill is tried, spread over all of them."""


def run(what: str, home: Path, stick: Path, passphrase: str | None, step: int) -> int | None:
    """Returns how many steps there were; None where it was killed."""
    return run_until("tests.fakes.stick_power_cut", what, home, stick, passphrase or "-", str(step))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A desktop with something that others wrote and something of its own, and two that have nothing yet."""

    folder: Path

    def copy(self, name: str, to: Path) -> Path:
        return Path(shutil.copytree(self.folder / name, to))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("sticks")
    sites.create_site(folder / "here", "North plant", "correct horse").close()
    for name in ("there", "other"):
        shutil.copytree(folder / "here", folder / name)
        with open_context(folder / name) as ctx:
            rekey(ctx.database, "asked")
    (folder / "first stick").mkdir()
    with open_context(folder / "other") as ctx:
        write_images(folder / "others", {"burr": 3}, first_seed=100)
        samples.import_folder(ctx, folder / "others")
        export_to(ctx, folder / "first stick")
    with open_context(folder / "here") as ctx:
        import_from(ctx, folder / "first stick")
        write_images(folder / "images", {"scratch": 5, "dent": 5})
        samples.import_folder(ctx, folder / "images")
        datasets.freeze_dataset(ctx, "all")
    return Prepared(folder)


def labels_of(ctx: Context) -> dict[str, str | None]:
    return {one.sample: one.label for one in samples.page_samples(ctx, limit=500).rows}


def check(here: Path, there: Path) -> None:
    with open_context(here) as one, open_context(there) as other:
        assert len(labels_of(other)) == 13
        assert labels_of(other) == labels_of(one)
        assert other.blobs.missing(labels_of(one)) == []
        (events,) = other.database.read("SELECT COUNT(*) AS n FROM label_events")
        assert events["n"] == 13, "nobody labelled anything twice"
        assert [one.dataset for one in datasets.list_datasets(other)] == [
            one.dataset for one in datasets.list_datasets(one)
        ]


@pytest.mark.parametrize("passphrase", [None, "a passphrase"])
def test_a_killed_export_and_import_are_gone_on_with(
    prepared: Prepared, tmp_path: Path, passphrase: str | None
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    here = prepared.copy("here", tmp_path / "here")
    exports = run("export", here, whole, passphrase, 0)
    there = prepared.copy("there", tmp_path / "there")
    imports = run("import", there, whole, passphrase, 0)
    assert exports is not None
    assert imports is not None
    check(here, there)
    written = {path.name for path in whole.rglob("*") if path.is_file()}
    for number, step in enumerate(range(1, exports + 1, max(1, exports // ROUNDS))):
        home, stick = prepared.copy("here", tmp_path / f"from-{number}"), tmp_path / f"stick-{number}"
        stick.mkdir()
        assert run("export", home, stick, passphrase, step) is None
        assert run("export", home, stick, passphrase, 0) is not None
        beside = tmp_path / f"to-{number}"
        assert run("import", prepared.copy("there", beside), stick, passphrase, 0) is not None
        check(home, beside)
        if passphrase is None:
            left = {path.name for path in stick.rglob("*") if path.is_file() and not path.name.startswith(".")}
            assert len(left) == len(written), "nothing is left over, and nothing lies there twice"
        for folder in (home, stick, beside):
            shutil.rmtree(folder)
    for number, step in enumerate(range(1, imports + 1, max(1, imports // ROUNDS))):
        home = prepared.copy("there", tmp_path / f"to-{number}")
        assert run("import", home, whole, passphrase, step) is None
        assert run("import", home, whole, passphrase, 0) is not None
        check(here, home)
        shutil.rmtree(home)
