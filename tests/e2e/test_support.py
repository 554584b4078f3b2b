"""Secrets are planted in every place that a support bundle reads, and must be in no file of it, in no form."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import socket
import stat
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from app.__main__ import main
from app.context import Context, open_context
from app.redact import forms_of
from app.secrets import FileVault
from app.usecases import boxes, sites
from app.usecases.labels import label_box
from app.usecases.support import write_bundle
from app.usecases.support.shown import read_config, shown_config
from cloud_sync.objects import Credentials
from edge_runtime.contracts.errors import AlreadyExists, ConfigInvalid, LinesideError
from tests.fakes.planted_secrets import CAMERAS, LINES, Plant, random_secret
from tests.fakes.running_box import RunningBox
from tests.waiting import wait_until

CAMERA, FROM_LOG, IN_COMMENT, STORE, ENVIRONMENT, CRASH, SETTING, ROW, LOGFILE = (
    "Kamera+Pa55/wort",
    "0nlyInTheL0g",
    "0nlyInAC0mment",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE",
    "env-s3cr3t-0f-this-machine",
    "cr4sh-t0ken-9f8e7d",
    "pr0xy-Passw0rd",
    "r0w-Passw0rd!",
    "l0g-file-Passw0rd",
)
PLANTED = (CAMERA, FROM_LOG, IN_COMMENT, STORE, ENVIRONMENT, CRASH, SETTING, ROW, LOGFILE)


def encoded(secret: str) -> str:
    return base64.b64encode(f"user:{secret}".encode()).decode()


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    monkeypatch.setenv("LINESIDE_TEST_SECRET", ENVIRONMENT)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SETTING}@proxy.example.org:3128")
    sites.create_site(tmp_path / "desktop", "Plant North", "correct horse").close()
    with open_context(tmp_path / "desktop", vault=FileVault(tmp_path / "secrets.json")) as opened:
        yield opened


@pytest.fixture
def box(ctx: Context, tmp_path: Path) -> Iterator[RunningBox]:
    source = f"rtsp://operator:{quote(CAMERA, safe='')}@192.0.2.9/live?auth={encoded(CAMERA)}"
    more = f'[[pipeline]]\nname = "gate"\nsource = "stream:{source}"\n# api_key = "{IN_COMMENT}"\n'
    box = RunningBox(tmp_path, "press-1", more=more)
    box.start()
    boxes.enrol_local(ctx, box.home)
    yield box
    box.kill()


def plant_everywhere(ctx: Context, tmp_path: Path) -> None:
    ctx.secrets.save_store_credentials(
        "s3://bucket/site", Credentials(access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key=STORE)
    )
    settings = {"version": 1, "store": "s3://bucket/site", "endpoint_url": f"https://me:{SETTING}@s3.example.org"}
    (ctx.home / "settings.json").write_text(json.dumps(settings))
    log = f"password={LOGFILE}\nagain {LOGFILE} {encoded(LOGFILE)}\nAuthorization: Basic {encoded(STORE)}\n{STORE}\n"
    (ctx.home / "hosts" / "local").mkdir(parents=True)
    (ctx.home / "hosts" / "local" / "agent.log").write_text(log + quote(STORE, safe="") + "\n")
    (ctx.home / "hosts" / "key.log").write_text(ctx.identity.key_path.read_text())
    message = f"Looked at rtsp://a:{quote(ROW)}@192.0.2.8/x, {ROW}, {encoded(ROW)}, {ENVIRONMENT}"
    ctx.database.write(lambda w: w.activity("box.asked", "0" * 64, message))


def note(ctx: Context, message: str) -> None:
    ctx.database.write(lambda w: w.activity("box.asked", "0" * 64, message))


def planted_in_all_forms(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """One secret of its own for each form in each place on this desktop, by the text that gives it away."""
    source = random.Random(5)
    planted: dict[str, str] = {}

    def plant(how: Plant) -> str:
        secret = random_secret(source)
        planted[secret] = how(secret)
        return planted[secret]

    forms = [*CAMERAS.values(), *LINES.values()]
    folder = ctx.home / "hosts" / "forms"
    folder.mkdir(parents=True)
    for number, how in enumerate(forms):
        (folder / f"{number}.log").write_text(f"begin {number}\n{plant(how)}\n")
        if number % 10 == 9:
            # Together, too: the bundle takes only so many logs.
            (folder / f"all-{number}.log").write_text("\n".join(map(plant, forms)))
    for how in forms:
        note(ctx, f"It said {plant(how)}")
    settings = {
        "endpoint_url": plant(CAMERAS["hash"]),
        "proxy": {"any": plant(CAMERAS["blank"])},
        "pin": "K7" + "9" * 9,
    }
    (ctx.home / "settings.json").write_text(json.dumps({"version": 1, **settings}))
    monkeypatch.setenv("HTTP_PROXY", plant(lambda s: f"me:a/#{s}@proxy.example.org:3128"))
    return planted


def test_no_form_of_a_secret_stays_in_any_place(ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = planted_in_all_forms(ctx, monkeypatch)
    source = random.Random(6)
    sources = {random_secret(source): how for how in CAMERAS.values()}
    lines = "".join(
        f'[[pipeline]]\nname = "line-{number}"\nsource = {json.dumps("stream:" + how(secret))}\n'
        for number, (secret, how) in enumerate(sources.items())
    )
    box = RunningBox(tmp_path, "press-1", more=lines)
    box.start()
    try:
        boxes.enrol_local(ctx, box.home)
        made = write_bundle(ctx, tmp_path / "help.zip")
    finally:
        box.kill()
    files = contents(Path(made.path))
    for secret in [*planted, *sources]:
        found = [name for name, text in files.items() for form in forms_of(secret) if form in text]
        assert not found, planted.get(secret) or sources[secret](secret)
    config = tomllib.loads(files["boxes/001/edge.toml"])
    shown = [line for line in config["pipeline"] if line["name"] != "camera"]
    assert [line["name"] for line in shown] == [f"line-{number}" for number in range(len(sources))]
    assert shown[0]["source"].endswith("@192.0.2.9:554/Streaming/Channels/101")
    # The box itself hides what stands behind the question mark.
    assert "@192.0.2.9/cam/realmonitor?" in shown[1]["source"]
    assert config["management"]["listen"] == "127.0.0.1:0"
    assert files["desktop/logs/hosts-forms-0.log"].startswith("begin 0\n")
    assert "proxy.example.org:3128" in files["desktop/environment.json"]


def test_a_configuration_that_nobody_can_read_is_left_out() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        read_config("name = unquoted-K7secret")
    assert "K7secret" not in refused.value.message
    shown, hidden = shown_config({"name": "x", "api": {"key": "K7"}, "spool": "K7", "drift": {"thin": 2, "more": 1}})
    assert (shown, hidden) == ({"name": "x", "drift": {"thin": 2}}, 3)


def contents(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_no_planted_secret_is_in_any_file_in_any_form(ctx: Context, box: RunningBox, tmp_path: Path) -> None:
    plant_everywhere(ctx, tmp_path)
    known = boxes.get_box(ctx, "press-1")
    with boxes.connect(ctx, known) as client:
        # The box logs what it was asked for and refused.
        with pytest.raises(LinesideError):
            client.put_metadata(f"password={FROM_LOG} x", b"{}")
        wait_until(lambda: any(FROM_LOG in line for line in client.logs().lines), 30, "the log to tell of it")
    crash = f"Traceback: token={CRASH}\n{CRASH} {encoded(CRASH)} {quote(CRASH)} AKIAIOSFODNN7EXAMPLE\n{STORE}"
    made = write_bundle(ctx, tmp_path / "help.zip", crash=crash)
    assert stat.S_IMODE((tmp_path / "help.zip").stat().st_mode) == 0o600
    files = contents(Path(made.path))
    assert set(files) == set(made.files)
    for name in ("status.json", "edge.toml", "edge.log", "audits.json", "losses.json", "metrics.json", "known.json"):
        assert f"boxes/001/{name}" in files
    for name in ("settings.json", "versions.json", "database.json", "journal.json", "activity.json", "error.txt"):
        assert f"desktop/{name}" in files
    everything = "\n".join(files.values())
    for secret in PLANTED:
        for form in forms_of(secret):
            assert form.lower() not in everything.lower(), secret
        assert encoded(secret) not in everything
    for line in ctx.identity.key_path.read_text().splitlines()[1:-1]:
        assert line not in everything
    assert "AKIAIOSFODNN7EXAMPLE" not in everything
    assert "gate" in files["boxes/001/edge.toml"], "what is no secret is there"
    assert "192.0.2.9" in files["boxes/001/edge.toml"]
    assert files["README.txt"].count("boxes/001/edge.log") == 1
    with pytest.raises(AlreadyExists):
        write_bundle(ctx, tmp_path / "help.zip")


def test_names_can_be_left_out_and_a_box_that_is_away_is_told_of(
    ctx: Context, box: RunningBox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.kill()
    out = tmp_path / "help.zip"
    home = ["--home", str(ctx.home), "--json"]
    status = main(["support", "bundle", "--out", str(out), "--hide-names", "--box", "press-1", *home])
    assert status == 0
    told = json.loads(capsys.readouterr().out)["bundle"]
    assert [name for name in told["left_out"] if name.startswith("boxes/001")]
    everything = "\n".join(contents(out).values())
    assert "press-1" not in everything
    assert "Plant North" not in everything
    assert "127.0.0.1" not in everything
    assert "boxes/001/audits.json" in everything


def test_names_are_left_out_however_they_are_written(ctx: Context, box: RunningBox, tmp_path: Path) -> None:
    host = socket.gethostname()
    label_box(ctx, "press-1", add=["Hall Zero"])
    ctx.database.write(lambda w: w.activity("box.asked", "0" * 64, "It is PRESS-1, plant north, in hall zero."))
    (ctx.home / "hosts" / f"{host}.example.org").mkdir(parents=True)
    (ctx.home / "hosts" / f"{host}.example.org" / "agent.log").write_text(
        f"engineer@gpu-7 from fd00::5 by [2001:db8::7]:7443\n{host.upper()} and Plant%20North"
    )
    made = write_bundle(ctx, tmp_path / "help.zip", hide_names=True)
    files = contents(Path(made.path))
    everything = "\n".join([*files, *files.values()]).lower()
    for name in ("press-1", "plant north", "plant%20north", "hall zero", "engineer", "gpu-7", "fd00", "2001:db8"):
        assert name not in everything, name
    assert not re.search(rf"(?<!\w){re.escape(host.lower())}(?!\w)", everything)
    assert "127.0.0.1" not in everything
    assert "[box 1]" in files["desktop/activity.json"]


def damage(path: Path) -> None:
    """Every page but the first is gone."""
    for journal in path.parent.glob(f"{path.name}-*"):
        journal.unlink()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))


@pytest.mark.parametrize("how", ["pages", "file", "settings"])
def test_what_cannot_be_opened_has_a_bundle_too(
    ctx: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    (ctx.home / "hosts" / "local").mkdir(parents=True)
    (ctx.home / "hosts" / "local" / "agent.log").write_text(f"it went on\npassword={LOGFILE}\n")
    ctx.close()
    if how == "pages":
        damage(ctx.places.database)
    elif how == "file":
        ctx.places.database.write_bytes(b"no database at all, password=" + SETTING.encode())
    else:
        (ctx.home / "settings.json").write_text('{"language": 7, "pin": "pr0xy-Passw0rd"}')
    out = tmp_path / "help.zip"
    status = main(["support", "bundle", "--out", str(out), "--hide-names", "--home", str(ctx.home), "--json"])
    assert status == 0
    told = json.loads(capsys.readouterr().out)["bundle"]
    files = contents(out)
    everything = "\n".join(files.values())
    assert "it went on" in files["desktop/logs/hosts-local-agent.log"]
    assert LOGFILE not in everything
    assert SETTING not in everything
    assert "Plant North" not in everything
    assert "was asked" in told["left_out"]["boxes"]
    assert "boxes: The site cannot be opened" in files["README.txt"]
    problem = json.loads(files["desktop/problem.json"])
    assert problem["code"] == ("config.invalid" if how == "settings" else "database.damaged")
    database = json.loads(files["desktop/database.json"]) if how != "file" else {}
    assert how == "file" or bool(database["problems"]) == (how == "pages")
    if how != "settings":
        assert "names of boxes and people" in told["left_out"]


def test_a_database_that_breaks_while_the_window_is_open_does_not_stop_the_bundle(ctx: Context, tmp_path: Path) -> None:
    damage(ctx.places.database)
    made = write_bundle(ctx, tmp_path / "help.zip", hide_names=True)
    assert "desktop/versions.json" in made.files
    assert "desktop/activity.json" in made.left_out


def test_a_place_where_no_file_can_be_is_said(ctx: Context, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["support", "bundle", "--out", "/proc/help.zip", "--home", str(ctx.home), "--json"])
    assert status == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "input.invalid"


def test_of_a_long_log_the_end_is_read_and_one_that_cannot_be_read_is_told_of(ctx: Context, tmp_path: Path) -> None:
    folder = ctx.home / "hosts"
    folder.mkdir()
    with (folder / "long.log").open("wb") as file:
        # It takes no room on the disk, and would take a gigabyte of memory.
        file.seek(2**30)
        file.write(b"\nthe end\n")
    os.mkfifo(folder / "pipe.log")
    made = write_bundle(ctx, tmp_path / "help.zip")
    assert contents(Path(made.path))["desktop/logs/hosts-long.log"].endswith("the end\n")
    assert "the beginning of desktop/logs/hosts-long.log" in made.left_out
    assert "plain file" in made.left_out["desktop/logs/hosts-pipe.log"]
