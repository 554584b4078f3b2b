"""Edge bundles whose box is the one of this repository: small, for its dependencies come from where the tests run. And
a box that was installed from one and is started by its launcher, again and again, as a service does it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sysconfig
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

from app.context import Context
from app.usecases import boxes
from edge_runtime.enrolment import address_file, create_home
from tests.fakes.edge_bundles import run_installer, small_bundle, wheel
from tests.fakes.edge_toml import named
from tests.fakes.small_disk import SmallDisk, free_port
from tests.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = (
    named("line-2").replace("127.0.0.1:0", "127.0.0.1:{port}")
    + """\
keep_random = 1.0
[update]
trial_frames = 5
trial_seconds = {healthy}
"""
)
_OTHERS = f"""
import sys as _sys
if {sysconfig.get_path("purelib")!r} not in _sys.path:
    _sys.path.append({sysconfig.get_path("purelib")!r})
"""


def runtime_bundle(
    folder: Path, version: str, *, built: int, changes: Mapping[str, bytes] | None = None, padding: int = 0
) -> Path:
    """A bundle of this repository's box as another version.

    :param built: second of its build, by which versions are older or newer.
    :param changes: what is added to the end of files of lineside, by path in the wheel.
    :param padding: so many bytes more that are the same in all of them: a dependency that does not change.
    """
    files = {
        str(path.relative_to(REPOSITORY)): path.read_bytes()
        for path in (REPOSITORY / "edge_runtime").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name, more in {"edge_runtime/__init__.py": _OTHERS.encode(), **(changes or {})}.items():
        files[name] += more
    points = (distribution("lineside").read_text("entry_points.txt") or "").encode()
    files["edge_runtime/build_time.txt"] = str(built).encode()
    files[f"lineside-{version}.dist-info/entry_points.txt"] = points
    bytes_of = random.Random(7).randbytes(padding)
    same = [wheel(folder / "same", "ballast", {"ballast/bytes.bin": bytes_of})] if padding else []
    return small_bundle(folder, *same, version=version, changes=files)


class LaunchedBox:
    """A box in a folder of its own.

    :param root: of the site to which it will belong.
    :param healthy: for so many seconds a new version has to do well.
    """

    def __init__(self, folder: Path, base: Path, root: bytes, *, healthy: float = 1.0) -> None:
        self.home, self.frames, self.prefix = folder / "box", folder / "frames", folder / "prefix"
        self.frames.mkdir()
        assert run_installer(base, self.prefix)["changed"]
        (self.prefix / "site-root.json").write_bytes(root)
        self.port = free_port()
        create_home(self.home, name="line-2", config=CONFIG.format(frames=self.frames, healthy=healthy, port=self.port))
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.environment: Mapping[str, str] = {}
        self._stopping = threading.Event()
        self._service: threading.Thread | None = None
        self._inside: Sequence[str] = ()
        self._own_home = self.home

    def put_home_on(self, disk: SmallDisk) -> None:
        """Before its first start."""
        shutil.move(self.home, disk.view / "box")
        self.home, self._own_home, self._inside = disk.view / "box", disk.folder / "box", disk.inside

    @property
    def command(self) -> Sequence[str | Path]:
        return [*self._inside, self.prefix / "bin" / "lineside-edge", "launch", "--home", self._own_home]

    def start(self) -> None:
        """As a service: whatever ends it, it is started again."""
        self._stopping.clear()
        self._service = threading.Thread(target=self._serve)
        self._service.start()
        wait_until(address_file(self.home).exists, 60, "the box to listen")

    def kill(self) -> None:
        """Its process is killed; the service starts it again."""
        assert self.process is not None
        self.process.kill()

    def tell_to_stop(self) -> None:
        """As a service is stopped; it is started again."""
        assert self.process is not None
        self.process.terminate()

    def stop(self) -> None:
        self._stopping.set()
        if self.process is not None:
            self.process.kill()
        if self._service is not None:
            self._service.join(60)
            assert not self._service.is_alive()
        address_file(self.home).unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self.process = subprocess.Popen(self.command, env={**os.environ, **self.environment})
            self.starts += 1
            self.process.wait()
            # A service waits for a moment, too.
            self._stopping.wait(0.2)

    def put_frame(self, name: str, body: bytes) -> None:
        part = self.frames / f"{name}.part"
        part.write_bytes(body)
        part.rename(self.frames / name)


@contextmanager
def enrolled_box(folder: Path, ctx: Context, base: Path) -> Iterator[LaunchedBox]:
    """A box of this desktop's site, running."""
    made = LaunchedBox(folder, base, ctx.repository().root_bytes)
    try:
        made.start()
        boxes.enrol_local(ctx, made.home)
        yield made
    finally:
        made.stop()
