"""Taking over a pack that a desktop of the site made. Nothing of it is used before all of it was checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app.fleet import edge_bundle
from app.fleet.digests import CHUNK_BYTES
from app.store import models as model_store
from app.store.records import Model
from app.usecases.parted import Newer, newer_there
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.visits.packfile import Pack, PackFile, must_be_of_desktop, must_be_of_site, read_pack
from edge_runtime.contracts.errors import (
    LinesideError,
    NotFound,
    PackInvalid,
    TrustRefused,
)
from edge_runtime.update.bundle import read_bundle
from edge_runtime.update.durable import sync_folder, write_durably
from edge_runtime.update.roots import MAX_ROOT_BYTES, read_root

if TYPE_CHECKING:
    from app.context import Context

MAX_METADATA_BYTES = 64 * 2**20
_ROOT_NAME = re.compile(r"([1-9]\d{0,8})\.root\.json")
_EDGE_NAME = re.compile(r"lineside-edge-[0-9][0-9A-Za-z.+]{0,49}-[a-z0-9_]{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPack:
    """What came out of a pack."""

    digest: str
    """sha256 of its signed list."""
    desktop: str
    """Fingerprint of the desktop that packed it."""
    desktop_name: str
    made_ms: int
    models: tuple[str, ...]
    """Names and versions, those that were here before among them."""
    edge: tuple[str, ...]
    rollouts: tuple[str, ...]
    """The files of rollouts of a configuration or a program, by the beginning of their sha256."""
    roots: int
    """So many newer roots were taken over."""


def open_pack(
    ctx: Context, folder: Path, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> OpenedPack:
    """Check a pack and take over its roots, models and edge bundles; boxes are served from here on as from any other
    release. Cut off anywhere, it is done again.

    :raises NotFound, PackInvalid: there is no pack.
    :raises PackForeign: it is not of a desktop that this site lists now.
    :raises PackTampered: names the file that is not the one that was packed.
    """
    token = cancel or CancelToken()
    pack = read_pack(folder)
    must_be_of_site(pack, ctx.site.site)
    # Who joined since is listed by a root of the pack. None is taken over before it is known to follow from those
    # here, nor from somebody whom it does not list.
    newer = _newer_roots(ctx, pack)
    must_be_of_desktop(pack, newer.newest.desktops or {})
    newer.adopt()
    _check_all(pack, progress, token)
    bundles = _checked_models(ctx, pack)
    edge = _edge_names(pack)
    for file, model in bundles:
        token.check()
        _take_model(ctx, pack, file, model)
    for file in pack.of_kind("rollout"):
        token.check()
        # Rows alone say for which boxes it is, and those come with a sync.
        _take_file(ctx, pack, file)
    for name, files in edge.items():
        token.check()
        _take_edge(pack, name, files)
    names = tuple(f"{model.name} {model.version}" for _file, model in bundles)
    brought = tuple(file.name for file in pack.of_kind("rollout"))
    words = f"Took over a pack of {pack.listed.desktop_name}: {', '.join([*names, *edge, *brought]) or 'nothing new'}."
    ctx.database.write(lambda writer: writer.activity("visit.pack-opened", pack.digest, words))
    return OpenedPack(
        digest=pack.digest,
        desktop=pack.desktop,
        desktop_name=pack.listed.desktop_name,
        made_ms=pack.listed.made_ms,
        models=names,
        edge=tuple(edge),
        rollouts=brought,
        roots=len(newer.bodies),
    )


def _newer_roots(ctx: Context, pack: Pack) -> Newer:
    numbered = {}
    for file in pack.of_kind("root"):
        if matched := _ROOT_NAME.fullmatch(file.name):
            numbered[int(matched[1])] = file

    def there(version: int) -> bytes:
        if version not in numbered:
            raise NotFound(f"The pack has no root {version}.")
        body = pack.read(numbered[version], MAX_ROOT_BYTES)
        if read_root(body).version != version:
            raise PackInvalid(f"What the pack has as {numbered[version].name} is another root.")
        return body

    return newer_there(ctx.roots(), there, "the pack")


def _check_all(pack: Pack, progress: Progress, cancel: CancelToken) -> None:
    total, seen = max(sum(file.size for file in pack.listed.files), 1), 0
    for file in pack.listed.files:

        def read(count: int, name: str = file.name) -> None:
            nonlocal seen
            cancel.check()
            seen += count
            progress(ProgressEvent(step="check", message=name, fraction=min(seen / total, 1.0)))

        pack.check(file, seen=read)


def _checked_models(ctx: Context, pack: Pack) -> list[tuple[PackFile, Model]]:
    """The bundles with their records: what a desktop of the site released, and nothing that says otherwise."""
    from cloud_sync.release.sign import read_releases, target_name

    metadata = {file.name: pack.read(file, MAX_METADATA_BYTES) for file in pack.of_kind("metadata")}
    try:
        released = read_releases(metadata, ctx.roots().newest)
    except TrustRefused as error:
        raise PackInvalid(f"The releases in the pack cannot be believed: {error.message}") from error
    records = {model.sha256: model for model in pack.listed.models}
    bundles = []
    for file in pack.of_kind("bundle"):
        model = records.get(file.sha256)
        if model is None or released.get(target_name(model.name, model.version)) != file.sha256:
            raise PackInvalid(f"{file.name} in the pack is nothing that a desktop of this site released.")
        try:
            bundle = read_bundle(pack.path(file))
        except LinesideError as error:
            raise PackInvalid(f"{file.name} in the pack: {error.message}") from error
        said = (bundle.id, bundle.manifest.name, bundle.manifest.version, bundle.manifest.release)
        if said != (model.model, model.name, model.version, model.release) or model.size != file.size:
            raise PackInvalid(f"{file.name} in the pack is not the model that its list describes.")
        bundles.append((file, model))
    return bundles


def _take_file(ctx: Context, pack: Pack, file: PackFile) -> None:
    if not ctx.blobs.has(file.sha256):
        with TemporaryDirectory(dir=ctx.home, prefix=".pack-") as scratch:
            copy = Path(scratch) / file.sha256
            _copy(pack, file, copy)
            # Checked once more: the stick may be another one by now.
            ctx.blobs.put_file(copy, file.sha256)


def _take_model(ctx: Context, pack: Pack, file: PackFile, model: Model) -> None:
    _take_file(ctx, pack, file)
    try:
        model = model_store.get_model(ctx.database, model.model)
    except NotFound:
        for box, proof in model.proofs.items():
            model_store.add_proof(ctx.database, model.model, box, proof)
    model_store.put_model(ctx.database, model)


def _copy(pack: Pack, file: PackFile, target: Path) -> None:
    def chunks() -> Iterator[bytes]:
        with pack.open(file) as source:
            while chunk := source.read(CHUNK_BYTES):
                yield chunk

    write_durably(target, chunks())


def _edge_names(pack: Pack) -> dict[str, list[PackFile]]:
    """The files of each edge bundle in the pack."""
    found: dict[str, list[PackFile]] = {}
    for file in pack.of_kind("edge"):
        name, _, rest = file.name.partition("/")
        if not _EDGE_NAME.fullmatch(name) or not rest:
            raise PackInvalid(f"{file.name!r} in the pack is no file of an edge bundle.")
        found.setdefault(name, []).append(file)
    return found


def _take_edge(pack: Pack, name: str, files: list[PackFile]) -> None:
    """Put an edge bundle where this person's lie; one that is there already stays."""
    home = edge_bundle.usual_folders()[0]
    if (home / name).exists() or (home / f"{name}.zip").exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home, prefix=".pack-") as scratch:
        draft = Path(scratch) / name
        for file in files:
            _copy(pack, file, draft / file.name.partition("/")[2])
        bundle = edge_bundle.open_edge_bundle(draft)
        bundle.check(bundle.manifest.files)
        draft.rename(home / name)
    sync_folder(home)
