"""Secrets of this person on this machine: in the system's keyring where there is a real one, else in a private file.

Never in the site's folder, which is copied, synced and handed on; never in a log or a ``repr``.
"""

from __future__ import annotations

import json
import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import ConfigInvalid, InputInvalid
from edge_runtime.update.durable import write_durably

if TYPE_CHECKING:
    from cloud_sync.objects import Credentials

SERVICE = "lineside"

_log = logging.getLogger(__name__)


class Vault(Protocol):
    """Somewhere that keeps secrets by name; ``place`` says where in words."""

    @property
    def place(self) -> str: ...
    def get(self, name: str) -> str | None: ...
    def put(self, name: str, value: str) -> None: ...
    def delete(self, name: str) -> None: ...


class KeyringVault:
    """The system's keyring."""

    place = "the system's keyring"

    def get(self, name: str) -> str | None:
        import keyring

        return keyring.get_password(SERVICE, name)

    def put(self, name: str, value: str) -> None:
        import keyring

        keyring.set_password(SERVICE, name, value)

    def delete(self, name: str) -> None:
        import keyring

        if keyring.get_password(SERVICE, name) is not None:
            keyring.delete_password(SERVICE, name)


class FileVault:
    """A file that only its owner can read, for machines without a keyring."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return f"the private file {self._path}"

    def get(self, name: str) -> str | None:
        return self._load().get(name)

    def put(self, name: str, value: str) -> None:
        self._save({**self._load(), name: value})

    def delete(self, name: str) -> None:
        body = self._load()
        if body.pop(name, None) is not None:
            self._save(body)

    def all(self) -> list[str]:
        """Every secret that is kept here."""
        return list(self._load().values())

    def _load(self) -> dict[str, str]:
        try:
            return wire.decode(self._path.read_bytes(), dict[str, str], what="file of secrets")
        except FileNotFoundError:
            return {}
        except InputInvalid as error:
            # The error's own words might quote the content.
            raise ConfigInvalid(
                f"{self._path} cannot be read.", hint="Delete the file and enter the credentials again."
            ) from error

    def _save(self, body: dict[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(self._path, [json.dumps(body).encode()], mode=0o600)


class Secrets:
    """What use-cases ask for secrets.

    :param site: secrets of one site are not those of another.
    :param vault: where they are kept; None: what :func:`default_vault` finds when it is first needed.
    """

    def __init__(self, site: str, vault: Vault | None = None) -> None:
        self._site = site
        self._given = vault

    def __repr__(self) -> str:
        return f"Secrets(of site {self._site[:12]})"

    @cached_property
    def _vault(self) -> Vault:
        return self._given or default_vault()

    @property
    def place(self) -> str:
        """Where secrets are kept, in words for people."""
        return self._vault.place

    def get(self, name: str) -> str | None:
        """A secret of this site, None where there is none."""
        return self._vault.get(f"{self._site}/{name}")

    def put(self, name: str, value: str) -> None:
        self._vault.put(f"{self._site}/{name}", value)

    def delete(self, name: str) -> None:
        """Forget a secret; one that is not there is no error."""
        self._vault.delete(f"{self._site}/{name}")

    def save_store_credentials(self, address: str, credentials: Credentials) -> None:
        """Keep the credentials of an object store; they are the person's, for whichever site uses that store."""
        self._vault.put(_store_entry(address), wire.encode(credentials).decode())

    def store_credentials(self, address: str) -> Credentials | None:
        """What :meth:`save_store_credentials` kept for this address."""
        from cloud_sync.objects import Credentials

        text = self._vault.get(_store_entry(address))
        return wire.decode(text, Credentials, what="stored credentials") if text else None

    def values(self, *addresses: str | None) -> set[str]:
        """What is kept for the object stores at these addresses, secret by secret: to be taken out of other texts.
        A keyring cannot be listed; of a private file everything is told.
        """
        entries = {self._vault.get(_store_entry(address)) for address in addresses if address}
        if isinstance(self._vault, FileVault):
            entries |= set(self._vault.all())
        found: set[str] = set()
        for entry in filter(None, entries):
            try:
                body = json.loads(entry)
            except ValueError:
                body = None
            parts = body.values() if isinstance(body, dict) else [entry]
            found |= {part for part in parts if isinstance(part, str)}
        return found


def _store_entry(address: str) -> str:
    return f"store {address.rstrip('/')}"


def default_vault() -> Vault:
    """The system's keyring where a real one answers, else a private file among the person's own settings."""
    import keyring
    import platformdirs
    from keyring.errors import KeyringError

    try:
        if keyring.get_keyring().priority >= 1:
            keyring.get_password(SERVICE, "is-it-there")
            return KeyringVault()
    except KeyringError as error:
        _log.warning("the system's keyring does not answer (%s)", type(error).__name__)
    return FileVault(platformdirs.user_config_path("lineside") / "secrets.json")
