"""A program as the nodes and edges of a NIR graph: weights, biases, thresholds and leaks as real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NotLowerable
from ..ir import Conv, Dense, Edge, Input, Integrator, Join, Neuron, Node, Pool, Program, Readout
from ..neuron import CubaLIF
from .equation import ALONE, Equation, equation_of

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Snap:
    """What of a layer's real parameters is not its integers times its unit.

    Attributes:
        layer: name of the neurons.
        leak: "beta", of the membrane potential, or "alpha", of the synaptic current.
        value: that leak as one real number, fitted to the carry table, smallest and largest over channels.
        lsb: how far the table is from half_up(value * v) at most, in LSB.
        theta: thresholds of the layer, smallest and largest over channels, in LSB: what `lsb` is to be seen beside.
    """

    layer: str
    leak: str
    value: tuple[float, float]
    lsb: int
    theta: tuple[int, int]


class NirGraph:
    """Nodes and edges of the graph, made from the program's in its order.

    Args:
        nir: the package.
        timestep: dt of the time constants.
        ends_only: the input and the output alone.

    Attributes:
        nodes, edges: as `nir.NIRGraph` takes them.
        equations: of the neurons, in words.
        snaps: of every leak.

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
            raise NotLowerable(
                f"{name}: a current must have one reader to be NIR, not {len(readers)}; {ALONE}"
            )
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
                    f"{n.name}: NIR has no maximum of currents; pool spikes or averages, or {ALONE}"
                )
            case _:
                raise NotLowerable(
                    f"{name}: a current must reach neurons to be NIR, not {type(n).__name__}; {ALONE}"
                )

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
            raise NotLowerable(f"{e.source}: NIR as tools read it has no delays of whole timesteps; {ALONE}")
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
                raise NotLowerable(f"{n.name}: NIR has nothing for {type(n).__name__}; {ALONE}")
        self.ends[n.name] = made

    def _real(self, n: Dense | Conv) -> tuple[Reals, Reals]:
        factor, bias = self.factors[n.name]
        return n.weight * factor.reshape(-1, *(1,) * (n.weight.ndim - 1)), bias

    def _pool(self, n: Pool, shape: NDArray[np.int64], given: tuple[str, ...]) -> tuple[str, ...]:
        if n.kind == "max":
            raise NotLowerable(f"{n.name}: NIR has no maximum; pool spikes, or averages, or {ALONE}")
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

        thetas = n.parameters["theta"]
        for leak, found in (("beta", e.beta), ("alpha", e.alpha)):
            if found is not None:
                low, high = float(found.value.min()), float(found.value.max())
                ends = int(thetas.min()), int(thetas.max())
                self.snaps.append(Snap(n.name, leak, (low, high), found.moved, ends))
        common = {"v_threshold": full(n.parameters["theta"] * unit), "v_reset": full(0)}
        beta = None if e.beta is None else e.beta.value
        if isinstance(e.equation, CubaLIF):
            assert e.alpha is not None
            self._check_current(n.name, e.equation, beta, e.alpha.value)
            rise, fall = full(self.dt / (1 - e.alpha.value)), full(self.dt / (1 - np.asarray(beta)))
            return self.nir.CubaLIF(
                tau_syn=rise, tau_mem=fall, r=fall / self.dt, v_leak=full(0), w_in=rise / self.dt, **common
            )
        if beta is None or (beta == 1).all():
            return self.nir.IF(r=full(1 / self.dt), **common)
        if (beta == 1).any():
            raise NotLowerable(f"{n.name}: a layer of NIR leaks in all of its channels or in none; {ALONE}")
        tau = full(self.dt / (1 - beta))
        return self.nir.LIF(tau=tau, r=tau / self.dt, v_leak=full(0), **common)

    @staticmethod
    def _check_current(name: str, e: CubaLIF, beta: Reals | None, alpha: Reals) -> None:
        """Refuse what NIR's CubaLIF does not do: tau_syn di/dt = -i + w_in S, tau_mem dv/dt = -v + r i."""
        why = ""
        if e.reads == "last current":
            why = "its membrane reads the current of this timestep, not the last one"
        elif e.leak_on == "sum":
            why = "its leak acts on the membrane, not on the sum with the current"
        elif beta is None or (beta == 1).any() or (alpha == 1).any():
            why = "both of its states leak, in every channel"
        if why:
            raise NotLowerable(f"{name}: {why}, in NIR's CubaLIF; {ALONE}")
