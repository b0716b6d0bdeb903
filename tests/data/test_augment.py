"""Augmentation: by a slow loop over pixels, the same for the same seed and step, and exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.data import Augment
from intspike.errors import BadInput


def by_loops(image: np.ndarray, down: int, right: int, mirrored: bool, crop: int) -> np.ndarray:
    """One image, pixel by pixel: zeros where the padded image is read outside."""
    made = np.zeros_like(image)
    channels, height, width = image.shape
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                to = width - 1 - x if mirrored else x
                row, column = y + down - crop, x + right - crop
                if 0 <= row < height and 0 <= column < width:
                    made[c, y, to] = image[c, row, column]
    return made


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(0, 5),
    channels=st.integers(1, 3),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    crop=st.integers(0, 4),
    flip=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_image_is_one_of_those_a_loop_makes(batch, channels, height, width, crop, flip, seed):
    images = np.random.default_rng(seed).integers(1, 256, (batch, channels, height, width), dtype=np.uint8)
    before = images.copy()
    made = Augment(crop, flip)(images, np.random.default_rng([seed, 1]))
    assert (made.dtype, made.shape) == (np.uint8, images.shape)
    assert np.array_equal(images, before)
    assert not np.shares_memory(made, images)
    for image, found in zip(images, made, strict=True):
        possible = [
            by_loops(image, down, right, mirrored, crop)
            for down in range(2 * crop + 1)
            for right in range(2 * crop + 1)
            for mirrored in ((False, True) if flip else (False,))
        ]
        assert any(np.array_equal(found, p) for p in possible)


def test_the_seed_and_the_step_alone_decide():
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), dtype=np.uint8)
    augment = Augment()
    first = [augment(images, np.random.default_rng([7, step])) for step in range(3)]
    again = [augment(images, np.random.default_rng([7, step])) for step in (2, 1, 0)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], augment(images, np.random.default_rng([8, 0])))


def test_all_places_and_mirror_images_are_equally_frequent():
    """Within five standard deviations of a binomial, for one marked pixel."""
    images = np.zeros((20_000, 1, 9, 9), np.uint8)
    images[:, 0, 4, 3] = 255
    made = Augment(crop=2)(images, np.random.default_rng(3))
    assert (made.reshape(len(made), -1).max(1) == 255).all()
    _, _, rows, columns = np.nonzero(made)
    for value in range(2, 7):
        assert abs((rows == value).mean() - 1 / 5) < 5 * (0.2 * 0.8 / 20_000) ** 0.5
    # column 3 moves to 1..5, or mirrored to 3..7
    expected = [1 / 10, 1 / 10, 2 / 10, 2 / 10, 2 / 10, 1 / 10, 1 / 10]
    for value, share in enumerate(expected, start=1):
        assert abs((columns == value).mean() - share) < 5 * (share * (1 - share) / 20_000) ** 0.5


def test_nothing_to_do_is_a_copy_and_draws_as_much():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    states = []
    for augment in (Augment(0, False), Augment(4, True)):
        random = np.random.default_rng(1)
        made = augment(images, random)
        states.append(random.random())
        assert np.array_equal(made, images) == (augment.crop == 0)
    assert states[0] == states[1]


@pytest.mark.parametrize(
    "images", [np.zeros((2, 3, 4, 4)), np.zeros((2, 3, 4), np.uint8), np.zeros((5, 2, 3, 4, 4), np.uint8)]
)
def test_what_is_no_batch_of_images_is_refused(images):
    with pytest.raises(BadInput, match=r"images to augment must be uint8 of shape \[B, C, H, W\], but are"):
        Augment()(images, np.random.default_rng(0))


@pytest.mark.parametrize("crop", [-1, 1.5, True])
def test_a_crop_is_a_number_of_pixels(crop):
    with pytest.raises(BadInput, match="crop must be a whole number from 0"):
        Augment(crop)
