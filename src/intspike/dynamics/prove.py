"""Finding certificates. Each function returns one that the checker has accepted, or None where it finds none."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .certificates import Bounded, Box, Certificate, Quiescent, Rheobase, Trap, verified
from .network import IntegerNetwork, Ints
from .orbits import Cycle, orbit

_PRECISION = 1 << 24  # of the potential's integers
_ROUNDS = 200


def certify(
    network: IntegerNetwork, *, starts: int = 8, budget: int = 10_000, seed: int = 0
) -> tuple[Certificate, ...]:
    """Every certificate that is found: boundedness, quiescence, rheobase, a silent trap, and traps around the cycles
    that a few random states end in.

    Args:
        starts: random states whose cycles are tried.
        budget: of their orbits.
    """
    made: list[Certificate | None] = [
        prove_bounded(network), prove_quiescent(network), prove_rheobase(network), prove_silence(network)
    ]  # fmt: skip
    cycles: dict[str, Cycle] = {}
    for state in network.random_states(starts, seed) if starts else ():
        if (cycle := orbit(network, state, budget).cycle) is not None and cycle.spikes.any():
            cycles.setdefault(cycle.observable, cycle)
    made += [prove_trap(network, cycle) for cycle in cycles.values()]
    return tuple(dict.fromkeys(c for c in made if c is not None))


def prove_bounded(network: IntegerNetwork) -> Bounded | None:
    """The smallest box that holds rest and all codes up to the threshold and is never left; None where it overflows."""
    lows, highs = np.zeros(network.neurons, np.int64), network.threshold
    if int(highs.max()) > network.high:
        return None
    sums = [_Sums(network, d) for d in network.drive]
    for _ in range(_ROUNDS + (1 << min(network.bits, 10))):
        images = [_image(network, lows, highs, s) for s in sums]
        below = np.minimum(lows, np.min([a for a, _ in images], 0))
        above = np.maximum(highs, np.max([b for _, b in images], 0))
        if (below < network.low).any() or (above > network.high).any():
            return None
        if (below == lows).all() and (above == highs).all():
            made = Bounded((_ints(lows), _ints(highs)))
            verified(network, made)
            return made
        lows, highs = below, above
    return None


def prove_quiescent(network: IntegerNetwork) -> Quiescent | None:
    """A potential that every spike lowers: there is one where the positive weights, each over its neuron's threshold,
    have a spectral radius below 1.

    Source: M-matrices: (c I - M) b = 1 has a positive solution exactly where c is above the spectral radius of M >= 0.
    """
    if network.reset == "none" or network.overflow != "saturate" or int(network.drive.max()) > 0:
        return None
    positive = np.maximum(network.weights, 0)
    theta = network.threshold
    given = (positive / theta[:, None]).T  # row j: what a spike of j gives, in thresholds
    radius = _spectral_radius(given)
    for share in (0.02, 0.1, 0.5):
        c = radius + share * (1 - radius)
        if not 0 < c < 1:
            continue
        try:
            b = np.linalg.solve(c * np.eye(len(given)) - given, np.ones(len(given)))
        except np.linalg.LinAlgError:
            continue
        if not np.isfinite(b).all() or b.min() <= 0:
            continue
        scaled = b / theta
        a = [int(x) for x in np.ceil(scaled * (_PRECISION / scaled.max()))]
        exact = [
            sum(a[i] * int(positive[i, j]) for i in np.flatnonzero(positive[:, j])) for j in range(len(a))
        ]
        kept = max(Fraction(g, x * int(t)) for g, x, t in zip(exact, a, theta, strict=True))
        if kept < 1:
            made = Quiescent(tuple(a), 1 - kept, _ints(theta), _settling(network))
            verified(network, made)
            return made
    return None


def _spectral_radius(m: NDArray[np.float64]) -> float:
    """An estimate from above of that of a matrix without negative entries (Collatz and Wielandt)."""
    x, bound = np.ones(len(m)), float("inf")
    for _ in range(60):
        y = m @ x + 1e-9
        bound = min(bound, float((y / x).max()))
        x = y / y.max()
    return bound


def _settling(network: IntegerNetwork) -> int:
    k = network.leak
    if k is None:
        return 0
    steps, ends = 0, np.array([network.low, network.high])
    while (ends >> k).any():
        steps, ends = steps + 1, ends - (ends >> k)
    return steps


def prove_silence(network: IntegerNetwork) -> Trap | None:
    """That silence lasts: once no neuron fires, whatever lies below the thresholds, none ever does."""
    below = np.minimum(network.high, network.threshold - 1)
    box = np.full(network.neurons, network.low), below
    return _trap(network, [box] * network.phases)


def prove_trap(network: IntegerNetwork, cycle: Cycle, most: int = 64) -> Trap | None:
    """Boxes around a cycle, in which fires and is silent what fires and is silent there, timestep by timestep; the
    codes are free otherwise.

    Args:
        most: longer cycles are not tried.
    """
    p = int(np.lcm(cycle.spike_period, network.phases))
    if p > most or cycle.period % p:
        return None
    word = cycle.spikes[:p].astype(bool)
    lows = np.where(word, network.threshold, network.low)
    highs = np.where(word, network.high, np.minimum(network.high, network.threshold - 1))
    return _trap(network, list(zip(lows, highs, strict=True))) or _trap(network, _around(word, network))


def _around(word: NDArray[np.bool_], network: IntegerNetwork) -> list[tuple[Ints, Ints]]:
    """Boxes that hold to what every timestep of a word has in common, and leave all other neurons free."""
    always, never = word.all(0), ~word.any(0)
    lows = np.where(always, network.threshold, network.low)
    highs = np.where(never, np.minimum(network.high, network.threshold - 1), network.high)
    return [(lows, highs)] * network.phases


def _trap(network: IntegerNetwork, boxes: Sequence[tuple[Ints, Ints]]) -> Trap | None:
    """Shrink boxes to what can be reached in them from one to the next, and keep them if nothing leaves."""
    lows, highs = (np.array(side) for side in zip(*boxes, strict=True))
    sums = _Sums(network, np.resize(network.drive, lows.shape))
    for _ in range(_ROUNDS):
        image = _stored(network, *_image(network, lows, highs, sums))
        if image is None:
            return None
        a, b = (np.roll(side, 1, 0) for side in image)  # what is reached in box t comes from box t - 1
        inside = bool((a >= lows).all() and (b <= highs).all())
        smaller = np.maximum(lows, a), np.minimum(highs, b)
        if (smaller[0] > smaller[1]).any():
            return None
        if (smaller[0] == lows).all() and (smaller[1] == highs).all():
            break
        lows, highs = smaller
    else:
        return None
    if not inside:
        return None
    plain: list[Box] = [(_ints(a), _ints(b)) for a, b in zip(lows, highs, strict=True)]
    fires = tuple(_ints(np.flatnonzero(a >= network.threshold)) for a in lows)
    silent = tuple(_ints(np.flatnonzero(b < network.threshold)) for b in highs)
    made = Trap(tuple(plain), fires, silent)
    verified(network, made)
    return made


class _Sums:
    """What a box sends to every neuron at least and at most, computed anew only where what fires has changed."""

    def __init__(self, network: IntegerNetwork, drive: Ints):
        exact = int(np.abs(network.weights).sum(1).max()) < 1 << 53  # then the fastest type is exact
        w = network.weights.T.astype(np.float64) if exact else network.weights.T
        self.positive, self.negative = np.maximum(w, 0), np.minimum(w, 0)
        self.drive, self.theta = drive, network.threshold
        self._known: NDArray[np.bool_] | None = None
        self._made: tuple[Ints, Ints] = drive, drive

    def of(self, lows: Ints, highs: Ints) -> tuple[Ints, Ints]:
        """Bounds [..., N] of synaptic sums and drive, of one box or of many."""
        fires = np.stack([lows >= self.theta, highs >= self.theta])  # surely, maybe
        if self._known is None or not np.array_equal(fires, self._known):
            surely, maybe = fires.astype(self.positive.dtype)
            least = surely @ self.positive + maybe @ self.negative
            most = maybe @ self.positive + surely @ self.negative
            self._made = least.astype(np.int64) + self.drive, most.astype(np.int64) + self.drive
            self._known = fires
        return self._made


def _image(network: IntegerNetwork, lows: Ints, highs: Ints, sums: _Sums) -> tuple[Ints, Ints]:
    """Bounds [..., N] of every neuron a timestep later, before it is stored, from any state in a box, or in many."""
    theta, (least, most) = network.threshold, sums.of(lows, highs)
    far = np.int64(1) << 40
    below = lows < theta  # some code below the threshold, some from it on
    a, b = _leaked(network, lows), _leaked(network, np.minimum(highs, theta - 1))
    c, d = (_leaked(network, _reset(network, u)) for u in (np.maximum(lows, theta), highs))
    low = np.minimum(np.where(below, a, far), np.where(highs >= theta, c, far))
    high = np.maximum(np.where(below, b, -far), np.where(highs >= theta, d, -far))
    return low + least, high + most


def _reset(network: IntegerNetwork, u: Ints) -> Ints:
    if network.reset == "subtract":
        return u - network.threshold
    return u * 0 if network.reset == "zero" else u


def _leaked(network: IntegerNetwork, u: Ints) -> Ints:
    return u if network.leak is None else u - (u >> network.leak)


def _stored(network: IntegerNetwork, low: Ints, high: Ints) -> tuple[Ints, Ints] | None:
    """The same bounds once stored; None where they could wrap."""
    if network.overflow == "saturate":
        return np.clip(low, network.low, network.high), np.clip(high, network.low, network.high)
    return None if (low < network.low).any() or (high > network.high).any() else (low, high)


def prove_rheobase(network: IntegerNetwork) -> Rheobase | None:
    """d* = ceil(theta / 2^k) of every neuron (1 without a leak); None where a threshold lies above the codes."""
    if int(network.threshold.max()) > network.high:
        return None
    drives, steps = [], []
    for theta in network.threshold.tolist():
        d = 1 if network.leak is None else -(-theta >> network.leak)
        u = t = 0
        while u < theta:
            u = (u if network.leak is None else u - (u >> network.leak)) + d
            t += 1
        drives.append(d)
        steps.append(t)
    made = Rheobase(tuple(drives), tuple(steps))
    verified(network, made)
    return made


def _ints(a: Ints) -> tuple[int, ...]:
    return tuple(a.tolist())
