"""ONNX Runtime sessions: made from bytes, never from a path, so that a model cannot name other files."""

from __future__ import annotations

import io
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import onnxruntime as ort

from edge_runtime.contracts.errors import LinesideError, ModelUnusable
from edge_runtime.inference.examples import example_feeds
from edge_runtime.inference.external import refuse_external_data
from edge_runtime.inference.providers import CPU, candidates, chain, short_name, shortfall, traits
from edge_runtime.processes import cores as cores

MAX_REASON_CHARS = 300
_PREFACE = re.compile(r"^(.* Status Message: )?(\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : )?")
_PLACE = re.compile(
    r"^.*\S\.(?:cc|cpp|cu|cuh|h|hpp):\d+ "  # the last of several
    r"(?:[\w:<>~*&, ]*\((?:[^()]|\([^()]*\))*\)(?: const)?(?: \[with [^\]]*\])?|\w+) "
)
_CONDITION = re.compile(r"^.*? was false\. (?=\S)")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How a model runs best on this box."""

    provider: str = CPU
    threads: int = 1
    """``intra_op_num_threads``; 1 leaves the other cores to other frames."""
    workers: int = field(default_factory=cores)
    """How many runs at a time give the most answers a second."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and what does the work in it."""

    session: ort.InferenceSession
    provider: str
    fallback: str | None = None
    """Why it is the processor, where another provider was asked for."""


def open_session(model: bytes, tuning: Tuning) -> ort.InferenceSession:
    """As :func:`open_model`, for those who need no more than the session."""
    return open_model(model, tuning).session


def open_model(model: bytes, tuning: Tuning, *, available: Sequence[str] | None = None) -> Opened:
    """A session that may be run from several threads.

    Where the provider that is asked for is not there, does not load, takes nothing of the model or fails its first
    run, the processor does the work, and the log and :attr:`Opened.fallback` say why.

    :param available: the providers that ONNX Runtime has, where it is not to be asked.
    :raises ModelUnusable: the bytes are no model that this ONNX Runtime takes.
    """
    refuse_external_data(model)
    if tuning.provider == CPU:
        return Opened(_create(model, tuning, [CPU]), CPU)
    offered = ort.get_available_providers() if available is None else available
    tried = _try_provider(model, tuning, offered)
    if not isinstance(tried, str):
        return Opened(tried, tuning.provider)
    session = _create(model, tuning, [CPU])
    _log.warning("the model runs on the processor instead of %s: %s", short_name(tuning.provider), tried)
    return Opened(session, CPU, tried)


def reason_of(error: BaseException) -> str:
    """The first line of what ONNX Runtime complains about, without where in its source and what was checked."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    said = lines[0]
    for what in (_PLACE, _PREFACE, _CONDITION):
        said = what.sub("", said)
    return said[:MAX_REASON_CHARS]


def first_run(run: Callable[[Any], object], make_feeds: Callable[[], Mapping[str, Any]]) -> str | None:
    """What is wrong with a session's first run; None where nothing is, or where no input can be made up for it."""
    try:
        feeds = make_feeds()
    except LinesideError:
        return None
    try:
        run(feeds)
    except Exception as error:  # noqa: BLE001 - providers raise whatever they like
        return reason_of(error)
    return None


def _try_provider(model: bytes, tuning: Tuning, offered: Sequence[str]) -> ort.InferenceSession | str:
    """The session, or why there is none."""
    name = short_name(tuning.provider)
    if tuning.provider not in candidates(offered):
        return f"this onnxruntime has no {name}"
    if "CUDA" in tuning.provider or "Tensor" in tuning.provider:
        _load_cuda()
    try:
        session = _create(model, tuning, chain(tuning.provider, offered, tuning.threads))
    except ModelUnusable as error:
        return error.message
    if missing := shortfall(tuning.provider, session.get_providers(), _nodes(session)):
        return missing
    problem = first_run(lambda feeds: session.run(None, feeds), lambda: example_feeds(session.get_inputs()))
    if problem is None:
        return session
    # Made-up inputs may be to blame: what the processor refuses as well says nothing about the provider.
    reference = _create(model, tuning, [CPU])
    if first_run(lambda feeds: reference.run(None, feeds), lambda: example_feeds(reference.get_inputs())) is not None:
        return session
    return f"its first run failed: {problem}"


def _create(model: bytes, tuning: Tuning, providers: Sequence[Any]) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = tuning.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    if tuning.provider == "DmlExecutionProvider":
        options.enable_mem_pattern = False
    if tuning.provider != CPU:
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        # Its own fall-back prints, forgets why, and stays silent when a run fails.
        session = ort.InferenceSession(model, options, providers=list(providers), enable_fallback=0)
    except Exception as error:
        raise ModelUnusable(f"ONNX Runtime refused the model of {len(model)} bytes: {reason_of(error)}") from error
    if traits(tuning.provider).one_at_a_time:
        session.run = _one_at_a_time(session.run)
    return session


def _one_at_a_time(run: Callable[..., Any]) -> Callable[..., Any]:
    lock = threading.Lock()

    def run_alone(*arguments: Any, **options: Any) -> Any:
        with lock:
            return run(*arguments, **options)

    return run_alone


def _nodes(session: ort.InferenceSession) -> Mapping[str, int] | None:
    """How many pieces of the graph each provider took, where this release of ONNX Runtime can tell."""
    try:
        pieces = session.get_provider_graph_assignment_info()
    except (AttributeError, RuntimeError):
        return None
    return Counter(piece.ep_name for piece in pieces)


def _load_cuda() -> None:
    """Find CUDA's libraries where pip put them; those of the system are found without this."""
    if hasattr(ort, "preload_dlls"):
        said = io.StringIO()
        with redirect_stdout(said):
            ort.preload_dlls(directory="")
        if said.getvalue():
            _log.info("looking for CUDA's libraries: %s", said.getvalue().strip()[:MAX_REASON_CHARS])
