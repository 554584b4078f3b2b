"""A store over a store: what lies in the one beneath is encrypted, contents and names.

Contents: AES-256-GCM over blocks in the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, "Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015): each block is bound to its place and the
last one is marked, under a key of its own for every write, derived from a random salt and from the object's key. So
blocks that are cut off, exchanged, or put under another name open nothing. Names: AES-SIV (RFC 5297), segment by
segment, each bound to the folder above it. What stays to be seen: how many objects lie in how many folders, how large
they are, and when they were written.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloud_sync.objects.base import (
    MAX_GET_BYTES,
    PART_BYTES,
    Children,
    ObjectInfo,
    ObjectStore,
    Pace,
    Part,
    Write,
    check_key,
    check_prefix,
    is_key,
    too_large,
)
from cloud_sync.objects.files import open_local, write_local
from edge_runtime.contracts.errors import InputInvalid, ObjectMissing, StoreUnreachable
from edge_runtime.contracts.stick_errors import SealBroken

BLOCK_BYTES = 2**16
TAG_BYTES = 16
SALT_BYTES = 16
VERSION = b"\x01"
FOOTER_BYTES = SALT_BYTES + len(VERSION)
"""At the end, so that all parts of an upload but the last one are of one size."""
_SEALED_BLOCK = BLOCK_BYTES + TAG_BYTES
_HEX = re.compile(r"([0-9a-f]{64})(.*)", re.DOTALL)
_UPLOAD = re.compile(r"([0-9a-f]{32}):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SealKeys:
    """Two keys, neither of which shows in ``repr``."""

    contents: bytes
    """32 bytes."""
    names: bytes
    """64 bytes."""

    def __repr__(self) -> str:
        return "SealKeys(hidden)"


class SealedStore:
    """As :class:`cloud_sync.objects.base.ObjectStore`; see there. What does not open raises SealBroken.

    :param inner: closed with this one.
    """

    def __init__(self, inner: ObjectStore, keys: SealKeys) -> None:
        self.address = inner.address
        self._inner = inner
        self._names = Names(keys.names)
        self._contents = keys.contents

    def put(self, key: str, data: bytes) -> None:
        self._inner.put(self._names.seal(check_key(key)), seal(self._contents, key, data))

    def put_file(self, key: str, path: Path) -> None:
        """Held in memory whole; larger files go in parts."""
        with open_local(path) as source:
            body = source.read(MAX_GET_BYTES + 1)
        if len(body) > MAX_GET_BYTES:
            raise too_large(key, MAX_GET_BYTES)
        self.put(key, body)

    def get(self, key: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
        try:
            body = self._inner.get(self._names.seal(check_key(key)), max_bytes=sealed_size(max_bytes))
        except ObjectMissing as error:
            raise self._missing(key) from error
        except InputInvalid as error:
            raise too_large(key, max_bytes) from error
        opened = unseal(self._contents, key, body)
        if len(opened) > max_bytes:
            raise too_large(key, max_bytes)
        return opened

    def get_file(self, key: str, path: Path) -> None:
        size = self._whole(key).size
        starts = range(0, max(size, 1), MAX_GET_BYTES)
        write_local(path, (self._range(key, start, min(MAX_GET_BYTES, size - start)) for start in starts))

    def head(self, key: str) -> ObjectInfo | None:
        found = self._inner.head(self._names.seal(check_key(key)))
        return None if found is None else self._info(key, found)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = check_prefix(prefix)
        for found in self._inner.list(self._names.seal(folder) if folder else ""):
            key = self._names.unseal(found.key)
            if key is not None and found.size >= TAG_BYTES + FOOTER_BYTES:
                yield self._info(key, found)

    def children(self, prefix: str) -> Children:
        folder = check_prefix(prefix)
        sealed = self._names.seal(folder) if folder else ""
        found = self._inner.children(sealed)
        return Children(self._opened(sealed, found.folders), self._opened(sealed, found.objects))

    def folders(self, prefix: str) -> tuple[str, ...]:
        return self.children(prefix).folders

    def delete(self, key: str) -> None:
        self._inner.delete(self._names.seal(check_key(key)))

    def get_range(self, key: str, start: int, length: int, write: Write, pace: Pace) -> None:
        body = self._range(key, start, length)
        if len(body) < length:
            raise StoreUnreachable(f"{key} in {self.address} ends before byte {start + length}.")
        write(body)
        pace(length)

    def start_upload(self, key: str) -> str:
        return f"{secrets.token_hex(SALT_BYTES)}:{self._inner.start_upload(self._names.seal(check_key(key)))}"

    def put_part(self, key: str, upload: str, number: int, start: int, data: bytes, pace: Pace) -> None:
        salt, inner = _named(upload)
        if start % BLOCK_BYTES:
            raise InputInvalid(f"A part of {key} begins at {start}, in the middle of a block.")
        last = not _is_full(len(data))
        body = _blocks(_key(self._contents, salt, key), data, start // BLOCK_BYTES, last=last)
        body += salt + VERSION if last else b""
        self._inner.put_part(self._names.seal(key), inner, number, start // BLOCK_BYTES * _SEALED_BLOCK, body, pace)

    def parts(self, key: str, upload: str) -> dict[int, Part]:
        found = self._inner.parts(self._names.seal(check_key(key)), _named(upload)[1])
        return {number: Part(_plain_part(part.size), part.tag) for number, part in found.items()}

    def finish_upload(self, key: str, upload: str, parts: Mapping[int, Part]) -> None:
        salt, inner = _named(upload)
        sealed, last = self._names.seal(check_key(key)), max(parts)
        if _is_full(parts[last].size):
            # The end of it was not to be known before: an empty last block says so.
            size = sum(part.size for part in parts.values())
            end = _blocks(_key(self._contents, salt, key), b"", size // BLOCK_BYTES, last=True) + salt + VERSION
            last += 1
            self._inner.put_part(sealed, inner, last, size // BLOCK_BYTES * _SEALED_BLOCK, end, lambda _size: None)
        there = self._inner.parts(sealed, inner)
        if any(number not in there for number in range(1, last + 1)):
            raise ObjectMissing(f"The upload of {key} in {self.address} has lost a part.")
        self._inner.finish_upload(sealed, inner, {number: there[number] for number in range(1, last + 1)})

    def abort_upload(self, key: str, upload: str) -> None:
        self._inner.abort_upload(self._names.seal(check_key(key)), _named(upload)[1])

    def clear_uploads(self, prefix: str, before_ms: int) -> int:
        folder = check_prefix(prefix)
        return self._inner.clear_uploads(self._names.seal(folder) if folder else "", before_ms)

    def close(self) -> None:
        self._inner.close()

    def _missing(self, key: str) -> ObjectMissing:
        return ObjectMissing(f"There is no object {key} in {self.address}.")

    def _whole(self, key: str) -> ObjectInfo:
        found = self.head(key)
        if found is None:
            raise self._missing(key)
        return found

    def _range(self, key: str, start: int, length: int) -> bytes:
        """What there is of the range, opened block by block."""
        sealed = self._names.seal(check_key(key))
        present = self._inner.head(sealed)
        if present is None:
            raise self._missing(key)
        ends = present.size - FOOTER_BYTES
        if ends < TAG_BYTES:
            raise SealBroken(f"{key} is not encrypted as this version does it.")
        salt = _footer(key, self._beneath(sealed, ends, FOOTER_BYTES))
        first = start // BLOCK_BYTES
        begin = first * _SEALED_BLOCK
        end = min(ends, (max(start + length - 1, start) // BLOCK_BYTES + 1) * _SEALED_BLOCK)
        if begin >= end:
            return b""
        body = self._beneath(sealed, begin, end - begin)
        opened = _open_blocks(_key(self._contents, salt, key), key, body, first, last=end == ends)
        return opened[start - first * BLOCK_BYTES :][:length]

    def _beneath(self, sealed: str, start: int, length: int) -> bytes:
        body = bytearray()
        self._inner.get_range(sealed, start, length, body.extend, _unpaced)
        return bytes(body)

    def _opened(self, folder: str, names: tuple[str, ...]) -> tuple[str, ...]:
        opened = (self._names.unseal(f"{folder}/{name}" if folder else name) for name in names)
        return tuple(sorted(name.rsplit("/", 1)[-1] for name in opened if name is not None))

    def _info(self, key: str, found: ObjectInfo) -> ObjectInfo:
        return ObjectInfo(key=key, size=plain_size(found.size), modified_ms=found.modified_ms, etag=found.etag)


class Names:
    """Keys of objects, sealed segment by segment; the same key is always sealed to the same one."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)
        self._opened: dict[str, str | None] = {"": ""}
        """Sealed folder → what it is."""

    def seal(self, key: str) -> str:
        sealed, above = [], ""
        for segment in key.split("/"):
            body = self._cipher.encrypt(_packed(segment), [b"lineside name", above.encode()])
            sealed.append(base64.b32encode(body).decode().rstrip("=").lower())
            above = f"{above}/{segment}"
        return "/".join(sealed)

    def unseal(self, sealed: str) -> str | None:
        """None: it is nobody's of ours."""
        folder, _slash, segment = sealed.rpartition("/")
        if folder not in self._opened:
            self._opened[folder] = self.unseal(folder)
        above = self._opened[folder]
        if above is None:
            return None
        try:
            body = base64.b32decode(segment.upper() + "=" * (-len(segment) % 8))
            name = _unpacked(self._cipher.decrypt(body, [b"lineside name", f"/{above}".encode() if above else b""]))
        except (binascii.Error, InvalidTag, ValueError):
            return None
        key = f"{above}/{name}" if above else name
        return key if is_key(key) else None


def seal(master: bytes, key: str, data: bytes) -> bytes:
    """An object as it lies beneath."""
    salt = secrets.token_bytes(SALT_BYTES)
    return _blocks(_key(master, salt, key), data, 0, last=True) + salt + VERSION


def unseal(master: bytes, key: str, body: bytes) -> bytes:
    """What :func:`seal` was given.

    :raises SealBroken: not sealed with this key as this object, or not all of it.
    """
    salt = _footer(key, body[-FOOTER_BYTES:])
    return _open_blocks(_key(master, salt, key), key, body[:-FOOTER_BYTES], 0, last=True)


def sealed_size(size: int) -> int:
    """The most bytes that so many take once they are sealed: an empty last block may stand behind them."""
    return size + (size // BLOCK_BYTES + 1) * TAG_BYTES + FOOTER_BYTES


def plain_size(sealed: int) -> int:
    """Bytes in a sealed object."""
    body = max(sealed - FOOTER_BYTES, 0)
    return max(body - -(-body // _SEALED_BLOCK) * TAG_BYTES, 0)


def _blocks(cipher: AESGCM, data: bytes, first: int, *, last: bool) -> bytes:
    """:param last: the last of these blocks is the object's."""
    starts = range(0, max(len(data), 1), BLOCK_BYTES)
    return b"".join(
        cipher.encrypt(_nonce(first + at, last=last and start == starts[-1]), data[start : start + BLOCK_BYTES], None)
        for at, start in enumerate(starts)
    )


def _open_blocks(cipher: AESGCM, key: str, body: bytes, first: int, *, last: bool) -> bytes:
    starts = range(0, max(len(body), 1), _SEALED_BLOCK)
    try:
        return b"".join(
            cipher.decrypt(
                _nonce(first + at, last=last and start == starts[-1]), body[start : start + _SEALED_BLOCK], None
            )
            for at, start in enumerate(starts)
        )
    except (InvalidTag, ValueError) as error:
        raise SealBroken(f"{key} was changed or cut short since it was encrypted.") from error


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _key(master: bytes, salt: bytes, key: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt, b"lineside object\0" + key.encode()).derive(master))


def _footer(key: str, footer: bytes) -> bytes:
    if len(footer) != FOOTER_BYTES or not footer.endswith(VERSION):
        raise SealBroken(f"{key} is not encrypted as this version does it.")
    return footer[:SALT_BYTES]


def _is_full(size: int) -> bool:
    """Whether a part of so many bytes may be followed by another one: only the last one of an upload is smaller."""
    return size >= PART_BYTES and size % BLOCK_BYTES == 0


def _plain_part(sealed: int) -> int:
    size = sealed // _SEALED_BLOCK * BLOCK_BYTES
    return size if sealed % _SEALED_BLOCK == 0 and _is_full(size) else plain_size(sealed)


def _named(upload: str) -> tuple[bytes, str]:
    found = _UPLOAD.fullmatch(upload)
    if found is None:
        raise InputInvalid(f"{upload[:80]!r} is not the name of an upload.")
    return bytes.fromhex(found[1]), found[2]


def _unpaced(_size: int) -> None:
    """The range that is asked for is what counts."""


def _packed(segment: str) -> bytes:
    """Digests, which most names are, take half."""
    found = _HEX.fullmatch(segment)
    return b"\x01" + bytes.fromhex(found[1]) + found[2].encode() if found else b"\x00" + segment.encode()


def _unpacked(body: bytes) -> str:
    if body[:1] == b"\x01":
        return body[1:33].hex() + body[33:].decode("ascii")
    return body[1:].decode("ascii")
