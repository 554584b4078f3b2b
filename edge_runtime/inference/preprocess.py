"""From a frame's bytes to the model's input tensor, as the manifest says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import FrameUnreadable

if TYPE_CHECKING:
    from edge_runtime.contracts.manifest import ImageInput

# A damaged frame is told of by us, by its name. What libjpeg and libpng print by themselves cannot be turned off.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

Image = npt.NDArray[np.uint8]
"""H×W for GRAY, H×W×3 in BGR order otherwise."""

MAX_FRAME_BYTES = 32 * 2**20
MAX_FRAME_PIXELS = 64 * 2**20
_JPEG_END = b"\xff\xd9"
_TAIL = 64
"""Bytes in which a JPEG's end mark is looked for: some programs put a few behind it."""
_NO_IMAGE = "The frame's {} bytes are not a whole JPEG, PNG, BMP or TIFF image."
_BORDER = 114
"""The grey of a letterbox's borders: what the detectors of the YOLO family are trained with."""
_REDUCED = {
    (True, 1): cv2.IMREAD_GRAYSCALE,
    (True, 2): cv2.IMREAD_REDUCED_GRAYSCALE_2,
    (True, 4): cv2.IMREAD_REDUCED_GRAYSCALE_4,
    (True, 8): cv2.IMREAD_REDUCED_GRAYSCALE_8,
    (False, 1): cv2.IMREAD_COLOR,
    (False, 2): cv2.IMREAD_REDUCED_COLOR_2,
    (False, 4): cv2.IMREAD_REDUCED_COLOR_4,
    (False, 8): cv2.IMREAD_REDUCED_COLOR_8,
}


def image_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) as a file's header claims, without decoding it; None where it is no JPEG, PNG, BMP or TIFF."""
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg_size(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:2] == b"BM" and len(data) >= 26:
        # A negative height only means that the rows come from the top.
        width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
        return abs(width), abs(height)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_size(data, "little" if data[:1] == b"I" else "big")
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1  # a fill byte, of which there may be any number
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            return int.from_bytes(data[position + 7 : position + 9], "big"), height
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def _tiff_size(data: bytes, order: Literal["little", "big"]) -> tuple[int, int] | None:
    """From the first directory, whose entries are 12 bytes: tag, type (3: two bytes, 4: four), count, value."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    start, sizes = number(4, 4), dict[int, int]()
    for at in range(start + 2, start + 2 + 12 * min(number(start, 2), 256), 12):
        if number(at, 2) in (256, 257):
            sizes[number(at, 2)] = number(at + 8, 2 if number(at + 2, 2) == 3 else 4)
    return (sizes[256], sizes[257]) if len(sizes) == 2 else None


def decode_image(data: bytes, spec: ImageInput) -> Image:
    """Decode a JPEG, PNG, BMP or TIFF in the model's colours.

    A JPEG is decoded at a half, a quarter or an eighth where the model's input is smaller still: the
    cosine transform does the first part of the resize for nothing.

    :raises FrameUnreadable: not an image, truncated, or larger than the limits of this module.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise FrameUnreadable(f"The frame is {len(data)} bytes; at most {MAX_FRAME_BYTES} are read.")
    factor, size = 1, image_size(data)
    # Unknown formats are not even tried: the decoders of the rarer ones have a history.
    if size is None or 0 in size:
        raise FrameUnreadable(_NO_IMAGE.format(len(data)))
    if size[0] * size[1] > MAX_FRAME_PIXELS:
        raise FrameUnreadable(f"The frame claims {size[0]}×{size[1]} pixels, more than a camera has.")
    if data[:3] == b"\xff\xd8\xff":
        if data[-1] == 0 and _JPEG_END not in data.rstrip(b"\0")[-_TAIL:]:
            # Its place on the disk was made beforehand. The decoder would fill the rest in with grey.
            raise FrameUnreadable(
                f"The frame's JPEG of {len(data)} bytes ends in zeros: it was not written to its end."
            )
        while factor < 8 and min(size[0] / spec.width, size[1] / spec.height) >= 2 * factor:
            factor *= 2
    buffer = np.frombuffer(data, np.uint8)
    try:
        image: Any = cv2.imdecode(buffer, _REDUCED[spec.colour == "GRAY", factor])
    except cv2.error:
        image = None
    if image is None:
        raise FrameUnreadable(_NO_IMAGE.format(len(data)))
    decoded: Image = image
    return decoded


@dataclass(frozen=True, slots=True)
class View:
    """Where the frame lies in the model's input, in pixels of that; a centre crop lies partly outside."""

    width: int
    height: int
    """Of the model's input."""
    left: int
    top: int
    across: int
    down: int
    """Corner and size of the whole frame."""


def view_of(width: int, height: int, spec: ImageInput) -> View:
    """How a frame of this size comes into the model's input. Pure.

    :raises FrameUnreadable: so long and thin that it would not fit into memory on the way.
    """
    if spec.resize == "stretch":
        return View(spec.width, spec.height, 0, 0, spec.width, spec.height)
    ratios = spec.width / width, spec.height / height
    ratio = min(ratios) if spec.resize == "letterbox" else max(ratios)
    across, down = max(1, round(width * ratio)), max(1, round(height * ratio))
    if across * down > MAX_FRAME_PIXELS:
        raise FrameUnreadable(f"The frame is {width}×{height} pixels: too long and thin for a crop from its centre.")
    # Rounded down on both sides of zero, so that a crop takes what it always took.
    left, top = (spec.width - across, spec.height - down)
    left, top = (left // 2, top // 2) if spec.resize == "letterbox" else (-(-left // 2), -(-top // 2))
    return View(spec.width, spec.height, left, top, across, down)


def _fit(image: Image, view: View) -> Image:
    scaled = _resize(image, view.across, view.down)
    if (view.across, view.down) == (view.width, view.height):
        return scaled
    if view.left <= 0 and view.top <= 0:
        return scaled[-view.top : view.height - view.top, -view.left : view.width - view.left]
    canvas = np.full((view.height, view.width, *image.shape[2:]), _BORDER, np.uint8)
    canvas[view.top : view.top + view.down, view.left : view.left + view.across] = scaled
    return canvas


def _resize(image: Image, width: int, height: int) -> Image:
    if (width, height) == (image.shape[1], image.shape[0]):
        return image
    # Averaging over areas takes six times as long as looking at four neighbours, which overlook nothing up to a half.
    much = image.shape[1] >= 2 * width or image.shape[0] >= 2 * height
    resized: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if much else cv2.INTER_LINEAR)
    fitted: Image = resized
    return fitted


def to_tensor(image: Image, spec: ImageInput) -> npt.NDArray[Any]:
    """An image as one input tensor, shape (1, C, H, W) or (1, H, W, C), uint8, float16 or float32, as ``spec`` says."""
    fitted = _fit(image, view_of(image.shape[1], image.shape[0], spec))
    tables = _tables(spec) if spec.dtype != "uint8" else None
    tensor = np.empty((1, *spec.shape), np.uint8 if tables is None else np.float32)
    planes = tensor[0] if spec.layout == "NCHW" else tensor[0].transpose(2, 0, 1)
    if spec.colour == "GRAY":
        planes[0] = fitted if tables is None else cv2.LUT(fitted, tables[0])
    elif spec.layout == "NHWC":
        ordered: Any = cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB) if spec.colour == "RGB" else fitted
        tensor[0] = ordered if tables is None else cv2.LUT(ordered, tables.T[np.newaxis])
    else:
        order = (2, 1, 0) if spec.colour == "RGB" else (0, 1, 2)
        if tables is None:
            cv2.split(fitted, [planes[order.index(channel)] for channel in range(3)])
        else:
            split = cv2.split(fitted)
            for plane, channel, table in zip(planes, order, tables, strict=True):
                cv2.LUT(split[channel], table, plane)
    return tensor.astype(spec.dtype, copy=False)


@lru_cache(maxsize=16)
def _tables(spec: ImageInput) -> npt.NDArray[np.float32]:
    """For each channel what each of the 256 levels becomes: the manifest's formula at a twentieth of its cost."""
    levels = np.arange(256, dtype=np.float32)[np.newaxis] * np.float32(spec.scale)
    mean = np.asarray(spec.mean, np.float32)[:, np.newaxis]
    std = np.asarray(spec.std, np.float32)[:, np.newaxis]
    normal: npt.NDArray[np.float32] = np.broadcast_to((levels - mean) / std, (spec.channels, 256)).copy()
    return normal
