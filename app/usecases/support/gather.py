"""What goes into a support bundle: of this desktop, of each box. What cannot be read is told of, and stops nothing."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.settings import SETTINGS_NAME, Settings
from app.store import activity as activity_store
from app.store import support as support_store
from app.store.records import Box
from app.usecases import boxes as box_uses
from app.usecases.drills import known_drills
from app.usecases.rollouts import list_rollouts
from app.usecases.support.pieces import Configuration, Facts, Lines, Piece
from app.usecases.support.shown import known_part, read_config, shown_address, shown_config
from app.usecases.sync import sync_status
from edge_runtime.contracts.errors import ConfigInvalid, LinesideError
from edge_runtime.plain_files import open_plain

if TYPE_CHECKING:
    from app.context import Context

ROWS = 1000
LOG_LINES = 2000
MAX_LOGS = 40
LOG_BYTES = 4 * 2**20
"""Of a log's end, which may be that of a disk full of them; more than a file of the bundle takes."""
_MAX_SETTINGS_BYTES = 2**20
_PACKAGES = ("lineside", "onnxruntime", "numpy", "PySide6-Essentials", "cryptography", "tuf", "msgspec", "uvicorn")
_ENVIRONMENT = ("LANG", "LC_ALL", "LINESIDE_HOME", "TZ", "QT_QPA_PLATFORM", "NO_PROXY")
"""What may change how Lineside behaves; nothing else of the environment is read, save these:"""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY")

Gathered = tuple[dict[str, Piece], dict[str, str]]
"""Pieces by the file's name, and why something is missing by what it is."""


def of_machine() -> Gathered:
    """What is known without any site."""
    return gather({"desktop/versions.json": lambda: Facts.of(_versions()), "desktop/environment.json": _environment})


def of_desktop(ctx: Context) -> Gathered:
    """What this desktop knows of itself."""
    return gather(
        {
            "desktop/site.json": lambda: Facts.of(ctx.site),
            "desktop/settings.json": lambda: _settings(ctx.home),
            "desktop/database.json": lambda: Facts.of(support_store.facts(ctx.database)),
            "desktop/journal.json": lambda: Facts.of(sync_status(ctx)),
            "desktop/activity.json": lambda: Facts.of(activity_store.page_activity(ctx.database, limit=ROWS).rows),
            "desktop/rollouts.json": lambda: Facts.of(list_rollouts(ctx)),
            "desktop/drills.json": lambda: Facts.of(known_drills(ctx)),
        }
    )


def of_home(home: Path, database: Path) -> Gathered:
    """What can be read of a site's folder that cannot be opened."""
    return gather(
        {
            "desktop/site.json": lambda: Facts(json.loads((home / "site.json").read_bytes())),
            "desktop/settings.json": lambda: _settings(home),
            "desktop/folder.json": lambda: Facts(_files(home)),
            "desktop/database.json": lambda: Facts(support_store.salvage(database, rows=ROWS)),
        }
    )


def logs_of(home: Path) -> Gathered:
    """The ends of all logs below a site's folder."""
    pieces: dict[str, Piece] = {}
    left_out: dict[str, str] = {}
    logs = sorted(home.rglob("*.log"))
    for log in logs[:MAX_LOGS]:
        name = f"desktop/logs/{'-'.join(log.relative_to(home).parts)}"
        try:
            text, is_whole = _end_of(log)
        except OSError as error:
            left_out[name] = f"It cannot be read: {error.strerror or error}."
            continue
        pieces[name] = Lines(text)
        if not is_whole:
            left_out[f"the beginning of {name}"] = f"It has more than {LOG_BYTES} bytes."
    if len(logs) > MAX_LOGS:
        left_out["more logs"] = f"There are {len(logs)}; {MAX_LOGS} are here."
    return pieces, left_out


def of_box(ctx: Context, box: Box, number: int) -> Gathered:
    """What is known of a box, and what it tells where it answers."""
    folder, name = f"boxes/{number:03}", box.box
    pieces, left_out = gather(
        {
            f"{folder}/known.json": lambda: Facts.of(box),
            f"{folder}/audits.json": lambda: Facts.of(box_uses.page_audits(ctx, name, limit=ROWS).rows),
            f"{folder}/alerts.json": lambda: Facts.of(box_uses.page_alerts(ctx, name, limit=ROWS).rows),
            f"{folder}/losses.json": lambda: Facts.of(box_uses.page_losses(ctx, name, limit=ROWS).rows),
            f"{folder}/metrics.json": lambda: Facts.of(box_uses.page_rollups(ctx, name, limit=ROWS).rows),
        }
    )
    try:
        with box_uses.connect(ctx, box) as client:
            client.status()
            more, missing = gather(
                {
                    f"{folder}/status.json": lambda: Facts.of(client.status()),
                    f"{folder}/edge.toml": lambda: _configuration(client.config().toml),
                    f"{folder}/edge.log": lambda: Lines("\n".join(client.logs(limit=LOG_LINES).lines) + "\n"),
                    f"{folder}/clock.json": lambda: Facts.of(client.clock()),
                }
            )
    except LinesideError as error:
        return pieces, left_out | {f"{folder}: log, configuration, status of {box.name}": error.message}
    return pieces | more, left_out | missing


def gather(asked: Mapping[str, Callable[[], Piece]]) -> Gathered:
    """Whatever of this can be had."""
    pieces: dict[str, Piece] = {}
    left_out: dict[str, str] = {}
    for name, ask in asked.items():
        try:
            pieces[name] = ask()
        except LinesideError as error:
            left_out[name] = error.message
        except sqlite3.Error as error:
            left_out[name] = f"The database cannot be read: {error}."
        except OSError as error:
            left_out[name] = f"It cannot be read: {error.strerror or error}."
        except ValueError:
            left_out[name] = "It cannot be read: it is not what it should be."
    return pieces, left_out


def _configuration(text: str) -> Configuration:
    body = read_config(text)
    shown, hidden = shown_config(body)
    return Configuration(shown, hidden, text, body)


def _settings(home: Path) -> Facts:
    path = home / SETTINGS_NAME
    try:
        with open_plain(path) as file:
            text = file.read(_MAX_SETTINGS_BYTES + 1).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return Facts({})
    try:
        body = json.loads(text) if len(text) <= _MAX_SETTINGS_BYTES else None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ConfigInvalid("It is not JSON.")
    shown, hidden = known_part(body, Settings)
    if hidden:
        shown["(not shown)"] = f"keys or values that are not known here: {hidden}"
    return Facts(shown, unseen=text)


def _environment() -> Facts:
    found = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    # With or without its scheme, as curl takes it.
    seen = "\n".join(value if "://" in value else f"http://{value}" for value in proxies.values())
    return Facts(found | {name: shown_address(value) for name, value in proxies.items()}, unseen=seen)


def _end_of(log: Path) -> tuple[str, bool]:
    """A log's last lines, and whether they are all."""
    with open_plain(log) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LOG_BYTES))
        body = file.read(LOG_BYTES)
    if size <= LOG_BYTES:
        return body.decode("utf-8", errors="replace"), True
    # Half a line may begin with half a secret.
    return body.partition(b"\n")[2].decode("utf-8", errors="replace"), False


def _files(home: Path) -> list[dict[str, Any]]:
    return [{"name": entry.name, "bytes": entry.stat(follow_symlinks=False).st_size} for entry in os.scandir(home)]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
