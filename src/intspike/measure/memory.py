"""Packed size of a program in bits, and of the same network in float32.

Every number is counted at the width it needs, per channel, with nothing rounded up to bytes: what a chip stores, not
what Python does. States are what must survive from one timestep to the next; intermediate sums are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import BadInput, did_you_mean
from ..fixed import bits_for
from ..ir import Conv, Dense, Integrator, Neuron, Node, Offset, Program, Range, Readout, ranges
from .spikes import Ints

BIAS_BITS = 32  # the contract: biases are int32
PARTS = ("weights", "biases", "thresholds", "tables", "shifts", "states")


@dataclass(frozen=True)
class Packing:
    """How a node's weights, or a neuron node's biases, are packed, where the range of the numbers does not say it.

    Attributes:
        bits: of one weight, or of one bias.
        table: bits that each channel keeps to read its weights: a basis. Biases share one power of two a layer.
        per_channel: every channel has codes of its own, whether its table is counted here or at another synapse.
    """

    bits: int
    table: int = 0
    per_channel: bool = False


@dataclass(frozen=True)
class NodeSize:
    """Bits of one node.

    Attributes:
        node: its name.
        weights: weight codes.
        biases: 32 bits a channel, or what is declared and one shift.
        thresholds: thresholds, and resets that differ from them.
        tables: levels, boundaries and carries, and any other table; of a synapse the bases of its channels.
        shifts: gains (signed powers of two), steps, top codes and integer leaks.
        states: stored codes, spikes kept beside them, running sums, and what delay edges hold.
        float32: the same network in float32: weights; bias, threshold and leak a channel; states.
    """

    node: str
    weights: int = 0
    biases: int = 0
    thresholds: int = 0
    tables: int = 0
    shifts: int = 0
    states: int = 0
    float32: int = 0

    @property
    def total(self) -> int:
        """Bits of the node, constants and states."""
        return sum(getattr(self, part) for part in PARTS)


@dataclass(frozen=True)
class SizeReport:
    """Packed size of a program, all in bits.

    Attributes:
        nodes: one entry a node that stores anything.
    """

    nodes: tuple[NodeSize, ...]

    def part(self, name: str) -> int:
        """Sum over nodes of one part: weights, biases, thresholds, tables, shifts, states or float32."""
        if name not in (*PARTS, "float32"):
            raise BadInput(f"there is no part {name!r}; {did_you_mean(name, (*PARTS, 'float32'))}")
        return sum(getattr(n, name) for n in self.nodes)

    @property
    def total(self) -> int:
        """Constants and states."""
        return sum(n.total for n in self.nodes)

    @property
    def parts(self) -> dict[str, int]:
        """Bits of each part, which add up to the total."""
        return {name: self.part(name) for name in PARTS}

    @property
    def weights(self) -> int:
        """Weight codes of all nodes."""
        return self.part("weights")

    @property
    def tables(self) -> int:
        """Levels, boundaries and carries of all nodes."""
        return self.part("tables")

    @property
    def states(self) -> int:
        """What all nodes keep from one timestep to the next."""
        return self.part("states")

    @property
    def float32(self) -> int:
        """The same network in float32."""
        return self.part("float32")

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for a summary: the total, its parts, float32, and each node's."""
        nodes = {n.node: {k: v for k, v in asdict(n).items() if k != "node"} for n in self.nodes}
        return {"total": self.total, **self.parts, "float32": self.float32, "nodes": nodes}

    def __str__(self) -> str:
        ratio = self.float32 / self.total if self.total else 1.0
        parts = ", ".join(f"{part} {bits / 8192:.2f}" for part, bits in self.parts.items() if bits)
        return (
            f"{self.total / 8192:.2f} KiB packed ({parts}), "
            f"{ratio:.1f} times smaller than {self.float32 / 8192:.2f} KiB in float32"
        )


def size_bits(
    program: Program, declared: Mapping[str, int | Packing] | None = None, timesteps: int = 1024
) -> SizeReport:
    """Packed size of a program.

    Args:
        declared: how a synapse's weights or a neuron node's biases are packed: bits, or a `Packing`. Without one,
            weights take what the range of their codes needs, and biases 32 bits. A declared width may be smaller (for
            {-3, -1, 1, 3}: 2) as long as it tells all codes apart.
            `lower_with_report(net)[1].packing` is what a network's quantizers declare.
        timesteps: the longest run, for the width of readouts.

    Raises:
        BadInput: a declared width for an unknown node, or too narrow for its codes.
    """
    declared = {k: Packing(p) if isinstance(p, int) else p for k, p in (declared or {}).items()}
    packed = [n.name for n in program if isinstance(n, (Dense, Conv, Neuron))]
    for name in declared:
        if name not in packed:
            known = did_you_mean(name, packed)
            raise BadInput(
                f"bits must be declared for nodes with weights or biases, not for {name!r}; {known}"
            )
    proved = ranges(program, timesteps)
    held = _delays(program)
    made = (_node(n, program, proved, declared.get(n.name), held.get(n.name, 0)) for n in program)
    return SizeReport(tuple(size for size in made if size.total or size.float32))


def _delays(program: Program) -> dict[str, int]:
    """Timesteps of its output that each node must hold; a neuron's last output is already part of its state."""
    held: dict[str, int] = {}
    for n in program:
        for e in n.edges:
            own = isinstance(program[e.source], Neuron)
            held[e.source] = max(held.get(e.source, 0), e.delay - own)
    return held


def _node(
    n: Node, program: Program, proved: Mapping[str, Range], declared: Packing | None, held: int
) -> NodeSize:
    size = prod(program.shapes[n.name])
    r = proved[n.name]
    states, floats = held * size * _width(r.low, r.high), held * size
    made: dict[str, int] = {}
    match n:
        case Dense() | Conv():
            made["weights"] = n.weight.size * _weight_bits(n.name, n.weight, declared)
            made["tables"] = len(n.weight) * declared.table if declared else 0
            floats += n.weight.size
        case Neuron():
            made = _parameters(n)
            if declared is not None:
                made["biases"] = n.parameters["bias"].size * _bias_bits(n, declared.bits)
                made["shifts"] += _width(0, max(1, _shared_shift(n.parameters["bias"])))
            codes = sum(n.body.codec(s.name).bits for s in n.body.states)
            spike = bits_for(0, n.body.spikes)[0] if n.body.keeps_spike else 0
            states += size * (codes + spike)
            leaks = sum(p.endswith(("carry", "leak.shift")) for p in n.parameters)
            # every state each neuron; bias, threshold, leaks and the jump of an adaptation each channel
            floats += size * len(n.body.states) + program.shapes[n.name][0] * (
                2 + leaks + ("jump" in n.parameters)
            )
        case Offset():
            made["biases"] = n.offset.size * _width(int(n.offset.min()), int(n.offset.max()))
            floats += n.offset.size
        case Integrator():
            states, floats = states + size * n.bits, floats + size
        case Readout() if n.kind != "last":
            states, floats = states + size * r.bits, floats + size
        case _:
            pass
    return NodeSize(n.name, **made, states=states, float32=32 * floats)


def _width(low: int, high: int) -> int:
    return bits_for(low, high)[0]


def _weight_bits(name: str, weight: Ints, declared: Packing | None) -> int:
    if declared is None:
        return _width(int(weight.min()), int(weight.max()))
    rows = weight.reshape(len(weight) if declared.per_channel else 1, -1)
    codes = max(len(np.unique(row)) for row in rows)
    if declared.bits < 1 or codes > 1 << declared.bits:
        raise BadInput(
            f"{name}: weights of {codes} different codes need {_width(0, codes - 1)} bits, not {declared.bits}"
        )
    return declared.bits


def _shared_shift(bias: Ints) -> int:
    """Trailing zeros that all biases of a layer have."""
    bits = int(np.bitwise_or.reduce(np.abs(bias), initial=0))
    return (bits & -bits).bit_length() - 1 if bits else 0


def _bias_bits(n: Neuron, declared: int) -> int:
    bias = n.parameters["bias"] >> _shared_shift(n.parameters["bias"])
    needed = _width(min(-1, int(bias.min())), int(bias.max()))
    if declared < needed:
        raise BadInput(f"{n.name}: biases {bias.min()}..{bias.max()} need {needed} bits, not {declared}")
    return declared


def _parameters(n: Neuron) -> dict[str, int]:
    made: dict[str, int] = dict.fromkeys(PARTS[1:-1], 0)
    for name, values in n.parameters.items():
        if name == "bias":
            made["biases"] += BIAS_BITS * values.size
        elif name == "gain":
            made["shifts"] += values.size * _gain_bits(values)
        elif name == "reset" or name == "theta" or name.startswith("theta."):
            same = name == "reset" and np.array_equal(values, n.parameters["theta"])
            made["thresholds"] += 0 if same else values.size * _width(int(values.min()), int(values.max()))
        else:
            part = "tables" if values.ndim > 1 else "shifts"
            made[part] += values.size * _width(int(values.min()), int(values.max()))
    return made


def _gain_bits(gain: Ints) -> int:
    """A power of two is stored as its exponent, and a sign where one is negative; other gains as they are."""
    size = np.abs(gain)
    if (size > 0).all() and not (size & (size - 1)).any():
        exponent = int(size.max()).bit_length() - 1
        return (_width(0, exponent) if exponent else 0) + int((gain < 0).any())
    return _width(int(gain.min()), int(gain.max()))
