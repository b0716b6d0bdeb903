"""Augmentation of images on the fly: other crops and mirror images at every step, in the same exact codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from .dataset import whole


@dataclass(frozen=True)
class Augment:
    """A random crop of the padded image, then a mirror image of every other one, each image by itself.

    A pure function of the images and of the state of the generator: a training that makes the generator of (seed, step)
    sees the same images again when it is resumed. Codes are moved and never interpolated.

    Attributes:
        crop: zeros on each side before an image of the old size is cut out, so it moves by up to so many pixels in each
            direction; 0: no crop.
        flip: whether an image is mirrored left to right, with probability 1/2.
    """

    crop: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        whole("crop", self.crop, 0, 1024)

    def __call__(self, images: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """New images of the same shape.

        Args:
            images: uint8 [B, C, H, W].
            random: of which 3 B numbers are drawn, whatever is switched on.

        Raises:
            BadInput: other types or shapes; events in time are no images.
        """
        if images.dtype != np.uint8 or images.ndim != 4:
            raise BadInput(
                f"images to augment must be uint8 of shape [B, C, H, W], but are {images.dtype} of shape "
                f"{list(images.shape)}; augment static images, before time is added"
            )
        batch, _, height, width = images.shape
        draws = random.random((3, batch))
        down, right = (draws[:2] * (2 * self.crop + 1)).astype(np.intp)
        mirrored = draws[2] < 0.5
        made = images
        if self.crop:
            sides = (self.crop, self.crop)
            padded = np.pad(images, ((0, 0), (0, 0), sides, sides))
            places = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
            made = places[np.arange(batch), :, down, right]
        if self.flip:
            made = np.where(mirrored[:, None, None, None], made[..., ::-1], made)
        return np.array(made) if made is images else made
