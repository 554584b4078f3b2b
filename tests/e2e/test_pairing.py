"""Pairing by the one-time code: the real box process, the desktop's use-case, and whoever stands in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.fleet.client import BoxClient
from app.store.records import Box
from app.usecases import boxes, pairing, sites, trust
from edge_runtime.contracts.errors import (
    AlreadyExists,
    InputInvalid,
    LinesideError,
    PairingCodeWrong,
    PairingInterrupted,
    PairingNotOffered,
    PairingPaused,
)
from edge_runtime.pairing.door import MAX_WAITING
from edge_runtime.pairing.machine import BoxSide, CodeDiffers, DesktopSide
from edge_runtime.pairing.messages import (
    HEADER_BYTES,
    BoxFacts,
    DesktopFacts,
    Kind,
    Message,
    Refusal,
    read_header,
    read_refusal,
)
from tests.fakes.imaged_box import ROOT, ImagedBox, imaged_box
from tests.waiting import wait_until

Between = Callable[[int, Message], Message]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("template") / "site"
    sites.create_site(home, "Test site", "correct horse").close()
    return home


@pytest.fixture
def site(template: Path, tmp_path: Path) -> Iterator[Context]:
    shutil.copytree(template, tmp_path / "site")
    with open_context(tmp_path / "site") as ctx:
        yield ctx


@pytest.fixture
def box(tmp_path: Path) -> Iterator[ImagedBox]:
    with imaged_box(tmp_path) as running:
        yield running


def pair(site: Context, box: ImagedBox, code: str | None = None, address: str | None = None) -> Box:
    typed = code or box.code
    return pairing.pair_box(site, address or box.address, lambda _hello: typed)


def lineside(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


def hear(stream: socket.socket) -> Message:
    header = stream.recv(HEADER_BYTES, socket.MSG_WAITALL)
    if len(header) < HEADER_BYTES:
        raise EOFError
    kind, length = read_header(header, *Kind)
    return Message(kind, stream.recv(length, socket.MSG_WAITALL) if length else b"")


def connect(box: ImagedBox) -> socket.socket:
    return socket.create_connection(("127.0.0.1", box.port), timeout=60)


@contextmanager
def in_between(box: ImagedBox, change: Between) -> Iterator[tuple[str, list[Message]]]:
    """A relay, and every message that went over it; ``change`` gets each with its step, from 1."""
    said: list[Message] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def relay() -> None:
        while True:
            try:
                desktop, _ = listener.accept()
            except OSError:
                return
            with desktop, connect(box) as onward:
                desktop.settimeout(60)
                said.clear()
                ends = (desktop, onward)
                try:
                    while True:
                        source, sink = ends[len(said) % 2], ends[1 - len(said) % 2]
                        said.append(hear(source))
                        sink.sendall(change(len(said), said[-1]).encode())
                except (EOFError, OSError):
                    pass

    thread = threading.Thread(target=relay)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", said
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_paired_box_can_show_every_root_of_the_site(site: Context, box: ImagedBox) -> None:
    for _time in range(2):
        trust.rotate_key(site, root_key=site.places.root_key, passphrase="correct horse")
    paired = pair(site, box)
    with BoxClient(paired.address, paired.certificate, site.identity) as client:
        assert [client.root(version) for version in (1, 2, 3)] == site.roots().chain()


def test_the_command_pairs_and_the_code_is_gone(site: Context, box: ImagedBox, tmp_path: Path) -> None:
    home = str(site.home)
    code = tmp_path / "code.txt"
    code.write_text(box.wrong_code())
    refused = lineside("boxes", "pair", box.address, "--code-file", str(code), "--home", home, "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "pairing.code-wrong"
    right = box.code
    code.write_text(right.lower().replace("-", " ") + "\n")
    done = lineside("boxes", "pair", box.address, "--code-file", str(code), "--home", home, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)["box"]
    assert (told["box"], told["name"], told["problem"]) == (box.facts.box, "line-9", None)
    assert told["status"]["box"] == box.facts.box
    assert box.trusts() == {site.identity.fingerprint}
    assert box.codes.read() is None
    boxes.collect(site)
    audits = boxes.page_audits(site).rows
    assert [(row.kind, row.who) for row in audits if row.kind == "desktop.paired"] == [
        ("desktop.paired", site.identity.fingerprint)
    ]
    wait_until(box.is_shut, 20, "the port to be shut")
    again = lineside("boxes", "pair", box.address, "--code-file", str(code), "--home", home)
    assert "[pairing.not-offered]" in again.stderr

    errors = box.stop()
    for text in (errors, box.log):
        assert right not in text
        assert right.replace("-", "") not in text
    assert "lineside-edge code" in errors


def test_on_a_terminal_the_box_shows_its_code(tmp_path: Path) -> None:
    box = ImagedBox(tmp_path)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "edge_runtime", "run", "--home", str(box.home)]
    with subprocess.Popen(command, cwd=ROOT, stderr=theirs) as process:
        os.close(theirs)
        try:
            shown = b""
            while b"takes a code: " not in shown or not shown.endswith(b"\n"):
                shown += os.read(ours, 1000)
            assert box.code.encode() in shown
        finally:
            process.terminate()
            assert process.wait(60) == 0
            os.close(ours)
    assert box.code not in box.log


def test_without_a_terminal_or_a_file_no_code_is_guessed(site: Context, box: ImagedBox) -> None:
    refused = lineside("boxes", "pair", box.address, "--home", str(site.home))
    assert "--code-file" in refused.stderr
    with pytest.raises(InputInvalid):
        pair(site, box, "too few")
    assert box.standing().tries == 0


def test_a_box_that_pairs_with_nobody_makes_no_code_after_a_restart(site: Context, box: ImagedBox) -> None:
    pair(site, box)
    box.stop()
    # As if the power had gone right after the desktop was trusted.
    box.codes.preset("7K3M-X9PD")
    box.run()
    wait_until(lambda: box.codes.read() is None, 30, "the code to be removed")
    assert box.log.count("by its code, on port") == 1


def test_who_relays_learns_nothing_and_a_right_code_still_pairs(site: Context, box: ImagedBox) -> None:
    code = box.code
    with in_between(box, lambda _step, message: message) as (address, said):
        pair(site, box, address=address)
        wire = b"".join(message.encode() for message in said)
    assert len(said) == 8
    for secret in (code, code.replace("-", ""), "CERTIFICATE", "signatures"):
        assert secret.encode() not in wire
    assert box.trusts() == {site.identity.fingerprint}


@pytest.mark.parametrize("step", range(1, 9))
def test_who_changes_a_message_spoils_it_and_is_counted(site: Context, box: ImagedBox, step: int) -> None:
    def change(at: int, message: Message) -> Message:
        if at != step:
            return message
        body = message.body.replace(b"line-9", b"line-8") if at == 2 else message.body[:-1] + b"\1"
        return Message(message.kind, body if body != message.body else message.body[:-1] + b"\2")

    with in_between(box, change) as (address, _said):
        if step == 8:
            # The last word was spoiled, and the box trusts this desktop already: calling it tells.
            assert pair(site, box, address=address).problem is None
            return
        with pytest.raises((PairingInterrupted, PairingNotOffered, PairingCodeWrong)):
            pair(site, box, address=address)
    assert box.trusts() == set()
    # A changed key may be no key at all: then nothing was tried.
    assert box.standing().tries in ((0,) if step == 1 else (0, 1) if step == 3 else (1,))
    assert pair(site, box).problem is None


@pytest.mark.parametrize("changed", [{"box": "ab" * 32}, {"name": "line-8"}])
def test_a_code_typed_for_one_box_is_no_try_at_another(site: Context, box: ImagedBox, changed: dict[str, str]) -> None:
    """Somebody greets as another box first, and hands the second call on to the real one."""
    before, hellos = box.codes.read(), []

    def change(step: int, message: Message) -> Message:
        if step != 2:
            return message
        hellos.append(message)
        return Message(Kind.HELLO, json.dumps({**json.loads(message.body), **changed}).encode())

    def first_only(step: int, message: Message) -> Message:
        return message if hellos else change(step, message)

    with in_between(box, first_only) as (address, _said), pytest.raises(PairingInterrupted, match="Another box greets"):
        pair(site, box, address=address)
    assert box.trusts() == set()
    assert box.codes.read() == before
    assert boxes.list_boxes(site) == []
    assert pair(site, box).problem is None


def test_who_plays_both_sides_with_a_guess_gets_nothing(site: Context, box: ImagedBox) -> None:
    """An impostor of the box towards the desktop, and of the desktop towards the box."""
    guess = box.wrong_code()
    listener = socket.create_server(("127.0.0.1", 0))
    caught: list[type[Exception]] = []

    def impostor() -> None:
        for _ in range(2):
            # The first connection only asks who is there.
            desktop, _ = listener.accept()
            with desktop, connect(box) as onward:
                onward.sendall(hear(desktop).encode())
                greeting = hear(onward)
                hello = DesktopSide.read_hello(greeting)
                fake = BoxSide(hello, BoxFacts(certificate=box.facts.certificate_pem, name="line-9", port=7443))
                desktop.sendall(fake.greet(DesktopSide.greeting()).encode())
                try:
                    desktop.sendall(fake.agree(hear(desktop), guess).encode())
                    fake.prove(hear(desktop))
                except CodeDiffers as error:
                    caught.append(type(error))
                    desktop.sendall(Refusal(reason="wrong-code", tries_left=3).message().encode())
                except EOFError:
                    continue
                mine = DesktopFacts(certificate=site.identity.certificate_pem, root=b"{}")
                towards_box = DesktopSide(guess, mine)
                onward.sendall(towards_box.start(greeting).encode())
                onward.sendall(towards_box.prove(hear(onward)).encode())
                assert read_refusal(hear(onward)).reason == "wrong-code"
                caught.append(PairingCodeWrong)

    thread = threading.Thread(target=impostor)
    thread.start()
    with pytest.raises(PairingCodeWrong):
        pair(site, box, address=f"127.0.0.1:{listener.getsockname()[1]}")
    thread.join()
    listener.close()
    assert caught == [CodeDiffers, PairingCodeWrong]
    assert box.standing().tries == 1
    assert box.trusts() == set()
    assert pair(site, box).name == "line-9"


def test_three_wrong_codes_make_a_new_one_after_a_pause(site: Context, box: ImagedBox) -> None:
    first, wrong = box.code, box.wrong_code()
    for left in ("2 tries are left", "1 try is left", "new code"):
        with pytest.raises(PairingCodeWrong, match=left):
            pair(site, box, wrong)
    second = wait_until(lambda: box.code if box.code != first else None, 10, "a new code")
    assert box.standing().tries == 0
    with pytest.raises(PairingPaused):
        pair(site, box, second)

    def not_paused() -> str:
        try:
            pair(site, box, first)
        except PairingPaused:
            return ""
        except PairingCodeWrong as error:
            return str(error)
        return "paired"

    # The old code is worth nothing, even once codes are taken again.
    assert "2 tries are left" in wait_until(not_paused, 30, "the pause to end")
    assert pair(site, box, second).problem is None
    boxes.collect(site)
    assert "pairing.code-used-up" in {row.kind for row in boxes.page_audits(site).rows}
    for code in (first, second):
        assert code is not None
        assert code not in box.log


def test_tries_are_counted_across_a_restart(site: Context, box: ImagedBox) -> None:
    code, wrong = box.code, box.wrong_code()
    for _ in range(2):
        with pytest.raises(PairingCodeWrong):
            pair(site, box, wrong)
    box.stop(signal.SIGKILL)
    box.start()
    assert (box.code, box.standing().tries_left) == (code, 1)
    assert pair(site, box, code).problem is None


def test_of_desktops_at_the_same_time_one_is_trusted(site: Context, box: ImagedBox, tmp_path: Path) -> None:
    code = box.code
    with ExitStack() as stack:
        contexts = [site]
        for number in range(2):
            stranger = sites.create_site(tmp_path / f"other-{number}", "Other site", "correct horse")
            contexts.append(stack.enter_context(stranger))

        def attempt(ctx: Context) -> Box | LinesideError:
            try:
                return pair(ctx, box, code)
            except LinesideError as error:
                return error

        with ThreadPoolExecutor(len(contexts)) as pool:
            ended = list(pool.map(attempt, contexts))
        paired = [ctx for ctx, end in zip(contexts, ended, strict=True) if isinstance(end, Box)]
        assert len(paired) == 1, ended
        assert box.trusts() == {paired[0].identity.fingerprint}
        assert [len(boxes.list_boxes(ctx)) for ctx in contexts] == [int(ctx is paired[0]) for ctx in contexts]


def test_silent_connections_hold_nobody_up(site: Context, box: ImagedBox) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(box)) for _ in range(3 * MAX_WAITING)]
        for stream in idle[-3:]:
            stream.sendall(DesktopSide.greeting().encode()[:3])
        assert pair(site, box).problem is None


def test_one_who_falls_silent_in_a_try_is_given_up(site: Context, box: ImagedBox) -> None:
    code = box.code
    with connect(box) as slow:
        slow.sendall(DesktopSide.greeting().encode())
        side = DesktopSide(code, DesktopFacts(certificate="", root=b""))
        slow.sendall(side.start(hear(slow)).encode())
        assert hear(slow).kind is Kind.KEY
        assert pair(site, box).problem is None
    assert box.trusts() == {site.identity.fingerprint}


RUBBISH = (
    b"GET / HTTP/1.1\r\nHost: box\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    b"\x01\xff\xff\xff\xff",
    b"\x03\x00\x10\x00\x00" + bytes(100),
    b"\x01\x00\x00\x00\x0flineside pair 2",
    b"\x02\x00\x00\x00\x21" + b"A" * 33,
    bytes(5000),
)


def test_rubbish_is_answered_with_silence(site: Context, box: ImagedBox) -> None:
    for rubbish in RUBBISH:
        with connect(box) as stream:
            stream.sendall(rubbish)
            stream.settimeout(60)
            with suppress(ConnectionResetError):
                assert stream.recv(100) == b"", rubbish
        assert box.standing().tries == 0, rubbish
    assert pair(site, box).problem is None
    assert "Traceback" not in box.stop()


def test_a_try_that_cannot_be_written_down_is_not_given(site: Context, box: ImagedBox) -> None:
    code = box.code
    file, aside = box.home / "trust" / "code", box.home / "aside"
    file.rename(aside)
    # Nobody can write a file of this name.
    file.mkdir()
    with pytest.raises(LinesideError, match="cannot write the try down"):
        pair(site, box, code)
    file.rmdir()
    aside.rename(file)
    assert box.standing().tries == 0
    assert pair(site, box).problem is None


def test_two_boxes_of_one_name_are_told_apart(site: Context, box: ImagedBox, tmp_path: Path) -> None:
    pair(site, box)
    with imaged_box(tmp_path / "elsewhere") as namesake:
        with pytest.raises(AlreadyExists):
            pair(site, namesake)
        assert namesake.standing().tries == 0
        assert namesake.trusts() == set()


def test_a_trusted_box_is_not_paired_by_hand_and_code_at_once(site: Context, box: ImagedBox) -> None:
    code = box.code
    boxes.enrol_local(site, box.home)
    wait_until(lambda: box.codes.read() is None, 20, "the code to be removed")
    with pytest.raises(PairingNotOffered):
        pair(site, box, code)
