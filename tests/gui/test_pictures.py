"""Samples become pictures on the screen: the right colours and sizes, and nothing from what is no picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from app.context import Context
from app.gui.pictures import load_picture, pixmap_of


def kept(site: Context, kind: str, *, width: int, height: int) -> str:
    """A sample that is blue on its left and red on its right half."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = (255, 0, 0), (0, 0, 255)
    return site.blobs.put(cv2.imencode(kind, image)[1].tobytes())


@pytest.mark.parametrize("kind", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize(("width", "height", "shown"), [(640, 480, (112, 84)), (30, 60, (56, 112)), (112, 1, (112, 1))])
def test_a_sample_is_shown_in_its_colours_and_shape(
    qapp: QApplication, site: Context, kind: str, width: int, height: int, shown: tuple[int, int]
) -> None:
    picture = load_picture(site, kept(site, kind, width=width, height=height), 112)
    assert picture is not None
    pixmap = pixmap_of(picture, 2.0)
    assert (pixmap.width(), pixmap.height()) == shown
    assert pixmap.devicePixelRatio() == 2.0
    image = pixmap.toImage()
    left, right = (QColor(image.pixel(x, shown[1] // 2)) for x in (shown[0] // 5, shown[0] * 4 // 5))
    assert left.blue() > 200 > 60 > left.red()
    assert right.red() > 200 > 60 > right.blue()


def test_what_is_no_picture_or_is_not_here_shows_nothing(site: Context) -> None:
    assert load_picture(site, site.blobs.put(b"no picture"), 112) is None
    assert load_picture(site, "0" * 64, 112) is None
    claims = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()
    huge = claims[:16] + (100_000).to_bytes(4, "big") * 2 + claims[24:]
    assert load_picture(site, site.blobs.put(huge), 112) is None
