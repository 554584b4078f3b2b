"""A pack on a stick: what is in it, what is not, and what becomes of one that was bent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.context import Context
from app.secrets import Secrets
from app.store import boxes as box_store
from app.store import models as model_store
from app.store.records import Box, Model
from app.usecases import boxes, rollout_starts, rollouts, trust
from app.usecases.progress import CancelToken
from app.usecases.visits import packing, taking_over
from app.usecases.visits.packfile import FILES_NAME, LIST_NAME, PackList, read_pack, seal_list
from cloud_sync.objects import Credentials
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    AlreadyExists,
    BoxUnreachable,
    Cancelled,
    DiskFull,
    LinesideError,
    NotFound,
    ObjectCorrupt,
    PackForeign,
    PackInvalid,
    PackTampered,
    PackUnwritable,
    TrustRefused,
)
from edge_runtime.contracts.status import BoxStatus, PipelineStatus, SlotStatus, SpoolStatus
from edge_runtime.identity import create_identity
from tests.fakes.edge_bundles import small_bundle
from tests.fakes.prepared_site import PASSPHRASE, admitted, release

SECRETS = (
    "correct horse",
    "AKIAPLANTEDPLANTED12",
    "planted-store-secret",
    "rtsp://user:hunter2@camera/live",
    "hunter2",
)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def ctx(ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Edge bundles of this machine's user are not the test's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("app.fleet.edge_bundle.__file__", str(tmp_path / "app" / "fleet" / "edge_bundle.py"))
    return ctx


@pytest.fixture
def model(ctx: Context, box: Box, tmp_path: Path) -> Model:
    """On its way to a box that has a secret in everything that it says."""
    box_store.put_box(ctx.database, box)
    said = BoxStatus(
        box=box.box,
        name=box.name,
        version="0.0.1",
        boot="1",
        at_ms=1,
        uptime_s=1.0,
        serial=1,
        slots=(SlotStatus(slot="a", state="EMPTY"),),
        arch=os.uname().machine,
    )
    box_store.set_status(ctx.database, box.box, status=said, seen_ms=boxes.now_ms())
    found = release(ctx, tmp_path)
    rollouts.start_rollout(ctx, found.model, waves=[[box.name]])
    return found


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "stick"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_pack_holds_what_the_plan_wants_and_no_secret(
    ctx: Context, model: Model, stick: Path, tmp_path: Path, stack: ExitStack
) -> None:
    ctx.secrets = Secrets(ctx.site.site, ctx.secrets._vault)
    ctx.secrets.save_store_credentials(
        "s3://b", Credentials(access_key_id="AKIAPLANTEDPLANTED12", secret_access_key="planted-store-secret")
    )
    (found,) = boxes.list_boxes(ctx)
    assert found.status is not None
    (slot,) = found.status.slots
    camera = "rtsp://user:hunter2@camera/live failed, password=hunter2"
    leaky = replace(
        found.status,
        slots=(slot, replace(slot, slot="b", state="ROLLED_BACK", bundle="0" * 64, reason=camera)),
        pipelines=(PipelineStatus(name="camera", source=camera, state="failing", last_error=camera),),
        spool=SpoolStatus(problem=camera),
    )
    box_store.set_status(ctx.database, found.box, status=leaky)
    box_store.set_status(ctx.database, found.box, problem=BoxUnreachable(camera))
    report = packing.pack_visit(ctx, stick)
    listed = read_pack(stick).listed
    assert {file.kind for file in listed.files} == {"bundle", "root", "metadata", "plan"}
    assert listed.models == (model_store.get_model(ctx.database, model.model),)
    assert report.missing == (f"lineside-edge-{report.plan.runtime}-{os.uname().machine}",)
    assert set(content(stick)) == {LIST_NAME, *(f"{FILES_NAME}/{file.sha256}" for file in listed.files)}
    secrets = [*(word.encode() for word in SECRETS), b"PRIVATE KEY"]
    secrets += [path.read_bytes() for path in ctx.places.keys.glob("*.key")] + [ctx.places.root_key.read_bytes()]
    for name, body in content(stick).items():
        assert not [word for word in secrets if word in body], name


def test_again_only_what_is_missing_is_written(ctx: Context, model: Model, stick: Path) -> None:
    first = packing.pack_visit(ctx, stick)
    assert first.written == first.bytes
    again = packing.pack_visit(ctx, stick)
    plan_bytes = next(file.size for file in read_pack(stick).listed.files if file.kind == "plan")
    assert again.written <= plan_bytes, "only the plan says when it was made"
    whole = stick / FILES_NAME / model.sha256
    whole.write_bytes(whole.read_bytes()[:-1] + b"x")
    (stick / FILES_NAME / f"{'0' * 64}").write_text("of another time")
    (stick / FILES_NAME / "my own.txt").write_text("mine")
    mended = packing.pack_visit(ctx, stick)
    assert mended.written >= model.size
    read_pack(stick).check(next(file for file in read_pack(stick).listed.files if file.kind == "bundle"))
    left = {path.name for path in (stick / FILES_NAME).iterdir()}
    assert "my own.txt" in left
    assert "0" * 64 not in left


@pytest.mark.parametrize("kept", [0, 1, 700, 10**9])
def test_a_file_goes_on_where_it_was_cut_whatever_was_left_of_it(
    ctx: Context, model: Model, stick: Path, kept: int
) -> None:
    (stick / FILES_NAME).mkdir(parents=True)
    body = ctx.blobs.get(model.sha256)
    left = (body[:kept] + b"garbage of a dying stick") if kept else b"quite another file" * 5000
    (stick / FILES_NAME / f"{model.sha256}.part").write_bytes(left)
    packing.pack_visit(ctx, stick)
    assert (stick / FILES_NAME / model.sha256).read_bytes() == body
    assert not list((stick / FILES_NAME).glob("*.part"))


def test_another_desktop_of_the_site_takes_it_over_twice(
    ctx: Context, model: Model, stick: Path, tmp_path: Path, stack: ExitStack
) -> None:
    edge = small_bundle(tmp_path, version=packing.pack_visit(ctx, tmp_path / "without").plan.runtime)
    home = tmp_path / "data" / "lineside" / "edge-bundles"
    home.mkdir(parents=True)
    name = f"lineside-edge-{edge.name.removeprefix('bundle-')}-{os.uname().machine}"
    shutil.copytree(edge, home / name)
    second = admitted(ctx, tmp_path, stack)
    third = joining_later(ctx, tmp_path, stack)
    report = packing.pack_visit(ctx, stick)
    assert report.missing == ()
    shutil.move(home / name, tmp_path / "was here")
    for _ in range(2):
        taken = taking_over.open_pack(second, stick)
        assert (taken.models, taken.edge, taken.digest) == (("parts 1.0.0",), (name,), report.digest)
        assert second.blobs.get(model.sha256) == ctx.blobs.get(model.sha256)
        assert model_store.get_model(second.database, model.model).state == "released"
        assert content(home / name) == content(tmp_path / "was here")
    assert second.roots().version == ctx.roots().version
    assert third.roots().version == ctx.roots().version


def joining_later(ctx: Context, folder: Path, stack: ExitStack) -> Context:
    """So that the second desktop lacks a root."""
    return admitted(ctx, folder, stack, "third")


def turn_into_a_link(path: Path) -> None:
    elsewhere = path.with_suffix(".x")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def turn_into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def turn_into_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def test_every_file_that_was_bent_is_named(ctx: Context, model: Model, stick: Path) -> None:
    packing.pack_visit(ctx, stick)
    files = {file.sha256: file for file in read_pack(stick).listed.files}
    bends: tuple[Callable[[Path], object], ...] = (
        lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
        lambda path: path.unlink(),
        turn_into_a_link,
        turn_into_a_folder,
        turn_into_a_pipe,
    )
    before = model_store.list_models(ctx.database)
    for sha256, file in files.items():
        for bend in bends:
            path = stick / FILES_NAME / sha256
            body = path.read_bytes()
            bend(path)
            with pytest.raises(PackTampered, match=file.name):
                taking_over.open_pack(ctx, stick)
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            path.unlink(missing_ok=True)
            path.write_bytes(body)
    assert model_store.list_models(ctx.database) == before
    taking_over.open_pack(ctx, stick)


# What the library says of a certificate whose number was bent; it is refused all the same.
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_every_byte_of_the_list_is_covered(ctx: Context, model: Model, stick: Path) -> None:
    packing.pack_visit(ctx, stick)
    path = stick / LIST_NAME
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((PackTampered, PackInvalid)):
            read_pack(stick)
    for other in (b"", whole[:-1], whole + b" ", b" " + whole, whole.replace(b"{", b"{ ", 1), b"[" * 10**6):
        path.write_bytes(other)
        with pytest.raises((PackTampered, PackInvalid)):
            read_pack(stick)
    path.unlink()
    with pytest.raises(NotFound, match="no whole pack"):
        read_pack(stick)
    path.symlink_to(ctx.places.site)
    with pytest.raises(PackInvalid):
        read_pack(stick)


def reseal(ctx: Context, stick: Path, change: Callable[[PackList], PackList]) -> None:
    """What a desktop of the site that has gone bad could sign."""
    listed = change(read_pack(stick).listed)
    (stick / LIST_NAME).write_bytes(seal_list(listed, ctx.identity))


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "a/../b", "a\\b", "a/b/c/d", "", ".hidden", "x" * 300, "a//b"]
)
def test_names_that_lead_elsewhere_are_refused(ctx: Context, model: Model, stick: Path, name: str) -> None:
    packing.pack_visit(ctx, stick)
    reseal(ctx, stick, lambda listed: replace(listed, files=(replace(listed.files[0], name=name), *listed.files[1:])))
    with pytest.raises(PackInvalid):
        taking_over.open_pack(ctx, stick)


def test_a_desktop_that_has_gone_bad_cannot_smuggle_anything_in(ctx: Context, model: Model, stick: Path) -> None:
    packing.pack_visit(ctx, stick)
    good = (stick / LIST_NAME).read_bytes()
    (bundle,) = read_pack(stick).of_kind("bundle")
    other = replace(bundle, name="evil", sha256="0" * 64)
    changes: tuple[Callable[[PackList], PackList], ...] = (
        lambda one: replace(one, models=(replace(one.models[0], version="9.9.9"),)),
        lambda one: replace(one, models=(replace(one.models[0], model="0" * 64),)),
        lambda one: replace(one, models=(replace(one.models[0], release=99),)),
        lambda one: replace(one, models=()),
        lambda one: replace(one, files=(*one.files, bundle)),
        lambda one: replace(one, files=tuple(file for file in one.files if file.kind != "metadata")),
        lambda one: replace(
            one, files=tuple(replace(f, kind="edge", name="x/y") if f == bundle else f for f in one.files)
        ),
        lambda one: replace(
            one, files=tuple(replace(f, name="2.root.json") if f.kind == "root" else f for f in one.files)
        ),
    )
    before = (model_store.list_models(ctx.database), ctx.roots().version)
    for change in changes:
        (stick / LIST_NAME).write_bytes(good)
        reseal(ctx, stick, change)
        with pytest.raises((PackInvalid, PackTampered)):
            taking_over.open_pack(ctx, stick)
    (stick / LIST_NAME).write_bytes(good)
    reseal(ctx, stick, lambda one: replace(one, files=(*one.files, other)))
    with pytest.raises(PackTampered, match="evil"):
        taking_over.open_pack(ctx, stick)
    assert (model_store.list_models(ctx.database), ctx.roots().version) == before


def test_only_a_desktop_that_the_site_lists_is_believed(
    ctx: Context, model: Model, stick: Path, tmp_path: Path, stack: ExitStack
) -> None:
    second = admitted(ctx, tmp_path, stack)
    packing.pack_visit(second, stick)
    assert taking_over.open_pack(ctx, stick).desktop == second.identity.fingerprint
    trust.strike_off(ctx, "second", root_key=ctx.places.root_key, passphrase=PASSPHRASE)
    with pytest.raises(PackForeign, match="does not list"):
        taking_over.open_pack(ctx, stick)
    stranger = create_identity(tmp_path / "keys", "stranger")
    listed = read_pack(stick).listed
    (stick / LIST_NAME).write_bytes(seal_list(replace(listed, certificate=stranger.certificate_pem), stranger))
    with pytest.raises(PackForeign, match="does not list"):
        taking_over.open_pack(ctx, stick)
    own = replace(listed, certificate=ctx.identity.certificate_pem, site="0" * 64)
    (stick / LIST_NAME).write_bytes(seal_list(own, ctx.identity))
    with pytest.raises(PackForeign, match="of the site"):
        taking_over.open_pack(ctx, stick)
    with pytest.raises(AlreadyExists):
        packing.pack_visit(ctx, stick)


def test_what_cannot_be_packed_is_said_beforehand(
    ctx: Context, model: Model, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)

    def almost_full(_path: Path) -> Any:
        return usage._replace(free=packing.RESERVE_BYTES)

    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", almost_full)
        with pytest.raises(DiskFull, match="are needed"):
            packing.pack_visit(ctx, stick)
    assert list((stick / FILES_NAME).iterdir()) == []
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(PackUnwritable):
        packing.pack_visit(ctx, tmp_path / "file")
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / FILES_NAME).symlink_to(ctx.home)
    before = set(ctx.home.iterdir())
    with pytest.raises(PackUnwritable, match="leads elsewhere"):
        packing.pack_visit(ctx, trap)
    assert set(ctx.home.iterdir()) == before
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        packing.pack_visit(ctx, stick, cancel=token)
    with pytest.raises(NotFound):
        taking_over.open_pack(ctx, stick)
    ctx.places.keys.rename(tmp_path / "keys")
    create_identity(ctx.places.keys, "stranger")
    with pytest.raises(TrustRefused):
        packing.pack_visit(ctx, stick)
    shutil.rmtree(ctx.places.keys)
    (tmp_path / "keys").rename(ctx.places.keys)
    ctx.blobs.path(model.sha256).write_bytes(b"damaged on this desktop")
    with pytest.raises((ObjectCorrupt, LinesideError)):
        packing.pack_visit(ctx, stick)
    with pytest.raises(NotFound):
        read_pack(stick)


def test_the_list_says_what_is_in_it(ctx: Context, model: Model, stick: Path) -> None:
    report = packing.pack_visit(ctx, stick)
    pack = read_pack(stick)
    assert pack.digest == report.digest
    assert (pack.listed.desktop_name, pack.listed.site) == (
        ctx.roots().desktops()[ctx.identity.fingerprint].name,
        ctx.site.site,
    )
    (plan,) = pack.of_kind("plan")
    assert wire.decode(pack.read(plan, plan.size), dict, what="plan")["site_name"] == "North plant"


def test_the_file_of_a_configuration_that_waits_for_a_box_is_carried(
    ctx: Context, model: Model, stick: Path, tmp_path: Path, stack: ExitStack
) -> None:
    started = rollout_starts.start_configuration(ctx, "[drift]\nthin = 3\n", waves=[["line-2"]])
    assert started.object is not None
    second = admitted(ctx, tmp_path, stack)
    packing.pack_visit(ctx, stick)
    (file,) = read_pack(stick).of_kind("rollout")
    assert (file.sha256, file.size) == (started.object, started.size)
    for _ in range(2):
        assert taking_over.open_pack(second, stick).rollouts == (f"rollout-{started.object[:12]}",)
        assert second.blobs.get(started.object) == ctx.blobs.get(started.object)
