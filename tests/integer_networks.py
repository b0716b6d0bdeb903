"""Random integer networks of every semantics, and a slow oracle that shares no line with what is tested."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from intspike.dynamics import IntegerNetwork

SEMANTICS = [
    {"overflow": o, "reset": r, "signed": s, "leak": k}
    for o, r, s, k in itertools.product(
        ("saturate", "wrap"), ("none", "zero", "subtract"), (True, False), (None, 0, 1, 3)
    )
]

# a few that hold every value of every field: each is compiled once
COMPILED = [
    {"overflow": "saturate", "reset": "none", "signed": False, "leak": 2, "bits": 4},
    {"overflow": "wrap", "reset": "none", "signed": False, "leak": 1, "bits": 3},
    {"overflow": "saturate", "reset": "subtract", "signed": True, "leak": 1, "bits": 3},
    {"overflow": "wrap", "reset": "zero", "signed": True, "leak": None, "bits": 4},
    {"overflow": "saturate", "reset": "zero", "signed": True, "leak": 3, "bits": 8},
    {"overflow": "wrap", "reset": "subtract", "signed": False, "leak": 0, "bits": 16},
]


def network(
    neurons: int, seed: int = 0, *, bits: int = 4, most: int | None = None, phases: int = 1, **fields: object
) -> IntegerNetwork:
    """A network with weights in -most..most, a threshold that can be reached, and a small drive."""
    r = np.random.default_rng(seed)
    signed = fields.get("signed", True)
    high = (1 << (bits - 1 if signed else bits)) - 1
    most = max(1, high // 2) if most is None else most
    fields.setdefault("threshold", r.integers(1, max(2, high + 1), neurons))
    fields.setdefault("drive", r.integers(-2, 3, (phases, neurons)))
    return IntegerNetwork(r.integers(-most, most + 1, (neurons, neurons)), bits=bits, **fields)  # type: ignore[arg-type]


@st.composite
def networks(draw: st.DrawFn, *, most_neurons: int = 6, most_bits: int = 16) -> IntegerNetwork:
    """Any semantics; numbers come from a seed."""
    fields = draw(st.sampled_from(SEMANTICS))
    signed = fields["signed"]
    bits = draw(st.integers(2 if signed else 1, most_bits))
    most = draw(st.sampled_from([None, 1, 7, 1000]))
    return network(
        draw(st.integers(1, most_neurons)), draw(st.integers(0, 2**32 - 1)), bits=bits, most=most,
        phases=draw(st.sampled_from([1, 1, 2, 3])), **fields,
    )  # fmt: skip


@st.composite
def compiled(draw: st.DrawFn, *, most_bits: int = 16, most_neurons: int = 6) -> IntegerNetwork:
    """One of the semantics of COMPILED; numbers come from a seed."""
    fields = draw(st.sampled_from([f for f in COMPILED if f["bits"] <= most_bits]))
    neurons, seed = draw(st.integers(1, most_neurons)), draw(st.integers(0, 2**32 - 1))
    return network(neurons, seed, phases=draw(st.sampled_from([1, 1, 2, 3])), **fields)  # type: ignore[arg-type]


def successor(net: IntegerNetwork, state: tuple[int, ...], phase: int) -> tuple[int, ...]:
    """One timestep in plain Python integers, written from the equation alone."""
    fires = [u >= int(theta) for u, theta in zip(state, net.threshold, strict=True)]
    after = []
    for i, u in enumerate(state):
        if fires[i] and net.reset != "none":
            u = 0 if net.reset == "zero" else u - int(net.threshold[i])
        if net.leak is not None:
            u -= u // 2**net.leak
        u += sum(int(w) for w, s in zip(net.weights[i], fires, strict=True) if s)
        u += int(net.drive[phase % len(net.drive)][i])
        if net.overflow == "wrap":
            u = (u - net.low) % 2**net.bits + net.low
        after.append(min(max(u, net.low), net.low + 2**net.bits - 1))
    return tuple(after)


def walk(net: IntegerNetwork, state: tuple[int, ...], phase: int = 0) -> Iterator[tuple[int, ...]]:
    """The states of an orbit, the first included, without end."""
    while True:
        yield state
        state, phase = successor(net, state, phase), phase + 1
