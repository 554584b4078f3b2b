"""Making a box of a bare machine over SSH. Cut off anywhere, it is simply done again: it goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from app.fleet.client import BoxClient
from app.fleet.edge_bundle import EdgeBundle, find_edge_bundle, open_edge_bundle, usual_folders
from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.bundle import Load, load_for
from app.fleet.ssh.machine import Machine, Probe, choose_python, meet, supervisor_source
from app.fleet.ssh.notes import Note, say
from app.fleet.ssh.preflight import Facts, Text, Wanted, is_installed, judge
from app.fleet.ssh.session import SshSession, open_session
from app.fleet.ssh.sign_in import SignIn
from app.fleet.ssh.upload import Staged, look_at_staged, plan, upload
from app.store import boxes as box_store
from app.store.records import Box
from app.store.ssh_access import SshAccess, known_host_keys, put_access
from app.usecases.boxes import enter_box, now_ms, refresh, require_free_name, require_levelled
from app.usecases.one_at_a_time import alone_with
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.config import join_address
from edge_runtime.contracts.enrolment_errors import (
    EdgeBundleTampered,
    EnrolmentNotConfirmed,
    EnrolmentUnsuitable,
    SshHostKey,
)
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable, BoxWrongKey, InputInvalid, LinesideError
from edge_runtime.contracts.rows import Digest, Name
from edge_runtime.contracts.text import one_line
from edge_runtime.enrolment import require_box_name
from edge_runtime.identity import fingerprint_of
from edge_runtime.update.roots import to_be_brought

if TYPE_CHECKING:
    from app.context import Context

CONFIRM_S = 120.0
"""A slow box takes this long to import its parts."""
MIB = 2**20


class Step(StrEnum):
    """What is done, in this order. Each looks first whether it is done already."""

    CONNECT = "connect"
    PREFLIGHT = "preflight"
    UPLOAD = "upload"
    USER = "user"
    INSTALL = "install"
    SERVICE = "service"
    KEYS = "keys"
    START = "start"
    CONFIRM = "confirm"


BOOT_NOTES = {
    "systemd": "systemd starts it at every boot, and again whenever it ends.",
    "cron": "There is no systemd: a supervisor starts it again whenever it ends, and cron starts that at every boot.",
    "by-hand": "There is neither systemd nor cron: a supervisor starts it again whenever it ends, but nothing starts "
    "that at boot. Have /opt/lineside-edge/bin/supervise started as the user lineside-edge.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentReport:
    """What an enrolment did."""

    box: Box
    changed: tuple[str, ...]
    """Steps that changed something on the machine; none where everything was as it should be."""
    sent_bytes: int
    host_key: str
    version: str
    boot: str
    """``systemd``, ``cron`` or ``by-hand``: what starts the box when the machine does."""
    warnings: tuple[str, ...] = ()
    """The notes, in English."""
    notes: tuple[Note, ...] = ()
    """What a person should know of the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changed:
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installed:
    changed: bool
    wrong: Annotated[tuple[Digest, ...], Meta(max_length=1000)] = ()
    """Uploaded files that are not what they should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    changed: bool
    boot: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exchanged:
    changed: bool
    box: Digest
    name: Name
    certificate: Annotated[str, Meta(max_length=16384)]
    port: Annotated[int, Meta(ge=1, le=65535)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LastWords:
    said: Annotated[tuple[Text, ...], Meta(max_length=20)] = ()
    running: bool = False


def known_host_key(ctx: Context, target: SshTarget) -> str | None:
    """The fingerprint that was verified there before; None: nobody has, or two boxes share the address."""
    keys = known_host_keys(ctx.database, target.host, target.port)
    return keys[0] if len(keys) == 1 else None


def enrol_over_ssh(
    ctx: Context,
    target: SshTarget,
    host_key: str,
    sign_in: SignIn,
    *,
    name: str | None = None,
    bundle: Path | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> EnrolmentReport:
    """Make a box of the machine at ``target``, and put it on the list.

    :param host_key: the fingerprint that the machine's label bears; nothing else is accepted.
    :param name: what a new box is called; by default what the machine is.
    :param bundle: None: the one of this desktop's version for the machine, where bundles usually lie.
    :raises SshUnreachable, SshHostKey, SshRefused, SshSudo, SshBusy: nothing was changed.
    :raises EnrolmentUnsuitable, EdgeBundleMissing, AlreadyExists: nothing was changed.
    :raises SshCutOff, DiskFull, EnrolmentRefused, EnrolmentNotConfirmed: to do the same again goes on where it was.
    """
    token = cancel or CancelToken()
    if name is not None:
        name = require_box_name(name)
    progress(ProgressEvent(step=Step.CONNECT, message=str(target)))
    with (
        alone_with(ctx, target),
        host_key_noted(ctx, target),
        open_session(target, host_key, sign_in, check=token.check) as session,
    ):
        return _Enrolment(ctx, session, name, bundle, progress, token).run(sign_in)


@contextmanager
def host_key_noted(ctx: Context, target: SshTarget) -> Iterator[None]:
    """That a machine has another key than was said of it goes into the activity."""
    try:
        yield
    except SshHostKey as error:
        told = f"{target}: {error.message}"
        ctx.database.write(lambda w: w.activity(SshHostKey.code, str(target), told))
        raise


@dataclass
class _Enrolment:
    ctx: Context
    session: SshSession
    name: str | None
    path: Path | None
    progress: Progress
    cancel: CancelToken
    changed: list[str] = field(default_factory=list)
    sent: int = 0

    def run(self, sign_in: SignIn) -> EnrolmentReport:
        self._begin(Step.PREFLIGHT)
        found: list[EdgeBundle] = []
        machine = meet(self.session, sign_in, offer=lambda probe: self._offer(probe, found))
        version, _python = choose_python(machine.probe, found[0].manifest.pythons)
        load = load_for(found[0], version)
        facts = machine.as_root("look", Facts, home=machine.probe.home)
        wanted = self._wanted(machine, load, facts)
        notes = self._judge(facts, wanted)
        if not is_installed(facts, wanted):
            with self.session.files():
                # It is looked over, too, before anything is written.
                pass
        with machine.claimed(self.ctx.identity.fingerprint):
            return self._make(machine, load, facts, wanted, notes)

    def _make(
        self, machine: Machine, load: Load, facts: Facts, wanted: Wanted, notes: tuple[Note, ...]
    ) -> EnrolmentReport:
        if not is_installed(facts, wanted):
            staged = self._upload(machine, load)
            self._do(machine, Step.USER, "make-user", _Changed)
            self._install(machine, load, staged)
        else:
            self._do(machine, Step.USER, "make-user", _Changed)
        machine.as_self("unstage", _Changed)
        started_by = {"unit": load.unit(), "clock": load.clock_drop_in(), "supervise": supervisor_source()}
        served = self._do(machine, Step.SERVICE, "serve", _Served, **started_by)
        keys = self._keys(machine, facts, wanted)
        self._do(machine, Step.START, "start", _Changed, anew=False)
        box = self._confirm(machine, keys, load.bundle.manifest.version)
        warnings = tuple(map(say, notes))
        self._record(box, warnings)
        # It is on the list, where the root key can join what was made apart; but it can not be used like this.
        require_levelled(self.ctx, box)
        return EnrolmentReport(
            box=box,
            changed=tuple(self.changed),
            sent_bytes=self.sent,
            host_key=self.session.host_key,
            version=load.bundle.manifest.version,
            boot=served.boot,
            warnings=warnings,
            notes=notes,
        )

    def _record(self, box: Box, warnings: Sequence[str]) -> None:
        if self.changed:
            done = " ".join((f"Set up {box.name} at {self.session.target} ({', '.join(self.changed)}).", *warnings))
            self.ctx.database.write(lambda w: w.activity("box.set-up", box.box, done))

    def _begin(self, step: Step, message: str = "", fraction: float | None = None) -> None:
        self.cancel.check()
        self.progress(ProgressEvent(step=step, message=message, fraction=fraction))

    def _do(self, machine: Machine, step: Step, deed: str, kind: Any, **request: Any) -> Any:
        self._begin(step)
        note = f"{step} by the Lineside desktop {self.ctx.identity.fingerprint[:12]} ({self.session.target.user})"
        done = machine.as_root(deed, kind, note=note, **request)
        self._note(step, done.changed)
        return done

    def _note(self, step: Step, changed: bool) -> None:
        if changed and step not in self.changed:
            self.changed.append(step)

    def _offer(self, probe: Probe, found: list[EdgeBundle]) -> tuple[str, ...]:
        bundle = open_edge_bundle(self.path or find_edge_bundle(probe.arch, usual_folders()))
        if bundle.manifest.arch != probe.arch:
            raise EnrolmentUnsuitable(
                f"{self.session.target.host} is {probe.arch}; {bundle.path.name} is for {bundle.manifest.arch}.",
                hint="Use a bundle for its architecture. Nothing was changed.",
            )
        found.append(bundle)
        return bundle.manifest.pythons

    def _wanted(self, machine: Machine, load: Load, facts: Facts) -> Wanted:
        missing = plan(load, look_at_staged(machine, load, make=False))
        manifest = load.bundle.manifest
        return Wanted(
            arch=manifest.arch,
            glibc=manifest.glibc,
            pythons=manifest.pythons,
            id=load.installed_id(facts.python),
            staged_bytes=sum(load.size_of(digest) - offset for digest, offset in missing.items()),
            copied_bytes=load.size,
            unpacked_bytes=load.unpacked_bytes,
            roots=tuple(root.decode(errors="replace") for root in self.ctx.roots().chain()),
            now_ms=now_ms(),
            has_staging=machine.probe.has_home,
            free_staging=machine.probe.free_bytes,
        )

    def _judge(self, facts: Facts, wanted: Wanted) -> tuple[Note, ...]:
        verdict = judge(facts, wanted)
        if verdict.problems:
            raise EnrolmentUnsuitable(" ".join(one_line(problem) for problem in verdict.problems))
        there = facts.home
        if there is not None and there.name:
            box = fingerprint_of(there.certificate) if there.certificate else ""
            require_free_name(self.ctx, box, there.name)
            if self.name and self.name != there.name:
                return (*verdict.notes, Note(kind="name-kept", facts={"name": there.name}))
            return verdict.notes
        box = fingerprint_of(there.certificate) if there is not None and there.certificate else ""
        known = next((one.name for one in box_store.list_boxes(self.ctx.database) if one.box == box), None)
        self.name = require_box_name(self.name or known or facts.hostname or self.session.target.host)
        require_free_name(self.ctx, box, self.name)
        if box:
            return (*verdict.notes, Note(kind="config-anew", facts={"name": self.name}))
        return verdict.notes

    def _upload(self, machine: Machine, load: Load) -> Staged:
        staged = look_at_staged(machine, load, make=True)
        self._send(machine, load, staged, plan(load, staged))
        return staged

    def _send(self, machine: Machine, load: Load, staged: Staged, offsets: dict[str, int]) -> None:
        here = load.size - sum(load.size_of(digest) - offset for digest, offset in offsets.items())

        def tell(count: int) -> None:
            nonlocal here
            here += count
            self.sent += count
            message = f"{here / MIB:.1f} of {load.size / MIB:.1f} MiB"
            self._begin(Step.UPLOAD, message, here / load.size)
            machine.stay()

        tell(0)
        upload(self.session, load, staged.folder, offsets, sent=tell)
        self._note(Step.UPLOAD, bool(offsets))

    def _install(self, machine: Machine, load: Load, staged: Staged) -> None:
        files = {digest: (load.path_of(digest), load.size_of(digest)) for digest in load.files}
        for _attempt in range(2):
            done = self._do(machine, Step.INSTALL, "install", _Installed, folder=staged.folder, files=files)
            if not done.wrong:
                return
            # Bytes of an earlier attempt, or of somebody who writes there meanwhile: once more, from the beginning.
            right = [digest for digest in load.files if digest not in done.wrong]
            machine.as_self("staged", Staged, wanted=right, make=True)
            self._send(machine, load, staged, {digest: 0 for digest in done.wrong if digest in load.files})
        raise EdgeBundleTampered(
            "What was uploaded is changed on the machine before it can be used.",
            hint="Look at who else may write to the folder .lineside-upload there. Nothing of it was used.",
        )

    def _keys(self, machine: Machine, facts: Facts, wanted: Wanted) -> _Exchanged:
        name = self.name or (facts.home.name if facts.home and facts.home.name else "") or facts.hostname
        # Those that it has, too: by them it sees whether its own newest one was known where ours was made.
        roots = [root.decode(errors="replace") for root in to_be_brought(self.ctx.roots().chain())]
        desktop = self.ctx.identity.certificate_pem
        keys: _Exchanged = self._do(machine, Step.KEYS, "exchange", _Exchanged, name=name, desktop=desktop, roots=roots)
        if fingerprint_of(keys.certificate) != keys.box:
            raise InputInvalid("The box's certificate is not the one of the key that it names.")
        require_free_name(self.ctx, keys.box, keys.name)
        return keys

    def _confirm(self, machine: Machine, keys: _Exchanged, version: str) -> Box:
        """Mutual TLS from this desktop proves both keys, and that the box can be reached where it is looked for."""
        address = join_address(self.session.target.host, keys.port)
        self._begin(Step.CONFIRM, address)
        running = self._ask_version(machine, address, keys)
        if running != version:
            self._do(machine, Step.START, "start", _Changed, anew=True)
            running = self._ask_version(machine, address, keys, until=version)
        if running != version:
            raise EnrolmentNotConfirmed(f"The box at {address} runs {running}, though {version} is installed.")
        box = enter_box(self.ctx, box=keys.box, name=keys.name, address=address, certificate=keys.certificate)
        target = self.session.target
        access = SshAccess(user=target.user, host=target.host, port=target.port, host_key=self.session.host_key)
        put_access(self.ctx.database, box.box, access)
        refresh(self.ctx, box.box)
        return box_store.get_box(self.ctx.database, box.box)

    def _ask_version(self, machine: Machine, address: str, keys: _Exchanged, until: str | None = None) -> str:
        deadline = time.monotonic() + CONFIRM_S
        problem: LinesideError = BoxUnreachable("It was not asked.")
        running = ""
        while time.monotonic() < deadline:
            try:
                with BoxClient(address, keys.certificate, self.ctx.identity) as client:
                    status = client.status()
                    # A version that came over the network runs on top of the one that is installed.
                    on_top = status.runtime is not None and status.runtime.slot
                    running = status.runtime.base if status.runtime and on_top else status.version
            except (BoxUnreachable, BoxRefused) as error:
                problem = error
            except BoxWrongKey as error:
                raise EnrolmentNotConfirmed(
                    f"Another box than the one on this machine answers at {address}.",
                    hint="Something forwards that port elsewhere. Sign in at the machine's own address.",
                ) from error
            else:
                if until in (None, running):
                    return running
            self.cancel.wait(0.5)
        if running:
            return running
        said: Sequence[str] = ()
        with suppress(LinesideError):
            said = machine.as_root("last-words", _LastWords).said
        last = f" Its log ends with: {one_line(said[-1])}" if said else ""
        raise EnrolmentNotConfirmed(f"{problem.message}{last}")
