"""Store ten million membrane potentials in 4-bit threshold-centred codes, with the straight-through gradient.

What is equal: every stored value and the levels by definition, and every gradient and what came from above.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from intspike.quant import ThresholdCentred

from . import catalog, peers
from .harness import Result, Tell, Times, interleave
from .memory import apart

VALUES = 10_000_000
STATE = ThresholdCentred(
    4, stores="before reset", gradient="pass"
)  # the membrane that fired is stored, as by the peer


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    if name == "codec-4bit-memory":
        return [_memory(rounds, tell)]
    u, above = values(VALUES)
    times = interleave({who: forward_backward(who, u, above) for who in ("intspike", _PEER)}, rounds, tell)
    stored, gradient = forward_backward("intspike", u, above)()
    equal = bool(np.array_equal(stored.numpy(), by_definition(u))) and torch.equal(gradient, above)
    return [Result(_PEER, times["intspike"], times[_PEER], equal, _COMPARED)]


_PEER = catalog.STATE_QUANT
_COMPARED = f"{VALUES:,} stored values == the nearest levels by definition, and their gradients"


def _memory(rounds: int, tell: Tell) -> Result:
    ours: list[tuple[float, str]] = []
    theirs: list[tuple[float, str]] = []
    for k in range(rounds):
        ours.append(apart("codec", "intspike"))
        theirs.append(apart("codec", _PEER))
        tell("process", k + 1, rounds)
    u, _ = values(VALUES)
    equal = {answer for _, answer in ours} == {_answer(by_definition(u))}
    return Result(_PEER, Times.of(m for m, _ in ours), Times.of(m for m, _ in theirs), equal, _COMPARED)


def prepared(contender: str) -> Callable[[], str]:
    """Forward and backward of a contender in full size, its code loaded by few values."""
    forward_backward(contender, *values(1000))()
    run = forward_backward(contender, *values(VALUES))
    return lambda: _answer(run()[0].numpy())


def values(count: int) -> tuple[Tensor, Tensor]:
    """Membrane potentials of which about a sixth are at or above threshold, and gradients from above."""
    made = torch.Generator().manual_seed(0)
    u = torch.randn(count, generator=made).requires_grad_()
    return u, torch.randn(count, generator=made)


def forward_backward(contender: str, u: Tensor, above: Tensor) -> Callable[[], tuple[Tensor, Tensor]]:
    """A call stores u and returns the stored values and the gradient of u."""
    store = STATE.quantize if contender == "intspike" else peers.stored(STATE.bits)

    def run() -> tuple[Tensor, Tensor]:
        y = store(u)
        (gradient,) = torch.autograd.grad(y, u, above)
        return y.detach(), gradient

    return run


def by_definition(u: Tensor) -> np.ndarray:
    """The nearest level of each value, but theta (1) itself divides those below from those above it."""
    levels = np.array(STATE.fractions, np.float32)
    edges = ((levels[1:].astype(np.float64) + levels[:-1]) / 2).astype(np.float32)
    edges[int((levels < 1).sum()) - 1] = 1
    return levels[np.searchsorted(edges, u.detach().numpy(), side="right")]


def _answer(stored: np.ndarray) -> str:
    """A checksum of every bit, which takes no memory."""
    return f"{zlib.crc32(stored.data):08x}"
