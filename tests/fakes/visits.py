"""A desktop with a site, and a bare machine that it reaches over SSH."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from app.context import Context, open_context
from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.sign_in import SignIn
from app.usecases.enrolment import EnrolmentReport, enrol_over_ssh
from app.usecases.progress import ProgressEvent
from app.usecases.release import ReleaseReport, Rows, release_box
from tests.fakes.bare_machine import PASSWORD, USER, BareMachine, bare_machine
from tests.fakes.network import network

NAME = "line-2"
Hook = Callable[[ProgressEvent], None]


@dataclass
class Visit:
    """What an engineer does with a machine."""

    ctx: Context
    machine: BareMachine
    bundle: Path
    folder: Path
    steps: list[str] = field(default_factory=list)
    """As they began, in the last enrolment or release."""

    @property
    def target(self) -> SshTarget:
        return SshTarget(USER, self.machine.address)

    def enrol(self, sign_in: SignIn | None = None, *, hook: Hook | None = None, **options: Any) -> EnrolmentReport:
        """:param hook: hears of progress first."""
        chosen = {"target": self.target, "host_key": self.machine.fingerprint(), "name": NAME, **options}
        return enrol_over_ssh(
            self.ctx,
            sign_in=sign_in or SignIn(password=PASSWORD),
            bundle=chosen.pop("bundle", self.bundle),
            progress=self._listener(hook),
            **chosen,
        )

    def release(self, rows: Rows = Rows.KEEP, *, hook: Hook | None = None, **options: Any) -> ReleaseReport:
        release = partial(
            release_box,
            name=NAME,
            target=self.target,
            host_key=self.machine.fingerprint(),
            sign_in=SignIn(password=PASSWORD),
        )
        return release(self.ctx, rows=rows, progress=self._listener(hook), **options)

    def _listener(self, hook: Hook | None) -> Hook:
        self.steps = []

        def hear(event: ProgressEvent) -> None:
            if event.step not in self.steps:
                self.steps.append(event.step)
            if hook:
                hook(event)

        return hear

    def command(self, *words: str) -> list[str]:
        """``lineside boxes …`` of this site."""
        return [sys.executable, "-m", "app", "--home", str(self.ctx.home), "boxes", *words]

    def run(self, *words: str, status: int = 0, stdin: str = "") -> dict[str, Any]:
        """What the command says with ``--json``."""
        done = subprocess.run(
            self.command(*words, "--json"), capture_output=True, text=True, timeout=120, check=False, input=stdin
        )
        assert done.returncode == status, done.stdout + done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def secret(self, text: str) -> str:
        """A file with a password."""
        path = self.folder / f"secret-{abs(hash(text))}"
        path.write_text(f"{text}\n")
        return str(path)


@contextmanager
def visit(folder: Path, bundle: Path, desktop: Path, **options: int) -> Iterator[Visit]:
    """With sshd running.

    :param desktop: the home of one, to be copied.
    """
    with (
        network() as net,
        open_context(Path(shutil.copytree(desktop, folder / "site"))) as ctx,
        bare_machine(folder / "bare", net, **options) as machine,
    ):
        machine.serve()
        yield Visit(ctx, machine, bundle, folder)


def at(step: str, what: Callable[[], object]) -> Hook:
    """A hook that does something once, as soon as a step begins."""
    done: list[str] = []

    def hook(event: ProgressEvent) -> None:
        if event.step == step and not done:
            done.append(step)
            what()

    return hook
