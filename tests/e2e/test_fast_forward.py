"""A box that lies about its time and a desktop whose clock was wrong: neither stops the rest of the site."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.store import boxes as box_store
from app.usecases import boxes, joining, models, rollout_runner, rollouts, trust
from cloud_sync.release.sign import ReleaseRepository
from edge_runtime.contracts.errors import ClockDoubtful, SignedInFuture
from edge_runtime.enrolment import read_address
from edge_runtime.update.slot_store import SlotStore
from edge_runtime.update.slots import TrustFloor
from tests.fakes.prepared_site import release
from tests.fakes.running_box import RunningBox

PASSPHRASE = "correct horse"
YEAR_2040 = int(datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC).timestamp())
DAY_S = 86_400


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def office(first_desktop: Path, tmp_path: Path, stack: ExitStack) -> Context:
    return stack.enter_context(open_context(Path(shutil.copytree(first_desktop, tmp_path / "office"))))


def started(tmp_path: Path, stack: ExitStack, name: str) -> RunningBox:
    box = RunningBox(tmp_path, name)
    box.start()
    stack.callback(box.stop)
    return box


def claims(home: Path, key: str | None) -> None:
    """A box in other hands: it says that it has accepted a signature of 2040."""
    far = TrustFloor(timestamp=YEAR_2040, snapshot=YEAR_2040, targets=YEAR_2040)
    store = SlotStore(home / "state.db")
    table = store.open().table
    store.save(replace(table, trust=far) if key is None else replace(table, signed={key: far}))


@pytest.mark.parametrize("known_signer", [True, False])
def test_a_box_from_the_future_is_told_of_and_pushes_nobody(
    office: Context, tmp_path: Path, stack: ExitStack, known_signer: bool
) -> None:
    evil = RunningBox(tmp_path, "evil")
    claims(evil.home, next(iter(office.roots().desktops().values())).key.keyid if known_signer else None)
    evil.start()
    stack.callback(evil.stop)
    good = started(tmp_path, stack, "good")
    for box in (evil, good):
        boxes.enrol_local(office, box.home)
    said = {box.name: box.status.signed_s for box in boxes.refresh(office) if box.status}
    assert said == {"evil": YEAR_2040, "good": 0}
    release(office, tmp_path, "1.0.0", threshold=128.0)
    with pytest.raises(SignedInFuture, match=r"evil says .* 2040-01-01"):
        rollouts.shadow(office, "evil", "parts@1.0.0")
    rollout = rollouts.start_rollout(office, "parts@1.0.0", waves=[["evil"]])
    (told,) = rollout_runner.advance_rollout(office, rollout.rollout).boxes
    assert told.state == "failed"
    assert "from the future" in (told.reason or "")
    assert office.repository().signed_s <= time.time() + DAY_S
    status = rollouts.shadow(office, "good", "parts@1.0.0").status
    assert status is not None
    assert status.signed_s <= time.time() + DAY_S


def test_new_keys_heal_a_site_on_which_a_desktop_signed_with_a_clock_that_was_ahead(
    office: Context, tmp_path: Path, stack: ExitStack
) -> None:
    box = started(tmp_path, stack, "press-4")
    boxes.enrol_local(office, box.home)
    joining.request_join(tmp_path / "second", tmp_path / "r", name="second")
    request = trust.read_request(tmp_path / "r")
    trust.admit(office, request, tmp_path / "a", root_key=office.places.root_key, passphrase=PASSPHRASE)
    number = trust.get_trust(office).site_number
    second = stack.enter_context(joining.join(tmp_path / "second", tmp_path / "a", number=number))
    assert [one.problem for one in boxes.refresh(office)] == [None]
    for ctx in (office, second):
        release(ctx, tmp_path, "1.0.0", threshold=128.0)
    ahead = int(time.time()) + 100 * DAY_S
    wrong = ReleaseRepository.open(
        second.places.repository, desktop_key_path=second.places.signing_key, clock=lambda: ahead
    )
    with boxes.connect(second, boxes.get_box(second, "press-4")) as client:
        model = next(iter(models.list_models(second)))
        wrong.add(models.bundle_path(second, model), second.bundle(model.sha256).manifest, {})
        for file in wrong.metadata_files():
            client.put_metadata(file.name, file.read_bytes())
        client.deliver(models.bundle_path(second, model), model.sha256, sent=lambda _done, _all: None)
        client.shadow("parts/parts-1.0.0.bundle")
    status = boxes.refresh(office)[0].status
    assert status is not None
    assert status.signed_s >= ahead
    with pytest.raises(SignedInFuture, match="press-4 says"):
        rollouts.shadow(office, "press-4", "parts@1.0.0")
    with pytest.raises(ClockDoubtful) as caught:
        rollouts.shadow(second, "press-4", "parts@1.0.0")
    assert "rotate-key" in caught.value.hint
    (tmp_path / "root.pem").write_bytes(office.places.root_key.read_bytes())
    trust.rotate_key(second, root_key=tmp_path / "root.pem", passphrase=PASSPHRASE)
    for ctx in (second, office, second):
        status = rollouts.shadow(ctx, "press-4", "parts@1.0.0").status
        assert status is not None
        assert status.shadow is not None
        assert status.signed_s <= time.time() + DAY_S


def test_a_box_that_was_pushed_ahead_before_it_kept_whose_signatures_it_had_heals_too(
    office: Context, tmp_path: Path, stack: ExitStack
) -> None:
    box = started(tmp_path, stack, "press-4")
    enrolled = boxes.enrol_local(office, box.home)
    box.stop()
    far = TrustFloor(root=1, timestamp=YEAR_2040, snapshot=YEAR_2040, targets=YEAR_2040)
    store = SlotStore(box.home / "state.db")
    store.save(replace(store.open().table, trust=far))
    box.start()
    box_store.set_status(office.database, enrolled.box, address=read_address(box.home))
    release(office, tmp_path, "1.0.0", threshold=128.0)
    with pytest.raises(SignedInFuture):
        rollouts.shadow(office, "press-4", "parts@1.0.0")
    trust.rotate_key(office, root_key=office.places.root_key, passphrase=PASSPHRASE)
    status = rollouts.shadow(office, "press-4", "parts@1.0.0").status
    assert status is not None
    assert status.shadow is not None
    assert status.signed_s <= time.time() + DAY_S
