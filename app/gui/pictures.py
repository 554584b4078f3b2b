"""Samples as pictures on the screen.

Decoded by what decodes them on a box: Qt keeps the interpreter to itself while it reads an image on a worker, and the
window stands still meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QImage, QPixmap

from app.usecases import samples
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.manifest import ImageInput

if TYPE_CHECKING:
    from app.context import Context
    from edge_runtime.inference.preprocess import Image


def load_picture(context: Context, sample: str, side: int, *, bring: bool = False) -> Image | None:
    """On a worker: the sample's picture, H×W×3 in RGB order, its longer edge ``side`` pixels.

    :param bring: from the object store, where it lies there alone.
    :returns: None where it is no picture, or is not here.
    """
    import cv2
    import numpy as np

    from edge_runtime.inference.preprocess import decode_image

    wanted = ImageInput(name="picture", width=side, height=side, colour="BGR")
    try:
        read = samples.sample_bytes if bring else samples.sample_bytes_here
        image = decode_image(read(context, sample), wanted)
    except LinesideError:
        return None
    scale = side / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.ascontiguousarray(scaled[:, :, ::-1], np.uint8)


def pixmap_of(picture: Image, ratio: float) -> QPixmap:
    """On the GUI thread: to be painted on a screen with so many pixels to a logical one."""
    height, width = picture.shape[:2]
    pixmap = QPixmap.fromImage(QImage(picture.data, width, height, 3 * width, QImage.Format.Format_RGB888))
    pixmap.setDevicePixelRatio(ratio)
    return pixmap
