"""An edge bundle as the source of a version that a box gets over its management channel."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.fleet.edge_bundle import EdgeBundle, EdgeFile
from edge_runtime.build_time import NAME
from edge_runtime.contracts.enrolment_errors import EdgeBundleInvalid, EdgeInstallUnsuitable
from edge_runtime.contracts.runtime import RuntimeAnswer, RuntimeFacts

BUILT = f"edge_runtime/{NAME}"
MAX_BUILT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that a box may have to be brought."""

    sha256: str
    size: int
    file: EdgeFile | None
    """None: the manifest itself."""


def facts_of(bundle: EdgeBundle) -> RuntimeFacts:
    """What is signed of it.

    :raises EdgeBundleInvalid: its lineside does not say when it was built.
    """
    own = next((file for file in bundle.manifest.files if file.path.startswith("wheels/lineside-")), None)
    if own is None:
        raise EdgeBundleInvalid(f"{bundle.path.name} has no lineside in it.")
    bundle.check([own])
    try:
        with bundle.open(own) as source, zipfile.ZipFile(source) as wheel, wheel.open(BUILT) as built:
            release = int(built.read(MAX_BUILT_BYTES))
    except (KeyError, ValueError) as error:
        raise EdgeBundleInvalid(f"{own.path} in {bundle.path.name} does not say when it was built.") from error
    return RuntimeFacts(
        kind="runtime", release=max(release, 0), version=bundle.manifest.version, arch=bundle.manifest.arch
    )


def digest_of(bundle: EdgeBundle) -> str:
    """By which a version is known: sha256 of the manifest."""
    return hashlib.sha256(bundle.manifest_bytes).hexdigest()


def pieces(bundle: EdgeBundle, there: RuntimeAnswer) -> list[Piece]:
    """What a box needs of it beside the base that it has: the manifest, and the wheels that are others.

    :raises EdgeInstallUnsuitable: the bundle has nothing for it.
    """
    if bundle.manifest.arch != there.arch:
        raise EdgeInstallUnsuitable(f"{bundle.path.name} is for {bundle.manifest.arch}; the box is {there.arch}.")
    has: Collection[str] = frozenset(there.wheels)
    wheels = [file for file in bundle.files_for(there.python) if file.path.startswith("wheels/")]
    manifest = Piece(digest_of(bundle), len(bundle.manifest_bytes), None)
    return [manifest, *(Piece(file.sha256, file.size, file) for file in wheels if file.sha256 not in has)]


@contextmanager
def as_file(bundle: EdgeBundle, piece: Piece) -> Iterator[Path]:
    """The piece as a file of its own, for as long as it is needed: a zip has none.

    :raises EdgeBundleTampered: it is not what the manifest lists.
    """
    with TemporaryDirectory(prefix="lineside-version-") as scratch:
        path = Path(scratch) / piece.sha256
        if piece.file is None:
            path.write_bytes(bundle.manifest_bytes)
        else:
            bundle.check([piece.file])
            with bundle.open(piece.file) as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy, 2**20)
        yield path
