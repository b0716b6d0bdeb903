"""A tiny network as Boolean functions of its bits, in the text that Boolean-network tools read (.bnet)."""

from __future__ import annotations

import numpy as np

from ..errors import BadInput
from .graph import attractors, state_of
from .map import Ints, Map

MOST_BITS = 14
MOST_TERMS = 1 << 16


def bits_of(network: Map) -> list[str]:
    """Names of the bits of a state, `x3_0` the lowest of its integer 3; derived integers have none.

    Raises:
        BadInput: more than 14 bits, codes that are no whole number of bits, or a drive that changes.
    """
    if network.phases > 1:
        raise BadInput(
            f"Boolean functions hold no time, but the drive repeats after {network.phases} timesteps; use one that "
            "does not change"
        )
    if any(c & (c - 1) for c in network.choices):
        raise BadInput("every integer of a state must have a power of two of values to be bits")
    widths = [c.bit_length() - 1 for c in network.choices]
    if sum(widths) > MOST_BITS:
        raise BadInput(
            f"a network has up to {MOST_BITS} bits of state as Boolean functions, not {sum(widths)}; fewer neurons or "
            "bits have fewer"
        )
    places = np.flatnonzero(~network.derived)
    return [f"x{i}_{b}" for i, width in zip(places, widths, strict=True) for b in range(width)]


def bnet(network: Map) -> str:
    """The network in .bnet: a line a bit, the disjunction of where it is set, over the bits that it depends on.

    A code is its distance from the lowest one, in binary. All bits change at once: attractors are those of the
    synchronous update. Steady states are the same under any update.

    Raises:
        BadInput: too many bits, or other things that are no bits (`bits_of`).
    """
    names = bits_of(network)
    graph = attractors(network)
    states = binary(network, np.arange(len(graph.successors)))
    after = states[graph.successors]
    lines = ["targets, factors"]
    for k, name in enumerate(names):
        lines.append(f"{name}, {_function(states, after[:, k], names)}")
    return "\n".join(lines) + "\n"


def binary(network: Map, index: Ints) -> Ints:
    """The bits of states of such indices, [..., bits], in the order of `bits_of`."""
    states = state_of(network, index)[0] - network.lows
    free = np.flatnonzero(~network.derived)
    return np.concatenate(
        [
            states[..., [i]] >> np.arange(c.bit_length() - 1) & 1
            for i, c in zip(free, network.choices, strict=True)
        ],
        -1,
    )


def _function(states: Ints, value: Ints, names: list[str]) -> str:
    """A Boolean function as a disjunction of conjunctions.

    Args:
        states: every assignment, [2^n, n].
        value: of the function at each.
    """
    if value.all() or not value.any():
        return "1" if value.any() else "0"
    weights = 1 << np.arange(states.shape[1])
    table = np.empty(len(value), np.int64)
    table[states @ weights] = value
    support = [k for k in range(len(names)) if (table != table[np.arange(len(table)) ^ (1 << k)]).any()]
    terms = np.unique(states[value == 1][:, support], axis=0)
    if len(terms) > MOST_TERMS:
        raise BadInput(
            f"a Boolean function has up to {MOST_TERMS:,} terms, not {len(terms):,}; use a smaller network"
        )
    named = [names[k] for k in support]
    return " | ".join(f"({_conjunction(row, named)})" for row in terms.tolist())


def _conjunction(row: list[int], names: list[str]) -> str:
    return " & ".join(name if x else f"!{name}" for name, x in zip(names, row, strict=True))
