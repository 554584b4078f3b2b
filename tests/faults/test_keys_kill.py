"""SIGKILL in the middle of a change of keys: the next start finds the old ones or the new ones, whole."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.context import open_context
from app.usecases import activity, boxes, joining, sites, trust
from app.usecases.sites import desktop_name
from edge_runtime.processes import python_command
from tests.waiting import wait_until

PASSPHRASE = "correct horse"
Appears = Callable[[Path], Path]


def started(home: Path, secret: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        python_command("app", "site", *command, "--passphrase-file", str(secret), "--home", str(home), "--json"),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )


def killed(home: Path, secret: Path, appears: Path, *command: str) -> int:
    """Run the command and kill it once a file is there; its exit status."""
    process = started(home, secret, *command)
    wait_until(lambda: appears.exists() or process.poll() is not None, 60, f"{appears.name} or the end")
    process.send_signal(signal.SIGKILL)
    return process.wait(60)


@pytest.mark.parametrize("verb", ["rotate-key", "rotate-root"])
@pytest.mark.parametrize(
    "appears",
    [
        lambda home: home / "keys.next",
        lambda home: home / "root" / "root.key.pem.next",
        lambda home: home / "keys.next" / "signing.key",
        lambda home: home / "repository" / "2.root.json",
        lambda home: home / "keys.former.00000002",
    ],
    ids=["new folder", "new root key", "new signing key", "new root", "old keys put away"],
)
def test_a_change_of_keys_that_was_killed_is_whole_or_undone(tmp_path: Path, verb: str, appears: Appears) -> None:
    home, secret = tmp_path / "home", tmp_path / "secret"
    secret.write_text(PASSPHRASE)
    sites.create_site(home, "Plant", PASSPHRASE).close()
    killed(home, secret, appears(home), verb)
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


def test_a_strike_off_that_was_killed_after_its_root_is_in_the_activity(tmp_path: Path) -> None:
    home, secret = tmp_path / "home", tmp_path / "secret"
    secret.write_text(PASSPHRASE)
    with sites.create_site(home, "Plant", PASSPHRASE) as ctx:
        request = joining.request_join(tmp_path / "lost", tmp_path / "r", name="lost")
        trust.admit(ctx, request, tmp_path / "a", root_key=ctx.places.root_key, passphrase=PASSPHRASE)
    killed(home, secret, home / "repository" / "3.root.json", "strike-off", "lost")
    with open_context(home) as ctx:
        assert [row.here for row in trust.get_trust(ctx).desktops] == [True]
        told = [row.message for row in activity.page_activity(ctx).rows if row.subject == request.fingerprint]
        assert "Begun under root 2: Struck off the desktop lost." in told


@pytest.mark.parametrize("other", ["strike-off", "rotate-key", "rotate-root"])
def test_changes_of_keys_by_two_commands_at_once_are_both_made(tmp_path: Path, other: str) -> None:
    home, secret = tmp_path / "home", tmp_path / "secret"
    secret.write_text(PASSPHRASE)
    with sites.create_site(home, "Plant", PASSPHRASE) as ctx:
        for name in ("third", "fourth"):
            joining.request_join(tmp_path / name, tmp_path / f"{name}.request", name=name)
        request = joining.request_join(tmp_path / "old", tmp_path / "old.request", name="old")
        trust.admit(ctx, request, tmp_path / "a", root_key=ctx.places.root_key, passphrase=PASSPHRASE)
        before = ctx.identity.fingerprint
    command = [other, "old"] if other == "strike-off" else [other]
    together = [
        started(home, secret, "admit", str(tmp_path / "third.request")),
        started(home, secret, *command),
        started(home, secret, "admit", str(tmp_path / "fourth.request")),
    ]
    assert [process.wait(120) for process in together] == [0, 0, 0]
    with open_context(home) as ctx:
        names = {desktop.name for desktop in ctx.roots().desktops().values() if desktop.name != desktop_name()}
        assert names == {"third", "fourth"} | ({"old"} if other != "strike-off" else set())
        assert ctx.roots().version == 5
        assert (ctx.identity.fingerprint != before) is (other == "rotate-key")
        assert ctx.identity.fingerprint in ctx.roots().desktops()
        assert ctx.repository().next_release("parts")
