"""SIGKILL in the middle of a change of keys: the next start finds the old ones or the new ones, whole."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.context import open_context
from app.usecases import boxes, sites, trust
from edge_runtime.processes import python_command
from tests.waiting import wait_until

PASSPHRASE = "correct horse"
Appears = Callable[[Path], Path]


def killed(home: Path, secret: Path, verb: str, appears: Path) -> int:
    """Run the command and kill it once a file is there; its exit status."""
    process = subprocess.Popen(
        python_command("app", "site", verb, "--passphrase-file", str(secret), "--home", str(home), "--json"),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    wait_until(lambda: appears.exists() or process.poll() is not None, 60, f"{appears.name} or the end")
    process.send_signal(signal.SIGKILL)
    return process.wait(10)


@pytest.mark.parametrize("verb", ["rotate-key", "rotate-root"])
@pytest.mark.parametrize(
    "appears",
    [
        lambda home: home / "keys.next",
        lambda home: home / "root" / "root.key.pem.next",
        lambda home: home / "keys.next" / "signing.key",
        lambda home: home / "repository" / "2.root.json",
        lambda home: home / "keys.former",
    ],
    ids=["new folder", "new root key", "new signing key", "new root", "old keys put away"],
)
def test_a_change_of_keys_that_was_killed_is_whole_or_undone(tmp_path: Path, verb: str, appears: Appears) -> None:
    home, secret = tmp_path / "home", tmp_path / "secret"
    secret.write_text(PASSPHRASE)
    sites.create_site(home, "Plant", PASSPHRASE).close()
    killed(home, secret, verb, appears(home))
    with open_context(home) as ctx:
        assert not ctx.places.next_keys.exists()
        listed = ctx.roots().desktops()
        assert list(listed) == [ctx.identity.fingerprint]
        assert ctx.repository().next_release("parts")
        assert boxes.list_boxes(ctx) == []
        # The root key's file holds the one that signs, or a rotation of it is brought to its end now.
        version = ctx.roots().version
        trust.rotate_key(ctx, root_key=ctx.places.root_key, passphrase=PASSPHRASE)
        assert ctx.roots().version == version + 1
