"""The box's offline bundle, as the desktop reads it: a folder or a zip, hostile until it has been checked."""

from __future__ import annotations

import stat
import struct
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Annotated, Literal, Protocol

from msgspec import Meta

from app.fleet.digests import is_promised
from edge_runtime.contracts import wire
from edge_runtime.contracts.enrolment_errors import (
    EdgeBundleInvalid,
    EdgeBundleMissing,
    EdgeBundleTampered,
    EdgeInstallUnsuitable,
)
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import Digest
from edge_runtime.plain_files import open_plain

BUNDLES_NAME = "edge-bundles"
MANIFEST_NAME = "manifest.json"
INSTALLER_NAME = "install.py"
MAX_MANIFEST_BYTES = 2**20
MAX_FILES = 500
MAX_FILE_BYTES = 512 * 2**20
# What the standard library raises on a zip that somebody bent out of shape.
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, struct.error)

FilePath = Annotated[
    str,
    Meta(
        pattern=r"^(?:wheels/[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}\.whl|install\.py|lineside-edge\.service|lineside-edge-clock\.conf)\Z"
    ),
]
PythonVersion = Annotated[str, Meta(pattern=r"^3\.[0-9]{1,2}\Z")]
Pythons = Annotated[tuple[PythonVersion, ...], Meta(min_length=1, max_length=20)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeFile:
    """One file of a bundle."""

    path: FilePath
    sha256: Digest
    size: Annotated[int, Meta(ge=1, le=MAX_FILE_BYTES)]
    pythons: Pythons
    """Boxes with these need it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeManifest:
    """What a bundle says of itself."""

    format: Literal[1]
    version: Annotated[str, Meta(pattern=r"^[0-9][0-9A-Za-z.+]{0,49}\Z")]
    arch: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,20}\Z")]
    """As ``uname -m`` says it."""
    pythons: Pythons
    glibc: Annotated[str, Meta(pattern=r"^[0-9]{1,2}\.[0-9]{1,3}\Z")]
    """The oldest C library that it runs with."""
    files: Annotated[tuple[EdgeFile, ...], Meta(min_length=1, max_length=MAX_FILES)]


class _Place(Protocol):
    """Where the files lie."""

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]: ...


@dataclass(frozen=True, slots=True)
class EdgeBundle:
    """A bundle whose manifest was checked; of its files, those that went through :meth:`check`."""

    path: Path
    manifest: EdgeManifest
    manifest_bytes: bytes
    """As they stand in the bundle: the installer on the box reads the same."""
    _place: _Place

    def files_for(self, python: str) -> tuple[EdgeFile, ...]:
        """What a box with this Python (``"3.11"``) needs besides the manifest, the installer among it.

        :raises EdgeInstallUnsuitable: the bundle has nothing for it.
        """
        if python not in self.manifest.pythons:
            offered = ", ".join(self.manifest.pythons)
            raise EdgeInstallUnsuitable(f"{self.path.name} is for Python {offered}; the box has {python}.")
        return tuple(file for file in self.manifest.files if python in file.pythons)

    def check(self, files: Iterable[EdgeFile], *, seen: Callable[[int], None] = lambda _bytes: None) -> None:
        """Hold every file against its digest.

        :param seen: told the bytes of each piece that was read.
        :raises EdgeBundleInvalid: one is missing, or no plain file.
        :raises EdgeBundleTampered: one is not what the manifest lists.
        """
        for file in files:
            with self.open(file) as source:
                if not is_promised(source, file.size, file.sha256, seen=seen):
                    raise EdgeBundleTampered(f"{file.path} in {self.path.name} is not the file of its manifest.")

    @contextmanager
    def open(self, file: EdgeFile) -> Iterator[IO[bytes]]:
        """The file's bytes, seekable. They may have changed since :meth:`check`; the installer checks them once more.

        :raises EdgeBundleInvalid: it is missing, damaged, or no plain file.
        """
        try:
            with self._place.open(file.path) as source:
                yield source
        except _ZIP_ERRORS as error:
            raise EdgeBundleInvalid(f"{file.path} in {self.path.name} is damaged: {error}.") from error


def open_edge_bundle(path: Path) -> EdgeBundle:
    """The bundle at ``path``, a folder or a zip. Nothing is kept open.

    :raises EdgeBundleMissing: nothing is there.
    :raises EdgeBundleInvalid: it is no bundle.
    """
    if not path.exists():
        raise EdgeBundleMissing(f"There is no edge bundle at {path}.")
    place = _Folder(path) if path.is_dir() else _Zip(path)
    try:
        with place.open(MANIFEST_NAME) as file:
            body = file.read(MAX_MANIFEST_BYTES + 1)
        if len(body) > MAX_MANIFEST_BYTES:
            raise EdgeBundleInvalid(f"The manifest of {path.name} is larger than any real one.")
        manifest = wire.decode(body, EdgeManifest, what=f"manifest of {path.name}")
        listed = {file.path: file.size for file in manifest.files}
        if len(listed) != len(manifest.files) or INSTALLER_NAME not in listed:
            raise EdgeBundleInvalid(f"The manifest of {path.name} lists a file twice, or no {INSTALLER_NAME}.")
        if isinstance(place, _Zip):
            place.check_members({**listed, MANIFEST_NAME: len(body)})
    except InputInvalid as error:
        raise EdgeBundleInvalid(error.message) from error
    except _ZIP_ERRORS as error:
        raise EdgeBundleInvalid(f"{path.name} is not a whole edge bundle: {error}.") from error
    return EdgeBundle(path, manifest, body, place)


def find_edge_bundle(arch: str, folders: Sequence[Path]) -> Path:
    """The bundle of this desktop's own version for ``arch``, in the first of ``folders`` that has it.

    :raises EdgeBundleMissing: none has.
    """
    name = f"lineside-edge-{version('lineside')}-{arch}"
    for folder in folders:
        for path in (folder / name, folder / f"{name}.zip"):
            if path.exists():
                return path
    looked = ", ".join(map(str, folders)) or "nowhere"
    put = f"Put {name}.zip into {folders[0]}" if folders else f"Have {name}.zip at hand"
    raise EdgeBundleMissing(
        f"There is no {name}, neither as a folder nor as a zip, in: {looked}.",
        hint=f"{put}, or say where it lies. Where Lineside's source is, `make edge-bundle ARCH={arch}` builds it.",
    )


def usual_folders() -> tuple[Path, ...]:
    """Where bundles lie without being told: the person's own, beside the built program, or where they are built."""
    import platformdirs

    own = platformdirs.user_data_path("lineside", appauthor=False) / BUNDLES_NAME
    if getattr(sys, "frozen", False):
        return (own, Path(sys.executable).resolve().parent / BUNDLES_NAME)
    root = Path(__file__).resolve().parents[2]
    return (own, root / "dist") if (root / "pyproject.toml").is_file() else (own,)


@dataclass(frozen=True, slots=True)
class _Folder:
    folder: Path

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        with _open(self.folder / path) as file:
            yield file


@dataclass(frozen=True, slots=True)
class _Zip:
    path: Path

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        with _open(self.path) as file, zipfile.ZipFile(file) as archive:
            try:
                info = archive.getinfo(path)
            except KeyError:
                raise EdgeBundleInvalid(f"{self.path.name} has no {path}.") from None
            # Stored, so that nothing can be larger than what is there.
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                raise EdgeBundleInvalid(f"{path} in {self.path.name} is compressed or encrypted.")
            with archive.open(info) as member:
                yield member

    def check_members(self, expected: dict[str, int]) -> None:
        """Exactly the files that the manifest lists, each once and of its size."""
        with _open(self.path) as file, zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
        sizes = {info.orig_filename: info.file_size for info in infos}
        if sizes != expected or len(infos) != len(sizes):
            raise EdgeBundleInvalid(f"The members of {self.path.name} are not the files that its manifest lists.")
        if any(stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG) for info in infos):
            raise EdgeBundleInvalid(f"{self.path.name} has a link or a device among its members.")


def _open(path: Path) -> IO[bytes]:
    try:
        return open_plain(path)
    except OSError as error:
        raise EdgeBundleInvalid(f"{path} cannot be opened: {error.strerror}.") from error
