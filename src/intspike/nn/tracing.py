"""From a torch module to the steps of a network: traced once with torch.fx, every value named."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx

from ..errors import BadInput, NotLowerable
from .between import REPAIR
from .checks import check_conv, check_flatten, check_pool
from .group import Group
from .join import Join, Kind
from .neuron import Input, Neuron
from .parts import Norm, Pool, Synapse
from .readout import Integrator, Readout, shares_currents
from .recurrent import Recurrent, check_feedback
from .scales import sends_spikes
from .step import Step

_SYNAPSES = (torch.nn.Conv2d, torch.nn.Linear)
_POOLS = (torch.nn.MaxPool2d, torch.nn.AvgPool2d)
_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
_ADDS: tuple[Any, ...] = (operator.add, operator.iadd, torch.add, "add")
_FLATTENS: tuple[Any, ...] = (torch.flatten, "flatten")
_END = "a model must end in a layer of neurons, whose spikes are counted, or in an integrator"
_PRODUCTS = ("matmul", "bmm", "mm", "baddbmm", "einsum", "scaled_dot_product_attention")


@dataclass
class _Current:
    synapses: list[tuple[str, str, Synapse]]
    pool: Pool | None = None
    norm: Norm | None = None
    order: Literal["pool first", "norm first"] = "pool first"


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (Neuron, Recurrent, Input, Join, Integrator)) or super().is_leaf_module(
            m, module_qualified_name
        )


def layer_name(target: str) -> str:
    """A module's path as a layer's name: dots become underscores, a leading digit gets a word before it."""
    name = target.replace(".", "_")
    if hasattr(torch.nn.ModuleDict, name):  # "pop", "values"...: layers are kept in one
        name += "_"
    return f"layer_{name}" if name[:1].isdigit() else name


class Traced:
    """What a model is made of.

    Args:
        module: the model; its `forward` maps one frame to spikes.

    Attributes:
        steps: in an order in which every step reads earlier ones.
        groups: the layers of neurons, by name.
        others: modules that only full precision can run, by name.
        output: name of the last layer, or of the readout.
        neurons: paths of the modules that may read a synapse.
        readout: of a model that ends in an integrator.

    Raises:
        NotLowerable, BadInput: as `Network`.
    """

    def __init__(self, module: torch.nn.Module):
        self.steps: list[Step] = []
        self.groups: dict[str, Group] = {}
        self.others: dict[str, torch.nn.Module] = {}
        self.readout: Readout | None = None
        tracer = _Tracer()
        if tracer.is_leaf_module(module, ""):  # a Linear alone is a part, not what it is made of
            module = torch.nn.Sequential(module)
        try:
            graph = tracer.trace(module)
        except NotLowerable:
            raise
        except Exception as e:  # torch.fx raises many types; all mean the same to a user
            why = (str(e).splitlines() or [""])[0]
            raise NotLowerable(
                f"{type(module).__name__} cannot be traced ({type(e).__name__}: {why}); "
                f"{REPAIR}; take loops over timesteps out of forward: neurons own time"
            ) from e
        modules = dict(module.named_modules())
        self.neurons = {name for name, m in modules.items() if isinstance(m, (Neuron, Recurrent, Integrator))}
        for n in graph.nodes:
            _refuse_products(n, modules)
        called = [str(n.target) for n in graph.nodes if n.op == "call_module"]
        taken = {layer_name(t) for t in called if not isinstance(modules[t], Input)}
        first = next(name for name in ("input", *(f"input_{k}" for k in range(2, 1000))) if name not in taken)
        values: dict[fx.Node, _Current | str] = {}
        ends = next(n for n in graph.nodes if n.op == "output").args[0]
        for n in graph.nodes:
            if n.op == "placeholder":
                if any(s.kind == "input" for s in self.steps):
                    raise BadInput(f"a model must have one input, but {n.name} is a second")
                values[n] = self._step(first, "input", (), Input())
            elif n.op == "call_module":
                values[n] = self._module(n, modules[str(n.target)], values)
            elif n.op in ("call_function", "call_method"):
                values[n] = self._function(n, values)
            elif n.op == "get_attr":
                raise NotLowerable(f"{n.name} reads the tensor {n.target} directly; {REPAIR}")
        last = values.get(ends) if isinstance(ends, fx.Node) else None
        final = ("group", "readout")
        if not isinstance(last, str) or not any(s.name == last and s.kind in final for s in self.steps):
            raise BadInput(f"{_END}; put nn.LIF(), nn.IF() or nn.Integrator() last")
        if self.readout is not None and last != self.readout.name:
            raise BadInput(f"{self.readout.name}: an integrator must be the end of a model")
        self.output: str = last

    def _step(self, name: str, kind: Any, inputs: tuple[str, ...], module: Any = None) -> str:
        taken = {s.name for s in self.steps}
        unique = (
            name
            if name not in taken
            else next(f"{name}_{k}" for k in range(2, 1000) if f"{name}_{k}" not in taken)
        )
        self.steps.append(Step(unique, kind, inputs, module))
        return unique

    def _module(
        self, n: fx.Node, m: torch.nn.Module, values: dict[fx.Node, _Current | str]
    ) -> _Current | str:
        name = layer_name(str(n.target))
        if isinstance(m, Join):
            given = dict(zip("ab", n.args, strict=False)) | n.kwargs
            nodes = [x for x in (given.get("a"), given.get("b")) if isinstance(x, fx.Node)]
            if len(nodes) != 2 or len(n.args) > 2:
                raise BadInput(f"{name}: a join must be called with two values, not {len(n.args)} arguments")
            return self._join(name, m.kind, *(values[x] for x in nodes))
        value = values[n.args[0]]  # type: ignore[index]
        if isinstance(m, Input):
            first = self.steps[0]
            if value != first.name or len(self.steps) > 1 or n.prev.op != "placeholder":
                raise BadInput(f"{name}: Input must come first in a model, and once")
            self.steps[0] = Step(first.name, "input", (), m)
            return first.name
        if isinstance(m, _SYNAPSES):
            if isinstance(value, _Current):
                raise BadInput(f"{name} reads a current; put a neuron between two synapses")
            if isinstance(m, torch.nn.Conv2d):
                check_conv(name, m)
            return _Current([(name, value, m)])
        if isinstance(m, Neuron):
            return self._group(name, m, value)
        if isinstance(m, Recurrent):
            return self._group(name, m.neuron, value, m)
        if isinstance(m, Integrator):
            return self._readout(name, value)
        if isinstance(m, _POOLS):
            check_pool(name, m)
            if isinstance(value, str):
                return self._step(name, "pool", (value,), m)
            if value.pool is not None:
                raise BadInput(
                    f"{name}: one pool between synapse and neuron is supported, and there is one already"
                )
            order = "pool first" if value.norm is None else "norm first"
            return _Current(value.synapses, m, value.norm, order)
        if isinstance(m, _NORMS):
            if isinstance(value, str) or value.norm is not None:
                raise BadInput(f"{name}: a norm must follow a synapse (once), before its neuron")
            if not m.track_running_stats:
                raise BadInput(f"{name}: a norm must track running statistics (track_running_stats=True)")
            return _Current(value.synapses, value.pool, m, value.order)
        if isinstance(m, torch.nn.Identity):
            return value
        if isinstance(m, torch.nn.Dropout) and isinstance(value, str):
            return self._step(name, "dropout", (value,), m)
        if isinstance(m, torch.nn.Flatten) and isinstance(value, str):
            check_flatten(name, m.start_dim, m.end_dim)
            return self._step(name, "flatten", (value,))
        if isinstance(value, str):
            self.others[name] = m
            return self._step(name, "other", (value,), m)
        raise _misplaced(n, name, type(m).__name__, self.neurons)

    def _group(self, name: str, m: Neuron, value: _Current | str, loop: Recurrent | None = None) -> str:
        if isinstance(value, str):
            raise BadInput(
                f"{name}: a neuron must read a synapse (Conv2d or Linear), not spikes; put one before it"
            )
        if any(g.neuron is m for g in self.groups.values()):
            raise BadInput(f"{name}: a neuron module must be used once; make another for another place")
        name = self._step(name, "group", tuple(source for _, source, _ in value.synapses))
        if loop is None:
            self.groups[name] = Group(name, value.synapses, value.pool, value.norm, value.order, m)
            return name
        own = (f"{name}.back", name, loop.back)
        group = Group(name, [*value.synapses, own], value.pool, value.norm, value.order, m, loop.delay)
        check_feedback(name, m, loop.back, group.channels, value.pool is None and value.norm is None)
        self.groups[name] = group
        return name

    def _readout(self, name: str, value: _Current | str) -> str:
        if isinstance(value, str) or not shares_currents(value):
            raise BadInput(
                f"{name}: an integrator must read one Linear layer, without a norm or pool behind it"
            )
        if self.readout is not None:
            raise BadInput(f"{name}: a model has one integrator, at its end")
        ((synapse_name, source, synapse),) = value.synapses
        assert isinstance(synapse, torch.nn.Linear)
        name = self._step(name, "readout", (source,))
        self.readout = Readout(name, synapse_name, source, synapse)
        return name

    def _join(self, name: str, kind: Kind, a: _Current | str, b: _Current | str) -> _Current | str:
        if isinstance(a, str) and isinstance(b, str):
            if kind != "add" and not all(sends_spikes(self.steps, self.groups, x) for x in (a, b)):
                raise BadInput(
                    f"{name}: {kind} must join spikes of 0 or 1, of neurons or of other joins, but {a} and {b} are not "
                    "both known to be such; join before sums and average pools, or add"
                )
            return self._step(name, kind, (a, b))
        if isinstance(a, _Current) and isinstance(b, _Current) and kind == "add":
            if a.norm or a.pool or b.norm or b.pool:
                raise BadInput(f"{name}: currents add before pool and norm; move these behind the addition")
            return _Current(a.synapses + b.synapses)
        what = "two currents or two spike values, not one of each" if kind == "add" else "two spike values"
        raise BadInput(f"{name}: {'an addition' if kind == 'add' else kind} must join {what}")

    def _function(self, n: fx.Node, values: dict[fx.Node, _Current | str]) -> _Current | str:
        args = [values[a] for a in n.args if isinstance(a, fx.Node)]
        named = dict(n.kwargs)
        if not args or any(isinstance(x, fx.Node) for x in named.values()):
            raise NotLowerable(
                f"{n.name} ({_called(n)}) takes its values in a way that is not known; {REPAIR}"
            )
        if n.target in _ADDS and len(args) == 2 and not named:
            return self._join(layer_name(n.name), "add", *args)
        if n.target in _FLATTENS and isinstance(args[0], str):
            dims = dict(zip(("start_dim", "end_dim"), n.args[1:], strict=False)) | named
            check_flatten(n.name, dims.get("start_dim", 0), dims.get("end_dim", -1))
            return self._step(layer_name(n.name), "flatten", (args[0],))
        if all(isinstance(a, str) for a in args):
            call: Callable[..., Tensor] = _method(str(n.target)) if n.op == "call_method" else n.target  # type: ignore[assignment]
            rest = tuple(n.args[1:])
            if any(isinstance(x, fx.Node) for x in rest):
                raise NotLowerable(
                    f"{n.name} ({_called(n)}) joins values in a way that is not known; {REPAIR}"
                )
            return self._step(layer_name(n.name), "other", (str(args[0]),), lambda x: call(x, *rest, **named))
        raise _misplaced(n, n.name, _called(n), self.neurons)


def _misplaced(n: fx.Node, name: str, what: str, neurons: set[str]) -> NotLowerable | BadInput:
    """The error of what reads a current and is no neuron: whether a neuron follows decides what to do."""
    behind, left = {n}, [n]
    while left:
        new = [u for u in left.pop().users if u not in behind]
        behind.update(new)
        left += new
    if any(b.op == "call_module" and str(b.target) in neurons for b in behind):
        return NotLowerable(f"{name} ({what}) stands between a synapse and its neuron; {REPAIR}")
    return BadInput(
        f"{_END}, but {name} ({what}) reads a synapse and no neuron follows; put nn.LIF(), nn.IF() or "
        "nn.Integrator() in its place"
    )


def _refuse_products(n: fx.Node, modules: dict[str, torch.nn.Module]) -> None:
    """Name what multiplies two values, before other steps of an attention are found wanting."""
    m = modules[str(n.target)] if n.op == "call_module" else None
    what = type(m).__name__ if m is not None else _called(n)
    several = sum(x.op != "get_attr" for x in n.all_input_nodes) > 1
    if isinstance(m, torch.nn.MultiheadAttention) or (m is None and what in _PRODUCTS and several):
        raise NotLowerable(
            f"{n.name} ({what}) multiplies matrices of spikes, which a program does not; mix tokens by convolutions, "
            "or attend by nn.Join('and') and sums, as models.spiking_transformer does"
        )


def _called(n: fx.Node) -> str:
    return n.target if isinstance(n.target, str) else getattr(n.target, "__name__", str(n.target))


def _method(name: str) -> Callable[..., Tensor]:
    return lambda x, *args, **named: getattr(x, name)(*args, **named)
