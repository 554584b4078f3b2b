"""The site's repository of releases."""

from __future__ import annotations

import hashlib
import json
import stat
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from cloud_sync.release.sign import ReleaseRepository
from edge_runtime.contracts.errors import AlreadyExists, BundleInvalid, InputInvalid, NotFound, TrustRefused
from edge_runtime.update.probe import probe
from tests.fakes import models
from tests.fakes.site import FakeSite


@pytest.fixture
def site(tmp_path: Path, first_site: FakeSite) -> FakeSite:
    return first_site.copy(tmp_path / "site")


def reopen(site: FakeSite) -> ReleaseRepository:
    return ReleaseRepository.open(site.folder / "repository", desktop_key_path=site.folder / "signing.key")


def signed_targets(repository: ReleaseRepository) -> dict[str, dict[str, object]]:
    file = next(file for file in repository.metadata_files() if file.name.endswith("targets.json"))
    targets: dict[str, dict[str, object]] = json.loads(file.read_text())["signed"]["targets"]
    return targets


def test_a_sites_keys_are_kept_as_they_should_be(site: FakeSite) -> None:
    root_key, signing_key = site.folder / "root.key.pem", site.folder / "signing.key"
    for path in (root_key, signing_key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_ssh_private_key(root_key.read_bytes(), b"a long passphrase")
    # Without a match: one wrong passphrase in a few hundred decrypts to what is no key.
    with pytest.raises(ValueError):
        load_ssh_private_key(root_key.read_bytes(), b"a wrong passphrase")
    with pytest.raises(TypeError):
        load_ssh_private_key(root_key.read_bytes(), None)
    assert load_pem_private_key(signing_key.read_bytes(), None)
    assert not list(site.folder.rglob("*.part"))


def test_the_site_is_named_by_its_first_root(site: FakeSite) -> None:
    first = (site.folder / "repository" / "1.root.json").read_bytes()
    assert site.repository.root_bytes == first
    assert site.repository.site_id == hashlib.sha256(first).hexdigest() == reopen(site).site_id


def test_keys_are_never_overwritten(site: FakeSite, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}
    for folder, root_key, key in (
        ("site/repository", "other1", "other2"),
        ("new", "site/root.key.pem", "other2"),
        ("new", "other1", "site/signing.key"),
    ):
        with pytest.raises(AlreadyExists):
            ReleaseRepository.create(
                tmp_path / folder, passphrase="x", root_key_path=tmp_path / root_key, desktop_key_path=tmp_path / key
            )
    assert {path: path.read_bytes() for path in site.folder.rglob("*") if path.is_file()} == before


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="passphrase"):
        ReleaseRepository.create(
            tmp_path / "r", passphrase="", root_key_path=tmp_path / "k", desktop_key_path=tmp_path / "d"
        )
    assert list(tmp_path.iterdir()) == []


def test_releases_add_up_over_restarts(site: FakeSite) -> None:
    site.release("1.0.0")
    site.repository = reopen(site)
    site.release("1.0.1")
    assert set(signed_targets(reopen(site))) == {"parts/parts-1.0.0.bundle", "parts/parts-1.0.1.bundle"}


def test_what_was_probed_is_what_is_signed(site: FakeSite) -> None:
    candidate = site.candidate()
    before = candidate.file.read_bytes()
    report = probe(candidate.file)
    box = "b" * 64
    target = site.repository.add(candidate.file, candidate.manifest, {box: report})
    assert candidate.file.read_bytes() == before
    entry = signed_targets(site.repository)[target]
    assert entry["hashes"] == {"sha256": candidate.sha256}
    custom = entry["custom"]
    assert isinstance(custom, dict)
    assert (custom["bundle"], custom["release"]) == (candidate.bundle, candidate.manifest.release)
    assert json.loads(custom["proofs"][box])["latency_ms_p95"] == report.latency_ms_p95


def test_release_counters_rise_with_the_clock(site: FakeSite) -> None:
    first = site.repository.next_release("parts")
    assert int(time.time()) - 5 <= first <= int(time.time())
    far = first + 1000
    site.release("1.0.0", release=far)
    assert site.repository.next_release("parts") == far + 1
    assert site.repository.next_release("part") < far, "each name counts for itself"


def test_versions_rise_with_every_signature(site: FakeSite) -> None:
    delivery = site.release("1.0.0")
    seen = []
    for _ in range(6):
        site.repository.add(delivery.file, delivery.manifest, {})
        seen.append(json.loads(site.repository.metadata_files()[-1].read_text())["signed"]["version"])
    assert seen == sorted(set(seen))
    assert len(list((site.folder / "repository").iterdir())) < 12, "old versions go"
    assert list(signed_targets(site.repository)) == [delivery.target]


def test_the_timestamp_is_delivered_last(site: FakeSite) -> None:
    site.release()
    names = [file.name for file in site.repository.metadata_files()]
    assert names[0] == "1.root.json"
    assert [name.split(".")[-2] for name in names] == ["root", "targets", "snapshot", "timestamp"]
    assert all(file.is_file() for file in site.repository.metadata_files())


def test_one_name_and_version_is_one_bundle(site: FakeSite) -> None:
    site.release("1.0.0")
    other = site.candidate("1.0.0", model=models.brightness_model(threshold=99.0), release=2**40)
    with pytest.raises(AlreadyExists, match="new version"):
        site.repository.add(other.file, other.manifest, {})


def test_a_candidate_older_than_what_was_released_is_refused(site: FakeSite) -> None:
    early = site.candidate("1.0.0", release=5)
    site.release("1.0.1", release=6)
    with pytest.raises(InputInvalid, match="not above 6"):
        site.repository.add(early.file, early.manifest, {})


def test_only_what_fits_together_is_signed(site: FakeSite) -> None:
    candidate, other = site.candidate("1.0.0"), site.candidate("1.0.1")
    before = signed_targets(site.repository)
    with pytest.raises(InputInvalid, match="manifest"):
        site.repository.add(candidate.file, other.manifest, {})
    with pytest.raises(InputInvalid, match="another bundle"):
        site.repository.add(candidate.file, candidate.manifest, {"b" * 64: probe(other.file)})
    candidate.file.write_bytes(candidate.file.read_bytes()[:-9])
    with pytest.raises(BundleInvalid):
        site.repository.add(candidate.file, candidate.manifest, {})
    assert signed_targets(site.repository) == before


def test_a_repository_that_is_not_there_or_not_ours_is_not_opened(site: FakeSite, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no release repository"):
        ReleaseRepository.open(tmp_path / "nowhere", desktop_key_path=site.folder / "signing.key")
    with pytest.raises(NotFound, match="signing key"):
        ReleaseRepository.open(site.folder / "repository", desktop_key_path=tmp_path / "gone.key")
    stranger = FakeSite(tmp_path / "stranger")
    with pytest.raises(TrustRefused, match="does not list"):
        ReleaseRepository.open(site.folder / "repository", desktop_key_path=stranger.folder / "signing.key")
    with pytest.raises(TrustRefused, match="not this desktop's"):
        ReleaseRepository.open(site.folder / "repository", desktop_key_path=site.folder / "root.key.pem")


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
@pytest.mark.parametrize("harm", ["cut", "forged", "gone"])
def test_a_damaged_repository_is_not_signed_on(site: FakeSite, role: str, harm: str) -> None:
    site.release("1.0.0")
    victim = next(file for file in site.repository.metadata_files() if f"{role}.json" in file.name)
    body = victim.read_bytes()
    if harm == "gone":
        victim.unlink()
    else:
        forged = body.replace(b'"expires":"2', b'"expires":"3')
        assert forged != body
        victim.write_bytes(forged if harm == "forged" else body[: len(body) // 2])
    with pytest.raises(NotFound if (role, harm) == ("root", "gone") else TrustRefused):
        reopen(site)
