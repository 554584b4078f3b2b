"""Enrolment and release over SSH from the window, with a real machine behind it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLineEdit

from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.notes import WORDS, Note
from app.fleet.ssh.sign_in import SignIn
from app.gui.pages.add_box import AddBox
from app.gui.pages.boxes import BoxesPage
from app.gui.pages.ssh_jobs import ReleaseBox, Told, UpdateBox
from app.gui.ssh_notes import TEXTS, say_note
from app.usecases import boxes
from app.usecases.enrolment import enrol_over_ssh
from app.usecases.release import Rows
from tests.fakes.bare_machine import PASSWORD, USER, bare_machine, needed
from tests.fakes.light_bundles import light_bundle
from tests.fakes.network import network
from tests.gui.conftest import Bench


def page_of(bench: Bench) -> BoxesPage:
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    return page


def test_notes_are_worded_as_on_the_command_line() -> None:
    assert TEXTS == WORDS
    slow = Note(kind="clock-slow", facts={"apart_ms": "7200000", "now_s": "1790000000"})
    assert say_note(slow).startswith("Its clock is 2")
    assert "date -s @1790000000" in say_note(slow)


def test_what_is_missing_is_said_before_anything_begins(bench: Bench) -> None:
    dialog = page_of(bench).add_box()
    dialog.way.choose("ssh")
    dialog._show_way()
    bench.settle()
    assert dialog.ssh.password.echoMode() == QLineEdit.EchoMode.Password
    for field, text, complaint in (
        (dialog.ssh.address, "pi@192.0.2.7", "where the machine is"),
        (dialog.ssh.host_key, "yes", "fingerprint"),
        (dialog.ssh.password, "secret", "Type the password"),
    ):
        dialog.submit()
        assert complaint in dialog.complaint
        field.setText(text)
    dialog.submit()
    assert "not the fingerprint of a host key" in dialog.complaint
    dialog.ssh.host_key.setText("SHA256:" + "A" * 43)
    dialog.ssh.address.setText("192.0.2.7")
    dialog.submit()
    assert "is not an address" in dialog.complaint
    dialog.reject()


@pytest.mark.parametrize("way", ["password", "key", "agent"])
def test_each_way_of_signing_in_shows_its_own_fields(bench: Bench, way: str) -> None:
    dialog = page_of(bench).add_box()
    dialog.way.choose("ssh")
    dialog._show_way()
    dialog.ssh.way.choose(way)
    dialog.ssh._show_way()
    bench.settle()
    assert dialog.ssh.key.isVisible() == (way == "key")
    assert dialog.ssh.passphrase.isVisible() == (way == "key")
    assert dialog.ssh.password.isVisible() == (way == "password")
    assert dialog.ssh.sudo.isVisible()
    signed = dialog.ssh.sign_in()
    assert (signed.key is not None, signed.password is not None) == (way == "key", way == "password")
    dialog.reject()


@pytest.mark.parametrize("mark", [pytest.param("", marks=needed)])
def test_a_machine_becomes_a_box_and_is_bare_again(
    bench: Bench, tmp_path: Path, errors: list[BaseException], mark: str
) -> None:
    page = page_of(bench)
    with network() as net, bare_machine(tmp_path / "bare", net) as machine:
        machine.serve()
        before = machine.written()
        dialog = page.add_box()
        dialog.way.choose("ssh")
        dialog._show_way()
        dialog.ssh.address.setText(f"{USER}@{machine.address}")
        dialog.ssh.host_key.setText(machine.fingerprint())
        dialog.ssh.password.setText(PASSWORD)
        dialog.name.setText("line-2")
        dialog.bundle.edit.setText(str(light_bundle(tmp_path / "bundle")))
        dialog.primary.click()
        bench.settle()
        assert errors == []
        (added,) = boxes.list_boxes(bench.context)
        assert (added.name, added.problem) == ("line-2", None)
        (told,) = page.findChildren(Told)
        assert any("nothing starts that at boot" in note for note in told.notes)
        told.accept()
        bench.settle()

        again = page.add_box()
        again.way.choose("ssh")
        again.ssh.address.setText(f"{USER}@{machine.address}")
        bench.settle()
        assert again.ssh.host_key.text() == machine.fingerprint()
        # What a person typed stays.
        again.ssh.host_key.setText("SHA256:other")
        again.ssh.address.setText(f"{USER}@{machine.address}:22")
        bench.settle()
        assert again.ssh.host_key.text() == "SHA256:other"
        again.reject()

        newer = page.detail.ask_to_update()
        assert isinstance(newer, UpdateBox)
        bench.settle()
        assert (newer.ssh.address.text(), newer.ssh.host_key.text()) == (
            f"{USER}@{machine.address}",
            machine.fingerprint(),
        )
        newer.ssh.password.setText(PASSWORD)
        newer.bundle.edit.setText(str(light_bundle(tmp_path / "newer", note="# newer\n")))
        newer.primary.click()
        bench.settle()
        assert errors == []
        assert [box.box for box in boxes.list_boxes(bench.context)] == [added.box]
        for told in page.findChildren(Told):
            told.accept()
        bench.settle()

        asked = page.detail.ask_to_release()
        assert isinstance(asked, ReleaseBox)
        bench.settle()
        assert asked.ssh.address.text() == f"{USER}@{machine.address}"
        assert asked.ssh.host_key.text() == machine.fingerprint()
        assert asked.rows.value is Rows.COLLECT
        asked.ssh.password.setText(PASSWORD)
        asked.primary.click()
        bench.settle()
        assert errors == []
        assert boxes.list_boxes(bench.context) == []
        assert machine.changes(before) == {}
        (told,) = page.findChildren(Told)
        assert "port 7443" in told.notes[0]
        told.accept()


@pytest.mark.parametrize("way", ["password", "key", "agent"])
def test_what_was_refused_comes_again_filled_in_but_for_the_secrets(
    bench: Bench, tmp_path: Path, errors: list[BaseException], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    page = page_of(bench)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    first = page.add_box()
    first.way.choose("ssh")
    first._show_way()
    key = "SHA256:" + "A" * 43
    filled = (
        (first.ssh.address, f"{USER}@127.0.0.1:{port}"),
        (first.ssh.host_key, key),
        (first.ssh.key.edit, str(tmp_path / "id")),
        (first.ssh.password, PASSWORD),
        (first.name, "line-2"),
        (first.bundle.edit, str(tmp_path / "bundle.zip")),
    )
    for field, text in filled:
        field.setText(text)
    first.ssh.way.choose(way)
    first.primary.click()
    bench.settle()
    (again,) = [one for one in page.findChildren(AddBox) if one.isVisible()]
    assert again is not first
    assert "127.0.0.1" in again.complaint
    assert (again.way.value, again.ssh.way.value, again.name.text()) == ("ssh", way, "line-2")
    assert (again.ssh.address.text(), again.ssh.host_key.text()) == (f"{USER}@127.0.0.1:{port}", key)
    assert again.ssh.key.path == (str(tmp_path / "id") if way == "key" else "")
    assert again.bundle.path == str(tmp_path / "bundle.zip")
    assert (again.ssh.password.text(), again.ssh.sudo.text()) == ("", "")
    assert again.ssh.password.isVisible() == (way == "password")
    assert errors == []
    again.reject()
    bench.settle()


@pytest.mark.parametrize("mark", [pytest.param("", marks=needed)])
def test_a_machine_that_is_not_listed_is_released_by_its_address(
    bench: Bench, tmp_path: Path, errors: list[BaseException], mark: str
) -> None:
    page = page_of(bench)
    with network() as net, bare_machine(tmp_path / "bare", net) as machine:
        machine.serve()
        before = machine.written()
        target = SshTarget(USER, machine.address)
        bundle = light_bundle(tmp_path / "bundle")
        signed = SignIn(password=PASSWORD)
        enrolled = enrol_over_ssh(bench.context, target, machine.fingerprint(), signed, name="line-2", bundle=bundle)
        boxes.forget_box(bench.context, enrolled.box.box)
        assert "Take Lineside off a machine…" in [command.title for command in page.commands()]
        asked = page.ask_to_release_machine()
        assert (asked.site.value, asked.rows.value) == (False, Rows.KEEP)
        asked.primary.click()
        assert "where the machine is" in asked.complaint
        asked.ssh.address.setText(f"{USER}@{machine.address}")
        asked.ssh.host_key.setText(machine.fingerprint())
        asked.ssh.password.setText(PASSWORD)
        asked.rows.choose(Rows.DISCARD)
        asked.primary.click()
        bench.settle()
        assert errors == []
        assert machine.changes(before) == {}
        (told,) = page.findChildren(Told)
        assert "port 7443" in told.notes[0]
        told.accept()
