"""A site on a stick: desktops that meet nowhere else, and sticks on which not everything is as it should be."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.store import objects as object_store
from app.store.journal import StoreJournal
from app.store.rekey import rekey
from app.usecases import datasets, samples, sites, sync
from app.usecases.progress import CancelToken, ProgressEvent
from app.usecases.stick.exporting import export_to
from app.usecases.stick.importing import import_from
from cloud_sync.journal.replicate import segment_key
from cloud_sync.objects.sealed import Names
from cloud_sync.stick import pieces as stick_pieces
from cloud_sync.stick.passphrase import StickKeys
from cloud_sync.transfer import object_key
from edge_runtime.contracts.errors import Cancelled, InputInvalid, StoreRefused
from edge_runtime.contracts.stick_errors import (
    StickDamaged,
    StickForeign,
    StickFull,
    StickMissing,
    StickPassphrase,
    StickTooNew,
    StickUnsigned,
)
from tests.unit.app.conftest import PASSPHRASE
from tests.unit.app.rows import write_images

OpenDesktop = Callable[[str], Context]


@pytest.fixture
def desktop(home: Path, tmp_path: Path) -> Iterator[OpenDesktop]:
    """Further desktops of the same site, as far as the journal knows."""
    opened: dict[str, Context] = {}

    def open_one(name: str) -> Context:
        opened[name] = open_context(Path(shutil.copytree(home, tmp_path / name)))
        rekey(opened[name].database, "asked")
        return opened[name]

    yield open_one
    for one in opened.values():
        one.close()


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"not ours")
    return folder


def images(ctx: Context, folder: Path, **labels: int) -> list[str]:
    write_images(folder, labels or {"scratch": 5, "dent": 5}, first_seed=sum(folder.name.encode()))
    samples.import_folder(ctx, folder)
    return [sample.sample for sample in samples.page_samples(ctx, limit=500).rows]


def labels_of(ctx: Context) -> dict[str, str | None]:
    return {one.sample: one.label for one in samples.page_samples(ctx, limit=500).rows}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_three_desktops_meet_by_stick_alone(ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path) -> None:
    second, third = desktop("second"), desktop("third")
    images(ctx, tmp_path / "images")
    frozen = datasets.freeze_dataset(ctx, "all").dataset
    first = export_to(ctx, stick)
    assert (first.segments > 0, first.files, first.there, first.problems) == (True, 11, 0, ())
    again = export_to(ctx, stick)
    assert (again.segments, again.snapshot, again.files, again.there, again.bytes) == (0, False, 0, 11, 0)
    came = import_from(second, stick)
    assert (came.files, came.missing, came.problems) == (11, 0, ())
    assert labels_of(second) == labels_of(ctx)
    assert second.blobs.missing([*labels_of(ctx), frozen]) == []
    assert import_from(second, stick).changes == import_from(second, stick).files == 0
    # The second one's work reaches the third one on another stick, and the first one's with it.
    images(second, tmp_path / "more", scratch=5, dent=5, burr=2)
    other_stick = tmp_path / "other stick"
    other_stick.mkdir()
    assert export_to(second, other_stick).snapshot
    assert import_from(third, other_stick).problems == ()
    assert labels_of(third) == labels_of(second)
    assert third.blobs.missing(labels_of(second)) == []
    # Whoever has the first stick as well takes nothing twice.
    assert import_from(third, stick).files == 0
    assert export_to(third, stick).problems == ()
    assert import_from(ctx, stick).problems == ()
    assert labels_of(ctx) == labels_of(third)
    assert (stick / "holiday.jpg").read_bytes() == b"not ours"


def test_the_store_gets_what_only_sticks_have_so_far(
    ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path
) -> None:
    second, third = desktop("second"), desktop("third")
    found = images(ctx, tmp_path / "images")
    waiting = sync.sync_status(ctx).pending_changes
    export_to(ctx, stick)
    assert sync.sync_status(ctx).pending_changes == waiting, "a stick is not the store"
    import_from(second, stick)
    for one in (ctx, second, third):
        sync.setup_store(one, str(tmp_path / "store"))
    replica, prefix = ctx.database.replica, f"sites/{ctx.site.site}"
    # Whoever has the files from the stick may bring them to the store, too.
    assert sync.sync_now(second).objects_sent == len(found)
    sync.sync_now(ctx)
    assert sync.sync_status(ctx).pending_changes == 0
    for seq in range(1, StoreJournal(ctx.database).sealed_through()[0] + 1):
        key = segment_key(prefix, replica, seq)
        if (stick / "lineside" / key).exists():
            assert (tmp_path / "store" / key).read_bytes() == (stick / "lineside" / key).read_bytes()
    images(ctx, tmp_path / "more", burr=3)
    for one in (ctx, third, second):
        sync.sync_now(one)
    assert labels_of(ctx) == labels_of(second) == labels_of(third)
    assert export_to(third, stick).problems == export_to(second, stick).problems == ()
    assert import_from(ctx, stick).problems == ()


def test_another_sites_stick_is_refused_and_nothing_changes(ctx: Context, stick: Path, tmp_path: Path) -> None:
    with sites.create_site(tmp_path / "south", "South plant", PASSPHRASE) as south:
        images(south, tmp_path / "images")
        export_to(south, stick)
    before, changes = contents(stick), sync.sync_status(ctx).pending_changes
    for work in (export_to, import_from):
        with pytest.raises(StickForeign, match=r"South plant.*North plant"):
            work(ctx, stick)
    assert contents(stick) == before
    assert sync.sync_status(ctx).pending_changes == changes
    assert labels_of(ctx) == {}


def test_what_is_no_stick_is_said(ctx: Context, stick: Path, tmp_path: Path) -> None:
    for folder in (stick, tmp_path / "nowhere"):
        with pytest.raises(StickMissing):
            import_from(ctx, folder)
    with pytest.raises(StickMissing):
        export_to(ctx, tmp_path / "nowhere")
    (stick / "lineside").mkdir()
    (stick / "lineside" / "thesis.txt").write_bytes(b"a person's own")
    with pytest.raises(InputInvalid, match="holds files"):
        export_to(ctx, stick)
    assert contents(stick / "lineside") == {"thesis.txt": b"a person's own"}


def test_a_header_that_was_changed_opens_nothing(ctx: Context, desktop: OpenDesktop, stick: Path) -> None:
    export_to(ctx, stick)
    second = desktop("second")
    header = stick / "lineside" / "lineside-stick.json"
    good = header.read_bytes()
    hostile: list[tuple[bytes, type[Exception]]] = [
        (good.replace(b"North", b"Norse"), StickUnsigned),
        (good.replace(b'"format":1', b'"format":2'), StickTooNew),
        (good.replace(b'"format":1', b'"format":0'), StickDamaged),
        (good[:-20], StickDamaged),
        (b"", StickDamaged),
    ]
    for body, error in hostile:
        header.write_bytes(body)
        with pytest.raises(error):
            import_from(second, stick)
    header.write_bytes(b"\0" * 2**20)
    with pytest.raises(InputInvalid):
        import_from(second, stick)
    header.unlink()
    header.symlink_to("/etc/hostname")
    with pytest.raises((StickMissing, StickDamaged, StoreRefused)):
        import_from(second, stick)


def test_a_stranger_of_the_site_is_not_believed(ctx: Context, stick: Path, tmp_path: Path) -> None:
    export_to(ctx, stick)
    with sites.create_site(tmp_path / "south", "South plant", PASSPHRASE) as south:
        stranger = tmp_path / "south stick"
        stranger.mkdir()
        export_to(south, stranger)
        ours = stick / "lineside" / "lineside-stick.json"
        forged = (stranger / "lineside" / "lineside-stick.json").read_text()
        forged = forged.replace(south.site.site, ctx.site.site).replace("South plant", "North plant")
    ours.write_text(forged)
    with pytest.raises(StickUnsigned, match="none of the site's"):
        import_from(ctx, stick)


def test_what_is_damaged_is_named_and_the_rest_is_taken(
    ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path
) -> None:
    second = desktop("second")
    found = images(ctx, tmp_path / "images")
    export_to(ctx, stick)
    root = stick / "lineside"
    flipped, short, linked, piped = found[:4]
    path = root / object_key(flipped)
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    path = root / object_key(short)
    path.write_bytes(path.read_bytes()[:-1])
    for name, make in ((linked, lambda path: path.symlink_to("/etc/passwd")), (piped, os.mkfifo)):
        path = root / object_key(name)
        path.unlink()
        make(path)
    (root / "objects" / "..evil").write_bytes(b"x")
    (root / "objects" / "zz").mkdir()
    (root / "objects" / "zz" / ("f" * 64)).write_bytes(b"nobody speaks of it")
    report = import_from(second, stick)
    assert {one.what for one in report.problems} == {f"sample {flipped[:12]}"}
    assert (report.files, report.missing) == (len(found) - 4, 4)
    assert sorted(second.blobs.missing(found)) == sorted(found[:4])
    assert labels_of(second) == labels_of(ctx), "what is known of them came"
    # Exporting once more mends what is there and too short; the others are named until somebody deletes them.
    root.joinpath(object_key(linked)).unlink()
    root.joinpath(object_key(piped)).unlink()
    root.joinpath(object_key(flipped)).unlink()
    assert export_to(ctx, stick).files == 4
    assert import_from(second, stick).files == 4
    assert second.blobs.missing(found) == []


@pytest.mark.parametrize("damage", ["flipped", "short", "missing"])
def test_a_damaged_segment_holds_up_its_desktop_alone_and_is_mended(
    ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path, damage: str
) -> None:
    second, third = desktop("second"), desktop("third")
    export_to(third, stick)
    images(ctx, tmp_path / "images")
    export_to(ctx, stick)
    journal = stick / "lineside" / "sites" / ctx.site.site / "journal" / ctx.database.replica
    images(ctx, tmp_path / "more", burr=2)
    export_to(ctx, stick)
    path = sorted(journal.iterdir())[-2]
    body = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(body[:-5] if damage == "short" else body[:20] + bytes([body[20] ^ 1]) + body[21:])
    shutil.rmtree(stick / "lineside" / "sites" / ctx.site.site / "snapshots", ignore_errors=True)
    report = import_from(second, stick)
    assert [one.what for one in report.problems] == [
        f"segment {int(path.name[:10])} of desktop {path.parent.name[:12]}"
    ]
    assert labels_of(second) == {}
    assert export_to(ctx, stick).segments == 1
    assert path.read_bytes() == body
    assert import_from(second, stick).problems == ()
    assert labels_of(second) == labels_of(ctx)


def test_a_database_from_a_backup_goes_on_under_another_id(
    ctx: Context, desktop: OpenDesktop, home: Path, stick: Path, tmp_path: Path
) -> None:
    second = desktop("second")
    backup = Path(shutil.copytree(home, tmp_path / "backup"))
    images(ctx, tmp_path / "images", scratch=3)
    export_to(ctx, stick)
    with open_context(backup) as restored:
        images(restored, tmp_path / "others", dent=3)
        replica = restored.database.replica
        assert import_from(restored, stick).problems == ()
        assert restored.database.replica != replica
        assert len(labels_of(restored)) == 6
        export_to(restored, stick)
    assert import_from(ctx, stick).problems == import_from(second, stick).problems == ()
    assert labels_of(ctx) == labels_of(second)
    assert len(labels_of(ctx)) == 6


def test_a_large_file_lies_in_pieces(
    ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stick_pieces, "PIECE_BYTES", 100)
    second = desktop("second")
    found = images(ctx, tmp_path / "images")
    export_to(ctx, stick)
    files = [path for path in (stick / "lineside" / "objects").rglob("*") if path.is_file()]
    assert len(files) > len(found)
    assert max(path.stat().st_size for path in files) <= 100
    max(files).unlink()
    assert export_to(ctx, stick).files == 1
    assert import_from(second, stick).problems == ()
    assert second.blobs.missing(found) == []


def test_samples_may_stay_behind(ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path) -> None:
    second = desktop("second")
    found = images(ctx, tmp_path / "images")
    frozen = datasets.freeze_dataset(ctx, "all").dataset
    report = export_to(ctx, stick, samples=False)
    assert (report.files, report.left_out) == (1, len(found))
    assert (came := import_from(second, stick)).missing == len(found)
    assert came.problems == ()
    assert second.blobs.has(frozen)
    assert labels_of(second) == labels_of(ctx)


def test_a_stick_that_is_too_small_says_what_is_missing_and_what_would_go(
    ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images(ctx, tmp_path / "images")
    datasets.freeze_dataset(ctx, "all")
    usage = shutil.disk_usage(stick)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1_060_000))
    with pytest.raises(
        StickFull, match=r"11 files need .* are missing. Samples would be left out first: 10 files"
    ) as no:
        export_to(ctx, stick)
    assert "--without-samples" in no.value.hint
    monkeypatch.undo()
    assert import_from(desktop("second"), stick).rows + len(labels_of(ctx)) > 0, "the changes are on it"


def test_a_stopped_export_and_import_go_on(ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path) -> None:
    second = desktop("second")
    found = images(ctx, tmp_path / "images")
    for work, context in ((export_to, ctx), (import_from, second)):
        cancel, seen = CancelToken(), 0

        def stop(event: ProgressEvent, cancel: CancelToken = cancel) -> None:
            nonlocal seen
            seen += event.step in ("export", "import")
            if seen > 5:
                cancel.cancel()

        with pytest.raises(Cancelled):
            work(context, stick, progress=stop, cancel=cancel)
        assert work(context, stick).problems == ()
    assert second.blobs.missing(found) == []


def test_what_a_killed_export_left_unread_is_read_first(ctx: Context, stick: Path, tmp_path: Path) -> None:
    found = images(ctx, tmp_path / "images")
    export_to(ctx, stick)
    path = stick / "lineside" / object_key(found[0])
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)
    unread = stick / "lineside" / "unread" / "somebody"
    unread.parent.mkdir(exist_ok=True)
    unread.write_text("\n".join(found))
    assert export_to(ctx, stick).files == 1
    assert not unread.exists()
    assert object_store.by_rank(ctx.database, present=False) == []


def test_an_encrypted_stick_opens_with_its_passphrase_alone(
    ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path
) -> None:
    second, third = desktop("second"), desktop("third")
    found = images(ctx, tmp_path / "images")
    export_to(ctx, stick, passphrase="Über Stock")
    images(second, tmp_path / "more", burr=3)
    for given in (None, "uber stock"):
        with pytest.raises(StickPassphrase):
            import_from(third, stick, passphrase=given)
        with pytest.raises(StickPassphrase):
            export_to(second, stick, passphrase=given)
    assert labels_of(third) == {}
    assert import_from(second, stick, passphrase="U\u0308ber Stock").files == len(found)
    assert export_to(second, stick, passphrase="Über Stock").files == 3
    assert export_to(ctx, stick, passphrase="Über Stock").files == 0
    assert import_from(third, stick, passphrase="Über Stock").problems == ()
    assert labels_of(third) == labels_of(second)
    beneath = b"".join(name.encode() + body for name, body in contents(stick / "lineside").items())
    for word in (found[0].encode(), ctx.database.replica.encode(), b"burr", b"journal", b"objects", b"\xff\xd8\xff"):
        assert word not in beneath
    # Nobody makes it one that is not encrypted, or the other way round.
    header = stick / "lineside" / "lineside-stick.json"
    bare = json.loads(header.read_bytes())
    bare["facts"]["encryption"] = None
    header.write_text(json.dumps(bare))
    with pytest.raises(StickUnsigned):
        import_from(third, stick)
    plain = tmp_path / "plain"
    plain.mkdir()
    export_to(ctx, plain)
    with pytest.raises(InputInvalid, match="not encrypted"):
        export_to(ctx, plain, passphrase="Über Stock")


def test_what_is_damaged_on_an_encrypted_stick_is_passed_by(
    ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path
) -> None:
    second = desktop("second")
    found = images(ctx, tmp_path / "images")
    export_to(ctx, stick, passphrase="p")
    root = stick / "lineside"
    salt = json.loads((root / "lineside-stick.json").read_bytes())["facts"]["encryption"]["salt"]
    names = Names(StickKeys("p", bytes.fromhex(salt)).seal_keys.names)
    path = root / names.seal(object_key(found[0]))
    body = bytearray(path.read_bytes())
    body[0] ^= 1
    path.write_bytes(body)
    report = import_from(second, stick, passphrase="p")
    assert [one.what for one in report.problems] == [f"sample {found[0][:12]}"]
    assert report.files == len(found) - 1


def test_what_came_by_stick_hides_nothing_that_the_store_has_under_the_same_number(
    ctx: Context, desktop: OpenDesktop, home: Path, stick: Path, tmp_path: Path
) -> None:
    """A copy of a desktop, of which nobody knows yet, sends under the numbers that the first one wrote to a stick."""
    second = desktop("second")
    copy_home = Path(shutil.copytree(home, tmp_path / "copy"))
    images(ctx, tmp_path / "images", scratch=3)
    export_to(ctx, stick)
    assert import_from(second, stick).problems == ()
    with open_context(copy_home) as copy:
        images(copy, tmp_path / "others", dent=3)
        for one in (ctx, second, copy):
            sync.setup_store(one, str(tmp_path / "store"))
        for one in (copy, second, ctx, copy, second, ctx):
            sync.sync_now(one)
        assert len(labels_of(copy)) == 6
        assert labels_of(copy) == labels_of(second) == labels_of(ctx)
        assert copy.database.replica != ctx.database.replica


def test_somebody_elses_snapshot_tells_that_this_is_a_backup(
    ctx: Context, desktop: OpenDesktop, home: Path, stick: Path, tmp_path: Path
) -> None:
    second = desktop("second")
    backup = Path(shutil.copytree(home, tmp_path / "backup"))
    images(ctx, tmp_path / "images", scratch=3)
    export_to(ctx, stick)
    import_from(second, stick)
    other_stick = tmp_path / "other"
    other_stick.mkdir()
    export_to(second, other_stick)
    with open_context(backup) as restored:
        replica = restored.database.replica
        assert import_from(restored, other_stick).problems == ()
        assert restored.database.replica != replica
        assert labels_of(restored) == labels_of(ctx)


def test_whoever_has_a_network_brings_the_others_work_to_the_store(
    ctx: Context, desktop: OpenDesktop, stick: Path, tmp_path: Path
) -> None:
    """The first desktop never meets the object store: what it wrote is there nevertheless, once."""
    courier, office = desktop("courier"), desktop("office")
    found = images(ctx, tmp_path / "images")
    export_to(ctx, stick)
    for one in (courier, office):
        sync.setup_store(one, str(tmp_path / "store"))
    import_from(courier, stick)
    for one in (courier, office):
        sync.sync_now(one)
    assert labels_of(office) == labels_of(ctx)
    assert samples.sample_bytes(office, found[0]) == samples.sample_bytes(ctx, found[0])
    waiting = sync.sync_status(ctx).pending_changes
    export_to(courier, stick)
    assert import_from(ctx, stick).problems == ()
    assert sync.sync_status(ctx).pending_changes - waiting < 5, "its own work, come back, is no news"
    assert import_from(courier, stick).changes == 0
