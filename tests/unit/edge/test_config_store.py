"""Versions of a configuration on the disk: nobody else reads them, and damage costs the history alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.configuring import versions
from edge_runtime.configuring.store import FOLDER, TABLE, ConfigStore, digest_of, find_config
from edge_runtime.contracts.configuring import MAX_VERSIONS, ConfigHistory
from edge_runtime.contracts.errors import ConfigInvalid, NotFound
from tests.fakes.edge_toml import BARE

GOOD = BARE.format(name="line-2").encode()


def kept(store: ConfigStore, history: ConfigHistory, text: bytes) -> ConfigHistory:
    """With one more text that is in force."""
    number = store.next_number(history)
    store.keep_text(number, text)
    more = versions.add(
        history,
        number=number,
        digest=digest_of(text),
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


def test_a_text_that_was_changed_is_not_gone_back_to(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    history = kept(store, ConfigHistory(), GOOD)
    (tmp_path / FOLDER / "1.toml").write_bytes(GOOD + b"\n")
    with pytest.raises(NotFound, match="version 1 is not what was kept"):
        store.text(history.versions[0])


def test_a_box_goes_by_its_file_or_else_by_what_was_in_force(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    with pytest.raises(NotFound):
        find_config(tmp_path)
    path.write_bytes(b"name = 3\n")
    with pytest.raises(ConfigInvalid):
        find_config(tmp_path)
    kept(ConfigStore(tmp_path), ConfigHistory(), GOOD)
    found = find_config(tmp_path)
    assert found.text == GOOD
    assert "name" in found.problem
    path.write_bytes(GOOD + b"# mine\n")
    assert find_config(tmp_path) == (GOOD + b"# mine\n", "")
    path.write_bytes(b"name = 3\n")
    (tmp_path / FOLDER / "1.toml").write_bytes(b"name = 4\n")
    with pytest.raises(ConfigInvalid):
        find_config(tmp_path)
