"""What is typed to sign in over SSH goes where its field says, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.session import open_session
from app.gui.pages.boxes import BoxesPage
from edge_runtime.contracts.enrolment_errors import SshRefused
from tests.fakes.ssh_listener import ssh_listener
from tests.gui.conftest import Bench

PASSPHRASE = "of the key alone"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    sealed = BestAvailableEncryption(PASSPHRASE.encode())
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, sealed))
    return path


@pytest.mark.parametrize("sudo", ["", "of the machine"])
@pytest.mark.parametrize("wants", [("publickey", "password"), ("password",)], ids=",".join)
def test_a_passphrase_is_never_sent(bench: Bench, key: Path, sudo: str, wants: tuple[str, ...]) -> None:
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    dialog = page.add_box()
    dialog.way.choose("ssh")
    dialog._show_way()
    # Typed for the password first, before it came to mind that there is a key.
    dialog.ssh.password.setText("typed before")
    dialog.ssh.way.choose("key")
    dialog.ssh._show_way()
    dialog.ssh.key.edit.setText(str(key))
    dialog.ssh.passphrase.setText(PASSPHRASE)
    dialog.ssh.sudo.setText(sudo)
    sign_in = dialog.ssh.sign_in()
    with ssh_listener(wants) as (port, host_key, passwords):
        target = SshTarget("engineer", "127.0.0.1", port)
        with pytest.raises(SshRefused), open_session(target, host_key, sign_in, check=lambda: None):
            pass
    assert set(passwords) <= {sudo} - {""}
    assert bool(passwords) == bool(sudo)
    dialog.reject()
