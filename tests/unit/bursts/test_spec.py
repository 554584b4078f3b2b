from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.bursts import spec as layout
from cloud_sync.bursts.spec import BurstSpec, Commit, CurvePoint, Done, Heartbeat, LogSegment, Stored, decode_dataset
from cloud_sync.objects.base import check_key
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from tests.unit.bursts.kit import spec_for

SHA = "ab" * 32
SPEC = spec_for(SHA, params={"epochs": 3, "colour": "GRAY", "shift": 0.1}, base_checkpoint="cd" * 32, cap_usd=2.5)
BURST = SPEC.burst


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(SPEC.to_bytes()), **fields}).encode()


def test_spec_goes_round() -> None:
    assert BurstSpec.from_bytes(SPEC.to_bytes()) == SPEC
    assert BurstSpec.from_bytes(changed(something_newer=[1])) == SPEC


@pytest.mark.parametrize(
    "message",
    [
        Heartbeat(burst=BURST, attempt=2, beat=9, at_ms=5, phase="training", step=3, steps=9, loss=0.5),
        LogSegment(burst=BURST, attempt=1, seq=0, lines=("a", "ü"), points=(CurvePoint(step=1, loss=2.0),)),
        Commit(burst=BURST, attempt=1, step=7, state=Stored(sha256=SHA, size=10)),
        Done(burst=BURST, attempt=1, state="failed", finished_ms=3, reason="why"),
        Done(
            burst=BURST,
            attempt=1,
            state="finished",
            finished_ms=3,
            artifacts={"model.int8.onnx": Stored(sha256=SHA, size=4)},
            metrics={"held_out_accuracy": 0.97},
        ),
    ],
)
def test_messages_go_round(message: Any) -> None:
    assert wire.decode(wire.encode(message), type(message)) == message


@pytest.mark.parametrize(
    "fields",
    [
        {"burst": "../../etc"},
        {"burst": BURST.upper() + "x"},
        {"burst": BURST + "\n"},
        {"dataset": "AB" * 32},
        {"base_checkpoint": "../x"},
        {"labels": ["only"]},
        {"labels": ["a", "a"]},
        {"labels": ["a", ""]},
        {"deadline_ms": SPEC.created_ms},
        {"deadline_ms": "tomorrow"},
        {"cap_usd": -1},
        {"cap_usd": 1e300},
        {"seed": -1},
        {"seed": 2**32},
        {"max_attempts": 0},
        {"checkpoint_every_s": -0.1},
        {"params": {"x": [1]}},
        {"params": {"x": None}},
        {"params": {str(i): 1 for i in range(65)}},
        {"format": 2},
    ],
)
def test_a_spec_out_of_bounds_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InputInvalid, match="spec"):
        BurstSpec.from_bytes(changed(**fields))


@given(st.binary(max_size=300))
def test_hostile_bytes_are_refused_and_nothing_else(body: bytes) -> None:
    for read in (
        BurstSpec.from_bytes,
        decode_dataset,
        lambda b: wire.decode(b, Done),
        lambda b: wire.decode(b, Commit),
    ):
        with pytest.raises(InputInvalid):
            read(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_in_any_field_is_taken_or_refused(value: Any) -> None:
    for field in json.loads(SPEC.to_bytes()):
        try:
            spec = BurstSpec.from_bytes(changed(**{field: value}))
        except InputInvalid:
            continue
        assert spec.deadline_ms > spec.created_ms
        check_key(layout.spec_key(spec.burst))


def test_dataset_must_hold_something_of_the_right_kind() -> None:
    good = {"sample": SHA, "label": "7", "split": "train"}
    (entry,) = decode_dataset(wire.encode({"items": [good]}))
    assert (entry.sample, entry.label, entry.split) == (SHA, "7", "train")
    bodies: tuple[dict[str, list[dict[str, str]]], ...] = (
        {"items": []},
        {},
        {"items": [{**good, "sample": "../x"}]},
        {"items": [{**good, "split": "test"}]},
    )
    for bad in bodies:
        with pytest.raises(InputInvalid, match="dataset"):
            decode_dataset(wire.encode(bad))


def test_keys_are_allowed_and_lie_under_the_burst_and_sort_as_they_were_made() -> None:
    keys = [
        layout.spec_key(BURST),
        layout.done_key(BURST),
        layout.heartbeat_key(BURST, 1),
        layout.log_key(BURST, 1, 0),
        layout.checkpoint_key(BURST, 5, 1, "COMMIT.json"),
        layout.artifact_key(BURST, SHA),
    ]
    for key in keys:
        assert check_key(key).startswith(f"bursts/{BURST}/")
    assert layout.log_key(BURST, 1, 99) < layout.log_key(BURST, 1, 100) < layout.log_key(BURST, 2, 0)
    steps = [(9, 2), (10, 1), (10, 2), (100_000, 1)]
    ordered = [layout.checkpoint_key(BURST, step, attempt, "COMMIT.json") for step, attempt in steps]
    assert ordered == sorted(ordered)
