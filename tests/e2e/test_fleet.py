"""The desktop's use-cases against real box processes over real sockets."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.context import Context, open_context
from app.demo.lines import load_digits, render
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases import boxes, sites
from edge_runtime.contracts.errors import (
    AlreadyExists,
    BoxRefused,
    BoxUnreachable,
    BoxWrongKey,
    InputInvalid,
    NotFound,
    ObjectCorrupt,
    TrustRefused,
)
from edge_runtime.identity import create_identity
from tests.fakes.running_box import RunningBox
from tests.waiting import wait_until


@pytest.fixture
def site(tmp_path: Path, first_desktop: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "desktop"))) as ctx:
        yield ctx


@pytest.fixture
def box(tmp_path: Path) -> Iterator[RunningBox]:
    running = RunningBox(tmp_path, "press-4")
    running.start()
    try:
        yield running
    finally:
        running.stop()


def test_a_box_that_never_answers_keeps_no_other_from_being_asked(
    site: Context, box: RunningBox, tmp_path: Path
) -> None:
    boxes.enrol_local(site, box.home)
    mute = create_identity(tmp_path / "mute", "aaa")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        held = Box(
            box=mute.fingerprint,
            name="aaa",
            address=f"127.0.0.1:{listener.getsockname()[1]}",
            certificate=mute.certificate_pem,
            enrolled_ms=1,
        )
        box_store.put_box(site.database, held)
        assert [one.name for one in boxes.list_boxes(site)] == ["aaa", "press-4"], "the mute one is asked first"
        asking = threading.Thread(target=lambda: boxes.refresh(site))
        asking.start()
        wait_until(lambda: boxes.get_box(site, "press-4").status, 30, "the other one's answer")
        assert boxes.get_box(site, "aaa").problem is None, "it is still waited for"
    asking.join(60)
    assert not asking.is_alive()
    assert boxes.get_box(site, "aaa").problem_code == "box.unreachable"


def test_enrol_ask_collect_and_acknowledge(site: Context, box: RunningBox) -> None:
    enrolled = boxes.enrol_local(site, box.home)
    assert boxes.enrol_local(site, box.home).box == enrolled.box
    assert len(boxes.list_boxes(site)) == 1
    digit = load_digits()[0]
    frame = render(digit, np.random.default_rng(1), "normal")
    (box.frames / "one.jpg").write_bytes(frame)
    (box.frames / "broken.jpg").write_bytes(b"this is no image")

    def seen() -> bool:
        status = boxes.refresh(site, "press-4")[0].status
        return status is not None and status.spool.samples >= 1 and status.spool.losses >= 1

    wait_until(seen, 20, "both frames")
    report = boxes.collect(site)
    assert (report.samples, report.losses, report.unreachable) == (1, 1, ())
    assert report.bytes == len(frame)
    again = boxes.collect(site)
    assert (again.samples, again.losses, again.bytes) == (0, 0, 0)
    status = boxes.refresh(site)[0].status
    assert status is not None
    assert status.pipelines[0].last_error


def test_a_box_that_is_off_keeps_its_last_status_and_says_why(site: Context, box: RunningBox) -> None:
    boxes.enrol_local(site, box.home)
    boxes.refresh(site)
    box.stop()
    silent = boxes.refresh(site)[0]
    assert silent.status is not None
    assert silent.problem is not None
    assert "does not answer" in silent.problem
    assert boxes.collect(site).unreachable == ("press-4",)
    with pytest.raises(BoxUnreachable):
        boxes.collect(site, "press-4")


def test_another_key_at_the_address_is_never_taken_for_the_box(site: Context, box: RunningBox, tmp_path: Path) -> None:
    enrolled = boxes.enrol_local(site, box.home)
    impostor = create_identity(tmp_path / "impostor", "press-4")
    box_store.put_box(site.database, replace(enrolled, certificate=impostor.certificate_pem))
    with pytest.raises(BoxWrongKey):
        boxes.collect(site, enrolled.box)


def test_a_desktop_that_was_never_trusted_is_refused(site: Context, box: RunningBox, tmp_path: Path) -> None:
    boxes.enrol_local(site, box.home)
    with sites.create_site(tmp_path / "other", "Other site", "correct horse") as stranger:
        box_store.put_box(stranger.database, boxes.get_box(site, "press-4"))
        with pytest.raises(BoxRefused):
            boxes.collect(stranger, "press-4")
        with pytest.raises(TrustRefused):
            boxes.enrol_local(stranger, box.home)


def test_two_boxes_of_one_name_are_told_apart(site: Context, box: RunningBox, tmp_path: Path) -> None:
    boxes.enrol_local(site, box.home)
    namesake = RunningBox(tmp_path / "elsewhere", "press-4")
    with pytest.raises(AlreadyExists):
        boxes.enrol_local(site, namesake.home, address="127.0.0.1:7443")


def test_enrolling_what_is_no_box_or_not_running_says_so(site: Context, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        boxes.enrol_local(site, tmp_path / "nothing")
    asleep = RunningBox(tmp_path, "asleep")
    with pytest.raises(NotFound):
        boxes.enrol_local(site, asleep.home)
    assert boxes.list_boxes(site) == []


def test_a_box_is_forgotten_and_the_audit_chain_says_so(site: Context, box: RunningBox) -> None:
    boxes.enrol_local(site, box.home)
    boxes.forget_box(site, "press-4")
    assert boxes.list_boxes(site) == []
    with pytest.raises(NotFound):
        boxes.get_box(site, "press-4")


def test_what_the_box_refuses_comes_back_as_its_own_error(site: Context, box: RunningBox) -> None:
    enrolled = boxes.enrol_local(site, box.home)
    with boxes.connect(site, enrolled) as client:
        with pytest.raises(NotFound):
            client.sample("0" * 64)
        client.install("digits/digits-1.0.0.bundle")
        refused = wait_until(
            lambda: [slot for slot in client.status().slots if slot.state == "REJECTED"], 20, "the box to refuse it"
        )
        assert (refused[0].name, refused[0].version) == ("digits", "1.0.0")
        assert refused[0].reason
        wrong = box.home / "wrong.bundle"
        wrong.write_bytes(b"x" * 1000)
        with pytest.raises(ObjectCorrupt):
            client.deliver(wrong, "0" * 64, sent=lambda _done, _total: None)
        assert client.status().box == enrolled.box


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host",
        "host:",
        "host:0",
        "http://127.0.0.1:7443",
        "[::1",
        "::1:7443",
        "[host]:7443",
        "host:65536",
        ":7443",
        "host:\uff17\uff14",
    ],
)
def test_an_address_that_is_none_is_named(site: Context, box: RunningBox, address: str) -> None:
    enrolled = boxes.enrol_local(site, box.home)
    with pytest.raises(InputInvalid):
        boxes.connect(site, replace(enrolled, address=address))
