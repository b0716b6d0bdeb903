"""Small colour images in PNG and JPEG, decoded by Pillow; what they claim to be is checked before they are unpacked."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from ..errors import BadData, MissingDependency

MAX_BYTES = 1 << 20  # of one file
SUFFIXES = (".jpeg", ".jpg", ".png")
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"  # how files of each format start
BITS = 24  # place of the bits a sample in a PNG file

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    struct.error,
    zlib.error,
)


def is_jpeg(content: bytes) -> bool:
    """Whether a file starts as a JPEG file does; its values are not those of the image that it was made of."""
    return content.startswith(JPEG)


def decode(content: bytes, where: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The pixels [3, H, W] of one PNG or JPEG file of 8-bit RGB.

    Args:
        content: the file.
        where: what errors call it.
        size: (H, W) that it must have; another one is refused before a pixel is unpacked.

    Raises:
        BadData: another format, size or kind of colour, or a file that is truncated or broken.
        MissingDependency: Pillow is not installed.
    """
    try:
        from PIL.JpegImagePlugin import JpegImageFile
        from PIL.PngImagePlugin import PngImageFile
    except ImportError as error:
        raise MissingDependency(
            "images in PNG and JPEG need Pillow, which is not installed; run `pip install pillow`, or give the "
            "binary version of the data set"
        ) from error
    if not content.startswith((PNG, JPEG)):
        raise BadData(
            f"{where} must be a PNG or JPEG file, but starts with {content[:8].hex() or 'nothing'}; convert it"
        )
    kind = JpegImageFile if is_jpeg(content) else PngImageFile
    try:
        with kind(io.BytesIO(content)) as image:
            shape = image.size[1], image.size[0]
            if shape != size:
                raise BadData(
                    f"{where} must be {size[1]} x {size[0]} pixels, but claims {shape[1]} x {shape[0]}; give the "
                    "images as published"
                )
            if image.mode != "RGB" or (kind is PngImageFile and content[BITS] != 8):
                bits = f" of {content[BITS]} bits" if kind is PngImageFile else ""
                raise BadData(
                    f"{where} must hold RGB of 8 bits, but holds {image.mode}{bits}; convert it to RGB"
                )
            image.load()
            pixels = np.frombuffer(image.tobytes(), np.uint8)
    except _BROKEN as error:  # what Pillow raises on bytes that do not fit
        raise BadData(
            f"{where} must be an image that can be read, but fails with {type(error).__name__}: {error}; fetch it "
            "again"
        ) from error
    return np.ascontiguousarray(pixels.reshape(*size, 3).transpose(2, 0, 1))
