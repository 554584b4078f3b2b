"""A fresh machine becomes a box over SSH on a cable of this machine's own: how long, and where the time goes."""

from __future__ import annotations

import itertools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.usecases import sites
from app.usecases.enrolment import Step
from app.usecases.progress import ProgressEvent
from tests.bench.measure import Figure, Goal, seconds
from tests.fakes.bare_machine import SSHD, USER
from tests.fakes.edge_bundles import EDGE, PYTHON
from tests.fakes.visits import Visit, visit

GOAL_S = 60.0


def measure() -> list[Figure]:
    """Nothing where there is no OpenSSH server, or no right to make a machine of its own."""
    if os.geteuid() != 0 or not Path(SSHD).exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder))


def _measure(folder: Path) -> list[Figure]:
    dist = folder / "dist"
    build = str(EDGE / "build.py")
    command = [sys.executable, build, "--arch", platform.machine(), "--pythons", PYTHON, "--dist", str(dist)]
    environment = {**os.environ, "PYTHONPATH": str(EDGE.parent)}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    (bundle,) = dist.glob("*.zip")
    sites.create_site(folder / "desktop", "Plant 3", "correct horse").close()
    with visit(folder, bundle, folder / "desktop") as bare:
        began: dict[str, float] = {}

        def hook(event: ProgressEvent) -> None:
            began.setdefault(event.step, time.perf_counter())

        total = seconds(lambda: bare.enrol(hook=hook))
        steps = list(Step)
        spent = {step: began[after] - began[step] for step, after in itertools.pairwise(steps)}
        again = seconds(bare.enrol)
        copy = _scp(bare, bundle, folder)
    print({str(step): round(each, 2) for step, each in spent.items()}, flush=True)
    upload, install = spent[Step.UPLOAD], spent[Step.INSTALL]
    return [
        Figure(
            what="enrolment of one fresh machine over SSH",
            reference="its upload and install alone",
            unit="s",
            ours=total,
            theirs=upload + install,
            higher_is_better=False,
            goal=Goal(figure=GOAL_S),
        ),
        Figure(
            what=f"upload of {bundle.stat().st_size / 2**20:.0f} MiB to it",
            reference="OpenSSH's `scp` of the same",
            unit="s",
            ours=upload,
            theirs=copy,
            higher_is_better=False,
        ),
        Figure(
            what="enrolment once more, which changes nothing",
            reference="the first enrolment",
            unit="s",
            ours=again,
            theirs=total,
            higher_is_better=False,
        ),
    ]


def _scp(bare: Visit, bundle: Path, folder: Path) -> float:
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    authorized = bare.machine.root / "home" / USER / ".ssh"
    authorized.mkdir()
    shutil.copy(f"{key}.pub", authorized / "authorized_keys")
    trusting = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder / 'known'}"]
    command = ["scp", "-q", "-i", str(key), *trusting, str(bundle), f"{USER}@{bare.machine.address}:copy"]
    return seconds(lambda: subprocess.run(command, check=True, capture_output=True))
