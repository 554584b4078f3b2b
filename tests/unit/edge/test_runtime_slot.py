"""Nothing in a slot is believed: from root's own anchor to every file, against whoever may write all of the home."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge_runtime.contracts.enrolment_errors import EdgeInstallDoesNotStart
from edge_runtime.contracts.errors import BundleTampered, TrustRefused
from edge_runtime.contracts.runtime import RuntimeFacts
from edge_runtime.contracts.runtime_errors import RuntimeNoLauncher, RuntimeRefused, RuntimeUnusable
from edge_runtime.runtime.base import Base
from edge_runtime.runtime.installer import RuntimeInstaller
from edge_runtime.runtime.launcher import Launched, choose, slot_folder
from edge_runtime.runtime.slot import check_slot
from tests.fakes.edge_bundles import small_bundle, wheel
from tests.fakes.site import FakeBox, FakeSite

BUILT = 1_000


@dataclass
class Rig:
    """A box, its base, and what a desktop brings."""

    site: FakeSite
    box: FakeBox
    base: Base
    folder: Path

    def installer(self) -> RuntimeInstaller:
        return RuntimeInstaller(
            self.box.home,
            base=self.base,
            launched=Launched(base=str(self.base.folder)),
            inbox=self.box.inbox,
            signed=self.box.installer.signed,
        )

    def bring(
        self, version: str = "1.1.0", *, release: int = BUILT + 1, site: FakeSite | None = None, **more: bytes
    ) -> str:
        """Everything that an installation needs; returns the target."""
        site = site or self.site
        bundle = small_bundle(self.folder / version, version=version, changes=dict(more))
        body = (bundle / "manifest.json").read_bytes()
        facts = RuntimeFacts(kind="runtime", release=release, version=version, arch=platform.machine())
        target = site.repository.add_runtime(body, facts)
        for one in (body, *(path.read_bytes() for path in (bundle / "wheels").iterdir())):
            self.box.inbox.append(hashlib.sha256(one).hexdigest(), 0, one, len(one))
        for file in site.repository.metadata_files():
            self.box.inbox.put_metadata(file.name, file.read_bytes())
        return target

    def install(self, target: str, *, again: bool = False) -> RuntimeInstaller:
        installer = self.installer()
        installer.begin(target, again=again)()
        return installer

    @property
    def slot(self) -> Path:
        return slot_folder(self.box.home, "a")

    def check(self, base: Base | None = None) -> None:
        check_slot(self.slot, base or self.base, self.box.home)


@pytest.fixture
def rig(tmp_path: Path, first_site: FakeSite) -> Rig:
    site = first_site.copy(tmp_path / "site")
    box = FakeBox(tmp_path / "box", site)
    prefix = tmp_path / "prefix"
    folder = prefix / "versions" / "1.0.0"
    (folder / "lib").mkdir(parents=True)
    base = Base(prefix, folder, "b" * 64, "1.0.0", BUILT, frozenset())
    base.anchor.write_bytes(site.repository.root_bytes)
    return Rig(site, box, base, tmp_path)


def test_what_was_signed_is_ready_for_the_switch(rig: Rig) -> None:
    installer = rig.install(rig.bring())
    assert installer.ready == "a"
    rig.check()
    assert (rig.slot / "lib" / "edge_runtime" / "__init__.py").is_file()
    # Wheels stay in the slot, so that they are not sent again; what was delivered is gone.
    assert not list((rig.box.home / "inbox" / "objects").iterdir())


def test_wheels_that_the_base_has_are_used_from_there(rig: Rig) -> None:
    target = rig.bring()
    brought = {path.name for path in (rig.box.home / "inbox" / "objects").iterdir()}
    bundle = json.loads((rig.folder / "1.1.0" / "bundle-1.1.0" / "manifest.json").read_bytes())
    others = {one["sha256"] for one in bundle["files"] if "/ifaddr" in one["path"]}
    assert others < brought
    rig.base = replace(rig.base, wheels=frozenset(others))
    installer = rig.installer()
    finish = installer.begin(target, again=False)
    # The base of this test has them in its list alone.
    with pytest.raises(EdgeInstallDoesNotStart, match="ifaddr"):
        finish()
    assert not (rig.slot / "lib" / "ifaddr").exists()


def add(path: str, body: bytes = b"import os\n") -> Callable[[Rig], None]:
    def change(rig: Rig) -> None:
        (rig.slot / path).parent.mkdir(parents=True, exist_ok=True)
        (rig.slot / path).write_bytes(body)

    return change


def remove(rig: Rig) -> None:
    (rig.slot / "lib" / "edge_runtime" / "__init__.py").unlink()


def link(rig: Rig) -> None:
    remove(rig)
    (rig.slot / "lib" / "edge_runtime" / "__init__.py").symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    "change",
    [
        add("lib/edge_runtime/__init__.py"),
        add("lib/sitecustomize.py"),
        add("lib/edge_runtime/__pycache__/__init__.cpython-311.pyc"),
        add("lib/extra.pth"),
        add("note.txt"),
        add("manifest.json", b"{}"),
        add("targets.json", b"{}"),
        add("made.json", b"{}"),
        remove,
        link,
    ],
)
def test_any_other_byte_is_found(rig: Rig, change: Callable[[Rig], None]) -> None:
    rig.install(rig.bring())
    change(rig)
    with pytest.raises(RuntimeUnusable):
        rig.check()


def test_a_site_of_the_attackers_own_is_none(rig: Rig, tmp_path: Path) -> None:
    """Whoever may write all of the home: another root, another signature, and a slot that fits them."""
    other = FakeSite(tmp_path / "other")
    attacked = replace(
        rig, box=FakeBox(tmp_path / "elsewhere", other), site=other, base=replace(rig.base, prefix=tmp_path)
    )
    (tmp_path / "site-root.json").write_bytes(other.repository.root_bytes)
    attacked.install(attacked.bring())
    attacked.check()
    with pytest.raises(RuntimeUnusable, match="not signed by a desktop of this box's site"):
        check_slot(attacked.slot, rig.base, attacked.box.home)
    (attacked.box.home / "trust" / "roots").mkdir(exist_ok=True)
    (attacked.box.home / "trust" / "roots" / "2.root.json").write_bytes(other.repository.root_bytes)
    with pytest.raises(RuntimeUnusable):
        check_slot(attacked.slot, rig.base, attacked.box.home)


def test_another_base_and_a_newer_one_run_instead(rig: Rig) -> None:
    rig.install(rig.bring())
    with pytest.raises(RuntimeUnusable, match="Another version was installed"):
        rig.check(replace(rig.base, id="c" * 64))
    with pytest.raises(RuntimeUnusable, match="is older than the version"):
        rig.check(replace(rig.base, release=BUILT + 2))


def test_without_roots_own_anchor_nothing_is_taken(rig: Rig) -> None:
    target = rig.bring()
    rig.base.anchor.unlink()
    with pytest.raises(RuntimeNoLauncher, match="keeps no root"):
        rig.install(target)


def test_older_than_the_base_is_refused(rig: Rig) -> None:
    with pytest.raises(TrustRefused, match="Rollback refused"):
        rig.install(rig.bring(release=BUILT - 1))
    assert rig.installer().ready is None


def test_a_wheel_that_is_another_is_refused(rig: Rig) -> None:
    target = rig.bring()
    objects = rig.box.home / "inbox" / "objects"
    largest = max(objects.iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleTampered):
        rig.install(target)
    assert rig.installer().status().slots[0].state == "REJECTED"


def test_one_at_a_time(rig: Rig) -> None:
    rig.install(rig.bring())
    with pytest.raises(RuntimeRefused, match="on its way"):
        rig.install(rig.bring("1.2.0", release=BUILT + 2))


def test_bytecode_and_ways_out_of_the_folder_are_refused_in_wheels(rig: Rig) -> None:
    for name in ("edge_runtime/__pycache__/x.cpython-311.pyc", "../outside.py"):
        made = wheel(rig.folder / hashlib.sha256(name.encode()).hexdigest(), "odd", {name: b"anything"})
        from edge_runtime.runtime.wheels import read_wheel

        with pytest.raises(RuntimeUnusable):
            read_wheel(made, made.name)


def test_lines_that_were_not_judged_are_told_of_also_after_the_next_start(rig: Rig) -> None:
    installer = rig.install(rig.bring())
    installer.begin_trial()
    installer.commit(1, 0, ("hourly",))
    for one in (installer, rig.installer()):
        (slot,) = [slot for slot in one.status().slots if slot.state == "COMMITTED"]
        assert slot.trial is not None
        assert slot.trial.unjudged == ("hourly",)


def test_whatever_lies_there_the_launcher_answers(rig: Rig) -> None:
    installer = rig.install(rig.bring())
    installer.begin_trial()
    installer.commit(1, 0)
    assert choose(rig.box.home, rig.base)[0] == "a"
    remove(rig)
    slot, launched = choose(rig.box.home, rig.base)
    assert slot is None
    assert "does not run" in launched.said[0]
    # It is not asked for every time.
    assert choose(rig.box.home, rig.base)[1].said == ()
