"""Writing an edge bundle: a folder, and the same as one zip beside it."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

FORMAT = 1
EPOCH = (1980, 1, 1, 0, 0, 0)


def write_bundle(
    folder: Path,
    *,
    version: str,
    arch: str,
    pythons: Sequence[str],
    glibc: str,
    wheels: Iterable[tuple[Path, Sequence[str]]],
    others: Iterable[Path],
) -> None:
    """Make the new ``folder``. Equal files give equal bundles.

    :param glibc: the oldest C library that every wheel runs with, as ``2.28``.
    :param wheels: each with the Pythons that need it; ``others`` are for all.
    """
    (folder / "wheels").mkdir(parents=True)
    placed = [*((f"wheels/{path.name}", path, list(needed)) for path, needed in wheels)]
    placed += [(path.name, path, list(pythons)) for path in others]
    files: list[dict[str, Any]] = []
    for name, path, needed in sorted(placed):
        shutil.copyfile(path, folder / name)
        body = (folder / name).read_bytes()
        facts = {"path": name, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pythons": needed}
        files.append(facts)
    manifest = {
        "format": FORMAT,
        "version": version,
        "arch": arch,
        "pythons": list(pythons),
        "glibc": glibc,
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def zip_bundle(folder: Path, target: Path) -> None:
    """All files of a bundle's folder, stored plain, for wheels are compressed already."""
    part = target.with_name(f".{target.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            info.external_attr = 0o100644 << 16
            with path.open("rb") as source, archive.open(info, "w") as member:
                shutil.copyfileobj(source, member, 2**20)
    part.replace(target)
