"""Following boxes: many connections in one thread, against a real box and against others that misbehave."""

from __future__ import annotations

import http.client
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.context import open_context
from app.fleet import follower as module
from app.fleet.follower import Followed, Follower, News
from app.usecases import boxes
from app.usecases.following import Following
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable, BoxWrongKey
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.contracts.wire import decode
from edge_runtime.enrolment import create_home
from edge_runtime.identity import Identity, create_identity, server_context
from tests.fakes.box_process import CONFIG, BoxProcess, make_box
from tests.fakes.running_box import RunningBox
from tests.fakes.site import FakeSite
from tests.waiting import wait_until

PATIENCE_S = 60


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return create_identity(tmp_path_factory.mktemp("keys") / "desktop", "laptop")


@contextmanager
def running(folder: Path, desktop: Identity, site: FakeSite) -> Iterator[BoxProcess]:
    made = make_box(folder, desktop, site)
    try:
        made.start()
        yield made
        if made.process:
            made.stop()
    finally:
        made.end()


@pytest.fixture(scope="module")
def box(desktop: Identity, first_site: FakeSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    """One that every test follows and none stops."""
    folder = tmp_path_factory.mktemp("followed")
    with running(folder, desktop, first_site.copy(folder / "site")) as made:
        yield made


def put(heard: queue.SimpleQueue[News], news: Sequence[News]) -> int:
    for one in news:
        heard.put(one)
    return 0


def unexpected(error: BaseException) -> None:
    pytest.fail(repr(error))


@contextmanager
def following(*boxes: Followed) -> Iterator[queue.SimpleQueue[News]]:
    heard: queue.SimpleQueue[News] = queue.SimpleQueue()
    errors: list[BaseException] = []

    def tell(news: Sequence[News]) -> int:
        assert len({one.box for one in news}) == len(news)
        return put(heard, news)

    follower = Follower(tell, failed=errors.append, ask_every_s=0.1)
    try:
        follower.follow(boxes)
        yield heard
    finally:
        follower.close()
    assert errors == []


def until(heard: queue.SimpleQueue[News], right: Callable[[News], bool]) -> News:
    while not right(news := heard.get(timeout=PATIENCE_S)):
        pass
    return news


@contextmanager
def impostor(identity: Identity, trusted: str, reply: bytes) -> Iterator[int]:
    """Answers every request of a trusted client with ``reply``."""
    context = server_context(identity, [trusted])
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    plain, _ = server.accept()
                    with context.wrap_socket(plain, server_side=True) as connection:
                        while connection.recv(4096) and reply:
                            connection.sendall(reply)
                except (ssl.SSLError, ConnectionError):
                    continue
                except OSError:
                    break

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def test_a_box_is_asked_again_and_again_and_found_again_after_a_restart(
    desktop: Identity, first_site: FakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.2)
    with running(tmp_path, desktop, first_site.copy(tmp_path / "site")) as box:
        follow_until_it_is_gone(desktop, box)


def follow_until_it_is_gone(desktop: Identity, box: BoxProcess) -> None:
    there = Followed(box.facts["box"], f"127.0.0.1:{box.port}", box.facts["certificate"], desktop)
    nobody = Followed("0" * 64, "127.0.0.1:1", box.facts["certificate"], desktop)
    with following(there, nobody) as heard:
        first = until(heard, lambda news: news.status is not None).status
        assert first is not None
        later = until(heard, lambda news: news.status is not None and news.status.at_ms > first.at_ms).status
        assert later is not None
        assert later.box == box.facts["box"] == first.box
        gone = until(heard, lambda news: news.box == nobody.box)
        assert isinstance(gone.problem, BoxUnreachable)
        assert box.stop() == 0
        assert isinstance(
            until(heard, lambda news: news.box == there.box and news.problem is not None).problem, BoxUnreachable
        )


def test_a_box_that_moved_is_followed_and_one_that_was_forgotten_is_not(desktop: Identity, box: BoxProcess) -> None:
    certificate = box.facts["certificate"]
    heard: queue.SimpleQueue[News] = queue.SimpleQueue()
    follower = Follower(partial(put, heard), failed=unexpected, ask_every_s=0.1)
    try:
        follower.follow([Followed(box.facts["box"], "127.0.0.1:1", certificate, desktop)])
        until(heard, lambda news: news.problem is not None)
        follower.follow([Followed(box.facts["box"], f"127.0.0.1:{box.port}", certificate, desktop)])
        until(heard, lambda news: news.status is not None)
        follower.follow([])

        def silent() -> bool:
            try:
                heard.get(timeout=1.0)
            except queue.Empty:
                return True
            return False

        wait_until(silent, PATIENCE_S, "the box to be left alone")
    finally:
        follower.close()


def test_whoever_does_not_trust_us_or_is_another_is_named(desktop: Identity, box: BoxProcess, tmp_path: Path) -> None:
    stranger = create_identity(tmp_path / "stranger", "stranger")
    address = f"127.0.0.1:{box.port}"
    with following(Followed("1" * 64, address, box.facts["certificate"], stranger)) as heard:
        assert isinstance(until(heard, lambda news: True).problem, BoxRefused)
    with following(Followed("2" * 64, address, stranger.certificate_pem, desktop)) as heard:
        assert isinstance(until(heard, lambda news: True).problem, BoxWrongKey)


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
        b'HTTP/1.1 403 No\r\ncontent-length: 12\r\n\r\n{"error": 7}',
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 2**20,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    ],
    ids=["other", "empty", "broken", "odd refusal", "never ends", "headers", "another protocol", "chunk without end"],
)
def test_rubbish_from_a_box_harms_nobody(
    desktop: Identity, box: BoxProcess, tmp_path: Path, reply: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 3.0)
    bad = create_identity(tmp_path / "bad", "bad")
    with impostor(bad, desktop.certificate_pem, reply) as port:
        hostile = Followed(bad.fingerprint, f"127.0.0.1:{port}", bad.certificate_pem, desktop)
        good = Followed(box.facts["box"], f"127.0.0.1:{box.port}", box.facts["certificate"], desktop)
        with following(hostile, good) as heard:
            assert until(heard, lambda news: news.box == bad.fingerprint).problem is not None
            assert until(heard, lambda news: news.box == good.box).status is not None


@pytest.mark.parametrize("unknown", [RecursionError, ZeroDivisionError, http.client.HTTPException])
def test_whatever_goes_wrong_with_a_box_is_told_and_it_is_followed_again(
    desktop: Identity,
    box: BoxProcess,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    unknown: type[Exception],
) -> None:
    """A fault of this desktop's own, which nobody foresaw: the box does not stay as it was last seen."""
    monkeypatch.setattr(module, "RETRY_S", 0.2)
    mended = threading.Event()

    def read(body: bytes, kind: type[BoxStatus], *, what: str) -> BoxStatus:
        if not mended.is_set():
            raise unknown("nobody foresaw it")
        return decode(body, kind, what=what)

    monkeypatch.setattr(module, "wire", SimpleNamespace(decode=read))
    there = Followed(box.facts["box"], f"127.0.0.1:{box.port}", box.facts["certificate"], desktop)
    with following(there) as heard:
        problem = until(heard, lambda news: news.problem is not None).problem
        assert problem is not None
        assert (problem.code, "nobody foresaw it" in problem.message) == ("internal.bug", True)
        mended.set()
        assert until(heard, lambda news: news.status is not None).problem is None
    assert {one.exc_info[0] for one in caplog.records if one.exc_info} == {unknown}


def test_an_error_of_the_caller_ends_it_and_is_told(desktop: Identity, box: BoxProcess) -> None:
    ended = threading.Event()
    errors: list[BaseException] = []

    def tell(_news: Sequence[News]) -> int:
        raise ZeroDivisionError

    def failed(error: BaseException) -> None:
        errors.append(error)
        ended.set()

    follower = Follower(tell, failed=failed)
    follower.follow([Followed(box.facts["box"], f"127.0.0.1:{box.port}", box.facts["certificate"], desktop)])
    assert ended.wait(PATIENCE_S)
    assert isinstance(errors[0], ZeroDivisionError)
    follower.follow([])
    follower.close()


def test_the_command_tells_what_changes(first_desktop: Path, tmp_path: Path) -> None:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "site-home"))) as ctx:
        made = RunningBox(tmp_path, "line-7")
        made.start()
        box = boxes.enrol_local(ctx, made.home)
    command = [sys.executable, "-m", "app", "--home", str(tmp_path / "site-home"), "boxes", "follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert box.name in first
            assert "no model; camera waiting-for-model" in first
            made.stop()
            while "The box does not answer" not in (line := process.stdout.readline()):
                assert line, "it ended"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_what_boxes_say_is_kept(first_desktop: Path, tmp_path: Path) -> None:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "site-home"))) as ctx:
        frames = tmp_path / "frames"
        frames.mkdir()
        home = create_home(tmp_path / "box", name="line-2", config=CONFIG.format(frames=frames))
        made = BoxProcess(tmp_path / "box", frames, {"box": home.box, "certificate": home.certificate_pem})
        made.start()
        changed = threading.Event()
        try:
            box = boxes.enrol_local(ctx, made.home)
            watching = Following(ctx, changed=changed.set, failed=unexpected)
            try:
                watching.look_again()
                assert changed.wait(PATIENCE_S)
                kept = boxes.get_box(ctx, box.box)
                assert kept.problem is None
                assert kept.status is not None
            finally:
                watching.close()
        finally:
            made.stop()
