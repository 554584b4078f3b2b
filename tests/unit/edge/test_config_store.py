"""Versions of a configuration on the disk: nobody else reads them, and damage costs the history alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge_runtime.configuring import versions
from edge_runtime.configuring.store import FOLDER, KEY, NOTHING_BEFORE, TABLE, ConfigStore, find_config
from edge_runtime.contracts.configuring import MAX_VERSIONS, ConfigHistory
from edge_runtime.contracts.errors import ConfigInvalid, NotFound
from edge_runtime.enrolment import create_home, require_home
from tests.fakes.edge_toml import BARE

GOOD = BARE.format(name="line-2").encode()


def kept(store: ConfigStore, history: ConfigHistory, text: bytes) -> ConfigHistory:
    """With one more text that is in force."""
    number = store.next_number(history)
    store.keep_text(number, text)
    more = versions.add(
        history,
        number=number,
        digest=store.digest(text),
        size=len(text),
        at_ms=1,
        who="box",
        origin="sent",
        state="in-force",
    )
    store.save(more)
    return more


def test_what_is_kept_comes_back_and_is_the_owners_alone(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    history = kept(store, ConfigHistory(), GOOD)
    assert ConfigStore(tmp_path).load() == history
    assert store.text(history.versions[0]) == GOOD
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / FOLDER).iterdir()} == {0o600}


def test_texts_go_with_their_versions_and_no_number_comes_again(tmp_path: Path) -> None:
    store, history = ConfigStore(tmp_path), ConfigHistory()
    for number in range(MAX_VERSIONS + 5):
        history = kept(store, history, b"%d" % number)
    assert len(list((tmp_path / FOLDER).glob("*.toml"))) == len(history.versions) == MAX_VERSIONS
    (tmp_path / FOLDER / TABLE).unlink()
    assert store.next_number(store.load()) == MAX_VERSIONS + 6


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"versions": [{"number": -1}]}', b"\xff\xfe", b'{"versions":' + b"[" * 9999]
)
def test_a_damaged_table_is_put_aside(tmp_path: Path, damage: bytes) -> None:
    store = ConfigStore(tmp_path)
    kept(store, ConfigHistory(), GOOD)
    (tmp_path / FOLDER / TABLE).write_bytes(damage)
    assert store.load() == ConfigHistory()
    assert (tmp_path / FOLDER / f"{TABLE}.damaged").read_bytes() == damage
    assert store.next_number(ConfigHistory()) == 2


def test_nobody_can_try_passwords_on_a_digest(tmp_path: Path) -> None:
    one, other = ConfigStore(tmp_path / "one"), ConfigStore(tmp_path / "other")
    for store, folder in ((one, "one"), (other, "other")):
        (tmp_path / folder).mkdir()
        assert store.digest(GOOD) == ConfigStore(tmp_path / folder).digest(GOOD) != store.digest(GOOD + b"\n")
    assert len({one.digest(GOOD), other.digest(GOOD), hashlib.sha256(GOOD).hexdigest()}) == 3
    assert (tmp_path / "one" / FOLDER / KEY).stat().st_mode & 0o777 == 0o600
    (tmp_path / "one" / FOLDER / KEY).write_bytes(b"short")
    assert ConfigStore(tmp_path / "one").digest(GOOD) == ConfigStore(tmp_path / "one").digest(GOOD)


def test_where_the_file_is_gone_what_was_in_force_is_taken(tmp_path: Path) -> None:
    made = create_home(tmp_path / "box", name="line-2", config=GOOD.decode())
    (tmp_path / "box" / "edge.toml").unlink()
    kept(ConfigStore(tmp_path / "box"), ConfigHistory(), GOOD)
    found = find_config(tmp_path / "box")
    assert (found.text, found.lost) == (GOOD, True)
    # As the service does before each start.
    assert create_home(tmp_path / "box", name="other") == made
    require_home(tmp_path / "box")
    assert not (tmp_path / "box" / "edge.toml").exists(), "the box puts it back, and tells of it"


def test_a_text_that_was_changed_is_not_gone_back_to(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    history = kept(store, ConfigHistory(), GOOD)
    (tmp_path / FOLDER / "1.toml").write_bytes(GOOD + b"\n")
    with pytest.raises(NotFound, match="version 1 is not what was kept"):
        store.text(history.versions[0])


def test_what_cannot_be_used_is_passed_over_on_the_way_back(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    history = ConfigHistory()
    for text in (GOOD, GOOD + b"# damaged later\n", b"name = 3\n", b"in force"):
        history = kept(store, history, text)
    (tmp_path / FOLDER / "2.toml").write_bytes(b"")
    found = store.newest_usable(versions.earlier(history))
    assert found is not None
    assert (found[0].number, found[1].text, found[1].sound.config.name) == (1, GOOD, "line-2")
    (tmp_path / FOLDER / "1.toml").unlink()
    assert store.newest_usable(versions.earlier(history)) is None


def test_a_box_goes_by_its_file_or_else_by_what_was_in_force(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    with pytest.raises(NotFound):
        find_config(tmp_path)
    path.write_bytes(b"name = 3\n")
    with pytest.raises(ConfigInvalid) as refused:
        find_config(tmp_path)
    assert refused.value.hint == NOTHING_BEFORE
    path.write_bytes(b"\xef\xbb\xbf" + GOOD)
    with pytest.raises(ConfigInvalid) as refused:
        find_config(tmp_path)
    assert refused.value.hint == f"Save it as UTF-8 without a byte order mark. {NOTHING_BEFORE}"
    path.write_bytes(b"name = 3\n")
    kept(ConfigStore(tmp_path), ConfigHistory(), GOOD)
    found = find_config(tmp_path)
    assert found.text == GOOD
    assert "name" in found.problem
    path.write_bytes(GOOD + b"# mine\n")
    found = find_config(tmp_path)
    assert (found.text, found.problem) == (GOOD + b"# mine\n", "")
    path.write_bytes(b"name = 3\n")
    (tmp_path / FOLDER / "1.toml").write_bytes(b"name = 4\n")
    with pytest.raises(ConfigInvalid):
        find_config(tmp_path)


SOME_BAD = (
    GOOD
    + b"""
[[pipeline]]
name = "one"
source = "folder:/one"
[[pipeline]]
name = "two"
source = "folder:/two"
keep_random = 7
[[pipeline]]
name = "three"
source = "folder:/three"
[[pipeline]]
name = "one"
source = "folder:/other"
"""
)


def test_without_a_version_of_before_the_lines_that_can_be_used_run(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_bytes(SOME_BAD)
    found = find_config(tmp_path)
    assert (found.text, found.problem) == (SOME_BAD, "")
    assert [line.name for line in found.sound.config.pipeline] == ["one", "three"]
    assert found.sound.positions == (0, 2)
    lines = SOME_BAD.decode().splitlines()
    at = lines.index("keep_random = 7") + 1, len(lines) - 1
    first, second = found.sound.problems
    assert f"line {at[0]}, pipeline[1].keep_random" in first
    assert f"line {at[1]}, pipeline[3].name: two pipelines are called 'one'" in second
    # It is in force as it is, also at the next start; and it is what runs if it is spoiled further.
    store = ConfigStore(tmp_path)
    history = kept(store, ConfigHistory(), SOME_BAD)
    assert find_config(tmp_path) == found
    (tmp_path / "edge.toml").write_bytes(b"name = 3\n")
    again = find_config(tmp_path)
    assert (again.text, again.sound) == (SOME_BAD, found.sound)
    assert "name" in again.problem
    # One that can be used as a whole comes first.
    kept(store, history, GOOD)
    (tmp_path / "edge.toml").write_bytes(SOME_BAD)
    assert find_config(tmp_path).text == GOOD


@pytest.mark.parametrize("left", [b"", b"\0" * 400, b"\n", b"name", GOOD[:20]])
def test_what_a_power_cut_left_of_the_file_is_no_configuration(tmp_path: Path, left: bytes) -> None:
    kept(ConfigStore(tmp_path), ConfigHistory(), GOOD)
    (tmp_path / "edge.toml").write_bytes(left)
    found = find_config(tmp_path)
    assert found.text == GOOD
    assert found.problem
