"""Installing on a box: real signatures, real sandbox, real files."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cloud_sync.release.pack import pack_bundle
from edge_runtime.contracts.errors import (
    BoxRefused,
    BundleInvalid,
    BundleTampered,
    DiskFull,
    LinesideError,
    NotFound,
    ProbeFailed,
    TrustRefused,
)
from edge_runtime.contracts.status import SlotStatus, TrialReport
from edge_runtime.update.slot_store import SlotStore
from edge_runtime.update.slots import SlotTable
from tests.fakes import models
from tests.fakes.site import Delivery, FakeBox, FakeSite


@pytest.fixture
def site(tmp_path: Path, first_site: FakeSite) -> FakeSite:
    return first_site.copy(tmp_path / "site")


@pytest.fixture
def box(tmp_path: Path, site: FakeSite) -> FakeBox:
    return FakeBox(tmp_path / "box", site)


def slot_of(box: FakeBox, delivery: Delivery) -> SlotStatus:
    return next(slot for slot in box.installer.slots() if slot.version == delivery.manifest.version)


def test_an_empty_box_has_no_model(box: FakeBox) -> None:
    assert box.installer.active() is None
    assert box.installer.floors() == {}
    assert [slot.state for slot in box.installer.slots()] == ["EMPTY", "EMPTY"]
    assert box.installer.tick("00" * 32, 0.0) is None
    assert box.installer.observe("00" * 32, latency_ms=1, ok=True, now_s=0) is None


def test_a_model_comes_onto_the_line_and_the_next_one_after_it(box: FakeBox, site: FakeSite) -> None:
    first = site.release("1.0.0")
    box.commit(first)
    assert box.installer.floors() == {"parts": first.manifest.release}
    assert box.inbox.have(first.sha256) == (0, False), "what was installed need not wait in the inbox"
    second = site.release("1.0.1", model=models.brightness_model(threshold=100.0))
    box.deliver(second)
    box.installer.install(second.target, baseline=TrialReport(frames=50, errors=0, latency_ms_p95=2.0))
    assert slot_of(box, second).state == "TRIAL"
    assert box.active() == second.bundle, "on trial it answers already"
    assert box.installer.floors() == {"parts": first.manifest.release}, "the floor rises with the commit only"
    for index in range(19):
        assert box.installer.observe(second.bundle, latency_ms=3.0, ok=True, now_s=index / 10) is None
    figures = slot_of(box, second).trial
    assert figures is not None
    assert (figures.frames, figures.baseline_latency_ms_p95) == (19, 2.0)
    assert box.installer.observe(second.bundle, latency_ms=3.0, ok=True, now_s=2.0) == "COMMITTED"
    assert box.installer.observe(second.bundle, latency_ms=3.0, ok=True, now_s=2.1) is None
    assert box.installer.floors() == {"parts": second.manifest.release}
    assert slot_of(box, first).state == "COMMITTED"
    probe = slot_of(box, second).probe
    assert probe is not None
    assert probe.bundle == second.bundle


def test_a_restart_changes_nothing(box: FakeBox, site: FakeSite) -> None:
    release = site.release()
    box.commit(release)
    before = box.installer.slots()
    assert box.start().slots() == before
    assert box.active() == release.bundle


def test_the_same_bundle_again_is_no_work(box: FakeBox, site: FakeSite) -> None:
    release = site.release()
    box.deliver(release)
    box.installer.install(release.target, baseline=None)
    box.installer.install(release.target, baseline=None)
    assert box.installer.tick(release.bundle, 0.0) is None
    assert box.installer.tick(release.bundle, 11.0) == "COMMITTED"
    before = box.installer.slots()
    box.installer.install(release.target, baseline=None)
    assert box.installer.slots() == before


def test_a_slow_model_is_rolled_back_and_remembered(box: FakeBox, site: FakeSite) -> None:
    good, slow = site.release("1.0.0"), site.release("1.0.1")
    box.commit(good)
    box.deliver(slow)
    box.installer.install(slow.target, baseline=TrialReport(frames=50, errors=0, latency_ms_p95=2.0))
    decided = [box.installer.observe(slow.bundle, latency_ms=300.0, ok=True, now_s=index / 10) for index in range(20)]
    assert decided[-1] == "ROLLED_BACK"
    assert box.active() == good.bundle
    reason = slot_of(box, slow).reason
    assert reason is not None
    assert "300.0 ms" in reason
    box.deliver(slow)
    with pytest.raises(BoxRefused, match=r"300\.0 ms"):
        box.installer.install(slow.target, baseline=None)
    assert slot_of(box, slow).state == "ROLLED_BACK"
    assert box.active() == good.bundle
    box.commit(site.release("1.0.2"))


def test_a_refused_model_comes_again_once_it_is_forgotten_also_after_a_restart(box: FakeBox, site: FakeSite) -> None:
    box.commit(site.release("1.0.0"))
    bad = site.release("1.0.1", model=models.brightness_model(threshold=100.0))
    box.deliver(bad)
    box.installer.install(bad.target, baseline=None)
    box.installer.roll_back("the belt stood")
    assert box.installer.refused() == {bad.bundle: "the belt stood"}
    box.deliver(bad)
    with pytest.raises(BoxRefused):
        box.installer.install(bad.target, baseline=None)
    assert box.installer.forget(bad.bundle)
    assert not box.installer.forget(bad.bundle)
    again = box.start()
    assert again.refused() == {}
    again.install(bad.target, baseline=None)
    assert slot_of(box, bad).state == "TRIAL"


def test_a_trial_is_called_back_by_its_bundle_alone(box: FakeBox, site: FakeSite) -> None:
    first = site.release("1.0.0")
    box.commit(first)
    second = site.release("1.0.1", model=models.brightness_model(threshold=100.0))
    box.deliver(second)
    box.installer.install(second.target, baseline=None)
    assert not box.installer.withdraw(first.bundle, "aborted"), "what is committed stays"
    assert box.active() == second.bundle
    assert box.installer.withdraw(second.bundle, "aborted")
    assert not box.installer.withdraw(second.bundle, "aborted")
    assert box.active() == first.bundle
    assert box.installer.refused() == {}
    box.deliver(second)
    box.installer.install(second.target, baseline=None)
    assert slot_of(box, second).state == "TRIAL"


def test_another_model_waits_for_the_end_of_a_trial(box: FakeBox, site: FakeSite) -> None:
    first, second = site.release("1.0.0"), site.release("1.0.1")
    box.deliver(first)
    box.installer.install(first.target, baseline=None)
    box.deliver(second)
    with pytest.raises(BoxRefused, match="on trial"):
        box.installer.install(second.target, baseline=None)
    assert box.active() == first.bundle
    assert [slot.version for slot in box.installer.slots()] == ["1.0.0", None]


def test_going_back_by_hand(box: FakeBox, site: FakeSite) -> None:
    first, second = site.release("1.0.0"), site.release("1.0.1")
    with pytest.raises(NotFound):
        box.installer.roll_back("nothing there")
    box.commit(first)
    with pytest.raises(NotFound):
        box.installer.roll_back("nothing before it")
    box.commit(second)
    box.installer.roll_back("it misses scratches")
    assert box.active() == first.bundle
    assert slot_of(box, second).reason == "it misses scratches"
    assert box.start().slots() == box.installer.slots()
    third = site.release("1.0.2")
    box.deliver(third)
    box.installer.install(third.target, baseline=None)
    box.installer.roll_back("stop the trial")
    assert box.active() == first.bundle
    assert slot_of(box, third).state == "ROLLED_BACK"


def test_a_model_that_fails_the_sandbox_never_answers(box: FakeBox, site: FakeSite) -> None:
    good = site.release("1.0.0")
    box.commit(good)
    bad = site.release("1.0.1", model=models.failing_model())
    box.deliver(bad)
    with pytest.raises(ProbeFailed, match="failed on a frame"):
        box.installer.install(bad.target, baseline=None)
    slot = slot_of(box, bad)
    assert (slot.state, slot.bundle) == ("REJECTED", bad.bundle)
    assert slot.reason is not None
    assert slot.probe is not None
    assert not slot.probe.passed
    assert box.active() == good.bundle
    box.commit(site.release("1.0.2"))


def _flip_in_inbox(box: FakeBox, delivery: Delivery) -> None:
    path = box.inbox.path(delivery.sha256)
    body = path.read_bytes()
    path.write_bytes(body[:-200] + bytes([body[-200] ^ 1]) + body[-199:])


def _cut_in_inbox(box: FakeBox, delivery: Delivery) -> None:
    path = box.inbox.path(delivery.sha256)
    path.write_bytes(path.read_bytes()[:-10])


def _never_delivered(box: FakeBox, delivery: Delivery) -> None:
    box.inbox.discard(delivery.sha256)


@pytest.mark.parametrize(
    ("harm", "error"),
    [(_flip_in_inbox, BundleTampered), (_cut_in_inbox, BundleTampered), (_never_delivered, NotFound)],
)
def test_bytes_that_were_not_signed_are_rejected(
    box: FakeBox, site: FakeSite, harm: object, error: type[LinesideError]
) -> None:
    good, victim = site.release("1.0.0"), site.release("1.0.1")
    box.commit(good)
    box.deliver(victim)
    assert callable(harm)
    harm(box, victim)
    with pytest.raises(error):
        box.installer.install(victim.target, baseline=None)
    rejected = slot_of(box, victim)
    assert (rejected.state, rejected.bundle) == ("REJECTED", victim.bundle)
    assert box.active() == good.bundle
    box.inbox.discard(victim.sha256)
    box.commit(victim)


def test_a_signature_and_a_manifest_that_disagree_are_refused(
    box: FakeBox, site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desktop signs one bundle under the name of a later one."""
    other = site.candidate("2.0.0")
    monkeypatch.setattr("cloud_sync.release.sign.read_bundle", lambda _path: _Lie())
    manifest = models.manifest(version="1.0.0", release=site.repository.next_release("parts"))

    class _Lie:
        id = other.bundle
        manifest = models.manifest(version="1.0.0", release=other.manifest.release + 5)

    target = site.repository.add(other.file, _Lie.manifest, {})
    assert manifest.version in target
    box.deliver(other)
    with pytest.raises(TrustRefused, match="its manifest says"):
        box.installer.install(target, baseline=None)
    assert box.active() is None


def test_a_signed_bundle_without_golden_cases_stays_off_the_line(box: FakeBox, site: FakeSite) -> None:
    manifest = models.manifest(golden=(), release=site.repository.next_release("parts"))
    file = site.folder / "bare.bundle"
    bundle, sha256 = pack_bundle(file, manifest, models.brightness_model(), {})
    target = site.repository.add(file, manifest, {})
    box.deliver(Delivery(target, file, sha256, bundle, manifest))
    with pytest.raises(BundleInvalid, match="no golden cases"):
        box.installer.install(target, baseline=None)
    assert box.installer.slots()[0].bundle == bundle
    assert box.active() is None


def test_a_full_disk_holds_up_neither_the_line_nor_the_way_back(
    box: FakeBox, site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, good_too, slow = site.release("1.0.0"), site.release("1.0.1"), site.release("1.0.2")
    box.commit(good)
    box.deliver(good_too)
    box.installer.install(good_too.target, baseline=None)

    def no_space(_store: SlotStore, _table: SlotTable) -> None:
        raise DiskFull("no space left")

    with monkeypatch.context() as full:
        full.setattr(SlotStore, "save", no_space)
        for index in range(25):
            assert box.installer.observe(good_too.bundle, latency_ms=1.0, ok=True, now_s=index / 100) is None
        assert slot_of(box, good_too).state == "TRIAL"
    assert box.installer.observe(good_too.bundle, latency_ms=1.0, ok=True, now_s=1.0) == "COMMITTED"
    box.deliver(slow)
    with monkeypatch.context() as full:
        full.setattr(SlotStore, "save", no_space)
        with pytest.raises(DiskFull):
            box.installer.install(slow.target, baseline=None)
    assert box.active() == good_too.bundle
    box.installer.install(slow.target, baseline=None)
    with monkeypatch.context() as full:
        full.setattr(SlotStore, "save", no_space)
        box.installer.roll_back("too slow")
        assert box.active() == good_too.bundle
    box.start()
    assert box.active() == good_too.bundle
    assert slot_of(box, slow).state == "ROLLED_BACK"


def test_an_unsigned_candidate_can_be_tried_but_not_installed(box: FakeBox, site: FakeSite) -> None:
    candidate = site.candidate("1.0.0")
    with pytest.raises(NotFound):
        box.installer.try_candidate(candidate.sha256)
    box.deliver(candidate)
    report = box.installer.try_candidate(candidate.sha256)
    assert (report.passed, report.bundle) == (True, candidate.bundle)
    assert [slot.state for slot in box.installer.slots()] == ["EMPTY", "EMPTY"]
    with pytest.raises(TrustRefused, match="not among"):
        box.installer.install(candidate.target, baseline=None)
    assert [slot.state for slot in box.installer.slots()] == ["REJECTED", "EMPTY"]
    assert site.repository.add(candidate.file, candidate.manifest, {box.site.repository.site_id: report})
    box.commit(candidate)


def test_an_older_release_is_refused(box: FakeBox, site: FakeSite) -> None:
    old = site.release("1.0.0")
    stale = {file.name: file.read_bytes() for file in site.repository.metadata_files()}
    new = site.release("1.0.1")
    box.commit(new)
    box.deliver(old)
    with pytest.raises(TrustRefused, match="Rollback refused"):
        box.installer.install(old.target, baseline=None)
    for name, body in stale.items():
        box.inbox.put_metadata(name, body)
    with pytest.raises(TrustRefused, match="Rollback refused"):
        box.installer.install(old.target, baseline=None)
    assert box.active() == new.bundle


def test_a_refused_target_keeps_what_answers_and_says_why(box: FakeBox, site: FakeSite) -> None:
    good = site.release("1.0.0")
    box.commit(good)
    with pytest.raises(TrustRefused):
        box.installer.install("../../etc/passwd", baseline=None)
    assert box.active() == good.bundle
    rejected = [slot for slot in box.installer.slots() if slot.state == "REJECTED"]
    assert [slot.reason for slot in rejected] == ["'../../etc/passwd' is not the name of a release."]


def test_a_committed_file_that_rots_falls_back_to_the_one_before(box: FakeBox, site: FakeSite) -> None:
    first, second = site.release("1.0.0"), site.release("1.0.1")
    box.commit(first)
    box.commit(second)
    victim = box.home / "slots" / "b.bundle"
    victim.write_bytes(victim.read_bytes()[:-1] + b"\0\0")
    box.start()
    assert box.active() == first.bundle
    damaged = slot_of(box, second)
    assert damaged.state == "REJECTED"
    (box.home / "slots" / "a.bundle").unlink()
    box.start()
    assert box.active() is None
    again = site.release("1.0.2")
    box.commit(again)


def test_status_can_be_read_while_a_model_is_in_the_sandbox(box: FakeBox, site: FakeSite) -> None:
    release = site.release("1.0.0")
    box.deliver(release)
    seen: set[str] = set()
    worker = threading.Thread(target=box.installer.install, args=(release.target,), kwargs={"baseline": None})
    worker.start()
    while worker.is_alive():
        seen.add(box.installer.slots()[0].state)
    worker.join()
    assert "VERIFIED" in seen, "the sandbox takes longest, and status goes on beside it"
    assert box.installer.slots()[0].state == "TRIAL"
