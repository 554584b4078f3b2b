"""Packing what a trip needs onto a stick or into a folder. Cut off anywhere, it is done again and goes on."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from app.fleet import edge_bundle
from app.fleet.digests import CHUNK_BYTES
from app.usecases import boxes, models
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.visits import recording
from app.usecases.visits.packfile import (
    FILES_NAME,
    LIST_NAME,
    PackFile,
    PackKind,
    PackList,
    file_path,
    read_pack,
    seal_list,
)
from app.usecases.visits.plan import VisitPlan
from edge_runtime.contracts import wire
from edge_runtime.contracts.enrolment_errors import EdgeBundleMissing
from edge_runtime.contracts.errors import (
    AlreadyExists,
    DiskFull,
    LinesideError,
    ObjectCorrupt,
    PackUnwritable,
    TrustRefused,
)
from edge_runtime.contracts.text import counted
from edge_runtime.plain_files import open_plain
from edge_runtime.update.durable import sync_folder, write_durably

if TYPE_CHECKING:
    from app.context import Context

RESERVE_BYTES = 4 * 2**20
"""Kept free on the stick: file systems take some for their own books."""
_OURS = re.compile(r"[0-9a-f]{64}(?:\.part)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """What was packed."""

    folder: str
    digest: str
    """sha256 of the signed list, by which a visit names the pack."""
    files: int
    bytes: int
    written: int
    """Bytes that were not there before."""
    missing: tuple[str, ...]
    """What the plan wants and this desktop does not have."""
    plan: VisitPlan


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of the pack, and how its bytes are come by."""

    file: PackFile
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def pack_visit(
    ctx: Context,
    dest: Path,
    names: Sequence[str] = (),
    *,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> PackReport:
    """Write everything that the plan of a visit to these boxes wants into ``dest``, and sign the list of it. What lies
    there already, whole, is not written again; a pack that is there counts until the new one does.

    :param names: of the boxes; empty: all.
    :raises AlreadyExists: there is a pack of another site.
    :raises DiskFull: there is not enough room; nothing was written.
    :raises PackUnwritable: the stick is write-protected, broken or gone.
    :raises TrustRefused: the site does not list this desktop, so that nobody could believe its signature.
    """
    token = cancel or CancelToken()
    if ctx.identity.fingerprint not in ctx.roots().desktops():
        raise TrustRefused("The site's root does not list this desktop: its pack would be worth nothing to others.")
    plan = recording.plan_visit(ctx, names)
    sources, listed = _contents(ctx, plan)
    with _plain_errors(dest):
        _prepare(dest, ctx.site.site)
        total = sum(source.file.size for source in sources)
        step = _Steps(progress, token, total * 2)
        lacking = [source for source in sources if not _is_there(dest, source.file, step.done)]
        _must_fit(dest, lacking)
        for source in lacking:
            _write(dest, source, step.done)
        body = seal_list(listed, ctx.identity)
        token.check()
        write_durably(dest / LIST_NAME, [body])
        _tidy(dest, {source.file.sha256 for source in sources})
    written = sum(source.file.size for source in lacking)
    digest = hashlib.sha256(wire.encode(listed)).hexdigest()
    words = f"Packed {counted(len(sources), 'file', 'files')} for a visit; the list is {digest[:12]}."
    ctx.database.write(lambda writer: writer.activity("visit.packed", digest, words))
    return PackReport(
        folder=str(dest),
        digest=digest,
        files=len(sources),
        bytes=total,
        written=written,
        missing=listed.missing,
        plan=plan,
    )


class _Steps:
    """Progress in bytes that were read."""

    def __init__(self, progress: Progress, cancel: CancelToken, total: int) -> None:
        self._progress, self._cancel, self._total, self._seen = progress, cancel, max(total, 1), 0

    def done(self, name: str, count: int) -> None:
        self._cancel.check()
        self._seen += count
        self._progress(ProgressEvent(step="pack", message=name, fraction=min(self._seen / self._total, 1.0)))


def _contents(ctx: Context, plan: VisitPlan) -> tuple[list[_Source], PackList]:
    sources: dict[str, _Source] = {}

    def add(kind: PackKind, name: str, body: bytes) -> None:
        file = PackFile(kind=kind, name=name, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
        sources.setdefault(file.sha256, _Source(file, partial(BytesIO, body)))

    library = {f"bundle:{model.sha256}": model for model in models.list_models(ctx)}
    packed = []
    for item in plan.items:
        if item.kind == "bundle" and item.here:
            model = library[item.key]
            packed.append(model)
            file = PackFile(
                kind="bundle", name=f"{model.name}-{model.version}.bundle", sha256=model.sha256, size=model.size
            )
            sources[model.sha256] = _Source(file, partial(open_plain, ctx.blobs.checked(model.sha256)))
        elif item.kind == "rollout" and item.here:
            sha256 = item.key.removeprefix("rollout:")
            kept = PackFile(kind="rollout", name=f"rollout-{sha256[:12]}", sha256=sha256, size=item.bytes)
            sources[sha256] = _Source(kept, partial(open_plain, ctx.blobs.checked(sha256)))
        elif item.kind == "edge" and item.here:
            for source in _edge_sources(item.key.removeprefix("edge:")):
                sources.setdefault(source.file.sha256, source)
    for path in ctx.roots().paths:
        add("root", path.name, path.read_bytes())
    for name, body in ctx.repository().release_files().items():
        add("metadata", name, body)
    add("plan", "plan.json", wire.encode(plan))
    listed = PackList(
        certificate=ctx.identity.certificate_pem,
        site=ctx.site.site,
        site_name=ctx.site.name,
        desktop_name=ctx.roots().desktops()[ctx.identity.fingerprint].name,
        made_ms=boxes.now_ms(),
        models=tuple(packed),
        files=tuple(source.file for source in sources.values()),
        missing=tuple(item.name for item in plan.items if not item.here),
    )
    return list(sources.values()), listed


def _edge_sources(arch: str) -> Iterator[_Source]:
    """An edge bundle file by file, whether it lies here as a folder or as a zip."""
    try:
        path = edge_bundle.find_edge_bundle(arch, edge_bundle.usual_folders())
    except EdgeBundleMissing:
        return
    bundle = edge_bundle.open_edge_bundle(path)
    name = path.name.removesuffix(".zip")
    body = bundle.manifest_bytes
    manifest = PackFile(
        kind="edge", name=f"{name}/{edge_bundle.MANIFEST_NAME}", sha256=hashlib.sha256(body).hexdigest(), size=len(body)
    )
    yield _Source(manifest, partial(BytesIO, body))
    for one in bundle.manifest.files:
        file = PackFile(kind="edge", name=f"{name}/{one.path}", sha256=one.sha256, size=one.size)
        yield _Source(file, partial(bundle.open, one))


@contextmanager
def _plain_errors(dest: Path) -> Iterator[None]:
    try:
        yield
    except DiskFull:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"There is no room left in {dest}.", hint=_GO_ON) from error
        raise PackUnwritable(f"{dest} cannot be written: {error.strerror}.") from error


_GO_ON = "Free some space or take a larger stick, then do the same again: it goes on where it was."


def _prepare(dest: Path, site: str) -> None:
    try:
        known = read_pack(dest)
    except LinesideError:
        known = None
    if known is not None and known.listed.site != site:
        raise AlreadyExists(f"{dest} has a pack of the site {known.listed.site_name!r} in it.")
    files = dest / FILES_NAME
    files.mkdir(parents=True, exist_ok=True)
    if not stat.S_ISDIR(files.lstat().st_mode):
        raise PackUnwritable(f"{files} is no folder but leads elsewhere.")


def _is_there(dest: Path, file: PackFile, done: Callable[[str, int], None]) -> bool:
    """Whether the file lies there whole: a stick forgets, so its bytes are read."""
    digest = hashlib.sha256()
    try:
        with open_plain(file_path(dest, file.sha256)) as there:
            if os.fstat(there.fileno()).st_size != file.size:
                return False
            while chunk := there.read(CHUNK_BYTES):
                digest.update(chunk)
                done(file.name, len(chunk))
    except OSError:
        return False
    return digest.hexdigest() == file.sha256


def _must_fit(dest: Path, lacking: Sequence[_Source]) -> None:
    have = sum(_size(_part(dest, source.file)) for source in lacking)
    needed = sum(source.file.size for source in lacking) - have + RESERVE_BYTES
    free = shutil.disk_usage(dest).free
    if lacking and needed > free:
        raise DiskFull(f"{dest} has {free} bytes free, and {needed} are needed.", hint=_GO_ON)


def _part(dest: Path, file: PackFile) -> Path:
    path = file_path(dest, file.sha256)
    return path.with_name(f"{path.name}.part")


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _write(dest: Path, source: _Source, done: Callable[[str, int], None]) -> None:
    """Write one file, from where an earlier attempt stopped; it has its name only once it is whole and on the disk."""
    file, part = source.file, _part(dest, source.file)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    digest = hashlib.sha256()
    with source.open() as origin, os.fdopen(os.open(part, flags, 0o644), "r+b", buffering=0) as target:
        as_before = True
        while chunk := origin.read(CHUNK_BYTES):
            digest.update(chunk)
            at = target.tell()
            if as_before and target.read(len(chunk)) != chunk:
                # What an earlier attempt left ends here, or is not what it wrote.
                as_before = False
                target.seek(at)
                target.truncate()
            if not as_before:
                _write_all(target, chunk)
            done(file.name, len(chunk))
        target.truncate()
        os.fsync(target.fileno())
    if digest.hexdigest() != file.sha256:
        part.unlink()
        raise ObjectCorrupt(f"{file.name} on this desktop is not what it should be; it was not packed.")
    path = file_path(dest, file.sha256)
    part.replace(path)
    sync_folder(path.parent)


def _write_all(target: IO[bytes], chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[target.write(rest) :]


def _tidy(dest: Path, wanted: set[str]) -> None:
    """What the pack of before had and this one has not."""
    for path in (dest / FILES_NAME).iterdir():
        if _OURS.fullmatch(path.name) and path.name not in wanted:
            with suppress(OSError):
                path.unlink()
