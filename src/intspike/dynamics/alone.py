"""Neurons one by one: what each does for ever while its current stays the same, from every state it can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..ir import Neuron
from ..ops import Body, Instruction, step_many
from ..ops.interpret import evaluate_many, live
from .cycles import Indices, cycles_of
from .map import Ints

MOST = 1 << 26  # states of all neurons together
_AT_ONCE = 1 << 22


@dataclass(frozen=True, eq=False)
class Alone:
    """Neurons under constant currents, [U] each.

    Attributes:
        longest: timesteps after which every state of a neuron is on a cycle.
        periods: least common multiple of the lengths of its cycles.
        least, most: its smallest and largest output on any cycle; equal where it always sends the same in the end.
        quiet: whether a state that sent nothing is followed by one that sends nothing.
    """

    longest: Ints
    periods: tuple[int, ...]
    least: Ints
    most: Ints
    quiet: NDArray[np.bool_]

    @property
    def period(self) -> int:
        """After so many timesteps all of them repeat."""
        return int(np.lcm.reduce(np.array(self.periods, object))) if self.periods else 1


def fixed_output(body: Body) -> Body | None:
    """The body with its stores read as codes, where its output then needs nothing else; None where it does."""
    names = {k: s.name for k, s in zip(body.stores, body.states, strict=True)}
    listed = [
        Instruction("state", name=names[k]) if k in names else i for k, i in enumerate(body.instructions)
    ]
    cut = replace(body, instructions=tuple(listed))
    needs = {cut.instructions[k].op for k in live(cut, cut.spike) if k not in names}
    return None if needs & {"state", "current", "prev"} else cut


def sent_by(n: Neuron, codes: Mapping[str, Ints], channel: Ints) -> Ints:
    """The output of neurons, from their stored codes."""
    body = fixed_output(n.body)
    assert body is not None
    nothing = np.zeros((), np.int64)
    made = evaluate_many(body, live(body, body.spike), None, codes, nothing, n.parameters, channel)[
        body.spike
    ]
    return np.broadcast_to(made, next(iter(codes.values())).shape)


def states_of(n: Neuron) -> int:
    """How many states one neuron of a layer has: its codes, and its last output."""
    return prod(1 << n.body.codec(s.name).bits for s in n.body.states) * (n.body.spikes + 1)


def alone(n: Neuron, currents: Ints, channels: Ints) -> Alone | None:
    """Every state of every neuron, followed to its cycle; None where there are more than 2^26 of them.

    Args:
        currents: what each receives in every timestep, [U].
        channels: of each, [U].
    """
    each = states_of(n)
    if each * len(currents) > MOST:
        return None
    parts = max(1, _AT_ONCE // each)
    found = [
        _alone(n, currents[k : k + parts], channels[k : k + parts]) for k in range(0, len(currents), parts)
    ]
    if not found:
        none = np.zeros(0, np.int64)
        return Alone(none, (), none, none, none.astype(bool))
    join = np.concatenate
    return Alone(
        join([a.longest for a in found]), tuple(p for a in found for p in a.periods), join([a.least for a in found]),
        join([a.most for a in found]), join([a.quiet for a in found]),
    )  # fmt: skip


def _alone(n: Neuron, currents: Ints, channels: Ints) -> Alone:
    each, count = states_of(n), len(currents)
    index = np.arange(each)
    codes: dict[str, Ints] = {}
    rest, exists = index, np.ones((count, each), bool)
    for s in n.body.states:
        codec = n.body.codec(s.name)
        codes[s.name] = np.broadcast_to((rest & ((1 << codec.bits) - 1)) + codec.low, (count, each))
        if f"{s.name}.high" in n.parameters:  # codes above a channel's top are never stored
            exists &= codes[s.name] <= n.parameters[f"{s.name}.high"][channels][:, None]
        rest = rest >> codec.bits
    sent = np.broadcast_to(rest, (count, each))
    if fixed_output(n.body) is not None:
        exists &= sent == sent_by(n, codes, channels[:, None])
    made = step_many(
        n.body,
        np.broadcast_to(currents[:, None], (count, each)),
        codes,
        sent,
        n.parameters,
        channels[:, None],
    )
    after = np.broadcast_to(np.asarray(made.spike, np.int64), (count, each))
    follows = after
    for s in reversed(n.body.states):
        codec = n.body.codec(s.name)
        follows = (follows << codec.bits) + made.codes[s.name] - codec.low
    following: Indices = (follows + each * np.arange(count)[:, None]).reshape(-1).astype(np.uint32)
    _, transients, least, periods, _, _ = cycles_of(following)
    owner = least // each  # the neuron that a cycle belongs to
    slowest = np.where(exists, transients.reshape(count, each), 0).max(1).astype(np.int64)
    order = np.argsort(owner, kind="stable")
    own = np.split(periods[order], np.searchsorted(owner[order], np.arange(1, count)))
    sends = np.where((transients == 0).reshape(count, each), sent, -1)
    most = sends.max(1)
    low = np.where(sends < 0, n.body.spikes + 1, sends).min(1)
    quiet = ~(exists & (sent == 0) & (after > 0)).any(1)
    lengths = tuple(int(np.lcm.reduce(np.unique(p).astype(object))) for p in own)
    return Alone(slowest, lengths, low, most, quiet)
