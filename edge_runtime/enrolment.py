"""A box's home folder: made, read, and taught whom to trust. What ``lineside-edge init`` and ``trust`` do."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.config import CONFIG_NAME, KEYS, TEMPLATE, parse_config
from edge_runtime.configuring.store import find_config, is_home
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import DiskFull, InputInvalid, NotFound, TrustRefused
from edge_runtime.contracts.rows import Count, Name
from edge_runtime.contracts.text import one_line
from edge_runtime.identity import create_identity, fingerprint_of, load_identity
from edge_runtime.update.durable import write_durably

MAX_ADDRESS_BYTES = 4096
MOST_NAME = 64
"""Characters; a certificate has room for no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxHome:
    """Who a home folder belongs to."""

    box: str
    """Fingerprint of the box's key."""
    name: str
    certificate_pem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningAt:
    """``run/address.json``: where a running box can be reached from its own machine."""

    host: Name
    port: Count
    pid: Count


def address_file(home: Path) -> Path:
    """Written by a box that listens, removed when it stops."""
    return home / "run" / "address.json"


def tell_address(home: Path, host: str, port: int) -> bool:
    """Write down where this process listens; False where the disk does not take even that."""
    body = json.dumps({"host": host, "port": port, "pid": os.getpid()}).encode()
    for _attempt in range(2):
        try:
            write_durably(address_file(home), [body])
        except (DiskFull, OSError):
            # What a process before this one wrote is wrong anyway, and may take just the room that is needed.
            forget_address(home)
        else:
            return True
    return False


def forget_address(home: Path) -> None:
    """This process listens no more."""
    with suppress(OSError):
        address_file(home).unlink(missing_ok=True)


def require_box_name(name: str) -> str:
    """What a box may be called anew: one to 64 characters that can be read, and typed as a word of a command.

    :returns: it, without blanks around it.
    :raises InputInvalid: it cannot be used.
    """
    name = name.strip()
    if not 0 < len(name) <= MOST_NAME or not name.isprintable() or name.startswith("-"):
        raise InputInvalid(
            f"{one_line(name)[:MOST_NAME]!r} cannot be the name of a box.",
            hint=f"Take 1 to {MOST_NAME} letters, digits and signs that can be read, none of them a hyphen at the "
            "beginning. Nothing was changed.",
        )
    return name


def create_home(home: Path, *, name: str, config: str | None = None) -> BoxHome:
    """Make a box's key and configuration; what is there already stays as it is. Where ``edge.toml`` is gone, and the
    version of it that was in force is not, the box puts that back at its start.

    :param config: the text of ``edge.toml``; by default the template with ``name`` in it.
    :raises ConfigInvalid: the configuration cannot be used.
    :raises InputInvalid: a new box cannot be called so.
    """
    if not is_home(home):
        # A JSON string is a TOML string too, unless there are odd characters in it: checked before it is written.
        name = require_box_name(name)
        text = config if config is not None else TEMPLATE.format(name=json.dumps(name, ensure_ascii=False))
        parse_config(text)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        create_identity(home / KEYS, name)
        write_durably(home / CONFIG_NAME, [text.encode()], mode=0o600)
    create_identity(home / KEYS, name)
    return read_home(home)


def require_home(home: Path) -> None:
    """:raises NotFound: there is no box in this folder."""
    if not is_home(home):
        raise NotFound(f"{home} is not the home folder of a box.", hint="Make it one: `lineside-edge init --home DIR`.")


def read_home(home: Path) -> BoxHome:
    """:raises NotFound: there is no box in this folder.
    :raises ConfigInvalid: its ``edge.toml`` cannot be used, nor anything that was in force before.
    """
    require_home(home)
    identity = load_identity(home / KEYS)
    name = find_config(home).sound.config.name
    return BoxHome(box=identity.fingerprint, name=name, certificate_pem=identity.certificate_pem)


def read_address(home: Path) -> str:
    """``host:port`` at which the box of this home listens now.

    :raises NotFound: it is not running.
    """
    try:
        with address_file(home).open("rb") as file:
            found = wire.decode(file.read(MAX_ADDRESS_BYTES), ListeningAt, what="box's address file")
    except (FileNotFoundError, InputInvalid) as error:
        raise NotFound(
            f"The box in {home} is not running.", hint="Start it: `lineside-edge run --home DIR`."
        ) from error
    # At all of its addresses, IPv4 is among them; IPv6 may be switched off.
    host = "127.0.0.1" if found.host in ("0.0.0.0", "::") else found.host  # noqa: S104 - compared, not bound
    return f"[{host}]:{found.port}" if ":" in host else f"{host}:{found.port}"


def trust_desktop(home: Path, *, desktop_pem: str, roots: Sequence[bytes]) -> str:
    """Trust a desktop and its site's releases; returns the desktop's fingerprint. Again: nothing happens.

    A box that has as new a root, or a newer one, and by that knows the desktop keeps its own: should they have been
    made apart, the desktop says so when it calls the box.

    :param roots: the site's newest root metadata, and before it those that lead to it, the oldest first.
    :raises TrustRefused: the box belongs to another site already, or the root lists its desktops and this is none; or
        somebody would come back whom a root of the box has struck off.
    :raises InputInvalid: no certificate, or no root metadata.
    :raises NotFound: there is no box in this folder.
    """
    from edge_runtime.service.trust import TrustStore
    from edge_runtime.update.roots import read_root

    read_home(home)
    newest, fingerprint = read_root(roots[-1]), fingerprint_of(desktop_pem)
    listed = newest.desktops
    if listed is not None and fingerprint not in listed:
        raise TrustRefused(
            f"The root that was brought does not list the desktop {fingerprint[:12]}.",
            hint="Have the holder of the root key admit it: `lineside site admit`.",
        )
    store = TrustStore(home)
    # The root first: it is what may be refused.
    if newest.version > store.version or fingerprint not in store.pinned():
        store.set_root(roots[-1], before=roots[:-1])
    else:
        store.require_same_site(roots)
    return store.add_desktop(desktop_pem)
