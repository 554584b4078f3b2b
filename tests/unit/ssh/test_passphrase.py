"""What opens a key on the command line, and what is sent to a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from app.__main__ import main
from tests.fakes.ssh_listener import ssh_listener

PASSPHRASE = "of the key alone"


def test_a_passphrase_on_the_command_line_is_never_sent(
    first_desktop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, passphrase, password = tmp_path / "id", tmp_path / "passphrase", tmp_path / "password"
    sealed = BestAvailableEncryption(PASSPHRASE.encode())
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, sealed))
    passphrase.write_text(f"{PASSPHRASE}\n")
    password.write_text("of the machine\n")

    def enrol(*options: str | Path) -> tuple[dict[str, Any], list[str]]:
        """Why the machine does not become a box, and the passwords that were sent to it."""
        with ssh_listener(("publickey", "password")) as (port, host_key, sent):
            where = [f"ssh://engineer@127.0.0.1:{port}", "--host-key", host_key, "--key", str(key)]
            home = ["--home", str(first_desktop), "--json"]
            assert main(["boxes", "enrol", *where, *map(str, options), *home]) == 1
        return json.loads(capsys.readouterr().out)["error"], sent

    # As the password it opens no key, so that nobody comes to give it as one.
    refused, sent = enrol("--password-file", passphrase)
    assert "needs its passphrase" in refused["message"]
    assert "--key-passphrase-file" in refused["hint"]
    assert sent == []
    refused, sent = enrol("--key-passphrase-file", passphrase)
    assert (refused["code"], sent) == ("ssh.refused", [])
    refused, sent = enrol("--key-passphrase-file", passphrase, "--password-file", password)
    assert refused["code"] == "ssh.refused"
    assert set(sent) == {"of the machine"}
