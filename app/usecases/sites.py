"""The site itself: its keys, its database, its name."""

from __future__ import annotations

import shutil
import socket
import time
import unicodedata
from pathlib import Path
from typing import Literal

from app.context import Context, Places, open_context
from app.store.database import Database
from app.store.records import Site
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid
from edge_runtime.identity import create_identity
from edge_runtime.update.durable import sync_folder, write_durably

MAX_NAME = 100
MIN_PASSPHRASE = 12
_MIN_DIFFERENT = 6


def create_site(home: Path, name: str, passphrase: str) -> Context:
    """Make a site: an offline root key, this desktop's keys, the release repository and an empty database.

    It comes into being whole or not at all; after a crash it can simply be made again.

    :param home: a folder that does not exist yet or is empty.
    :param passphrase: encrypts the offline root key, which is needed again only to admit or strike off desktops.
    :raises AlreadyExists: there is a site in ``home``.
    :raises InputInvalid: the name, the passphrase or the folder cannot be used.
    """
    name, home = name.strip(), home.absolute()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise InputInvalid(f"A site's name has between 1 and {MAX_NAME} printable characters.")
    check_passphrase(passphrase)
    if Places(home).site.exists():
        raise AlreadyExists(f"There is a site in {home} already.", hint="Use it, or choose another folder.")
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise InputInvalid(f"{home} is not an empty folder.", hint="Choose a folder that is empty or not there yet.")
    # Built beside its place and moved there by one rename: half a site is never found.
    draft = home.with_name(f".{home.name}.creating")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    try:
        _build(Places(draft), name, passphrase)
        if home.exists():
            home.rmdir()
        draft.rename(home)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(home.parent)
    return open_context(home)


def _build(places: Places, name: str, passphrase: str) -> None:
    from cloud_sync.release.sign import ReleaseRepository

    identity = create_identity(places.keys, f"lineside {name}")
    repository = ReleaseRepository.create(
        places.repository,
        passphrase=passphrase,
        root_key_path=places.root_key,
        desktop_key_path=places.signing_key,
        desktop=(desktop_name(), identity.certificate_pem),
    )
    site = Site(
        site=repository.site_id,
        name=name,
        created_ms=time.time_ns() // 1_000_000,
        replica=identity.fingerprint,
    )
    database = Database.open(places.database, replica=site.replica)
    try:
        database.write(lambda writer: writer.activity("site.created", site.site, f"Created the site {name}."))
    finally:
        database.close()
    write_durably(places.site, [wire.encode(site)], mode=0o600)


def check_passphrase(passphrase: str) -> None:
    """:raises InputInvalid: it may not seal a root key; see :func:`weakness`."""
    words = {
        "short": f"The passphrase needs at least {MIN_PASSPHRASE} characters.",
        "repeats": "The passphrase repeats itself: whoever guesses tries that first.",
    }
    if weak := weakness(passphrase):
        raise InputInvalid(
            words[weak], hint="Four or five words that do not belong together are good, and easy to keep."
        )


def weakness(passphrase: str) -> Literal["short", "repeats"] | None:
    """Why a passphrase may not seal a root key: too few characters, or always the same ones."""
    # As it is sealed: a letter with its accent is one character.
    passphrase = unicodedata.normalize("NFC", passphrase)
    if len(passphrase) < MIN_PASSPHRASE:
        return "short"
    # Written twice, it stands there a third time, before its end, exactly where it repeats one piece.
    repeats = (passphrase + passphrase).find(passphrase, 1) < len(passphrase)
    return "repeats" if repeats or len(set(passphrase)) < _MIN_DIFFERENT else None


def desktop_name() -> str:
    """What this desktop is called until somebody says otherwise: the machine's name."""
    return socket.gethostname().partition(".")[0][:MAX_NAME] or "desktop"


def get_site(ctx: Context) -> Site:
    """Who this desktop works for."""
    return ctx.site
