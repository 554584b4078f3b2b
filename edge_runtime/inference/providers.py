"""Execution providers: what ONNX Runtime can run a model on besides the processor, and how each wants to be asked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CPU = "CPUExecutionProvider"
_SUFFIX = "ExecutionProvider"
_NEVER = frozenset({"AzureExecutionProvider", "JsExecutionProvider", "WebNNExecutionProvider"})
"""Those that send the work elsewhere: to somebody's cloud, or to a browser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is particular about a provider."""

    options: Mapping[str, str] = field(default_factory=dict)
    threads_option: str | None = None
    """Its own option for the number of threads, where it has threads of its own."""
    after: tuple[str, ...] = ()
    """Who takes the nodes that it cannot, before the processor does."""
    one_at_a_time: bool = False
    """Its sessions must not be run from two threads at once."""
    own_device: bool = True
    """It computes somewhere else than on the processor's cores, so the number of threads hardly matters."""


_QNN_BACKEND = "QnnHtp.dll" if os.name == "nt" else "libQnnHtp.so"
TRAITS: Mapping[str, Traits] = {
    "NvTensorRTRTXExecutionProvider": Traits(after=("CUDAExecutionProvider",)),
    "TensorrtExecutionProvider": Traits(after=("CUDAExecutionProvider",)),
    "CUDAExecutionProvider": Traits(),
    "MIGraphXExecutionProvider": Traits(),
    "ROCMExecutionProvider": Traits(),
    "QNNExecutionProvider": Traits(options={"backend_path": _QNN_BACKEND}),
    "CoreMLExecutionProvider": Traits(options={"ModelFormat": "MLProgram"}),
    "DmlExecutionProvider": Traits(one_at_a_time=True),
    "OpenVINOExecutionProvider": Traits(threads_option="num_of_threads", own_device=False),
    "XnnpackExecutionProvider": Traits(threads_option="intra_op_num_threads", own_device=False),
    "DnnlExecutionProvider": Traits(own_device=False),
    "ACLExecutionProvider": Traits(own_device=False),
    CPU: Traits(own_device=False),
}
"""The known ones, those that are usually fastest first."""


def traits(provider: str) -> Traits:
    """What is particular about ``provider``; nothing where we do not know it."""
    return TRAITS.get(provider, Traits())


def short_name(provider: str) -> str:
    """How people call it: ``cuda``, ``cpu``."""
    return provider.removesuffix(_SUFFIX).lower()


def candidates(available: Sequence[str]) -> tuple[str, ...]:
    """Of the providers that are built in, those worth trying: the known ones first, and the processor last."""
    usable = [name for name in available if name not in _NEVER and name != CPU]
    known = list(TRAITS)
    return (*sorted(usable, key=lambda name: known.index(name) if name in TRAITS else len(known)), CPU)


def chain(provider: str, available: Sequence[str], threads: int) -> list[tuple[str, dict[str, str]]]:
    """What to ask ONNX Runtime for: this provider, then who takes what it leaves, each with its options."""
    names = [provider, *(name for name in traits(provider).after if name in available)]
    wanted = []
    for name in names if CPU in names else [*names, CPU]:
        options = dict(traits(name).options)
        if (option := traits(name).threads_option) is not None:
            options[option] = str(threads)
        wanted.append((name, options))
    return wanted


def shortfall(provider: str, active: Sequence[str], nodes: Mapping[str, int] | None) -> str | None:
    """Why ``provider`` does not do the work although ONNX Runtime did not complain; None where it does.

    :param active: the session's providers.
    :param nodes: how many of the model's nodes each took; None where this ONNX Runtime does not tell.
    """
    if provider not in active:
        return f"ONNX Runtime left {short_name(provider)} out: its libraries, its driver or its device are missing"
    if provider != CPU and nodes is not None and not nodes.get(provider):
        return f"{short_name(provider)} takes none of the model's nodes"
    return None
