"""From a passphrase to the keys of a stick."""

from __future__ import annotations

import hmac
import unicodedata

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cloud_sync.objects.sealed import SealKeys
from edge_runtime.contracts.errors import InputInvalid

SALT_BYTES = 16
# Format 1 of the header fixes them: a hostile one cannot ask for more. 64 MiB, twice over.
_COST, _BLOCK, _PARALLEL = 2**16, 8, 2


class StickKeys:
    """What one passphrase and one stick's salt make; to make it takes long on purpose.

    :param passphrase: what counts is its composed form (NFC), whichever form the keyboard gave.
    :raises InputInvalid: no passphrase.
    """

    def __init__(self, passphrase: str, salt: bytes) -> None:
        if not passphrase:
            raise InputInvalid("An encrypted stick needs a passphrase.")
        composed = unicodedata.normalize("NFC", passphrase).encode()
        self._master = Scrypt(salt, 32, _COST, _BLOCK, _PARALLEL).derive(composed)

    @property
    def seal_keys(self) -> SealKeys:
        return SealKeys(contents=self._derived(b"contents", 32), names=self._derived(b"names", 64))

    def proof(self, said: bytes) -> str:
        """Of ``said``, in hex: only who has the passphrase can make it."""
        return hmac.digest(self._derived(b"header", 32), said, "sha256").hex()

    def _derived(self, use: bytes, size: int) -> bytes:
        return HKDFExpand(SHA256(), size, b"lineside stick " + use).derive(self._master)
