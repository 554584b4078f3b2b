"""Attacks on the verifier: whatever arrives in the inbox, only the site's newest signatures count."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from cloud_sync.release.root_key import open_key
from edge_runtime.contracts.errors import InputInvalid, TrustRefused
from edge_runtime.service.trust import TrustStore
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.slots import Accepted, SlotTable, TrustFloor, raise_trust
from edge_runtime.update.verify import BUILD_TIME_S, VerifiedTarget, Verifier
from tests.fakes.site import Delivery, FakeSite

YEAR_MS = 366 * 86_400_000


class Box:
    """A verifier and what it was given."""

    def __init__(self, home: Path, site: FakeSite) -> None:
        self.trust = TrustStore(home)
        self.trust.set_root(site.repository.root_bytes)
        self.inbox = Inbox(home / "inbox")

    def deliver(self, files: dict[str, bytes]) -> None:
        for name, body in files.items():
            self.inbox.put_metadata(name, body)

    def verify(
        self,
        target: str,
        *,
        floors: dict[str, int] | None = None,
        now_ms: int | None = None,
        newest: TrustFloor | None = None,
    ) -> VerifiedTarget:
        now = int(time.time() * 1000) if now_ms is None else now_ms
        verifier = Verifier(self.trust.root(self.trust.version), self.inbox.metadata)
        return verifier.verify(target, floors=floors or {}, now_ms=now, newest=newest or TrustFloor())

    def floor(self, accepted: Accepted) -> TrustFloor:
        """What may not be fallen short of once this was accepted."""
        return raise_trust(SlotTable(), accepted).floor(self.trust.signers)


def metadata_of(site: FakeSite) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in site.repository.metadata_files()}


@pytest.fixture
def site(tmp_path: Path, first_site: FakeSite) -> FakeSite:
    return first_site.copy(tmp_path / "site")


@pytest.fixture
def delivery(site: FakeSite) -> Delivery:
    return site.release("1.0.0")


@pytest.fixture
def box(tmp_path: Path, site: FakeSite) -> Box:
    return Box(tmp_path / "box", site)


def test_a_release_of_the_site_is_trusted(box: Box, site: FakeSite, delivery: Delivery) -> None:
    box.deliver(metadata_of(site))
    verified = box.verify(delivery.target)
    assert (verified.sha256, verified.size) == (delivery.sha256, delivery.file.stat().st_size)
    assert (verified.model_name, verified.version) == ("parts", "1.0.0")
    assert (verified.release, verified.bundle) == (delivery.manifest.release, delivery.bundle)
    assert verified.trust.root == 1
    assert box.verify(delivery.target) == verified


def test_a_box_without_a_site_trusts_nothing(tmp_path: Path, site: FakeSite, delivery: Delivery) -> None:
    verifier = Verifier(None, Inbox(tmp_path / "inbox").metadata)
    with pytest.raises(TrustRefused, match="belongs to no site"):
        verifier.verify(delivery.target, floors={}, now_ms=0, newest=TrustFloor())


@pytest.mark.parametrize(
    "target",
    [
        "",
        "parts",
        "../parts/parts-1.0.0.bundle",
        "parts/../parts/parts-1.0.0.bundle",
        "/parts/parts-1.0.0.bundle",
        "parts/other-1.0.0.bundle",
        "parts/parts-1.0.0.bundle\n",
        "parts/parts-1.0.0.bundle/..",
        "parts/parts-1.0.bundle",
        "parts%2Fparts-1.0.0.bundle",
        "Parts/Parts-1.0.0.bundle",
        "parts\\parts-1.0.0.bundle",
        "parts/parts-1.0.0.bundle\0.png",
        "x" * 10_000,
    ],
)
def test_odd_target_names_are_refused_before_anything_is_read(box: Box, target: str) -> None:
    with pytest.raises(TrustRefused, match="not the name of a release"):
        box.verify(target)


def test_a_target_that_was_not_signed_is_refused(box: Box, site: FakeSite, delivery: Delivery) -> None:
    box.deliver(metadata_of(site))
    with pytest.raises(TrustRefused, match="not among"):
        box.verify("parts/parts-9.9.9.bundle")


def test_another_sites_signatures_are_refused(box: Box, tmp_path: Path) -> None:
    """An attacker with a whole repository of their own, the root included."""
    attacker = FakeSite(tmp_path / "attacker")
    forged = attacker.release("1.0.0")
    box.deliver(metadata_of(attacker))
    with pytest.raises(TrustRefused, match="Not signed"):
        box.verify(forged.target)


def test_a_next_root_that_the_old_one_did_not_sign_is_refused(box: Box, site: FakeSite, tmp_path: Path) -> None:
    attacker = FakeSite(tmp_path / "attacker")
    forged = attacker.release("1.0.0")
    files = metadata_of(attacker)
    root = Metadata[Root].from_bytes(files.pop("1.root.json"))
    root.signed.version = 2
    root.sign(_signer(tmp_path / "attacker" / "root.key.pem"))
    with pytest.raises(TrustRefused, match="not signed with the root key"):
        box.trust.accept(root.to_bytes())
    box.deliver({**files, "2.root.json": root.to_bytes()})
    with pytest.raises(TrustRefused, match="Not signed"):
        box.verify(forged.target)
    assert box.trust.version == 1


def _signer(path: Path) -> CryptoSigner:
    return open_key(path.read_bytes(), "a long passphrase", path.name).signer


def test_older_metadata_is_refused_without_any_cache(box: Box, site: FakeSite, delivery: Delivery) -> None:
    """What was accepted is remembered in the floor alone: there is no cache whose loss opens the way back."""
    old = metadata_of(site)
    site.release("1.0.1")
    box.deliver(metadata_of(site))
    seen = box.floor(box.verify(delivery.target).trust)
    box.deliver(old)
    before = box.floor(box.verify(delivery.target).trust)
    assert before.timestamp < seen.timestamp, "nothing but the floor tells them apart"
    with pytest.raises(TrustRefused, match="Rollback refused"):
        box.verify(delivery.target, newest=seen)
    for role in ("timestamp", "snapshot", "targets"):
        with pytest.raises(TrustRefused, match=f"Rollback refused: the delivered {role}"):
            box.verify(delivery.target, newest=TrustFloor(**{role: getattr(seen, role)}))


def test_the_same_metadata_is_taken_until_it_expires_and_not_longer(
    box: Box, site: FakeSite, delivery: Delivery
) -> None:
    """A freeze: somebody keeps handing out what was true once."""
    box.deliver(metadata_of(site))
    accepted = box.verify(delivery.target).trust
    seen = box.floor(accepted)
    assert box.verify(delivery.target, newest=seen, now_ms=(seen.timestamp + 360 * 86_400) * 1000).trust == accepted
    with pytest.raises(TrustRefused, match="expired"):
        box.verify(delivery.target, newest=seen, now_ms=(seen.timestamp + 366 * 86_400) * 1000)


@pytest.mark.parametrize("old_role", ["timestamp", "snapshot", "targets"])
def test_metadata_of_two_releases_does_not_mix(box: Box, site: FakeSite, delivery: Delivery, old_role: str) -> None:
    """Genuine files, each signed by the site, put together by somebody else."""
    old = {name.split(".")[-2]: body for name, body in metadata_of(site).items()}
    newer = site.release("1.0.1")
    new = metadata_of(site)
    name = next(name for name in new if name.endswith(f"{old_role}.json"))
    box.deliver({**new, name: old[old_role]})
    with pytest.raises(TrustRefused):
        box.verify(newer.target)


def test_metadata_that_is_far_too_large_is_not_even_kept(box: Box, site: FakeSite, delivery: Delivery) -> None:
    box.deliver(metadata_of(site))
    for name in ("timestamp.json", "9999999999.snapshot.json", "9999999999.targets.json"):
        with pytest.raises(InputInvalid):
            box.deliver({name: b" " * (2**20 + 1)})
    assert box.verify(delivery.target).sha256 == delivery.sha256


def test_a_release_below_the_floor_is_refused(box: Box, site: FakeSite, delivery: Delivery) -> None:
    newer = site.release("1.0.1")
    box.deliver(metadata_of(site))
    floors = {"parts": newer.manifest.release, "other": 2**40}
    with pytest.raises(TrustRefused, match="Rollback refused"):
        box.verify(delivery.target, floors=floors)
    assert box.verify(newer.target, floors=floors).release == newer.manifest.release


def test_expiry_blocks_a_new_installation(box: Box, site: FakeSite, delivery: Delivery) -> None:
    box.deliver(metadata_of(site))
    with pytest.raises(TrustRefused, match="expired") as caught:
        box.verify(delivery.target, now_ms=int(time.time() * 1000) + 2 * YEAR_MS)
    assert "clocks" in caught.value.hint


def test_a_box_without_a_clock_still_trusts_and_still_expires(box: Box, site: FakeSite, delivery: Delivery) -> None:
    box.deliver(metadata_of(site))
    assert box.verify(delivery.target, now_ms=0).release == delivery.manifest.release
    later = BUILD_TIME_S + 2 * YEAR_MS // 1000
    with pytest.raises(TrustRefused, match="expired"):
        box.verify(delivery.target, now_ms=0, newest=TrustFloor(timestamp=later))


def test_a_clock_in_a_far_age_is_an_expiry_not_a_crash(box: Box, site: FakeSite, delivery: Delivery) -> None:
    box.deliver(metadata_of(site))
    with pytest.raises(TrustRefused, match="expired"):
        box.verify(delivery.target, now_ms=10**18)


def test_what_was_not_delivered_is_named(box: Box, site: FakeSite, delivery: Delivery) -> None:
    with pytest.raises(TrustRefused, match="not complete"):
        box.verify(delivery.target)
    files = metadata_of(site)
    name = next(name for name in files if name.endswith("targets.json"))
    files.pop(name)
    box.deliver(files)
    with pytest.raises(TrustRefused, match="not complete"):
        box.verify(delivery.target)


def test_signed_facts_are_checked_too(box: Box, site: FakeSite, delivery: Delivery) -> None:
    """Even a desktop of the site may sign nonsense."""
    files = metadata_of(site)
    name = next(name for name in files if name.endswith("targets.json"))
    signer = CryptoSigner(_plain_key(site.folder / "signing.key"))
    nonsense: tuple[dict[str, object] | list[object] | None, ...] = (
        None,
        [],
        {"release": True, "bundle": "0" * 64},
        {"release": -1, "bundle": "0" * 64},
        {"release": 1},
    )
    for custom in nonsense:
        targets = Metadata[Targets].from_bytes(files[name])
        targets.signed.targets[delivery.target].unrecognized_fields["custom"] = custom
        targets.sign(signer)
        box.deliver({**files, name: targets.to_bytes()})
        with pytest.raises(TrustRefused, match="signed facts"):
            box.verify(delivery.target)


def _plain_key(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def test_a_desktop_struck_off_by_the_next_root_cannot_release(box: Box, site: FakeSite, delivery: Delivery) -> None:
    """A lost laptop: root 2 lists another key. The old signatures fail, the new ones hold, also without a cache."""
    old = metadata_of(site)
    fresh = CryptoSigner(Ed25519PrivateKey.generate())
    root = Metadata[Root].from_bytes(old["1.root.json"])
    for role in (Targets.type, Snapshot.type, Timestamp.type):
        for keyid in list(root.signed.roles[role].keyids):
            root.signed.revoke_key(keyid, role)
        root.signed.add_key(fresh.public_key, role)
    root.signed.version = 2
    root.sign(_signer(site.folder / "root.key.pem"))
    box.trust.accept(root.to_bytes())
    box.deliver(old)
    with pytest.raises(TrustRefused, match="Not signed"):
        box.verify(delivery.target)
    renewed: dict[str, bytes] = {}
    for name, body in old.items():
        if not name.endswith("root.json"):
            role_metadata: Metadata[Targets] = Metadata.from_bytes(body)
            role_metadata.sign(fresh)
            renewed[name] = role_metadata.to_bytes()
    box.deliver(renewed)
    assert box.verify(delivery.target).trust.root == 2
    # The stolen laptop brings everything of before once more.
    assert box.trust.accept(old["1.root.json"]) is None
    box.deliver(old)
    with pytest.raises(TrustRefused, match="Not signed"):
        box.verify(delivery.target)


def resigned(site: FakeSite, signer: CryptoSigner, versions: dict[str, int], lifetime_s: int) -> dict[str, bytes]:
    """The site's releases, signed as of other seconds by somebody who holds a key that the root lists."""
    roles: dict[str, Metadata[Targets]] = {}
    for name, body in metadata_of(site).items():
        if not name.endswith("root.json"):
            roles[name.split(".")[-2]] = Metadata.from_bytes(body)
    for role, metadata in roles.items():
        metadata.signed.version = versions[role]
        metadata.signed.expires = datetime.datetime.fromtimestamp(versions["timestamp"] + lifetime_s, datetime.UTC)
    snapshot = Metadata[Snapshot].from_bytes(roles["snapshot"].to_bytes())
    snapshot.signed.meta["targets.json"].version = versions["targets"]
    timestamp = Metadata[Timestamp].from_bytes(roles["timestamp"].to_bytes())
    timestamp.signed.snapshot_meta.version = versions["snapshot"]
    for signed in (roles["targets"], snapshot, timestamp):
        signed.sign(signer)
    return {
        f"{versions['targets']}.targets.json": roles["targets"].to_bytes(),
        f"{versions['snapshot']}.snapshot.json": snapshot.to_bytes(),
        "timestamp.json": timestamp.to_bytes(),
    }


def test_no_signature_pushes_the_boxs_time_past_the_end_of_its_root(
    box: Box, site: FakeSite, delivery: Delivery
) -> None:
    """Who holds a key of a desktop signs as of 2040: the site's root would have expired for ever on this box."""
    signer = CryptoSigner(_plain_key(site.folder / "signing.key"))
    end = int(Metadata[Root].from_bytes(metadata_of(site)["1.root.json"]).signed.expires.timestamp())
    for far in (end, int(datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC).timestamp())):
        box.deliver(resigned(site, signer, dict.fromkeys(("timestamp", "snapshot", "targets"), far), 86_400))
        with pytest.raises(TrustRefused, match="has expired"):
            box.verify(delivery.target)
    box.deliver(resigned(site, signer, dict.fromkeys(("timestamp", "snapshot", "targets"), end - 1), 86_400))
    assert box.floor(box.verify(delivery.target).trust).timestamp == end - 1


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_no_number_is_beyond_the_second_of_the_signature(
    box: Box, site: FakeSite, delivery: Delivery, role: str
) -> None:
    """Else a box would ask for a number of which no desktop hears."""
    now = int(time.time())
    versions = {"timestamp": now, "snapshot": now, "targets": now, role: now + 1}
    signer = CryptoSigner(_plain_key(site.folder / "signing.key"))
    box.deliver(resigned(site, signer, versions, 86_400))
    with pytest.raises(TrustRefused, match="beyond the second"):
        box.verify(delivery.target)


def test_the_root_key_takes_back_what_a_desktops_key_pushed_ahead(box: Box, site: FakeSite, delivery: Delivery) -> None:
    """TUF's recovery from a fast-forward attack: once the root does not list the key, its versions do not count."""
    stolen = CryptoSigner(_plain_key(site.folder / "signing.key"))
    old = metadata_of(site)
    box.deliver(resigned(site, stolen, dict.fromkeys(("timestamp", "snapshot", "targets"), 2_000_000_000), 86_400))
    pushed = box.verify(delivery.target).trust
    assert box.floor(pushed).timestamp == 2_000_000_000
    fresh = CryptoSigner(Ed25519PrivateKey.generate())
    root = Metadata[Root].from_bytes(old["1.root.json"])
    for role in (Targets.type, Snapshot.type, Timestamp.type):
        root.signed.revoke_key(stolen.public_key.keyid, role)
        root.signed.add_key(fresh.public_key, role)
    root.signed.version = 2
    root.sign(_signer(site.folder / "root.key.pem"))
    box.trust.accept(root.to_bytes())
    now = int(time.time())
    box.deliver(resigned(site, fresh, dict.fromkeys(("timestamp", "snapshot", "targets"), now), 86_400))
    floor = box.floor(pushed)
    assert (floor.timestamp, floor.snapshot, floor.targets, floor.root) == (0, 0, 0, 1)
    verified = box.verify(delivery.target, newest=floor)
    assert verified.trust.signed == {fresh.public_key.keyid: TrustFloor(timestamp=now, snapshot=now, targets=now)}
    # The model's own floor does not hang on any key.
    with pytest.raises(TrustRefused, match="Rollback refused"):
        box.verify(delivery.target, newest=floor, floors={"parts": delivery.manifest.release + 1})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff" * 100, b"[" * 100_000, b'{"signed": 1}'])
def test_noise_in_place_of_metadata_is_refused(box: Box, site: FakeSite, delivery: Delivery, body: bytes) -> None:
    for name, whole in metadata_of(site).items():
        if name == "1.root.json":
            continue  # the box has its own
        box.deliver({**metadata_of(site), name: body})
        with pytest.raises(TrustRefused):
            box.verify(delivery.target)
        box.deliver({name: whole})
    assert box.verify(delivery.target)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_in_the_metadata_never_changes_what_is_trusted(
    box: Box, site: FakeSite, delivery: Delivery, data: st.DataObject
) -> None:
    files = metadata_of(site)
    name = data.draw(st.sampled_from(sorted(files)))
    body = files[name]
    at = data.draw(st.integers(0, len(body) - 1))
    flipped = body[:at] + bytes([body[at] ^ data.draw(st.integers(1, 255))]) + body[at + 1 :]
    box.deliver({**files, name: flipped})
    try:
        verified = box.verify(delivery.target)
    except TrustRefused:
        return
    assert (verified.sha256, verified.release) == (delivery.sha256, delivery.manifest.release)


def test_versions_are_the_seconds_of_signing(site: FakeSite) -> None:
    before = int(time.time())
    site.release("1.0.0")
    site.release("1.0.1")
    body = json.loads(metadata_of(site)["timestamp.json"])["signed"]
    assert before <= body["version"] <= int(time.time()) + 3
    expires = datetime.datetime.fromisoformat(body["expires"])
    assert datetime.timedelta(days=360) < expires - datetime.datetime.now(datetime.UTC) < datetime.timedelta(days=370)
