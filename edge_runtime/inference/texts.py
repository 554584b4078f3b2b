"""A line of text: UTF-8 in, a string tensor or the codes of its bytes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import FrameUnreadable
from edge_runtime.contracts.manifest import TextInput

MAX_TEXT_BYTES = 64 * 1024


def read_text(data: bytes, spec: TextInput) -> npt.NDArray[Any]:
    """The text as the model's input: shape (1, 1) of strings, or (1, length) of codes.

    A byte order mark and white space around the text are left out. A code is a byte plus one; what is longer than the
    model's input is cut, what is shorter is padded with zeros.

    :raises FrameUnreadable: not UTF-8, empty, or longer than :data:`MAX_TEXT_BYTES`.
    """
    if len(data) > MAX_TEXT_BYTES:
        raise FrameUnreadable(f"The text is {len(data)} bytes; at most {MAX_TEXT_BYTES} are read.")
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise FrameUnreadable(f"The text is not UTF-8: {error.reason} at byte {error.start}.") from error
    if not text:
        raise FrameUnreadable("The text is empty.")
    if "\0" in text:
        raise FrameUnreadable("The text has a NUL in it: it is no text.")
    if spec.dtype == "string":
        return np.array([[text]], object)
    codes = np.frombuffer(text.encode()[: spec.length], np.uint8)
    tensor = np.zeros((1, spec.length), spec.dtype)
    tensor[0, : len(codes)] = codes
    tensor[0, : len(codes)] += 1
    return tensor
