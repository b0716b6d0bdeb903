"""How much a small change of weights or input changes what a network sends: in integers, and in floating point."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from .network import IntegerNetwork, Ints
from .orbits import orbit
from .random_networks import Ensemble

Change = Literal["weights +-1 LSB", "bit flips", "noise"]
CHANGES: tuple[Change, ...] = get_args(Change)
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Robustness:
    """One network before and after a change, from the same state, over the same timesteps.

    Attributes:
        seed, change: which.
        distance: share of outputs that differ, in integers and in floating point.
        chance: the share that would differ if the neurons fired as often, but independently of before.
        rates: spikes per neuron and timestep before and after, in integers, then in floating point.
        silenced: whether one of the two is silent in the last quarter and the other is not, in integers and in
            floating point.
        attractor: whether the integers end in another observable attractor; None where an orbit is not resolved.
        regime: whether silence became activity or the reverse on these attractors; None likewise.
    """

    seed: int
    change: Change
    distance: tuple[float, float]
    chance: tuple[float, float]
    rates: tuple[float, float, float, float]
    silenced: tuple[bool, bool]
    attractor: bool | None
    regime: bool | None


def robustness(
    ensemble: Ensemble,
    seed: int,
    change: Change,
    *,
    drive: float = 0.15,
    steps: int = 300,
    budget: int = 5000,
) -> Robustness:
    """Change one network of an ensemble, and the real network that it was rounded from, by the same amount.

    The floating-point network has the weights before rounding, u = beta * reset(u) + W s + drive with
    beta = 1 - 2^-k in float64, and the range of the codes, but no codes. A change is drawn once, in LSB, and added to
    both: weights +-1 LSB moves every weight by one of the two; bit flips turns each bit of each weight, in the smallest
    two's complement that holds them all, with probability 0.01; noise adds integers of up to an eighth of the threshold
    to the drive, new in every timestep.

    Args:
        drive: constant, in thresholds, rounded half-up to LSB in both.
        steps: T of the comparison.
        budget: of the orbits that tell attractors apart; noise has none.

    Raises:
        BadInput: a change that is not known, or overflow "wrap", which a real network has not.
    """
    if change not in CHANGES:
        raise BadInput(f"a change must be one of {', '.join(CHANGES)}, not {change!r}")
    if ensemble.overflow != "saturate":
        raise BadInput(
            "integers that wrap have no floating-point network beside them; use overflow 'saturate'"
        )
    if steps < 4:
        raise BadInput(f"steps must be at least 4, not {steps}")
    constant = int(np.floor(drive * ensemble.theta + 0.5))
    net = replace(ensemble.network(seed), drive=constant)
    start, real = ensemble.start(seed), ensemble.real(seed)
    r = np.random.default_rng([seed, CHANGES.index(change), ensemble.bits])
    moved, noise = np.zeros_like(net.weights), np.zeros((1, net.neurons), np.int64)
    if change == "noise":
        most = max(1, ensemble.theta // 8)
        noise = r.integers(-most, most, (steps, net.neurons), endpoint=True)
    else:
        moved = lsb(net.weights, r) if change == "weights +-1 LSB" else flips(net.weights, r)
    other = replace(net, weights=net.weights + moved, drive=constant + noise)
    drives = np.broadcast_to(constant + noise, (steps, net.neurons))
    plain = np.full((steps, net.neurons), constant)
    before, after = (n.run(start, steps).spikes for n in (net, other))
    real_before, real_after = in_reals(net, real, plain, start), in_reals(net, real + moved, drives, start)
    attractor, regime = None, None
    if change != "noise":
        a, b = orbit(net, start, budget).cycle, orbit(other, start, budget).cycle
        if a is not None and b is not None:
            attractor, regime = a.observable != b.observable, bool(a.spikes.any()) != bool(b.spikes.any())
    return Robustness(
        seed, change, (_apart(before, after), _apart(real_before, real_after)),
        (_chance(before, after), _chance(real_before, real_after)),
        (float(before.mean()), float(after.mean()), float(real_before.mean()), float(real_after.mean())),
        (_fell(before, after), _fell(real_before, real_after)), attractor, regime,
    )  # fmt: skip


def lsb(weights: Ints, r: np.random.Generator) -> Ints:
    """One LSB up or down for every weight that is not 0, as what is added."""
    return np.where(weights != 0, np.where(r.random(weights.shape) < 0.5, -1, 1), 0)


def flips(weights: Ints, r: np.random.Generator, probability: float = 0.01) -> Ints:
    """Bit flips of the weights that are not 0, in the smallest two's complement that holds all, as what is added."""
    bits = 1 + max(int(weights.max()).bit_length(), int(-weights.min() - 1).bit_length())
    turned = r.random((bits, *weights.shape)) < probability
    mask = (turned.astype(np.int64) << np.arange(bits).reshape(-1, *(1,) * weights.ndim)).sum(0)
    size = 1 << bits
    after = (weights & (size - 1)) ^ mask
    return np.where(weights != 0, np.where(after >= size // 2, after - size, after) - weights, 0)


def in_reals(net: IntegerNetwork, weights: Reals, drives: Ints, start: Ints) -> NDArray[np.uint8]:
    """The spikes of the floating-point network, [T, N], under drives [T, N]; those of the start are not among them."""
    beta = 1.0 if net.leak is None else 1 - 2.0**-net.leak
    theta, u = net.threshold.astype(np.float64), start.astype(np.float64)
    sent = np.empty(drives.shape, np.uint8)
    s = u >= theta
    for t, d in enumerate(drives):
        if net.reset == "subtract":
            u = u - theta * s
        elif net.reset == "zero":
            u = np.where(s, 0.0, u)
        u = np.clip(beta * u + weights @ s + d, net.low, net.high)
        sent[t] = s = u >= theta
    return sent


def _apart(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float((a != b).mean())


def _chance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    p, q = a.mean(0), b.mean(0)
    return float((p * (1 - q) + q * (1 - p)).mean())


def _fell(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    last = len(a) - len(a) // 4
    return bool(a[last:].any()) != bool(b[last:].any())
