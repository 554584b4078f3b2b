"""Small edge bundles: real wheels of installed distributions, and a `lineside` that does nothing but start."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any

EDGE = Path(__file__).resolve().parents[2] / "packaging" / "edge"
PYTHON = f"3.{sys.version_info[1]}"
_OF_THE_SYSTEM = Path("/usr/bin", f"python{PYTHON}")
INTERPRETER = _OF_THE_SYSTEM if _OF_THE_SYSTEM.exists() else Path(sys.executable).resolve()
"""One that has none of our dependencies: not the virtual environment's."""
LINESIDE = {
    "edge_runtime/__init__.py": b"",
    "edge_runtime/__main__.py": b"""\
import importlib.metadata, json, sys
def program():
    import ifaddr, msgspec
    print(json.dumps({
        "version": importlib.metadata.version("lineside"),
        "others": [each.name for each in importlib.metadata.distributions()],
        "cached": importlib.import_module("edge_runtime").__cached__,
        "arguments": sys.argv[1:],
    }))
""",
    "edge_runtime/service/__init__.py": b"",
    "edge_runtime/service/daemon.py": b"import ifaddr, msgspec\n",
    "edge_runtime/serving/__init__.py": b"",
    "edge_runtime/serving/grpc.py": b"",
}


def module(name: str) -> ModuleType:
    """One of the files of ``packaging/edge``, which is no package."""
    spec = importlib.util.spec_from_file_location(f"edge_{name}", EDGE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def record(files: Mapping[str, bytes], own_name: str) -> bytes:
    """The RECORD of a wheel."""
    rows = [f"{name},{_digest(body)},{len(body)}" for name, body in files.items()]
    return "\n".join([*rows, f"{own_name},,", ""]).encode()


def _digest(body: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


def wheel(
    folder: Path, name: str, files: Mapping[str, bytes], version: str = "1.0.0", requires: Sequence[str] = ()
) -> Path:
    """A wheel with these files and what belongs to it."""
    asked = "".join(f"Requires-Dist: {each}\n" for each in requires)
    information = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{asked}".encode(),
        f"{information}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content[f"{information}/RECORD"] = record(content, f"{information}/RECORD")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, body in content.items():
            archive.writestr(zipfile.ZipInfo(each, (2024, 1, 1, 0, 0, 0)), body)
    return path


def repacked(folder: Path, name: str) -> Path:
    """A real distribution as a wheel again, from what is installed."""
    installed = distribution(name)
    own = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    kept = [
        each
        for each in installed.files or ()
        if each.name not in own and "__pycache__" not in each.parts and ".." not in each.parts
    ]
    files = {str(each): Path(str(each.locate())).read_bytes() for each in kept}
    return wheel(folder, name, {k: v for k, v in files.items() if ".dist-info/" not in k}, installed.version)


def small_bundle(
    folder: Path, *wheels: Path, version: str = "1.0.0", changes: Mapping[str, bytes] | None = None, **facts: Any
) -> Path:
    """A bundle for this machine and this Python.

    :param wheels: besides lineside, ifaddr and msgspec.
    :param changes: to the files of lineside.
    :param facts: other values in the manifest.
    """
    making = folder / f"wheels of {version}"
    basic = [wheel(making, "lineside", {**LINESIDE, **(changes or {})}, version)]
    basic += [repacked(making, name) for name in ("ifaddr", "msgspec")]
    target = folder / f"bundle-{version}"
    module("write").write_bundle(
        target,
        version=version,
        arch=facts.get("arch", platform.machine()),
        pythons=facts.get("pythons", [PYTHON]),
        glibc=facts.get("glibc", "2.17"),
        wheels=[(path, facts.get("pythons", [PYTHON])) for path in (*basic, *wheels)],
        others=[EDGE / name for name in ("install.py", "lineside-edge.service", "lineside-edge-clock.conf")],
    )
    return target


def run_installer(bundle: Path, prefix: Path, *arguments: str, before: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the bundle's own installer says, run by the system's Python alone."""
    command = [*before, str(INTERPRETER), "-I", str(bundle / "install.py"), "--prefix", str(prefix), "--json"]
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert ended.stderr == ""
    said: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode == 1) == ("error" in said)
    return said


def start(prefix: Path, *arguments: str) -> dict[str, Any]:
    """What the installed program says, in an environment that would lead another one astray."""
    environment = {**os.environ, "PYTHONPATH": str(EDGE.parent), "PYTHONHOME": "/nowhere"}
    command = [str(prefix / "bin" / "lineside-edge"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def tree(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Everything below a folder: kind, rights, time, content."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in folder.rglob("*"):
        facts = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (facts.st_mode, facts.st_mtime_ns, facts.st_ino, content)
    return found
