"""What a box keeps of a desktop's chain goes forward only, in the desktop's own words."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import BoxRefused
from edge_runtime.contracts.witness import ActivityHead, TellRequest, Witnessed, said
from edge_runtime.identity import Identity, certificate_der, create_identity, is_signed_by, signature_of
from edge_runtime.service import witness as witness_module
from edge_runtime.service.trust import TrustStore
from edge_runtime.service.witness import Witness


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def trust(tmp_path: Path, desktop: Identity) -> TrustStore:
    store = TrustStore(tmp_path)
    store.add_desktop(desktop.certificate_pem)
    return store


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def witness(tmp_path: Path, trust: TrustStore, told: list[str]) -> Witness:
    def audit(kind: str, message: str, *, who: str) -> None:
        told.append(kind)

    return Witness(tmp_path, trust, now_ms=lambda: 7, audit=audit)


def head(desktop: Identity, entry: int, name: str = "") -> ActivityHead:
    what = digest(name or str(entry))
    return ActivityHead(
        entry=entry, digest=what, signature=signature_of(desktop, said(desktop.fingerprint, entry, what))
    )


def tell(witness: Witness, desktop: Identity, told: ActivityHead, after: str = "") -> Witnessed:
    return witness.tell(desktop.fingerprint, TellRequest(head=told, after=after))


def test_it_goes_forward_only_and_only_from_what_it_has(witness: Witness, desktop: Identity, tmp_path: Path) -> None:
    assert witness.kept(desktop.fingerprint) == Witnessed()
    five, nine = head(desktop, 5), head(desktop, 9)
    assert tell(witness, desktop, five) == Witnessed(head=five, at_ms=7)
    for wrong, after in (
        (head(desktop, 4), five.digest),
        (head(desktop, 5, "another"), five.digest),
        (nine, ""),
        (nine, digest("another")),
    ):
        assert tell(witness, desktop, wrong, after).head == five
    assert tell(witness, desktop, nine, five.digest).head == nine

    def silent(kind: str, message: str, *, who: str) -> None:
        """Nothing that is done here is worth an audit."""

    again = Witness(tmp_path, TrustStore(tmp_path), now_ms=lambda: 8, audit=silent)
    assert again.kept(desktop.fingerprint).head == nine


def test_only_the_desktop_itself_can_say_it(witness: Witness, desktop: Identity, tmp_path: Path) -> None:
    other = create_identity(tmp_path / "other", "laptop")
    five = head(desktop, 5)
    for wrong in (
        replace(five, entry=6),
        replace(five, digest=digest("x")),
        replace(five, signature="0" * 128),
        head(other, 5),
    ):
        with pytest.raises(BoxRefused):
            tell(witness, desktop, wrong)
    with pytest.raises(BoxRefused):
        tell(witness, other, head(other, 5))
    assert witness.kept(desktop.fingerprint) == Witnessed()
    assert is_signed_by(
        certificate_der(desktop.certificate_pem), said(desktop.fingerprint, 5, digest("5")), five.signature
    )


def test_who_is_trusted_no_more_gives_its_place_first(
    witness: Witness, desktop: Identity, trust: TrustStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_module, "MOST_KEPT", 2)
    others = [create_identity(tmp_path / f"other-{number}", "laptop") for number in range(2)]
    tell(witness, desktop, head(desktop, 1))
    for other in others:
        trust.add_desktop(other.certificate_pem)
        tell(witness, other, head(other, 1))
        (tmp_path / "trust" / "desktops" / f"{other.fingerprint}.pem").unlink()
    tell(witness, desktop, head(desktop, 2), head(desktop, 1).digest)
    assert [witness.kept(one.fingerprint).head is not None for one in (desktop, *others)] == [True, False, True]


@pytest.mark.parametrize(
    "rot", [b"no database at all, but long enough for one" * 100, b"SQLite format 3\0" + b"\1" * 5000]
)
def test_a_damaged_file_begins_anew_and_the_box_says_so(
    witness: Witness, desktop: Identity, told: list[str], tmp_path: Path, rot: bytes
) -> None:
    tell(witness, desktop, head(desktop, 5))
    for name in ("witness.db-wal", "witness.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "witness.db").write_bytes(rot)
    assert witness.kept(desktop.fingerprint) == Witnessed()
    assert told == ["witness.lost"]
    assert tell(witness, desktop, head(desktop, 6)).head == head(desktop, 6)
    assert (tmp_path / "witness.db.damaged").exists()
