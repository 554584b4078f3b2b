"""What is tried to find a model's best configuration, what is chosen, and what the box keeps of it."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync.release.pack import pack_bundle
from edge_runtime.__main__ import main
from edge_runtime.commands.bench import parse_shapes
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.inference import trial_child, trials
from edge_runtime.inference.autotune import (
    EVEN,
    MAX_STORED,
    Configuration,
    Measurement,
    StoredTuning,
    TuningStore,
    agreement,
    best,
    configurations,
    finalists,
    outdated,
    storable,
    together,
)
from edge_runtime.inference.child_memory import too_much_memory
from edge_runtime.inference.providers import CPU
from edge_runtime.inference.session import Tuning, cores
from edge_runtime.inference.survey import LEAST_S, NO_TIME, Survey
from edge_runtime.inference.trials import TrialFacts, TrialOrder, read_answer, run_trial
from edge_runtime.update.slot_store import SlotStore
from edge_runtime.update.slots import Slot, SlotTable
from tests.fakes import models
from tests.unit.serving.onnx_models import echo

CUDA = "CUDAExecutionProvider"

# -- what to try


def test_on_two_cores_the_three_ways_come_first() -> None:
    tried = configurations(["a"], [CPU], 2)
    assert [(each.threads, each.workers, each.batch) for each in tried] == [(1, 1, 1), (1, 2, 1), (2, 1, 1)]
    assert configurations(["a"], [CPU], 1) == [Configuration(variant="a")]
    assert {each.batch for each in configurations(["a"], [CPU], 2, ["a"])} == {1, 4}
    assert {each.threads for each in configurations(["a"], [CUDA], 8, ["a"])} == {1}


@given(st.integers(1, 64), st.booleans(), st.integers(1, 3))
def test_no_configuration_takes_more_cores_than_there_are(core_count: int, batched: bool, number: int) -> None:
    variants = [f"v{index}" for index in range(number)]
    tried = configurations(variants, [CUDA, CPU], core_count, variants if batched else [])
    assert len(set(tried)) == len(tried)
    assert all(each.threads * each.workers <= core_count for each in tried if each.provider == CPU)
    # Every variant on every provider before the first refinement.
    assert len({(each.variant, each.provider) for each in tried[: 2 * number]}) == 2 * number


# -- what to choose

WAYS = st.builds(
    Configuration,
    variant=st.sampled_from(["fp32", "int8"]),
    provider=st.sampled_from([CPU, CUDA]),
    threads=st.sampled_from([1, 2, 4]),
    workers=st.sampled_from([1, 2, 4]),
    batch=st.sampled_from([1, 4]),
)
ROWS = st.lists(
    st.builds(
        Measurement,
        configuration=WAYS,
        samples_per_s=st.floats(1, 1000),
        p50_ms=st.floats(0.1, 100),
        p99_ms=st.floats(0.1, 100),
        memory_bytes=st.integers(0, 10**9),
        agreement=st.none() | st.floats(0, 1),
        problem=st.none() | st.just("it crashed"),
    ),
    max_size=12,
    unique_by=lambda row: row.configuration,
)


@given(ROWS)
def test_the_best_is_as_good_as_any(rows: list[Measurement]) -> None:
    usable = [row for row in rows if row.usable]
    chosen = best(rows, "throughput")
    assert (chosen is None) == (not usable)
    if chosen:
        assert chosen.usable
        assert chosen.samples_per_s >= max(row.samples_per_s for row in usable) * (1 - EVEN)
    alone = [row for row in usable if row.configuration.workers == row.configuration.batch == 1]
    quickest = best(rows, "latency")
    assert (quickest is None) == (not alone)
    if quickest:
        assert quickest.p50_ms <= min(row.p50_ms for row in alone) * (1 + EVEN)


@given(ROWS)
def test_only_the_installed_model_frame_by_frame_is_stored(rows: list[Measurement]) -> None:
    found = storable(rows, "fp32", "throughput")
    if found:
        assert (found.configuration.variant, found.configuration.batch) == ("fp32", 1)
        assert found.configuration.provider == CPU or (found.agreement or 0) >= 0.9


def test_where_figures_are_even_the_simpler_way_wins() -> None:
    def row(rate: float, workers: int) -> Measurement:
        chosen = Configuration(variant="a", workers=workers)
        return Measurement(configuration=chosen, samples_per_s=rate, p50_ms=1.0)

    assert best([row(100, 4), row(98, 1)], "throughput") == row(98, 1)
    assert best([row(100, 4), row(90, 1)], "throughput") == row(100, 4)


@given(ROWS)
def test_finalists_hold_the_busiest_and_the_quickest(rows: list[Measurement]) -> None:
    chosen = finalists(rows)
    usable = [row for row in rows if row.usable]
    assert len(set(chosen)) == len(chosen) == min(len(usable), 4)
    if usable:
        assert max(usable, key=lambda row: row.samples_per_s).configuration in chosen


def test_turns_are_put_together_and_a_failure_stays_one() -> None:
    chosen = Configuration(variant="a")
    turns = [Measurement(configuration=chosen, samples_per_s=rate, memory_bytes=int(rate)) for rate in (10, 30, 20)]
    assert together(turns) == [dataclasses.replace(turns[2], memory_bytes=30)]
    broken = Measurement(configuration=chosen, problem="it crashed")
    assert together([turns[0], broken, turns[1]]) == [broken]


def test_agreement_is_over_what_both_answered() -> None:
    assert agreement(["a", "b", "c"], ["a", "x"]) == 0.5
    assert agreement([], ["a"]) is None


# -- the survey


class Machine:
    """Stands for the box: a clock, and how each configuration behaves."""

    def __init__(self, behave: Callable[[Configuration], TrialFacts], start_s: float = 0.5) -> None:
        self.now, self.made = 0.0, list[tuple[Configuration, float]]()
        self._behave, self._start_s = behave, start_s

    def clock(self) -> float:
        return self.now

    def trial(self, configuration: Configuration, seconds: float, answers: int) -> TrialFacts:
        self.made.append((configuration, seconds))
        facts = self._behave(configuration)
        self.now += self._start_s + (seconds if facts.problem is None else 0.0)
        said = facts.answers[:answers]
        return dataclasses.replace(facts, elapsed_s=seconds, runs=round(facts.runs * seconds), answers=said)


def survey(machine: Machine, *variants: str, providers: tuple[str, ...] = (CPU,), seconds: float = 25.0) -> Survey:
    return Survey(
        variants=variants, providers=providers, core_count=2, trial=machine.trial, seconds=seconds, clock=machine.clock
    )


def steady(configuration: Configuration) -> TrialFacts:
    rate = {"fp32": 100, "int8": 200}[configuration.variant] * configuration.workers
    return TrialFacts(runs=rate, p50_ms=1000 / rate, p99_ms=20.0, open_batch=True, answers=("a", "b", "c", "d"))


def test_a_survey_measures_everything_and_the_best_again() -> None:
    machine = Machine(steady)
    rows = survey(machine, "fp32", "int8").run()
    assert len(rows) == 10
    assert {row.agreement for row in rows} == {1.0}
    winner = best(rows, "throughput")
    assert winner is not None
    assert (winner.configuration.variant, winner.configuration.workers) == ("int8", 2)
    assert [made for made, _ in machine.made].count(winner.configuration) == 3
    assert machine.now <= 26


@settings(max_examples=60)
@given(seconds=st.floats(3, 60), start_s=st.floats(0.05, 2), cuda=st.booleans())
def test_a_survey_ends_in_time_and_hides_nothing(seconds: float, start_s: float, cuda: bool) -> None:
    machine = Machine(steady, start_s)
    providers = (CUDA, CPU) if cuda else (CPU,)
    rows = survey(machine, "fp32", "int8", providers=providers, seconds=seconds).run()
    assert {row.configuration for row in rows} >= set(configurations(["fp32", "int8"], providers, 2, ["fp32", "int8"]))
    assert all(row.usable or row.problem == NO_TIME for row in rows)
    # Whatever the time: each variant was looked at once, and no trial is begun that cannot end soon.
    assert machine.now <= seconds + 4 * (start_s + 3.0)
    assert all(each >= LEAST_S for _, each in machine.made)


def test_a_variant_that_fails_is_a_row_and_not_tried_again() -> None:
    def behave(configuration: Configuration) -> TrialFacts:
        return TrialFacts(problem="it crashed") if configuration.variant == "int8" else steady(configuration)

    machine = Machine(behave)
    rows = survey(machine, "fp32", "int8").run()
    assert [row.problem for row in rows if row.configuration.variant == "int8"] == ["it crashed"]
    assert all(row.usable for row in rows if row.configuration.variant == "fp32")


def test_variants_that_fail_cost_the_others_nothing_of_their_time() -> None:
    machine = Machine(steady)

    def behave(configuration: Configuration) -> TrialFacts:
        if configuration.variant in ("endless", "greedy"):
            machine.now += 22.0
            return TrialFacts(problem="it did not end within 22 s")
        return steady(configuration)

    machine._behave = behave
    rows = survey(machine, "fp32", "endless", "int8", "greedy").run()
    failed = [row.configuration.variant for row in rows if not row.usable]
    assert failed == ["endless", "greedy"]
    assert len(rows) == 2 + len(configurations(["fp32", "int8"], [CPU], 2, ["fp32", "int8"]))


def test_where_the_first_does_not_run_the_others_are_measured() -> None:
    def behave(configuration: Configuration) -> TrialFacts:
        if configuration.variant == "crashing":
            return TrialFacts(problem="it crashed")
        inputs: dict[str, tuple[int, ...]] = {"other" if configuration.variant == "int8" else "x": (1, 3)}
        return dataclasses.replace(steady(configuration), inputs=inputs)

    rows = survey(Machine(behave), "crashing", "fp32", "int8").run()
    problems = {row.configuration.variant: row.problem for row in rows if not row.usable}
    assert problems == {"crashing": "it crashed", "int8": "it takes other inputs than fp32: other:1x3, not x:1x3"}
    usable = [row for row in rows if row.usable]
    assert {row.configuration.variant for row in usable} == {"fp32"}
    assert len(usable) > 1
    assert {row.agreement for row in usable} == {None}, "there is nothing that it could agree with"


def test_a_provider_that_fails_is_tried_once() -> None:
    def behave(configuration: Configuration) -> TrialFacts:
        return TrialFacts(problem="no driver") if configuration.provider == CUDA else steady(configuration)

    rows = survey(Machine(behave), "fp32", providers=(CUDA, CPU)).run()
    assert [row.problem for row in rows if row.configuration.provider == CUDA] == ["no driver"]


def test_a_provider_with_other_answers_shows_it() -> None:
    def behave(configuration: Configuration) -> TrialFacts:
        facts = steady(configuration)
        return dataclasses.replace(facts, answers=("a", "b", "x", "y")) if configuration.provider == CUDA else facts

    rows = survey(Machine(behave), "fp32", providers=(CUDA, CPU)).run()
    assert {row.agreement for row in rows if row.configuration.provider == CUDA} == {0.5}
    found = storable(rows, "fp32", "throughput")
    assert found is not None
    assert found.configuration.provider == CPU


def test_a_first_model_that_does_not_run_is_an_error() -> None:
    with pytest.raises(ModelUnusable, match="it crashed"):
        survey(Machine(lambda _configuration: TrialFacts(problem="it crashed")), "fp32").run()


# -- what is kept


def measured(**changes: Any) -> Measurement:
    return Measurement(configuration=Configuration(variant="a", **changes), samples_per_s=12.3456)


def test_what_was_found_is_used_again(tmp_path: Path) -> None:
    store = TuningStore(tmp_path / "tuning.json", now_ms=lambda: 77)
    assert store.look_up(b"model") == (Tuning(), None)
    store.put(b"model", measured(threads=1, workers=2))
    store.put(b"other", measured(threads=1, workers=3))
    store.put(b"model", measured(threads=cores(), workers=1))
    assert store.of(b"model") == Tuning(provider=CPU, threads=cores(), workers=1)
    assert store.of(b"other").workers == 3
    for number in range(MAX_STORED):
        store.put(b"%d" % number, measured())
    assert store.look_up(b"model") == (Tuning(), None)
    assert len(json.loads((tmp_path / "tuning.json").read_text())["tunings"]) == MAX_STORED


STORED = StoredTuning(model="0" * 64, runtime="1.28.0", cores=4, provider=CPU, threads=2, workers=2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"runtime": "1.27.0"}, "onnxruntime 1.27.0; this is 1.28.0"),
        ({"cores": 2}, "on 2 cores; there are 4 now"),
        ({"provider": CUDA}, "no longer offers cuda"),
        ({"threads": 5}, "5 threads for 4 cores"),
    ],
)
def test_a_tuning_holds_only_where_it_was_measured(changes: dict[str, Any], says: str | None) -> None:
    why = outdated(dataclasses.replace(STORED, **changes), "1.28.0", 4, [CPU])
    assert why is None if says is None else says in str(why)


def test_a_tuning_of_another_runtime_is_passed_over_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = TuningStore(tmp_path / "tuning.json")
    store.put(b"model", measured(workers=3))
    path = tmp_path / "tuning.json"
    path.write_text(path.read_text().replace(ort.__version__, "0.9"))
    assert store.of(b"model") == Tuning()
    assert "no longer applies: it was measured with onnxruntime 0.9" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 5000,
        b" " * 70_000,
        wire.encode({"tunings": [{**wire.to_dict(STORED), "threads": 0}]}),
        wire.encode({"tunings": [{**wire.to_dict(STORED), "threads": 10**9}]}),
        wire.encode({"tunings": [{**wire.to_dict(STORED), "provider": "x" * 100}]}),
    ],
)
def test_a_damaged_file_counts_as_none_and_is_written_anew(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "tuning.json"
    path.write_bytes(body)
    store = TuningStore(path)
    tuning, why = store.look_up(b"model")
    assert tuning == Tuning()
    assert why
    store.put(b"model", measured(workers=5))
    assert store.of(b"model").workers == 5


# -- real trials


def order(tmp_path: Path, model: bytes, **changes: Any) -> TrialOrder:
    path = tmp_path / "model.onnx"
    path.write_bytes(model)
    plain = TrialOrder(model=str(path), provider=CPU, threads=1, workers=2, batch=2, seconds=0.1, answers=3)
    return dataclasses.replace(plain, **changes)


def test_a_trial_measures(tmp_path: Path) -> None:
    facts = run_trial(order(tmp_path, models.brightness_model()), timeout_s=60)
    assert facts.problem is None
    assert facts.runs >= 2
    assert 0 < facts.p50_ms <= facts.p99_ms
    assert facts.elapsed_s >= 0.1
    assert 0 < facts.memory_bytes < 2**30
    assert facts.open_batch
    assert len(facts.answers) == 3


@pytest.mark.parametrize(
    ("model", "timeout_s", "says"),
    [
        (b"junk", 60, "refused the model"),
        (models.failing_model(), 60, "it failed"),
        (models.endless_model(), 2, "did not end within 2 s"),
    ],
    ids=["junk", "failing", "endless"],
)
def test_what_goes_wrong_in_a_trial_is_its_reason(tmp_path: Path, model: bytes, timeout_s: float, says: str) -> None:
    facts = run_trial(order(tmp_path, model, workers=1), timeout_s=timeout_s)
    assert says in str(facts.problem)


def test_a_trial_that_wants_more_memory_than_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is the box's free memory; here a child is started with less."""
    script = (
        "import sys; from edge_runtime.inference import child_memory, trial_child\n"
        "child_memory.FREE_MEMORY_SHARE = 0.0\n"
        "sys.exit(trial_child.main(sys.argv[1:]))"
    )
    monkeypatch.setattr(trials, "python_command", lambda _module, *rest: [sys.executable, "-c", script, *rest])
    facts = run_trial(order(tmp_path, models.greedy_model(), workers=1, batch=1), timeout_s=60)
    figures = r"it held \d+ MB, (asked for \d+ MB more, )?may take 0 MB"
    assert re.fullmatch(f"it needs more memory than this box has free: {figures}", str(facts.problem))


@pytest.mark.parametrize(
    ("said", "used", "allowed", "figures"),
    [
        ("requested buffer of size 4000000", 9_000_000, None, "it held 9 MB, asked for 4 MB more"),
        ("Unable to allocate 763. MiB for", 0, 5_000_000, "it asked for 763 MiB more, may take 5 MB"),
    ],
)
def test_figures_of_too_much_memory(said: str, used: int, allowed: int | None, figures: str) -> None:
    assert too_much_memory(said, used, allowed) == f"it needs more memory than this box has free: {figures}"


@pytest.mark.parametrize(
    ("code", "body", "said", "says"),
    [
        (-signal.SIGKILL, b"", b"", "memory runs out"),
        (-signal.SIGSEGV, b"", b"first\nlast words", "crashed with SIGSEGV: last words"),
        (3, b"", b"", "exit code 3"),
        (0, b"{}x", b"", "could not be read"),
    ],
)
def test_how_a_child_ended_is_said(code: int, body: bytes, said: bytes, says: str) -> None:
    assert says in str(read_answer(code, body, said).problem)


def test_runs_are_timed_on_so_many_threads() -> None:
    times, elapsed = trial_child.timed_runs(lambda: None, workers=3, seconds=0.0)
    assert len(times) == 3
    assert elapsed >= 0
    with pytest.raises(ZeroDivisionError):
        trial_child.timed_runs(lambda: 1 / 0, workers=2, seconds=0.0)


# -- the command


def run_command(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    status = main(["bench", *map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_bench_finds_and_keeps_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, other = tmp_path / "parts.bundle", tmp_path / "other.onnx"
    pack_bundle(bundle, models.manifest(), models.brightness_model(), models.GOLDEN)
    other.write_bytes(models.brightness_model(threshold=250))
    home = installed_home(tmp_path, bundle)
    status, found = run_command(capsys, bundle, "--variant", other, "--home", home, "--seconds", "4")
    assert status == 0
    assert found["throughput"]["images_per_s"] > 0
    assert found["latency"]["p50_ms"] > 0
    by_variant = {row["variant"]: row["agreement"] for row in found["rows"] if row["agreement"] is not None}
    # Of the two golden cases the other one takes the bright one for dark.
    assert by_variant == {"parts.bundle": 1.0, "other.onnx": 0.5}
    stored = found["stored"]
    tuning = TuningStore(home / "tuning.json").of(models.brightness_model())
    assert (tuning.provider, tuning.threads, tuning.workers) == (
        stored["provider"],
        stored["threads"],
        stored["workers"],
    )
    if found["throughput"]["variant"] == "other.onnx":
        assert "not the installed model" in found["note"]


def installed_home(tmp_path: Path, bundle: Path) -> Path:
    home = tmp_path / "home"
    SlotStore(home / "state.db").save(SlotTable(a=Slot(state="COMMITTED"), committed="a"))
    (home / "slots").mkdir()
    (home / "slots" / "a.bundle").write_bytes(bundle.read_bytes())
    return home


def test_bench_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bright.onnx"
    path.write_bytes(models.brightness_model())
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(models.failing_model())
    assert main(["bench", str(path), "--variant", str(bad), "--seconds", "2"]) == 0
    said = capsys.readouterr().out
    assert "images/s" in said.splitlines()[0]
    assert "bad.onnx, cpu, threads 1, workers 1, batch 1: it failed" in said
    assert "Most images a second: bright.onnx" in said
    assert "Quickest single answer: bright.onnx" in said


def test_where_none_runs_each_has_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, junk, good = tmp_path / "bad.onnx", tmp_path / "junk.onnx", tmp_path / "good.onnx"
    bad.write_bytes(models.failing_model())
    junk.write_bytes(b"no model")
    good.write_bytes(models.brightness_model())
    status, found = run_command(capsys, bad, "--variant", junk, "--seconds", "2")
    assert (status, found["throughput"], found["latency"]) == (1, None, None)
    assert [(row["variant"], bool(row["problem"])) for row in found["rows"]] == [
        ("bad.onnx", True),
        ("junk.onnx", True),
    ]
    status, found = run_command(capsys, bad, "--variant", good, "--seconds", "2")
    assert (status, found["throughput"]["variant"]) == (1, "good.onnx")
    assert main(["bench", str(bad), "--variant", str(junk), "--seconds", "2"]) == 1
    assert "bad.onnx, cpu, threads 1, workers 1, batch 1: it failed" in capsys.readouterr().out


def test_what_is_no_other_form_of_the_model_is_a_row_and_never_the_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, junk, empty = tmp_path / "good.onnx", tmp_path / "junk.onnx", tmp_path / "empty.onnx"
    torn, other = tmp_path / "torn.bundle", tmp_path / "other.onnx"
    good.write_bytes(models.brightness_model())
    junk.write_bytes(b"no model")
    empty.write_bytes(b"")
    torn.write_bytes(b"PK\x03\x04 no zip")
    other.write_bytes(echo("FP32"))
    status, found = run_command(capsys, good, "--variant", junk, empty, torn, other, "--seconds", "2")
    assert status == 0
    problems = {row["variant"]: row["problem"] for row in found["rows"] if row["variant"] != "good.onnx"}
    assert list(problems) == ["junk.onnx", "empty.onnx", "torn.bundle", "other.onnx"]
    assert "empty.onnx is empty" in problems["empty.onnx"]
    assert "it takes other inputs than good.onnx: x:" in problems["other.onnx"]
    assert all(problems.values())
    assert found["throughput"]["variant"] == found["latency"]["variant"] == "good.onnx"


def test_what_cannot_be_measured_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junk, good, bundle = tmp_path / "junk.onnx", tmp_path / "good.onnx", tmp_path / "parts.bundle"
    junk.write_bytes(b"this is no model")
    good.write_bytes(models.brightness_model())
    bits = tmp_path / "bits.onnx"
    bits.write_bytes(echo("BF16"))
    pack_bundle(bundle, models.manifest(), models.brightness_model(threshold=99), models.GOLDEN)
    home = installed_home(tmp_path, bundle)
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "zip.bundle").write_bytes(b"PK\x03\x04 no zip")
    for arguments, code in (
        ([junk], "model.unusable"),
        ([tmp_path / "absent.onnx"], "item.not-found"),
        ([tmp_path / "empty.onnx"], "model.unusable"),
        ([tmp_path / "zip.bundle"], "bundle.invalid"),
        ([tmp_path], "model.unusable"),
        ([good, "--home", home], "input.invalid"),
        ([good, "--home", tmp_path], "item.not-found"),
        ([good, "--variant", good], "input.invalid"),
        ([good, "--variant", tmp_path / "absent.onnx"], "item.not-found"),
        ([good, "--seconds", "0"], "input.invalid"),
        ([good, "--shape", "frame=1x1"], "input.invalid"),
        ([good, "--shape", "frame:1x2"], "input.invalid"),
        ([good, "--shape", "picture:1x1x8x8"], "input.invalid"),
        ([bits], "input.invalid"),
    ):
        status, said = run_command(capsys, *arguments)
        assert (status, said["error"]["code"]) == (1, code), arguments
    assert not (home / "tuning.json").exists()


def test_shapes_are_read() -> None:
    assert parse_shapes(["x:1x3x224x224", "a:b:7"]) == {"x": (1, 3, 224, 224), "a:b": (7,)}
    for wrong in ("1x3", ":1", "x:", "x:1x", "x:0", "x:-1", "x:1y2", "x:99999999999"):
        with pytest.raises(InputInvalid):
            parse_shapes([wrong])
