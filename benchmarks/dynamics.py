"""Timesteps of recurrent integer networks, many states at once and one alone, and a whole state graph."""

from __future__ import annotations

import time

import numpy as np

from intspike.dynamics import IntegerNetwork, advance, attractors, orbit
from intspike.dynamics.cycles import by_images
from intspike.dynamics.graph import index_of, state_of
from intspike.dynamics.network import Overflow, Reset

from .catalog import DYNAMICS_NEURONS, NUMPY, naive_of
from .harness import Result, Tell, Times, interleave

STATES, STEPS = 1 << 14, 1000
NAIVE_STEPS = 2000
THETA, LEAK, DRIVE = 20, 3, 2
DENSITY = 0.2


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    if name == "dynamics-graph":
        return [graph(rounds, tell)]
    neurons = DYNAMICS_NEURONS if name == "dynamics-batch" else (64,)
    return [(batch if name == "dynamics-batch" else single)(n, rounds, tell) for n in neurons]


def network(
    neurons: int, overflow: Overflow = "saturate", reset: Reset = "subtract", density: float = DENSITY
) -> IntegerNetwork:
    """Weights in -3..3 on a share of the connections, 8 bits, a shift leak."""
    r = np.random.default_rng(0)
    weights = r.integers(-3, 4, (neurons, neurons)) * (r.random((neurons, neurons)) < density)
    return IntegerNetwork(weights, THETA, 8, overflow, reset, leak=LEAK, drive=DRIVE)


def naive(net: IntegerNetwork, u: np.ndarray, steps: int) -> np.ndarray:
    """One state at a time, as anyone would write it."""
    w = net.weights
    for _ in range(steps):
        s = u >= THETA
        u = u - THETA * s if net.reset == "subtract" else u
        u = u - (u >> LEAK) + w @ s + DRIVE
        u = np.clip(u, -128, 127) if net.overflow == "saturate" else (u + 128) % 256 - 128
    return u


def batch(neurons: int, rounds: int, tell: Tell) -> Result:
    net = network(neurons)
    states = net.random_states(STATES, 1)
    times = interleave(
        {
            "ours": lambda: advance(net, states, STEPS),
            "naive": lambda: naive(net, states[0], NAIVE_STEPS),
        },
        rounds,
        tell,
    )
    after = advance(net, states, 50)
    equal = all(np.array_equal(after[k], naive(net, states[k], 50)) for k in range(0, STATES, 1024))
    each = STATES * STEPS
    return Result(
        naive_of(neurons), _scaled(times["ours"], 1e6 / each), _scaled(times["naive"], 1e6 / NAIVE_STEPS), equal,
        "states after 50 timesteps, of every 1024th state", {"net": {"all": _rate(net, states)}},
        f"milliseconds of a million timesteps of a state; ours runs {STATES:,} states at once",
    )  # fmt: skip


def single(neurons: int, rounds: int, tell: Tell) -> Result:
    # never recurs within the budget, so that an orbit is timesteps alone
    net, steps = network(neurons, "wrap", "none", 1.0), 1 << 20
    start = net.random_states(1, 3)[0]
    found = orbit(net, start, steps)
    run = (2 * steps - 1) if not found.resolved else None
    if run is None:
        raise RuntimeError(
            "the network of this benchmark must not recur within its budget; choose another seed"
        )
    times = interleave(
        {"ours": lambda: orbit(net, start, steps), "naive": lambda: naive(net, start, NAIVE_STEPS)}, rounds, tell
    )  # fmt: skip
    equal = np.array_equal(advance(net, start, 3000), naive(net, start, 3000))
    return Result(
        NUMPY, _scaled(times["ours"], 1e6 / run), _scaled(times["naive"], 1e6 / NAIVE_STEPS), equal,
        "the state after 3000 timesteps", {"net": {"all": _rate(net, start[None])}},
        "milliseconds of a million timesteps; ours looks for a cycle as it goes",
    )  # fmt: skip


def graph(rounds: int, tell: Tell) -> Result:
    r = np.random.default_rng(1)
    small, large = (
        IntegerNetwork(
            r.integers(-60, 61, (n, n)), 40, bits, reset="subtract", leak=3, signed=True, overflow="wrap"
        )
        for n, bits in ((2, 10), (3, 8))
    )
    times = interleave({"ours": lambda: attractors(small), "numpy": lambda: plain(small)}, rounds, tell)
    found, (following, labels, transients) = attractors(small), plain(small)
    equal = (
        np.array_equal(found.successors, following)
        and np.array_equal(found.labels, labels)
        and np.array_equal(found.transients, transients)
    )
    began = time.perf_counter()
    attractors(large)
    took = time.perf_counter() - began
    return Result(
        NUMPY, times["ours"], times["numpy"], equal, "successor, attractor and transient of every state",
        note=f"2^20 states; 2^24 states take {took:.2f} s",
    )  # fmt: skip


def plain(net: IntegerNetwork) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    following = index_of(net, net.step(state_of(net, np.arange(net.size))[0])).astype(np.uint32)
    return following, *by_images(following)


def _rate(net: IntegerNetwork, states: np.ndarray) -> float:
    return round(float(net.run(states[:16], 50).spikes.mean()), 4)


def _scaled(t: Times, by: float) -> Times:
    return Times(t.median * by, t.least * by)
