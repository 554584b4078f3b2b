"""Puts the box onto this machine from the bundle that lies beside this file. Needs a plain Python 3.11 or newer.

    python3 -I install.py [--prefix /opt/lineside-edge] [--json]
    python3 -I install.py --uninstall [--prefix /opt/lineside-edge] [--json]

Neither pip nor the venv package nor a network is needed, and no right but to write to the prefix. It is one file,
for it runs where nothing else of Lineside is there yet. What it makes:

    PREFIX/versions/VERSION-PYTHON-DIGEST/   lib/, bin/lineside-edge and installed.json; never changed again
    PREFIX/current                           link to the version that is used
    PREFIX/bin/lineside-edge                 link through `current`

Beside them enrolment over SSH puts PREFIX/site-root.json, by which the box judges versions that come over the network.

Nothing is written before every file has been held against the manifest. A version comes about under another name, is
tried, brought to the disk as a whole and renamed; only then does `current`, by one rename, lead to it. Whatever stops
the installer in between, the version before is in force, and to run it again is all there is to do.
"""

from __future__ import annotations

import argparse
import base64
import csv
import errno
import fcntl
import hashlib
import io
import json
import marshal
import os
import platform
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import sysconfig
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

FORMAT = 1
PREFIX = Path("/opt/lineside-edge")
PROGRAM = "lineside-edge"
ANCHOR = "site-root.json"
MAX_MANIFEST_BYTES = 2**20
MAX_FILES = 500
MAX_FILE_BYTES = 512 * 2**20
MAX_MEMBERS = 20_000
MAX_RECORD_BYTES = 8 * 2**20
MAX_UNPACKED_BYTES = 2 * 2**30
SPARE_BYTES = 16 * 2**20
"""What is left free on the disk."""
TRIAL = "import sys; sys.path.insert(0, sys.argv[1]); import edge_runtime.service.daemon, edge_runtime.serving.grpc"
"""Loads every native library that the box needs."""
TRIAL_SECONDS = 300
LAUNCHER = """\
#!{python} -IS
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "lib"))
from edge_runtime.__main__ import program

program()
"""
"""Sees the modules of its own version and Python's, and no others that may be installed."""

CODES = {
    "edge-bundle.invalid": (
        "The edge bundle cannot be used",
        "Build it again with `make edge-bundle`; nothing was changed.",
    ),
    "edge-bundle.tampered": (
        "A file of the edge bundle is not the one that was built",
        "Copy the bundle again; if it fails again, treat its source as compromised. Nothing was changed.",
    ),
    "edge-install.unsuitable": (
        "This edge bundle is not for this machine",
        "Use a bundle for its architecture and Python; nothing was changed.",
    ),
    "edge-install.refused": (
        "The box's program cannot be installed there",
        "Mend what is named and run the installer again; the version before is in force.",
    ),
    "edge-install.does-not-start": (
        "The new version does not start on this machine",
        "The version before is in force. Keep the message, and use a bundle that was made for this machine.",
    ),
    "disk.full": ("The disk is full", "Free some space; nothing that was acknowledged is lost."),
}
"""Title and hint of everything that may be wrong."""
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+]{0,49}")
_PYTHON = re.compile(r"3\.[0-9]{1,2}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(
    r"wheels/[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}\.whl|install\.py|lineside-edge\.service|lineside-edge-clock\.conf"
)
_VERSION_FOLDER = re.compile(r"[0-9][0-9A-Za-z.+]{0,49}-cp3[0-9]{1,2}-[0-9a-f]{12}(?:\.[0-9]+)?|\.part")
_SHEBANG = re.compile(r"/[^\s]{1,119}")
# What the standard library raises on a zip that somebody bent out of shape.
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, struct.error, zlib.error)


class Refused(Exception):
    """It was not done.

    :param code: one of :data:`CODES`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.title, self.hint = CODES[code]


class Listed(NamedTuple):
    """A file as the manifest lists it."""

    path: str
    sha256: str
    size: int
    pythons: tuple[str, ...]


class Manifest(NamedTuple):
    version: str
    arch: str
    pythons: tuple[str, ...]
    glibc: tuple[int, int]
    """The oldest C library that every wheel runs with."""
    files: tuple[Listed, ...]


class Member(NamedTuple):
    """A file in a wheel, and where it goes."""

    name: str
    target: str
    """Below the folder of the version."""
    sha256: str
    size: int


class Machine(NamedTuple):
    arch: str
    python: str
    executable: str

    @property
    def tag(self) -> str:
        return "cp" + self.python.replace(".", "")


def parse_manifest(body: bytes) -> Manifest:
    """The manifest, checked. Pure.

    :raises Refused: it is none, or of a newer format.
    """

    def wrong(what: str) -> NoReturn:
        raise Refused("edge-bundle.invalid", f"manifest.json: {what}.")

    def text(value: Any, shape: re.Pattern[str], what: str) -> str:
        if not isinstance(value, str) or not shape.fullmatch(value):
            wrong(f"{what} cannot be {str(value)[:100]!r}")
        return value

    def pythons(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not 0 < len(value) <= 20:
            wrong("'pythons' is not a short list")
        return tuple(text(each, _PYTHON, "a Python") for each in value)

    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused("edge-bundle.invalid", f"manifest.json cannot be read: {error}.") from error
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        wrong(f"it is not of format {FORMAT}")
    listed = given.get("files")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_FILES:
        wrong(f"'files' is not a list of at most {MAX_FILES}")
    files = []
    for each in listed:
        if not isinstance(each, dict):
            wrong("a file is not described by an object")
        size = each.get("size")
        if type(size) is not int or not 0 < size <= MAX_FILE_BYTES:
            wrong(f"a file cannot have {str(size)[:100]} bytes")
        path = text(each.get("path"), _FILE, "a file's path")
        files.append(Listed(path, text(each.get("sha256"), _SHA256, "a digest"), size, pythons(each.get("pythons"))))
    if len({file.path for file in files}) != len(files):
        wrong("a file is listed twice")
    glibc = text(given.get("glibc"), re.compile(r"[0-9]{1,2}\.[0-9]{1,3}"), "the C library").split(".")
    return Manifest(
        version=text(given.get("version"), _VERSION, "the version"),
        arch=text(given.get("arch"), re.compile(r"[a-z0-9_]{1,20}"), "the architecture"),
        pythons=pythons(given.get("pythons")),
        glibc=(int(glibc[0]), int(glibc[1])),
        files=tuple(files),
    )


def this_machine(manifest: Manifest) -> Machine:
    """What this machine is.

    :raises Refused: the bundle's wheels do not run on it.
    """
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    arch = platform.machine() if sys.maxsize > 2**32 else f"{platform.machine()} with a Python of 32 bits"
    executable = os.path.realpath(sys.executable)
    try:
        library, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        glibc = tuple(int(part) for part in version.split(".")[:2]) if library == "glibc" else ()
    except (OSError, ValueError):
        glibc = ()
    problem = None
    if arch != manifest.arch:
        problem = f"The bundle is for {manifest.arch}; this is {arch}."
    elif python not in manifest.pythons:
        problem = f"The bundle is for Python {', '.join(manifest.pythons)}; {executable} is {python}."
    elif sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        problem = f"The bundle is for the plain CPython; {executable} is another build."
    elif glibc < manifest.glibc:
        needed, found = (".".join(map(str, each)) for each in (manifest.glibc, glibc))
        problem = f"The bundle needs glibc {needed} or newer; this machine has {found or 'another C library'}."
    elif not _SHEBANG.fullmatch(executable):
        problem = f"The path of the interpreter, {executable!r}, cannot stand in a program's first line."
    if problem:
        raise Refused("edge-install.unsuitable", problem)
    return Machine(arch, python, executable)


def read_plain(path: Path, most: int) -> bytes:
    """A file's bytes; of a longer one ``most`` and one more. Neither follows a link nor waits for a pipe's other end.

    :raises Refused: there is no plain file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Refused("edge-bundle.invalid", f"{path} is not a plain file.")
            return file.read(most + 1)
    except OSError as error:
        raise Refused("edge-bundle.invalid", f"{path} cannot be read: {error.strerror}.") from error


def read_listed(folder: Path, file: Listed) -> bytes:
    """A file's bytes, which are those that the manifest lists.

    :raises Refused: they are others, or not there.
    """
    body = read_plain(folder / file.path, file.size)
    if len(body) != file.size or hashlib.sha256(body).hexdigest() != file.sha256:
        raise Refused("edge-bundle.tampered", f"{file.path} is not the file that the manifest lists.")
    return body


def look_into(wheel: str, body: bytes) -> list[Member]:
    """What a wheel installs. Its programs and headers have no place on a box.

    :raises Refused: a member is a link, leads elsewhere, is not in RECORD or not of the size given there, and so on.
    """

    def wrong(what: str) -> NoReturn:
        raise Refused("edge-bundle.invalid", f"{wheel}: {what}.")

    base = "-".join(wheel.rpartition("/")[2].split("-")[:2])
    information, data = f"{base}.dist-info/", f"{base}.data/"
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            infos = [info for info in archive.infolist() if not info.orig_filename.endswith("/")]
            if len(archive.infolist()) > MAX_MEMBERS or sum(info.file_size for info in infos) > MAX_UNPACKED_BYTES:
                wrong("it is larger than any real wheel")
            members = {info.orig_filename: info for info in infos}
            if len(members) != len(infos):
                wrong("it has a member twice")
            for name, info in members.items():
                if not _is_plain_path(name):
                    wrong(f"it has a member whose name leads elsewhere: {name[:100]!r}")
                if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                    wrong(f"{name!r} is a link or a device")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
                    wrong(f"{name!r} is encrypted or compressed in an unusual way")
            for name in (f"{information}RECORD", f"{information}WHEEL"):
                if name not in members or members[name].file_size > MAX_RECORD_BYTES:
                    wrong(f"it has no {name}, or one that is larger than any real one")
            if not re.search(rb"^Wheel-Version: 1\.", archive.read(f"{information}WHEEL"), re.MULTILINE):
                wrong("it is of an unknown wheel version")
            recorded = _recorded(archive.read(f"{information}RECORD"), f"{information}RECORD")
    except _ZIP_ERRORS as error:
        raise Refused("edge-bundle.invalid", f"{wheel} is not a whole wheel: {error}.") from error
    signatures = {f"{information}RECORD.jws", f"{information}RECORD.p7s"}
    if different := (recorded.keys() ^ members.keys()) - signatures:
        wrong(f"{min(different)[:100]!r} is not both in it and in its RECORD")
    found = []
    for name, (sha256, size) in recorded.items():
        if size != members[name].file_size:
            wrong(f"{name!r} is not of the size that RECORD gives")
        kind, _, rest = name[len(data) :].partition("/") if name.startswith(data) else ("purelib", "", name)
        if kind in ("purelib", "platlib", "data"):
            found.append(Member(name, f"{'data' if kind == 'data' else 'lib'}/{rest}", sha256, size))
    return found


def _is_plain_path(name: str) -> bool:
    parts = name.split("/")
    return (
        len(name) <= 400
        and name.isprintable()
        and "\\" not in name
        and all(part not in ("", ".", "..") and len(part.encode()) <= 200 for part in parts)
    )


def _recorded(body: bytes, own_name: str) -> dict[str, tuple[str, int]]:
    """Digest and size of every file that a RECORD lists, and its own.

    :raises ValueError: it has another form, or a file without a digest.
    """
    recorded = {own_name: (hashlib.sha256(body).hexdigest(), len(body))}
    for row in csv.reader(io.StringIO(body.decode(), newline="")):
        if not row or row[0] == own_name:
            continue
        name, digest, size = row
        if not digest.startswith("sha256=") or name in recorded:
            raise ValueError(f"RECORD has no sha256 of {name[:100]!r}, or two")
        recorded[name] = (base64.urlsafe_b64decode(digest[7:] + "=").hex(), int(size))
    return recorded


def check_places(wheels: dict[str, list[Member]]) -> None:
    """No two wheels may want one place, nor one a file where another has a folder. Pure.

    :raises Refused: they do.
    """
    owner: dict[str, str] = {}
    for wheel, members in wheels.items():
        for member in members:
            if member.target in owner:
                message = f"{wheel} and {owner[member.target]} both install {member.target}."
                raise Refused("edge-bundle.invalid", message)
            owner[member.target] = wheel
    for target, wheel in owner.items():
        if inside := [parent for parent in map(str, Path(target).parents) if parent in owner]:
            raise Refused("edge-bundle.invalid", f"{wheel} installs {target} below the file {inside[0]}.")
    if sum(member.size for members in wheels.values() for member in members) > MAX_UNPACKED_BYTES:
        raise Refused("edge-bundle.invalid", "The wheels together are larger than any real box.")


def make_version(
    folder: Path, source: Path, files: list[Listed], wheels: dict[str, list[Member]], facts: dict[str, Any], name: str
) -> None:
    """Unpack and compile everything into the new ``folder``; ``name`` is what it will be called.

    :raises Refused: a member is not the one that RECORD lists.
    """
    digests: dict[str, str] = {}
    for file in files:
        if file.path in wheels:
            # Read and held against its digest once more: nobody can have changed it in between.
            with zipfile.ZipFile(io.BytesIO(read_listed(source, file))) as archive:
                for member in wheels[file.path]:
                    _unpack(archive, member, folder / member.target, file.path)
                    digests[member.target] = member.sha256
    for target in [target for target in digests if target.endswith(".py")]:
        compiled = _compiled((folder / target).read_bytes(), str(folder.parent / name / target))
        if compiled is not None:
            cache = Path(cache_from_source(str(folder / target)))
            cache.parent.mkdir(exist_ok=True)
            _write(cache, [compiled], 0o644)
            digests[str(cache.relative_to(folder))] = hashlib.sha256(compiled).hexdigest()
    launcher = LAUNCHER.format(python=facts["python"]).encode()
    (folder / "bin").mkdir()
    _write(folder / "bin" / PROGRAM, [launcher], 0o755)
    digests[f"bin/{PROGRAM}"] = hashlib.sha256(launcher).hexdigest()
    _write(folder / "installed.json", [json.dumps({**facts, "files": digests}).encode()], 0o644)


def _compiled(source: bytes, path: str) -> bytes | None:
    """The content of a module's .pyc file; None of one that cannot be compiled.

    The user as whom the box runs may not write to the prefix, so that every start would compile everything anew. The
    file is of the kind that is not held against its source, for neither ever changes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return MAGIC_NUMBER + (1).to_bytes(4, "little") + source_hash(source) + marshal.dumps(code)


def _unpack(archive: zipfile.ZipFile, member: Member, path: Path, wheel: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        with archive.open(member.name) as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
                yield chunk

    try:
        _write(path, chunks(), 0o644)
    except _ZIP_ERRORS as error:
        raise Refused("edge-bundle.tampered", f"{member.name} in {wheel} is damaged: {error}.") from error
    if digest.hexdigest() != member.sha256:
        raise Refused("edge-bundle.tampered", f"{member.name} in {wheel} is not the file that its RECORD lists.")


def _write(path: Path, chunks: Iterable[bytes], mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
        for chunk in chunks:
            file.write(chunk)


def is_whole(folder: Path, identity: str) -> bool:
    """Whether every file of an installed version is the one that was installed, and nothing else is there."""
    try:
        facts = json.loads((folder / "installed.json").read_bytes())
        files = dict(facts["files"])
        if facts["id"] != identity:
            return False
        for path in folder.rglob("*"):
            if path.is_symlink():
                return False
            if path.is_dir() or path == folder / "installed.json":
                continue
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if files.pop(str(path.relative_to(folder)), None) != digest:
                return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return not files


def try_out(folder: Path, python: str) -> None:
    """Load everything of a version once, in a process of its own.

    :raises Refused: it cannot be loaded on this machine.
    """
    command = [python, "-ISB", "-c", TRIAL, str(folder / "lib")]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_SECONDS,
            check=False,
            cwd="/",
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired as error:
        raise Refused("edge-install.does-not-start", f"It took longer than {TRIAL_SECONDS} s to load.") from error
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        raise Refused("edge-install.does-not-start", f"It was ended by {name}: this processor or memory is too small.")
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise Refused("edge-install.does-not-start", f"Loading it failed: {said[-1][:500]}.")


def point(link: Path, target: str) -> bool:
    """Have ``link`` lead to ``target``, by one rename; False where it did so already."""
    with suppress(OSError):
        if str(link.readlink()) == target:
            return False
    new = link.with_name(f".{link.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(target)
    new.replace(link)
    _sync_folder(link.parent)
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_running(folder: Path) -> bool:
    """Whether a process has a library of this version loaded; of other users' processes only root is told."""
    needle = f" {folder}/".encode()
    for process in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            if needle in process.read_bytes():
                return True
    return False


@contextmanager
def locked(prefix: Path) -> Iterator[None]:
    """The prefix, for this process alone.

    :raises Refused: another installer is at work, or something else lies there.
    """
    for folder in (prefix, prefix / "versions", prefix / "bin"):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise Refused("edge-install.refused", f"{folder} is not a folder.")
    for link in (prefix / "current", prefix / "bin" / PROGRAM):
        if link.exists() and not link.is_symlink():
            raise Refused("edge-install.refused", f"{link} was not made by this installer.")
    handle = os.open(prefix, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused("edge-install.refused", f"Another installer is at work in {prefix}.") from error
        yield
    finally:
        os.close(handle)


def check_room(prefix: Path, wheels: dict[str, list[Member]]) -> None:
    """:raises Refused: the disk has too little room for what will be unpacked and compiled."""
    sizes = [(m.target.endswith(".py"), m.size) for members in wheels.values() for m in members]
    needed = SPARE_BYTES + sum((size // 4096 + 1) * 4096 * (2 if compiled else 1) for compiled, size in sizes)
    free = shutil.disk_usage(prefix).free
    if free < needed:
        raise Refused("disk.full", f"{prefix} needs {needed // 2**20} MiB, and {free // 2**20} MiB are free.")


def install(source: Path, prefix: Path) -> dict[str, Any]:
    """Install what lies in ``source``; returns what is installed and whether anything was changed for it.

    :raises Refused: it was not done, and the version before is in force.
    """
    body = read_plain(source / "manifest.json", MAX_MANIFEST_BYTES)
    if len(body) > MAX_MANIFEST_BYTES:
        raise Refused("edge-bundle.invalid", "manifest.json is larger than any real one.")
    manifest = parse_manifest(body)
    machine = this_machine(manifest)
    files = sorted(file for file in manifest.files if machine.python in file.pythons)
    wheels = {}
    for file in files:
        body = read_listed(source, file)
        if file.path.startswith("wheels/"):
            wheels[file.path] = look_into(file.path, body)
    check_places(wheels)
    lines = [machine.executable, manifest.version, *(f"{file.sha256} {file.path}" for file in files)]
    identity = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    # By these the box knows what a version that comes over the network need not bring.
    of_wheels = sorted(file.sha256 for file in files if file.path in wheels)
    facts = {"id": identity, "version": manifest.version, "python": machine.executable, "wheels": of_wheels}
    done: dict[str, Any] = {"installed": manifest.version, "changed": False, "python": machine.executable}

    versions = prefix / "versions"
    prefix.mkdir(parents=True, exist_ok=True)
    with locked(prefix):
        name = f"{manifest.version}-{machine.tag}-{identity[:12]}"
        there = [each.name for each in versions.glob(f"{name}*") if _VERSION_FOLDER.fullmatch(each.name)]
        whole = next((each for each in sorted(there) if is_whole(versions / each, identity)), None)
        if whole is None:
            versions.mkdir(exist_ok=True)
            in_force = _in_force(prefix)
            for each in _versions(prefix):
                if each.name != in_force and not is_running(each):
                    shutil.rmtree(each)
            check_room(prefix, wheels)
            whole = next(new for new in _names(name) if not (versions / new).exists())
            part = versions / ".part"
            try:
                part.mkdir()
                make_version(part, source, files, wheels, facts, whole)
                try_out(part, machine.executable)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
            # Before the rename, or a power cut could leave a version with the right name and empty files.
            os.sync()
            part.rename(versions / whole)
            _sync_folder(versions)
            done["changed"] = True
        (prefix / "bin").mkdir(exist_ok=True)
        done["changed"] |= point(prefix / "current", f"versions/{whole}")
        done["changed"] |= point(prefix / "bin" / PROGRAM, f"../current/bin/{PROGRAM}")
    return done


def _names(name: str) -> Iterator[str]:
    """For a version, and for another of the same where the first was damaged."""
    yield name
    number = 1
    while True:
        number += 1
        yield f"{name}.{number}"


def _in_force(prefix: Path) -> str:
    """The name of the version that ``current`` leads to; empty where there is none."""
    try:
        return (prefix / "current").readlink().name
    except OSError:
        return ""


def _versions(prefix: Path) -> list[Path]:
    """Everything under ``versions`` that this installer made."""
    return [each for each in (prefix / "versions").glob("*") if _VERSION_FOLDER.fullmatch(each.name)]


def uninstall(prefix: Path) -> dict[str, Any]:
    """Take everything off again that an installer put there, and nothing else; says what is left in the prefix."""
    if not prefix.exists():
        return {"installed": None, "changed": False, "left": []}
    changed = False
    with locked(prefix):
        for link in (prefix / "bin" / PROGRAM, prefix / "current"):
            for each in (link, link.with_name(f".{link.name}.new")):
                if each.is_symlink():
                    each.unlink()
                    changed = True
        for each in _versions(prefix):
            shutil.rmtree(each)
            changed = True
        if (prefix / ANCHOR).is_file():
            (prefix / ANCHOR).unlink()
            changed = True
        for folder in (prefix / "bin", prefix / "versions", prefix):
            with suppress(OSError):
                folder.rmdir()
                changed = True
    left = sorted(str(each.relative_to(prefix)) for each in prefix.rglob("*")) if prefix.exists() else []
    return {"installed": None, "changed": changed, "left": left[:100]}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Install the Lineside box from the bundle beside this file.")
    parser.add_argument("--prefix", type=Path, default=PREFIX, help=f"where it goes (default: {PREFIX})")
    parser.add_argument("--uninstall", action="store_true", help="take everything off again")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    prefix = options.prefix.resolve()
    # The user as whom the box runs must be able to read it, whoever installs.
    os.umask(0o022)
    try:
        try:
            done = uninstall(prefix) if options.uninstall else install(Path(__file__).resolve().parent, prefix)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Refused("disk.full", f"No room is left in {prefix}; the version before is in force.") from error
            where = f"{error.filename}: " if error.filename else ""
            raise Refused("edge-install.refused", f"{where}{error.strerror}.") from error
    except Refused as error:
        if options.json:
            told = {"code": error.code, "title": error.title, "message": error.message, "hint": error.hint}
            print(json.dumps({"error": told}))
        else:
            print(f"{error.title}: {error.message}\n{error.hint}\n[{error.code}]", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(done))
    elif options.uninstall:
        left = ", ".join(done["left"])
        print(f"Left in {prefix}, for others made it: {left}" if left else f"Nothing of it is left in {prefix}.")
    else:
        how = "is now installed" if done["changed"] else "was installed already; nothing was changed"
        print(f"lineside-edge {done['installed']} {how} ({prefix}/bin/{PROGRAM}, {done['python']}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
