"""What other networks of the same layers would cost the same hardware: in floating point, and without spikes.

An artificial network (ANN) has the same connections and sends one number of a few bits where the spiking one sends T
spikes. A train of T timesteps holds T + 1 different counts, so equal information is ceil(log2(T + 1)) bits (Yan et al.,
arXiv 2409.08290). Nothing here is trained: shapes alone decide what an ANN costs, not what it can do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from ...errors import BadInput
from ...fixed import bits_for
from ...ir import Conv, Dense, Fold, Input, Join, Neuron, Node, Offset, Pool, Program
from ..synops import fan_out
from .counts import Count, Counts, Ledger
from .update import FLOAT


@dataclass(frozen=True)
class Precision:
    """Widths of an artificial network.

    Attributes:
        weights, activations: bits of both.
        real: floating point, of 32 bits.
    """

    weights: int
    activations: int
    real: bool = False


def equal_information(program: Program, timesteps: int) -> Precision:
    """As many levels as T timesteps have counts, ceil(log2(D T + 1)) bits, and the weights of the program."""
    most = max((n.body.spikes for n in program.neurons), default=1)
    weights = [n.weight for n in program if isinstance(n, (Dense, Conv))]
    bits = max(bits_for(int(w.min()), int(w.max()))[0] for w in weights)
    return Precision(bits, (timesteps * most).bit_length())


def ann_counts(program: Program, precision: Precision, samples: int, frames: int = 1) -> Counts:
    """What an artificial network of a program's layers costs: each layer once a frame, however many spikes there are.

    A multiply-accumulate reads an input and a weight, multiplies (by more than one bit) and adds to a register (Lemaire
    et al. 2022, equations 1 to 12); an output takes a bias, a rescaling product and a comparison, and is written once.
    Addresses are counters: as many additions as a dense layer has products; in a convolution one for each input, output
    and weight of a position, C_in H W + C_out H_o W_o + C_out H_k W_k.

    Args:
        program: whose layers they are.
        precision: widths.
        samples: B.
        frames: how often the network runs; 1 for static inputs, T where every timestep brings another frame.

    Raises:
        BadInput: a program with delays, of which an artificial network of one frame is no rival.
    """
    late = [n.name for n in program if any(e.delay for e in n.edges)]
    if late:
        raise BadInput(
            f"a network with delays has no artificial rival of one frame, but {late[0]} reads one; compare without"
        )
    ledger = Ledger(samples)
    for n in program:
        for c in _node(n, program, precision, frames):
            ledger.add(c)
    return Counts(ledger.entries(), tuple(n.name for n in program), samples, frames)


def _node(n: Node, program: Program, p: Precision, frames: int) -> Iterator[Count]:
    size = frames * prod(program.shapes[n.name])
    match n:
        case Dense() | Conv():
            yield from _products(n, program, p, frames)
        case Neuron():
            width = FLOAT if p.real else _sum_bits(n, program, p)
            add, multiply = ("float add", "float multiply") if p.real else ("add", "multiply")
            yield Count(n.name, "neurons", add, width, 0, 2 * size)  # bias, ReLU
            yield Count(n.name, "neurons", multiply, width, 0, size)
            bits = FLOAT if p.real else p.activations
            yield Count(n.name, "states", "write", bits, bits * size // frames, size)
        case Pool() | Join():
            reads = n.size[0] * n.size[1] if isinstance(n, Pool) else len(n.sources)
            bits = FLOAT if p.real else p.activations
            yield Count(
                n.name, "other", "read", bits, bits * prod(program.shapes[n.edges[0].source]), reads * size
            )
            yield Count(n.name, "other", "float add" if p.real else "add", bits, 0, (reads - 1) * size)
        case _:
            return


def _products(n: Dense | Conv, program: Program, p: Precision, frames: int) -> Iterator[Count]:
    source = program.shapes[n.source.source]
    first = isinstance(program[n.source.source], Input)
    products = frames * int(fan_out(n, source).sum())
    weight, value = (FLOAT, FLOAT) if p.real else (p.weights, _values(n, program, p))
    width = FLOAT if p.real else accumulator(n, p.weights, value)

    def count(cause: str, operation: str, bits: int, memory: int, number: int) -> Count:
        return Count(n.name, "input" if first else cause, operation, bits, memory, number)

    yield count("states", "read", value, value * prod(source), products)
    yield count("weights", "read", weight, weight * n.weight.size, products)
    if value > 1:  # a weight times a bit is a mask
        yield count("adds", "float multiply" if p.real else "multiply", max(weight, value), 0, products)
    yield count("adds", "float add" if p.real else "add", width, 0, products)
    addresses = products
    if isinstance(n, Conv):
        kernel = len(n.weight) * prod(n.weight.shape[2:])
        addresses = frames * (prod(source) + prod(program.shapes[n.name]) + kernel)
    yield count("spikes", "add", bits_for(0, prod(source) - 1)[0], 0, addresses)


def _values(n: Dense | Conv, program: Program, p: Precision) -> int:
    """Bits of what a layer reads: activations, or the network's input as it is declared."""
    source = program[n.source.source]
    return bits_for(source.low, source.high)[0] if isinstance(source, Input) else p.activations


def accumulator(n: Dense | Conv, weights: int, values: int) -> int:
    """Bits of the sum of a neuron's products in the worst case of their widths."""
    most = prod(n.weight.shape[1:]) * ((1 << weights - 1) - 1 or 1) * ((1 << values) - 1)
    return bits_for(-most, most)[0]


def _sum_bits(n: Neuron, program: Program, p: Precision) -> int:
    """Width of what a neuron reads: the widest sum that reaches it."""
    widths, stack = [p.activations], [e.source for e in n.edges]
    while stack:
        m = program[stack.pop()]
        if isinstance(m, (Dense, Conv)):
            widths.append(accumulator(m, p.weights, _values(m, program, p)))
        elif isinstance(m, (Pool, Join, Offset, Fold)):
            stack += [e.source for e in m.edges]
    return max(widths)
