"""Files to a real S3 server on this machine and back, against the tools that people use for it.

Each run is a process of its own, from its start to its end. rclone comes with the development environment; s5cmd and
the AWS command line are measured where they are on the path.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from app.store.database import Database
from app.store.transfers import StoreLedger
from app.usecases.carrying import UNASKED_BYTES
from cloud_sync.objects import open_store
from cloud_sync.objects.base import PART_BYTES
from cloud_sync.pacing import Persistence, at_once
from cloud_sync.resumable import Moving, fetch_large, send_large
from cloud_sync.transfer import Manner, get_object_file, put_many
from tests.bench.measure import Figure, Goal
from tests.fakes.hostile_store import hostile_store
from tests.object_server import BUCKET, ObjectServer, object_server

_MEMORY = re.compile(r"VmHWM:\s+(\d+) kB")
_REPLICA = "a" * 64
ROUNDS = 3
LARGE_BYTES = 256 * 10**6
SMALL_BYTES = 64 * 2**10
SMALL_COUNT = 2000
GOAL_SPEED = 1 / 0.9
GOAL_RESENT = 1.15
GOAL_MB = 150.0

Command = Callable[[str, Path, str], list[str]]
"""(``up`` or ``down``, folder, prefix in the bucket) → what to run."""


@dataclass(frozen=True, slots=True)
class _Run:
    took_s: float
    cpu_s: float
    memory_mb: float


def measure() -> list[Figure]:
    """A large file and many small ones, up and down; and what a kill half-way costs."""
    with tempfile.TemporaryDirectory() as folder, object_server(Path(folder) / "s3") as server:
        large, small = Path(folder) / "large", Path(folder) / "small"
        _fill(large, 1, LARGE_BYTES)
        _fill(small, SMALL_COUNT, SMALL_BYTES)
        environment = {**os.environ, **server.environment, "AWS_REGION": "us-east-1"}
        figures: list[Figure] = []
        for source, words in ((large, "a file of 256 MB"), (small, "2,000 files of 64 KB")):
            figures += _compared(server.endpoint_url, Path(folder), source, words, environment)
        figures.append(_killed(server, Path(folder), large, environment))
    return figures


def _fill(folder: Path, count: int, size: int) -> None:
    folder.mkdir()
    for _number in range(count):
        body = os.urandom(size)
        (folder / hashlib.sha256(body).hexdigest()).write_bytes(body)


def _compared(
    endpoint: str, folder: Path, source: Path, words: str, environment: Mapping[str, str]
) -> Iterator[Figure]:
    tools = _tools(endpoint)
    runs: dict[tuple[str, str], list[_Run]] = {}
    for number in range(ROUNDS):
        for name, command in tools.items():
            prefix, target = f"{name}-{source.name}-{number}", folder / "target"
            # A desktop has its database before it has anything to send.
            Database.open(folder / f"{prefix}.db", replica=_REPLICA).close()
            for way, place in (("up", source), ("down", target)):
                target.mkdir(exist_ok=True)
                run = _run(command(way, place, prefix), environment)
                runs.setdefault((way, name), []).append(run)
            assert sum(path.stat().st_size for path in target.rglob("*")) >= SMALL_BYTES * 1000
            shutil.rmtree(target)
    for way in ("up", "down"):
        of = {name: runs[way, name] for name in tools}
        ours = of.pop("lineside")
        for name, theirs in of.items():
            for of_what, seconds, goal in (
                ("time", attrgetter("took_s"), Goal(ratio=GOAL_SPEED)),
                ("processor", attrgetter("cpu_s"), None),
            ):
                yield Figure(
                    what=f"{words}, {way}: {of_what}",
                    reference=name,
                    unit="s",
                    ours=statistics.median(map(seconds, ours)),
                    theirs=statistics.median(map(seconds, theirs)),
                    higher_is_better=False,
                    goal=goal,
                )
        yield Figure(
            what=f"{words}, {way}: most memory of the process",
            reference="the goal",
            unit="MB",
            ours=max(run.memory_mb for run in ours),
            theirs=GOAL_MB,
            higher_is_better=False,
            goal=Goal(figure=GOAL_MB),
        )


def _killed(server: ObjectServer, folder: Path, source: Path, environment: Mapping[str, str]) -> Figure:
    """Killed when half of the bytes have gone, and run again."""
    sent: dict[str, float] = {}
    with hostile_store(server) as counted:
        for name, command in _tools(counted.endpoint_url).items():
            if name not in ("lineside", "rclone"):
                continue
            counted.reset(lambda _request: None)
            words = command("up", source, f"killed-{name}")
            with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL) as process:
                while counted.bytes_up < LARGE_BYTES // 2 and process.poll() is None:
                    time.sleep(0.002)
                process.kill()
            _run(words, environment)
            sent[name] = counted.bytes_up / LARGE_BYTES
    return Figure(
        what="a file of 256 MB, killed half-way and sent again: bytes sent",
        reference="rclone",
        unit="times its size",
        ours=sent["lineside"],
        theirs=sent["rclone"],
        higher_is_better=False,
        goal=Goal(figure=GOAL_RESENT),
    )


def _tools(endpoint: str) -> dict[str, Command]:
    rclone = Path(sys.executable).with_name("rclone")
    remote = f":s3,provider=Other,env_auth=true,endpoint='{endpoint}':{BUCKET}"
    quick = ["--transfers", "16", "--s3-upload-concurrency", "8", "--s3-no-check-bucket", "--config", os.devnull]

    def with_rclone(way: str, folder: Path, prefix: str) -> list[str]:
        ends = [str(folder), f"{remote}/{prefix}"]
        return [str(rclone), "copy", *(ends if way == "up" else ends[::-1]), *quick]

    def with_s5cmd(way: str, folder: Path, prefix: str) -> list[str]:
        ends = (
            [f"{folder}/*", f"s3://{BUCKET}/{prefix}/"] if way == "up" else [f"s3://{BUCKET}/{prefix}/*", f"{folder}/"]
        )
        return ["s5cmd", "--log", "error", "--endpoint-url", endpoint, "cp", *ends]

    def with_aws(way: str, folder: Path, prefix: str) -> list[str]:
        ends = [str(folder), f"s3://{BUCKET}/{prefix}"]
        ends = ends if way == "up" else ends[::-1]
        return ["aws", "--endpoint-url", endpoint, "s3", "cp", "--recursive", "--only-show-errors", *ends]

    def with_lineside(way: str, folder: Path, prefix: str) -> list[str]:
        return [sys.executable, "-m", "tests.bench.transfers", way, str(folder), prefix, endpoint]

    others: dict[str, Command] = {"rclone": with_rclone}
    others |= {"s5cmd": with_s5cmd} if shutil.which("s5cmd") else {}
    others |= {"AWS command line": with_aws} if shutil.which("aws") else {}
    return {"lineside": with_lineside, **others}


def _run(command: list[str], environment: Mapping[str, str]) -> _Run:
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    found = _MEMORY.search(told)
    memory_mb = int(found[1]) / 1000 if found else 0.0
    return _Run(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, memory_mb)


def move(way: str, folder: Path, prefix: str, endpoint: str) -> None:
    """As a sync does it, with a real database of its transfers beside the folder."""
    store = open_store(f"s3://{BUCKET}/{prefix}", endpoint_url=endpoint)
    database = Database.open(folder.with_name(f"{prefix}.db"), replica=_REPLICA)
    ledger, persist = StoreLedger(database), Persistence(time.sleep)
    moving = Moving(pace=at_once, persist=persist, idle=lambda: None)
    if way == "up":
        files = sorted((path.stat().st_size, path) for path in folder.iterdir())
        small = [path for size, path in files if size <= PART_BYTES]
        manner = Manner(unasked_bytes=UNASKED_BYTES, persist=persist)
        put_many(store, ((path.name, path) for path in small), manner=manner, progress=lambda _one: None)
        for path in (path for size, path in files if size > PART_BYTES):
            send_large(store, ledger, path.name, path, moving)
    else:
        from concurrent.futures import ThreadPoolExecutor

        from app.usecases.stored import WORKERS

        found = [(info.key.rsplit("/", 1)[-1], info.size) for info in store.list("objects")]
        with ThreadPoolExecutor(WORKERS) as pool:
            small_ones = [sha256 for sha256, size in found if size <= PART_BYTES]
            list(pool.map(lambda sha256: get_object_file(store, sha256, folder / sha256), small_ones))
        for sha256, size in found:
            if size > PART_BYTES:
                fetch_large(store, ledger, sha256, size, folder / sha256, moving)
    database.close()
    store.close()
    # What the system says of the children of a large process counts that one's memory.
    print(Path("/proc/self/status").read_text())


if __name__ == "__main__":
    move(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
