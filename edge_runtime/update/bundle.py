"""Opening a bundle: a hostile zip until every member has been checked."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edge_runtime.contracts.errors import BundleInvalid, BundleTampered, InputInvalid, TrustRefused
from edge_runtime.contracts.manifest import GOLDEN_PREFIX, MANIFEST_NAME, MODEL_NAME, BundleManifest
from edge_runtime.plain_files import open_plain
from edge_runtime.update.durable import file_digest

if TYPE_CHECKING:
    from edge_runtime.update.verify import VerifiedTarget

MAX_BUNDLE_BYTES = 512 * 2**20
MAX_MANIFEST_BYTES = 2**20
MAX_MEMBERS = 260
_GOLDEN = re.compile(rf"{re.escape(GOLDEN_PREFIX)}[A-Za-z0-9][A-Za-z0-9._-]{{0,99}}")
# What the standard library raises on a zip that somebody bent out of shape.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    EOFError,
    struct.error,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every byte matches its manifest. Whether to *trust* it is the verifier's question."""

    manifest: BundleManifest
    id: str
    """sha256 of the manifest's bytes as they stand in the file."""
    model: bytes
    golden: dict[str, bytes]
    """The golden inputs by their path in the bundle."""


def member_name_allowed(name: str) -> bool:
    """Whether a bundle may have a member of this name: no folders but ``golden/``, no dots in front."""
    return name in (MANIFEST_NAME, MODEL_NAME) or _GOLDEN.fullmatch(name) is not None


def read_bundle(path: Path) -> Bundle:
    """Read and check the bundle at ``path``.

    Members are stored, never compressed, so that what is unpacked cannot be larger than what arrived.

    :raises BundleInvalid: not a bundle: truncated, a member too many, twice, compressed, a link, outside its place…
    :raises BundleTampered: a member's bytes are not those that the manifest lists.
    """
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BUNDLE_BYTES:
            raise BundleInvalid(f"The bundle is {size} bytes; at most {MAX_BUNDLE_BYTES} are read.")
        try:
            with zipfile.ZipFile(file) as archive:
                members = _check_members(archive.infolist(), size)
                return _read_members(archive, members)
        except _ZIP_ERRORS as error:
            raise BundleInvalid(f"{path.name} is not a whole bundle ({size} bytes): {error}.") from error


def _open(path: Path) -> BinaryIO:
    try:
        return open_plain(path)
    except OSError as error:
        raise BundleInvalid(f"{path.name} cannot be opened: {error.strerror}.") from error


def _check_members(infos: Sequence[zipfile.ZipInfo], archive_bytes: int) -> dict[str, zipfile.ZipInfo]:
    if len(infos) > MAX_MEMBERS:
        raise BundleInvalid(f"The bundle has {len(infos)} members; at most {MAX_MEMBERS} are read.")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.orig_filename
        if not member_name_allowed(name) or info.is_dir():
            raise BundleInvalid(f"The bundle has a member that does not belong in one: {name[:100]!r}.")
        if name in members:
            raise BundleInvalid(f"The bundle has {name!r} twice.")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise BundleInvalid(f"The bundle's member {name!r} is a link or a device, not a file.")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise BundleInvalid(f"The bundle's member {name!r} is compressed or encrypted; members are stored plain.")
        members[name] = info
    if sum(info.file_size for info in infos) > archive_bytes:
        raise BundleInvalid("The bundle's members claim to be larger than the bundle itself.")
    if MANIFEST_NAME not in members or MODEL_NAME not in members:
        raise BundleInvalid(f"The bundle lacks {MANIFEST_NAME} or {MODEL_NAME}.")
    if members[MANIFEST_NAME].file_size > MAX_MANIFEST_BYTES:
        raise BundleInvalid(f"The manifest is {members[MANIFEST_NAME].file_size} bytes; no real one is.")
    return members


def _read_members(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> Bundle:
    raw = archive.read(members[MANIFEST_NAME])
    try:
        manifest = BundleManifest.from_bytes(raw)
    except InputInvalid as error:
        raise BundleInvalid(error.message) from error
    listed = {entry.path: entry for entry in manifest.files}
    if len(listed) != len(manifest.files) or set(listed) != set(members) - {MANIFEST_NAME}:
        raise BundleInvalid("The bundle's members are not the files that its manifest lists.")
    if unknown := [case.path for case in manifest.golden if case.path not in listed or case.path == MODEL_NAME]:
        raise BundleInvalid(f"The manifest's golden case {unknown[0]!r} is not in the bundle.")
    if unknown := [case.label for case in manifest.golden if case.label not in manifest.output.answers]:
        raise BundleInvalid(f"The manifest's golden cases expect the label {unknown[0]!r}, which the model lacks.")
    contents: dict[str, bytes] = {}
    for name, entry in listed.items():
        try:
            body = archive.read(members[name])
        except zipfile.BadZipFile as error:
            raise BundleTampered(f"{name} in the bundle is damaged: {error}.") from error
        if len(body) != entry.size or hashlib.sha256(body).hexdigest() != entry.sha256:
            raise BundleTampered(f"{name} in the bundle is not the file that its manifest lists.")
        contents[name] = body
    model = contents.pop(MODEL_NAME)
    return Bundle(manifest, hashlib.sha256(raw).hexdigest(), model, contents)


def check_copy(path: Path, verified: VerifiedTarget) -> Bundle:
    """The bundle in a file, which must be the one that was signed.

    :raises BundleTampered, BundleInvalid: other bytes, or no bundle that could be tried.
    :raises TrustRefused: the manifest and the signature do not say the same.
    """
    if path.stat().st_size != verified.size or file_digest(path) != verified.sha256:
        raise BundleTampered(f"The bytes of {verified.target} are not those that were signed.")
    bundle = read_bundle(path)
    manifest = bundle.manifest
    if not manifest.golden:
        raise BundleInvalid(f"{verified.target} has no golden cases: nothing shows that it runs here as it should.")
    said = (bundle.id, manifest.name, manifest.version, manifest.release)
    if said != (verified.bundle, verified.model_name, verified.version, verified.release):
        raise TrustRefused(
            f"{verified.target} was signed as release {verified.release} of {verified.model_name} "
            f"{verified.version}, but its manifest says release {manifest.release} of {manifest.name} "
            f"{manifest.version}."
        )
    return bundle
