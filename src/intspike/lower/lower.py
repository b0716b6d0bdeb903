"""From a quantized network to its integer program, and the report that says what that did to every parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from ..errors import IntspikeError, NotLowerable
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
    ranges,
)
from ..ir import Neuron as NeuronNode
from ..ir.check import node_shape
from ..ir.ranges import conv
from ..measure import Packing
from ..measure.codes import stuck_codes
from ..nn import Group, Integers, Network
from ..nn.parts import pair
from ..nn.scales import value_scales
from ..nn.shifts import is_uniform, value_shifts
from ..nn.tracing import Step
from ..nn.unfold import spike_values
from ..ops import Carry, Dyadic, Leak, trace
from ..ops.body import REAL_LEAKS, leak_prefix


@dataclass(frozen=True)
class Parameter:
    """What lowering did to one parameter of a layer.

    Attributes:
        layer, name: whose.
        status: "exact", "snapped" (rounded to the integer that training and evaluation already compute with), or
            "refused".
        lsb: the largest distance that rounding moved it, in LSB of the membrane.
        detail: what it became, or the repair.
    """

    layer: str
    name: str
    status: Literal["exact", "snapped", "refused"]
    lsb: float
    detail: str


@dataclass(frozen=True)
class Layer:
    """What a layer became.

    Attributes:
        name: of the neurons.
        theta: smallest and largest integer threshold.
        stuck: codes that map to themselves without input though they are not rest, and in how many channels.
        others: the same of states beside the membrane, by name.
        constant: channels whose gain was too near zero to matter.
        sum_bits, membrane_bits: proved widths of the synaptic sum and of the wide sum inside a step.
        state_bits: width of the stored code of the membrane.
    """

    name: str
    theta: tuple[int, int]
    stuck: Mapping[int, int]
    constant: int
    sum_bits: int
    membrane_bits: int
    state_bits: int
    others: Mapping[str, Mapping[int, int]] = field(default_factory=dict[str, Mapping[int, int]])

    def stuck_text(self) -> str:
        """Stuck codes of all states in words."""
        told = {"": self.stuck, **{f"; of {name}: ": codes for name, codes in self.others.items()}}
        each = {
            head: ", ".join(f"{code} ({n} channels)" for code, n in codes.items()) or "none"
            for head, codes in told.items()
        }
        return "".join(head + text for head, text in each.items())


@dataclass(frozen=True)
class Lowering:
    """The lowerability report of a network.

    Attributes:
        parameters, layers: what became of each.
        packing: how the quantizers pack weights and biases, by node; `measure.size_bits` counts so.
    """

    parameters: tuple[Parameter, ...]
    layers: tuple[Layer, ...]
    packing: Mapping[str, Packing] = field(default_factory=dict[str, Packing])

    @property
    def refused(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.status == "refused")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "parameters": [asdict(p) for p in self.parameters],
            "layers": [asdict(x) for x in self.layers],
            "packing": {name: asdict(p) for name, p in self.packing.items()},
        }

    def __str__(self) -> str:
        lines = [f"{'layer':<10} {'parameter':<18} {'status':<8} {'moved':>9}  detail"]
        for p in self.parameters:
            moved = f"{p.lsb:.3f} LSB" if p.status == "snapped" else ""
            lines.append(f"{p.layer:<10} {p.name:<18} {p.status:<8} {moved:>9}  {p.detail}")
        for x in self.layers:
            stuck = x.stuck_text()
            lines.append(
                f"{x.name}: state {x.state_bits} bits, theta {x.theta[0]}..{x.theta[1]} LSB, synaptic sum "
                f"{x.sum_bits} bits, wide sum {x.membrane_bits} bits (proved); stuck codes: {stuck}"
                + (f"; {x.constant} constant neurons" if x.constant else "")
            )
        return "\n".join(lines)


def lower(net: torch.nn.Module, *, input_shape: tuple[int, ...] | None = None) -> Program:
    """The integer program of a quantized network, read from the integers its evaluation computes with.

    Args:
        input_shape: (C, H, W) or (N,); needed only for a network that has never run.

    Raises:
        NotLowerable: full precision, or an operation without an exact integer form; all are named, with repairs.
        RangeExceeded: sums that could pass 2^24, where float32 stops being exact.
    """
    return lower_with_report(net, input_shape=input_shape)[0]


def lower_with_report(
    net: torch.nn.Module, *, input_shape: tuple[int, ...] | None = None
) -> tuple[Program, Lowering]:
    """As `lower`, with the report."""
    net = _network(net)
    refused = _refusals(net)
    if refused:
        raise NotLowerable(
            "a network must be exact in integers to be lowered, but\n"
            + "\n".join(f"  {p.layer}: {p.name}: {p.detail}" for p in refused)
        )
    shape = input_shape or net.input_shape
    if shape is None:
        raise NotLowerable(
            "the shape of the input must be known; run the network once, or pass input_shape=(C, H, W)"
        )
    was_training = net.training
    net.eval()
    try:
        made = _Lowerer(net, tuple(shape))
    finally:
        net.train(was_training)
    program = Program(tuple(made.nodes), made.units, {"source": "intspike.lower"})
    return program, _report(program, made)


def _network(net: torch.nn.Module) -> Network:
    return net if isinstance(net, Network) else Network(net)


def _refusals(net: Network) -> list[Parameter]:
    found: list[Parameter] = []
    for s in net.steps:
        if s.kind == "other":
            what = type(s.module).__name__
            found.append(
                Parameter(
                    s.name,
                    what,
                    "refused",
                    0.0,
                    "has no integer form; replace it by a pool, a flatten, a join or a layer with neurons",
                )
            )
    for g in net.layers:
        for name, value in (("weight", g.weight), ("state", g.state)):
            if name == "state" and g.neuron.comparison is not None:
                repair = f"{g.neuron.comparison} is for comparison only and has no integer form; use ThresholdCentred"
                found.append(Parameter(g.name, name, "refused", 0.0, repair))
            elif value is None:
                repair = f"is in full precision; quantize(net, QuantConfig({name}=...)) first"
                found.append(Parameter(g.name, name, "refused", 0.0, repair))
        tensors: list[tuple[str, torch.Tensor | None]] = [("theta", g.neuron.theta), ("beta", g.neuron.beta)]
        tensors += [(p, a) for p, a in g.neuron.leaks.items() if p != "beta"]
        if "a" in g.neuron.equation.others:
            tensors.append(("jump", g.neuron.jump))
        if g.neuron.equation.has_shift:
            tensors.append(("shift", g.neuron.shift))
        tensors += [
            (f"{n}.weight", m.weight) for n, m in zip(g.synapse_names, g.modules_of_synapses, strict=True)
        ]
        for name, value in tensors:
            if value is not None and not bool(torch.isfinite(value).all()):
                found.append(
                    Parameter(g.name, name, "refused", 0.0, "must be finite, but holds NaN or infinity")
                )
    last = net.readout
    if last is not None and last.weight is None:
        repair = "is in full precision; quantize(net, QuantConfig(weight=...)) first"
        found.append(Parameter(last.name, "weight", "refused", 0.0, repair))
    if last is not None and not bool(torch.isfinite(last.synapse.weight).all()):
        found.append(
            Parameter(
                last.name,
                f"{last.synapse_name}.weight",
                "refused",
                0.0,
                "must be finite, but holds NaN or infinity",
            )
        )
    if not found:
        try:
            value_scales(net)
        except NotLowerable as e:
            found.append(Parameter("network", "scales", "refused", 0.0, str(e)))
    return found


class _Lowerer:
    def __init__(self, net: Network, shape: tuple[int, ...]):
        self.net, self.shape = net, shape
        self.scales, self.most = value_scales(net)
        self.shifts = {name: int(a.detach()) for name, a in value_shifts(net, codes=True).items()}
        self.on_substeps = spike_values(net.steps) if net.substeps > 1 else frozenset[str]()
        self.made = {s.name: s for s in net.steps}
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.units: dict[str, np.ndarray] = {}
        self.integers: dict[str, tuple[Group, Integers]] = {}
        self.packing: dict[str, Packing] = {}
        self.alias: dict[str, str] = {}  # value of the network -> node that holds it
        self.readout: tuple[str, np.ndarray] | None = None  # dense layer of the integrator, and its codes
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
        self.readout = synapse, codes

    def _group(self, g: Group) -> None:
        shifts = [torch.tensor([float(self.shifts.get(i, 0))]).double() for i in g.sources]
        moved = shifts if any(i in self.shifts for i in g.sources) else None
        made = g.integers(self.scales[g.sources[0]], max(self.most[i] for i in g.sources), moved)
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


def _report(program: Program, lowered: _Lowerer) -> Lowering:
    parameters: list[Parameter] = []
    layers: list[Layer] = []
    proved = ranges(program)
    for name, (group, made) in lowered.integers.items():
        for synapse, codes in zip(group.synapse_names, made.codes, strict=True):
            parameters.append(_weights(name, synapse, codes))
        parameters += _snaps(name, group, made)
        node = program[name]
        assert isinstance(node, NeuronNode)
        theta = made.constants["theta"]
        codec = node.body.codec("u")
        layers.append(
            Layer(
                name,
                (int(theta.min()), int(theta.max())),
                stuck_codes(node),
                int(made.constant.sum()),
                proved[node.source.source].bits,
                proved[name].bits,
                codec.bits,
                {s: stuck_codes(node, s) for s in group.neuron.equation.others},
            )
        )
    if lowered.readout is not None:
        parameters.append(_weights(lowered.net.output, *lowered.readout))
    return Lowering(tuple(parameters), tuple(layers), lowered.packing)


def _weights(layer: str, synapse: str, codes: np.ndarray) -> Parameter:
    detail = f"codes {codes.min()}..{codes.max()}, the ones training computes with"
    return Parameter(layer, f"{synapse}.weight", "exact", 0.0, detail)


def _snaps(layer: str, group: Group, made: Integers) -> list[Parameter]:
    found: list[Parameter] = []
    for name in ("theta", "bias", *(["jump"] if "jump" in made.constants else [])):
        lsb = float(np.abs(made.constants[name] - made.exact[name])[~made.constant].max(initial=0.0))
        share = float((lsb / made.constants["theta"].min()) * 100)
        status = "exact" if lsb == 0 else "snapped"
        found.append(Parameter(layer, name, status, lsb, f"at most {share:.2g} % of theta"))
    equation = group.neuron.equation
    forms = {"u": made.form.leak} if equation.has_leak else {}
    for kept in made.form.others:
        forms[kept.state] = kept.leak
        shifts = made.constants[f"{kept.state}.shift"]
        step = f"2^{shifts.min()}..2^{shifts.max()} LSB in {kept.codec.bits} bits"
        found.append(Parameter(layer, f"{kept.state} step", "exact", 0.0, step))
    for state, leak in forms.items():
        found.append(_leak(layer, state, leak, made, group.neuron.leaks[REAL_LEAKS[state]]))
    if "u.levels" in made.constants:
        exact = made.exact["levels"]
        lsb = float(np.abs(made.constants["u.levels"] - exact)[~made.constant].max(initial=0.0))
        found.append(
            Parameter(layer, "levels", "snapped" if lsb else "exact", lsb, f"{exact.shape[1]} a channel")
        )
    else:
        shifts = made.constants["u.shift"]
        found.append(Parameter(layer, "step", "exact", 0.0, f"2^{shifts.min()}..2^{shifts.max()} LSB"))
    return found


def _leak(layer: str, state: str, leak: Leak, made: Integers, wanted: torch.Tensor) -> Parameter:
    """What became of the leak of a state."""
    name, prefix = REAL_LEAKS[state], leak_prefix(state)
    if isinstance(leak, Carry):
        return Parameter(layer, name, "exact", 0.0, f"carry table, {leak.decay} decay")
    beta = wanted.detach().double().numpy()
    if isinstance(leak, Dyadic):
        real = made.constants[f"{prefix}leak.multiplier"] / 2.0**leak.bits
    else:
        real = 1 - 0.5 ** made.constants[f"{prefix}leak.shift"].astype(float)
    moved = float(np.abs(real - beta).max())
    lsb = moved * float(made.constants["theta"].max())
    kind, asked = type(leak).__name__.lower(), f"{beta.min():g}..{beta.max():g}"
    what = f"{kind} leak {real.min():g}..{real.max():g} for {name} {asked}"
    return Parameter(layer, name, "exact" if moved == 0 else "snapped", lsb, what)


def lowerability(net: torch.nn.Module) -> Lowering:
    """The report of a network, refusals included, without raising on them."""
    net = _network(net)
    refused = _refusals(net)
    if refused:
        return Lowering(tuple(refused), ())
    try:
        return lower_with_report(net)[1]
    except IntspikeError as e:
        return Lowering((Parameter("network", type(e).__name__, "refused", 0.0, str(e)),), ())
