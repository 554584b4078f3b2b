"""A shadow's bundle: let in by the same doors as an installation, and remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import (
    BundleTampered,
    LinesideError,
    ModelUnusable,
    NotFound,
    ProbeFailed,
    TrustRefused,
)
from edge_runtime.contracts.status import ProbeReport
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.service.shadows import ShadowKeeper
from edge_runtime.update.bundle import Bundle, read_bundle
from edge_runtime.update.shadow import ShadowSlot
from tests.fakes import models
from tests.fakes.site import FakeBox, FakeSite


@pytest.fixture
def site(tmp_path: Path, first_site: FakeSite) -> FakeSite:
    return first_site.copy(tmp_path / "site")


@pytest.fixture
def box(tmp_path: Path, site: FakeSite) -> FakeBox:
    return FakeBox(tmp_path / "box", site)


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves the sandbox where it is not the question."""

    def pass_at_once(path: Path) -> ProbeReport:
        return ProbeReport(
            bundle=read_bundle(path).id,
            passed=True,
            golden_total=1,
            golden_agreed=1,
            confidence_delta_p95=0.0,
            latency_ms_p50=1.0,
            latency_ms_p95=1.0,
            load_ms=1.0,
            memory_bytes=1,
            runtime="",
        )

    monkeypatch.setattr("edge_runtime.update.shadow.probe", pass_at_once)


def slot_of(box: FakeBox) -> ShadowSlot:
    """As after a start."""
    slot = ShadowSlot(box.home, inbox=box.inbox, installer=box.installer)
    slot.recover()
    return slot


def files(box: FakeBox) -> list[str]:
    return sorted(path.name for path in (box.home / "shadow").glob("*"))


def test_it_is_kept_beside_the_slots_and_over_restarts(box: FakeBox, site: FakeSite) -> None:
    running, candidate = site.release("1.0.0"), site.release("1.0.1", model=models.brightness_model(threshold=100.0))
    box.commit(running)
    before, floors = box.installer.slots(), box.installer.floors()
    slot = slot_of(box)
    assert (slot.status(), slot.recover()) == (None, None)
    box.deliver(candidate)
    assert slot.put(candidate.target).id == candidate.bundle
    status = slot.status()
    assert status is not None
    assert (status.state, status.bundle, status.version) == ("running", candidate.bundle, "1.0.1")
    assert status.probe is not None
    assert status.probe.passed
    assert (box.installer.slots(), box.installer.floors(), box.active()) == (before, floors, running.bundle)
    assert box.inbox.have(candidate.sha256) == (0, False), "what is kept need not wait in the inbox"

    again = ShadowSlot(box.home, inbox=box.inbox, installer=box.start())
    bundle = again.recover()
    assert bundle is not None
    assert (bundle.id, again.status()) == (candidate.bundle, status)
    again.clear()
    assert (again.status(), files(box)) == (None, [])
    assert slot_of(box).status() is None


def test_a_successor_takes_its_place_and_a_refused_one_does_not(box: FakeBox, site: FakeSite) -> None:
    first, second = site.release("1.0.0"), site.release("1.0.1")
    failing = site.release("1.0.2", model=models.failing_model())
    for delivery in (first, second, failing):
        box.deliver(delivery)
    slot = slot_of(box)
    slot.put(first.target)
    slot.put(second.target)
    kept = files(box)
    assert len(kept) == 2, "one bundle and what is known of it"
    with pytest.raises(ProbeFailed):
        slot.put(failing.target)
    with pytest.raises(TrustRefused):
        slot.put("parts/parts-9.9.9.bundle")
    status = slot.status()
    assert status is not None
    assert (status.bundle, files(box)) == (second.bundle, kept)


def test_floors_hold_for_it_too(box: FakeBox, site: FakeSite) -> None:
    old, new = site.release("1.0.0"), site.release("1.0.1")
    box.commit(new)
    box.deliver(old)
    with pytest.raises(TrustRefused, match="Rollback"):
        slot_of(box).put(old.target)


@pytest.mark.usefixtures("trusting")
def test_metadata_that_it_brought_is_the_oldest_that_is_accepted_from_then_on(box: FakeBox, site: FakeSite) -> None:
    old = site.release("1.0.0")
    metadata = {file.name: file.read_bytes() for file in site.repository.metadata_files()}
    release = site.release("1.0.1")
    box.deliver(release)
    slot_of(box).put(release.target)
    for name, body in metadata.items():
        box.inbox.put_metadata(name, body)
    with pytest.raises(TrustRefused, match="Rollback"):
        box.start().check_signature(old.target)


def test_other_bytes_than_the_signed_ones_are_refused(box: FakeBox, site: FakeSite) -> None:
    release = site.release("1.0.0")
    for file in site.repository.metadata_files():
        box.inbox.put_metadata(file.name, file.read_bytes())
    with pytest.raises(NotFound):
        slot_of(box).put(release.target)
    box.deliver(release)
    path = box.inbox.path(release.sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleTampered):
        slot_of(box).put(release.target)
    assert files(box) == []


@pytest.mark.usefixtures("trusting")
def test_one_that_was_given_up_is_not_taken_up_by_itself(box: FakeBox, site: FakeSite) -> None:
    release = site.release("1.0.0")
    box.deliver(release)
    slot = slot_of(box)
    slot.put(release.target)
    slot.give_up("00" * 32, "somebody else")
    slot.give_up(release.bundle, "It failed.")
    again = ShadowSlot(box.home, inbox=box.inbox, installer=box.installer)
    assert again.recover() is None
    status = again.status()
    assert status is not None
    assert (status.state, status.reason) == ("given-up", "It failed.")
    box.deliver(release)
    again.put(release.target)
    assert again.recover() is not None


@pytest.mark.parametrize("what", ["shadow.json", "bundle"])
@pytest.mark.usefixtures("trusting")
def test_what_was_damaged_is_let_go(box: FakeBox, site: FakeSite, what: str) -> None:
    release = site.release("1.0.0")
    box.deliver(release)
    slot_of(box).put(release.target)
    path = box.home / "shadow" / (what if what == "shadow.json" else f"{release.sha256}.bundle")
    path.write_bytes(b"{" + path.read_bytes()[1:-1])
    slot = ShadowSlot(box.home, inbox=box.inbox, installer=box.installer)
    with pytest.raises(LinesideError):
        slot.recover()
    assert (slot.recover(), slot.status(), files(box)) == (None, None, [])


def start(box: FakeBox, load: Callable[[Bundle], LoadedModel]) -> tuple[ShadowKeeper, list[tuple[str, str]]]:
    """A keeper as the daemon starts it, and the alerts of that."""
    alerts: list[tuple[str, str]] = []
    keeper = ShadowKeeper(
        ShadowSlot(box.home, inbox=box.inbox, installer=box.installer),
        load=load,
        alert=lambda kind, message, model, facts: alerts.append((kind, message)),
        changed=lambda: None,
    )
    keeper.start()
    return keeper, alerts


def unusable(bundle: Bundle) -> LoadedModel:
    raise ModelUnusable("it cannot be opened")


@pytest.mark.parametrize("damage", ["no bundle", "no state that could be read or removed"])
@pytest.mark.usefixtures("trusting")
def test_the_box_starts_without_a_damaged_shadow(box: FakeBox, site: FakeSite, damage: str) -> None:
    release = site.release("1.0.0")
    box.deliver(release)
    slot_of(box).put(release.target)
    state = box.home / "shadow" / "shadow.json"
    if damage == "no bundle":
        rubbish = b"the right digest of the wrong thing"
        digest = hashlib.sha256(rubbish).hexdigest()
        (state.parent / f"{digest}.bundle").write_bytes(rubbish)
        state.write_bytes(state.read_bytes().replace(release.sha256.encode(), digest.encode()))
    else:
        state.unlink()
        state.mkdir()
    keeper, alerts = start(box, unusable)
    assert (keeper.runner.current, keeper.status()) == (None, None)
    assert [kind for kind, _ in alerts] == ["shadow.given-up"]
    keeper.close(5)


@pytest.mark.usefixtures("trusting")
def test_a_shadow_is_given_up_though_that_cannot_be_written(box: FakeBox, site: FakeSite) -> None:
    release = site.release("1.0.0")
    box.deliver(release)
    slot_of(box).put(release.target)

    def unusable_and_no_disk(bundle: Bundle) -> LoadedModel:
        state = box.home / "shadow" / "shadow.json"
        state.unlink()
        state.mkdir()
        raise ModelUnusable("it cannot be opened")

    keeper, alerts = start(box, unusable_and_no_disk)
    ((kind, message),) = alerts
    assert kind == "shadow.given-up"
    assert "cannot be opened" in message
    assert "could not be written" in message
    status = keeper.status()
    assert status is not None
    assert status.state == "given-up"
    keeper.close(5)


@pytest.mark.usefixtures("trusting")
def test_a_cut_before_it_was_remembered_leaves_the_one_before(
    box: FakeBox, site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = site.release("1.0.0"), site.release("1.0.1")
    for delivery in (first, second):
        box.deliver(delivery)
    slot = slot_of(box)
    slot.put(first.target)

    def cut(path: Path) -> None:
        raise LinesideError("the power is gone")

    monkeypatch.setattr("edge_runtime.update.shadow.probe", cut)
    with pytest.raises(LinesideError, match="power"):
        slot.put(second.target)
    (box.home / "shadow" / f"{second.sha256}.bundle").write_bytes(second.file.read_bytes())
    (box.home / "shadow" / ".shadow.json.12345678.part").write_bytes(b"{")
    again = ShadowSlot(box.home, inbox=box.inbox, installer=box.installer)
    bundle = again.recover()
    assert bundle is not None
    assert (bundle.id, files(box)) == (first.bundle, sorted([f"{first.sha256}.bundle", "shadow.json"]))
