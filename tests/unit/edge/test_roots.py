"""The roots that a box accepts, and how it keeps them."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from cloud_sync.release.root_key import RootKey, new_root_key
from cloud_sync.release.site_roots import Desktop, expiry, make_root
from edge_runtime.contracts.errors import InputInvalid, LinesideError, NotFound, TrustRefused
from edge_runtime.identity import create_identity
from edge_runtime.service.root_ledger import RootLedger
from edge_runtime.service.trust import TrustStore
from edge_runtime.update.parted import Chain, who_returns
from edge_runtime.update.roots import MAX_ROOT_BYTES, read_root, to_be_brought

Desktops = dict[str, Desktop]


@pytest.fixture(scope="module")
def key() -> RootKey:
    return new_root_key()


@pytest.fixture(scope="module")
def desktops(tmp_path_factory: pytest.TempPathFactory) -> Desktops:
    folder = tmp_path_factory.mktemp("desktops")
    made = {}
    for name in ("office", "lost", "new"):
        identity = create_identity(folder / name, name)
        made[identity.fingerprint] = Desktop(
            name, identity.certificate_pem, CryptoSigner(Ed25519PrivateKey.generate()).public_key
        )
    return made


def of(desktops: Desktops, *names: str) -> Desktops:
    return {fingerprint: desktop for fingerprint, desktop in desktops.items() if desktop.name in names}


def root(
    version: int, desktops: Desktops, *keys: RootKey, at_s: int | None = None, after: bytes | None = None
) -> bytes:
    """:param after: the root that it names as the one before; None: as earlier releases made it."""
    now = int(time.time()) if at_s is None else at_s
    before = hashlib.sha256(after).hexdigest() if after is not None else None
    certificate = keys[-1].certificate()
    return make_root(version, desktops, list(keys), certificate=certificate, expires=expiry(now), before=before)


@pytest.fixture
def trust(tmp_path: Path, key: RootKey, desktops: Desktops) -> TrustStore:
    store = TrustStore(tmp_path)
    store.set_root(root(1, of(desktops, "office", "lost"), key))
    return store


def names(trust: TrustStore, desktops: Desktops) -> set[str]:
    return {desktops[fingerprint].name for fingerprint in trust.pinned()}


def test_exactly_the_listed_desktops_are_trusted(trust: TrustStore, key: RootKey, desktops: Desktops) -> None:
    assert names(trust, desktops) == {"office", "lost"}
    accepted = trust.accept(root(2, of(desktops, "office", "new"), key))
    assert accepted is not None
    assert names(trust, desktops) == {"office", "new"}
    lost = next(iter(of(desktops, "lost").values()))
    with pytest.raises(TrustRefused, match="does not list"):
        trust.add_desktop(lost.certificate)
    assert names(trust, desktops) == {"office", "new"}


def test_no_root_of_before_comes_back(trust: TrustStore, key: RootKey, desktops: Desktops, tmp_path: Path) -> None:
    first = trust.root(1)
    trust.accept(root(2, of(desktops, "office"), key))
    assert trust.accept(first) is None
    trust.set_root(first)
    assert names(trust, desktops) == {"office"}
    for harm in (
        lambda: shutil.rmtree(tmp_path / "trust"),
        lambda: (tmp_path / "trust" / "root.json").write_bytes(first),
        lambda: (tmp_path / "trust.db").unlink(),
        lambda: (tmp_path / "trust.db").write_bytes(b"no database at all" * 1000),
    ):
        harm()
        for suffix in ("-wal", "-shm"):
            (tmp_path / f"trust.db{suffix}").unlink(missing_ok=True)
        for store in (trust, TrustStore(tmp_path)):
            assert names(store, desktops) == {"office"}
            assert store.version == 2
            assert store.accept(first) is None


def test_a_root_that_does_not_follow_is_refused(trust: TrustStore, key: RootKey, desktops: Desktops) -> None:
    other = new_root_key()
    everyone = of(desktops, "office", "lost", "new")
    for body, why in (
        (root(3, everyone, key), "does not follow root 1"),
        (root(2, everyone, other), "not signed with the root key"),
        (root(1, everyone, key), "another root 1"),
        (root(1, everyone, other), "another root 1"),
    ):
        with pytest.raises(TrustRefused, match=why):
            trust.accept(body)
    with pytest.raises(TrustRefused, match="another site"):
        trust.set_root(root(2, everyone, other))
    assert trust.version == 1


def test_a_gap_in_which_the_root_key_was_replaced_is_told_from_another_site(
    trust: TrustStore, key: RootKey, desktops: Desktops
) -> None:
    newer, newest = new_root_key(), new_root_key()
    listed = of(desktops, "office")
    chain = [root(2, listed, key, newer), root(3, listed, newer, newest), root(4, listed, newest)]
    for body, lacking in ((chain[1], "missing: 2"), (chain[2], "missing: 2 to 3")):
        with pytest.raises(TrustRefused, match=f"another site's, or .* is {lacking}") as refused:
            trust.set_root(body)
        assert "the oldest first" in refused.value.hint
        assert "Initialise" not in refused.value.hint
    for body in chain:
        trust.set_root(body)
    first = trust.root(1)
    trust.set_root(first)
    with pytest.raises(TrustRefused, match="another root 2"):
        trust.set_root(root(2, of(desktops, "lost"), key))
    with pytest.raises(TrustRefused, match="another site's, or older than root 4"):
        trust.set_root(root(1, listed, new_root_key()))
    assert trust.version == 4


def test_the_root_key_may_change_and_only_with_both_signatures(
    trust: TrustStore, key: RootKey, desktops: Desktops
) -> None:
    other = new_root_key()
    listed = of(desktops, "office")
    only_new = root(2, listed, other)
    with pytest.raises(TrustRefused):
        trust.accept(only_new)
    trust.accept(root(2, listed, key, other))
    with pytest.raises(TrustRefused):
        trust.accept(root(3, listed, key))
    assert trust.accept(root(3, listed, other)) is not None


def test_an_expired_root_still_says_who_is_struck_off(trust: TrustStore, key: RootKey, desktops: Desktops) -> None:
    """A box of which the clock is wrong, or that lay in a store room, must let nobody in for that."""
    assert trust.accept(root(2, of(desktops, "office"), key, at_s=0)) is not None
    assert names(trust, desktops) == {"office"}


def test_a_list_that_does_not_fit_its_keys_is_refused(trust: TrustStore, key: RootKey, desktops: Desktops) -> None:
    (fingerprint, office) = next(iter(of(desktops, "office").items()))
    for listed in (
        {"0" * 64: office},
        {fingerprint: Desktop(office.name, "no certificate", office.key)},
        {fingerprint: Desktop("", office.certificate, office.key)},
        {},
    ):
        with pytest.raises(InputInvalid):
            trust.accept(root(2, listed, key))
    body = json.loads(root(2, of(desktops, "office"), key))
    body["signed"]["lineside"]["desktops"][fingerprint]["keyid"] = "f" * 64
    with pytest.raises(InputInvalid, match="does not fit"):
        read_root(json.dumps(body).encode())
    assert trust.version == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_never_admits_anybody(
    trust: TrustStore, key: RootKey, desktops: Desktops, data: st.DataObject
) -> None:
    body = root(2, of(desktops, "office", "new"), key, at_s=1_800_000_000)
    at = data.draw(st.integers(0, len(body) - 1))
    flipped = body[:at] + bytes([body[at] ^ data.draw(st.integers(1, 255))]) + body[at + 1 :]
    try:
        trust.accept(flipped)
    except LinesideError:
        assert trust.version == 1
        assert names(trust, desktops) == {"office", "lost"}
        return
    # A byte of a second signature's id, or white space: what was signed is unchanged.
    assert read_root(trust.root(2)).desktops == read_root(body).desktops
    shutil.rmtree(trust._store.newest_file.parent)
    for path in trust._store.newest_file.parent.parent.glob("trust.db*"):
        path.unlink()
    trust.set_root(root(1, of(desktops, "office", "lost"), key))


def test_what_was_written_by_another_process_counts_at_once(
    trust: TrustStore, key: RootKey, desktops: Desktops, tmp_path: Path
) -> None:
    TrustStore(tmp_path).set_root(root(5, of(desktops, "new"), key))
    assert names(trust, desktops) == {"new"}
    assert trust.version == 5


def test_where_the_roots_cannot_be_read_nobody_is_trusted(trust: TrustStore, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "trust")
    with sqlite3.connect(tmp_path / "trust.db") as database:
        database.execute("DROP TABLE roots")
    database.close()
    assert TrustStore(tmp_path).pinned() == {}


def test_a_root_is_told_of_once_and_again_where_its_audit_may_be_lost(
    trust: TrustStore, key: RootKey, desktops: Desktops, tmp_path: Path
) -> None:
    told: list[tuple[str, str]] = []
    lasting = True

    def ledger() -> RootLedger:
        def audit(kind: str, message: str, *, who: str) -> None:
            assert kind == "trust.root-accepted"
            told.append((message.partition(" is")[0], who))

        return RootLedger(tmp_path, trust, audit=audit, flush=lambda: lasting)

    one = ledger()
    one.tick()
    one.tick()
    assert told == [("Root 1", "box")]
    # As `lineside-edge trust` does while the box runs.
    TrustStore(tmp_path).accept(root(2, of(desktops, "office"), key))
    one.tick()
    assert told[1:] == [("Root 2", "box")]
    lasting = False
    body = root(3, of(desktops, "office", "new"), key)
    assert one.accept(body, who="office")
    assert not one.accept(body, who="new")
    assert told[2:] == [("Root 3", "office")]
    ledger().tick()
    assert told[3:] == [("Root 3", "box")], "the power may have gone before that audit was on the disk"


def test_a_box_without_a_site_keeps_the_roots_that_lead_to_its_own(
    key: RootKey, desktops: Desktops, tmp_path: Path
) -> None:
    newer = new_root_key()
    chain = [
        root(1, of(desktops, "office", "lost"), key),
        root(2, of(desktops, "office"), key, newer),
        root(3, of(desktops, "office", "new"), newer),
    ]
    for bad in ([chain[0]], [chain[1], chain[0]], [root(2, of(desktops, "office"), newer)], [b"{}", chain[1]]):
        other = TrustStore(tmp_path / "other")
        with pytest.raises(LinesideError):
            other.set_root(chain[2], before=[*bad, root(2, of(desktops, "lost"), new_root_key())])
        assert other.version == 0
    fresh = TrustStore(tmp_path / "fresh")
    fresh.set_root(chain[2], before=chain[:2])
    for store in (fresh, TrustStore(tmp_path / "fresh")):
        assert [store.root(version) for version in (1, 2, 3)] == chain
        assert names(store, desktops) == {"office", "new"}


def test_what_is_brought_by_hand_brings_nobody_back(trust: TrustStore, key: RootKey, desktops: Desktops) -> None:
    first = trust.root(1)
    trust.accept(root(2, of(desktops, "office"), key))
    apart = [root(2, of(desktops, "office", "lost", "new"), key), root(3, of(desktops, "office", "lost"), key)]
    for before in ([first, apart[0]], [apart[0]], []):
        with pytest.raises(TrustRefused, match="struck off lost"):
            trust.set_root(apart[1], before=before)
        assert trust.version == 2
    # Somebody admitted the same laptop again, knowing of that.
    trust.set_root(apart[1], before=[first, trust.root(2)])
    assert names(trust, desktops) == {"office", "lost"}


def test_a_box_takes_nobody_back_with_a_root_that_was_made_apart(
    trust: TrustStore, key: RootKey, desktops: Desktops, tmp_path: Path
) -> None:
    begin = [trust.root(1)]
    here = linked(begin, key, desktops, "office", "office new")
    trust.accept(here[1])
    apart = linked(begin, key, desktops, "office lost new", "office lost", "office lost new", "office new")
    # The next number, signed by the root key, and of another branch.
    for _again in range(2):
        with pytest.raises(TrustRefused, match="struck off lost"):
            trust.accept(apart[2])
    with pytest.raises(TrustRefused, match="struck off lost"):
        trust.accept(apart[3])
    for store in (trust, TrustStore(tmp_path)):
        assert names(store, desktops) == {"office"}
    # One that brings nobody back is taken with those that lie between, of which none counts.
    assert trust.accept(apart[4]) == read_root(apart[4])
    assert [trust.root(version) for version in (3, 4, 5)] == apart[2:]
    assert names(trust, desktops) == {"office", "new"}


def test_what_waits_at_a_box_follows_from_the_root_that_is_in_force(
    trust: TrustStore, key: RootKey, desktops: Desktops
) -> None:
    begin = [trust.root(1)]
    here = linked(begin, key, desktops, "office", "office new")
    trust.accept(here[1])
    apart = linked(begin, key, desktops, "office lost new", "office lost", "office new")
    with pytest.raises(TrustRefused, match="struck off lost"):
        trust.accept(apart[2])
    trust.accept(here[2])
    # It is another root 3 now.
    trust.accept(apart[3])
    assert (trust.root(3), trust.root(4)) == (here[2], apart[3])
    # Whoever has the root key may take somebody back.
    back = root(5, of(desktops, "office", "lost"), key)
    with pytest.raises(TrustRefused, match="struck off lost"):
        trust.accept(back)
    trust.accept(back, root_key=True)
    assert names(trust, desktops) == {"office", "lost"}
    # And whoever made one knowing that they were.
    trust.accept(linked([*apart, back], key, desktops, "office")[-1])
    assert names(trust, desktops) == {"office"}


def test_who_was_struck_off_after_two_sides_had_parted_stays_out(key: RootKey, desktops: Desktops) -> None:
    """Both had admitted the same laptop, and one struck it off again."""
    one = [root(number, of(desktops, *listed), key) for number, listed in ONE_SIDE.items()]
    other = [one[0], *(root(number, of(desktops, *listed), key) for number, listed in OTHER_SIDE.items())]
    for there in (other, other[2:]):
        assert list(who_returns(chain(one), chain(there)).values()) == ["new"]
        assert list(who_returns(chain(there), chain(one)).values()) == ["new"]
    # Whose roots are not all there may have struck off anybody who is not listed.
    assert list(who_returns(chain(one[2:]), chain(other)).values()) == ["new"]


def linked(before: list[bytes], key: RootKey, desktops: Desktops, *listed: str) -> list[bytes]:
    """Roots that go on from these, each of which names the one before it.

    :param listed: of each the desktops, in one word.
    """
    found = list(before)
    for names in listed:
        number = len(found) + 1
        found.append(root(number, of(desktops, *names.split()), key, after=found[-1] if found else None))
    return found


def test_only_the_links_show_after_which_root_another_one_was_made(key: RootKey, desktops: Desktops) -> None:
    begin = linked([], key, desktops, "office", "office lost")
    here = linked(begin, key, desktops, "office")
    beside = linked(begin, key, desktops, "office lost new", "office lost")
    # What it is shown with below decides nothing: this side's own root, the other side's, or none.
    for below in ([*here, beside[3]], beside, beside[3:], [beside[0], beside[3]]):
        assert list(who_returns(chain(here), chain(below)).values()) == ["lost"]
    # Nobody is kept out who was never here, or left before the two parted.
    apart = linked(begin, key, desktops, "office lost new", "office new")
    assert who_returns(chain(here), chain(apart)) == {}
    earlier = linked(linked(begin, key, desktops, "office"), key, desktops, "office", "office new")
    there = linked(earlier[:3], key, desktops, "office", "office", "office lost new")
    assert who_returns(chain(earlier[:4]), chain(there)) == {}
    assert list(who_returns(chain(earlier[:4]), chain(there[5:])).values()) == ["lost"]
    # Made knowing that.
    again = linked(here, key, desktops, "office new", "office lost")
    assert who_returns(chain(here), chain(again)) == {}


def test_of_a_root_that_names_none_before_it_nothing_is_known(key: RootKey, desktops: Desktops) -> None:
    """As earlier releases made them."""
    here = [root(number, of(desktops, *listed), key) for number, listed in ONE_SIDE.items()]
    joined = [*here, root(4, of(desktops, "office", "lost"), key)]
    assert who_returns(chain(here), chain(joined)) == {}
    back = [*here, root(4, of(desktops, "office", "new"), key)]
    assert list(who_returns(chain(here), chain(back)).values()) == ["new"]
    # A desktop that took each of them over knows what it did.
    believed = chain(back, believed=True)
    assert who_returns(chain(here), believed) == {}
    assert who_returns(chain(here[2:]), believed) == {}
    # The first one that names the one before it is a link to it.
    assert who_returns(chain(back), chain(linked(back, key, desktops, "office lost new"))) == {}


ONE_SIDE = {1: ["office"], 2: ["office", "new"], 3: ["office"]}
OTHER_SIDE = {2: ["office"], 3: ["office", "new"], 4: ["office", "new"]}


def chain(bodies: list[bytes], *, believed: bool = False) -> Chain:
    roots = {read_root(body).version: body for body in bodies}

    def body(version: int) -> bytes:
        if version not in roots:
            raise NotFound("not there")
        return roots[version]

    return Chain(read_root(bodies[-1]), body, believed)


def test_a_chain_is_brought_as_far_as_it_has_room() -> None:
    assert to_be_brought([b"1", b"2"]) == [b"1", b"2"]
    assert to_be_brought([b"%d" % number for number in range(300)])[0] == b"44"
    long = bytes(MAX_ROOT_BYTES // 2)
    assert to_be_brought([b"1", long, long]) == [long, long]
    assert to_be_brought([b"1", bytes(MAX_ROOT_BYTES)]) == [bytes(MAX_ROOT_BYTES)]
