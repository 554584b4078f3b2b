"""Boxes that say what no box would: one of them spoils nothing for the others."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from app.__main__ import main
from app.cli import text
from app.context import Context
from app.fleet.client import MAX_STATUS_BYTES, BoxClient
from app.store import sightings
from app.store.records import Heard
from app.usecases import activity, boxes, clocks, clones, finding
from app.usecases.crew import side_by_side
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    BoxDiskFull,
    BoxRefused,
    BoxUnreachable,
    BoxWrongKey,
    Cancelled,
    ClockNotKept,
    DatabaseDamaged,
    DiskFull,
    InputInvalid,
    LinesideError,
    PassphraseWrong,
)
from edge_runtime.contracts.status import MAX_PIPELINES, BoxStatus
from edge_runtime.contracts.told import OF_A_BOX, told_by_box
from edge_runtime.identity import create_identity
from tests.fakes.lying_box import Answers, lying_box


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def status(at_ms: int) -> dict[str, Any]:
    return {"box": "a" * 64, "name": "x", "version": "1", "boot": "b", "at_ms": at_ms, "uptime_s": 1, "serial": 1}


@pytest.mark.parametrize("at_ms", [2**62, -(2**62), 10**30])
def test_a_clock_that_no_calendar_knows_spoils_only_its_own_reading(ctx: Context, tmp_path: Path, at_ms: int) -> None:
    with (
        lying_box(ctx, tmp_path, "liar", {"/v1/clock": lambda: {"at_ms": at_ms}}),
        lying_box(ctx, tmp_path, "right", {"/v1/clock": lambda: {"at_ms": now_ms(), "may_set": True}}),
    ):
        liar, right = clocks.read_clocks(ctx)
    assert liar.problem is not None
    assert (right.problem, right.matters, right.may_set) == (None, False, True)
    with pytest.raises(InputInvalid):
        wire.from_dict(status(at_ms), BoxStatus)
    assert text.moment(at_ms) == f"{at_ms} ms"


def test_a_clock_that_does_not_stay_set_is_an_error_and_is_entered_as_it_was(ctx: Context, tmp_path: Path) -> None:
    stuck = {"at_ms": 1_000_000, "may_set": True}
    with (
        lying_box(ctx, tmp_path, "stuck", {"/v1/clock": lambda: stuck, "/v1/status": lambda: status(1_000_000)}),
        pytest.raises(ClockNotKept),
    ):
        clocks.set_clock(ctx, "stuck")
    told = [(entry.what, entry.message) for entry in activity.page_activity(ctx).rows if "clock" in entry.what]
    assert [what for what, _message in told] == ["box.clock-not-kept", "box.clock-begun"]
    assert told[0][1].startswith("Tried to set the clock of stuck: it was -")


def test_clocks_are_read_side_by_side(ctx: Context, tmp_path: Path) -> None:
    together = threading.Barrier(3)

    def clock() -> dict[str, Any]:
        # Asked one after the other, nobody would ever be answered.
        together.wait(timeout=8)
        return {"at_ms": now_ms(), "may_set": True}

    with (
        lying_box(ctx, tmp_path, "one", {"/v1/clock": clock}),
        lying_box(ctx, tmp_path, "two", {"/v1/clock": clock}),
        lying_box(ctx, tmp_path, "three", {"/v1/clock": clock}),
    ):
        readings = clocks.read_clocks(ctx)
    assert [(one.name, one.problem) for one in readings] == [("one", None), ("three", None), ("two", None)]


def line(**changes: Any) -> dict[str, Any]:
    return {"name": "camera", "source": "folder:/f", "state": "running", **changes}


@pytest.mark.parametrize(
    "far_too_much",
    [
        {"pipelines": [line()] * (MAX_PIPELINES + 1)},
        {"pipelines": [line(last_error="x" * 20_000)]},
        {"pipelines": [line(stages_ms={str(number): 1.0 for number in range(100)})]},
        {"slots": [{"slot": "a", "state": "EMPTY"}] * 17},
        {"floors": {str(number): 1 for number in range(10_001)}},
        {"inference": {str(number): "x" for number in range(17)}},
        {"nobody knows": "x" * MAX_STATUS_BYTES},
    ],
)
def test_a_status_that_is_far_too_large_is_refused(ctx: Context, tmp_path: Path, far_too_much: dict[str, Any]) -> None:
    told: dict[str, Any] = {}
    answers: Answers = {"/v1/status": lambda: {**status(now_ms()), "box": box.box, **told}, "/v1/clock": dict}
    with lying_box(ctx, tmp_path, "liar", answers) as box:
        (liar,) = boxes.refresh(ctx)
        assert (liar.problem, liar.status is None) == (None, False)
        told.update(far_too_much)
        (liar,) = boxes.refresh(ctx)
    # What the box answers is no value of the user's that could be corrected.
    assert liar.problem_code == BoxRefused.code


def test_the_most_that_a_box_may_say_is_taken() -> None:
    lines = [line(name=f"camera-{number}", last_error="x" * 500) for number in range(MAX_PIPELINES)]
    body = wire.encode(
        {**status(now_ms()), "pipelines": lines, "refused": {f"{n:064x}": "x" * 500 for n in range(256)}}
    )
    assert len(body) < MAX_STATUS_BYTES / 4
    assert len(wire.decode(body, BoxStatus).pipelines) == MAX_PIPELINES


def cut_off() -> dict[str, Any]:
    raise ConnectionAbortedError


def test_a_clock_whose_answer_was_lost_is_in_the_activity(ctx: Context, tmp_path: Path) -> None:
    asked: list[None] = []

    def clock() -> dict[str, Any]:
        asked.append(None)
        # The connection is opened, five round trips are timed, then the clock is set.
        return cut_off() if len(asked) > 1 + clocks.ROUND_TRIPS else {"at_ms": 1_000_000, "may_set": True}

    with lying_box(ctx, tmp_path, "mute", {"/v1/clock": clock}), pytest.raises(BoxUnreachable):
        clocks.set_clock(ctx, "mute")
    told = [(entry.what, entry.message) for entry in activity.page_activity(ctx).rows if "clock" in entry.what]
    assert [what for what, _message in told] == ["box.clock-unknown", "box.clock-begun"]
    assert "Whether it was set is not known" in told[0][1]


def test_a_command_for_several_boxes_fails_where_one_did_not_answer(
    ctx: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def cli(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = main(["boxes", *words, "--home", str(ctx.home), "--json"])
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return status, answer

    right = {"/v1/clock": lambda: {"at_ms": now_ms(), "may_set": True}, "/v1/status": lambda: status(now_ms())}
    with lying_box(ctx, tmp_path, "off", {}):
        pass
    with lying_box(ctx, tmp_path, "right", right):
        assert cli("clock", "right")[0] == 0
        assert cli("clock")[0] == 1
        shown, answer = cli("clock", "--set", "--yes")
        assert (shown, [one["problem_code"] for one in answer["clocks"]]) == (1, ["box.unreachable", None])
        shown, answer = cli("clock", "off", "--set", "--yes")
        assert (shown, answer["error"]["code"]) == (1, "box.unreachable")
        assert cli("refresh", "off")[0] == cli("refresh")[0] == cli("collect")[0] == 1


def test_the_boxes_that_do_not_answer_are_told_beside_those_that_were_set(
    ctx: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"at_ms": 1_000_000, "may_set": True}
    asked: list[None] = []

    def clock() -> dict[str, Any]:
        asked.append(None)
        # Read once by the command, once more before it is set; then it is right.
        return told if len(asked) <= 2 * (1 + clocks.ROUND_TRIPS) else {"at_ms": now_ms(), "may_set": True}

    with lying_box(ctx, tmp_path, "off", {}):
        pass
    with lying_box(ctx, tmp_path, "wrong", {"/v1/clock": clock, "/v1/status": lambda: status(now_ms())}):
        assert main(["boxes", "clock", "--set", "--yes", "--home", str(ctx.home), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in answer["set"]] == ["wrong"]
    assert [(one["name"], one["error"]["code"]) for one in answer["failed"]] == [("off", "box.unreachable")]


def test_what_nobody_foresaw_with_one_box_is_that_ones_trouble(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = BoxClient.status

    def status_of(client: BoxClient, **asked: Any) -> BoxStatus:
        if client.certificate == odd_certificate:
            raise RecursionError("nobody foresaw it")
        return right(client, **asked)

    monkeypatch.setattr(BoxClient, "status", status_of)
    said: dict[str, Any] = {}
    answers = {"/v1/status": lambda: said, "/v1/witness": dict}
    with lying_box(ctx, tmp_path, "odd", {}) as odd, lying_box(ctx, tmp_path, "right", answers) as other:
        odd_certificate = boxes.get_box(ctx, odd.box).certificate
        said.update({**status(now_ms()), "box": other.box})
        known = {box.name: box for box in boxes.refresh(ctx)}
        assert known["odd"].problem is not None
        assert known["odd"].problem.startswith("Something unexpected")
        assert (known["right"].problem, known["right"].status is not None) == (None, True)
        assert boxes.collect(ctx).unreachable[:1] == ("odd",)
        clones.look_for_clones(ctx)
    assert {one.exc_info[0] for one in caplog.records if one.exc_info} == {RecursionError}


@pytest.mark.parametrize("error", [Cancelled, DiskFull, BoxWrongKey, PassphraseWrong, LinesideError])
def test_what_is_not_for_a_box_to_say_stops_nothing(
    ctx: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str], error: type[LinesideError]
) -> None:
    said: dict[str, Any] = {}
    refusal = {"error": {"code": error.code, "message": "I say so."}}
    right = {"/v1/status": lambda: said, "/v1/witness": dict}
    with (
        lying_box(ctx, tmp_path, "liar", {"/v1/status": lambda: refusal}),
        lying_box(ctx, tmp_path, "right", right) as other,
    ):
        said.update({**status(now_ms()), "box": other.box})
        known = {box.name: box for box in boxes.refresh(ctx)}
        assert known["right"].problem is None
        expected = BoxDiskFull if error is DiskFull else BoxRefused
        assert known["liar"].problem_code == expected.code
        assert "I say so." in (known["liar"].problem or "")
        assert boxes.collect(ctx).unreachable[:1] == ("liar",)
        assert main(["boxes", "collect", "liar", "--home", str(ctx.home), "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["error"]["code"] == expected.code


def test_a_box_names_only_errors_of_its_own() -> None:
    for error in OF_A_BOX:
        told = told_by_box({"code": error.code, "message": "why", "hint": "what to do"}, "The box")
        assert type(told) is (BoxDiskFull if error is DiskFull else error)
        assert told.message == "why"
    for code in ("task.cancelled", "trust.passphrase", "box.unreachable", "database.damaged", "of tomorrow", ""):
        told = told_by_box({"code": code, "message": "why"}, "The box")
        assert type(told) is BoxRefused
        assert (code or "no code") in told.message
        told = told_by_box({"code": code, "message": "why", "hint": "Turn it off and on."}, "The box")
        assert (type(told), told.hint) == (BoxRefused, "Turn it off and on.")


def test_a_damaged_database_of_a_box_is_not_this_desktops() -> None:
    told = told_by_box(DatabaseDamaged("trust.db cannot be read.").to_dict(), "The box")
    assert (type(told), told.hint) == (BoxRefused, "Look at the disk and the log of that box.")
    assert "trust.db cannot be read." in told.message


def test_the_words_of_a_box_command_no_terminal(
    ctx: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"message": "Gone.\x1b[2J\r\nEverything is well.\x9b31m", "hint": "\x1b]0;owned\x07Do it.\nTyped for you."}
    with lying_box(ctx, tmp_path, "liar", {"/v1/status": lambda: {"error": {"code": "box.refused", **words}}}):
        for command, status in (("collect", 1), ("show", 0)):
            assert main(["boxes", command, "liar", "--home", str(ctx.home)]) == status
            shown = "".join(capsys.readouterr())
            assert "Everything is well." in shown
            assert not {character for character in shown if not character.isprintable()} - {"\n"}
            assert not [line for line in shown.splitlines() if line.startswith(("Everything", "Typed"))]

        def fault(*_arguments: object, **_named: object) -> None:
            raise RecursionError(words["message"])

        monkeypatch.setattr(boxes, "refresh", fault)
        assert main(["boxes", "refresh", "--home", str(ctx.home)]) == 1
        assert "\x1b" not in "".join(capsys.readouterr())


def test_what_fails_ends_none_of_those_beside_it() -> None:
    def halve(number: int) -> float:
        return 2 / number

    seen: list[int] = []

    def all_of_them() -> None:
        for one, _half in side_by_side(halve, range(40), "halve"):
            seen.append(one)

    with pytest.raises(ZeroDivisionError):
        all_of_them()
    assert sorted(seen) == list(range(1, 40))


def test_no_new_identity_without_a_question_where_nothing_shows_a_copy(
    ctx: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lying_box(ctx, tmp_path, "only", {"/v1/status": lambda: status(now_ms())}) as box:
        words = ["boxes", "renew", "only", "--address", box.address, "--name", "line-2", "--home", str(ctx.home)]
        assert main([*words, "--json"]) == 1
        error = json.loads(capsys.readouterr().out)["error"]
        assert error["code"] == "input.invalid"
        assert "Nothing shows that only was copied" in error["message"]
        assert "--yes" in error["hint"]
        for number, address in enumerate((box.address, "127.0.0.9:1", box.address)):
            heard = Heard(address=address, asked=sightings.count_sightings(ctx.database), skew_ms=0, skew_error_ms=1)
            seen = wire.from_dict({**status(1), "box": box.box, "boot": f"boot-{number % 2}"}, BoxStatus)
            sightings.note_elsewhere(ctx.database, seen, heard)
        assert clones.is_known_copy(ctx, "only", box.address)
        assert not clones.is_known_copy(ctx, "only", "127.0.0.8:1")


def test_a_mistyped_address_leaves_nothing_behind_and_what_did_is_forgotten(
    ctx: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def renew(*words: str) -> dict[str, Any]:
        capsys.readouterr()
        main(["boxes", "renew", "line-1", *words, "--home", str(ctx.home), "--json"])
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    with lying_box(ctx, tmp_path, "line-1", {"/v1/status": lambda: status(now_ms())}) as box:
        wrong = "127.0.0.1:1"
        assert renew("--address", wrong, "--name", "copy", "--yes")["error"]["code"] == "box.unreachable"
        assert clones.begun_renewals(ctx) == ()
        assert "Nothing shows that" in renew("--address", wrong, "--name", "copy")["error"]["message"]
        assert renew("--address", wrong, "--forget")["error"]["code"] == "item.not-found"

        # It answers, and makes no new identity.
        assert "error" in renew("--address", box.address, "--name", "copy", "--yes")
        (begun,) = clones.begun_renewals(ctx)
        assert (begun.address, begun.new) == (box.address, None)
        assert not clones.is_known_copy(ctx, "line-1", box.address)
        assert main(["boxes", "clones", "--home", str(ctx.home)]) == 0
        assert f"renew line-1 --address {box.address} --forget" in capsys.readouterr().out
        assert renew("--address", box.address, "--forget") == {"forgotten": box.address}
        assert clones.begun_renewals(ctx) == ()


def test_neighbours_without_an_address_or_with_endless_names_are_refused_whole(ctx: Context, tmp_path: Path) -> None:
    good = {"box": "b" * 64, "name": "line-3", "addresses": ["[fe80::7%eth0]:7443", "plant.example:7443"]}
    said: list[dict[str, Any]] = [good]
    with lying_box(ctx, tmp_path, "near", {"/v1/neighbours": lambda: {"found": said}}):
        request = finding.ScanRequest(seconds=0, via="near")
        assert [one.seen.name for one in finding.scan(ctx, request).found] == ["line-3"]
        wrongs: tuple[dict[str, object], ...] = (
            {"addresses": []},
            {"addresses": ["no address"]},
            {"name": "x" * 3000},
            {"interfaces": ["x"] * 99},
        )
        for wrong in wrongs:
            said[:] = [good, {**good, **wrong}]
            with pytest.raises(BoxRefused):
                finding.scan(ctx, request)


@contextmanager
def stranger(folder: Path, name: str) -> Iterator[int]:
    """Takes TLS connections with a certificate that breaks its standard."""
    identity = create_identity(folder, "stranger")
    key = load_pem_private_key(identity.key_path.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now.replace(year=2100))
        .sign(key, None)
    )
    identity.certificate_path.write_bytes(certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate_path, identity.key_path)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with suppress(OSError), context.wrap_socket(connection, server_side=True) as opened:
                        opened.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(60)


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_a_stranger_with_an_endless_name_neither_warns_nor_pads_the_table(tmp_path: Path) -> None:
    with stranger(tmp_path / "stranger", "W" * 3000) as port:
        command = [sys.executable, "-m", "app", "--home", str(tmp_path / "none"), "boxes", "scan", "--seconds", "0"]
        done = subprocess.run(
            [*command, "--address", f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=60, check=True
        )
    assert "Warning" not in done.stderr
    lines = done.stdout.splitlines()
    assert "W" * 39 + "…" in lines[1]
    assert max(map(len, lines)) < 200


def test_what_another_box_has_seen_is_its_word_and_no_proof(
    ctx: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may say of anybody that his key answered somewhere."""
    told = [
        {"box": "c" * 64, "name": "proved-there", "addresses": ["192.0.2.9:7443"], "proved": True},
        {"box": "d" * 64, "name": "claimed-there", "addresses": ["192.0.2.8:7443"], "proved": False},
    ]
    with lying_box(ctx, tmp_path, "scout", {"/v1/neighbours": lambda: {"found": told}}):
        report = finding.scan(ctx, finding.ScanRequest(seconds=0, via="scout"))
        by_name = {one.seen.name: (one.seen.proved, one.vouched) for one in report.found}
        assert by_name == {"proved-there": (False, "scout"), "claimed-there": (False, None)}
        assert main(["boxes", "scan", "--seconds", "0", "--via", "scout", "--home", str(ctx.home)]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if "-there" in line}
    assert "scout says so" in lines["proved-there"]
    assert "only claimed" in lines["claimed-there"]
