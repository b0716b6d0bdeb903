"""What is said of traces that cannot be compared: one field, not all of them."""

from __future__ import annotations

import numpy as np
import pytest

from intspike.engine.compare import compare
from intspike.engine.trace import Trace
from intspike.errors import BadInput


def trace(timesteps: int = 3, samples: int = 2, shape: tuple[int, ...] = (4,), outputs: int = 2) -> Trace:
    zeros = np.zeros((timesteps, samples, *shape), np.int32)
    return Trace(
        {"one": zeros.astype(np.uint8)},
        {"one": {"u": zeros}},
        np.zeros((samples, outputs), np.int64),
        timesteps,
    )


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (trace(timesteps=5), r"a has 3 timesteps of 2 samples of shape \[4\] and b 5 timesteps of 2 samples"),
        (trace(shape=(2, 2)), r"of 'one' a has .* of shape \[4\] and b .* of shape \[2, 2\]$"),
        (trace(outputs=3), r"the same readout, but a has \[2, 2\] and b \[2, 3\]"),
        (Trace(trace().spikes, {}, trace().readout, 3), "of stored code of u of 'one' a has .* and b none$"),
    ],
)
def test_what_differs_in_shape_is_named_alone(other: Trace, words: str):
    with pytest.raises(BadInput, match=words):
        compare(trace(), other, ("a", "b"))
    assert compare(trace(), trace(), ("a", "b")).mismatches == 0
