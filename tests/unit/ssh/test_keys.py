"""Files that are given as a private key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.fleet.ssh.keys import is_public, load_key
from edge_runtime.contracts.errors import InputInvalid


def test_a_pipe_or_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    reading, writing = os.pipe()
    try:
        for path in (pipe, link, tmp_path, Path("/dev/zero"), Path(f"/dev/fd/{reading}")):
            with pytest.raises(InputInvalid, match="not a plain file"):
                is_public(path)
            with pytest.raises(InputInvalid, match="not a plain file"):
                load_key(path, lambda: None)
    finally:
        os.close(reading)
        os.close(writing)
    with pytest.raises(InputInvalid, match="No such file"):
        is_public(tmp_path / "none")


def test_a_key_may_lie_behind_a_link(tmp_path: Path) -> None:
    key = tmp_path / "id"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    (tmp_path / "link").symlink_to(key)
    assert not is_public(tmp_path / "link")
    (loaded,) = load_key(tmp_path / "link", lambda: None)
    assert loaded.can_sign()
