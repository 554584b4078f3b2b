"""What a desktop delivers piece by piece."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import InputInvalid, NotFound, ObjectCorrupt
from edge_runtime.update.inbox import MAX_METADATA_BYTES, Inbox

BODY = bytes(range(256)) * 40
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox")


def test_pieces_make_a_whole(inbox: Inbox) -> None:
    assert inbox.have(DIGEST) == (0, False)
    assert inbox.append(DIGEST, 0, BODY[:1000], len(BODY)) == 1000
    assert inbox.have(DIGEST) == (1000, False)
    with pytest.raises(NotFound):
        inbox.path(DIGEST)
    assert inbox.append(DIGEST, 1000, BODY[1000:], len(BODY)) == len(BODY)
    assert inbox.have(DIGEST) == (len(BODY), True)
    assert inbox.path(DIGEST).read_bytes() == BODY


def test_a_delivery_goes_on_after_a_restart(inbox: Inbox, tmp_path: Path) -> None:
    inbox.append(DIGEST, 0, BODY[:5000], len(BODY))
    again = Inbox(tmp_path / "inbox")
    here, complete = again.have(DIGEST)
    assert (here, complete) == (5000, False)
    again.append(DIGEST, here, BODY[here:], len(BODY))
    assert again.path(DIGEST).read_bytes() == BODY


def test_a_piece_sent_twice_changes_nothing(inbox: Inbox) -> None:
    inbox.append(DIGEST, 0, BODY[:1000], len(BODY))
    assert inbox.append(DIGEST, 0, BODY[:1000], len(BODY)) == 1000
    inbox.append(DIGEST, 1000, BODY[1000:], len(BODY))
    assert inbox.append(DIGEST, 1000, BODY[1000:], len(BODY)) == len(BODY)
    assert inbox.path(DIGEST).read_bytes() == BODY


def test_wrong_bytes_are_dropped(inbox: Inbox) -> None:
    with pytest.raises(ObjectCorrupt):
        inbox.append(DIGEST, 0, b"x" + BODY[1:], len(BODY))
    assert inbox.have(DIGEST) == (0, False)
    inbox.append(DIGEST, 0, BODY, len(BODY))
    assert inbox.have(DIGEST) == (len(BODY), True)


@pytest.mark.parametrize("again", [False, True], ids=["at once", "after a restart"])
def test_what_neighbours_brought_goes_and_what_a_desktop_sent_stays(
    inbox: Inbox, tmp_path: Path, *, again: bool
) -> None:
    size = len(BODY)
    inbox.append(DIGEST, 0, BODY[:1000], size)
    inbox.append(DIGEST, 1000, b"x" * 500, size, neighbour=True)
    inbox.append(DIGEST, 1500, b"x" * 500, size, neighbour=True)
    inbox.append(DIGEST, 2000, BODY[2000:3000], size)
    inbox.append(DIGEST, 3000, BODY[3000:4000], size, neighbour=True)
    with pytest.raises(ObjectCorrupt):
        inbox.append(DIGEST, 4000, BODY[4000:], size)
    inbox = Inbox(tmp_path / "inbox") if again else inbox
    assert inbox.have(DIGEST, size) == (1000, False)
    with pytest.raises(ObjectCorrupt):
        inbox.append(DIGEST, 1000, BODY[1000:], size, neighbour=True)
    assert inbox.append(DIGEST, 1000, BODY[1000:1200], size) == 1200
    inbox = Inbox(tmp_path / "inbox") if again else inbox
    assert inbox.append(DIGEST, 1200, BODY[1200:5000], size) == 3000, "no further than to what is here"
    assert inbox.append(DIGEST, 3000, BODY[3000:], size) == size
    assert inbox.path(DIGEST).read_bytes() == BODY
    assert [path.name for path in (tmp_path / "inbox" / "objects").iterdir()] == [DIGEST]


def test_what_a_desktop_sent_wrong_goes_too_once_it_alone_can_be(inbox: Inbox) -> None:
    inbox.append(DIGEST, 0, b"x", len(BODY))
    with pytest.raises(ObjectCorrupt):
        inbox.append(DIGEST, 1, BODY[1:], len(BODY), neighbour=True)
    assert inbox.have(DIGEST) == (1, False)
    with pytest.raises(ObjectCorrupt):
        inbox.append(DIGEST, 1, BODY[1:], len(BODY))
    assert inbox.have(DIGEST) == (0, False)
    inbox.append(DIGEST, 0, BODY, len(BODY))
    assert inbox.path(DIGEST).read_bytes() == BODY


@pytest.mark.parametrize("left", [b"", b"no JSON", b'{"spans":[{"start":5,"end":9}],"doubted":true}'])
def test_notes_that_a_power_cut_left_spoil_nothing(inbox: Inbox, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "inbox" / "objects" / f"{DIGEST}.borrowed").write_bytes(left)
    assert inbox.append(DIGEST, 0, BODY[:7], len(BODY)) == 7
    inbox.append(DIGEST, 7, BODY[7:], len(BODY))
    assert inbox.path(DIGEST).read_bytes() == BODY


@pytest.mark.parametrize(
    ("offset", "chunk", "size"),
    [(5, b"x", 10), (-1, b"x", 10), (0, b"xx", 1), (0, b"x", 0), (0, b"x", -4), (0, b"x", 2**40)],
)
def test_pieces_that_do_not_fit_are_refused(inbox: Inbox, offset: int, chunk: bytes, size: int) -> None:
    with pytest.raises(InputInvalid):
        inbox.append(DIGEST, offset, chunk, size)
    assert inbox.have(DIGEST) == (0, False)


@pytest.mark.parametrize("name", ["", "../x", "A" * 64, "0" * 63, "/etc/passwd", DIGEST + "\n", DIGEST + ".incoming"])
def test_only_digests_are_names(inbox: Inbox, name: str) -> None:
    for act in (inbox.have, inbox.path, inbox.discard, lambda n: inbox.append(n, 0, b"x", 1)):
        with pytest.raises(InputInvalid):
            act(name)


def test_what_was_discarded_is_gone(inbox: Inbox) -> None:
    inbox.append(DIGEST, 0, BODY, len(BODY))
    inbox.discard(DIGEST)
    inbox.discard(DIGEST)
    assert inbox.have(DIGEST) == (0, False)


@pytest.mark.parametrize("name", ["1.root.json", "timestamp.json", "17.snapshot.json", "1795253444.targets.json"])
def test_metadata_comes_back(inbox: Inbox, name: str) -> None:
    inbox.put_metadata(name, b"{}")
    assert inbox.metadata(name) == b"{}"


@pytest.mark.parametrize(
    "name",
    ["root.json", "0.root.json", "../1.root.json", "1.root.json\n", "1.timestamp.json", "1.evil.json", "x/1.root.json"],
)
def test_other_metadata_names_are_refused(inbox: Inbox, name: str, tmp_path: Path) -> None:
    with pytest.raises(InputInvalid):
        inbox.put_metadata(name, b"{}")
    with pytest.raises(NotFound):
        inbox.metadata(name)
    assert [path for path in (tmp_path / "inbox").rglob("*") if path.is_file()] == []


def test_metadata_has_a_limit_and_old_versions_go(inbox: Inbox, tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="at most"):
        inbox.put_metadata("timestamp.json", b" " * (MAX_METADATA_BYTES + 1))
    for version in range(1, 12):
        inbox.put_metadata(f"{version}.targets.json", b"{}")
        inbox.put_metadata(f"{version}.root.json", b"{}")
    kept = {path.name for path in (tmp_path / "inbox" / "metadata").iterdir()}
    assert {name for name in kept if "targets" in name} == {f"{version}.targets.json" for version in (8, 9, 10, 11)}
    assert sum("root" in name for name in kept) == 11
    with pytest.raises(NotFound):
        inbox.metadata("1.targets.json")
