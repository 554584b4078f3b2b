"""``lineside-edge serve``: answer programs with a model, over the Open Inference Protocol, until SIGTERM."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import queue
import signal
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.commands import said
from edge_runtime.commands.last_words import LastWords
from edge_runtime.commands.option_words import checked_options
from edge_runtime.commands.serve_model import ServedFile
from edge_runtime.commands.signals import heard_signals
from edge_runtime.config import MAX_WORKERS, Inference, MaybeListen, Workers, join_address
from edge_runtime.contracts.errors import InputInvalid, LinesideError, ModelUnusable
from edge_runtime.inference.allocator import give_back_freed_memory
from edge_runtime.model_files import read_model_file
from edge_runtime.processes import cores

if TYPE_CHECKING:
    from edge_runtime.commands import Parsers
    from edge_runtime.commands.trial_loads import TrialLoads
    from edge_runtime.serving.listeners import Listener
    from edge_runtime.serving.model import ServedModel
    from edge_runtime.serving.shelf import ModelShelf

STOP_S = 10.0
"""How long requests that are under way get to be answered; a second signal ends it at once."""
TURN_S = 5.0
"""How long the next model waits for one that is being loaded."""
TRIAL_S = 300.0
"""What a model may take to be loaded in a process of its own, on a device that prepares much too, besides its run."""
SETTINGS = (
    "http",
    "grpc",
    "token_file",
    "max_body_bytes",
    "max_connections",
    "max_queue",
    "header_timeout_s",
    "max_run_s",
)
"""Options that are settings of ``edge.toml`` too."""
_log = logging.getLogger(__name__)


def add_parser(commands: Parsers) -> None:
    """The command's options; the limits' defaults are those of ``edge.toml``."""
    defaults = Inference()
    parser = commands.add_parser("serve", description="Answer programs with a model, until SIGTERM.")
    parser.add_argument("models", metavar="MODEL", nargs="+", type=Path, help="an ONNX file, or a bundle")
    parser.add_argument("--name", help="what clients call it (default: the file's name, or the bundle's own)")
    parser.add_argument("--http", default=defaults.http, metavar="HOST:PORT", help="default: %(default)s; '' for none")
    parser.add_argument("--grpc", default="", metavar="HOST:PORT", help="listen for gRPC too")
    parser.add_argument("--token-file", default="", metavar="FILE", help="mode 0600: the token that clients must send")
    parser.add_argument("--home", type=Path, help="the box's folder: run a model as `lineside-edge bench` found best")
    parser.add_argument("--threads", type=int, help="of the runtime for one request (default: 1)")
    parser.add_argument("--workers", type=int, help="requests at a time (default: the cores divided by the threads)")
    parser.add_argument("--max-body-bytes", type=int, default=defaults.max_body_bytes)
    parser.add_argument("--max-connections", type=int, default=defaults.max_connections)
    parser.add_argument("--max-queue", type=int, default=defaults.max_queue, help="requests that wait for a worker")
    parser.add_argument("--header-timeout-s", type=float, default=defaults.header_timeout_s)
    parser.add_argument("--max-run-s", type=float, default=defaults.max_run_s, help="that a model may take")
    parser.add_argument("--json", action="store_true", help="say that it is ready in JSON")


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop.

    :raises InputInvalid: an option, a name or a file cannot be used.
    :raises ModelUnusable, BundleInvalid, BundleTampered: no model can be loaded at the start.
    :raises AlreadyExists: an address cannot be listened on.
    """
    files = _files(options)
    settings, names = _checked(options, files)
    # Several are tried elsewhere before; one alone is waited for, and may take the program along.
    last_words = _last_words(files[0], as_json=options.json) if len(files) == 1 else None
    try:
        _serve(options, files, settings, names, last_words)
    finally:
        if last_words is not None:
            last_words.not_needed()
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread that is still inside the runtime would crash the interpreter's own way out.
    os._exit(0)


def _serve(
    options: argparse.Namespace,
    files: list[ServedFile],
    settings: Inference,
    names: list[str],
    last_words: LastWords | None,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    events: Events = queue.SimpleQueue()
    with heard_signals({signal.SIGTERM, signal.SIGINT, signal.SIGHUP}, events.put):
        from edge_runtime.serving.shelf import ModelShelf

        workers = _workers(options, files)
        shelf = ModelShelf(workers=workers, max_waiting=settings.max_queue, max_run_s=settings.max_run_s)
        listeners = _listeners(shelf, settings)
        for listener in listeners.values():
            listener.start()
        try:
            _Shop(shelf, listeners, files, names, events, last_words, as_json=options.json).run()
        finally:
            if last_words is not None:
                last_words.not_needed()
            # From now on a signal ends the process at once.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            for listener in listeners.values():
                listener.ask_to_stop()
            for listener in listeners.values():
                listener.close(STOP_S)
            if not shelf.pool.close(STOP_S):
                _log.warning("a model did not come back from its last request")


def _files(options: argparse.Namespace) -> list[ServedFile]:
    home = str(options.home) if options.home is not None else None
    return [
        ServedFile(path=str(path), name=options.name, home=home, threads=options.threads, max_run_s=options.max_run_s)
        for path in options.models
    ]


def _checked(options: argparse.Namespace, files: list[ServedFile]) -> tuple[Inference, list[str]]:
    """The listeners' settings, and what the models are called as far as the files' names tell."""
    checked_options({"threads": options.threads, "workers": options.workers}, _AtATime)
    if options.name is not None and len(options.models) > 1:
        raise InputInvalid("--name is for one model; several are called by their files' names.")
    if not options.http and not options.grpc:
        raise InputInvalid("There is nothing to listen on: give --http or --grpc an address.")
    names = [file.name_before() for file in files]
    for name, count in Counter(names).items():
        if count > 1:
            raise _same_name(name)
    for option in ("http", "grpc"):
        _check_address(option, getattr(options, option))
    return checked_options({name: getattr(options, name) for name in SETTINGS}, Inference), names


class _AtATime(msgspec.Struct):
    threads: Workers | None = None
    workers: Workers | None = None


def _same_name(name: str) -> InputInvalid:
    return InputInvalid(f"Two of the models have the same name, {name}.", hint="Leave one out, or rename it.")


def _check_address(option: str, given: str) -> None:
    try:
        msgspec.convert(given, MaybeListen)
    except msgspec.ValidationError as error:
        raise InputInvalid(f"--{option} wants HOST:PORT, for instance 127.0.0.1:8000; {given[:100]!r} came.") from error


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What came of one file."""

    round: int
    place: int
    outcome: ServedModel | LinesideError


@dataclass(frozen=True, slots=True)
class _RoundOver:
    """Every file has been begun; what has not ended by now holds nobody up."""


Events = queue.SimpleQueue[int | _Loaded | _RoundOver]
"""Signals, and the news of the threads that load."""


class _Shop:
    """Loads the models at the start and at every SIGHUP, each in a thread of its own: what a model does while it is
    loaded holds up neither the listeners nor a signal, nor for long another model."""

    def __init__(
        self,
        shelf: ModelShelf,
        listeners: Mapping[str, Listener],
        files: list[ServedFile],
        names: list[str],
        events: Events,
        last_words: LastWords | None,
        *,
        as_json: bool,
    ) -> None:
        self._shelf, self._listeners, self._files, self._events = shelf, listeners, files, events
        self._last_words, self._as_json = last_words, as_json
        self._names = names
        """Under which the models stand on the shelf, in the order of the files."""
        self._round, self._taken = 0, [0] * len(names)
        """The newest attempt to load the files, and the one from which each file's news are."""
        self._answering: set[int] = set()
        self._failed: dict[int, LinesideError] = {}
        for name in names:
            shelf.loading(name)

    def run(self) -> None:
        """Until SIGTERM or SIGINT.

        :raises InputInvalid: two models turn out to have the same name at the start.
        :raises LinesideError: no model can be loaded at the start.
        """
        is_ready, loading, again = False, True, False
        self._load()
        while True:
            event = self._events.get()
            if isinstance(event, _Loaded):
                self._take(event, is_ready=is_ready)
                if self._last_words is not None:
                    self._last_words.not_needed()
            elif isinstance(event, _RoundOver):
                loading = False
                give_back_freed_memory()
            elif event != signal.SIGHUP:
                return
            else:
                again = True
            if not loading and not is_ready:
                is_ready = self._is_ready()
            if again and not loading:
                loading, again = True, False
                self._load()

    def _load(self) -> None:
        """One file after the other, so that no one is measured while another is loaded, but for those that hang.

        A model that crashes the runtime would take the others along: it is tried in a process of its own before, but
        for the first start of a single one, which has nobody beside it and is waited for.
        """
        self._round += 1
        this_round = self._round
        alone = this_round == 1 and len(self._files) == 1

        def load(place: int, file: ServedFile, trials: TrialLoads | None) -> None:
            self._events.put(_Loaded(this_round, place, load_file(file, trials)))

        def work() -> None:
            with nullcontext() if alone else _trial_loads() as trials:
                for place, file in enumerate(self._files):
                    name = f"loader-{place}"
                    thread = threading.Thread(target=load, args=(place, file, trials), name=name, daemon=True)
                    thread.start()
                    thread.join(TURN_S)
            self._events.put(_RoundOver())

        threading.Thread(target=work, name="loader", daemon=True).start()

    def _take(self, loaded: _Loaded, *, is_ready: bool) -> None:
        """:raises InputInvalid: before anything is ready, that another file's model has this one's name."""
        place, outcome = loaded.place, loaded.outcome
        if loaded.round < self._taken[place]:
            return
        self._taken[place] = loaded.round
        before = self._names[place]
        if not isinstance(outcome, LinesideError) and outcome.name in self._names[:place] + self._names[place + 1 :]:
            # A bundle's own name is known only now; the model that has it already must not vanish behind this one.
            outcome = _same_name(outcome.name)
            if not is_ready:
                raise outcome
        if isinstance(outcome, LinesideError):
            self._failed[place] = outcome
            _log.error("%s cannot be loaded: %s %s", before, outcome.message, outcome.hint)
            self._shelf.fail(before, outcome.message)
            return
        self._answering.add(place)
        self._shelf.put(outcome)
        self._names[place] = outcome.name
        if outcome.name != before:
            self._shelf.remove(before)
        _log.info("%s, version %s, answers", outcome.name, outcome.version)

    def _is_ready(self) -> bool:
        """Whether a model answers; said once.

        :raises LinesideError: none ever will.
        """
        if not self._answering:
            if len(self._failed) == len(self._names):
                raise self._failed[0]
            return False
        # What was loaded stays: the collector need not look through it again and again.
        gc.freeze()
        self._say_ready()
        return True

    def _say_ready(self) -> None:
        names = [self._names[place] for place in sorted(self._answering)]
        where = {kind: join_address(*listener.address) for kind, listener in self._listeners.items()}
        if self._as_json:
            text = json.dumps({"ready": True, **where, "models": names, "pid": os.getpid()})
        else:
            text = f"ready: {', '.join(names)} at {', '.join(f'{kind}://{at}' for kind, at in where.items())}"
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def load_file(file: ServedFile, trials: TrialLoads | None) -> ServedModel | LinesideError:
    """The model in an ONNX file or a bundle, or why it cannot be served."""
    try:
        if trials is None:
            return file.load_untried(read_model_file(Path(file.path)))
        return trials.load(file, timeout_s=TRIAL_S + file.max_run_s)
    except LinesideError as error:
        return error
    except Exception as error:  # noqa: BLE001 - it is told to whoever waits for the model
        if isinstance(error, MemoryError):
            return ModelUnusable(
                f"There is not enough memory to load {Path(file.path).name}.", hint="Stop what else takes memory here."
            )
        _log.exception("%s could not be loaded", file.path)
        return LinesideError(f"{Path(file.path).name} could not be loaded: {error}.")


def _last_words(file: ServedFile, *, as_json: bool) -> LastWords:
    error = ModelUnusable(
        f"{Path(file.path).name} ended the program while it was loaded: it crashed the runtime, or memory ran out.",
        hint="Export it again, another way if it stays like this; `lineside-edge bench` tells how far it gets.",
    )
    return LastWords(said(error, as_json=as_json), 1 if as_json else 2)


def _trial_loads() -> TrialLoads:
    # A single model's first answer need not wait for what it does without.
    from edge_runtime.commands.trial_loads import TrialLoads

    return TrialLoads()


def _workers(options: argparse.Namespace, files: list[ServedFile]) -> int:
    """Requests at a time; of several models that were tuned the one that wants fewest decides."""
    if options.workers is not None:
        return int(options.workers)
    if options.home is None or options.threads is not None:
        return min(max(1, cores() // (options.threads or 1)), MAX_WORKERS)
    workers = []
    for file in files:
        with suppress(LinesideError):  # what cannot be read is told of when it is loaded
            workers.append(file.tuning(read_model_file(Path(file.path)).model).workers)
    return min([*workers, MAX_WORKERS]) if workers else min(cores(), MAX_WORKERS)


def _listeners(shelf: ModelShelf, settings: Inference) -> dict[str, Listener]:
    listeners: dict[str, Listener] = {}
    if settings.http:
        from edge_runtime.serving.listener import InferenceServer

        listeners["http"] = InferenceServer(shelf, settings)
    if settings.grpc:
        from edge_runtime.serving.listeners import open_grpc

        listeners["grpc"] = open_grpc(shelf, settings)
    return listeners
