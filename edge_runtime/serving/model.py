"""One model that answers requests: its specs, its session, and whether it is so quick that no worker is needed."""

from __future__ import annotations

import ctypes
import logging
import math
import mmap
import time
from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.contracts.errors import InputInvalid, LinesideError, ModelUnusable
from edge_runtime.inference.child_memory import is_lack_of_memory
from edge_runtime.inference.declared import Empty, empty_inputs, names_without_shape
from edge_runtime.inference.in_runtime import OWN, REQUEST, InRuntime
from edge_runtime.serving.messages import InferAnswer, InferRequest
from edge_runtime.serving.runs import Run, RunEnded, Runs
from edge_runtime.serving.statistics import ModelStatistics
from edge_runtime.serving.tensors import BF16, BY_RUNTIME, BYTES, Array, Signature, TensorSpec

if TYPE_CHECKING:
    import onnxruntime as ort

    from edge_runtime.inference.session import Tuning

QUICK_S = 150e-6
"""A request that is expected to take no longer than this costs less than handing it to another thread and back."""
WITHIN_FACTOR, WITHIN_AT_LEAST_S = 5.0, 5e-3
"""How much longer than it was allowed a run may take before it counts against the model."""
STRIKES = 3
FORGIVE = 0.01
"""Of a strike, for each run in time: one in a hundred is the box being busy, not the model."""
WARM_UP_RUNS, WARM_UP_S = 20, 20e-3
BLANK_RUN_S = 10.0
"""What a run on a blank may take where nobody says otherwise. The first one on a device may have much to prepare."""
LARGE_ANSWER_BYTES = 16 * 2**20
"""What the runtime took for more than this it is told to give back."""
_SHRINK = "memory.enable_memory_arena_shrinkage"
_BFLOAT16 = 16
"""``onnx.TensorProto.BFLOAT16``."""
_log = logging.getLogger(__name__)


class ServedModel:
    """A loaded model under the name and version by which clients ask for it; safe to call from several threads.

    :param without_shape: inputs and outputs of which the model's file does not say how many axes they have.
    :param empty: which inputs without a value would end the process: see :func:`empty_inputs`.
    :param blank_run_s: what a run on a blank may take.
    :param in_runtime: told of every run.
    :raises ModelUnusable: an input, or every output, is of a kind that the protocol cannot carry.
    """

    def __init__(
        self,
        name: str,
        version: str,
        session: ort.InferenceSession,
        *,
        without_shape: Collection[str] = (),
        empty: Empty = "taken",
        blank_run_s: float = BLANK_RUN_S,
        in_runtime: InRuntime | None = None,
    ) -> None:
        import onnxruntime as ort

        self._in_runtime, self._whose = in_runtime or InRuntime(), OWN
        self.name, self.version, self.session = name, version, session
        self._title = f"{name} {version}"
        self._new_options = ort.RunOptions
        self._empty = empty
        self.statistics = ModelStatistics()
        inputs = [_spec(node, without_shape) for node in session.get_inputs()]
        outputs = [_spec(node, without_shape) for node in session.get_outputs()]
        # Those of a type that no request can carry keep the model's own value.
        optional = [_spec(node, without_shape) for node in session.get_overridable_initializers()]
        for node, spec in zip(session.get_inputs(), inputs, strict=True):
            if spec is None:
                raise ModelUnusable(f"Input {node.name!r} of {name} is a {node.type}, which no request can carry.")
        # An output that is no tensor (a map of a scikit-learn model, say) is left out: others can still be asked for.
        # So is one of BF16 where text goes in: the runtime has no way to take the one and give the other.
        takes_text = any(spec.datatype.name == BYTES for spec in (*inputs, *optional) if spec)
        self.signature = Signature(
            [spec for spec in inputs if spec],
            [spec for spec in outputs if spec and not (takes_text and spec.datatype.name == BF16)],
            [spec for spec in optional if spec],
        )
        self.inputs, self.outputs = self.signature.inputs, self.signature.outputs
        if not self.outputs:
            beside = " beside text that goes in" if takes_text else ""
            raise ModelUnusable(f"No output of {name} is a tensor of a type that an answer can carry{beside}.")
        self._all = tuple(self.outputs)
        options = self.signature.optional
        self._bf16_inputs, self._bf16_outputs = _bf16({**self.inputs, **options}), _bf16(self.outputs)
        self._has_bf16 = bool(self._bf16_inputs or self._bf16_outputs)
        self._steered_by = frozenset(name for name, spec in options.items() if _may_steer(spec))
        self._first = next(iter(self.inputs), None)
        self._batched = all(spec.shape and not isinstance(spec.shape[0], int) for spec in self.inputs.values())
        self.hangs = False
        """Whether it had to be stopped on a blank."""
        self.out_of_memory = ""
        """What the runtime said where there was not enough for a blank."""
        self.run_s = math.inf
        """Median of a run on the smallest input, at load; infinite where the model would not run on a blank."""
        self._blank_elements = 1
        self._small: Mapping[str, Array] | None = None
        """The smallest input, where the model is known to take it and to give no large answer to it."""
        self._strikes = 0.0
        self._measure(blank_run_s)
        self._whose = REQUEST

    def expected_s(self, request: InferRequest) -> float:
        """About how long this will take: a blank's time, more for a larger input. Infinite where nobody knows."""
        inputs, elements = request.inputs, 0
        if self._steered_by and not self._steered_by.isdisjoint(inputs):
            return math.inf
        for array in inputs.values():
            elements += array.size
        return self.run_s * max(1.0, elements / self._blank_elements)

    def took(self, run_s: float, *, allowed_s: float) -> None:
        """Tell how long something took that was expected to stay within ``allowed_s``. A model can be quick on a blank
        and slow on what it is really asked; one that is so more than now and then is run by workers from then on.

        :param run_s: of the processor's time: a box that is busy with something else makes no model slow.
        """
        if run_s > max(WITHIN_AT_LEAST_S, WITHIN_FACTOR * allowed_s):
            self._strikes += 1
            if self._strikes >= STRIKES:
                self.run_s = math.inf
                _log.info("%s is not always quick: workers run it from now on", self.name)
        elif self._strikes:
            self._strikes = max(0.0, self._strikes - FORGIVE)

    def infer(self, request: InferRequest, run: Run | None = None) -> InferAnswer:
        """The model's answer.

        :param run: by which it can be ended; none: it takes as long as it likes.

        :raises InputInvalid: an input is missing, or empty where that cannot be, or one or an output is unknown.
        :raises LinesideError: the model failed on this input.
        :raises RunEnded: the run was ended.
        """
        inputs, wanted = request.inputs, request.outputs or self._all
        if request.outputs or inputs.keys() != self.inputs.keys():
            self._check(request, wanted)
        if self._empty != "taken":
            self._refuse_empty(inputs)
        options = self._new_options()
        options.log_severity_level = 4
        try:
            if run is not None:
                run.start(options, self._title)
            arrays = (self._run_bf16 if self._has_bf16 else self._run)(wanted, inputs, options)
        except Exception as error:
            if run is not None and run.why:
                raise RunEnded(f"{self.name} was stopped: {run.why}.") from error
            raise _explain(self.name, error, self._unequal(inputs)) from error
        finally:
            if run is not None:
                run.stop()
        if self._small is not None and _is_large(arrays):
            # An answer's memory is the runtime's, which would keep it for good.
            arrays = [_copied(array) for array in arrays]
            self._have_given_back(self._small)
        outputs = self.outputs
        answered = tuple([(outputs[name], array) for name, array in zip(wanted, arrays, strict=True)])
        return InferAnswer(self.name, self.version, request.id, answered)

    def rows(self, request: InferRequest) -> int:
        """How many samples a request holds: its batch, where the model has one."""
        return int(request.inputs[self._first].shape[0]) if self._batched and self._first is not None else 1

    def _have_given_back(self, small: Mapping[str, Array]) -> None:
        """Have the runtime give back what nobody uses, which it does at the end of a run alone: that of a small one."""
        options = self._new_options()
        options.log_severity_level = 4
        options.add_run_config_entry(_SHRINK, "cpu:0")
        try:
            (self._run_bf16 if self._has_bf16 else self._run)(self._all, small, options)
        except Exception as error:  # noqa: BLE001 - the answer is there, whatever becomes of this
            _log.info("%s keeps the memory that a large answer took: %s", self.name, error)

    def _unequal(self, inputs: Mapping[str, Array]) -> str:
        """Which sizes have one name in the model and are not the same in this input; empty where none are. Asked only
        once the model has failed, as its operators may well broadcast."""
        seen: dict[str, tuple[str, int]] = {}
        for name, spec in self.inputs.items():
            for size_name, size in zip(spec.shape, inputs[name].shape, strict=False):
                if not isinstance(size_name, str):
                    continue
                other, its_size = seen.setdefault(size_name, (name, size))
                if size != its_size:
                    return f"size {size_name!r} is {its_size} in {other!r} and {size} in {name!r}"
        return ""

    def _check(self, request: InferRequest, wanted: Sequence[str]) -> None:
        inputs = request.inputs
        if inputs.keys() != self.inputs.keys():
            for name in inputs:
                self.signature.input(name)
            for name in self.inputs:
                if name not in inputs:
                    raise InputInvalid(f"Input {name!r} of {self.name} is missing.")
        if wanted is not self._all:
            for name in wanted:
                if name not in self.outputs:
                    raise InputInvalid(f"{self.name} has no output {name[:100]!r}; it has {', '.join(self.outputs)}.")
            if len(set(wanted)) != len(wanted):
                raise InputInvalid("An output is asked for twice.")

    def _refuse_empty(self, inputs: Mapping[str, Array]) -> None:
        for name, array in inputs.items():
            if array.size or (self._empty == "a past" and array.ndim == 4 and array.shape[0]):
                continue
            raise InputInvalid(
                f"Input {name!r} came with shape {list(array.shape)}, which is empty; {self.name} has an operator in "
                "it in which the runtime ends the process for that."
            )

    def _run(self, wanted: Sequence[str], feeds: Mapping[str, Array], options: ort.RunOptions) -> Sequence[Array]:
        place = self._in_runtime.enter(self._whose)
        try:
            arrays: Sequence[Array] = self.session.run(wanted, feeds, options)
        finally:
            self._in_runtime.leave(place)
        return arrays

    def _run_bf16(self, wanted: Sequence[str], feeds: Mapping[str, Array], options: ort.RunOptions) -> Sequence[Array]:
        """BF16 has no numpy type: such tensors go in and come out as bits."""
        import onnxruntime as ort

        given: dict[str, Any] = dict(feeds)
        for name in self._bf16_inputs & feeds.keys():
            given[name] = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.ascontiguousarray(feeds[name]), _BFLOAT16)
        if self._bf16_outputs.isdisjoint(wanted):
            return self._run(wanted, given, options)
        for name in feeds.keys() - self._bf16_inputs:
            given[name] = ort.OrtValue.ortvalue_from_numpy(feeds[name])
        place = self._in_runtime.enter(self._whose)
        try:
            answers = self.session.run_with_ort_values(list(wanted), given, options)
        finally:
            self._in_runtime.leave(place)
        return [
            _bits(value) if name in self._bf16_outputs else value.numpy()
            for name, value in zip(wanted, answers, strict=True)
        ]

    def _measure(self, blank_run_s: float) -> None:
        """Run on blanks until it is warm; of a model that does not like them, or does not come back from them, nobody
        knows how quick it is."""
        request = InferRequest({name: _blank(spec) for name, spec in self.inputs.items()})
        times: list[float] = []
        runs = Runs(blank_run_s)
        try:
            while len(times) < WARM_UP_RUNS and sum(times) < WARM_UP_S:
                begin = time.perf_counter()
                answered = self.infer(request, runs.new())
                times.append(time.perf_counter() - begin)
        except (LinesideError, MemoryError, RunEnded) as error:
            self.hangs = isinstance(error, RunEnded)
            if is_lack_of_memory(error, str(error)):
                self.out_of_memory = str(error)
            _log.info("%s does not run on a blank: %s", self.name, error)
            return
        finally:
            runs.close()
        if not _is_large([array for _, array in answered.outputs]):
            self._small = request.inputs
        if any(_may_steer(spec) for spec in self.inputs.values()):
            return
        # The first runs allocate.
        self.run_s = median(times[len(times) // 2 :])
        self._blank_elements = max(1, sum(array.size for array in request.inputs.values()))


def load_model(
    name: str, version: str, model: bytes, tuning: Tuning | None = None, *, blank_run_s: float = BLANK_RUN_S
) -> ServedModel:
    """A served model of an ONNX file's bytes.

    :param blank_run_s: what a run on a blank may take.
    :raises ModelUnusable: the runtime refuses it, or the protocol cannot carry its inputs or outputs.
    """
    # The runtime takes longest to import: a listener that is up already says meanwhile that it is not ready.
    from edge_runtime.inference.session import Tuning, open_session

    session = open_session(model, tuning or Tuning())
    nodes = (*session.get_inputs(), *session.get_outputs(), *session.get_overridable_initializers())
    # The file is only asked what the runtime does not tell.
    without = set() if all(node.shape for node in nodes) else names_without_shape(model)
    return ServedModel(
        name,
        version,
        session,
        without_shape=without,
        empty=empty_inputs(model),
        blank_run_s=blank_run_s,
    )


def _spec(node: Any, without_shape: Collection[str]) -> TensorSpec | None:
    datatype = BY_RUNTIME.get(node.type)
    shape = tuple(size if isinstance(size, int) and size >= 0 else _size_name(size) for size in node.shape)
    any_rank = not shape and node.name in without_shape
    return TensorSpec(node.name, datatype, shape, any_rank) if datatype else None


def _size_name(size: object) -> str | None:
    return size if isinstance(size, str) and size else None


def _bf16(specs: Mapping[str, TensorSpec]) -> frozenset[str]:
    return frozenset(name for name, spec in specs.items() if spec.datatype.name == BF16)


def _may_steer(spec: TensorSpec) -> bool:
    """Whether the values of this input may say how much there is to do: a count, a shape, or a text of any length."""
    datatype = spec.datatype
    return datatype.name == BYTES or (len(spec.shape) <= 1 and datatype.dtype.kind in "iu" and datatype.name != BF16)


def _blank(spec: TensorSpec) -> Array:
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]
    if spec.datatype.name == BYTES:
        return np.full(shape, "", object)
    return np.zeros(shape, spec.datatype.dtype)


def _copied(array: Array) -> Array:
    """In memory that is the system's again with the copy's end: the C library keeps what it gave out."""
    if array.dtype == object or not array.nbytes:
        return array
    copy: Array = np.frombuffer(mmap.mmap(-1, array.nbytes), array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _is_large(arrays: Sequence[Array]) -> bool:
    return sum([array.nbytes for array in arrays]) > LARGE_ANSWER_BYTES


def _bits(value: ort.OrtValue) -> Array:
    """A copy of a BF16 tensor's bits; the runtime cannot make an array of it."""
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes()) if all(value.shape()) else b""
    return np.frombuffer(raw, np.uint16).reshape(value.shape())


def _explain(name: str, error: Exception, unequal: str) -> LinesideError:
    """The runtime's complaint in one line: about the input where it says so, about the model otherwise.

    :param unequal: what is odd about the input, if anything: more than likely the reason.
    """
    from edge_runtime.inference.session import reason_of

    said = reason_of(error)
    if unequal:
        return InputInvalid(f"{name} cannot take this input: {unequal}; {said}")
    if type(error).__name__ == "InvalidArgument":
        return InputInvalid(f"{name} cannot take this input: {said}")
    return LinesideError(f"{name} failed on this input: {said}")
