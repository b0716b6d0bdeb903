"""A program as the nodes and edges of a NIR graph: weights, biases, thresholds and leaks as real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NotLowerable
from ..ir import Conv, Dense, Edge, Input, Integrator, Join, Neuron, Node, Pool, Program, Readout
from .equation import Equation, equation_of

Reals = NDArray[np.float64]
_ALONE = "export with program_only=True (--program-only)"


@dataclass(frozen=True)
class Snap:
    """What of a layer's real parameters is not its integers times its unit.

    Attributes:
        layer: name of the neurons.
        beta: the leak of one real number that was fitted to the carry table, smallest and largest over channels.
        lsb: how far the table is from half_up(beta * v) at most, in LSB.
    """

    layer: str
    beta: tuple[float, float]
    lsb: int


class NirGraph:
    """Nodes and edges of the graph, made from the program's in its order.

    Args:
        nir: the package.
        timestep: dt of the time constants.
        ends_only: the input and the output alone.

    Attributes:
        nodes, edges: as `nir.NIRGraph` takes them.
        equations: of the neurons, in words.
        snaps: of the neurons that leak.

    Raises:
        NotLowerable: the program does what no NIR node can say.
    """

    def __init__(self, nir: Any, program: Program, timestep: float, ends_only: bool):
        self.nir, self.program, self.dt = nir, program, timestep
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.ends: dict[str, tuple[str, ...]] = {}  # node of the program -> nodes whose sum is its value
        self.equations: dict[str, Equation] = {}
        self.snaps: list[Snap] = []
        if ends_only:
            self._node(program.input)
            shape = np.array(program.shapes[program.readout.name])
            self._add(program.readout.name, nir.Output({"output": shape}), ())
            return
        self.factors = {n.name: self._factor(n) for n in program if isinstance(n, (Dense, Conv))}
        for n in program:
            self._node(n)

    # --- real values ------------------------------------------------------------------------------------

    def _factor(self, n: Dense | Conv) -> tuple[Reals, Reals]:
        """Of a synapse, what its codes are multiplied with and its bias, per channel: gain and bias of its neurons."""
        end, shift, area = self._reader(n.name)
        unit_in = self._unit_of_input(n.source.source)
        channels = len(n.weight)
        unit = np.broadcast_to(
            np.asarray(self.program.units.get(end.name, np.ones(1)), np.float64), (channels,)
        )
        if isinstance(end, Integrator):
            return unit * 2.0**shift / unit_in, np.zeros(channels)
        gain = end.parameters["gain"].astype(np.float64)
        bias = end.parameters["bias"] * unit / area if self._first(n.name, end) else np.zeros(channels)
        return gain * unit * 2.0**shift / unit_in, bias

    def _unit_of_input(self, name: str) -> float:
        """What one code of the input stands for; 1 for spikes. Pools and joins keep it."""
        node = self.program[name]
        if isinstance(node, Input):
            return float(np.asarray(self.program.units.get(name, np.ones(1))).ravel()[0])
        if isinstance(node, (Pool, Join)):
            return self._unit_of_input(node.edges[0].source)
        return 1.0

    def _reader(self, name: str) -> tuple[Neuron | Integrator, int, int]:
        """Who reads a current in the end, behind how many shifts, and sums of how many elements."""
        readers = [(n, e) for n in self.program for e in n.edges if e.source == name]
        if len(readers) != 1:
            raise NotLowerable(f"{name}: a current must have one reader to be NIR, not {len(readers)}")
        ((n, edge),) = readers
        match n:
            case Neuron() | Integrator():
                return n, 0, 1
            case Join(kind="add"):
                end, shift, area = self._reader(n.name)
                own = n.shifts[[e.source for e in n.sources].index(edge.source)] if n.shifts else 0
                return end, shift + own, area
            case Pool(kind="sum"):
                end, shift, area = self._reader(n.name)
                return end, shift, area * prod(n.size)
            case Pool():
                raise NotLowerable(
                    f"{n.name}: NIR has no maximum of currents; pool spikes or averages, or {_ALONE}"
                )
            case _:
                raise NotLowerable(f"{name}: a current must reach neurons to be NIR, not {type(n).__name__}")

    def _first(self, name: str, end: Neuron) -> bool:
        """Whether a synapse is the first of its neuron's: it carries the bias."""
        first = end.source.source
        while not isinstance(self.program[first], (Dense, Conv)):
            first = self.program[first].edges[0].source
        return first == name

    # --- nodes ------------------------------------------------------------------------------------------

    def _add(self, name: str, node: Any, sources: tuple[str, ...]) -> tuple[str, ...]:
        name = name.replace("/", "_")
        assert name not in self.nodes, name
        self.nodes[name] = node
        self.edges += [(s, name) for s in sources]
        return (name,)

    def _read(self, e: Edge) -> tuple[str, ...]:
        if e.delay:
            raise NotLowerable(f"{e.source}: NIR as tools read it has no delays of whole timesteps; {_ALONE}")
        return self.ends[e.source]

    def _node(self, n: Node) -> None:
        shape = np.array(self.program.shapes[n.name])
        sources = [self._read(e) for e in n.edges]
        given = sources[0] if sources else ()
        match n:
            case Input():
                made = self._add(n.name, self.nir.Input({"input": shape}), ())
            case Dense():
                if len(self.program.shapes[n.source.source]) > 1:
                    flat = self.nir.Flatten({"input": np.array(self.program.shapes[n.source.source])}, 0, -1)
                    given = self._add(f"{n.name}.flatten", flat, given)
                weight, bias = self._real(n)
                plain = self.nir.Affine(weight, bias) if bias.any() else self.nir.Linear(weight)
                made = self._add(n.name, plain, given)
            case Conv():
                weight, bias = self._real(n)
                image = self.program.shapes[n.source.source][1:]
                conv = self.nir.Conv2d(image, weight, n.stride, n.padding, (1, 1), n.groups, bias)
                made = self._add(n.name, conv, given)
            case Pool():
                made = self._pool(n, shape, given)
            case Join():
                made = self._join(n, shape, sources)
            case Neuron():
                made = self._add(n.name, self._neuron(n, tuple(shape)), given)
            case Integrator():
                made = self._add(n.name, self.nir.I(r=np.full(shape, 1 / self.dt)), given)
            case Readout():
                made = self._add(n.name, self.nir.Output({"output": shape}), given)
            case _:
                raise NotLowerable(f"{n.name}: NIR has nothing for {type(n).__name__}; {_ALONE}")
        self.ends[n.name] = made

    def _real(self, n: Dense | Conv) -> tuple[Reals, Reals]:
        factor, bias = self.factors[n.name]
        return n.weight * factor.reshape(-1, *(1,) * (n.weight.ndim - 1)), bias

    def _pool(self, n: Pool, shape: NDArray[np.int64], given: tuple[str, ...]) -> tuple[str, ...]:
        if n.kind == "max":
            raise NotLowerable(f"{n.name}: NIR has no maximum; pool spikes, or averages")
        summed = self.nir.SumPool2d(np.array(n.size), np.array(n.stride), np.array([0, 0]))
        made = self._add(n.name, summed, given)
        if n.kind == "or":
            made = self._add(f"{n.name}.or", self.nir.Threshold(np.full(shape, 0.5)), made)
        return made

    def _join(self, n: Join, shape: NDArray[np.int64], sources: list[tuple[str, ...]]) -> tuple[str, ...]:
        if n.kind == "add":
            current = any(isinstance(self.program[e.source], (Dense, Conv)) for e in n.sources)
            shifts = (0,) * len(sources) if current or not n.shifts else n.shifts
            made: list[str] = []
            for k, (source, shift) in enumerate(zip(sources, shifts, strict=True)):
                scale = self.nir.Scale(np.full(shape, 2.0**shift))
                made += self._add(f"{n.name}.shift_{k}", scale, source) if shift else source
            return tuple(made)
        a, b = sources
        if n.kind == "iand":
            a = self._add(f"{n.name}.not", self.nir.Scale(np.full(shape, -1.0)), a)
        level = 1.5 if n.kind == "and" else 0.5
        return self._add(n.name, self.nir.Threshold(np.full(shape, level)), (*a, *b))

    def _neuron(self, n: Neuron, shape: tuple[int, ...]) -> Any:
        e = equation_of(n)
        self.equations[n.name] = e
        unit = np.broadcast_to(np.asarray(self.program.units.get(n.name, np.ones(1)), np.float64), shape[:1])

        def full(x: Any) -> Reals:
            per = np.broadcast_to(np.asarray(x, np.float64), shape[:1]).reshape(-1, *(1,) * (len(shape) - 1))
            return np.broadcast_to(per, shape).copy()

        theta = full(n.parameters["theta"] * unit)
        if e.beta is None:
            return self.nir.IF(r=full(1 / self.dt), v_threshold=theta, v_reset=full(0))
        self.snaps.append(Snap(n.name, (float(e.beta.min()), float(e.beta.max())), e.moved))
        if (e.beta == 1).all():
            return self.nir.IF(r=full(1 / self.dt), v_threshold=theta, v_reset=full(0))
        if (e.beta == 1).any():
            raise NotLowerable(f"{n.name}: a layer of NIR leaks in all of its channels or in none")
        tau = full(self.dt / (1 - e.beta))
        return self.nir.LIF(tau=tau, r=tau / self.dt, v_leak=full(0), v_threshold=theta, v_reset=full(0))
