"""The real `lineside-edge serve` process and its files: what crashes, hangs, is no file, or changes."""

from __future__ import annotations

import json
import platform
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton

from edge_runtime.commands.serve_model import ServedFile
from edge_runtime.commands.trial_loads import TrialLoads
from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.model_files import ModelFile, read_model_file
from tests.fakes.models import brightness_model, crashing_model, endless_model, greedy_model
from tests.fakes.serve_process import ServeProcess, serve, serve_and_fail
from tests.unit.serving import onnx_models as models
from tests.unit.serving.raw_client import RawClient, echo_body, request
from tests.waiting import is_gone, wait_until

needs_x86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the model that crashes does so on x86"
)


def index(client: RawClient) -> dict[str, dict[str, str]]:
    return {each["name"]: each for each in client.send(request("/v2/repository/index", b"{}")).answer().json}


def said(client: RawClient, name: str) -> float:
    answer = client.send(request(f"/v2/models/{name}/infer", echo_body(0).replace(b'"x"', b'"asked"'))).answer()
    assert answer.status == 200, answer
    return float(answer.json["outputs"][0]["data"][0])


def children(server: ServeProcess) -> set[str]:
    """The processes that it started and that are still there."""
    found: set[str] = set()
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        # Threads come and go.
        with suppress(FileNotFoundError, ProcessLookupError):
            found.update((task / "children").read_text().split())
    return found


@needs_x86
def test_a_model_that_crashes_the_runtime_takes_no_other_along(tmp_path: Path) -> None:
    file, other = tmp_path / "m.onnx", tmp_path / "other.onnx"
    file.write_bytes(models.always(1))
    other.write_bytes(models.always(5))
    with serve(tmp_path, file, other) as server, RawClient(server.address) as client:
        file.write_bytes(crashing_model())
        server.reload()
        reason = wait_until(lambda: index(client)["m"]["reason"], 60, "the one that crashes")
        assert reason == "m.onnx was tried in a process of its own first, and it crashed with SIGFPE."
        assert (said(client, "m"), said(client, "other")) == (1, 5)
        assert client.send(request("/v2/health/ready")).answer().status == 200
        file.write_bytes(models.always(2))
        server.reload()
        wait_until(lambda: said(client, "m") == 2, 60, "the good one")
        assert index(client)["m"]["reason"] == ""
        wait_until(lambda: not children(server), 20, "the processes in which they were tried to be gone")
        assert server.stop() == 0


def heavy(answer: float) -> bytes:
    """A model that always says the same, with 9 MB of weights on the way."""
    make = onnx.helper.make_node
    nodes = [make("Expand", ["asked", "across"], ["h0"])]
    nodes += [make("MatMul", [f"h{at}", "weights"], [f"h{at + 1}"]) for at in range(8)]
    nodes += [make("ReduceMax", ["h8"], ["most"], keepdims=0), make("Add", ["most", "answer"], ["said"])]
    weights: dict[str, npt.NDArray[np.generic]] = {
        "across": np.array([1, 1500], np.int64),
        "weights": np.zeros((1500, 1500), np.float32),
        "answer": np.array([answer], np.float32),
    }
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "heavy",
        [tensor("asked", onnx.TensorProto.FLOAT, [1])],
        [tensor("said", onnx.TensorProto.FLOAT, [1])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def held_mb(server: ServeProcess) -> float:
    """What the process has in memory."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def test_swaps_leave_no_memory_behind(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(heavy(0))
    with serve(tmp_path, file) as server, RawClient(server.address) as client:
        assert said(client, "m") == 0
        first = held_mb(server)

        def is_swapped(number: int) -> bool:
            return said(client, "m") == number

        for number in range(1, 9):
            file.write_bytes(heavy(number))
            server.reload()
            wait_until(partial(is_swapped, number), 60, "the next model")
        wait_until(lambda: held_mb(server) < first + 40, 20, "what the models before took to be given back")
        assert server.stop() == 0


@needs_x86
def test_a_single_model_that_is_replaced_is_tried_first_too(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(models.always(1))
    with serve(tmp_path, file) as server, RawClient(server.address) as client:
        assert not children(server)
        file.write_bytes(crashing_model())
        server.reload()
        wait_until(lambda: "SIGFPE" in index(client)["m"]["reason"], 60, "the one that crashes")
        assert said(client, "m") == 1


@needs_x86
def test_one_of_several_that_crashes_at_the_start_holds_up_no_other(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.onnx", tmp_path / "good.onnx"
    bad.write_bytes(crashing_model())
    good.write_bytes(models.always(3))
    with serve(tmp_path, bad, good) as server, RawClient(server.address) as client:
        assert server.facts["models"] == ["good"]
        assert index(client)["bad"]["state"] == "UNAVAILABLE"
        assert said(client, "good") == 3


@needs_x86
def test_a_single_one_that_crashes_at_the_start_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(crashing_model())
    failed = serve_and_fail(bad, "--http", "127.0.0.1:0")
    assert failed.returncode < 0
    assert "bad.onnx ended the program while it was loaded" in failed.stderr
    assert failed.stderr.endswith("[model.unusable]\n")
    failed = serve_and_fail(bad, "--http", "127.0.0.1:0", "--json")
    assert json.loads(failed.stdout)["error"]["code"] == "model.unusable"


def test_a_single_one_that_does_not_come_to_an_end_is_not_served(tmp_path: Path) -> None:
    """As one of several is not: nobody would get an answer from it."""
    endless = tmp_path / "endless.onnx"
    endless.write_bytes(endless_model())
    failed = serve_and_fail(endless, "--http", "127.0.0.1:0", "--max-run-s", "3")
    assert (failed.returncode, "endless.onnx did not answer the smallest input within 10 s" in failed.stderr) == (
        1,
        True,
    ), failed


def test_nothing_is_said_of_a_crash_where_there_was_none(tmp_path: Path) -> None:
    file = tmp_path / "word.onnx"
    file.write_bytes(models.always(1))
    with serve(tmp_path, file) as server:
        assert server.stop() == 0
        assert "ended the program" not in server.complaints.read_text()


def test_a_model_that_hangs_when_it_is_tried_leaves_the_old_one(tmp_path: Path) -> None:
    file, endless = tmp_path / "word.onnx", tmp_path / "endless.onnx"
    file.write_bytes(models.always(1))
    with serve(tmp_path, file, "--max-run-s", "11") as server, RawClient(server.address) as client:
        endless.write_bytes(models.parsed(models.ENDLESS))
        endless.replace(file)
        server.reload()

        def entry() -> dict[str, str]:
            (only,) = index(client).values()
            return only

        wait_until(lambda: entry()["reason"], 60, "the reason")
        assert "did not answer the smallest input within 11 s" in entry()["reason"]
        assert entry()["state"] == "READY"


def test_a_trial_ends_with_the_server(tmp_path: Path) -> None:
    file, endless = tmp_path / "word.onnx", tmp_path / "endless.onnx"
    file.write_bytes(models.always(1))
    with serve(tmp_path, file) as server:
        endless.write_bytes(models.parsed(models.ENDLESS))
        endless.replace(file)
        server.reload()
        [pid] = wait_until(lambda: children(server), 60, "the trial")
        assert server.stop() == 0
        wait_until(lambda: is_gone(int(pid)), 30, "its end")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no file without an end")
def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """Without a limit it would be read until the memory is full."""
    failed = serve_and_fail("/dev/zero", "--http", "127.0.0.1:0")
    assert (failed.returncode, "/dev/zero is not a file." in failed.stderr) == (1, True), failed
    file = tmp_path / "word.onnx"
    file.write_bytes(models.always(1))
    with serve(tmp_path, file) as server, RawClient(server.address) as client:
        file.unlink()
        file.symlink_to("/dev/zero")
        server.reload()
        wait_until(lambda: "is not a file" in index(client)["word"]["reason"], 60, "the device")
        assert said(client, "word") == 1


def test_a_name_is_the_files_without_its_ending_only(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("resnet.int8", "resnet.fp32.onnx", "resnet.onnx")]
    for file in files:
        file.write_bytes(models.always(1))
    with serve(tmp_path, *files) as server, triton.InferenceServerClient(server.url) as client:
        assert server.facts["models"] == ["resnet.int8", "resnet.fp32", "resnet"]
        assert all(client.is_model_ready(name) for name in server.facts["models"])


def test_over_grpc_too_an_input_with_a_value_of_its_own_may_come_or_not(tmp_path: Path) -> None:
    file = tmp_path / "scaled.onnx"
    file.write_bytes(models.with_defaults())
    feeds = {"x": np.array([1, 2], np.float32), "factor": np.array([5, 7], np.float32)}
    with (
        serve(tmp_path, file, "--grpc", "127.0.0.1:0") as server,
        triton_grpc.InferenceServerClient(server.facts["grpc"]) as client,
    ):
        for given, wanted in ((feeds, [5, 14]), ({"x": feeds["x"]}, [10, 20])):
            asked = [triton_grpc.InferInput(name, [2], "FP32") for name in given]
            for tensor in asked:
                tensor.set_data_from_numpy(given[tensor.name()])
            assert client.infer("scaled", asked).as_numpy("y").tolist() == wanted
        assert [each.name for each in client.get_model_metadata("scaled").inputs] == ["x"]
        assert [each.name for each in client.get_model_config("scaled").config.input] == ["x"]


def test_weights_in_another_file_are_refused_with_what_to_do(tmp_path: Path) -> None:
    split, whole = tmp_path / "split.onnx", tmp_path / "whole.onnx"
    model = onnx.load_from_string(brightness_model())
    onnx.save(model, split, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").exists()
    failed = serve_and_fail(split, "--http", "127.0.0.1:0")
    assert failed.returncode == 1
    assert "read weights from another file" in failed.stderr
    assert "onnx.save(onnx.load(PATH), NEW_PATH, save_as_external_data=False)" in failed.stderr
    onnx.save(onnx.load(split), whole, save_as_external_data=False)
    with serve(tmp_path, whole) as server:
        assert server.facts["models"] == ["whole"]


# -- the processes in which models are tried


def served(path: Path, model: bytes) -> ServedFile:
    path.write_bytes(model)
    return ServedFile(path=str(path))


@needs_x86
def test_one_process_tries_many_and_a_crash_is_its_own_models_alone(tmp_path: Path) -> None:
    with TrialLoads() as trials:
        for number in range(3):
            assert trials.load(served(tmp_path / f"{number}.onnx", models.always(number)), timeout_s=60).name == str(
                number
            )
        with pytest.raises(ModelUnusable, match=r"crash\.onnx was tried .* it crashed with SIGFPE"):
            trials.load(served(tmp_path / "crash.onnx", crashing_model()), timeout_s=60)
        assert trials.load(served(tmp_path / "after.onnx", models.always(1)), timeout_s=60).version == "1"


def test_what_is_wrong_with_a_file_is_the_same_error_as_without_a_trial(tmp_path: Path) -> None:
    with TrialLoads() as trials:
        with pytest.raises(ModelUnusable, match="refused the model of 8 bytes") as caught:
            trials.load(served(tmp_path / "junk.onnx", b"no model"), timeout_s=60)
        assert caught.value.hint == ModelUnusable.default_hint
        with pytest.raises(InputInvalid, match="'stats' cannot be a model's name"):
            trials.load(served(tmp_path / "stats.onnx", models.always(1)), timeout_s=60)


def test_a_model_that_does_not_come_to_an_end_is_given_up(tmp_path: Path) -> None:
    """Its run on a blank would be ended by itself, but much later."""
    with TrialLoads() as trials, pytest.raises(ModelUnusable, match="it did not end within 2 s"):
        trials.load(served(tmp_path / "endless.onnx", endless_model()), timeout_s=2)


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    what = ServedFile(path=f"{tmp_path}/bad\udcff.onnx")
    with TrialLoads() as trials, pytest.raises(InputInvalid, match="not a name in UTF-8"):
        trials.load(what, timeout_s=60)


def test_what_was_tried_is_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what = served(tmp_path / "word.onnx", models.always(1))

    def written_to(path: Path) -> ModelFile:
        path.write_bytes(models.always(2))
        return read_model_file(path)

    monkeypatch.setattr("edge_runtime.commands.trial_loads.read_model_file", written_to)
    with TrialLoads() as trials, pytest.raises(ModelUnusable, match="was written to while it was tried"):
        trials.load(what, timeout_s=60)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux")
def test_a_model_that_takes_too_much_memory_for_a_blank_is_not_loaded_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is the box's free memory; here the process is started with less."""
    script = (
        "from edge_runtime.inference import child_memory\n"
        "child_memory.FREE_MEMORY_SHARE = 0.0\n"
        "from edge_runtime.commands.trial_load_child import main\n"
        "main()"
    )
    monkeypatch.setattr("edge_runtime.commands.trial_loads.python_command", lambda _: [sys.executable, "-c", script])
    with TrialLoads() as trials, pytest.raises(ModelUnusable, match="it needs more memory than this box has free"):
        trials.load(served(tmp_path / "greedy.onnx", greedy_model()), timeout_s=60)
