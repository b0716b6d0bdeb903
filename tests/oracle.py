"""The numeric contract once more, in plain Python integers: a second opinion on the reference engine.

Written from the contract and not from the code. A layer of neurons is run from its recipe (real numbers and
fields), so levels, boundaries, carries and thresholds are made here too; without a recipe, from its body by
`step_one`. Tensors are flat lists; nothing is vectorized and nothing is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor, prod
from typing import Any

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
)
from intspike.neuron import ILIF, AdaptiveLIF, CubaLIF
from intspike.ops import Carry, Dyadic, Shift, Table, step_one
from strategies import Recipe

Ints = list[int]


def half_up(x: float | Fraction) -> int:
    """The nearest integer; ties go up."""
    return floor(Fraction(x) + Fraction(1, 2))


class OneNeuron:
    """One neuron of one channel: its constants, its memory, its timestep."""

    def __init__(self, r: Recipe, channel: int):
        self.r, self.neuron, self.codec = r, r.neuron, r.form.codec
        n, codec = self.neuron, self.codec
        self.after = codec.stores == "after reset"
        self.more = 1 if n.compare == ">" else 0  # `u > theta` is `u >= theta + 1`
        self.gain, self.bias = r.gain[channel], r.bias[channel]
        theta = r.theta[channel]
        integer = isinstance(n, ILIF)  # theta is half of what a spike takes
        self.multiples = [2 * d - 1 if integer else d for d in range(1, n.spikes + 1)]
        self.thetas = [theta * m for m in self.multiples]
        if isinstance(codec, Table):
            self.levels, self.edges = self._table(r.fractions, theta)
        else:
            self.step = 2 ** r.shift[channel]
            if not self.after:
                self.thetas = [self._boundary_near(t + self.more) - self.more for t in self.thetas]
        self.top = codec.high
        if self.after and not isinstance(codec, Table):  # what stays after a reset lies below threshold
            self.top = min(codec.high, (self.thetas[0] + self.more - 1) // self.step)
        self.amount = self.thetas[0] * (
            2 if integer else 1
        )  # what a reset by subtraction takes for one spike
        self.beta = None if r.beta is None else r.beta[channel]
        self.others = {}
        if isinstance(n, CubaLIF) or (isinstance(n, AdaptiveLIF) and n.alpha is not None):
            self.others["i"] = OneOther(r, "i", channel)
        if isinstance(n, AdaptiveLIF):
            self.others["a"] = OneOther(r, "a", channel)
            self.jump = r.jump[channel]
        self.reset_memory()

    def reset_memory(self) -> None:
        self.code, self.last, self.waits = self.codec.rest, 0, 0
        for other in self.others.values():
            other.code = 0

    # --- constants -------------------------------------------------------------------------------------

    def _table(self, fractions: Sequence[float], theta: int) -> tuple[Ints, Ints]:
        """Levels keep to their side of every threshold; boundaries lie in the middle, but for thresholds."""
        levels = [half_up(f * theta) for f in fractions]
        for d in self.multiples[: 1 if self.after else None]:
            fires = d * theta + self.more
            levels = [
                min(v, fires - 1) if f < d else max(v, fires) for f, v in zip(fractions, levels, strict=True)
            ]
        edges = []
        for j in range(1, len(levels)):
            between = [d * theta + self.more for d in self.multiples if fractions[j - 1] < d <= fractions[j]]
            edges.append(between[0] if between else half_up(Fraction(levels[j - 1] + levels[j], 2)))
        return levels, edges

    def _boundary_near(self, first: int) -> int:
        """The boundary of a uniform code nearest to `first`: the smallest x that rounds to some code."""
        half = self.step // 2
        k = half_up(Fraction(first + half, self.step))
        return k * self.step - half

    def fires(self, u: int) -> int:
        return sum(u >= t + self.more for t in self.thetas)

    def boundary(self, code: int) -> int:
        """The smallest x that is stored as `code` or a higher one."""
        return self.edges[code - 1] if isinstance(self.codec, Table) else code * self.step - self.step // 2

    # --- a timestep ------------------------------------------------------------------------------------

    def level(self, code: int) -> int:
        return self.levels[code] if isinstance(self.codec, Table) else code * self.step

    def encode(self, x: int) -> int:
        if isinstance(self.codec, Table):
            return sum(x >= e for e in self.edges)
        nearest = half_up(Fraction(x, self.step))
        low = self.codec.low
        if self.codec.overflow == "wrap":
            return (nearest - low) % 2**self.codec.bits + low
        return min(max(nearest, low), self.top)

    def take(self, u: int, spikes: int) -> int:
        """The reset."""
        match self.neuron.reset:
            case "subtract":
                return u - self.amount * spikes
            case "zero":
                return 0 if spikes else u
        return u

    def leak(self, v: int, fired: bool) -> int:
        """v after its leak; a carry table is the rounded product, moved towards rest if that is guaranteed."""
        if self.beta is None:
            return v
        form = self.r.form.leak
        if not isinstance(form, Carry):
            return shifted_or_dyadic(v, self.beta, form)
        carry = half_up(self.beta * v)
        if form.decay == "guaranteed" and not fired:
            if self.code > self.codec.rest:
                carry = min(carry, self.boundary(self.code) - 1)
            if self.code < self.codec.rest:
                carry = max(carry, self.boundary(self.code + 1))
        return carry

    def timestep(self, total: int) -> int:
        n, last = self.neuron, self.last
        u = self.level(self.code)
        if self.after:
            u += self.amount * last
        current, awake = self.gain * total + self.bias, True
        if "i" in self.others:
            old = self.others["i"].value
            self.others["i"].put(self.others["i"].leaked() + current)
            current = old if getattr(n, "reads", "") == "last current" else self.others["i"].value
        raised = 0
        if "a" in self.others:
            self.others["a"].put(self.others["a"].leaked() + self.jump * last)
            raised = self.others["a"].value
        if n.refractory:
            self.waits = n.refractory if last else max(self.waits - 1, 0)
            awake = self.waits == 0
            current = current if awake else 0
        before_leak = getattr(n, "reset_order", "before leak") == "before leak"
        if before_leak:
            u = self.take(u, last)
        # a neuron that resets behind its leak is moved by that reset in the timestep after a spike
        moved_by_reset = self.after and not before_leak and n.reset != "none" and last > 0
        if getattr(n, "leak_on", "state") == "state":
            x = self.leak(u, moved_by_reset) + current
        else:
            x = self.leak(u + current, moved_by_reset)
        if not before_leak:
            x = self.take(x, last)
        if self.after:  # fire, reset, store
            self.last = self.fires(x) if awake else 0
            self.code = self.encode(self.take(x, self.last))
        else:  # store, fire from what was stored
            self.code = self.encode(x)
            self.last = self.fires(self.level(self.code) - raised) if awake else 0
        return self.last


class OneOther:
    """A state beside the membrane: what it holds, how it leaks."""

    def __init__(self, r: Recipe, state: str, channel: int):
        kept = next(k for k in r.form.others if k.state == state)
        self.codec, self.form, self.code = kept.codec, kept.leak, 0
        self.step, self.real = 2 ** r.shifts[state][channel], r.leaks[state][channel]

    @property
    def value(self) -> int:
        return self.code * self.step

    def put(self, x: int) -> None:
        nearest, low, size = half_up(Fraction(x, self.step)), self.codec.low, 2**self.codec.bits
        wraps = self.codec.overflow == "wrap"
        self.code = (nearest - low) % size + low if wraps else min(max(nearest, low), low + size - 1)

    def leaked(self) -> int:
        if not isinstance(self.form, Carry):
            return shifted_or_dyadic(self.value, self.real, self.form)
        carry = half_up(self.real * self.value)
        if self.form.decay == "guaranteed":
            half = self.step // 2
            if self.code > 0:
                carry = min(carry, self.value - half - 1)
            if self.code < 0:
                carry = max(carry, self.value + self.step - half)
        return carry


def shifted_or_dyadic(v: int, real: float, form: Shift | Dyadic) -> int:
    """v after a leak that is no table."""
    if isinstance(form, Shift):
        m = min(range(16), key=lambda m: (abs(real - (1 - 0.5**m)), m))
        return v - floor(Fraction(v, 2**m))
    return floor(Fraction(half_up(real * 2**form.bits) * v, 2**form.bits))


class AnyNeuron:
    """A neuron of any body, by the definition of its ops."""

    def __init__(self, n: Neuron, channel: int):
        self.body = n.body
        self.parameters = {name: a[channel].tolist() for name, a in n.parameters.items()}
        self.codes = {s.name: n.body.codec(s.name).rest for s in n.body.states}
        self.last = 0

    def timestep(self, total: int) -> int:
        result = step_one(self.body, total, self.codes, self.last, self.parameters)
        self.codes, self.last = dict(result.codes), int(result.spike)
        return self.last


def run(
    program: Program, inputs: Any, timesteps: int, recipes: Mapping[str, Recipe] | None = None
) -> list[dict[str, Any]]:
    """For each sample: spikes, stored codes and readout at every timestep, all as flat lists.

    Args:
        inputs: nested lists [B, ...] of one frame a sample if `timesteps` frames are not given, else [T, B, ...].
    """
    frames = inputs if _depth(inputs) == len(program.input.shape) + 2 else [inputs] * timesteps
    return [_sample(program, [f[b] for f in frames], timesteps, recipes) for b in range(len(frames[0]))]


def _depth(x: Any) -> int:
    return 1 + _depth(x[0]) if isinstance(x, list) else 0


def _flat(x: Any) -> Ints:
    return [v for part in x for v in _flat(part)] if isinstance(x, list) else [x]


def _sample(program: Program, frames: Sequence[Any], timesteps: int, recipes: Any) -> dict[str, Any]:
    shapes = {name: tuple(map(int, s)) for name, s in program.shapes.items()}
    neurons: dict[str, list[Any]] = {}
    for n in program.neurons:
        each = prod(shapes[n.name][1:])
        made = [c // each for c in range(prod(shapes[n.name]))]
        neurons[n.name] = [OneNeuron(recipes[n.name], c) if recipes else AnyNeuron(n, c) for c in made]
    seen: dict[str, list[Ints]] = {n.name: [] for n in program}
    codes: dict[str, dict[str, list[Ints]]] = {
        n.name: {s.name: [] for s in n.body.states} for n in program.neurons
    }

    def read(e: Edge, t: int) -> Ints:
        return seen[e.source][t - e.delay] if t >= e.delay else [0] * prod(shapes[e.source])

    for t in range(timesteps):
        for n in program:
            if isinstance(n, Input):
                y = _flat(frames[min(t, len(frames) - 1)])
            elif isinstance(n, Neuron):
                y = [m.timestep(x) for m, x in zip(neurons[n.name], read(n.source, t), strict=True)]
                for state, history in codes[n.name].items():
                    history.append([_code(m, state) for m in neurons[n.name]])
            elif isinstance(n, Unfold):
                y = [[int(v > d) for v in read(n.source, t)] for d in range(n.substeps)]
            elif isinstance(n, Fold):
                y = [sum(column) for column in zip(*read(n.source, t), strict=True)]
            elif n.name in program.on_substeps:
                given, before = [read(e, t) for e in n.edges], [shapes[e.source] for e in n.edges]
                y = [_node(n, [x[d] for x in given], before, shapes[n.name]) for d in range(program.substeps)]
            elif isinstance(n, (Integrator, Readout)):
                y = _gather(n, [read(n.source, i) for i in range(t + 1)])
            else:
                y = _node(
                    n, [read(e, t) for e in n.edges], [shapes[e.source] for e in n.edges], shapes[n.name]
                )
            seen[n.name].append(y)
    readout = seen[program.readout.name]
    return {
        "spikes": {name: seen[name] for name in neurons},
        "codes": codes,
        "readout": readout,
        "values": seen,
    }


def _code(m: OneNeuron | AnyNeuron, state: str) -> int:
    if isinstance(m, AnyNeuron):
        return m.codes[state]
    if state in m.others:
        return m.others[state].code
    return m.code if state == "u" else m.waits


def _gather(n: Integrator | Readout, history: list[Ints]) -> Ints:
    columns = list(zip(*history, strict=True))
    if isinstance(n, Integrator) or n.kind == "count":
        return [sum(c) for c in columns]
    return history[-1] if n.kind == "last" else [max(c) for c in columns]


def _node(n: Node, x: list[Ints], sources: list[tuple[int, ...]], shape: tuple[int, ...]) -> Ints:
    match n:
        case Dense():
            return [sum(w * v for w, v in zip(row, x[0], strict=True)) for row in n.weight.tolist()]
        case Conv():
            return _conv(n, x[0], sources[0], shape)
        case Pool():
            return _pool(n, x[0], sources[0], shape)
        case Offset():
            return [a + b for a, b in zip(x[0], n.offset.ravel().tolist(), strict=True)]
        case Join(kind="and"):
            return [int(a > 0 and b > 0) for a, b in zip(*x, strict=True)]
        case Join(kind="iand"):
            return [int(a <= 0 and b > 0) for a, b in zip(*x, strict=True)]
        case Join():
            shifts = n.shifts or [0] * len(x)
            return [
                sum(v * 2**k for v, k in zip(column, shifts, strict=True)) for column in zip(*x, strict=True)
            ]
    raise AssertionError(n)


def _conv(n: Conv, x: Ints, source: tuple[int, ...], shape: tuple[int, ...]) -> Ints:
    (_, h, w), weight = source, n.weight.tolist()
    per_group, kh, kw = len(weight[0]), len(weight[0][0]), len(weight[0][0][0])
    each = len(weight) // n.groups
    out = []
    for o in range(shape[0]):
        for oy in range(shape[1]):
            for ox in range(shape[2]):
                total = 0
                for i in range(per_group):
                    for a in range(kh):
                        for b in range(kw):
                            channel = (o // each) * per_group + i
                            iy, ix = oy * n.stride[0] + a - n.padding[0], ox * n.stride[1] + b - n.padding[1]
                            if 0 <= iy < h and 0 <= ix < w:
                                total += weight[o][i][a][b] * x[(channel * h + iy) * w + ix]
                out.append(total)
    return out


def _pool(n: Pool, x: Ints, source: tuple[int, ...], shape: tuple[int, ...]) -> Ints:
    _, h, w = source
    out = []
    for c in range(shape[0]):
        take = {"max": max, "sum": sum, "or": lambda v: int(any(v))}[n.kind]
        if n.minimum is not None and n.minimum.tolist()[c]:
            take = min
        for oy in range(shape[1]):
            for ox in range(shape[2]):
                rows = range(oy * n.stride[0], oy * n.stride[0] + n.size[0])
                columns = range(ox * n.stride[1], ox * n.stride[1] + n.size[1])
                out.append(take([x[(c * h + i) * w + j] for i in rows for j in columns]))
    return out
