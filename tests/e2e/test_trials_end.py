"""Processes in which models are tried end with the program that started them, whatever the model is at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_runtime.processes import python_command
from tests.fakes.models import endless_model
from tests.fakes.serve_process import serve
from tests.unit.serving import onnx_models as models
from tests.waiting import is_gone, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel that ends them is Linux")
SIDE = 6000


def slow_to_load() -> bytes:
    """Takes minutes to load: the runtime multiplies large matrices then, and holds the interpreter's lock."""
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["a0"], value=helper.make_tensor("v", 1, [1], [1e-4]))]
    nodes += [helper.make_node("MatMul", [f"a{place}", "a0"], [f"a{place + 1}"]) for place in range(40)]
    nodes += [
        helper.make_node("ReduceMax", ["a40"], ["most"], keepdims=0),
        helper.make_node("Add", ["x", "most"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
        [onnx.numpy_helper.from_array(np.array([SIDE, SIDE], np.int64), "shape")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())


def child_of(pid: int, module: str) -> int | None:
    """The process that it started and that runs this module."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        # Threads come and go.
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in (task / "children").read_text().split():
                if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
    return None


def resident(pid: int) -> int:
    """Bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_model_that_is_being_loaded_goes_with_the_server(tmp_path: Path, number: signal.Signals) -> None:
    word, slow = tmp_path / "word.onnx", tmp_path / "slow.onnx"
    word.write_bytes(models.always(1))
    slow.write_bytes(slow_to_load())
    with serve(tmp_path, word, slow) as server:
        child = wait_until(lambda: child_of(server.process.pid, "trial_load_child"), 60, "the trial")
        try:
            # Two of the matrices are there: the runtime is at it.
            wait_until(lambda: resident(child) > 2 * 4 * SIDE**2, 60, "the model to be loaded")
            server.process.send_signal(number)
            wait_until(lambda: is_gone(child), 30, "the trial to be gone")
        finally:
            end(child)


def test_a_model_that_never_answers_goes_with_the_bench(tmp_path: Path) -> None:
    endless = tmp_path / "endless.onnx"
    endless.write_bytes(endless_model())
    command = [*python_command("edge_runtime"), "bench", str(endless)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bench:
        child = wait_until(lambda: child_of(bench.pid, "trial_child"), 60, "the trial")
        try:
            bench.terminate()
            bench.wait(60)
            wait_until(lambda: is_gone(child), 30, "the trial to be gone")
        finally:
            end(child)


def end(pid: int) -> None:
    """Nothing is left of a test that fails."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


HOLDS_THE_LOCK = """
import ctypes, sys
from edge_runtime.inference.child_end import goes_with_parent
with goes_with_parent():
    print("ready", flush=True)
    ctypes.PyDLL(None).sleep(300)
"""


def test_it_ends_while_the_interpreter_is_locked() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_LOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        child.stdin.close()
        assert child.wait(60) == -signal.SIGIO


def test_who_is_alone_already_does_not_begin() -> None:
    script = HOLDS_THE_LOCK.replace("with goes", "sys.stdin.read()\nwith goes")
    done = subprocess.run([sys.executable, "-c", script], input=b"", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_it_ends_after_its_share_of_the_processors_time() -> None:
    script = (
        "from edge_runtime.inference import child_end\n"
        "child_end.limit_processor_time(-child_end.GRACE_S)\n"
        "while True: pass"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=120, check=False)
    assert done.returncode == -signal.SIGXCPU
