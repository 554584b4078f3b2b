"""Desktops come and go, keys change, everything is lost: use-cases of several desktops against real boxes."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from app import context
from app.__main__ import main
from app.context import Context, open_context
from app.fleet.client import BoxClient
from app.store import boxes as box_store
from app.store import models as model_store
from app.store.records import Model
from app.usecases import activity, boxes, introducing, joining, rollouts, roots, sites, sync, trust
from app.usecases.following import Following
from cloud_sync.release.pack import pack_bundle
from cloud_sync.release.root_key import open_key, unlock
from cloud_sync.release.sign import ReleaseRepository
from edge_runtime.contracts.errors import (
    BoxRefused,
    BoxWrongKey,
    InputInvalid,
    LinesideError,
    NotIntroduced,
    PassphraseWrong,
    RootKeyWrong,
    TrustRefused,
)
from edge_runtime.contracts.rows import AuditRow
from edge_runtime.enrolment import read_address
from edge_runtime.identity import create_identity
from tests.fakes import models
from tests.fakes.running_box import RunningBox
from tests.waiting import wait_until

PASSPHRASE = "correct horse"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def office(tmp_path: Path, first_desktop: Path, stack: ExitStack) -> Context:
    """The desktop that made the site."""
    return stack.enter_context(open_context(Path(shutil.copytree(first_desktop, tmp_path / "office"))))


@pytest.fixture
def box(tmp_path: Path) -> Iterator[RunningBox]:
    running = RunningBox(tmp_path, "press-4")
    running.start()
    try:
        yield running
    finally:
        running.stop()


def admitted(office: Context, folder: Path, stack: ExitStack, name: str = "second") -> Context:
    """A second desktop, with everything that people carry between the two."""
    request = joining.request_join(folder / name, folder / f"{name}.request", name=name)
    read = trust.read_request(folder / f"{name}.request")
    assert read == request
    trust.admit(office, read, folder / f"{name}.admission", root_key=office.places.root_key, passphrase=PASSPHRASE)
    number = trust.get_trust(office).site_number
    return stack.enter_context(joining.join(folder / name, folder / f"{name}.admission", number=number))


def problem(ctx: Context) -> str | None:
    return boxes.refresh(ctx)[0].problem


def test_an_admitted_desktop_works_with_boxes_once_they_have_heard_of_it(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    boxes.enrol_local(office, box.home)
    second = admitted(office, tmp_path, stack)
    assert second.site.site == office.site.site
    assert [found.name for found in boxes.list_boxes(second)] == ["press-4"]
    assert trust.get_trust(office).pending == ("press-4",)
    assert "does not trust" in (problem(second) or ""), "no box knows it yet"
    assert problem(office) is None
    assert trust.get_trust(office).pending == ()
    assert problem(second) is None

    def accepted() -> list[AuditRow]:
        boxes.collect(second)
        rows = [row for row in boxes.page_audits(second).rows if row.kind == "trust.root-accepted"]
        return rows if len(rows) == 2 else []

    rows = wait_until(accepted, 30, "the box to have written both down")
    # The root that came with its enrolment, and the one that a desktop brought.
    told = {row.who: row.message for row in rows}
    assert told["box"].startswith("Root 1 is in force.")
    assert told[office.identity.fingerprint].startswith("Root 2 is in force. Admitted: second")


def test_a_struck_off_desktop_is_refused_at_once_also_on_open_connections_and_for_replays(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    enrolled = boxes.enrol_local(office, box.home)
    lost = admitted(office, tmp_path, stack, "lost")
    assert problem(office) is None
    older = lost.roots().body(1)
    with BoxClient(enrolled.address, enrolled.certificate, lost.identity) as open_before:
        serial = open_before.status().serial
        ended: list[LinesideError] = []

        def wait_for_news() -> None:
            with BoxClient(enrolled.address, enrolled.certificate, lost.identity) as waiting:
                try:
                    while True:
                        waiting.status(since=waiting.status().serial, wait_s=30)
                except LinesideError as error:
                    ended.append(error)

        waiter = threading.Thread(target=wait_for_news)
        waiter.start()
        trust.strike_off(office, "lost", root_key=office.places.root_key, passphrase=PASSPHRASE)
        assert problem(office) is None
        with pytest.raises(BoxRefused):
            open_before.status(since=serial)
        waiter.join(60)
        assert [error.code for error in ended] == ["box.refuses-desktop"]
    with pytest.raises(BoxRefused), BoxClient(enrolled.address, enrolled.certificate, lost.identity) as again:
        again.put_root(1, older)
    # The root of before, brought by one who may: known, and of no effect.
    with BoxClient(enrolled.address, enrolled.certificate, office.identity) as client:
        client.put_root(1, older)
        client.put_root(2, lost.roots().body(2))
        assert client.newest_root() == 3
    box.stop()
    for path in sorted((box.home / "trust").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    box.start()
    moved = replace(enrolled, address=boxes.enrol_local(office, box.home).address)
    with pytest.raises(BoxRefused), BoxClient(moved.address, moved.certificate, lost.identity) as again:
        again.status()
    assert problem(office) is None
    assert trust.get_trust(office).pending == ()


def test_new_keys_of_a_desktop_reach_a_box_that_was_off_meanwhile(
    office: Context, box: RunningBox, tmp_path: Path
) -> None:
    enrolled = boxes.enrol_local(office, box.home)
    assert problem(office) is None
    before = office.identity.fingerprint
    box.stop()
    row = trust.rotate_key(office, root_key=office.places.root_key, passphrase=PASSPHRASE)
    assert row.fingerprint == office.identity.fingerprint != before
    assert problem(office) is not None
    # Copied once more before the box was reached: it knows neither the new keys nor those between.
    row = trust.rotate_key(office, root_key=office.places.root_key, passphrase=PASSPHRASE)
    assert len(office.places.former_keys) == 2
    box.start()
    box_store.set_status(office.database, enrolled.box, address=read_address(box.home))
    assert problem(office) is None
    assert trust.get_trust(office).pending == ()
    assert office.places.former_keys == []
    with open_context(office.home) as again:
        assert again.identity.fingerprint == row.fingerprint
        assert again.repository().signed_s
        assert problem(again) is None


def test_a_window_that_is_open_meanwhile_goes_on_with_the_new_keys(
    office: Context, box: RunningBox, stack: ExitStack
) -> None:
    boxes.enrol_local(office, box.home)
    window = stack.enter_context(open_context(office.home))
    following = stack.enter_context(closing(Following(window, failed=print)))
    following.look_again()
    assert problem(window) is None
    window.repository()
    for _time in range(2):
        trust.rotate_key(office, root_key=office.places.root_key, passphrase=PASSPHRASE)
        assert problem(office) is None
        assert window.identity == office.identity
        assert problem(window) is None
        assert trust.get_trust(window).listed_here
        window.repository().confirm_date()
    asked_ms = time.time_ns() // 1_000_000

    def heard() -> bool:
        (known,) = following.look_again()
        return known.problem is None and (known.last_seen_ms or 0) > asked_ms

    wait_until(heard, 30, "an answer to the new keys")


def test_a_rotation_that_was_killed_is_undone_or_brought_to_its_end(office: Context) -> None:
    places = office.places
    before = office.identity.fingerprint
    # Killed before the root was signed.
    places.next_keys.mkdir()
    (places.next_keys / "identity.key").write_text("half")
    with open_context(office.home) as again:
        assert again.identity.fingerprint == before
        assert not places.next_keys.exists()
    # Killed after it: what came after the root is done at the next start.
    trust.rotate_key(office, root_key=places.root_key, passphrase=PASSPHRASE)
    after = office.identity.fingerprint
    places.keys.rename(places.next_keys)
    (former,) = places.former_keys
    former.rename(places.keys)
    with open_context(office.home) as again:
        assert again.identity.fingerprint == after
    places.keys.rename(places.next_keys)
    with open_context(office.home) as again:
        assert again.identity.fingerprint == after
        assert again.repository().has("nothing") is False


def test_a_new_root_key_takes_the_place_of_the_old_one_and_the_old_one_signs_nothing(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    boxes.enrol_local(office, box.home)
    export = tmp_path / "safe.json"
    trust.export_root(office, export, root_key=office.places.root_key, passphrase=PASSPHRASE)
    stolen = office.places.root_key.read_bytes()
    assert trust.rotate_root(office, root_key=export, passphrase=PASSPHRASE, new_passphrase="quite another one") == 2
    assert problem(office) is None
    second = joining.request_join(tmp_path / "second", tmp_path / "r", name="second")
    with pytest.raises(RootKeyWrong):
        trust.admit(office, second, tmp_path / "a", root_key=office.places.root_key, passphrase=PASSPHRASE)
    with pytest.raises(PassphraseWrong):
        trust.admit(office, second, tmp_path / "a", root_key=export, passphrase=PASSPHRASE)
    assert not (tmp_path / "a").exists()
    assert office.roots().version == 2
    trust.admit(office, second, tmp_path / "a", root_key=export, passphrase="quite another one")
    assert problem(office) is None
    number = trust.get_trust(office).site_number
    assert problem(stack.enter_context(joining.join(tmp_path / "second", tmp_path / "a", number=number))) is None
    assert stolen == office.places.root_key.read_bytes()


def test_with_the_file_for_the_safe_a_new_desktop_takes_over_when_all_are_lost(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    enrolled = boxes.enrol_local(office, box.home)
    export = tmp_path / "safe.json"
    trust.export_root(office, export, root_key=office.places.root_key, passphrase=PASSPHRASE)
    # Since then the boxes have got a newer root.
    admitted(office, tmp_path, stack, "lost")
    assert problem(office) is None
    lost = office.identity
    office.close()
    with pytest.raises(PassphraseWrong):
        joining.recover(tmp_path / "new", export, passphrase="a wrong one")
    assert not (tmp_path / "new" / "site.json").exists()
    reached: list[tuple[str, str | None]] = []
    new = stack.enter_context(
        joining.recover(
            tmp_path / "new", export, passphrase=PASSPHRASE, name="new", told=lambda *what: reached.append(what)
        )
    )
    assert reached == [("press-4", None)]
    assert [row.name for row in trust.get_trust(new).desktops] == ["new"]
    assert new.roots().version == 3
    assert problem(new) is None
    assert boxes.collect(new).audits >= 2
    with pytest.raises(BoxRefused), BoxClient(enrolled.address, enrolled.certificate, lost) as client:
        client.status()


def recovered(export: Path, folder: Path, stack: ExitStack, reached: list[tuple[str, str | None]]) -> Context:
    return stack.enter_context(
        joining.recover(folder, export, passphrase=PASSPHRASE, name="new", told=lambda *what: reached.append(what))
    )


def introduced(ctx: Context, root_key: Path, *names: str) -> list[tuple[str, str | None]]:
    told: list[tuple[str, str | None]] = []
    introducing.introduce_all(
        ctx, list(names), root_key=root_key, passphrase=PASSPHRASE, told=lambda *what: told.append(what)
    )
    return told


@pytest.mark.parametrize("changes", [1, 2, 4])
def test_a_recovery_with_an_older_export_reaches_boxes_that_were_off(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack, changes: int
) -> None:
    """The box has as many roots beyond the export as were made since, or more than the recovery makes."""
    enrolled = boxes.enrol_local(office, box.home)
    export = tmp_path / "safe.json"
    trust.export_root(office, export, root_key=office.places.root_key, passphrase=PASSPHRASE)
    for number in range(changes):
        request = joining.request_join(tmp_path / f"d{number}", tmp_path / f"r{number}", name=f"desk-{number}")
        trust.admit(office, request, tmp_path / "a", root_key=office.places.root_key, passphrase=PASSPHRASE)
    assert problem(office) is None
    box.stop()
    lost = office.identity
    reached: list[tuple[str, str | None]] = []
    new = recovered(export, tmp_path / "new", stack, reached)
    assert [(name, bool(why)) for name, why in reached] == [("press-4", True)]
    assert trust.get_trust(new).pending == ("press-4",)
    with pytest.raises(NotIntroduced, match="press-4"):
        introduced(new, export)
    box.start()
    box_store.set_status(new.database, enrolled.box, address=read_address(box.home))
    assert introduced(new, export) == [("press-4", None)]
    entries = [(entry.what, entry.subject) for entry in activity.page_activity(new).rows]
    assert ("trust.root-delivered", enrolled.box) in entries
    assert ("trust.struck-off", lost.fingerprint) in entries
    assert problem(new) is None
    assert [row.name for row in trust.get_trust(new).desktops] == ["new"]
    assert new.roots().version == changes + 2
    assert trust.get_trust(new).pending == ()
    with pytest.raises(BoxRefused), BoxClient(read_address(box.home), enrolled.certificate, lost) as client:
        client.status()


def test_a_box_that_took_the_root_which_strikes_this_desktop_off_has_heard_of_it(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    boxes.enrol_local(office, box.home)
    second = admitted(office, tmp_path, stack)
    assert (problem(office), problem(second)) == (None, None)
    own = next(row for row in trust.get_trust(office).desktops if row.here)
    trust.strike_off(office, own.fingerprint, root_key=office.places.root_key, passphrase=PASSPHRASE)
    assert trust.get_trust(office).pending == ("press-4",)
    assert problem(office) is None
    assert trust.get_trust(office).pending == ()
    assert "does not trust" in (problem(office) or ""), "from now on"
    assert trust.get_trust(office).pending == ()
    assert problem(second) is None


def test_roots_made_beside_each_other_are_joined_with_the_root_key_and_nobody_struck_off_comes_back(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    boxes.enrol_local(office, box.home)
    second = admitted(office, tmp_path, stack)
    admitted(office, tmp_path, stack, "lost")
    admitted(office, tmp_path, stack, "sold")
    strike_off = partial(trust.strike_off, root_key=office.places.root_key, passphrase=PASSPHRASE)
    assert problem(office) is None
    assert problem(second) is None
    strike_off(office, "lost")
    strike_off(second, "sold")
    assert problem(office) is None
    assert "changed the keys at once" in (problem(second) or "")
    assert trust.get_trust(second).pending == ("press-4",)
    assert introduced(second, office.places.root_key) == [("press-4", None)]
    assert problem(second) is None
    assert problem(office) is None
    for ctx in (office, second):
        assert sorted(row.name for row in trust.get_trust(ctx).desktops if row.name in ("second", "lost", "sold")) == [
            "second"
        ]
        assert len(trust.get_trust(ctx).desktops) == 2
        assert trust.get_trust(ctx).root == 6


def test_no_root_is_made_for_a_box_while_another_command_changes_the_keys(
    office: Context, box: RunningBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.enrol_local(office, box.home)
    key = unlock(office.places.root_key, PASSPHRASE, keyids=office.roots().keyids)
    chosen = boxes.list_boxes(office)
    monkeypatch.setattr(context, "KEYS_WAIT_S", 0.1)
    introduce = partial(introducing.introduce_with, office, chosen, key, told=lambda _box, _problem: None)
    with ThreadPoolExecutor(1) as other:
        with context.changing_keys(office.places):
            assert "being changed already" in other.submit(introduce).result()["press-4"]
        monkeypatch.undo()
        assert other.submit(introduce).result() == {}


def test_a_desktop_that_was_struck_off_meanwhile_is_told_so_and_changes_nothing(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    boxes.enrol_local(office, box.home)
    second = admitted(office, tmp_path, stack)
    assert problem(office) is None
    trust.strike_off(office, "second", root_key=office.places.root_key, passphrase=PASSPHRASE)
    assert problem(office) is None
    with pytest.raises(NotIntroduced, match="was struck off"):
        introduced(second, office.places.root_key, "press-4")
    assert problem(office) is None
    assert trust.get_trust(office).root == 3
    assert not trust.get_trust(second).listed_here


def test_a_root_key_that_was_replaced_recovers_nothing(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes.enrol_local(office, box.home)
    export = tmp_path / "safe.json"
    trust.export_root(office, export, root_key=office.places.root_key, passphrase=PASSPHRASE)
    trust.rotate_root(office, root_key=office.places.root_key, passphrase=PASSPHRASE, new_passphrase=PASSPHRASE)
    assert problem(office) is None
    with pytest.raises(RootKeyWrong, match="press-4 answered"):
        joining.recover(tmp_path / "new", export, passphrase=PASSPHRASE, name="new")
    assert not (tmp_path / "new" / "site.json").exists()
    assert problem(office) is None
    box.stop()
    reached: list[tuple[str, str | None]] = []
    new = recovered(export, tmp_path / "new", stack, reached)
    box.start()
    box_store.set_status(new.database, boxes.get_box(new, "press-4").box, address=read_address(box.home))
    with pytest.raises(NotIntroduced, match="refuses"):
        introduced(new, export)
    (tmp_path / "secret").write_text(PASSPHRASE)
    command = ["site", "introduce", "--root-key", export, "--passphrase-file", tmp_path / "secret"]
    assert main([*map(str, command), "--home", str(new.home), "--json"]) == 1
    assert '"trust.not-introduced"' in capsys.readouterr().out


def test_a_mute_box_keeps_no_other_from_being_introduced(office: Context, box: RunningBox, tmp_path: Path) -> None:
    mute = create_identity(tmp_path / "mute", "aaa")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        boxes.enter_box(
            office,
            box=mute.fingerprint,
            name="aaa",
            address=f"127.0.0.1:{silent.getsockname()[1]}",
            certificate=mute.certificate_pem,
        )
        boxes.enrol_local(office, box.home)
        told = introduced(office, office.places.root_key, "aaa", "press-4")
    assert [(name, bool(why)) for name, why in told] == [("press-4", False), ("aaa", True)]


def test_the_root_key_opens_nothing_but_the_roots(office: Context, box: RunningBox) -> None:
    enrolled = boxes.enrol_local(office, box.home)
    key = unlock(office.places.root_key, PASSPHRASE, keyids=office.roots().keyids)
    certificate = office.roots().facts.root_certificate
    assert certificate is not None
    with trust.root_identity(key, certificate) as identity:
        with pytest.raises(PassphraseWrong):
            open_key(identity.key_path.read_bytes(), PASSPHRASE, "what a killed process would leave")
        assert office.home not in identity.key_path.parents
        with BoxClient(enrolled.address, enrolled.certificate, identity) as client:
            assert client.newest_root() == 1
            for call in (client.status, lambda: client.page("results", 0), lambda: client.install("x")):
                with pytest.raises(BoxRefused):
                    call()
    assert not identity.key_path.exists()


def test_a_box_of_before_keeps_working_and_takes_the_first_list(
    box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    """A site whose root lists nobody, and a box with a file for its desktop."""
    old = sites.create_site(tmp_path / "old", "Old site", PASSPHRASE)
    old.close()
    shutil.rmtree(old.places.repository)
    for key in (old.places.root_key, old.places.signing_key):
        key.unlink()
    ReleaseRepository.create(
        old.places.repository,
        passphrase=PASSPHRASE,
        root_key_path=old.places.root_key,
        desktop_key_path=old.places.signing_key,
    )
    old = stack.enter_context(open_context(old.home))
    enrolled = boxes.enrol_local(old, box.home)
    assert list((box.home / "trust" / "desktops").glob("*.pem"))
    assert problem(old) is None
    assert trust.get_trust(old).desktops == ()
    second = joining.request_join(tmp_path / "second", tmp_path / "r", name="second")
    trust.admit(old, second, tmp_path / "a", root_key=old.places.root_key, passphrase=PASSPHRASE)
    assert problem(old) is None
    assert len(trust.get_trust(old).desktops) == 2
    trust.strike_off(old, "second", root_key=old.places.root_key, passphrase=PASSPHRASE)
    assert problem(old) is None
    assert enrolled.box == boxes.get_box(old, "press-4").box


def test_the_last_desktop_is_never_struck_off(office: Context) -> None:
    with pytest.raises(InputInvalid, match="only desktop"):
        trust.strike_off(office, office.identity.fingerprint, root_key=office.places.root_key, passphrase=PASSPHRASE)


def test_two_changes_at_the_same_time_are_told_and_the_next_one_heals_them(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    boxes.enrol_local(office, box.home)
    second = admitted(office, tmp_path, stack)
    assert problem(office) is None
    for ctx, name in ((office, "third"), (second, "fourth")):
        request = joining.request_join(tmp_path / name, tmp_path / name / "r", name=name)
        trust.admit(ctx, request, tmp_path / name / "a", root_key=office.places.root_key, passphrase=PASSPHRASE)
    assert problem(office) is None
    there = boxes.get_box(office, "press-4").status
    assert there is not None
    assert there.root == 3
    # The other one's root 3 is not that of the box; the root after it is signed by the same key and heals it.
    assert second.roots().newest != office.roots().newest
    with boxes.connect(office, boxes.get_box(office, "press-4")) as client:
        for ask, why in (
            (lambda: client.put_root(3, second.roots().newest), "another root 3"),
            (lambda: roots.ask_status(second, boxes.get_box(second, "press-4"), client), "changed the keys at once"),
        ):
            with pytest.raises(TrustRefused, match=why):
                ask()
    trust.strike_off(second, "fourth", root_key=office.places.root_key, passphrase=PASSPHRASE)
    assert problem(second) is None
    assert problem(office) is None
    assert trust.get_trust(office).root == 4
    assert [row.name for row in trust.get_trust(office).desktops] == [
        row.name for row in trust.get_trust(second).desktops
    ]


def test_desktops_that_know_nothing_of_each_others_releases_both_release(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    """Each signs later than what the box has accepted, and answers for the other's model with its own signature."""
    boxes.enrol_local(office, box.home)
    second = admitted(office, tmp_path, stack)
    assert problem(office) is None
    manifest = models.manifest(version="1.0.0", release=office.repository().next_release("parts"))
    path = tmp_path / "1.0.0.bundle"
    bundle, sha256 = pack_bundle(path, manifest, models.brightness_model(), models.GOLDEN)
    body = path.read_bytes()
    model = Model(
        model=bundle,
        sha256=sha256,
        size=len(body),
        name="parts",
        version="1.0.0",
        release=manifest.release,
        state="released",
        created_ms=boxes.now_ms(),
        burst=None,
        dataset=None,
    )
    for ctx in (office, second):
        # As a sync leaves it: the file and the record, but not the other one's signatures.
        assert ctx.blobs.put(body) == sha256
        model_store.put_model(ctx.database, model)
    office.repository().add(path, manifest, {})
    office.repository().make_ready(seen_s=office.repository().signed_s + 50_000, who="a box")
    far = office.repository().signed_s
    seen = []
    for ctx in (office, second, office):
        status = rollouts.shadow(ctx, "press-4", "parts@1.0.0").status
        assert status is not None
        assert status.shadow is not None
        assert status.shadow.bundle == bundle
        seen.append(status.signed_s)
    assert seen == [far, far + 1, far + 2]


def test_roots_travel_through_the_object_store_too(office: Context, tmp_path: Path, stack: ExitStack) -> None:
    second = admitted(office, tmp_path, stack)
    for ctx in (office, second):
        sync.setup_store(ctx, str(tmp_path / "store"))
    trust.rotate_root(
        office, root_key=office.places.root_key, passphrase=PASSPHRASE, new_passphrase="another passphrase"
    )
    sync.sync_now(office)
    assert second.roots().version == 2
    sync.sync_now(second)
    assert second.roots().newest == office.roots().newest
    assert second.repository().root_bytes == office.roots().newest
    # What somebody else put there is not taken for a root.
    (tmp_path / "store" / "sites" / office.site.site / "roots" / "4.root.json").write_bytes(office.roots().newest)
    with pytest.raises(TrustRefused):
        sync.sync_now(second)
    assert second.roots().version == 3


def test_an_admission_that_was_altered_on_its_way_is_refused(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    """Another box in a box's place, another address, and a whole site of the same name."""
    enrolled = boxes.enrol_local(office, box.home)
    other = create_identity(tmp_path / "other-box", "press-4")
    request = joining.request_join(tmp_path / "second", tmp_path / "r", name="second")
    trust.admit(office, request, tmp_path / "a", root_key=office.places.root_key, passphrase=PASSPHRASE)
    number = trust.get_trust(office).site_number
    assert joining.read_admission(tmp_path / "a").number == number
    outer = json.loads((tmp_path / "a").read_bytes())
    whole = json.loads(outer["handover"])
    (told,) = whole["boxes"]
    for changed in (
        {"certificate": other.certificate_pem},
        {"certificate": other.certificate_pem, "box": other.fingerprint},
        {"address": "192.0.2.9:7443"},
        {"name": "press-5"},
    ):
        altered = {**whole, "boxes": [{**told, **changed}]}
        (tmp_path / "b").write_text(json.dumps({**outer, "handover": json.dumps(altered)}))
        with pytest.raises((InputInvalid, TrustRefused), match="was changed"):
            joining.join(tmp_path / "second", tmp_path / "b", number=number)
    # The unsigned form, and one signed by a root key of somebody else.
    (tmp_path / "b").write_text(json.dumps(whole))
    with pytest.raises(InputInvalid):
        joining.join(tmp_path / "second", tmp_path / "b", number=number)
    foreign = stack.enter_context(sites.create_site(tmp_path / "foreign", "Test site", PASSPHRASE))
    trust.admit(foreign, request, tmp_path / "f", root_key=foreign.places.root_key, passphrase=PASSPHRASE)
    with pytest.raises(TrustRefused, match="of a site with the number"):
        joining.join(tmp_path / "second", tmp_path / "f", number=number)
    forged = json.loads((tmp_path / "f").read_bytes())
    (tmp_path / "b").write_text(json.dumps({**forged, "handover": json.dumps(whole)}))
    with pytest.raises(TrustRefused, match="was changed"):
        joining.join(tmp_path / "second", tmp_path / "b", number=number)
    assert not (tmp_path / "second" / "site.json").exists()
    joined = stack.enter_context(joining.join(tmp_path / "second", tmp_path / "a", number=number.replace(" ", "-")))
    assert [one.box for one in boxes.list_boxes(joined)] == [enrolled.box]


def test_no_box_is_entered_under_another_ones_key(office: Context, box: RunningBox, tmp_path: Path) -> None:
    enrolled = boxes.enrol_local(office, box.home)
    other = create_identity(tmp_path / "other", "press-5")
    with pytest.raises(BoxWrongKey):
        boxes.enter_box(
            office,
            box=other.fingerprint,
            name="press-5",
            address=enrolled.address,
            certificate=enrolled.certificate,
        )
    # One that came in before this was looked at: the box that answers says who it is.
    box_store.put_box(office.database, replace(enrolled, box=other.fingerprint, name="press-5"))
    told = {one.name: one.problem for one in boxes.refresh(office)}
    assert told["press-4"] is None
    assert f"says that it is the box {enrolled.box[:12]}" in (told["press-5"] or "")


def test_a_root_is_never_replaced_by_another_one_of_its_number(
    office: Context, tmp_path: Path, stack: ExitStack
) -> None:
    """Two windows that both read root 1 before either wrote root 2."""
    stale = office.roots()
    admitted(office, tmp_path, stack)
    first = office.roots().newest
    key = unlock(office.places.root_key, PASSPHRASE, keyids=stale.keyids)
    with pytest.raises(TrustRefused, match="two different roots 2"):
        stale.change(dict(list(stale.desktops().items())), key, now_s=int(time.time()))
    assert office.roots().newest == first


def test_what_is_wrong_with_a_file_is_said_and_changes_nothing(
    office: Context, tmp_path: Path, stack: ExitStack
) -> None:
    file = tmp_path / "request"
    request = joining.request_join(tmp_path / "second", file, name="second")
    whole = file.read_bytes()
    for bad in (b"", whole[: len(whole) // 2], whole.replace(b"second", b"thirds"), b"[" * 10_000, b"{}"):
        file.write_bytes(bad)
        with pytest.raises(InputInvalid):
            trust.read_request(file)
    other = stack.enter_context(sites.create_site(tmp_path / "other", "Other", PASSPHRASE))
    for key, passphrase, error in (
        (other.places.root_key, PASSPHRASE, RootKeyWrong),
        (office.places.root_key, "a wrong one", PassphraseWrong),
        (office.places.root_key, "", PassphraseWrong),
        (office.places.signing_key, PASSPHRASE, RootKeyWrong),
        (file, PASSPHRASE, RootKeyWrong),
        (tmp_path / "gone", PASSPHRASE, LinesideError),
    ):
        with pytest.raises(error):
            trust.admit(office, request, tmp_path / "a", root_key=key, passphrase=passphrase)
    assert office.roots().version == 1
    assert not (tmp_path / "a").exists()
    trust.admit(office, request, tmp_path / "a", root_key=office.places.root_key, passphrase=PASSPHRASE)
    number = trust.get_trust(office).site_number
    joining.request_join(tmp_path / "stranger", tmp_path / "s", name="stranger")
    with pytest.raises(TrustRefused, match="another desktop"):
        joining.join(tmp_path / "stranger", tmp_path / "a", number=number)
    admission = (tmp_path / "a").read_bytes()
    for bad in (admission[:-100], admission.replace(b"second", b"thirds"), b"{}"):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises((InputInvalid, TrustRefused)):
            joining.join(tmp_path / "second", tmp_path / "bad", number=number)
    assert not (tmp_path / "second" / "repository").exists()
    joining.join(tmp_path / "second", tmp_path / "a", number=number).close()


def behind(office: Context, box: RunningBox, folder: Path, stack: ExitStack, copies: Path) -> Context:
    """A desktop that was admitted after the root key was replaced twice, all while the box was off.

    :param copies: takes the root keys of before.
    """
    copies.mkdir()
    enrolled = boxes.enrol_local(office, box.home)
    assert problem(office) is None
    box.stop()
    for number in (1, 2):
        (copies / f"{number}.pem").write_bytes(office.places.root_key.read_bytes())
        trust.rotate_root(office, root_key=office.places.root_key, passphrase=PASSPHRASE, new_passphrase=PASSPHRASE)
    late = admitted(office, folder, stack, "late")
    box.start()
    box_store.set_status(late.database, enrolled.box, address=read_address(box.home))
    assert "does not trust" in (problem(late) or "")
    return late


def test_a_box_that_was_off_while_the_root_key_was_replaced_is_enrolled_by_a_later_desktop(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    late = behind(office, box, tmp_path, stack, tmp_path / "copies")
    boxes.enrol_local(late, box.home)
    assert problem(late) is None
    assert trust.get_trust(late).pending == ()
    other = stack.enter_context(sites.create_site(tmp_path / "other", "Other site", PASSPHRASE))
    with pytest.raises(TrustRefused, match="another site"):
        boxes.enrol_local(other, box.home)


def test_a_root_key_that_was_replaced_still_brings_roots_to_boxes_that_know_no_newer_one(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    copies = tmp_path / "copies"
    late = behind(office, box, tmp_path, stack, copies)
    today = office.places.root_key
    with pytest.raises(NotIntroduced):
        introduced(late, today)
    # Each of the two brings the root that names the one after it.
    for number in (1, 2):
        with pytest.raises(NotIntroduced, match=f"root {number + 1} now"):
            introduced(late, copies / f"{number}.pem")
        with pytest.raises(NotIntroduced):
            introduced(late, copies / f"{number}.pem")
    assert introduced(late, today) == [("press-4", None)]
    assert problem(late) is None
    assert late.roots().version == 4
    stranger = stack.enter_context(sites.create_site(tmp_path / "other", "Other site", PASSPHRASE))
    with pytest.raises(RootKeyWrong):
        introduced(late, stranger.places.root_key)
