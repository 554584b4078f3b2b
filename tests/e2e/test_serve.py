"""The real `lineside-edge serve` process: asked by Triton's own clients, swapped under load, ended in the middle."""

from __future__ import annotations

import asyncio
import ctypes
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import ml_dtypes
import numpy as np
import onnxruntime as ort
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from cloud_sync.release.pack import pack_bundle
from edge_runtime.__main__ import main
from edge_runtime.serving.tensors import DATATYPES
from tests.fakes.models import GOLDEN, brightness_model, manifest
from tests.fakes.serve_process import ServeProcess, serve, serve_and_fail
from tests.unit.serving import onnx_models as models
from tests.unit.serving.raw_client import RawClient, binary_echo, echo_body, request
from tests.unit.serving.unread import numbers, unread_client
from tests.waiting import wait_until

RNG = np.random.default_rng(5)
SAMPLES: dict[str, Any] = {
    "BOOL": RNG.integers(0, 2, (3, 4)).astype(bool),
    "BF16": RNG.normal(size=(3, 4)).astype(ml_dtypes.bfloat16),
    "BYTES": np.array([[b"", "é\0".encode()], [b"long" * 99, b"x"]], object),
    **{
        name: (RNG.normal(size=(3, 4)) * 100).astype(each.dtype)
        for name, each in DATATYPES.items()
        if name not in ("BOOL", "BF16", "BYTES")
    },
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, body in {
        "pair": models.parsed(models.PAIR),
        "ratio": models.parsed(models.RATIO),
        "pick": models.parsed(models.PICK),
        "scaled": models.with_defaults(),
        "lstm": models.recurrent("LSTM"),
        **{f"echo-{datatype}": models.echo(datatype) for datatype in DATATYPES},
    }.items():
        (folder / f"{name}.onnx").write_bytes(body)
    pack_bundle(folder / "parts.bundle", manifest(version="2.1.0"), brightness_model(), GOLDEN)
    return folder


@pytest.fixture(scope="module")
def server(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    with serve(tmp_path_factory.mktemp("serve"), *sorted(files.iterdir())) as server:
        yield server


@pytest.fixture
def client(server: ServeProcess) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url) as client:
        yield client


def resident_kb(process: int) -> int:
    """What a process has in memory."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def tensor(name: str, array: Any, datatype: str, *, binary: bool = True) -> triton.InferInput:
    asked = triton.InferInput(name, list(array.shape), datatype)
    asked.set_data_from_numpy(array, binary_data=binary)
    return asked


def from_the_runtime(files: Path, name: str, feeds: dict[str, Any]) -> list[Any]:
    """What the model says without a server in between."""
    session = ort.InferenceSession((files / f"{name}.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    answers: list[Any] = session.run(None, feeds)
    return answers


WAYS = [(datatype, binary) for datatype in SAMPLES for binary in (True, False) if binary or datatype != "BF16"]
"""Triton's client sends BF16 as binary only."""


@pytest.mark.parametrize(("datatype", "binary"), WAYS)
def test_every_datatype_comes_back_as_it_went(
    client: triton.InferenceServerClient, datatype: str, binary: bool
) -> None:
    array = SAMPLES[datatype]
    for rows in (array, array[:1]):
        result = client.infer(
            f"echo-{datatype}",
            [tensor("x", rows, datatype, binary=binary)],
            outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
            request_id="r-1",
        )
        answer = result.as_numpy("y")
        if datatype == "BYTES" and not binary:
            answer = np.array([text.encode() for text in answer.ravel()], object).reshape(answer.shape)
        np.testing.assert_array_equal(answer, rows)
        assert result.get_response()["id"] == "r-1"


def test_several_inputs_and_outputs_equal_the_runtimes(client: triton.InferenceServerClient, files: Path) -> None:
    feeds = {side: RNG.integers(-99, 99, (5, 3)).astype(np.int32) for side in ("left", "right")}
    wanted = from_the_runtime(files, "pair", feeds)
    inputs = [tensor(name, array, "INT32", binary=name == "left") for name, array in feeds.items()]
    for compression in (None, "gzip", "deflate"):
        result = client.infer(
            "pair",
            inputs,
            outputs=[triton.InferRequestedOutput("difference"), triton.InferRequestedOutput("sum", binary_data=False)],
            model_version="1",
            request_compression_algorithm=compression,
            response_compression_algorithm=compression,
            parameters={"anything": "else"},
            priority=1,
            timeout=1_000_000,
        )
        assert [each["name"] for each in result.get_response()["outputs"]] == ["difference", "sum"]
        np.testing.assert_array_equal(result.as_numpy("sum"), wanted[0])
        np.testing.assert_array_equal(result.as_numpy("difference"), wanted[1])
    everything = client.infer("pair", inputs)
    np.testing.assert_array_equal(everything.as_numpy("sum"), wanted[0])
    assert "binary_data_size" in everything.get_output("difference")["parameters"]
    later = client.async_infer("pair", inputs).get_result()
    np.testing.assert_array_equal(later.as_numpy("sum"), wanted[0])


def test_sizes_of_one_name_may_differ_as_in_the_runtime(client: triton.InferenceServerClient, files: Path) -> None:
    feeds = {"left": np.array([[1, 2, 3]], np.int32), "right": np.arange(6, dtype=np.int32).reshape(2, 3)}
    answer = client.infer("pair", [tensor(name, array, "INT32") for name, array in feeds.items()])
    for name, wanted in zip(("sum", "difference"), from_the_runtime(files, "pair", feeds), strict=True):
        np.testing.assert_array_equal(answer.as_numpy(name), wanted)


DEFAULTS: list[dict[str, Any]] = [
    {},
    {"factor": np.array([5, 7], np.float32)},
    {"factor": np.array([5], np.float32), "times": np.array(3, np.int64)},
]


@pytest.mark.parametrize("given", DEFAULTS)
def test_inputs_for_which_the_model_has_a_value_may_come_or_not(
    client: triton.InferenceServerClient, files: Path, given: dict[str, Any]
) -> None:
    feeds = {"x": np.array([1, 2], np.float32), **given}
    asked = [tensor(name, array, "INT64" if name == "times" else "FP32") for name, array in feeds.items()]
    wanted = from_the_runtime(files, "scaled", feeds)[0]
    np.testing.assert_array_equal(client.infer("scaled", asked).as_numpy("y"), wanted)
    assert [each["name"] for each in client.get_model_metadata("scaled")["inputs"]] == ["x"]
    described = client.get_model_config("scaled")["input"]
    assert {each["name"]: each.get("optional", False) for each in described} == {
        "x": False,
        "factor": True,
        "times": True,
    }


def test_what_the_client_is_told(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("pair")
    assert client.is_model_ready("parts", "2.1.0")
    assert not client.is_model_ready("parts", "2.0.0")
    assert not client.is_model_ready("nothing")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("pair")
    assert metadata["inputs"][0] == {"name": "left", "datatype": "INT32", "shape": [-1, 3]}
    assert client.get_model_config("pair")["input"][0]["data_type"] == "TYPE_INT32"
    index = {each["name"]: each for each in client.get_model_repository_index()}
    assert index["parts"] == {"name": "parts", "version": "2.1.0", "state": "READY", "reason": ""}
    assert len(index) == len(SAMPLES) + 6
    pixels = np.full((1, 1, 8, 8), 200, np.uint8)
    before = client.get_inference_statistics("parts")["model_stats"][0]
    scores = client.infer("parts", [tensor("frame", pixels, "UINT8")]).as_numpy("logits")
    assert scores[0, 1] > scores[0, 0]
    after = client.get_inference_statistics("parts")["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 1


@pytest.mark.parametrize(
    ("model", "inputs", "outputs", "status", "complaint"),
    [
        ("nothing", {"left": np.zeros((1, 3), np.int32)}, (), "404", "no model 'nothing'"),
        ("pair", {"left": np.zeros((1, 3), np.int32)}, (), "400", "'right' of pair is missing"),
        ("pair", {side: np.zeros((1, 4), np.int32) for side in ("left", "right")}, (), "400", "has shape"),
        ("pair", {side: np.zeros((1, 3), np.float32) for side in ("left", "right")}, (), "400", "INT32, not 'FP32'"),
        ("pair", {side: np.zeros((1, 3), np.int32) for side in ("left", "right")}, ("x",), "400", "no output 'x'"),
        ("pick", {"values": np.zeros(2, np.float32), "places": np.array([7])}, (), "[45]00", "this input"),
        ("lstm", {"x": np.zeros((2, 0, 3), np.float32)}, (), "400", r"shape \[2, 0, 3\], which is empty"),
    ],
)
def test_what_is_wrong_is_said_and_the_server_goes_on(
    client: triton.InferenceServerClient, model: str, inputs: Any, outputs: Any, status: str, complaint: str
) -> None:
    names = {np.int32: "INT32", np.float32: "FP32", np.int64: "INT64"}
    asked = [tensor(name, array, names[array.dtype.type]) for name, array in inputs.items()]
    with pytest.raises(InferenceServerException, match=complaint) as caught:
        client.infer(model, asked, outputs=[triton.InferRequestedOutput(name) for name in outputs])
    assert re.fullmatch(status, caught.value.status() or "")
    assert client.is_server_ready()


def test_what_is_not_a_number_travels_as_binary_only(client: triton.InferenceServerClient, files: Path) -> None:
    inputs = {"above": np.array([0, 1, 4], np.float32), "below": np.array([0, 0, 2], np.float32)}
    asked = [tensor(name, array, "FP32") for name, array in inputs.items()]
    result = client.infer("ratio", asked).as_numpy("ratio")
    np.testing.assert_array_equal(result, from_the_runtime(files, "ratio", inputs)[0])
    with pytest.raises(InferenceServerException, match="ask for binary data"):
        client.infer("ratio", asked, outputs=[triton.InferRequestedOutput("ratio", binary_data=False)])


def test_the_asyncio_client(server: ServeProcess) -> None:
    left, right = (RNG.integers(0, 9, (2, 3)).astype(np.int32) for _ in range(2))

    async def ask() -> Any:
        async with triton_aio.InferenceServerClient(server.url) as client:
            assert await client.is_server_ready()
            asked = [tensor("left", left, "INT32"), tensor("right", right, "INT32")]
            results = await asyncio.gather(*(client.infer("pair", asked, request_id=str(i)) for i in range(20)))
            return [(each.get_response()["id"], each.as_numpy("sum").tolist()) for each in results]

    assert asyncio.run(ask()) == [(str(i), (left + right).tolist()) for i in range(20)]


def word(client: RawClient, target: str = "/v2/models/word/infer") -> float:
    body = echo_body(0).replace(b'"x"', b'"asked"')
    return float(client.send(request(target, body)).answer().json["outputs"][0]["data"][0])


@pytest.mark.parametrize("how", ["inline", "workers"])
def test_a_swap_under_load_loses_no_request(tmp_path: Path, how: str) -> None:
    """Every answer is a whole answer of one generation, and after a new one nobody hears an old one any more."""
    file = tmp_path / "word.onnx"
    rows = 1 if how == "inline" else 2_000_000
    file.write_bytes(models.always(0))
    with serve(tmp_path, file, "--max-queue", "1000") as server:
        stop, counts = threading.Event(), [0] * 4

        def ask(place: int) -> None:
            # A large body goes to the workers, a small one is answered at once.
            body, header = binary_echo(np.zeros(rows if place == 0 else 1, np.float32), name="asked")
            heard = 0.0
            with RawClient(server.address) as client:
                while not stop.is_set():
                    answer = client.send(request("/v2/models/word/infer", body, header)).answer()
                    assert answer.status == 200, answer
                    said = float(np.frombuffer(answer.body[-4:], np.float32)[0])
                    assert said >= heard
                    heard = said
                    counts[place] += 1

        with ThreadPoolExecutor(4) as clients, RawClient(server.address) as watcher:
            running = [clients.submit(ask, place) for place in range(4)]

            def is_answered(enough: int) -> bool:
                return sum(counts) > enough or ended(running)

            def is_swapped(generation: int) -> bool:
                return word(watcher) == generation or ended(running)

            try:
                for generation in range(1, 6):
                    enough = sum(counts) + 300
                    wait_until(partial(is_answered, enough), 60, "requests")
                    new = tmp_path / "new.part"
                    new.write_bytes(models.always(generation))
                    new.replace(file)
                    server.reload()
                    wait_until(partial(is_swapped, generation), 60, "a swap")
            finally:
                stop.set()
            for each in running:
                each.result()
        assert min(counts) > 0
        assert server.stop() == 0


def ended(running: list[Any]) -> bool:
    return any(each.done() for each in running)


def test_a_file_that_is_no_model_keeps_the_one_that_answers(tmp_path: Path) -> None:
    file = tmp_path / "word.onnx"
    file.write_bytes(models.always(1))
    with serve(tmp_path, file) as server, RawClient(server.address) as client:

        def index() -> dict[str, str]:
            answer = client.send(request("/v2/repository/index", b"{}")).answer()
            [entry] = answer.json
            return dict(entry)

        file.write_bytes(b"half a model")
        server.reload()
        reason = wait_until(lambda: index()["reason"], 20, "the failed reload")
        assert "refused the model" in reason
        assert index()["state"] == "READY"
        assert word(client) == 1
        assert client.send(request("/v2/health/ready")).answer().status == 200
        file.unlink()
        server.reload()
        wait_until(lambda: "There is no" in index()["reason"], 20, "the second failed reload")
        file.write_bytes(models.always(2))
        server.reload()
        wait_until(lambda: word(client) == 2, 20, "the good one")
        assert index()["reason"] == ""
    assert "word cannot be loaded" in server.complaints.read_text()


def states(client: RawClient) -> dict[str, str]:
    return {each["name"]: each["state"] for each in client.send(request("/v2/repository/index", b"{}")).answer().json}


def test_a_model_that_fails_holds_up_no_other(tmp_path: Path) -> None:
    bad, word_file = tmp_path / "bad.onnx", tmp_path / "word.onnx"
    bad.write_bytes(b"no model")
    word_file.write_bytes(models.always(1))
    with serve(tmp_path, bad, tmp_path / "none.onnx", word_file) as server, RawClient(server.address) as client:
        assert server.facts["models"] == ["word"]
        assert states(client) == {"bad": "UNAVAILABLE", "none": "UNAVAILABLE", "word": "READY"}
        assert word(client) == 1
        assert client.send(request("/v2/health/ready")).answer().status == 503
        for path in (bad, tmp_path / "none.onnx"):
            path.write_bytes(models.always(2))
        server.reload()
        wait_until(lambda: set(states(client).values()) == {"READY"}, 20, "all of them")


def test_a_model_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    """Its run on a blank is ended, and it is refused."""
    endless, word_file = tmp_path / "endless.onnx", tmp_path / "word.onnx"
    endless.write_bytes(models.parsed(models.ENDLESS))
    word_file.write_bytes(models.always(1))
    with serve(tmp_path, endless, word_file, "--max-run-s", "10") as server, RawClient(server.address) as client:
        assert word(client) == 1
        wait_until(lambda: states(client) == {"endless": "UNAVAILABLE", "word": "READY"}, 60, "its refusal")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ending_answers_what_is_under_way(tmp_path: Path, number: int) -> None:
    file = tmp_path / "echo.onnx"
    file.write_bytes(models.echo("FP32", ["n"]))
    body, header = binary_echo(RNG.normal(size=1_000_000).astype(np.float32))
    whole = request("/v2/models/echo/infer", body, header)
    with serve(tmp_path, file) as server, RawClient(server.address) as client, RawClient(server.address) as idle:
        assert idle.send(request("/v2/health/live")).answer().status == 200
        client.send(whole[: len(whole) // 2])
        server.process.send_signal(number)
        assert idle.ended()
        answer = client.send(whole[len(whole) // 2 :]).answer()
        assert answer.status == 200
        assert answer.body.endswith(body[-100:])
        assert client.ended()
        assert server.process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_the_main_thread_does_not_feel_is_heard(tmp_path: Path, number: int) -> None:
    """The system may give it to any thread; and one that comes just before the main thread waits is like it."""
    file = tmp_path / "word.onnx"
    file.write_bytes(models.always(1))
    with serve(tmp_path, file) as server:
        process = server.process.pid
        other = max(int(task.name) for task in Path(f"/proc/{process}/task").iterdir())
        assert other != process
        assert ctypes.CDLL(None).tgkill(process, other, number) == 0
        assert server.process.wait(60) == 0


def test_a_name_a_token_and_limits(tmp_path: Path) -> None:
    file, secret = tmp_path / "echo.onnx", tmp_path / "token"
    file.write_bytes(models.echo("FP32", ["n"]))
    secret.write_text("0123456789abcdef")
    secret.chmod(0o600)
    with (
        serve(tmp_path, file, "--name", "line 2", "--token-file", secret, "--max-body-bytes", "4096") as server,
        triton.InferenceServerClient(server.url) as client,
    ):
        known = {"Authorization": "Bearer 0123456789abcdef"}
        assert client.is_server_ready()
        with pytest.raises(InferenceServerException, match="right token"):
            client.get_server_metadata()
        assert client.is_model_ready("line 2", headers=known)
        small = [tensor("x", np.ones(2, np.float32), "FP32")]
        assert client.infer("line 2", small, headers=known).as_numpy("y").tolist() == [1, 1]
        with pytest.raises(InferenceServerException, match="may have 4096 bytes"):
            client.infer("line 2", [tensor("x", np.ones(2000, np.float32), "FP32")], headers=known)


def test_how_long_a_model_may_take_can_be_said(tmp_path: Path) -> None:
    file = tmp_path / "count.onnx"
    file.write_bytes(models.counting())
    with serve(tmp_path, file, "--max-run-s", "0.2") as server, RawClient(server.address) as client:
        answer = client.send(request("/v2/models/count/infer", echo_body(2e9))).answer()
        assert (answer.status, answer.json["error"]) == (504, "count was stopped: it has not answered within 0.2 s.")
        assert client.send(request("/v2/models/count/infer", echo_body(7))).answer().status == 200


def test_answers_that_nobody_takes_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Forty of 40 MB each, asked for over gRPC by clients that give them no window."""
    file = tmp_path / "expand.onnx"
    file.write_bytes(models.parsed(models.EXPAND))
    with ExitStack() as stack:
        server = stack.enter_context(serve(tmp_path, file, "--grpc", "127.0.0.1:0"))
        clients = [stack.enter_context(unread_client(server.facts["grpc"])) for _ in range(4)]
        assert numbers(next(clients[0].ask(10_000_000))) == 10_000_000
        before = resident_kb(server.process.pid)
        calls = [client.ask(10_000_000) for client in clients for _ in range(10)]
        assert resident_kb(server.process.pid) - before < 600_000
        assert numbers(next(clients[0].ask(10))) == 10
        assert numbers(next(calls[0])) == 10_000_000
        assert calls[-1].code() == grpc.StatusCode.UNAVAILABLE


def test_addresses_of_ipv6_can_be_used_as_they_are_printed(tmp_path: Path) -> None:
    file = tmp_path / "echo.onnx"
    file.write_bytes(models.echo("FP32", ["n"]))
    with serve(tmp_path, file, "--grpc", "[::1]:0") as server:
        assert re.fullmatch(r"\[::1\]:[0-9]+", server.facts["grpc"])


def test_what_cannot_be_served_is_a_plain_error(tmp_path: Path) -> None:
    good, bad, torn = tmp_path / "good.onnx", tmp_path / "bad.onnx", tmp_path / "torn.bundle"
    good.write_bytes(models.always(1))
    bad.write_bytes(b"no model")
    torn.write_bytes(b"PK\x03\x04 and nothing more")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for arguments, code, complaint in (
            ((bad, torn, "--http", "127.0.0.1:0"), "model.unusable", "refused the model"),
            ((torn, "--http", "127.0.0.1:0"), "bundle.invalid", "not a whole bundle"),
            ((good, "--http", f"127.0.0.1:{taken.getsockname()[1]}"), "item.exists", "cannot listen"),
            ((good, "--http", "nosuch.invalid:80"), "input.invalid", "cannot listen on nosuch.invalid port 80"),
        ):
            failed = serve_and_fail(*arguments)
            assert failed.returncode == 1, failed
            assert f"[{code}]" in failed.stderr
            assert complaint in failed.stderr


def test_a_model_does_not_vanish_behind_another_of_its_name(tmp_path: Path) -> None:
    first, second, bare = tmp_path / "a.bundle", tmp_path / "b.bundle", tmp_path / "parts.onnx"
    pack_bundle(first, manifest(version="1.0.0"), brightness_model(), GOLDEN)
    pack_bundle(second, manifest(version="2.0.0"), brightness_model(), GOLDEN)
    bare.write_bytes(brightness_model())
    for files in ((first, second), (first, bare), (bare, first)):
        failed = serve_and_fail(*files, "--http", "127.0.0.1:0")
        assert (failed.returncode, failed.stdout) == (1, ""), failed
        assert "Two of the models have the same name, parts." in failed.stderr
    other = tmp_path / "other.onnx"
    other.write_bytes(brightness_model())
    with serve(tmp_path, first, other) as server, triton.InferenceServerClient(server.url) as client:
        other.write_bytes(second.read_bytes())
        server.reload()
        wait_until(lambda: "other cannot be loaded" in server.complaints.read_text(), 30, "the second attempt")
        assert client.is_model_ready("parts", "1.0.0")
        index = {each["name"]: each for each in client.get_model_repository_index()}
        assert set(index) == {"parts", "other"}
        assert "same name, parts." in index["other"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("none.onnx", "--http", "nonsense"), "--http wants HOST:PORT, for instance 127.0.0.1:8000"),
        (("none.onnx", "--http", ""), "nothing to listen on"),
        (
            ("none.onnx", "--max-body-bytes", "-1"),
            "--max-body-bytes takes a whole number of at least 1024, not -1.",
        ),
        (("none.onnx", "--max-run-s", "nan"), "--max-run-s takes a number of more than 0 and at most 86400, not nan."),
        (("none.onnx", "--max-run-s", "0"), "--max-run-s takes a number of more than 0 and at most 86400, not 0."),
        (("none.onnx", "--threads", "0"), "--threads takes a whole number of at least 1 and at most 64, not 0."),
        (
            ("none.onnx", "--threads", "100000"),
            "at least 1 and at most 64, not 100000.",
        ),
        (("none.onnx", "--workers", "65"), "--workers takes a whole number of at least 1 and at most 64, not 65."),
        (("a/none.onnx", "b/none.onnx"), "same name, none."),
        (("a.onnx", "b.onnx", "--name", "x"), "--name is for one"),
        (("some/stats.onnx",), "'stats' cannot be a model's name"),
        (("none.onnx", "--name", "a/b"), "cannot be a model's name"),
        (("none.onnx", "--name", ""), "cannot be a model's name"),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_anything_is_opened(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments, "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "input.invalid"
    assert complaint in error["message"]


@pytest.mark.parametrize("folder", [".", "/"])
def test_a_folder_is_told_from_a_name(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", folder, "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], f"{folder} is not a file." in error["message"]) == ("model.unusable", True), error


def test_the_examples_in_the_documents(tmp_path: Path) -> None:
    """Every example is run as it is printed, but for the port, which may be taken."""
    document = (Path(__file__).resolve().parents[2] / "docs/inference-protocol.md").read_text(encoding="utf-8")
    curls = re.findall(r"^curl (\S+)(?: -d '(.*)')?$", document, re.MULTILINE)
    [script] = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    assert len(curls) == 2
    (tmp_path / "digits.onnx").write_bytes(models.parsed(models.SCORES))
    with serve(tmp_path, tmp_path / "digits.onnx") as server, RawClient(server.address) as client:
        for url, body in curls:
            target = url.removeprefix("http://127.0.0.1:8000")
            assert client.send(request(target, body.encode())).answer().status == 200
        moved = script.replace("127.0.0.1:8000", server.url)
        done = subprocess.run([sys.executable, "-c", moved], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == "[[2. 1.]]"
