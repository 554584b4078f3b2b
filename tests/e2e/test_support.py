"""Secrets are planted in every place that a support bundle reads, and must be in no file of it, in no form."""

from __future__ import annotations

import base64
import json
import stat
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
from app.usecases.support import write_bundle
from cloud_sync.objects import Credentials
from edge_runtime.contracts.errors import AlreadyExists, LinesideError
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
