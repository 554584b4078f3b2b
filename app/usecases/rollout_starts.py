"""Rollouts of a configuration and of a program: what is brought is a file that every desktop of the site gets."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.fleet.config_change import key_of, require_change, without_comments
from app.fleet.edge_bundle import MANIFEST_NAME, EdgeBundle, open_edge_bundle
from app.fleet.runtime_bundle import digest_of, facts_of
from app.store.objects import add_object
from app.store.records import Box, Rollout, SubjectKind
from app.store.writer import Writer
from app.usecases import boxes
from app.usecases.crew import side_by_side
from app.usecases.rollouts import begin, boxes_of, first_row, must_be_free, must_not_be_blacklisted
from app.usecases.subjects.finding import title_of
from app.usecases.subjects.sealing import sealed
from cloud_sync.release.plan import Plan
from edge_runtime.contracts.errors import InputInvalid

if TYPE_CHECKING:
    from app.context import Context

LOCK_S = 60.0
"""How long a start waits for another one of a program on this desktop: it reads and writes some hundred megabytes."""


def start_configuration(
    ctx: Context, change: str, *, waves: Sequence[Sequence[str]], plan: Plan | None = None
) -> Rollout:
    """Offer a change of the configuration to boxes, wave by wave; each keeps all that the change does not name.

    The boxes are asked which configuration they have: one that has another by the time its turn comes is left alone.

    :param change: see :mod:`app.fleet.config_change`.
    :raises ConfigInvalid, InputInvalid: it cannot be for any box, or has a secret in it.
    :raises BundleBlacklisted: somebody decided that no box of the site gets it.
    :raises InputInvalid: no boxes, or one that is named twice or is part of another such rollout that is under way.
    """
    require_change(change)
    body = without_comments(change).encode()
    digest, key = hashlib.sha256(body).hexdigest(), key_of(change)
    chosen = _chosen(ctx, "configuration", key, waves)
    for _asked in side_by_side(lambda one: boxes.refresh(ctx, one[1].box), chosen, "configurations"):
        pass
    known = {box.box: box for box in boxes.list_boxes(ctx)}
    ctx.blobs.put(body)
    bases = {box.box: _in_force(known.get(box.box, box)) for _wave, box in chosen}
    return _start(ctx, "configuration", key, key[:12], (digest, len(body)), chosen, plan, bases)


def start_program(ctx: Context, path: Path, *, waves: Sequence[Sequence[str]], plan: Plan | None = None) -> Rollout:
    """Offer a version of their own program to boxes, wave by wave.

    :param path: the edge bundle.
    :raises EdgeBundleMissing, EdgeBundleInvalid, EdgeBundleTampered: it is none.
    :raises BundleBlacklisted, InputInvalid: as :func:`start_configuration`.
    """
    bundle = open_edge_bundle(path)
    bundle.check(bundle.manifest.files)
    facts, digest = facts_of(bundle), digest_of(bundle)
    chosen = _chosen(ctx, "program", digest, waves)
    return _start(ctx, "program", digest, facts.version, _kept(ctx, bundle), chosen, plan, {})


def _chosen(ctx: Context, subject: SubjectKind, key: str, waves: Sequence[Sequence[str]]) -> list[tuple[int, Box]]:
    must_not_be_blacklisted(ctx, subject, key, f"This {subject}")
    chosen = boxes_of(ctx, waves)
    must_be_free(ctx, [box for _wave, box in chosen], subject)
    return chosen


def _start(
    ctx: Context,
    subject: SubjectKind,
    key: str,
    version: str,
    file: tuple[str, int],
    chosen: Sequence[tuple[int, Box]],
    plan: Plan | None,
    bases: dict[str, int | None],
) -> Rollout:
    bare = Rollout(
        rollout=str(uuid.uuid4()),
        model=key,
        version=version,
        state="running",
        created_ms=boxes.now_ms(),
        boxes=tuple(first_row(ctx, key, box, wave, base=bases.get(box.box)) for wave, box in chosen),
        plan=plan or Plan(),
        subject=subject,
        object=file[0],
        size=file[1],
    )
    rollout, title = sealed(ctx, bare), title_of(ctx, bare)

    def work(writer: Writer) -> Rollout:
        add_object(writer, *file, "bundle")
        return begin(writer, rollout, title, chosen)

    return ctx.database.write(work)


def _in_force(box: Box) -> int | None:
    return box.status.config.in_force if box.status is not None and box.status.config is not None else None


def _kept(ctx: Context, bundle: EdgeBundle) -> tuple[str, int]:
    """The bundle as one file among this desktop's: its sha256 and size. The same bundle is the same file, however it
    lay there.
    """
    with _scratch(ctx.blobs.folder) as scratch:
        path = scratch / "bundle.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(MANIFEST_NAME), bundle.manifest_bytes)
            for file in bundle.manifest.files:
                info = zipfile.ZipInfo(file.path)
                info.file_size = file.size
                with bundle.open(file) as source, archive.open(info, "w") as member:
                    while piece := source.read(2**20):
                        member.write(piece)
        # What was read is what is kept, also where somebody changes the bundle at this moment.
        kept = open_edge_bundle(path)
        kept.check(kept.manifest.files)
        with path.open("rb") as whole:
            sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
        size = path.stat().st_size
        ctx.blobs.put_file(path, sha256)
    return sha256, size


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder beside the files of this desktop, for one start at a time: what is there already was left by one
    that was cut off.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # SQLite's lock on a file is the one that is the same on every system, and ends with the process.
    with closing(sqlite3.connect(folder / ".programs.lock", timeout=LOCK_S, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise InputInvalid(
                "Another window or command of this desktop is starting a rollout of a program.",
                hint="Wait for its end.",
            ) from error
        for left in folder.glob(".program-*"):
            shutil.rmtree(left)
        scratch = folder / ".program-new"
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch)
