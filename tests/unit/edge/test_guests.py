"""What another box may read, for how long, and how much of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.contracts.errors import BoxRefused, InputInvalid
from edge_runtime.identity import Identity, certificate_der, create_identity
from edge_runtime.service.guests import MAX_GUESTS, READINGS, Guests

FILE, OTHER = "a" * 64, "b" * 64


class Door:
    """Guests on a clock of the test's own, and what was noted of them."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.noted: list[tuple[str, str]] = []
        self.guests = Guests(now_s=lambda: self.now_s, audit=lambda kind, message: self.noted.append((kind, message)))


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def box(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "box", "box")


def test_a_guest_is_known_by_its_certificate_and_may_read_one_file(door: Door, box: Identity, tmp_path: Path) -> None:
    der = certificate_der(box.certificate_pem)
    assert door.guests.who(der) is None
    assert door.guests.admit(box.certificate_pem, FILE, size=10, seconds=60) == box.fingerprint
    assert door.guests.who(der) == box.fingerprint
    assert door.guests.anchors() == {box.fingerprint: der}
    assert door.guests.may_read(box.fingerprint, FILE)
    assert not door.guests.may_read(box.fingerprint, OTHER)
    stranger = create_identity(tmp_path / "stranger", "box")
    assert door.guests.who(certificate_der(stranger.certificate_pem)) is None
    assert door.guests.who(None) is None


def test_its_time_ends_by_itself(door: Door, box: Identity) -> None:
    door.guests.admit(box.certificate_pem, FILE, size=10, seconds=60)
    door.guests.count(box.fingerprint, FILE, 7)
    door.now_s = 59.9
    door.guests.tick()
    assert door.guests.may_read(box.fingerprint, FILE)
    door.now_s = 60.0
    assert not door.guests.may_read(box.fingerprint, FILE)
    assert door.guests.anchors() == {}
    assert door.noted == []
    door.guests.tick()
    door.guests.tick()
    assert door.noted == [
        ("guest.ended", f"The box {box.fingerprint} may read {FILE} no more: its time was up. It read 7 bytes.")
    ]


def test_it_may_read_no_more_than_a_few_times_the_file(door: Door, box: Identity) -> None:
    door.guests.admit(box.certificate_pem, FILE, size=10, seconds=60)
    for _ in range(READINGS):
        assert door.guests.may_read(box.fingerprint, FILE)
        door.guests.count(box.fingerprint, FILE, 10)
    assert not door.guests.may_read(box.fingerprint, FILE)
    assert len(door.noted) == 1
    door.guests.count("a desktop", FILE, 10)


def test_there_is_room_for_so_many(door: Door, box: Identity) -> None:
    for number in range(MAX_GUESTS):
        door.guests.admit(box.certificate_pem, f"{number:064}", size=10, seconds=60)
    with pytest.raises(BoxRefused):
        door.guests.admit(box.certificate_pem, FILE, size=10, seconds=60)
    door.guests.admit(box.certificate_pem, f"{0:064}", size=10, seconds=90)  # known already: it may stay longer
    door.now_s = 60.0
    door.guests.admit(box.certificate_pem, FILE, size=10, seconds=60)
    assert door.guests.may_read(box.fingerprint, f"{0:064}")


def test_a_desktop_ends_it(door: Door, box: Identity) -> None:
    door.guests.admit(box.certificate_pem, FILE, size=10, seconds=60)
    door.guests.admit(box.certificate_pem, OTHER, size=10, seconds=60)
    for _ in range(2):
        door.guests.end(box.certificate_pem, FILE)
        assert not door.guests.may_read(box.fingerprint, FILE)
        assert door.guests.may_read(box.fingerprint, OTHER)
    assert len(door.noted) == 1


def test_what_is_no_certificate_admits_nobody(door: Door) -> None:
    with pytest.raises(InputInvalid):
        door.guests.admit("no certificate", FILE, size=10, seconds=60)
    assert door.guests.anchors() == {}
