"""Cameras and streams: real servers that hang, cut, freeze and come back, through the real OpenCV."""

from __future__ import annotations

import hashlib
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources import capture, live, open_source, public_address
from edge_runtime.sources.base import Frame, Source, SourceOptions
from edge_runtime.sources.diagnosis import Answer, Question, ask, why_no_stream
from edge_runtime.sources.live import CameraSource, StreamSource
from edge_runtime.sources.urls import check_url, without_secrets
from tests.fakes.cameras import Mode, NetworkCamera
from tests.fakes.rtsp_camera import RtspCamera
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, seconds in {
        "FIRST_PAUSE_S": 0.02,
        "LONGEST_PAUSE_S": 0.1,
        "FROZEN_AFTER_S": 0.3,
        "SILENT_AFTER_S": 0.2,
    }.items():
        monkeypatch.setattr(live, name, seconds)
    monkeypatch.setattr(capture, "OPEN_TIMEOUT_S", 1.0)
    monkeypatch.setattr(capture, "READ_TIMEOUT_S", 1.0)
    yield
    wait_until(
        lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("read-")], 10, "threads"
    )


@pytest.fixture
def camera() -> Iterator[NetworkCamera]:
    with NetworkCamera() as opened:
        yield opened


def stream(url: str, *, fps: float | None = None) -> Source:
    return open_source(f"stream:{url}", Path("unused"), SourceOptions(fps=fps))


def frame_of(source: Source) -> Frame:
    return wait_until(lambda: source.read(0.1), 10, f"a picture; {source.problem}")


def problem_of(source: Source, words: str) -> str:
    return wait_until(lambda: words in (source.problem or "") and source.problem, 10, f"{words!r}; {source.problem}")


@contextmanager
def listened_to(source: Source) -> Iterator[list[str]]:
    """What it says is amiss, at any moment."""
    told: list[str] = []
    ended = threading.Event()

    def listen() -> None:
        while not ended.wait(0.01):
            told.append(source.problem or "")

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield told
    finally:
        ended.set()
        listener.join()


def test_a_stream_gives_the_cameras_own_jpegs(camera: NetworkCamera) -> None:
    source = stream(camera.url)
    seen = [frame_of(source) for _ in range(5)]
    assert all(frame.data in camera.jpegs for frame in seen)
    assert len({frame.name for frame in seen}) == 5
    assert source.problem is None
    assert not source.finished
    source.close()


def test_what_nobody_takes_is_dropped_and_counted_and_the_newest_comes(camera: NetworkCamera) -> None:
    source = stream(camera.url)
    first = frame_of(source)
    wait_until(lambda: source.dropped >= 20, 10, "pictures that nobody took")
    second = frame_of(source)
    passed = int(second.name.split("-")[1]) - int(first.name.split("-")[1])
    assert passed > 20
    source.close()


def test_the_pace_is_kept_down(camera: NetworkCamera) -> None:
    begun = time.monotonic()
    source = stream(camera.url, fps=10.0)
    wait_until(lambda: int(frame_of(source).name.rpartition("-")[2]) > 6, 10, "seven pictures")
    # At 100 pictures a second without it; no bound above, for the machine may be slow.
    assert time.monotonic() - begun > 0.5
    source.close()


def test_a_stream_that_is_cut_is_opened_again_for_ever(camera: NetworkCamera) -> None:
    source = stream(camera.url)

    def is_visited(times: int) -> bool:
        return camera.visits > times

    for _ in range(2):
        frame_of(source)
        camera.mode = "cut"
        problem_of(source, "")
        wait_until(partial(is_visited, camera.visits + 2), 10, "attempts while it is away")
        camera.mode = "live"
        wait_until(lambda: source.read(0.1) and source.problem is None, 10, "pictures again")
    source.close()


def test_a_server_that_stops_and_starts_again_at_the_same_place() -> None:
    with NetworkCamera() as first:
        source = stream(first.url)
        frame_of(source)
    problem_of(source, "nothing listens there")
    with NetworkCamera(port=first.port):
        wait_until(lambda: source.read(0.1) and source.problem is None, 10, "pictures of the new server")
        source.close()


def test_a_stream_that_hangs_is_told_of_holds_up_nobody_and_goes_on(
    camera: NetworkCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = stream(camera.url)
    frame_of(source)
    camera.mode = "hang"
    assert "no picture for" in problem_of(source, "has sent no picture")
    wait_until(lambda: camera.visits > 1, 10, "the time-out and another attempt")
    # From now on it hangs for longer than anything here may take.
    for name in ("OPEN_TIMEOUT_S", "READ_TIMEOUT_S"):
        monkeypatch.setattr(capture, name, 120.0)
    camera.mode = "live"
    frame_of(source)
    camera.mode = "hang"
    wait_until(lambda: source.read(0.05) is None, 10, "the last picture to be taken")
    begun = time.monotonic()
    assert source.read(0.05) is None
    source.close()
    assert time.monotonic() - begun < 60


def test_a_frozen_picture_is_told_of_until_it_moves(camera: NetworkCamera) -> None:
    source = stream(camera.url)
    frame_of(source)
    camera.mode = "frozen"
    assert "the same to the last bit" in problem_of(source, "frozen")
    assert source.read(1.0) is not None
    camera.mode = "live"
    wait_until(lambda: source.read(0.1) and source.problem is None, 10, "a picture that moves")
    source.close()


def test_a_picture_now_and_then_is_not_a_frozen_one(camera: NetworkCamera) -> None:
    # Of any two that are taken nobody looks at those between.
    source = stream(camera.url, fps=1.0)
    with listened_to(source) as told:
        for _ in range(3):
            wait_until(lambda: source.read(0.01), 20, "a picture")
    assert not [words for words in told if "frozen" in words]
    camera.mode = "frozen"
    problem_of(source, "frozen")
    source.close()


def test_a_camera_that_sends_as_seldom_as_is_asked_of_it_is_not_silent() -> None:
    with NetworkCamera(pause_s=0.5) as slow:
        source = stream(slow.url, fps=0.5)
        frame_of(source)
        shown = slow.shown
        with listened_to(source) as told:
            wait_until(lambda: slow.shown > shown + 3, 20, "pictures of the camera")
        assert not [words for words in told if "no picture" in words]
        source.close()


def test_a_password_opens_the_stream_and_is_shown_nowhere(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with NetworkCamera(user="admin:s3cret") as camera:
        place = f"127.0.0.1:{camera.port}/live.mjpg"
        good = stream(f"http://admin:s3cret@{place}?token=s3cret")
        frame_of(good)
        assert good.address == f"stream:http://…@{place}?token=…"
        good.close()
        wrong = stream(f"http://admin:s3cret2@{place}?token=s3cret")
        assert "refuses the user name or the password" in problem_of(wrong, "password")
        missing = stream(f"http://{place}")
        assert "wants a user name and a password" in problem_of(missing, "wants")
        said = [wrong.address, wrong.problem, missing.problem, caplog.text, *capfd.readouterr()]
        wrong.close()
        missing.close()
    assert "s3cret" not in " ".join(map(str, said))
    assert public_address("stream:rtsp://u:s3cret@camera/live?pwd=s3cret") == "stream:rtsp://…@camera/live?pwd=…"
    with pytest.raises(InputInvalid) as refused:
        stream("rtsp://u:s3cret@:port/ /")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("digest", [False, True])
def test_an_rtsp_camera_with_a_password(digest: bool) -> None:
    with RtspCamera(user="viewer:s3c/ret", digest=digest) as camera:
        source = stream(f"rtsp://viewer:s3c%2Fret@{camera.place}")
        frame = frame_of(source)
        scenes = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in camera.jpegs]
        shown = cv2.imdecode(np.frombuffer(frame.data, np.uint8), cv2.IMREAD_COLOR)
        # The very picture: RTP carries a JPEG without its tables, and they were put back.
        assert shown is not None
        assert any(np.array_equal(shown, scene) for scene in scenes if scene is not None)
        source.close()
        wrong = stream(f"rtsp://viewer:wrong@{camera.place}")
        assert "refuses the user name or the password" in problem_of(wrong, "password")
        wrong.close()
        # The path is wrong, and the password is not to blame.
        elsewhere = stream(f"rtsp://viewer:s3c%2Fret@{camera.place.replace('/live', '/other')}")
        assert "has no such stream" in problem_of(elsewhere, "path")
        elsewhere.close()
        nobody = stream(f"rtsp://{camera.place}")
        assert "put them into the address" in problem_of(nobody, "wants a user name")
        nobody.close()


def test_a_path_that_is_not_there_and_one_that_is_forbidden_are_not_the_passwords_fault() -> None:
    with NetworkCamera(user="admin:s3cret") as camera:
        place = f"http://admin:s3cret@127.0.0.1:{camera.port}"
        elsewhere = stream(f"{place}/video.mjpg")
        assert "password" not in problem_of(elsewhere, "has no such stream")
        elsewhere.close()
        camera.mode = "forbidden"
        forbidden = stream(f"{place}/live.mjpg")
        assert "password" not in problem_of(forbidden, "does not let this user see the stream")
        forbidden.close()


_MD5, _OTHER = 'Digest realm="x", nonce="y", algorithm=MD5', 'Digest realm="x", nonce="z", algorithm=SHA-512-256'


@pytest.mark.parametrize(
    "challenges",
    [
        (_MD5,),
        (_MD5.replace("MD5", '"md5"'),),
        (_MD5, _OTHER),
        (_OTHER, _MD5),
        (_MD5, _OTHER, 'Basic realm="x"'),
        (f'Basic realm="x", {_MD5}',),
    ],
)
def test_of_several_kinds_of_digest_one_that_is_known_is_taken(challenges: tuple[str, ...]) -> None:
    question = Question("GET", "/live", "HTTP/1.0", "")
    text = question.with_password(_answer(challenges).challenges, "u", "pw")
    assert text is not None
    a1, a2 = (hashlib.md5(words).hexdigest() for words in (b"u:x:pw", b"GET:/live"))
    proof = hashlib.md5(f"{a1}:y:{a2}".encode()).hexdigest()
    assert f'response="{proof}"' in text
    assert "Basic" not in text


def _answer(challenges: Iterable[str]) -> Answer:
    """As it is found in a real answer."""
    lines = "".join(f"WWW-Authenticate: {challenge}\r\n" for challenge in challenges)
    here, there = socket.socketpair()
    with here, there:
        there.sendall(f"HTTP/1.0 401 No\r\n{lines}\r\n".encode())
        answer = ask(here, "")
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        ("Negotiate", "(Negotiate)"),
        ('Digest realm="x", nonce="y", algorithm=SHA-512-256', "(Digest)"),
        ('Digest realm="x", nonce="y", algorithm=SHA-512-256\r\nWWW-Authenticate: Basic realm="x"', "(Digest, Basic)"),
        ('Basic realm="x", Digest realm="x", nonce="y", algorithm=SHA-512-256', "(Basic, Digest)"),
        ('Digest realm="x", nonce="y", qop="auth-int"', "(Digest)"),
        ("Digest", "(Digest)"),
        ('Digest =,",="', "(Digest)"),
    ],
)
def test_a_camera_that_wants_a_password_in_an_unknown_way_is_told_of(challenge: str, words: str) -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(f"HTTP/1.0 401 No\r\nWWW-Authenticate: {challenge}\r\n\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        said = why_no_stream(f"http://u:s3cret@127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert words in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("mode", "words"), [("junk", "no pictures that this box can read"), ("hang", "does not answer")]
)
def test_what_is_no_stream_is_named(
    camera: NetworkCamera, mode: Mode, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_runtime.sources.diagnosis.TIMEOUT_S", 0.3)
    camera.mode = mode
    source = stream(camera.url)
    problem_of(source, words)
    source.close()


def test_a_camera_that_is_not_there_is_looked_for_again_and_stopping_is_prompt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = open_source("camera:/dev/video77", Path("unused"), SourceOptions())
    assert problem_of(source, "unplugged").startswith("There is no /dev/video77")
    monkeypatch.setattr(live, "LONGEST_PAUSE_S", 240.0)
    monkeypatch.setattr(live, "FIRST_PAUSE_S", 240.0)
    begun = time.monotonic()
    source.close()
    assert time.monotonic() - begun < 60


QUIET = """
import logging, sys, time
from pathlib import Path
from edge_runtime.sources import open_source
from edge_runtime.sources.base import SourceOptions

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
for address, words in zip(sys.argv[1::2], sys.argv[2::2]):
    source = open_source(address, Path(), SourceOptions())
    deadline = time.monotonic() + 20
    while words not in (source.problem or ""):
        assert time.monotonic() < deadline, source.problem
        source.read(0.02)
    source.close()
"""


def test_the_log_has_our_words_and_nothing_else_is_printed(camera: NetworkCamera) -> None:
    camera.mode = "junk"
    with NetworkCamera(user="admin:right") as other:
        wrong = other.url.replace("http://", "http://admin:s3cret@")
        places = {"camera:77": "unplugged", f"stream:{camera.url}": "no pictures", f"stream:{wrong}": "password"}
        told = [part for place in places.items() for part in place]
        done = subprocess.run([sys.executable, "-c", QUIET, *told], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.returncode == 0
    assert "refuses the user name" in done.stdout
    assert "s3cret" not in done.stdout


@pytest.mark.parametrize("location", ["0", "12", "/dev/video0", "/dev/v4l/by-id/usb-Camera_1-video-index0"])
def test_a_camera_is_a_number_or_a_device(location: str) -> None:
    CameraSource.check(location)


@pytest.mark.parametrize(
    "location", ["", "-1", "front", "/dev/watchdog", "/dev/v4l/by-id/../../sda", "/dev/video0\n", "9999"]
)
def test_what_is_no_camera_is_refused(location: str) -> None:
    with pytest.raises(InputInvalid):
        CameraSource.check(location)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "camera/live",
        "file:///etc/passwd",
        "http://",
        "rtsp://h:0/",
        "http://h:99999/",
        "http://h/a b",
        "http://h/\n",
        "concat:a|b",
    ],
)
def test_what_is_no_stream_is_refused(location: str) -> None:
    with pytest.raises(InputInvalid):
        StreamSource.check(location)


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@/?#[]"), min_size=1),
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="&#"), min_size=1),
)
def test_no_secret_survives(password: str, token: str) -> None:
    secret, value = f"Z{password}Z", f"Y{token}Y"
    url = f"rtsp://user:{secret}@camera:554/live?pwd={value}"
    check_url(url)
    shown = without_secrets(url)
    assert secret not in shown
    assert value not in shown
    assert shown.startswith("rtsp://…@camera:554/live?pwd=…")
