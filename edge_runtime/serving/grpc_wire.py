"""How much a request over gRPC holds, counted on the wire before it is unpacked: two bytes there can become hundreds in
memory, and unpacking is one call that nothing can interrupt.

The numbers are those of the Open Inference Protocol's ``ModelInferRequest``; the encoding is that of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_runtime.contracts.errors import InputInvalid

WORTH_COUNTING = 64 * 1024
"""A message up to this size cannot become much."""
MAX_ENTRIES = 16_384
"""Tensors, raw contents, parameters, sizes of shapes."""
MAX_UNPACKED_BYTES = 8 * 2**20
"""All but the raw contents, as in JSON over HTTP."""
INPUTS, OUTPUTS, RAW_CONTENTS = 5, 6, 7


def check_infer(body: bytes) -> None:
    """:raises InputInvalid: a ModelInferRequest of far too many parts, or none at all."""
    if len(body) <= WORTH_COUNTING:
        return
    entries = unpacked = 0
    for number, start, end in _fields(body, 0, len(body)):
        entries += 1
        if number != RAW_CONTENTS:
            unpacked += end - start
        if number in (INPUTS, OUTPUTS):
            for _ in _fields(body, start, end):
                entries += 1
                if entries > MAX_ENTRIES:
                    break
        if entries > MAX_ENTRIES:
            raise InputInvalid(f"The request has more than {MAX_ENTRIES} tensors, parameters and sizes.")
        if unpacked > MAX_UNPACKED_BYTES:
            raise InputInvalid(f"The request has more than {MAX_UNPACKED_BYTES} bytes outside of raw_input_contents.")


def _fields(body: bytes, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, beginning and end of the content of each field between two places."""
    while place < end:
        tag, place = _varint(body, place, end)
        match tag & 7:
            case 0:
                start = place
                _, place = _varint(body, place, end)
            case 1:
                start, place = place, place + 8
            case 2:
                size, start = _varint(body, place, end)
                place = start + size
            case 5:
                start, place = place, place + 4
            case _:
                raise InputInvalid("This is no ModelInferRequest.")
        if place > end:
            raise InputInvalid("This is no ModelInferRequest.")
        yield tag >> 3, start, place


def _varint(body: bytes, place: int, end: int) -> tuple[int, int]:
    """Seven bits to a byte, the lowest first; all but the last have the eighth."""
    number = 0
    for shift in range(0, 70, 7):
        if place >= end:
            break
        byte = body[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise InputInvalid("This is no ModelInferRequest.")
