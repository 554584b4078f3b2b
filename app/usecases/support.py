"""A file for whoever is asked for help: what this desktop and its boxes know of themselves, without secrets."""

from __future__ import annotations

import getpass
import io
import json
import os
import platform
import re
import socket
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from app.redact import Redactor, find_secrets
from app.store import activity as activity_store
from app.store import boxes as box_store
from app.store import support as support_store
from app.store.records import Box
from app.usecases import boxes as box_uses
from app.usecases.drills import known_drills
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.rollouts import list_rollouts
from app.usecases.sync import sync_status
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import AlreadyExists, LinesideError
from edge_runtime.update.durable import write_durably

if TYPE_CHECKING:
    from app.context import Context

MAX_FILE_BYTES = 2 * 2**20
MAX_TOTAL_BYTES = 32 * 2**20
ROWS = 1000
LOG_LINES = 2000
MAX_LOGS = 40
_TELLING = re.compile(r"(?i)secret|passw|passphrase|token|credential|access_key|api_?key")
_PACKAGES = ("lineside", "onnxruntime", "numpy", "PySide6-Essentials", "cryptography", "tuf", "msgspec", "uvicorn")
_ENVIRONMENT = ("LANG", "LC_ALL", "LINESIDE_HOME", "TZ", "QT_QPA_PLATFORM", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""What may change how Lineside behaves; nothing else of the environment is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportBundle:
    """What was written."""

    path: str
    bytes: int
    files: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    """Why, by what it is."""


def write_bundle(
    ctx: Context,
    path: Path,
    *,
    boxes: Sequence[str] = (),
    hide_names: bool = False,
    crash: str = "",
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> SupportBundle:
    """Write a zip (mode 0600) at ``path``; it is sent nowhere.

    :param boxes: names or ids; empty: all.
    :param hide_names: names of people, boxes and the site, and addresses, go as well.
    :param crash: what the window showed of an error.
    :raises AlreadyExists: there is such a file.
    :raises NotFound: there is no such box.
    """
    if path.exists():
        raise AlreadyExists(f"{path} is there already.")
    token = cancel or CancelToken()
    chosen = [box_uses.get_box(ctx, name) for name in boxes] or box_store.list_boxes(ctx.database)
    texts, left_out = _of_desktop(ctx, crash)
    for number, box in enumerate(chosen):
        token.check()
        progress(ProgressEvent(step="support", message=box.name, fraction=number / max(len(chosen), 1)))
        more, missing = _of_box(ctx, box, number + 1)
        texts |= more
        left_out |= missing
    secrets = known_secrets(ctx).union(*map(find_secrets, texts.values()))
    redactor = Redactor(secrets, names=_names(ctx) if hide_names else None)
    files, total = {}, 0
    for name, text in texts.items():
        # Cut only now: the half of a secret would be known by nobody.
        body, was_cut = _cut(redactor(text))
        if total + len(body) > MAX_TOTAL_BYTES:
            left_out[name] = "The bundle would have become too large."
            continue
        if was_cut:
            left_out[f"the beginning of {name}"] = f"It has more than {MAX_FILE_BYTES} bytes."
        files[name] = body
        total += len(body)
    left_out = {redactor(name): redactor(why) for name, why in left_out.items()}
    files["README.txt"] = _readme(files, left_out, hide_names=hide_names).encode()
    body = _zipped(files)
    write_durably(path, [body], mode=0o600)
    return SupportBundle(path=str(path), bytes=len(body), files=tuple(sorted(files)), left_out=left_out)


def known_secrets(ctx: Context) -> set[str]:
    """Values that must be in no file: of the keyring, of the environment, and the lines of private keys."""
    found: set[str] = set(ctx.secrets.values(ctx.settings.store))
    found |= {value for name, value in os.environ.items() if _TELLING.search(name) and len(value) >= 8}
    places = ctx.places
    folders = (places.keys, places.next_keys, places.former_keys, places.root_key.parent)
    for file in (file for folder in folders if folder.is_dir() for file in folder.rglob("*") if file.is_file()):
        text = file.read_text("utf-8", errors="replace")
        if "PRIVATE KEY" in text or file == places.signing_key:
            found |= {line for line in text.splitlines() if len(line) >= 16 and not line.startswith("-----")}
    return found


def _of_desktop(ctx: Context, crash: str) -> tuple[dict[str, str], dict[str, str]]:
    asked: dict[str, Callable[[], object]] = {
        "desktop/versions.json": _versions,
        "desktop/environment.json": lambda: {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        "desktop/site.json": lambda: ctx.site,
        "desktop/settings.json": lambda: _raw(ctx.home / "settings.json"),
        "desktop/database.json": lambda: support_store.facts(ctx.database),
        "desktop/journal.json": lambda: sync_status(ctx),
        "desktop/activity.json": lambda: activity_store.page_activity(ctx.database, limit=ROWS).rows,
        "desktop/rollouts.json": lambda: list_rollouts(ctx),
        "desktop/drills.json": lambda: known_drills(ctx),
    }
    texts, left_out = _gather(asked)
    if crash:
        texts["desktop/error.txt"] = crash
    logs = sorted(ctx.home.rglob("*.log"))
    for log in logs[:MAX_LOGS]:
        name = f"desktop/logs/{'-'.join(log.relative_to(ctx.home).parts)}"
        if log.is_file() and not log.is_symlink():
            texts[name] = log.read_text("utf-8", errors="replace")
    if len(logs) > MAX_LOGS:
        left_out["more logs"] = f"There are {len(logs)}; {MAX_LOGS} are here."
    return texts, left_out


def _of_box(ctx: Context, box: Box, number: int) -> tuple[dict[str, str], dict[str, str]]:
    folder, name = f"boxes/{number:03}", box.box
    asked: dict[str, Callable[[], object]] = {
        f"{folder}/known.json": lambda: box,
        f"{folder}/audits.json": lambda: box_uses.page_audits(ctx, name, limit=ROWS).rows,
        f"{folder}/alerts.json": lambda: box_uses.page_alerts(ctx, name, limit=ROWS).rows,
        f"{folder}/losses.json": lambda: box_uses.page_losses(ctx, name, limit=ROWS).rows,
        f"{folder}/metrics.json": lambda: box_uses.page_rollups(ctx, name, limit=ROWS).rows,
    }
    texts, left_out = _gather(asked)
    try:
        with box_uses.connect(ctx, box) as client:
            live: dict[str, Callable[[], object]] = {
                f"{folder}/status.json": client.status,
                f"{folder}/edge.toml": lambda: client.config().toml,
                f"{folder}/edge.log": lambda: "\n".join(client.logs(limit=LOG_LINES).lines) + "\n",
                f"{folder}/clock.json": client.clock,
            }
            client.status()
            more, missing = _gather(live)
    except LinesideError as error:
        return texts, left_out | {f"{folder}: log, configuration, status of {box.name}": error.message}
    return texts | more, left_out | missing


def _gather(asked: Mapping[str, Callable[[], object]]) -> tuple[dict[str, str], dict[str, str]]:
    texts, left_out = {}, {}
    for name, ask in asked.items():
        try:
            told = ask()
        except LinesideError as error:
            left_out[name] = error.message
            continue
        texts[name] = told if isinstance(told, str) else _json(told)
    return texts, left_out


def _json(value: object) -> str:
    return json.dumps(json.loads(wire.encode(value)), indent=1, ensure_ascii=False) + "\n"


def _raw(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return "{}\n"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _names(ctx: Context) -> dict[str, str]:
    hidden = {ctx.site.name: "[site]", getpass.getuser(): "[user]", socket.gethostname(): "[host]"}
    for number, box in enumerate(box_store.list_boxes(ctx.database), 1):
        hidden |= {box.name: f"[box {number}]", box.address.rpartition(":")[0].strip("[]"): "[address]"}
    return hidden | dict.fromkeys(support_store.people(ctx.database), "[user]")


def _cut(text: str) -> tuple[bytes, bool]:
    body = text.encode()
    return body[-MAX_FILE_BYTES:], len(body) > MAX_FILE_BYTES


def _readme(files: Mapping[str, bytes], left_out: Mapping[str, str], *, hide_names: bool) -> str:
    lines = [
        "A support bundle of Lineside. Nothing of it was sent anywhere: look through it, then hand it on yourself.",
        "",
        "Taken out of every file: passwords, keys, tokens and credentials, by their values and by how they look.",
        "Names of people, boxes and the site, and addresses, were taken out as well."
        if hide_names
        else "Names and addresses are in it; make it with --hide-names to leave them out.",
        "Never in it: samples, labels, models, private keys, the rest of the environment.",
        "",
        "In it:",
        *(f"  {name}  {len(body)} bytes" for name, body in sorted(files.items())),
        "",
        "Left out:" if left_out else "Nothing was left out.",
        *(f"  {name}: {why}" for name, why in sorted(left_out.items())),
    ]
    return "\n".join(lines) + "\n"


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(name, files[name])
    return buffer.getvalue()
