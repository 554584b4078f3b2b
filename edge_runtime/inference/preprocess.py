"""From a frame's bytes to the model's input tensor, as the manifest says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import FrameUnreadable

if TYPE_CHECKING:
    from edge_runtime.contracts.manifest import ImageInput

Image = npt.NDArray[np.uint8]
"""H×W for GRAY, H×W×3 in BGR order otherwise."""

MAX_FRAME_BYTES = 32 * 2**20
MAX_FRAME_PIXELS = 64 * 2**20
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


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) from a JPEG's frame header without decoding it; None where it is not a JPEG."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            return int.from_bytes(data[position + 7 : position + 9], "big"), height
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def decode_image(data: bytes, spec: ImageInput) -> Image:
    """Decode a JPEG, PNG, BMP or TIFF in the model's colours.

    A JPEG is decoded at a half, a quarter or an eighth where the model's input is smaller still: the
    cosine transform does the first part of the resize for nothing.

    :raises FrameUnreadable: not an image, truncated, or larger than the limits of this module.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise FrameUnreadable(f"The frame is {len(data)} bytes; at most {MAX_FRAME_BYTES} are read.")
    factor = 1
    if size := jpeg_size(data):
        if size[0] * size[1] > MAX_FRAME_PIXELS:
            raise FrameUnreadable(f"The frame claims {size[0]}×{size[1]} pixels, more than a camera has.")
        while factor < 8 and min(size[0] / spec.width, size[1] / spec.height) >= 2 * factor:
            factor *= 2
    buffer = np.frombuffer(data, np.uint8)
    try:
        image: Any = cv2.imdecode(buffer, _REDUCED[spec.colour == "GRAY", factor]) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise FrameUnreadable(f"The frame's {len(data)} bytes are not a whole JPEG, PNG, BMP or TIFF image.")
    decoded: Image = image
    return decoded


def _fit(image: Image, spec: ImageInput) -> Image:
    height, width = image.shape[:2]
    if (width, height) == (spec.width, spec.height):
        return image
    if spec.resize == "stretch":
        return _resize(image, spec.width, spec.height)
    ratios = spec.width / width, spec.height / height
    ratio = min(ratios) if spec.resize == "letterbox" else max(ratios)
    scaled = _resize(image, max(1, round(width * ratio)), max(1, round(height * ratio)))
    height, width = scaled.shape[:2]
    if spec.resize == "centre-crop":
        top, left = (height - spec.height) // 2, (width - spec.width) // 2
        return scaled[top : top + spec.height, left : left + spec.width]
    canvas = np.full((spec.height, spec.width, *image.shape[2:]), 114, np.uint8)
    top, left = (spec.height - height) // 2, (spec.width - width) // 2
    canvas[top : top + height, left : left + width] = scaled
    return canvas


def _resize(image: Image, width: int, height: int) -> Image:
    shrinking = width < image.shape[1]
    resized: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    fitted: Image = resized
    return fitted


def to_tensor(image: Image, spec: ImageInput) -> npt.NDArray[Any]:
    """An image as one input tensor, shape (1, C, H, W), uint8 or float32 as ``spec.dtype`` says."""
    fitted = _fit(image, spec)
    if spec.colour == "GRAY":
        planes = fitted[np.newaxis, np.newaxis]
    else:
        ordered = fitted[:, :, ::-1] if spec.colour == "RGB" else fitted
        planes = ordered.transpose(2, 0, 1)[np.newaxis]
    if spec.dtype == "uint8":
        return np.ascontiguousarray(planes)
    mean = np.asarray(spec.mean, np.float32).reshape(1, -1, 1, 1)
    std = np.asarray(spec.std, np.float32).reshape(1, -1, 1, 1)
    normal: npt.NDArray[np.float32] = (planes.astype(np.float32) * np.float32(spec.scale) - mean) / std
    return normal
