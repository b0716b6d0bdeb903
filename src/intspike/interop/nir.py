"""NIR graphs as intspike networks.

NIR describes neurons in continuous time and leaves the rest to tools: the timestep, how equations are discretised,
whether a reset subtracts, when it happens. All of this is an argument here, and a line of the table of choices.
Threads: NIR #63 and #129 (reset), #176 (one parameter for each neuron).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch

from ..nn import Input, Integrator, Neuron, Recurrent
from .imported import START, SUMS, Choice, Imported, Refusal, refuse
from .nir_file import INSIDE, Graph, Node, of
from .nir_nodes import WHY, Reading, Reals, Refused, conv, discrete, flat, linear, pool, span, tensor
from .nir_order import NEURONS, loops, order
from .wired import INPUT, Constants, Wiring


def from_nir(
    graph: Any,
    timestep: float,
    *,
    reset: Literal["zero", "subtract"] = "zero",
    reset_order: Literal["before leak", "after leak"] = "before leak",
    compare: Literal[">=", ">"] = ">",
    discretisation: Literal["euler", "exact"] = "euler",
    scale: float = 1.0,
    high: int = 255,
) -> Imported:
    """A NIR graph as an intspike network in full precision, every assumption listed.

    Args:
        graph: a `nir.NIRGraph`, or the path of a file.
        timestep, reset, reset_order, compare, discretisation: see `Reading`.
        scale, high: of the input, as `nn.Input` takes them; 1 reads inputs as they are.

    Raises:
        BadData: no NIR graph, or a damaged one.
        NotImportable: nodes that have no equal here; all of them are named.
    """
    given = of(graph)
    reading = Reading(timestep, reset, reset_order, compare, discretisation)
    loop = loops(given)
    made = _Importer(given, reading, scale, high, loop)
    for name in order(given, loop):
        made.add(name)
    source = f"NIR {given.version}".strip()
    refuse(source, made.refusals)
    (first,) = (n for name, n in given.nodes.items() if n.kind == "Input" and INSIDE not in name)
    shape = tuple(int(n) for n in first.fields["shape"].ravel())
    return Imported(made.finish(), source, tuple(made.choices), input_shape=shape)


_GAINS = {"LIF": "r dt / tau", "IF": "r dt", "CubaLIF": "w_in dt / tau_syn, r dt / tau_mem"}


class _Importer:
    """Nodes become modules one after the other; a scale waits until a synapse or a neuron takes it in."""

    def __init__(self, graph: Graph, reading: Reading, scale: float, high: int, loop: Mapping[str, str]):
        self.graph, self.reading, self.loop = graph, reading, loop
        self.wiring = Wiring()
        self.choices = [START, SUMS]
        self.refusals: list[Refusal] = []
        self.values: dict[str, str] = {}  # node -> part
        self.scales: dict[str, Reals | None] = {}  # of each node's value, waiting
        self.last = ""
        self.values_of_input = self.wiring.add("codes", Input(scale, high), (INPUT,))
        r = reading
        self.say("", "timestep", "continuous time", f"{r.timestep:g}", "assumed")
        rule = "beta = 1 - dt / tau" if r.discretisation == "euler" else "beta = exp(-dt / tau)"
        self.say("", "discretisation", "continuous time", f"{r.discretisation}: {rule}", "assumed")

    def say(self, layer: str, name: str, theirs: str, ours: str, effect: Any = "same") -> None:
        self.choices.append(Choice(layer, name, theirs, ours, effect))

    def add(self, name: str) -> None:
        node = self.graph.nodes[name]
        sources = [a for a, b in self.graph.edges if b == name and a != self.loop.get(name)]
        if node.kind == "Input" and not sources:
            self.values[name], self.scales[name] = self.values_of_input, None
            return
        known = [s for s in sources if s in self.values]
        if not sources:
            self.refusals.append(Refusal(name, f"{node.kind} reads nothing; give it an edge, or take it out"))
        if len(known) < len(sources) or not sources:
            return  # what it reads was refused
        scale = self.scales[known[0]]
        if len(known) > 1 and any(self.scales[s] is not None for s in known):
            self.refusals.append(Refusal(name, "a sum of scaled values; scale behind a synapse instead"))
            return
        try:
            part, scale = self._part(name, node, tuple(self.values[s] for s in known), scale)
        except Refused as e:
            self.refusals.append(Refusal(name, f"{node.kind}: {e}"))
            return
        self.values[name], self.scales[name] = part, scale

    def _part(
        self, name: str, node: Node, sources: tuple[str, ...], scale: Reals | None
    ) -> tuple[str, Reals | None]:
        """The part that a node becomes, and the scale that then waits."""
        f = node.fields
        match node.kind:
            case "Input" | "Output":
                if node.kind == "Output" and INSIDE not in name:
                    self.last = sources[0]
                    if scale is not None or len(sources) > 1:
                        raise Refused("must read one layer of neurons, or an integrator, unscaled")
                if len(sources) == 1:
                    return sources[0], scale
                return self.wiring.add(name, torch.nn.Identity(), sources), scale
            case "Linear" | "Affine":
                return self.wiring.add(name, linear(f, scale), sources), None
            case "Conv2d":
                return self.wiring.add(name, conv(f, scale), sources), None
            case "AvgPool2d" | "SumPool2d":
                made = pool(f)
                if node.kind == "SumPool2d" and self._is_or(name):
                    self.say(
                        name,
                        "pool",
                        "sum of spikes, above a threshold between 0 and 1",
                        "OR (max pool) of spikes",
                    )
                    return self.wiring.add(
                        name, torch.nn.MaxPool2d(made.kernel_size, made.stride), sources
                    ), scale
                if node.kind == "SumPool2d":
                    area = float(np.prod(made.kernel_size))
                    scale = area * (np.ones(1) if scale is None else flat(scale))
                    self.say(
                        name,
                        "sum",
                        f"sum of {area:g}",
                        "average, the weights behind it times that",
                        "rounding",
                    )
                return self.wiring.add(name, made, sources), scale
            case "Flatten":
                self._flatten(name, f)
                return self.wiring.add(name, torch.nn.Flatten(), sources), scale
            case "Scale":
                return sources[0], f["scale"].astype(np.float64) * (1.0 if scale is None else scale)
            case "I":
                return self._integrator(name, f, sources, scale), None
            case "Threshold" if self._decides_or(name):
                return sources[0], scale
            case "LIF" | "IF" | "CubaLIF" | "Threshold":
                return self._neuron(name, node, sources, scale), None
            case _:
                raise Refused(WHY.get(node.kind, "has no equal here"))

    def _is_or(self, name: str) -> bool:
        """Whether a sum of spikes is read by thresholds between 0 and 1 alone: it asks whether any of them fired."""
        sources, readers = ([e[1 - k] for e in self.graph.edges if e[k] == name] for k in (1, 0))
        fire = all(self.graph.nodes[s].kind in NEURONS for s in sources)
        levels = [self.graph.nodes[r].fields.get("threshold") for r in readers]
        below = all(x is not None and bool(((x > 0) & (x < 1)).all()) for x in levels)
        return fire and len(sources) == 1 and below and bool(readers)

    def _decides_or(self, name: str) -> bool:
        sources = [a for a, b in self.graph.edges if b == name]
        return (
            len(sources) == 1 and self.graph.nodes[sources[0]].kind == "SumPool2d" and self._is_or(sources[0])
        )

    def _flatten(self, name: str, f: Any) -> None:
        start, end = int(f["start_dim"]), int(f["end_dim"])
        if (start, end) not in ((0, -1), (1, -1), (0, 2), (1, 3)):
            raise Refused(f"must flatten a whole frame, not dimensions {start}..{end}")
        if start:
            said = f"dimensions {start}..{end}"
            self.say(name, "flatten", said, "all but the batch: dimension 0 is taken for it", "assumed")

    def _integrator(self, name: str, f: Any, sources: tuple[str, ...], scale: Reals | None) -> str:
        made = self.wiring.add(name, Integrator(), sources)
        gain = f["r"].astype(np.float64) * self.reading.timestep * (1.0 if scale is None else scale)
        self.wiring.constants[made] = Constants(torch.ones(1), torch.ones(1), tensor(gain))
        self.say(made, "gain", f"r dt = {span(gain)}", "folded into the weights", "rounding")
        return made

    def _neuron(self, name: str, node: Node, sources: tuple[str, ...], scale: Reals | None) -> str:
        r, f = self.reading, {k: v.astype(np.float64) for k, v in node.fields.items() if k != "input_type"}
        constants, equation = discrete(node.kind, f, r, scale)
        made = self.wiring.add(name, self._layer(name, equation), sources)
        self.wiring.constants[made] = constants
        if name in self.loop:
            self.say(made, "recurrence", f"through {self.loop[name]}", "nn.Recurrent, delay 1", "assumed")
        self.say(made, "neuron", node.kind, type(equation).__name__)
        if node.kind == "Threshold":
            self.say(made, "beta", "no memory", "0, without a reset")
            self.say(made, "compare", "input > threshold", f"u {r.compare} theta", "assumed")
            return made
        if node.kind == "LIF":
            theirs = f"tau {span(f['tau'])}, dt {r.timestep:g}"
            self.say(made, "beta", theirs, span(constants.beta.numpy()), "assumed")
        if constants.alpha is not None:
            for what, x in (("syn", constants.alpha), ("mem", constants.beta)):
                theirs = f"tau_{what} {span(f[f'tau_{what}'])}, dt {r.timestep:g}"
                self.say(made, "alpha" if what == "syn" else "beta", theirs, span(x.numpy()), "assumed")
            self.say(made, "reads", "the synaptic current", "the one of the same timestep", "assumed")
        assert constants.gain is not None
        gain = constants.gain.numpy()
        if bool((gain != 1).any()):
            self.say(
                made,
                "gain",
                _GAINS[node.kind],
                f"{span(gain)}, in the weights",
                "rounding",
            )
        if "v_leak" in f and f["v_leak"].any():
            self.say(
                made, "bias", f"v_leak {span(f['v_leak'])}", "(1 - beta) v_leak, in the bias", "rounding"
            )
        self.say(
            made,
            "compare",
            "v > v_threshold",
            f"u {r.compare} theta",
            "same" if r.compare == ">" else "assumed",
        )
        theirs = (
            f"v = v_reset, {span(f['v_reset'])}"
            if "v_reset" in f
            else "not in the file; zero is taken for it"
        )
        self.say(made, "reset", theirs, f"{r.reset!r}, {r.reset_order!r}", "assumed")
        return made

    def _layer(self, name: str, equation: Any) -> Neuron | Recurrent:
        """A layer of neurons, which reads itself where the graph has it so."""
        if name not in self.loop:
            return Neuron(equation)
        own = self.graph.nodes[self.loop[name]]
        back = conv(own.fields, None) if own.kind == "Conv2d" else linear(own.fields, None)
        return Recurrent(Neuron(equation), back)

    def finish(self) -> Any:
        return self.wiring.network(self.last)
