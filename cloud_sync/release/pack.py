"""Writing a bundle."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.manifest import MANIFEST_NAME, MODEL_NAME, BundleManifest, FileEntry
from edge_runtime.update.bundle import MAX_BUNDLE_BYTES, MAX_MEMBERS, member_name_allowed
from edge_runtime.update.durable import write_durably

_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_bundle(path: Path, manifest: BundleManifest, model: bytes, golden: Mapping[str, bytes]) -> tuple[str, str]:
    """Write the bundle to ``path``; equal contents give equal bytes.

    The manifest's ``files`` are filled in here. Nothing changes these bytes afterwards: what a box probes is
    what is signed and installed.

    :param golden: the golden inputs by their path in the bundle, such as ``golden/3f2a``.
    :returns: bundle id (sha256 of the manifest) and sha256 of the file.
    :raises InputInvalid: a path that a box would refuse, golden cases and files that do not match, too large.
    """
    contents = {MODEL_NAME: model, **golden}
    if bad := [name for name in golden if not member_name_allowed(name) or name in (MANIFEST_NAME, MODEL_NAME)]:
        raise InputInvalid(f"A golden case cannot be stored as {bad[0]!r}.")
    if {case.path for case in manifest.golden} != set(golden):
        raise InputInvalid("The manifest's golden cases are not the files that were given.")
    if len(contents) + 1 > MAX_MEMBERS or sum(map(len, contents.values())) > MAX_BUNDLE_BYTES // 2:
        raise InputInvalid(f"The bundle of {manifest.name} {manifest.version} is larger than a box accepts.")
    files = tuple(
        FileEntry(path=name, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
        for name, body in sorted(contents.items())
    )
    filled = dataclasses.replace(manifest, files=files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, body in ((MANIFEST_NAME, filled.to_bytes()), *sorted(contents.items())):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, body)
    whole = buffer.getvalue()
    write_durably(path, [whole])
    return filled.id, hashlib.sha256(whole).hexdigest()
