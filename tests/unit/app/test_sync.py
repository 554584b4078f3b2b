"""Syncs of whole sites: what they cost, what stays in the store, what comes back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.context import Context, open_context
from app.store import objects as object_store
from app.store import samples as sample_store
from app.store.journal import ASKED_EVERYONE, note_of
from app.store.rekey import rekey
from app.store.writer import Writer
from app.usecases import conflicts, datasets, samples, sync
from app.usecases.stick.exporting import export_to
from app.usecases.stick.importing import import_from
from cloud_sync.journal.ends import read_ends
from cloud_sync.objects import folder as folder_store
from cloud_sync.objects import open_store
from cloud_sync.transfer import object_key
from edge_runtime.contracts.errors import NotFound, StoreUnreachable
from tests.unit.app.rows import digest, write_images
from tests.waiting import wait_for_later_moment


@pytest.fixture
def other(home: Path, tmp_path: Path) -> Iterator[Context]:
    """Another desktop of the same site, as far as the journal knows."""
    copy = Path(shutil.copytree(home, tmp_path / "other"))
    with open_context(copy) as context:
        rekey(context.database, "asked")
        yield context


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def images(ctx: Context, tmp_path: Path) -> list[str]:
    write_images(tmp_path / "images", {"scratch": 12, "dent": 12})
    samples.import_folder(ctx, tmp_path / "images")
    return [sample.sample for sample in samples.page_samples(ctx, limit=500).rows]


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the calls of the folder store, which stays what it is."""
    made: list[str] = []
    for name in ("put", "put_file", "get", "get_file", "head", "list", "folders", "delete"):
        real = getattr(folder_store.FolderStore, name)

        def counted(
            *arguments: object, real: Callable[..., object] = real, name: str = name, **named: object
        ) -> object:
            made.append(name)
            return real(*arguments, **named)

        monkeypatch.setattr(folder_store.FolderStore, name, counted)
    return made


def test_samples_stay_in_the_store_until_somebody_opens_them(
    ctx: Context, other: Context, store: Path, tmp_path: Path
) -> None:
    for context in (ctx, other):
        sync.setup_store(context, str(store))
    found = images(ctx, tmp_path)
    assert sync.sync_now(ctx).objects_sent == len(found)
    report = sync.sync_now(other)
    assert (report.objects_received, report.objects_missing) == (0, 0)
    assert other.blobs.missing(found) == found
    assert all(one.stored for one in samples.page_samples(other, limit=500).rows)
    assert sync.sync_status(other).stored == len(found)
    with pytest.raises(NotFound):
        samples.sample_bytes_here(other, found[0])
    assert samples.sample_bytes(other, found[0]) == samples.sample_bytes(ctx, found[0])
    assert not samples.get_sample(other, found[0]).stored
    assert sync.sync_status(other).stored == len(found) - 1
    frozen = datasets.freeze_dataset(other, "all")
    assert frozen.dataset == datasets.freeze_dataset(ctx, "all").dataset, "of what lies in the store as well"


def test_a_sync_with_nothing_new_costs_a_handful_of_requests(
    ctx: Context, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync.setup_store(ctx, str(store))
    images(ctx, tmp_path)
    sync.sync_now(ctx)
    made = count_calls(monkeypatch)
    sync.sync_now(ctx)
    assert len(made) <= 6, made


def test_every_file_is_looked_at_by_turns(ctx: Context) -> None:
    known = [(digest(f"known {number}"), 10) for number in range(25)]

    def work(writer: Writer) -> None:
        for sha256, size in known:
            object_store.add_object(writer, sha256, size, "other")

    ctx.database.write(work)
    object_store.mark_synced(ctx.database, known)
    turns = [object_store.some_present(ctx.database, 10) for _turn in range(6)]
    assert [len(turn) for turn in turns] == [10, 10, 5] * 2
    assert sorted(sha256 for turn in turns[:3] for sha256 in turn) == sorted(sha256 for sha256, _size in known)
    assert turns[:3] == turns[3:]


def test_what_a_disk_has_lost_is_found_and_comes_when_it_is_wanted(ctx: Context, store: Path, tmp_path: Path) -> None:
    sync.setup_store(ctx, str(store))
    sample = images(ctx, tmp_path)[0]
    sync.sync_now(ctx)
    ctx.blobs.path(sample).unlink()
    assert sync.verify(ctx).lost_here == 1
    assert samples.get_sample(ctx, sample).stored
    assert len(samples.sample_bytes(ctx, sample)) == samples.get_sample(ctx, sample).size


def test_what_the_store_has_lost_is_found_and_sent_again(ctx: Context, store: Path, tmp_path: Path) -> None:
    sync.setup_store(ctx, str(store))
    sample = images(ctx, tmp_path)[0]
    sync.sync_now(ctx)
    segments = sorted(store.rglob("*.zst"))
    (store / object_key(sample)).unlink()
    segments[0].unlink()
    report = sync.verify(ctx)
    assert (report.lost_there, report.segments) == (1, len(segments))
    assert report.bytes_sent_again > 0
    assert sorted(store.rglob("*.zst")) == segments
    assert sync.sync_now(ctx).objects_sent == 1
    assert (store / object_key(sample)).exists()
    assert sync.verify(ctx).lost_there == 0


def test_a_sync_without_the_store_is_queued_until_one_comes_about(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    sync.setup_store(ctx, str(tmp_path / "mount" / "store"))
    images(ctx, tmp_path)
    sync.sync_now(ctx)
    samples.label_samples(ctx, {samples.page_samples(ctx).rows[0].sample: "chip"})
    shutil.move(tmp_path / "mount", tmp_path / "away")
    with pytest.raises(StoreUnreachable):
        sync.sync_now(ctx)
    status = sync.sync_status(ctx)
    assert status.queued
    assert status.pending_changes
    shutil.move(tmp_path / "away", tmp_path / "mount")
    sync.sync_now(ctx)
    status = sync.sync_status(ctx)
    assert (status.queued, status.problem, status.pending_changes) == (False, None, 0)


def test_whose_changes_do_not_come_is_told(ctx: Context, other: Context, store: Path, tmp_path: Path) -> None:
    for context in (ctx, other):
        sync.setup_store(context, str(store))
    images(ctx, tmp_path)
    sync.sync_now(ctx)
    (segment,) = store.rglob(f"journal/{ctx.database.replica}/*.zst")
    sound = segment.read_bytes()
    segment.write_bytes(sound[:-9])
    with pytest.raises(Exception, match="Segment 1"):
        sync.sync_now(other)
    (problem,) = sync.sync_status(other).problems
    assert problem.replica == ctx.database.replica
    segment.write_bytes(sound)
    sync.sync_now(other)
    assert sync.sync_status(other).problems == ()


def test_conflicts_are_told_in_words(ctx: Context, other: Context, store: Path, tmp_path: Path) -> None:
    for context in (ctx, other):
        sync.setup_store(context, str(store))
    sample = images(ctx, tmp_path)[0]
    for context in (ctx, other):
        sync.sync_now(context)
    samples.label_samples(ctx, {sample: "chip"})
    wait_for_later_moment()
    samples.label_samples(other, {sample: "stain"})
    for context in (ctx, other, ctx):
        sync.sync_now(context)
    (one,) = conflicts.list_conflicts(ctx)
    assert (one.kind, one.subject, one.stands, one.other) == ("label_events", sample[:12], "stain", "chip")
    assert one.other_by, "the desktop's name"
    assert one.stands_by != one.other_by
    conflicts.take_other(ctx, one.conflict)
    assert conflicts.list_conflicts(ctx) == []
    assert sample_store.get_sample(ctx.database, sample).label == "chip"


def test_what_came_by_stick_is_told_of_at_once(
    ctx: Context, other: Context, home: Path, store: Path, tmp_path: Path
) -> None:
    """Not when everybody is asked, once a day: it goes on as the own journal of whoever took it over, and what was
    sealed for a stick goes to the store with its end.
    """
    stick = tmp_path / "stick"
    stick.mkdir()
    with open_context(Path(shutil.copytree(home, tmp_path / "reader"))) as reader:
        rekey(reader.database, "asked")
        desktops = (ctx, other, reader)
        write_images(tmp_path / "early", {"chip": 1})
        samples.import_folder(ctx, tmp_path / "early")
        for context in desktops * 2:
            sync.setup_store(context, str(store))
            sync.sync_now(context)
        before = _ends(store, ctx)
        asked = note_of(reader.database, ASKED_EVERYONE)
        assert asked
        first = images(ctx, tmp_path)
        export_to(ctx, stick)
        import_from(other, stick)
        sync.sync_now(other)
        sync.sync_now(reader)
        assert sorted(one.sample for one in samples.page_samples(reader, limit=500).rows) == sorted(first)
        assert _ends(store, ctx)[ctx.database.replica] == before[ctx.database.replica]
        samples.label_samples(ctx, {first[0]: "other"})
        export_to(ctx, stick)
        sync.sync_now(ctx)
        sync.sync_now(reader)
        assert samples.get_sample(reader, first[0]).label == "other"
        assert note_of(reader.database, ASKED_EVERYONE) == asked, "no answer of the daily question"
        names = {one.database.replica for one in desktops}
    ends = _ends(store, ctx)
    assert ends.keys() == names
    for replica, told in ends.items():
        standing = (store / "sites" / ctx.site.site / "journal" / replica).iterdir()
        assert max(told) == max(int(path.name.split(".")[0]) for path in standing)


def _ends(store: Path, ctx: Context) -> dict[str, set[int]]:
    opened = open_store(str(store))
    try:
        return read_ends(opened, f"sites/{ctx.site.site}")
    finally:
        opened.close()


def test_a_sync_that_finds_nothing_walks_through_no_list_of_files(
    ctx: Context, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many files as a site has, none of them is looked at but those whose turn it is."""
    sync.setup_store(ctx, str(store))
    asked: list[str] = []
    read, write = ctx.database.read, Writer.read

    def noted(sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return read(sql, *rest)

    def noted_of_writer(writer: Writer, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return write(writer, sql, *rest)

    monkeypatch.setattr(ctx.database, "read", noted)
    monkeypatch.setattr(Writer, "read", noted_of_writer)
    sync.sync_now(ctx)
    monkeypatch.undo()
    of_files = [sql for sql in asked if "FROM objects" in sql]
    assert len(of_files) >= 4
    for sql in of_files:
        plan = [str(row["detail"]) for row in ctx.database.read(f"EXPLAIN QUERY PLAN {sql}", ("",) * sql.count("?"))]
        for line in plan:
            if " objects" in line:
                assert re.search(r"INDEX objects_|\(sha256=\?\)", line), (sql, plan)
