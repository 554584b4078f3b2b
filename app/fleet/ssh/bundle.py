"""What of an edge bundle goes to one machine, and how much room it takes there."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from app.fleet.edge_bundle import MANIFEST_NAME, EdgeBundle, EdgeFile
from edge_runtime.contracts.enrolment_errors import EdgeBundleInvalid

UNIT_NAME = "lineside-edge.service"
CLOCK_NAME = "lineside-edge-clock.conf"
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Load:
    """Files by the digest of their content, under which they travel."""

    bundle: EdgeBundle
    files: Mapping[str, EdgeFile | None]
    """None stands for the manifest."""
    manifest_digest: str
    unpacked_bytes: int

    @property
    def size(self) -> int:
        return sum(self.size_of(digest) for digest in self.files)

    def size_of(self, digest: str) -> int:
        file = self.files[digest]
        return len(self.bundle.manifest_bytes) if file is None else file.size

    def path_of(self, digest: str) -> str:
        file = self.files[digest]
        return MANIFEST_NAME if file is None else file.path

    def installed_id(self, python: str) -> str:
        """What the installer calls exactly these files with this interpreter."""
        listed = sorted(file.path for file in self.files.values() if file)
        digests = {file.path: file.sha256 for file in self.files.values() if file}
        lines = [python, self.bundle.manifest.version, *(f"{digests[path]} {path}" for path in listed)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def unit(self) -> str:
        """The systemd unit.

        :raises EdgeBundleInvalid: the bundle has none.
        """
        return self._text(UNIT_NAME)

    def clock_drop_in(self) -> str:
        """What lets a trusted desktop set the clock; errors as :meth:`unit`."""
        return self._text(CLOCK_NAME)

    def _text(self, name: str) -> str:
        file = next((file for file in self.files.values() if file and file.path == name), None)
        if file is None:
            raise EdgeBundleInvalid(f"{self.bundle.path.name} has no {name}.")
        with self.bundle.open(file) as source:
            return source.read(file.size).decode()


def load_for(bundle: EdgeBundle, python: str) -> Load:
    """What a machine with this Python needs, every file held against its digest.

    :raises EdgeInstallUnsuitable, EdgeBundleInvalid, EdgeBundleTampered: see :class:`EdgeBundle`.
    """
    listed = bundle.files_for(python)
    bundle.check(listed)
    manifest = hashlib.sha256(bundle.manifest_bytes).hexdigest()
    unpacked = 0
    for file in listed:
        if file.path.endswith(".whl"):
            with bundle.open(file) as source, zipfile.ZipFile(source) as wheel:
                # As the installer reckons: whole blocks, and a compiled module beside each source.
                sizes = [(info.filename.endswith(".py"), info.file_size) for info in wheel.infolist()]
                unpacked += sum((size // _BLOCK + 1) * _BLOCK * (2 if is_source else 1) for is_source, size in sizes)
    files: dict[str, EdgeFile | None] = {file.sha256: file for file in listed}
    return Load(bundle, {**files, manifest: None}, manifest, unpacked)
