"""From bytes to tensors: images, signals and texts, and whatever else arrives in their place."""

from __future__ import annotations

import contextlib
import io
import itertools
import struct
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_runtime.contracts.errors import FrameUnreadable, ModelUnusable
from edge_runtime.contracts.manifest import ImageInput, SignalInput, TextInput
from edge_runtime.inference.inputs import fits, reader_for
from edge_runtime.inference.preprocess import MAX_FRAME_PIXELS, decode_image, image_size, to_tensor, view_of
from edge_runtime.inference.signals import read_signal
from edge_runtime.inference.texts import MAX_TEXT_BYTES, read_text

ANY = ImageInput(name="x", width=32, height=32, colour="RGB")
WINDOW = SignalInput(name="x", length=4, channels=2)


def encoded(kind: str, image: npt.NDArray[np.uint8]) -> bytes:
    ok, data = cv2.imencode(kind, image)
    assert ok
    return bytes(data)


def picture(width: int, height: int, *, grey: bool = False) -> npt.NDArray[np.uint8]:
    shape = (height, width) if grey else (height, width, 3)
    return np.random.default_rng(width).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("colour", "layout", "dtype"),
    list(itertools.product(("RGB", "BGR", "GRAY"), ("NCHW", "NHWC"), ("uint8", "float32"))),
)
def test_the_tensor_is_what_the_manifest_says(colour: Any, layout: Any, dtype: Any) -> None:
    grey = colour == "GRAY"
    spec = ImageInput(
        name="x",
        width=9,
        height=7,
        colour=colour,
        layout=layout,
        dtype=dtype,
        scale=1 / 255,
        mean=(0.4,) if grey else (0.5, 0.4, 0.3),
        std=(0.25,),
    )
    image = picture(9, 7, grey=grey)
    tensor = to_tensor(image, spec)
    expected: npt.NDArray[Any] = image.reshape(7, 9, -1)
    if colour == "RGB":
        expected = expected[:, :, ::-1]
    if dtype == "float32":
        mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
        expected = (expected.astype(np.float32) * np.float32(spec.scale) - mean) / std
    if layout == "NCHW":
        expected = expected.transpose(2, 0, 1)
    assert tensor.dtype == np.dtype(dtype)
    assert tensor.flags.c_contiguous
    np.testing.assert_array_equal(tensor, expected[np.newaxis])


def test_a_letterbox_has_grey_borders_and_a_crop_has_none() -> None:
    white = np.full((20, 40, 3), 255, np.uint8)
    cases: tuple[tuple[Literal["stretch", "letterbox", "centre-crop"], float], ...] = (
        ("letterbox", 0.5),
        ("centre-crop", 0.0),
        ("stretch", 0.0),
    )
    for resize, borders in cases:
        spec = ImageInput(name="x", width=40, height=40, colour="RGB", resize=resize)
        assert (to_tensor(white, spec) == 114).mean() == borders


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from(["stretch", "letterbox", "centre-crop"]))
def test_the_view_covers_the_input_or_lies_in_it(width: int, height: int, resize: Any) -> None:
    spec = ImageInput(name="x", width=64, height=48, colour="RGB", resize=resize)
    try:
        view = view_of(width, height, spec)
    except FrameUnreadable:
        assert resize == "centre-crop"
        assert max(width / height, height / width) > 100
        return
    if resize == "centre-crop":
        assert view.left <= 0 <= view.left + view.across - 64
        assert view.top <= 0 <= view.top + view.down - 48
    else:
        assert 0 <= view.left <= view.left + view.across <= 64
        assert 0 <= view.top <= view.top + view.down <= 48


@pytest.mark.parametrize("kind", [".jpg", ".png", ".bmp", ".tiff"])
@pytest.mark.parametrize("size", [(3, 5), (64, 48), (300, 7)])
def test_the_size_is_read_without_decoding(kind: str, size: tuple[int, int]) -> None:
    data = encoded(kind, picture(*size))
    assert image_size(data) == size
    assert decode_image(data, ANY).size


def test_a_frame_that_claims_to_be_vast_is_not_decoded() -> None:
    side = 2**13 + 1
    assert side * side > MAX_FRAME_PIXELS
    png = bytearray(encoded(".png", picture(8, 8)))
    png[16:24] = struct.pack(">II", side, side)
    bmp = bytearray(encoded(".bmp", picture(8, 8)))
    bmp[18:26] = struct.pack("<ii", side, -side)
    jpeg = bytearray(encoded(".jpg", picture(8, 8)))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", side, side)
    tiff = b"II*\0" + struct.pack("<IHHHIIHHIII", 8, 2, 256, 4, 1, side, 257, 4, 1, side, 0)
    for data in (png, bmp, jpeg, tiff):
        with pytest.raises(FrameUnreadable, match="more than a camera has"):
            decode_image(bytes(data), ANY)


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", b"GIF89a" + bytes(50), b"\xff\xd8\xff", b"BM", b"II*\0", b"P5 2 2 255 abcd", b"\x89PNG\r\n\x1a\n"],
)
def test_what_is_no_image_of_ours_is_refused_in_plain_words(data: bytes) -> None:
    with pytest.raises(FrameUnreadable, match="not a whole JPEG, PNG, BMP or TIFF"):
        decode_image(data, ANY)


def test_opencv_says_nothing_of_a_damaged_frame(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FrameUnreadable):
        decode_image(b"BM" + bytes(16) + b"\x01\0\0\0\x01\0\0\0" + bytes(100), ANY)
    assert capfd.readouterr() == ("", "")


def test_a_jpeg_of_which_only_the_beginning_was_written_is_refused() -> None:
    whole = encoded(".jpg", picture(640, 480))
    # A camera's padding, and what another program has put behind the picture.
    for sound in (whole, whole + bytes(1000), whole + b"made by a camera\0"):
        assert decode_image(sound, ANY).shape[2] == 3
    for share in (0.1, 0.5, 0.9):
        written = int(share * len(whole))
        with pytest.raises(FrameUnreadable, match="was not written to its end"):
            decode_image(whole[:written].ljust(len(whole), b"\0"), ANY)


@given(st.sampled_from([".jpg", ".png", ".bmp", ".tiff"]), st.data())
def test_damaged_images_are_read_or_refused_and_nothing_else(kind: str, data: st.DataObject) -> None:
    body = bytearray(encoded(kind, picture(16, 12)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(0, len(body))) :]
    with contextlib.suppress(FrameUnreadable):
        assert decode_image(bytes(body), ANY).size <= 3 * MAX_FRAME_PIXELS


def test_a_jpeg_with_fill_bytes_before_its_markers_is_read() -> None:
    data = encoded(".jpg", picture(40, 30))
    filled = data[:2] + b"\xff\xff\xff" + data[2:]
    assert image_size(filled) == (40, 30)
    assert decode_image(filled, ANY).size


def npy(window: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, window)
    return file.getvalue()


@given(
    arrays.arrays(
        st.sampled_from(["<f4", ">f8", "<f2", "|i1", ">i2", "<u4", "<i8"]).map(np.dtype),
        (2, 4),
        elements={"allow_nan": False},
    ),
    st.booleans(),
)
def test_every_plain_kind_of_npy_is_read(window: npt.NDArray[Any], fortran: bool) -> None:
    body = npy(np.asfortranarray(window) if fortran else window)
    with np.errstate(over="ignore"):
        expected = window.astype(np.float32)
    if not np.isfinite(expected).all():
        with pytest.raises(FrameUnreadable, match="no finite numbers"):
            read_signal(body, WINDOW)
        return
    tensor = read_signal(body, WINDOW)
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor[0], expected)


def test_a_window_is_normalised_by_channel() -> None:
    spec = SignalInput(name="x", length=2, channels=2, mean=(1.0, 10.0), std=(2.0, 5.0))
    np.testing.assert_allclose(read_signal(npy(np.array([[1.0, 3.0], [10.0, 0.0]])), spec), [[[0, 1], [0, -2]]])
    one = SignalInput(name="x", length=3)
    np.testing.assert_allclose(read_signal(npy(np.arange(3)), one), [[[0, 1, 2]]])


def header(text: str, body: bytes = b"") -> bytes:
    raw = text.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + body


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (npy(np.zeros((2, 5))), "5 points of 2 channels; the model takes 4 points of 2"),
        (npy(np.zeros(4)), "4 points of 1 channel; the model takes"),
        (npy(np.zeros((4, 2))), "one for each channel"),
        (npy(np.zeros((1, 2, 4))), "3 dimensions"),
        (npy(np.full((2, 4), np.nan)), "no finite numbers"),
        (npy(np.full((2, 4), 1e300)), "no finite numbers"),
        (npy(np.zeros((2, 4), complex)), "plain real numbers"),
        (npy(np.zeros((2, 4), "datetime64[s]")), "plain real numbers"),
        (npy(np.zeros(4, [("a", "<f4")])), "plain real numbers"),
        (npy(np.zeros((2, 4)))[:-1], "63 bytes of numbers; its header says 64"),
        (npy(np.zeros((2, 4)))[:20], "cut off"),
        (b"\x93NUMPY", "cut off"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(99), "cut off, or its header"),
        (header("__import__('os').system('true')"), "plain real numbers"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (2, 4)}"), "plain real numbers"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999, 999999999)}"), "its header says"),
        (header("{'descr': '<f1', 'fortran_order': False, 'shape': (2, 4)}", bytes(8)), "unknown kind"),
        (header("{" * 3000), "plain real numbers"),
        (b"", "empty"),
        (b"\xff\xfe\x00", "neither a .npy file nor CSV"),
        (b"1,2\n3,x\n5,6\n7,8\n", "no number"),
        (b"1,2\n3\n5,6\n7,8\n", "Row 2 of the window has 1 columns"),
        (b"1,2\n3,4\n5,6\n", "3 points of 2 channels"),
        (b"1,nan\n3,4\n5,6\n7,8\n", "no finite numbers"),
        (b"1,2\n" * 2000, "too long"),
    ],
)
def test_a_window_that_is_none_is_refused_in_plain_words(data: bytes, says: str) -> None:
    with pytest.raises(FrameUnreadable, match=says):
        read_signal(data, WINDOW)


def test_objects_in_a_window_are_never_unpickled() -> None:
    file = io.BytesIO()
    np.save(file, np.array([[{}] * 4] * 2, object), allow_pickle=True)
    with pytest.raises(FrameUnreadable, match="plain real numbers"):
        read_signal(file.getvalue(), WINDOW)


@given(
    st.binary(max_size=300)
    | st.binary(max_size=300).map(lambda tail: b"\x93NUMPY\x01\x00" + tail)
    | st.text(max_size=80).map(str.encode)
)
def test_any_bytes_are_a_window_or_unreadable(data: bytes) -> None:
    with contextlib.suppress(FrameUnreadable):
        assert read_signal(data, WINDOW).shape == (1, 2, 4)


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4\n5,6\n7,8",
        "left,right\n1,2\n3,4\n5,6\n7,8\n\n",
        "1;2\r\n3;4\r\n5;6\r\n7;8\r\n",
        "1,0;2,0\n3,0;4\n5;6\n7;8",
        "a\tb\n1\t2\n3\t4\n5\t6\n7\t8",
        "\ufeff1, 2\n3, 4\n5, 6\n7, 8\n",
        "1,2,\n3,4,\n5,6,\n7,8,\n",
        "1e0,2.0\n+3,4\n.5e1,6\n7,0008",
    ],
)
def test_csv_as_people_and_machines_write_it(text: str) -> None:
    np.testing.assert_array_equal(read_signal(text.encode(), WINDOW), [[[1, 3, 5, 7], [2, 4, 6, 8]]])


def test_one_channel_may_stand_in_a_row_or_in_a_column() -> None:
    spec = SignalInput(name="x", length=3)
    for text in ("1,2,3", "1\n2\n3", "volts\n1\n2\n3\n"):
        np.testing.assert_array_equal(read_signal(text.encode(), spec), [[[1, 2, 3]]])


@given(arrays.arrays(np.float32, (2, 4), elements=st.floats(-(2.0**100), 2.0**100, width=32)), st.sampled_from(",;\t"))
def test_csv_and_npy_of_the_same_window_are_the_same(window: npt.NDArray[np.float32], separator: str) -> None:
    text = "\n".join(separator.join(repr(float(value)) for value in row) for row in window.T)
    np.testing.assert_array_equal(read_signal(text.encode(), WINDOW), read_signal(npy(window), WINDOW))


def test_a_text_as_a_string_and_as_codes() -> None:
    strings = read_text("\ufeff Füße\r\n".encode(), TextInput(name="x"))
    assert strings.tolist() == [["Füße"]]
    codes = read_text(b"ab", TextInput(name="x", dtype="int64", length=4))
    assert codes.tolist() == [[98, 99, 0, 0]]
    assert codes.dtype == np.int64
    cut = read_text(b"abcdef", TextInput(name="x", dtype="int32", length=4))
    assert cut.tolist() == [[98, 99, 100, 101]]
    assert cut.dtype == np.int32
    high = read_text("ÿ".encode(), TextInput(name="x", dtype="int64", length=2))
    assert high.tolist() == [[0xC3 + 1, 0xBF + 1]]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"a" * (MAX_TEXT_BYTES + 1), "at most"),
        (b" \n", "empty"),
        (b"a\0b", "NUL"),
        ("\ud800".encode("utf-8", "surrogatepass"), "not UTF-8"),
    ],
)
def test_a_text_that_is_none_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(FrameUnreadable, match=says):
        read_text(data, TextInput(name="x"))


@pytest.mark.parametrize(
    ("spec", "shape", "dtype"),
    [
        (ANY, [1, 3, 32, 32], "tensor(uint8)"),
        (ANY, ["n", 3, "h", None], "tensor(uint8)"),
        (
            ImageInput(name="x", width=8, height=4, colour="GRAY", layout="NHWC", dtype="float32"),
            [None, 4, 8, 1],
            "tensor(float)",
        ),
        (WINDOW, ["n", 2, 4], "tensor(float)"),
        (TextInput(name="x"), ["n", 1], "tensor(string)"),
        (TextInput(name="x", dtype="int32", length=9), [1, 9], "tensor(int32)"),
    ],
)
def test_a_reader_takes_the_model_that_fits_and_no_other(spec: Any, shape: list[Any], dtype: str) -> None:
    reader = reader_for(spec)
    reader.check(shape, dtype)
    assert fits(shape, reader.blank().tensor.shape[1:])
    for other in ([8, *shape[1:]], [*shape, 1], shape[:-1], [*shape[:-1], 7], []):
        if other[:1] == [8] or len(other) != len(shape) or shape[-1] is not None:
            with pytest.raises(ModelUnusable, match="one at a time"):
                reader.check(other, dtype)
    with pytest.raises(ModelUnusable, match="the model takes"):
        reader.check(shape, "tensor(double)")
