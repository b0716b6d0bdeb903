"""From a quantized network to its integer program."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..errors import BadInput, IntspikeError, NotLowerable
from ..ir import (
    Conv,
    Dense,
    Edge,
    Fold,
    Input,
    Integrator,
    Join,
    Node,
    Offset,
    Pool,
    Program,
    Readout,
    Unfold,
    frozen,
)
from ..ir import Neuron as NeuronNode
from ..ir.check import node_shape
from ..ir.ranges import conv
from ..measure import Packing
from ..nn import Group, Integers, Network
from ..nn.frozen import integers
from ..nn.parts import pair
from ..nn.scales import value_scales
from ..nn.shifts import is_uniform, value_shifts
from ..nn.step import Step
from ..nn.substeps import spike_values
from ..ops import trace
from .refusals import refusals
from .report import Lowering, Parameter, report


def lower(net: torch.nn.Module, *, input_shape: tuple[int, ...] | None = None) -> Program:
    """The integer program of a quantized network, read from the integers its evaluation computes with.

    Args:
        input_shape: (C, H, W) or (N,); needed only for a network that has never run.

    Raises:
        NotLowerable: full precision, or an operation without an exact integer form; all are named, with repairs.
        RangeExceeded: sums that could pass 2^24, where float32 stops being exact.
        BadInput: an input shape that is none.
    """
    return lower_with_report(net, input_shape=input_shape)[0]


def lower_with_report(
    net: torch.nn.Module, *, input_shape: tuple[int, ...] | None = None
) -> tuple[Program, Lowering]:
    """As `lower`, with the report."""
    net = _network(net)
    refused = refusals(net)
    if refused:
        raise NotLowerable(
            "a network must be exact in integers to be lowered, but\n"
            + "\n".join(f"  {p.layer}: {p.name}: {p.detail}" for p in refused)
        )
    shape = net.input_shape if input_shape is None else input_shape
    if shape is None:
        raise NotLowerable(
            "the shape of the input must be known; run the network once, or pass input_shape=(C, H, W)"
        )
    whole = isinstance(shape, (tuple, list)) and all(type(n) is int and n > 0 for n in shape)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not whole or not shape:
        raise BadInput(
            "input_shape must be a tuple of positive integers, the shape of one frame such as (C, H, W) or (N,), not "
            f"{shape!r}" + (f"; give ({shape},)" if isinstance(shape, int) else "")
        )
    was_training = net.training
    net.eval()
    try:
        made = _Lowerer(net, tuple(shape))
    finally:
        net.train(was_training)
    program = Program(tuple(made.nodes), made.units, {"source": "intspike.lower"})
    return program, report(program, made.integers, made.readout, made.packing)


def _network(net: torch.nn.Module) -> Network:
    return net if isinstance(net, Network) else Network(net)


class _Lowerer:
    def __init__(self, net: Network, shape: tuple[int, ...]):
        self.net, self.shape = net, shape
        groups = net.layers_by_name
        self.scales, self.most = value_scales(net.steps, groups)
        shifts = value_shifts(net.steps, groups, codes=True)
        self.shifts = {name: int(a.detach()) for name, a in shifts.items()}
        self.on_substeps = spike_values(net.steps) if net.substeps > 1 else frozenset[str]()
        self.made = {s.name: s for s in net.steps}
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.units: dict[str, np.ndarray] = {}
        self.integers: dict[str, tuple[Group, Integers]] = {}
        self.packing: dict[str, Packing] = {}
        self.alias: dict[str, str] = {}  # value of the network -> node that holds it
        self.readout: tuple[str, str, np.ndarray] | None = (
            None  # the integrator, its dense layer, and its codes
        )
        for s in net.steps:
            self._step(s)
        kind = "count" if net.readout is None else "last"
        self._add(Readout(self._free("readout"), Edge(self.alias[net.output]), kind))

    def _add(self, n: Node) -> None:
        self.nodes.append(n)
        self.shapes[n.name] = node_shape(n, self.shapes)

    def _free(self, name: str) -> str:
        """A name that no node has or will have: a model may call a layer "readout", or use a synapse twice."""
        taken = {n.name for n in self.nodes} | {s.name for s in self.net.steps}
        return next(n for n in (name, *(f"{name}_{k}" for k in range(2, 1000))) if n not in taken)

    def _step(self, s: Step) -> None:
        if s.name in self.on_substeps and s.kind != "group":
            return  # made where it is read, at each substep
        sources = [Edge(self.alias.get(i, "")) for i in s.inputs]
        match s.kind:
            case "input":
                self._add(Input(s.name, self.shape, 0, s.module.high))
                self.units[s.name] = np.array([s.module.scale])
            case "group":
                group = self.net.groups[s.name]
                assert isinstance(group, Group)
                self._group(group)
            case "readout":
                self._readout(s.name)
            case "flatten" | "dropout":
                self.alias[s.name] = sources[0].source  # a dense node flattens by itself
                return
            case "pool":
                kind = "max" if isinstance(s.module, torch.nn.MaxPool2d) else "sum"
                if kind == "max" and self.most[s.inputs[0]] == 1:
                    kind = "or"
                self._add(_pool(s.name, sources[0], s.module, kind))
            case "add" | "and" | "iand":
                self._add(Join(s.name, tuple(sources), s.kind))
            case "other":
                raise AssertionError(s)  # refused before
        self.alias[s.name] = s.name

    def _synapse(
        self, name: str, source: str, m: Any, codes: np.ndarray, offset: bool, delay: int = 0
    ) -> Edge:
        """A synapse, with what a shift of its input adds where that is no bias; the edge that holds its sums.

        Of spikes on substeps it runs at each of them, between an `Unfold` and a `Fold`.
        """
        on_substeps = source in self.on_substeps
        edge = self._unfolded(name, source) if on_substeps else Edge(self.alias[source], delay)
        made: Dense | Conv
        if isinstance(m, torch.nn.Linear):
            made = Dense(name, edge, frozen(codes))
        else:
            assert not isinstance(m.padding, str)
            made = Conv(name, edge, frozen(codes), pair(m.stride), pair(m.padding), m.groups)
        self._add(made)
        if on_substeps:
            self._add(Fold(f"{name}.fold", Edge(name)))
        sums = f"{name}.fold" if on_substeps else name
        shift = self.shifts.get(source, 0)
        if not offset or not shift:
            return Edge(sums)
        constant = np.full((1, *self.shapes[edge.source]), shift)  # with true padding: borders see fewer taps
        if isinstance(made, Dense):
            added = constant.reshape(1, -1) @ made.weight.T
        else:
            added = conv(made, constant, made.weight)
        self._add(Offset(f"{name}.shift", Edge(sums), frozen(added[0])))
        return Edge(f"{name}.shift")

    def _unfolded(self, reader: str, value: str) -> Edge:
        """A value at each substep, for one reader, so that it stands in one run with it."""
        s = self.made[value]
        name = f"{reader}.{value}"
        match s.kind:
            case "group":
                self._add(Unfold(name, Edge(value), self.net.substeps))
            case "flatten" | "dropout":
                return self._unfolded(reader, s.inputs[0])
            case "pool":
                largest = isinstance(s.module, torch.nn.MaxPool2d)
                source = self._unfolded(reader, s.inputs[0])
                self._add(_pool(name, source, s.module, "or" if largest else "sum"))
            case _:
                sources = tuple(self._unfolded(reader, i) for i in s.inputs)
                self._add(Join(name, sources, s.kind))  # type: ignore[arg-type]
        return Edge(name)

    def _readout(self, name: str) -> None:
        made = self.net.readout
        assert made is not None
        assert made.weight is not None
        shift = self.shifts.get(made.source, 0)
        codes, synapse = made.codes(self.most[made.source], shift), self._free(made.synapse_name)
        table = made.weight.table_bits
        self.packing[synapse] = Packing(made.weight.bits, 0, bool(table))
        self._add(Integrator(name, self._synapse(synapse, made.source, made.synapse, codes, offset=True)))
        self.units[name] = made.coded()[1].detach().double().numpy() * self.scales[made.source]
        self.readout = name, synapse, codes

    def _group(self, g: Group) -> None:
        shifts = [torch.tensor([float(self.shifts.get(i, 0))]).double() for i in g.sources]
        moved = shifts if any(i in self.shifts for i in g.sources) else None
        made = integers(g, self.scales[g.sources[0]], max(self.most[i] for i in g.sources), moved)
        self.integers[g.name] = g, made
        currents: list[Edge] = []
        sources = (*g.sources, *([g.name] if g.delay else ()))
        for name, source, m, codes in zip(
            g.synapse_names, sources, g.modules_of_synapses, made.codes, strict=True
        ):
            name = self._free(name)
            assert g.weight is not None
            table = g.weight.table_bits  # which the synapses of a neuron share
            self.packing[name] = Packing(g.weight.bits, 0 if currents else table, bool(table))
            if source == g.name:  # its feedback, which has the shape of the other sums
                self.alias[source], self.shapes[source] = source, self.shapes[currents[0].source]
                currents.append(self._synapse(name, source, m, codes, offset=False, delay=g.delay))
                continue
            uniform = is_uniform(g.modules_of_synapses)  # then the bias holds what a shift adds
            currents.append(self._synapse(name, source, m, codes, offset=not uniform))
        if len(currents) > 1:
            self._add(Join(f"{g.name}.sum", tuple(currents), "add"))
            currents = [Edge(f"{g.name}.sum")]
        if g.pool is not None:
            average = isinstance(g.pool, torch.nn.AvgPool2d)
            negative = (made.constants["gain"] < 0) & (g.order == "norm first") & (not average)
            minimum = frozen(negative.astype(np.int64)) if negative.any() else None
            name = f"{g.name}.pool"
            self._add(_pool(name, currents[0], g.pool, "sum" if average else "max", minimum))
            currents = [Edge(name)]
        constants = {k: frozen(a) for k, a in made.constants.items()}
        if g.bias is not None:
            self.packing[g.name] = Packing(g.bias)
        self._add(NeuronNode(g.name, currents[0], trace(g.neuron.equation, made.form), constants))
        self.units[g.name] = made.unit


def _pool(name: str, source: Edge, m: Any, kind: Any, minimum: Any = None) -> Pool:
    return Pool(name, source, kind, pair(m.kernel_size), pair(m.stride), minimum)


def lowerability(net: torch.nn.Module) -> Lowering:
    """The report of a network, refusals included, without raising on them."""
    net = _network(net)
    refused = refusals(net)
    if refused:
        return Lowering(tuple(refused), ())
    try:
        return lower_with_report(net)[1]
    except IntspikeError as e:
        return Lowering((Parameter("network", type(e).__name__, "refused", 0.0, str(e)),), ())
