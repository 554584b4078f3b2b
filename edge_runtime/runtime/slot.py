"""A slot's folder: what is in it, and whether every byte of that was signed. Nothing in it is believed.

manifest.json    of the edge bundle, whose digest was signed
targets.json     the signature over that digest, as it was accepted
made.json        for which base
wheels/          those that the base does not have, by digest
lib/, data/      what they install
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, LinesideError
from edge_runtime.contracts.rows import Digest
from edge_runtime.contracts.runtime import RuntimeFacts
from edge_runtime.contracts.runtime_errors import RuntimeUnusable
from edge_runtime.plain_files import open_plain, read_at_most
from edge_runtime.runtime.base import PYTHON, Base
from edge_runtime.runtime.manifest import MAX_MANIFEST_BYTES, RuntimeManifest, Wheel, read_manifest
from edge_runtime.runtime.wheels import digest_of, read_wheel, require_exactly
from edge_runtime.update.roots import MAX_ROOT_BYTES, follow, read_root

if TYPE_CHECKING:
    from tuf.api.metadata import Targets

MAX_TARGETS_BYTES = 2**20
MANIFEST, TARGETS, MADE, WHEELS, LIBRARY = "manifest.json", "targets.json", "made.json", "wheels", "lib"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """``made.json``."""

    target: str
    base: Digest
    """Id of the base to which it is an addition."""


def wheel_file(folder: Path, sha256: str) -> Path:
    return folder / WHEELS / f"{sha256}.whl"


def own_wheels(manifest: RuntimeManifest, base: Base) -> tuple[Wheel, ...]:
    """What a slot has to bring itself."""
    return tuple(one for one in manifest.wheels(PYTHON) if one.sha256 not in base.wheels)


def require_fit(manifest: RuntimeManifest, base: Base) -> None:
    """:raises RuntimeUnusable: it is for other machines."""
    if manifest.arch != base.arch or PYTHON not in manifest.pythons:
        offered = f"{manifest.arch} and Python {', '.join(manifest.pythons)}"
        raise RuntimeUnusable(f"The bundle is for {offered}; this box is {base.arch} with Python {PYTHON}.")


def check_slot(folder: Path, base: Base, home: Path) -> RuntimeManifest:
    """Follow the signatures from root's own anchor to every file of a slot.

    :raises RuntimeUnusable: something in it was not signed, or is not for this base.
    """
    try:
        return _check(folder, base, home)
    except OSError as error:
        raise RuntimeUnusable(f"{error.filename or folder}: {error.strerror}.") from error
    except RuntimeUnusable:
        raise
    except LinesideError as error:
        raise RuntimeUnusable(error.message) from error


def _check(folder: Path, base: Base, home: Path) -> RuntimeManifest:
    made = wire.decode(_read(folder / MADE, MAX_MANIFEST_BYTES), Made, what=MADE)
    if made.base != base.id:
        raise RuntimeUnusable("Another version was installed on the machine since it came.")
    body = _read(folder / MANIFEST, MAX_MANIFEST_BYTES)
    facts = _signed_facts(folder, base, home, made.target, body)
    if facts.release < base.release:
        raise RuntimeUnusable(f"It is older than the version {base.version} that is installed on the machine.")
    manifest = read_manifest(body)
    require_fit(manifest, base)
    wanted = {
        name: hashlib.sha256(_read(folder / name, MAX_TARGETS_BYTES)).hexdigest() for name in (MANIFEST, TARGETS, MADE)
    }
    for wheel in own_wheels(manifest, base):
        path = wheel_file(folder, wheel.sha256)
        if digest_of(path) != wheel.sha256:
            raise RuntimeUnusable(f"{wheel.path} is not the file that was signed.")
        wanted[str(path.relative_to(folder))] = wheel.sha256
        wanted |= {one.target: one.sha256 for one in read_wheel(path, Path(wheel.path).name)}
    require_exactly(folder, wanted)
    return manifest


def signed_target(folder: Path, base: Base, home: Path) -> tuple[str, bool]:
    """What a slot's version was signed as, and whether the newest root admits who signed it.

    :raises RuntimeUnusable, OSError: it cannot be told.
    """
    made = wire.decode(_read(folder / MADE, MAX_MANIFEST_BYTES), Made, what=MADE)
    with suppress(RuntimeUnusable):
        _signed_facts(folder, base, home, made.target, _read(folder / MANIFEST, MAX_MANIFEST_BYTES))
        return made.target, True
    return made.target, False


def _newest_root(anchor: Path, home: Path) -> bytes:
    """The end of the chain of roots that begins with root's own anchor: who was struck off since does not count."""
    trusted = _read(anchor, MAX_ROOT_BYTES)
    # Where the box was enrolled again since, the anchor may be newer than all that lies there.
    version = read_root(trusted).version
    while (successor := home / "trust" / "roots" / f"{version + 1}.root.json").exists():
        body = _read(successor, MAX_ROOT_BYTES)
        version, trusted = follow(trusted, body).version, body
    return trusted


def _signed_facts(folder: Path, base: Base, home: Path, target: str, manifest: bytes) -> RuntimeFacts:
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata, Root, Targets

    body = _read(folder / TARGETS, MAX_TARGETS_BYTES)
    root = Metadata[Root].from_bytes(_newest_root(base.anchor, home)).signed
    try:
        metadata = Metadata[Targets].from_bytes(body)
        root.verify_delegate(Targets.type, metadata.signed_bytes, metadata.signatures)
        signed: Targets = metadata.signed
        info = signed.targets[target]
        info.verify_length_and_hashes(manifest)
        return wire.from_dict(info.custom, RuntimeFacts, what="signed facts of the version")
    except (RepositoryError, ValueError, TypeError, KeyError, AttributeError, RecursionError, InputInvalid) as error:
        raise RuntimeUnusable(f"Its manifest is not signed by a desktop of this box's site: {error}.") from error


def _read(path: Path, most: int) -> bytes:
    with open_plain(path) as file:
        body = read_at_most(file, most)
    if len(body) > most:
        raise RuntimeUnusable(f"{path.name} is larger than any real one.")
    return body


def is_anchored(base: Base, home: Path) -> bool:
    """Whether the roots of this box follow from root's own anchor: otherwise no slot would ever start."""
    with suppress(OSError, LinesideError, ValueError):
        newest = read_root(_read(home / "trust" / "root.json", MAX_ROOT_BYTES))
        return read_root(_newest_root(base.anchor, home)).version >= newest.version
    return False
