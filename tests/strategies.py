"""Random legal programs: one generator, fed by hypothesis (`programs`) or by a seeded generator (`random_program`).

Structure is chosen, numbers are drawn from a seed: so shrinking ends at the simplest structure that fails.
Whatever is made is legal; combinations that the contract refuses are never chosen.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from intspike.ir import (
    Conv,
    Dense,
    Edge,
    Fold,
    Input,
    Integrator,
    Join,
    Neuron,
    Node,
    Offset,
    Pool,
    Program,
    Readout,
    Unfold,
    frozen,
)
from intspike.ir.clock import on_substeps
from intspike.neuron import IF, ILIF, LIF, AdaptiveLIF, CubaLIF
from intspike.neuron import Neuron as Equation
from intspike.neuron.constants import constants
from intspike.ops import Carry, Dyadic, Form, Shift, Table, Triangle, Uniform, trace
from intspike.ops.trace import Kept

SUBSTEPS = 4  # of every program with a substep clock

Choose = Callable[[Sequence[Any]], Any]  # one of the options; the first is the simplest


@dataclass(frozen=True)
class Recipe:
    """What a layer of neurons was made from, before anything was rounded; lists hold one number a channel."""

    neuron: Equation
    form: Form
    gain: list[int]
    bias: list[int]
    theta: list[int]
    beta: list[float] | None = None
    fractions: list[float] | None = None
    shift: list[int] | None = None
    jump: list[int] | None = None
    leaks: Mapping[str, list[float]] | None = None
    shifts: Mapping[str, list[int]] | None = None

    def constants(self) -> dict[str, Any]:
        """The integers that the program holds."""
        return constants(
            self.neuron,
            self.form,
            gain=np.array(self.gain, np.int64),
            bias=np.array(self.bias, np.int64),
            theta=np.array(self.theta, np.int64),
            beta=None if self.beta is None else np.array(self.beta),
            fractions=self.fractions,
            shift=None if self.shift is None else np.array(self.shift, np.int64),
            jump=None if self.jump is None else np.array(self.jump, np.int64),
            leaks={s: np.array(a) for s, a in (self.leaks or {}).items()},
            shifts={s: np.array(a, np.int64) for s, a in (self.shifts or {}).items()},
        )

    def node(self, name: str, source: Edge) -> Neuron:
        return Neuron(
            name, source, trace(self.neuron, self.form), {k: frozen(a) for k, a in self.constants().items()}
        )


@dataclass(frozen=True)
class Case:
    """A program and, for each layer of neurons, what it was made from."""

    program: Program
    recipes: Mapping[str, Recipe]

    def __repr__(self) -> str:
        lines = [f"{name}: {r}" for name, r in self.recipes.items()]
        return "\n".join([*map(_short, self.program), *lines])


def _short(n: Node) -> str:
    fields = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(n).items()}
    return f"{type(n).__name__}({', '.join(f'{k}={v}' for k, v in fields.items() if k not in ('body', 'parameters'))})"


# --- neurons -------------------------------------------------------------------------------------------------


def random_recipe(
    choose: Choose,
    numbers: random.Random,
    channels: int,
    spread: float,
    only: Mapping[str, Any] | None = None,
) -> Recipe:
    """Any neuron that the contract allows, with thresholds of the order of its input's spread.

    Args:
        spread: typical size of a wide sum.
        only: choices that are taken, not made.
    """
    only = only or {}

    def pick(name: str, options: Sequence[Any]) -> Any:
        return only[name] if name in only else choose(options)

    stores = pick("stores", ["after reset", "before reset"])
    fields: dict[str, Any] = {
        "reset": pick("reset", ["subtract", "zero"] + ["none"] * (stores == "before reset")),
        "compare": pick("compare", [">=", ">"]),
        "spikes": pick("spikes", [1, 2, 3]),
        "refractory": pick("refractory", [0, 0, 1, 2, 5]),
        "surrogate": Triangle(),
    }
    spikes = fields["spikes"]
    kind = pick("codec", ["table", "uniform"])
    if kind == "table":
        fewest = (spikes + 1 - 1).bit_length() if stores == "before reset" else 1
        bits = pick("bits", [n for n in (3, 4, 1, 2, 5, 6, 7, 8) if n >= fewest])
    else:
        bits = pick("bits", [4, 8, 1, 2, 3, 5, 6, 7, 9, 10, 12, 14, 15, 16])
    neuron: Equation = IF(**fields)
    leak: Any = Carry()
    beta = None
    kind_of_neuron = pick(
        "neuron", ["LIF", "IF", "ILIF", "CubaLIF", *["AdaptiveLIF"] * (stores == "before reset")]
    )
    if kind_of_neuron == "ILIF":
        kept = {k: v for k, v in fields.items() if k not in ("reset", "compare", "surrogate")}
        neuron = ILIF(**kept)
        if kind == "table" and stores == "before reset":
            bits = max(bits, neuron.spikes.bit_length() + 1)
    if kind_of_neuron != "IF":
        tables = [Carry(), Carry("nearest")] if bits <= 8 else []
        leak = pick("leak", [*tables, Shift(), Dyadic(4), Dyadic(8), Dyadic(15)])
        leak_on = (
            "state"
            if isinstance(leak, Carry) or kind_of_neuron == "ILIF"
            else pick("leak_on", ["state", "sum"])
        )
        if kind_of_neuron != "ILIF":
            fields |= {"leak_on": leak_on, "reset_order": pick("reset_order", ["before leak", "after leak"])}
        leaks = kind_of_neuron in ("LIF", "ILIF") or pick("leaks", [True, True, False])
        if not leaks:
            fields["beta"] = None
        if kind_of_neuron == "LIF":
            neuron = LIF(**fields)
        elif kind_of_neuron == "CubaLIF":
            neuron = CubaLIF(**fields, reads=pick("reads", ["new current", "last current"]))
        elif kind_of_neuron == "AdaptiveLIF":
            neuron = AdaptiveLIF(**fields, alpha=pick("alpha", [None, 0.5]))
        common = pick("beta", [0.75, 0.9, 0.5, 1.0, 0.0, None])
        if leaks:
            beta = [numbers.random() if common is None else common for _ in range(channels)]

    # thresholds, and the power of two that makes them large enough for the levels to be distinct
    least = 1 << (bits + 3) if kind == "table" else 1
    extra = pick("extra", [0, 1, 4, 20 if kind == "table" else 8])
    f = min(max(0, (int(least / max(spread, 1.0))).bit_length() + extra), 30)
    ratio = [2.0 ** numbers.uniform(-2.5, 1.5) for _ in range(channels)]
    most = 1 << (36 if kind == "table" else 27)
    theta = [min(max(least, int(spread * 2**f * r)), most) for r in ratio]
    gain = [numbers.choice([1, 1, 1, -1]) << f for _ in range(channels)]
    bias = [numbers.randint(-t, t) // numbers.choice([1, 4, 1 << 40]) for t in theta]
    recipe = Recipe(neuron, Form(leak=leak), gain, bias, theta, beta)
    if neuron.others:
        recipe = _others(pick, numbers, recipe)
    if kind == "table":
        fractions = _fractions(numbers, bits, neuron.multiples, stores, least // 3)
        codec = Table(bits, fractions.index(0), stores)
        return replace(recipe, form=replace(recipe.form, codec=codec), fractions=fractions)
    overflow = pick("overflow", ["saturate", "wrap"])
    return _uniform(
        numbers, recipe, bits, stores, overflow, pick("coarse", [0, 1, -1, 3, 40]), pick("low", [0, 1, 2, 3])
    )


def _others(pick: Callable[[str, Sequence[Any]], Any], numbers: random.Random, r: Recipe) -> Recipe:
    """The same with states beside the membrane: codecs, leaks and steps of their own."""
    kept, leaks, shifts = list[Kept](), dict[str, list[float]](), dict[str, list[int]]()
    for state in r.neuron.others:
        bits = pick(f"{state} bits", [4, 8, 1, 2, 6, 12, 16])
        low = 0 if state == "a" else pick("i low", [-(1 << (bits - 1)), 0, 1 - (1 << bits)])
        codec = Uniform(bits, low, pick(f"{state} overflow", ["saturate", "wrap"]), "before reset")
        tables = [Carry(), Carry("nearest")] if bits <= 8 else []
        kept.append(Kept(state, codec, pick(f"{state} leak", [*tables, Shift(), Dyadic(4), Dyadic(12)])))
        common = pick(f"{state} real", [0.5, 0.9, 1.0, 0.0, None])
        leaks[state] = [numbers.random() if common is None else common for _ in r.theta]
        shifts[state] = [min(max(0, t.bit_length() + numbers.randint(0, 2) - bits), 31) for t in r.theta]
    jump = [int(t * numbers.random()) for t in r.theta] if "a" in r.neuron.others else None
    return replace(r, form=replace(r.form, others=tuple(kept)), leaks=leaks, shifts=shifts, jump=jump)


def _fractions(
    numbers: random.Random, bits: int, multiples: tuple[int, ...], stores: str, grid: int
) -> list[float]:
    """Increasing levels on a grid of theta / grid, with rest, and one for every number of spikes."""
    below, above = list(range(1, grid)), list(range(grid, (multiples[-1] + 2) * grid))
    negative = list(range(-2 * grid, 0))
    count = (1 << bits) - 1
    taken: set[int] = set()
    if stores == "before reset":
        ends = (*multiples, multiples[-1] + 1)
        taken = {numbers.randrange(d * grid, beyond * grid) for d, beyond in itertools.pairwise(ends)}
        while len(taken) < count and numbers.random() < 0.4:
            taken.add(numbers.choice(above))
        if numbers.random() < 0.3 and len(taken) == len(multiples):
            taken = {d * grid for d in multiples}  # a level on the threshold itself
    left = count - len(taken)
    lower = numbers.randint(max(0, left - len(below)), left) if numbers.random() < 0.7 else min(1, left)
    lower = max(lower, left - len(below))
    taken |= set(numbers.sample(negative, lower)) | set(numbers.sample(below, left - lower)) | {0}
    return [k / grid for k in sorted(taken)]


def _uniform(
    numbers: random.Random, r: Recipe, bits: int, stores: str, overflow: str, coarse: int, low: int
) -> Recipe:
    span = (1 << bits) - 1
    low = [-(1 << (bits - 1)), 0, -span, -numbers.randint(0, span)][low]
    d, strict = r.neuron.multiples[-1], int(r.neuron.compare == ">")
    if stores == "before reset":
        low = max(low, 1 - span)  # one code at least lies above rest
        shift = []
        for t in r.theta:  # the smallest step with which the last threshold is a boundary, or a wider one
            p = next(p for p in range(32) if ((d * t + strict + ((1 << p) >> 1) * 2) >> p) <= low + span)
            shift.append(min(p + max(coarse, 0), 31))
    else:
        shift = [min(max(0, t.bit_length() - bits + coarse), 31) for t in r.theta]
    return replace(r, form=replace(r.form, codec=Uniform(bits, low, overflow, stores)), shift=shift)


# --- programs ------------------------------------------------------------------------------------------------


class _Maker:
    """Adds nodes behind one another; knows shapes and the typical size of every value."""

    def __init__(self, choose: Choose, numbers: random.Random, size: int, only: Mapping[str, Any] | None):
        self.choose, self.numbers, self.size, self.only = choose, numbers, size, only
        self.nodes: list[Node] = []
        self.recipes: dict[str, Recipe] = {}
        self.shape: dict[str, tuple[int, ...]] = {}
        self.spread: dict[str, float] = {}
        self.most: dict[str, int | None] = {}  # of nodes that send spikes, the largest number

    def add(self, n: Node, shape: tuple[int, ...], spread: float, most: int | None = None) -> str:
        self.nodes.append(n)
        self.shape[n.name], self.spread[n.name], self.most[n.name] = shape, spread, most
        return n.name

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.nodes)}"

    def weight(self, *shape: int) -> tuple[Any, float]:
        high = self.choose([7, 1, 3, 127])
        draw = np.random.default_rng(self.numbers.getrandbits(64))
        w = draw.integers(-high, high, shape, endpoint=True)
        return frozen(w), float(np.sqrt((w.astype(float) ** 2).mean()) + 0.1)

    @property
    def readable(self) -> list[str]:
        """Nodes that any later node may read: those that send once a timestep."""
        clocked = on_substeps(self.nodes)
        return [n.name for n in self.nodes if n.name not in clocked]

    def source(self) -> Edge:
        """The last node, or any node some timesteps ago."""
        if self.choose([False, False, False, True]):
            return Edge(self.choose(self.readable[::-1]), self.choose([1, 2, 3]))
        return Edge(self.nodes[-1].name)

    def dense(self, e: Edge, outputs: int) -> str:
        inputs = int(np.prod(self.shape[e.source]))
        w, size = self.weight(outputs, inputs)
        spread = size * self.spread[e.source] * inputs**0.5
        return self.add(Dense(self.name("dense"), e, w), (outputs,), spread)

    def conv(self, e: Edge) -> str:
        c, h, w = self.shape[e.source]
        groups = self.choose([1] + [c] * (c > 1))
        out = groups * self.choose([1, 2, 3]) * (self.size if groups == 1 else 1)
        padding = self.choose([0, 1, 2]), self.choose([0, 1])
        kernel = tuple(
            self.choose([k for k in (2, 3, 1, 5) if k <= d + 2 * p])
            for d, p in zip((h, w), padding, strict=True)
        )
        stride = self.choose([1, 1, 2, 3]), self.choose([1, 1, 2])
        weight, size = self.weight(out, c // groups, *kernel)
        shape = (
            out,
            *((d + 2 * p - k) // s + 1 for d, p, k, s in zip((h, w), padding, kernel, stride, strict=True)),
        )
        spread = size * self.spread[e.source] * (c // groups * kernel[0] * kernel[1]) ** 0.5
        return self.add(Conv(self.name("conv"), e, weight, stride, padding, groups), shape, spread)

    def pool(self, e: Edge, kind: str) -> str:
        c, h, w = self.shape[e.source]
        size = min(h, self.choose([2, 3, 1])), min(w, self.choose([2, 1]))
        stride = self.choose([2, 1, 3]), self.choose([2, 1])
        shape = c, (h - size[0]) // stride[0] + 1, (w - size[1]) // stride[1] + 1
        minimum = None
        if kind == "max" and self.choose([False, True]):
            minimum = frozen([self.numbers.randrange(2) for _ in range(c)])
        spread = self.spread[e.source] * (size[0] * size[1] if kind == "sum" else 1)
        most = None if kind == "sum" else self.most[e.source]
        return self.add(Pool(self.name("pool"), e, kind, size, stride, minimum), shape, spread, most)

    def synapses(self) -> str:
        """From spikes or inputs to sums."""
        e = self.source()
        most = self.most[e.source]
        if most is not None and most <= SUBSTEPS and self.choose([False, False, False, True]):
            return self.unfolded(e)
        options = ["dense", "nothing"]
        if len(self.shape[e.source]) == 3:
            options = ["conv", "conv max", "conv sum", "dense", "sum", "max", "nothing"]
        match self.choose(options):
            case "dense":
                return self.dense(e, self.choose([3, 2, 1, 5]) * self.size)
            case "conv":
                return self.conv(e)
            case "conv max":
                return self.pool(Edge(self.conv(e)), "max")
            case "conv sum":
                return self.pool(Edge(self.conv(e)), "sum")
            case "sum" | "max" as kind:
                return self.pool(e, kind)
            case _:
                delayed = bool(e.delay)
                return (
                    self.add(Join(self.name("add"), (e, e)), self.shape[e.source], 2 * self.spread[e.source])
                    if delayed
                    else e.source
                )

    def unfolded(self, e: Edge) -> str:
        """A synapse that runs at each substep, with a pool before it or an offset behind it."""
        shape, spread = self.shape[e.source], self.spread[e.source]
        bits = Edge(self.add(Unfold(self.name("unfold"), e, SUBSTEPS), shape, spread, 1))
        image = len(shape) == 3
        if image and self.choose([False, True]):
            bits = Edge(self.pool(bits, self.choose(["or", "sum"])))
        sums = self.conv(bits) if image and self.choose([True, False]) else self.dense(bits, 3 * self.size)
        shape = self.shape[sums]
        total = self.add(Fold(self.name("fold"), Edge(sums)), shape, 2 * self.spread[sums])
        if self.choose([False, True]):
            draw = np.random.default_rng(self.numbers.getrandbits(64))
            offset = frozen(draw.integers(-9, 9, shape, endpoint=True))
            total = self.add(Offset(self.name("offset"), Edge(total), offset), shape, self.spread[total])
        return total

    def block(self) -> None:
        """Synapses, perhaps a recurrent or skipping path, a layer of neurons, perhaps an op on its spikes."""
        total = self.synapses()
        shape = self.shape[total]
        sources, shifts = [Edge(total)], [0]
        same = [n for n in self.readable if self.shape[n] == shape and n != total]
        if same and self.choose([False, False, True]):
            sources.append(Edge(self.choose(same), self.choose([0, 1])))
            shifts.append(self.choose([0, 1, 5]))
        extra = self.choose(["nothing", "nothing", "recurrent", "lateral", "integrated"])
        joined = len(sources) > 1 or extra != "nothing"
        neurons = f"neurons{len(self.nodes) + joined + (extra in ('recurrent', 'integrated'))}"
        if extra == "recurrent":  # neurons -> dense -> the same neurons, later
            self.shape[neurons], self.spread[neurons] = shape, 0.5
            if len(shape) == 1:
                path = self.dense(Edge(neurons, self.choose([1, 2])), shape[0])
            else:
                w, _ = self.weight(shape[0], shape[0], 3, 3)
                conv = Conv(self.name("conv"), Edge(neurons, self.choose([1, 2])), w, padding=(1, 1))
                path = self.add(conv, shape, 1.0)
            sources.append(Edge(path))
            shifts.append(self.choose([0, 2]))
        elif extra == "lateral":  # each neuron to itself
            sources.append(Edge(neurons, self.choose([1, 3])))
            shifts.append(self.choose([0, 3]))
        elif extra == "integrated":  # an integrator beside the path
            sources.append(
                Edge(self.add(Integrator(self.name("sum"), Edge(total), 48), shape, self.spread[total]))
            )
            shifts.append(0)
        spread = self.spread[total] * 2 ** max(shifts)
        if joined:
            n = Join(self.name("add"), tuple(sources), "add", tuple(shifts) if any(shifts) else ())
            total = self.add(n, shape, spread)
        assert self.name("neurons") == neurons
        recipe = random_recipe(self.choose, self.numbers, shape[0], spread, self.only)
        self.recipes[neurons] = recipe
        self.add(recipe.node(neurons, Edge(total)), shape, 0.5 * recipe.neuron.spikes, recipe.neuron.spikes)
        self.after(neurons)

    def after(self, neurons: str) -> None:
        """Ops on spikes."""
        options = ["nothing", "nothing", "and", "iand"]
        if len(self.shape[neurons]) == 3:
            options += ["max", "sum"] + ["or"] * (self.most[neurons] == 1)
        kind = self.choose(options)
        if kind in ("max", "sum", "or"):
            self.pool(Edge(neurons), kind)
        elif kind != "nothing":
            same = [n for n in self.readable if self.most[n] and self.shape[n] == self.shape[neurons]]
            other = Edge(self.choose(same), self.choose([1, 2, 0]))
            pair = (Edge(neurons), other) if self.choose([True, False]) else (other, Edge(neurons))
            self.add(Join(self.name(kind), pair, kind), self.shape[neurons], 0.3, 1)

    def finish(self) -> Program:
        e = Edge(self.nodes[-1].name, self.choose([0, 0, 1]))
        match self.choose(["spikes", "dense", "integrator"]):
            case "dense":
                e = Edge(self.dense(e, self.choose([2, 3])))
            case "integrator":
                e = Edge(
                    self.add(
                        Integrator(self.name("sum"), e, self.choose([48, 62])), self.shape[e.source], 1.0
                    )
                )
        self.nodes.append(Readout(self.name("out"), e, self.choose(["count", "last", "maximum"])))
        return Program(tuple(self.nodes))


def make_program(
    choose: Choose, numbers: random.Random, size: int = 1, only: Mapping[str, Any] | None = None
) -> Case:
    """A legal program; structure from `choose`, numbers from `numbers`.

    Args:
        size: 1 has a few dozen neurons a layer; images grow with it, and channels.
        only: choices of every neuron that are taken, not made, by the names in `random_recipe`.
    """
    m = _Maker(choose, numbers, size, only)
    low, high = choose([(0, 1), (0, 255), (0, 3), (-3, 4)])
    if choose(["flat", "image"]) == "flat":
        shape: tuple[int, ...] = (choose([3, 1, 7]) * size,)
    else:
        shape = choose([1, 2, 3]), choose([4, 3, 5]) * size, choose([4, 5]) * size
    m.add(
        Input("x", shape, low, high),
        shape,
        (high - low) / 2 if high > 1 else 0.6,
        1 if (low, high) == (0, 1) else None,
    )
    for _ in range(choose([1, 2, 3])):
        m.block()
    return Case(m.finish(), m.recipes)


def random_program(rng: random.Random, size: int = 1, only: Mapping[str, Any] | None = None) -> Case:
    """A program for bulk runs."""
    return make_program(rng.choice, rng, size, only)


@st.composite
def programs(draw: st.DrawFn, size: int = 1) -> Case:
    """Programs that shrink to the simplest structure: numbers come from one seed, structure is drawn."""
    numbers = random.Random(draw(st.integers(0, 2**32 - 1)))
    return make_program(lambda options: draw(st.sampled_from(options)), numbers, size)


def random_inputs(rng: random.Random, program: Program, batch: int, timesteps: int, static: bool) -> Any:
    """Integers [B, *shape] (static) or [T, B, *shape], of a random density, with the extremes among them."""
    draw = np.random.default_rng(rng.getrandbits(64))
    shape = (batch, *program.input.shape) if static else (timesteps, batch, *program.input.shape)
    low, high = program.input.low, program.input.high
    x = draw.integers(low, high, shape, endpoint=True)
    x = np.where(draw.random(shape) < 0.1, high, x)
    return np.where(draw.random(shape) < rng.choice([1.0, 0.7, 0.2]), x, max(low, 0))


def neuron_steps(program: Program, batch: int, timesteps: int) -> int:
    """How many updates of a neuron a run is."""
    return batch * timesteps * sum(int(np.prod(program.shapes[n.name])) for n in program.neurons)


def differences(a: Any, b: Any) -> list[str]:
    """Where two traces differ, in words; empty if they are equal in every integer."""
    found = []
    for n in a.spikes:
        pairs = [("spikes", a.spikes[n], b.spikes[n])]
        pairs += [(s, a.codes[n][s], b.codes[n][s]) for s in a.codes[n]]
        for what, p, q in pairs:
            if p.shape != q.shape or not (p == q).all():
                where = np.argwhere(p != q)[0].tolist() if p.shape == q.shape else (p.shape, q.shape)
                found.append(f"{n} {what} at {where}")
    if a.readout.shape != b.readout.shape or not (a.readout == b.readout).all():
        found.append("readout")
    return found


def assert_equal(a: Any, b: Any, case: Case | None = None) -> None:
    """Two traces are the same in every spike, stored code and readout."""
    assert list(a.spikes) == list(b.spikes), (list(a.spikes), list(b.spikes))
    found = differences(a, b)
    assert not found, f"{found}\n{case!r}"
