"""Writing a support bundle: gather, learn what is secret, take it out of everything, write."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.context import Places, read_site
from app.redact import Redactor
from app.secrets import Secrets, Vault
from app.settings import load_settings
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases import boxes as box_uses
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.support.gather import Gathered, logs_of, of_box, of_desktop, of_home, of_machine
from app.usecases.support.names import names_of, names_of_home
from app.usecases.support.pieces import Facts, Lines, Piece
from edge_runtime.contracts.errors import AlreadyExists, DatabaseDamaged, InputInvalid, LinesideError
from edge_runtime.update.durable import write_durably

if TYPE_CHECKING:
    from app.context import Context

MAX_FILE_BYTES = 2 * 2**20
MAX_TOTAL_BYTES = 32 * 2**20
MAX_SECRETS = 2000
"""Values that texts give away and that are looked for in all others: a hostile one must not make it last for hours."""
_TELLING = re.compile(r"(?i)secret|passw|passphrase|token|credential|access_key|api_?key")


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
    """Write a zip (mode 0600) at ``path``; it is sent nowhere. What cannot be read, the database too, is left out.

    :param boxes: names or ids; empty: all.
    :param hide_names: names of people, boxes and the site, and addresses, go as well.
    :param crash: what the window showed of an error.
    :raises AlreadyExists: there is such a file.
    :raises NotFound: there is no such box.
    :raises InputInvalid: no file can be written there.
    """
    _check_place(path)
    token = cancel or CancelToken()
    left_out: dict[str, str] = {}
    try:
        chosen: Sequence[Box] = [box_uses.get_box(ctx, name) for name in boxes] or box_store.list_boxes(ctx.database)
    except DatabaseDamaged as error:
        chosen, left_out = (), {"boxes": error.message}
    shown: Gathered = ({"desktop/error.txt": Lines(crash)} if crash else {}, {})
    parts = [of_machine(), of_desktop(ctx), shown, logs_of(ctx.home)]
    for number, box in enumerate(chosen):
        token.check()
        progress(ProgressEvent(step="support", message=box.name, fraction=number / max(len(chosen), 1)))
        parts.append(of_box(ctx, box, number + 1))
    names = None
    if hide_names:
        names, unknown = names_of(ctx)
        left_out |= unknown
    return _write(path, parts, left_out, *known_secrets(ctx.places, ctx.secrets, ctx.settings.store), names)


def write_bundle_of_home(
    home: Path, path: Path, problem: LinesideError, *, hide_names: bool = False, vault: Vault | None = None
) -> SupportBundle:
    """As :func:`write_bundle` for a site that cannot be opened: what can be read of its folder. No box is asked.

    :param problem: why it cannot be opened.
    :param vault: where secrets are kept; None: the usual place.
    """
    _check_place(path)
    places = Places(home)
    left_out = {"boxes": "The site cannot be opened, so no box was asked."}
    told = Facts({"code": problem.code, "title": problem.title, "message": problem.message, "hint": problem.hint})
    parts: list[Gathered] = [of_machine(), ({"desktop/problem.json": told}, {}), of_home(home, places.database)]
    parts.append(logs_of(home))
    names = None
    if hide_names:
        names, unknown = names_of_home(places)
        left_out |= unknown
    try:
        store, secrets = load_settings(home).store, Secrets(read_site(places).site, vault)
        values, missing = known_secrets(places, secrets, store)
    except (LinesideError, OSError) as error:
        values, missing = known_secrets(places, None, None)
        missing |= {"secrets of the keyring, by their values": f"It is not known which they are: {_said(error)}"}
    return _write(path, parts, left_out, values, missing, names)


def known_secrets(places: Places, secrets: Secrets | None, store: str | None) -> tuple[set[str], dict[str, str]]:
    """Values that must be in no file: of the keyring, of the environment, and the lines of private keys; and what of
    them could not be read."""
    found: set[str] = set()
    missing: dict[str, str] = {}
    if secrets is not None:
        try:
            found |= secrets.values(store)
        except (LinesideError, OSError) as error:
            missing["secrets of the keyring, by their values"] = _said(error)
    found |= {value for name, value in os.environ.items() if _TELLING.search(name) and len(value) >= 8}
    folders = (places.keys, places.next_keys, *places.former_keys, places.root_key.parent)
    for file in (file for folder in folders if folder.is_dir() for file in folder.rglob("*") if file.is_file()):
        try:
            text = file.read_text("utf-8", errors="replace")
        except OSError as error:
            missing[f"lines of the key {file.name}, by their values"] = _said(error)
            continue
        if "PRIVATE KEY" in text or file == places.signing_key:
            found |= {line for line in text.splitlines() if len(line) >= 16 and not line.startswith("-----")}
    return found, missing


def _write(
    path: Path,
    parts: Iterable[Gathered],
    left_out: dict[str, str],
    secrets: set[str],
    missing: Mapping[str, str],
    names: Mapping[str, str] | None,
) -> SupportBundle:
    pieces: dict[str, Piece] = {}
    left_out |= missing
    for more, why in parts:
        pieces |= more
        left_out |= why
    found = set[str]().union(*(piece.secrets() for piece in pieces.values())) - secrets
    if len(found) > MAX_SECRETS:
        left_out["some secrets, where they stand alone"] = (
            f"There are {len(found)}, of which {MAX_SECRETS} are looked for."
        )
    # The longest: short ones are the likeliest to be words.
    secrets |= set(sorted(found, key=lambda value: (-len(value), value))[:MAX_SECRETS])
    redactor = Redactor(secrets, names=names)
    files: dict[str, bytes] = {}
    total = 0
    for wanted, piece in pieces.items():
        name = _free(redactor(wanted), files)
        # Cut only now: the half of a secret would be known by nobody.
        body = piece.told(redactor).encode()
        if total + min(len(body), MAX_FILE_BYTES) > MAX_TOTAL_BYTES:
            left_out[name] = "The bundle would have become too large."
            continue
        if len(body) > MAX_FILE_BYTES:
            left_out[f"the beginning of {name}"] = f"It has more than {MAX_FILE_BYTES} bytes."
        files[name] = body[-MAX_FILE_BYTES:]
        total += len(files[name])
    left_out = {redactor(name): redactor(why) for name, why in left_out.items()}
    files["README.txt"] = _readme(files, left_out, hide_names=names is not None).encode()
    body = _zipped(files)
    try:
        write_durably(path, [body], mode=0o600)
    except OSError as error:
        raise InputInvalid(f"{path} cannot be written: {error.strerror}.") from error
    return SupportBundle(path=str(path), bytes=len(body), files=tuple(sorted(files)), left_out=left_out)


def _check_place(path: Path) -> None:
    """Before boxes are asked for minutes."""
    if os.path.lexists(path):
        raise AlreadyExists(f"{path} is there already.")


def _said(error: Exception) -> str:
    return error.message if isinstance(error, LinesideError) else str(error)


def _free(name: str, taken: Mapping[str, bytes]) -> str:
    """Two logs whose names differ in a hidden name alone are still two."""
    free, number = name, 1
    while free in taken:
        number += 1
        stem, dot, ending = name.rpartition(".")
        free = f"{stem}-{number}{dot}{ending}"
    return free


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
