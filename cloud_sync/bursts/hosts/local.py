"""This machine as a training host: a niced process in a session of its own, which outlives the desktop."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cloud_sync.bursts.budget import Price
from cloud_sync.bursts.hosts.base import HostHandle, Launch, Quote
from cloud_sync.bursts.hosts.process import EXIT_LOCKED, EXIT_UNUSABLE, ProcessId, is_alive, read_note
from cloud_sync.bursts.spec import BurstSpec
from edge_runtime.contracts.errors import BurstFailed, TrainingUnavailable

_NEEDED = ("torch", "onnx", "onnxscript", "onnxruntime", "cloud_sync")
_START_TIMEOUT_S = 60.0
_STOP_GRACE_S = 10.0
_KILL_TIMEOUT_S = 10.0
_POLL_S = 0.02
_NICENESS = 3
"""Enough to let the desktop and the boxes of a demo go first, not enough to starve beside them."""
_LAST_WORDS_BYTES = 2000


class LocalHost:
    """Runs agents on this machine (Linux, macOS).

    :param work: folder for scratch data, one sub-folder a burst.
    :param python: the interpreter to train with; it needs ``lineside[train]``.
    :param threads: how many cores training may use; by default half of them, so that the desktop stays quick.
    """

    name = "local"

    def __init__(self, work: Path, *, python: str = sys.executable, threads: int | None = None) -> None:
        self._work = work
        self._python = python
        self._threads = threads or max(1, (os.cpu_count() or 1) // 2)
        self._checked = False

    def quote(self, _spec: BurstSpec) -> Quote:
        self.check()
        return Quote(host=self.name, price=Price(), source="this machine")

    def start(self, launch: Launch, env: Mapping[str, str]) -> HostHandle:
        self.check()
        for present in self.find(launch.burst):
            if present.attempt == launch.attempt:
                return present
            # A later attempt was decided on: the earlier one must not work beside it.
            self.stop(present)
        scratch = self._scratch(launch.burst)
        scratch.mkdir(parents=True, exist_ok=True)
        arguments = [
            *(self._python, "-m", "cloud_sync.bursts.agent"),
            *("--store", launch.store_address, "--burst", launch.burst, "--attempt", str(launch.attempt)),
            *("--deadline-ms", str(launch.deadline_ms), "--scratch", str(scratch)),
            *("--threads", str(self._threads), "--nice", str(_NICENESS)),
        ]
        if launch.endpoint_url:
            arguments += ["--endpoint-url", launch.endpoint_url]
        with self._words(launch.burst, launch.attempt).open("ab") as words:
            process = subprocess.Popen(  # noqa: S603 - the site's own interpreter and module, no shell
                arguments,
                cwd=scratch,
                # Compilers and exporters leave things in the temporary folder: they go with the scratch folder.
                env={**os.environ, **env, "TMPDIR": str(scratch)},
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
            )
        # Takes the exit status, whenever that is, so that an ended agent never looks alive.
        threading.Thread(target=process.wait, name=f"burst-{process.pid}", daemon=True).start()
        return self._wait_for(process, launch)

    def find(self, burst: str) -> list[HostHandle]:
        note = read_note(self._scratch(burst))
        if note is None or note.burst != burst or not is_alive(ProcessId(note.pid, note.started)):
            return []
        where = {"pid": str(note.pid), "started": note.started}
        return [HostHandle(host=self.name, burst=burst, attempt=note.attempt, where=where)]

    def stop(self, handle: HostHandle) -> None:
        if "pid" not in handle.where:
            # It had ended before it was seen.
            return
        process = ProcessId(int(handle.where["pid"]), handle.where["started"])
        for sign, patience_s in ((signal.SIGTERM, _STOP_GRACE_S), (signal.SIGKILL, _KILL_TIMEOUT_S)):
            if not is_alive(process):
                return
            # The agent leads its session and group: what it may have started ends with it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            deadline = time.monotonic() + patience_s
            while is_alive(process) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        if is_alive(process):
            raise BurstFailed(f"The training process {process.pid} cannot be ended; the system holds it.")

    def last_words(self, handle: HostHandle) -> str:
        with suppress(FileNotFoundError):
            body = self._words(handle.burst, handle.attempt).read_bytes()
            return body[-_LAST_WORDS_BYTES:].decode("utf-8", "replace").strip()
        return ""

    def _scratch(self, burst: str) -> Path:
        return self._work / burst

    def _words(self, burst: str, attempt: int) -> Path:
        return self._scratch(burst) / f"attempt-{attempt:04d}.log"

    def _wait_for(self, process: subprocess.Popen[bytes], launch: Launch) -> HostHandle:
        """The agent's handle once it holds the burst's lock."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            found = [handle for handle in self.find(launch.burst) if handle.attempt == launch.attempt]
            if found:
                if found[0].where["pid"] != str(process.pid):
                    # Another program started the attempt at the same moment. Ours must not take over when that ends.
                    process.kill()
                return found[0]
            if process.returncode is not None:
                break
            time.sleep(_POLL_S)
        handle = HostHandle(host=self.name, burst=launch.burst, attempt=launch.attempt)
        if process.returncode is None:
            process.kill()
            raise BurstFailed(f"The training process did not start within {_START_TIMEOUT_S:.0f} s.")
        note = read_note(self._scratch(launch.burst))
        began = note is not None and note.pid == process.pid
        if process.returncode == EXIT_LOCKED or (began and process.returncode != EXIT_UNUSABLE):
            # Another one came first, or it was over before it was seen: what came of it is for the store to tell.
            return handle
        raise BurstFailed(
            f"The training process ended at once with status {process.returncode}: {self.last_words(handle)[-500:]}"
        )

    def check(self) -> None:
        """:raises TrainingUnavailable: this machine cannot train; says what is missing."""
        if self._checked:
            return
        if os.name != "posix":
            raise TrainingUnavailable("Training on this machine needs Linux or macOS.", hint="Choose another host.")
        if self._python != sys.executable:
            missing = _missing_in(self._python)
        elif getattr(sys, "frozen", False):
            raise TrainingUnavailable(
                "The installed program brings no Python to train with.",
                hint="Make a virtual environment with `pip install 'lineside[train]'` and name its python in Settings.",
            )
        else:
            missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise TrainingUnavailable(f"{self._python} lacks {', '.join(missing)}.")
        self._checked = True


def _missing_in(python: str) -> list[str]:
    """Which of the needed modules another interpreter lacks."""
    script = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n) is None])"
    try:
        answer = subprocess.run(  # noqa: S603 - the interpreter that the engineer named, no shell
            [python, "-c", script, *_NEEDED], capture_output=True, text=True, check=True, timeout=_START_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise TrainingUnavailable(f"{python} is not a Python that runs: {error}.") from error
    return answer.stdout.split()
