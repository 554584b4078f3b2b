"""A desktop that was struck off: what it signed is not started, unless another one answers for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from cloud_sync.release.root_key import unlock
from cloud_sync.release.sign import ReleaseRepository, new_signing_key
from cloud_sync.release.site_roots import Desktop, SiteRoots
from edge_runtime.contracts.errors import TrustRefused
from edge_runtime.contracts.runtime_errors import RuntimeUnusable
from edge_runtime.identity import create_identity
from edge_runtime.runtime.installer import RuntimeInstaller
from edge_runtime.runtime.launcher import choose
from edge_runtime.service.trust import TrustStore
from tests.unit.edge.test_runtime_slot import Rig, rig

__all__ = ["rig"]


def strike_off(rig: Rig) -> Path:
    """The desktop that signed until now is struck off, and another one is listed; returns the file of its key."""
    folder, key_file = rig.site.folder / "repository", rig.site.folder / "office.key"
    roots = SiteRoots(folder)
    key = unlock(rig.site.folder / "root.key.pem", "a long passphrase", keyids=roots.keyids)
    office = create_identity(rig.site.folder / "office", "office")
    desktop = Desktop("office", office.certificate_pem, CryptoSigner(new_signing_key(key_file)).public_key)
    changed = roots.change({office.fingerprint: desktop}, key, now_s=int(time.time()))
    TrustStore(rig.box.home).set_root(changed.newest)
    return key_file


def running(rig: Rig) -> RuntimeInstaller:
    installer = rig.install(rig.bring())
    installer.begin_trial()
    installer.commit(1, 0)
    assert choose(rig.box.home, rig.base)[0] == "a"
    return installer


def test_what_a_struck_off_desktop_signed_is_not_started(rig: Rig) -> None:
    """Nor where everything in the home says that it was accepted under the root of before."""
    installer = running(rig)
    strike_off(rig)
    assert list(installer.unsigned()) == ["a"]
    with pytest.raises(RuntimeUnusable, match="not signed by a desktop of this box's site"):
        rig.check()
    with pytest.raises(TrustRefused):
        installer.renew()
    slot, launched = choose(rig.box.home, rig.base)
    assert slot is None
    assert "not signed by a desktop" in launched.said[0]


def test_what_it_signs_afterwards_is_not_taken(rig: Rig) -> None:
    strike_off(rig)
    with pytest.raises(TrustRefused):
        rig.install(rig.bring())


def test_another_desktop_may_answer_for_it(rig: Rig) -> None:
    installer = running(rig)
    key_file = strike_off(rig)
    office = ReleaseRepository.open(rig.site.folder / "repository", desktop_key_path=key_file)
    for file in office.metadata_files():
        rig.box.inbox.put_metadata(file.name, file.read_bytes())
    installer.renew()
    assert installer.unsigned() == {}
    rig.check()
    assert choose(rig.box.home, rig.base)[0] == "a"
