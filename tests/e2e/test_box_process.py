"""The real `lineside-edge` process, reached over mutual TLS by the desktop's own client."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import onnx.parser
import pytest

from edge_runtime.contracts.configuring import ConfigChange
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable, ConfigInvalid, LinesideError
from edge_runtime.contracts.rows import AlertRow, AuditRow, LossRow, ResultRow, SampleRow
from edge_runtime.identity import Identity, client_context, create_identity
from tests.fakes import models
from tests.fakes.box_process import CONFIG, EDGE, BoxProcess, edge, install, make_box, trust, wait_for_slot
from tests.fakes.site import FakeSite
from tests.waiting import wait_until

MOODY = """\
<ir_version: 10, opset_import: ["": 21]>
moody (uint8[n, 1, 8, 8] frame) => (float[n, 2] logits)
<
    int64[3, 2] shapes = {-1, 64, -1, 7, -1, 64},
    float hundred = {100.0}, float threshold = {128.0}, int64[1] across = {1},
    float[1, 2] weights = {-0.05, 0.05}
> {
    pixels = Cast <to = 1> (frame)
    brightness = ReduceMean <keepdims = 0> (pixels)
    hundreds = Div(brightness, hundred)
    mood = Cast <to = 7> (hundreds)
    shape = Gather(shapes, mood)
    rows = Reshape(pixels, shape)
    mean = ReduceMean(rows, across)
    above = Sub(mean, threshold)
    logits = MatMul(above, weights)
}
"""
"""Agrees with the golden cases, and fails on every frame of a brightness from 100 to 199."""


@pytest.fixture
def site(tmp_path: Path, first_site: FakeSite) -> FakeSite:
    return first_site.copy(tmp_path / "site")


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def box(tmp_path: Path, site: FakeSite, desktop: Identity) -> Iterator[BoxProcess]:
    box = make_box(tmp_path, desktop, site)
    box.start()
    try:
        yield box
    finally:
        box.end()


def test_frames_are_answered_kept_and_collected_and_the_box_stops_cleanly(
    box: BoxProcess, site: FakeSite, desktop: Identity
) -> None:
    with box.client(desktop) as client:
        status = client.status()
        assert (status.box, status.name) == (box.facts["box"], "line-2")
        assert status.pipelines[0].state == "waiting-for-model"

        box.put_frame("early.png", models.frame(10))
        kept = wait_until(lambda: client.page("samples", 0).rows, 10, "the unlabelled sample")
        assert isinstance(kept[0], SampleRow)
        assert (kept[0].reason, kept[0].model) == ("unlabelled", None)
        assert client.sample(kept[0].sample) == models.frame(10)
        assert client.page("results", 0).rows == ()

        delivery = site.release("1.0.0")
        install(client, site, delivery)
        wait_for_slot(client, "1.0.0", "TRIAL")
        box.put_frame("junk.jpg", b"this is no image")
        for i in range(6):
            box.put_frame(f"frame-{i}.png", models.frame(40 * i))
        status = wait_for_slot(client, "1.0.0", "COMMITTED")
        assert status.floors == {"parts": delivery.manifest.release}

        wait_until(lambda: len(client.page("results", 0).rows) == 6, 10, "six results")
        page = client.page("results", 0, limit=4)
        assert (len(page.rows), page.more) == (4, True)
        rest = client.page("results", page.cursor)
        rows = [row for row in (*page.rows, *rest.rows) if isinstance(row, ResultRow)]
        assert {row.frame: row.label for row in rows}["frame-5.png"] == "bright"
        assert {row.frame: row.label for row in rows}["frame-0.png"] == "dark"
        assert [row.seq for row in rows] == list(range(6))
        assert {row.model for row in rows} == {delivery.bundle}
        assert rows[0].sample in {hashlib.sha256(models.frame(40 * i)).hexdigest() for i in range(6)}

        status = wait_until(lambda: s if (s := client.status()).pipelines[0].errors else None, 10, "the junk frame")
        assert "junk.jpg" in (status.pipelines[0].last_error or "")
        losses = wait_until(lambda: client.page("losses", 0).rows, 10, "its row in the ledger")
        assert isinstance(losses[0], LossRow)
        assert (losses[0].stream, losses[0].reason, losses[0].count) == ("frames", "frame.unreadable", 1)

        client.acknowledge("results", rest.cursor)
        assert client.page("results", 0).rows == ()
        assert client.status().spool.results == 0

    assert box.stop() == 0
    assert not (box.home / "run" / "address.json").exists()

    box.start()
    with box.client(desktop) as client:
        assert client.status().slots[0].state == "COMMITTED"
        box.put_frame("late.png", models.frame(250))
        again = wait_until(lambda: client.page("results", 0).rows, 10, "the answer after the restart")
        assert [row.frame for row in again if isinstance(row, ResultRow)] == ["late.png"]
    assert box.stop(signal.SIGINT) == 0


def test_a_model_that_fails_on_the_line_is_rolled_back_and_no_frame_is_lost(
    box: BoxProcess, site: FakeSite, desktop: Identity
) -> None:
    with box.client(desktop) as client:
        first = site.release("1.0.0")
        install(client, site, first)
        wait_for_slot(client, "1.0.0", "TRIAL")
        for i in range(5):
            box.put_frame(f"a-{i}.png", models.frame(i))
        wait_for_slot(client, "1.0.0", "COMMITTED")

        install(client, site, site.release("1.1.0", model=onnx.parser.parse_model(MOODY).SerializeToString()))
        wait_for_slot(client, "1.1.0", "TRIAL")
        for i in range(20):
            box.put_frame(f"b-{i:02}.png", models.frame(100 + i))
        status = wait_for_slot(client, "1.1.0", "ROLLED_BACK")
        assert [slot.version for slot in status.slots if slot.active] == ["1.0.0"]
        answered = wait_until(lambda: r if len(r := client.page("results", 0).rows) == 25 else None, 10, "all frames")
        assert {row.model for row in answered if isinstance(row, ResultRow)} == {first.bundle}
        alerts = [row for row in client.page("alerts", 0).rows if isinstance(row, AlertRow)]
        assert [alert.kind for alert in alerts] == ["update.rolled-back"]


def test_a_kill_in_the_middle_of_the_work_misses_no_frame(box: BoxProcess, site: FakeSite, desktop: Identity) -> None:
    with box.client(desktop) as client:
        install(client, site, site.release("1.0.0"))
        wait_for_slot(client, "1.0.0", "TRIAL")
        for i in range(5):
            box.put_frame(f"a-{i}.png", models.frame(i))
        wait_for_slot(client, "1.0.0", "COMMITTED")
        for i in range(100):
            box.put_frame(f"b-{i:02}.png", models.frame(i))
        wait_until(lambda: client.status().pipelines[0].frames > 20, 10, "some of the frames")
    assert box.stop(signal.SIGKILL) == -signal.SIGKILL
    (box.home / "run" / "address.json").unlink()
    box.start()
    with box.client(desktop) as client:

        def answered() -> set[str]:
            return {row.frame for row in client.page("results", 0).rows if isinstance(row, ResultRow)}

        wait_until(lambda: len(answered()) == 105, 10, "every frame")


def test_what_the_box_refuses(box: BoxProcess, site: FakeSite, desktop: Identity, tmp_path: Path) -> None:
    stranger = create_identity(tmp_path / "stranger", "laptop")
    with box.client(stranger) as client, pytest.raises((BoxRefused, BoxUnreachable)):
        client.status()

    assert trust(box, stranger, site).returncode == 0
    with box.client(stranger) as client:
        assert client.status().name == "line-2"
        (box.home / "trust" / "desktops" / f"{stranger.fingerprint}.pem").unlink()
        with pytest.raises(BoxRefused, match="not trusted"):
            client.status()

    context = client_context(desktop, box.facts["certificate"])
    for method, path, body, status in (
        ("GET", "/v1/nothing", None, 404),
        ("PUT", "/v1/metadata/..%2fx.json", b"{}", 404),
        ("PUT", "/v1/metadata/x.json", b"{}", 400),
        ("PUT", "/v1/metadata/1.root.json", b"x" * (2**20 + 1), 400),
        ("POST", "/v1/install", b"not json", 400),
        ("GET", "/v1/spool/results?after=-1", None, 400),
        ("GET", "/v1/status?since=1&wait_s=nan", None, 400),
        ("GET", f"/v1/samples/{'0' * 64}", None, 404),
        ("POST", "/v1/rollback", b'{"reason":"because"}', 404),
    ):
        connection = http.client.HTTPSConnection("127.0.0.1", box.port, context=context, timeout=60)
        connection.request(method, path, body)
        with connection.getresponse() as response:
            answer = json.loads(response.read())
            assert response.status == status, (method, path, answer)
            assert {"code", "title", "message", "hint"} == set(answer["error"])
        connection.close()

    with box.client(desktop) as client:
        client.install("parts/parts-9.9.9.bundle")
        wait_for_slot(client, "9.9.9", "REJECTED")
        alerts = wait_until(lambda: client.page("alerts", 0).rows, 10, "the alert")
        assert [alert.kind for alert in alerts if isinstance(alert, AlertRow)] == ["update.refused"]


def test_a_box_belongs_to_one_site(box: BoxProcess, desktop: Identity, tmp_path: Path) -> None:
    other = trust(box, desktop, FakeSite(tmp_path / "other-site"))
    assert other.returncode == 1
    assert "[trust.refused]" in other.stderr


def test_a_second_daemon_in_the_same_home_is_refused(box: BoxProcess) -> None:
    second = edge("run", "--home", str(box.home))
    assert second.returncode == 1
    assert "[item.exists]" in second.stderr


def test_lines_run_while_the_port_for_desktops_is_taken_and_pushed_frames_are_accounted_for(
    box: BoxProcess, desktop: Identity
) -> None:
    assert box.stop() == 0
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        port, inference = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        config = CONFIG.format(frames=box.frames).replace('http = ""', f'http = "127.0.0.1:{inference}"')
        door = '[[pipeline]]\nname = "door"\nsource = "push:door"\n'
        (box.home / "edge.toml").write_text(config.replace("127.0.0.1:0", f"127.0.0.1:{port}") + door)
        process = subprocess.Popen([*EDGE, "run", "--home", str(box.home)], stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            assert f"cannot listen on 127.0.0.1 port {port}" in process.stderr.readline()
            accepted = 0
            connection = http.client.HTTPConnection("127.0.0.1", inference, timeout=60)
            with suppress(http.client.HTTPException, OSError):
                while True:
                    connection.request("POST", "/v1/pipelines/door/frames", b"frame %d" % accepted)
                    with connection.getresponse() as response:
                        response.read()
                        assert response.status in (202, 429, 503)
                        accepted += response.status == 202
                    if accepted == 100:
                        process.send_signal(signal.SIGTERM)
            connection.close()
            assert accepted >= 100
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.communicate()
    (box.home / "edge.toml").write_text(CONFIG.format(frames=box.frames))
    box.start()
    with box.client(desktop) as client:
        alerts = [row for row in client.page("alerts", 0).rows if isinstance(row, AlertRow)]
        assert "management.not-listening" in {alert.kind for alert in alerts}
        lost = sum(row.count for row in client.page("losses", 0).rows if isinstance(row, LossRow))
        assert lost + len(client.page("samples", 0, limit=10_000).rows) >= accepted


def test_a_long_poll_ends_with_news_and_the_configuration_can_be_changed(
    box: BoxProcess, desktop: Identity, tmp_path: Path
) -> None:
    def put_config(toml: str) -> None:
        client.set_config(ConfigChange(toml=toml, base=client.config().digest))

    with box.client(desktop) as client:
        before = client.status()
        with pytest.raises(ConfigInvalid, match=r"line 12, pipeline\[0\].source: there is no source of kind 'webcam'"):
            put_config(CONFIG.format(frames="/x").replace("folder:", "webcam:"))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            for listen in (f"127.0.0.1:{taken.getsockname()[1]}", "192.0.2.1:7443"):
                with pytest.raises(ConfigInvalid, match=r"line 3, management.listen: the box cannot listen on"):
                    put_config(CONFIG.format(frames="/x").replace("127.0.0.1:0", listen))
        assert "127.0.0.1:0" in (box.home / "edge.toml").read_text()
        moved = tmp_path / "moved"
        put_config(CONFIG.format(frames=moved).replace("line-2", "line-3"))
        after = client.status(since=before.serial, wait_s=20)
        assert after.serial != before.serial
        wait_until(lambda: client.status().name == "line-3", 10, "the new name")
        audits = wait_until(lambda: a if len(a := client.page("audits", 0).rows) == 4 else (), 30, "the audits")
        told = [(row.kind, row.who) for row in audits if isinstance(row, AuditRow)]
        assert told == [
            ("box.started", "box"),
            ("trust.root-accepted", "box"),
            ("config.received", desktop.fingerprint),
            ("config.changed", desktop.fingerprint),
        ]
        missing = wait_until(
            lambda: s if (s := client.status()).pipelines[0].state == "no-input" else None, 10, "the missing folder"
        )
        assert str(moved) in (missing.pipelines[0].last_error or "")
        moved.mkdir()
        (moved / "frame.png").write_bytes(models.frame(7))
        wait_until(lambda: client.page("samples", 0).rows, 10, "a frame from the folder that came later")


def test_every_root_is_told_of_once_however_it_came(
    box: BoxProcess, desktop: Identity, site: FakeSite, tmp_path: Path
) -> None:
    def roots() -> list[str]:
        with box.client(desktop) as client:
            rows = client.page("audits", 0).rows
        return [row.message for row in rows if isinstance(row, AuditRow) and row.kind == "trust.root-accepted"]

    (first,) = wait_until(roots, 10, "the root that was brought by hand")
    assert first.startswith("Root 1 is in force.")
    assert box.stop() == 0
    box.start()
    assert roots() == [first], "it stands there already"
    # As an enrolment does, or somebody at the box, while it runs.
    assert trust(box, desktop, site).returncode == 0
    assert roots() == [first]
    assert box.stop() == 0
    (box.home / "trust" / "told").unlink()
    box.start()
    assert wait_until(lambda: r if len(r := roots()) == 2 else None, 10, "what may have been cut off") == [first, first]


def test_what_lies_in_a_boxs_home_is_nobody_elses_business(desktop: Identity, site: FakeSite, tmp_path: Path) -> None:
    folder = tmp_path / "by hand"
    (folder / "box").mkdir(parents=True, mode=0o755)
    before = os.umask(0o022)
    try:
        made = make_box(folder, desktop, site)
        made.start()
        made.put_frame("frame.png", models.frame(1))
        wait_until(lambda: made.spooled(desktop, 0), 10, "the frame")
        open_to_others = [
            path
            for path in made.home.rglob("*")
            if path.is_file() and path.name != "edge.toml" and path.stat().st_mode & 0o077
        ]
        assert made.stop() == 0
    finally:
        os.umask(before)
    assert open_to_others == []
    assert made.home.stat().st_mode & 0o077 == 0


def test_an_open_long_poll_does_not_hold_up_the_end(box: BoxProcess, desktop: Identity) -> None:
    with box.client(desktop) as client:
        serial = client.status().serial
        ended = threading.Event()

        def poll() -> None:
            with suppress(LinesideError):
                while True:
                    client.status(since=client.status().serial, wait_s=60)
            ended.set()

        thread = threading.Thread(target=poll)
        thread.start()
        box.put_frame("frame.png", models.frame(1))
        wait_until(lambda: box.spooled(desktop, serial), 10, "the frame")
        assert box.stop() == 0
        assert ended.wait(60)
        thread.join()


def test_plain_http_and_old_tls_get_nothing(box: BoxProcess, desktop: Identity) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", box.port, timeout=60)
    with pytest.raises((http.client.HTTPException, OSError)):
        plain.request("GET", "/v1/status")
        plain.getresponse()
    plain.close()
    context = client_context(desktop, box.facts["certificate"])
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    old = http.client.HTTPSConnection("127.0.0.1", box.port, context=context, timeout=60)
    with pytest.raises(OSError):
        old.request("GET", "/v1/status")
    old.close()
