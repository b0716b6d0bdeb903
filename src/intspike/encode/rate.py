"""Rate encoding: a value is the probability of a spike, drawn from a hash of integers instead of a generator.

The draw of one element at one timestep is a 32-bit hash of four numbers, so it does not depend on what else is
encoded: however samples are split into batches, in whatever order, on whatever machine, the spikes are the same. All
arithmetic is that of unsigned 32-bit integers, and one product of 64 bits:

    mix(h)       = h ^= h >> 16;  h *= 0x7feb352d;  h ^= h >> 15;  h *= 0x846ca68b;  h ^= h >> 16
    absorb(h, n) = mix((h ^ n) + 0x9e3779b9)
    h            = absorb(absorb(absorb(absorb(0, seed), sample), t), index)
    spike        = (h * high) >> 32 < x

`mix` is Wellons' lowbias32 (github.com/skeeto/hash-prospector, public domain), a bijection of the 32-bit integers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from ..fixed import mix
from .checks import codes, whole

Words = NDArray[np.uint32]
_ELEMENTS = 1 << 22  # hashed at a time: 16 MiB of words


def rate(
    x: ArrayLike, timesteps: int, seed: int = 0, sample: int | ArrayLike = 0, high: int = 255
) -> NDArray[np.uint8]:
    """Spikes [T, B, ...] of values [B, ...]: at every timestep each element fires with probability x / high.

    A value of 0 never fires, `high` always does. Of all 2^32 hashes ceil(x 2^32 / high) fire, so the probability is
    x / high to within 2^-32.

    Args:
        x: uint8 codes [B, ...], at most `high`.
        timesteps: T.
        seed: another one gives other spikes, 0..2^32 - 1.
        sample: index of the first sample, and the others count on from it; or the index of each, [B]. Give the
            position in the data set and spikes do not depend on batches.
        high: the value that always fires.

    Raises:
        BadInput: not uint8 codes up to `high`, no timesteps, or a seed or index beyond 32 bits.
    """
    value = codes(x, 1, "[B, ...]")
    timesteps, high = whole("timesteps", timesteps, 1), whole("high", high, 1, 255)
    if value.max(initial=0) > high:
        raise BadInput(f"codes must be in 0..{high} as high says, but hold {value.max()}; raise high")
    flat = value.reshape(len(value), int(np.prod(value.shape[1:])))
    before = absorb(np.uint32(0), np.uint32(whole("seed", seed, 0, (1 << 32) - 1)))
    samples = absorb(before, _indices(sample, len(flat)))
    clocks = absorb(samples, np.arange(timesteps, dtype=np.uint32)[:, None])  # [T, B]
    index = np.arange(flat.shape[1], dtype=np.uint32)
    spikes = np.empty((timesteps, *flat.shape), np.uint8)
    step = max(1, _ELEMENTS // max(1, flat.size))
    for first in range(0, timesteps, step):
        part = slice(first, first + step)
        drawn = absorb(clocks[part, :, None], index).astype(np.uint64) * np.uint64(high) >> np.uint64(32)
        spikes[part] = drawn < flat
    return spikes.reshape(timesteps, *value.shape)


def absorb(h: Words | np.uint32, n: Words | np.uint32) -> Words:
    """The hash of what h stands for, followed by n: mix((h ^ n) + 0x9e3779b9), elementwise."""
    h = np.atleast_1d(np.bitwise_xor(h, n)) + np.uint32(0x9E3779B9)  # arrays wrap without a warning
    return mix(h)


def _indices(sample: int | ArrayLike, count: int) -> Words:
    given = np.asarray(sample)
    if given.dtype.kind not in "iu" or given.ndim > 1 or given.size not in (1, count) or not given.size:
        raise BadInput(
            f"sample must be the index of the first sample or one for each of the {count}, not {sample!r}"
        )
    each = given.astype(np.int64) + (np.arange(count) if given.ndim == 0 else 0)
    if each.size and not (each.min() >= 0 and each.max() < 1 << 32):
        raise BadInput(f"indices of samples must be in 0..{(1 << 32) - 1}, not {each.min()}..{each.max()}")
    return each.astype(np.uint32)
