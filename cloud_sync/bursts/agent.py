"""``lineside-burst``: the program that trains, on whatever machine a host gave it.

It needs no desktop. It says where it is (heartbeat, log), keeps checkpoints, takes up what an earlier attempt
left, says its last word once, and ends by itself: when it is done, when it is asked to, and at its deadline.

Exit status: 0 the result is published (by this or an earlier attempt), 1 it failed and said so, 2 it could not
begin, 3 its deadline passed, 4 it was asked to stop and can be resumed, 75 another agent works on this burst here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_sync.bursts import spec as layout
from cloud_sync.bursts.attempt import (
    Checkpoints,
    Reporter,
    Stopped,
    StopRequest,
    fetch_items,
    now_ms,
    publish_done,
    put_artifacts,
    read_done,
)
from cloud_sync.bursts.deadline import DeadlineTimer
from cloud_sync.bursts.hosts.process import EXIT_LOCKED, EXIT_UNUSABLE, AgentLock
from cloud_sync.bursts.spec import BurstSpec, Done, DoneState, Stored
from cloud_sync.objects import ObjectStore, open_store
from cloud_sync.recipes.base import (
    Arrays,
    Exported,
    Recipe,
    Trained,
    TrainingInputs,
    load_recipe,
    pack_arrays,
    unpack_arrays,
)
from cloud_sync.transfer import get_object
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, LinesideError, StoreUnreachable

if TYPE_CHECKING:
    from edge_runtime.contracts.manifest import QuantizationFacts

EXIT_DONE, EXIT_FAILED, EXIT_DEADLINE, EXIT_STOPPED = 0, 1, 3, 4
_DEADLINE = "The deadline passed before the training was finished; the last checkpoint is kept."
_CALIBRATION_BATCH = 32
_OBJECTS = "objects"


class Agent:
    """One attempt at one burst, from its spec to its last word."""

    def __init__(self, store: ObjectStore, burst: str, attempt: int, scratch: Path, stop: StopRequest) -> None:
        self._store = store
        self._burst = burst
        self._attempt = attempt
        self._scratch = scratch
        self._stop = stop
        self._started = time.monotonic()
        self._reporter = Reporter(store, burst, attempt)
        self._checkpoints = Checkpoints(store, burst, attempt)

    def run(self, timer: DeadlineTimer) -> int:
        """Do the attempt; its exit status."""
        self._reporter.start()
        try:
            return self._run(timer)
        finally:
            self._reporter.close()

    def publish(
        self,
        state: DoneState,
        reason: str = "",
        *,
        recipe: Recipe | None = None,
        artifacts: dict[str, Stored] | None = None,
        metrics: dict[str, float] | None = None,
    ) -> None:
        """Say the burst's last word, unless it has been said."""
        done = Done(
            burst=self._burst,
            attempt=self._attempt,
            state=state,
            finished_ms=now_ms(),
            reason=reason,
            seconds=time.monotonic() - self._started,
            recipe=recipe.name if recipe else "",
            recipe_version=recipe.version if recipe else "",
            artifacts=artifacts or {},
            metrics=metrics or {},
        )
        standing = publish_done(self._store, done)
        self._reporter.say(standing.state if standing is done else "another attempt had finished before this one")
        # Whatever comes next, it is not this burst: its samples need no second copy on this disk.
        shutil.rmtree(self._scratch / _OBJECTS, ignore_errors=True)

    def _run(self, timer: DeadlineTimer) -> int:
        try:
            spec = self._stop.insist(self._read_spec)
            timer.tighten(spec.deadline_ms, (spec.deadline_ms - spec.created_ms) / 1000.0)
            if self._stop.insist(lambda: read_done(self._store, self._burst)) is not None:
                return EXIT_DONE
            self._work(spec)
        except Stopped as stopped:
            if stopped.reason == "deadline":
                self.publish("deadline", _DEADLINE)
                return EXIT_DEADLINE
            self._reporter.say("stopped as asked; a next attempt goes on from the last checkpoint")
            return EXIT_STOPPED
        except LinesideError as error:
            self._reporter.say(f"failed: {error}")
            reason = f"{error.message} {error.hint}"
            self._stop.insist(lambda: self.publish("failed", reason))
            return EXIT_FAILED
        except Exception as error:
            # A bug in a recipe or a machine out of memory: said in the store, and in full on standard error.
            self._reporter.say(f"failed: {type(error).__name__}: {error}")
            self.publish("failed", f"{type(error).__name__}: {error}"[:2000])
            raise
        return EXIT_DONE

    def _read_spec(self) -> BurstSpec:
        spec = BurstSpec.from_bytes(self._store.get(layout.spec_key(self._burst), max_bytes=layout.MAX_MESSAGE_BYTES))
        if spec.burst != self._burst:
            raise InputInvalid("The burst's spec is that of another burst.")
        return spec

    def _work(self, spec: BurstSpec) -> None:
        recipe = load_recipe(spec.recipe)
        recipe.check(spec.params)
        self._reporter.say(f"attempt {self._attempt} with {recipe.name} {recipe.version}")
        self._reporter.phase("fetching")
        items = fetch_items(self._store, spec, self._scratch / _OBJECTS, self._stop)
        base = self._base(spec)
        found = self._stop.insist(self._checkpoints.newest)
        self._reporter.phase("training")
        trained = recipe.train(
            TrainingInputs(items=items, labels=spec.labels, seed=spec.seed, base=base),
            spec.params,
            resume=found[1] if found else None,
            report=self._reporter.progress,
            checkpoint=_Due(self._checkpoints, self._reporter, spec.checkpoint_every_s),
            should_stop=lambda: bool(self._stop),
        )
        # Also when finished: an attempt that is killed while it exports need not train again.
        self._reporter.phase("exporting" if trained.finished else "stopping")
        _keep(self._checkpoints, self._reporter, trained.step, trained.state)
        self._stop.check()
        exported = recipe.export(trained.weights)
        int8, facts = self._quantized(spec, exported, trained)
        self._reporter.phase("uploading")
        artifacts = self._stop.insist(
            lambda: put_artifacts(
                self._store,
                self._burst,
                [
                    ("model.fp32.onnx", exported.model),
                    ("model.int8.onnx", int8),
                    ("checkpoint.npz", pack_arrays(trained.weights)),
                    ("input.json", wire.encode(exported.input)),
                    ("output.json", wire.encode(exported.output)),
                    ("quantization.json", wire.encode(facts)),
                ],
            )
        )
        metrics = {**trained.metrics, "steps": float(trained.step)}
        self._stop.insist(lambda: self.publish("finished", recipe=recipe, artifacts=artifacts, metrics=metrics))

    def _quantized(self, spec: BurstSpec, exported: Exported, trained: Trained) -> tuple[bytes, QuantizationFacts]:
        from cloud_sync.release.quantize import quantize

        frames = trained.calibration
        batches = (frames[at : at + _CALIBRATION_BATCH] for at in range(0, len(frames), _CALIBRATION_BATCH))
        int8, facts = quantize(exported.model, batches, dataset=spec.dataset)
        kept = f", in fp32 stay {', '.join(facts.float_nodes)}" if facts.float_nodes else ""
        self._reporter.say(f"quantized from {len(exported.model)} to {len(int8)} bytes{kept}")
        return int8, facts

    def _base(self, spec: BurstSpec) -> Arrays | None:
        sha256 = spec.base_checkpoint
        if sha256 is None:
            return None
        body = self._stop.insist(lambda: get_object(self._store, sha256))
        return unpack_arrays(body, what="base checkpoint")


class _Due:
    """Keeps a checkpoint when the last one is old enough."""

    def __init__(self, checkpoints: Checkpoints, reporter: Reporter, every_s: float) -> None:
        self._checkpoints = checkpoints
        self._reporter = reporter
        self._every_s = every_s
        self._last = time.monotonic()

    def __call__(self, step: int, state: Callable[[], Arrays]) -> None:
        if time.monotonic() - self._last >= self._every_s:
            _keep(self._checkpoints, self._reporter, step, state())
            self._last = time.monotonic()


def _keep(checkpoints: Checkpoints, reporter: Reporter, step: int, state: Arrays) -> None:
    # What led to a checkpoint is told before it: a next attempt will not pass there again.
    reporter.flush()
    try:
        checkpoints.commit(step, state)
    except StoreUnreachable as error:
        # Work goes on: only a checkpoint is lost, and only if this attempt is too.
        reporter.say(f"no checkpoint of step {step}: {error.message}")
    else:
        reporter.say(f"checkpoint of step {step}")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    stop = StopRequest()
    agents: list[Agent] = []

    def overrun() -> None:
        try:
            for agent in agents:
                agent.publish("deadline", _DEADLINE)
        finally:
            os._exit(EXIT_DEADLINE)

    timer = DeadlineTimer(options.deadline_ms, on_deadline=lambda: stop.ask("deadline"), on_overrun=overrun)
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.ask("asked"))
    os.nice(options.nice)
    # Threads that spin while they wait for one another cost more than they win beside other programs. Both must
    # stand in the environment before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    try:
        with AgentLock(options.scratch, burst=options.burst, attempt=options.attempt):
            store = open_store(options.store, endpoint_url=options.endpoint_url)
            try:
                agents.append(Agent(store, options.burst, options.attempt, options.scratch, stop))
                return agents[0].run(timer)
            finally:
                timer.disarm()
                store.close()
    except AlreadyExists as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_LOCKED
    except LinesideError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return EXIT_UNUSABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("lineside-burst", description="Make one attempt at a training burst.")
    parser.add_argument("--store", required=True, metavar="URL", help="object store: s3://BUCKET/PREFIX or a folder")
    parser.add_argument("--endpoint-url", metavar="URL", help="S3 server other than Amazon's")
    parser.add_argument("--burst", required=True, metavar="ID")
    parser.add_argument("--attempt", required=True, type=int, metavar="N")
    parser.add_argument("--deadline-ms", required=True, type=int, metavar="MS", help="milliseconds since 1970")
    parser.add_argument("--scratch", required=True, type=Path, metavar="DIR")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="cores that training may use")
    parser.add_argument("--nice", type=int, default=0, metavar="N")
    return parser


if __name__ == "__main__":
    status = main()
    # All is written and closed; taking torch apart again would cost another second or two of a paid machine.
    sys.stderr.flush()
    os._exit(status)
