"""The event-driven machine as slow, plain loops: runs a program on Python integers and counts whatever it does.

It shares no code with `measure.energy` and none with the engines; that its spikes are those of the reference engine is
checked as well, so what is counted is what was computed.
"""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np

from intspike.ir import (
    Conv,
    Dense,
    Fold,
    Input,
    Integrator,
    Join,
    Neuron,
    Offset,
    Pool,
    Program,
    Readout,
    Unfold,
    ranges,
)
from intspike.ops import Table


def bits(low: int, high: int) -> int:
    """Width of low..high, by trying all."""
    for b in range(1, 70):
        if (low >= 0 and high < 1 << b) or (low < 0 and -(1 << b - 1) <= low and high < 1 << b - 1):
            return b
    raise AssertionError((low, high))


def targets(n: Dense | Conv, shape: tuple[int, ...]):
    """Every connection: (index read, index written, weight)."""
    if isinstance(n, Dense):
        for out, flat in product(*map(range, n.weight.shape)):
            yield tuple(map(int, np.unravel_index(flat, shape))), (out,), int(n.weight[out, flat])
        return
    (_, h, w), (out, per_group, kh, kw) = shape, n.weight.shape
    ho = (h + 2 * n.padding[0] - kh) // n.stride[0] + 1
    wo = (w + 2 * n.padding[1] - kw) // n.stride[1] + 1
    for o, p, q, c, i, j in product(*map(range, (out, ho, wo, per_group, kh, kw))):
        y, x = p * n.stride[0] + i - n.padding[0], q * n.stride[1] + j - n.padding[1]
        if 0 <= y < h and 0 <= x < w:
            yield (o // (out // n.groups) * per_group + c, y, x), (o, p, q), int(n.weight[o, c, i, j])


class Machine:
    """One sample. `counted` holds, by (layer, cause, operation, bits, memory, driven), how often."""

    def __init__(self, program: Program, timesteps: int, static: bool):
        self.program, self.timesteps, self.static = program, timesteps, static
        self.proved = ranges(program, timesteps)
        self.counted: Counter = Counter()
        self.past: list[dict[str, dict]] = []
        self.codes: dict[str, dict] = {}
        self.kept: dict[str, dict] = {}
        self.fed: set[str] = set()  # by the input alone
        self.once: set[str] = set()
        self.sums: set[str] = set()
        self.connections = {
            n.name: list(targets(n, program.shapes[n.source.source]))
            for n in program
            if isinstance(n, (Dense, Conv))
        }
        for n in program:
            plain = not isinstance(n, (Neuron, Integrator, Readout))
            if isinstance(n, Input) or (plain and all(e.source in self.fed for e in n.edges)):
                self.fed.add(n.name)
            if static and (
                isinstance(n, Input)
                or (plain and all(e.source in self.once and not e.delay for e in n.edges))
            ):
                self.once.add(n.name)
            mixes = isinstance(n, (Pool, Join, Offset, Fold)) and any(e.source in self.sums for e in n.edges)
            if isinstance(n, (Dense, Conv, Integrator, Readout)) or mixes:
                self.sums.add(n.name)
        self.runs: list[tuple[bool, list]] = []  # nodes that run together: whether once a substep
        inside: set[str] = set()
        for n in program:
            ends = isinstance(n, Fold)
            if isinstance(n, Unfold) or (not ends and any(e.source in inside for e in n.edges)):
                inside.add(n.name)
            if not self.runs or self.runs[-1][0] != (n.name in inside or ends):
                self.runs.append((n.name in inside or ends, []))
            self.runs[-1][1].append(n)

    # ---------------------------------------------------------------- widths and names

    def places(self, name: str):
        return list(product(*map(range, self.program.shapes[name])))

    def width(self, name: str) -> int:
        n, r = self.program[name], self.proved[name]
        if isinstance(n, Integrator):
            return n.bits
        return bits(r.sum_low, r.sum_high) if name in self.sums else bits(r.low, r.high)

    def event(self, name: str) -> tuple[int, int]:
        r, size = self.proved[name], len(self.places(name))
        b = bits(0, size - 1) + (bits(r.low, r.high) if r.low < 0 or r.high > 1 else 0)
        return b, b * size

    def count(self, layer: str, cause: str, operation: str, b: int, memory: int = 0, driven: bool = False):
        self.counted[layer, cause, operation, b, memory, driven] += 1

    # ---------------------------------------------------------------- running

    def read(self, e):
        t = len(self.past) - 1 - e.delay
        return self.past[t][e.source] if t >= 0 else dict.fromkeys(self.places(e.source), 0)

    def step(self, x: np.ndarray) -> dict[str, dict]:
        self.past.append({})
        now = self.past[-1]
        for on, nodes in self.runs:  # loops go through neurons with a delay, so program order computes all
            for substep in range(self.program.substeps if on else 1):
                for n in nodes:
                    if n.name in self.once and len(self.past) > 1:
                        now[n.name] = self.past[0][n.name]
                        continue
                    now[n.name] = self.node(n, x, substep, now.get(n.name, {}))
                    if not isinstance(n, Fold) or substep == self.program.substeps - 1:
                        self.send(n, now[n.name])
        return now

    def node(self, n, x: np.ndarray, substep: int, before: dict) -> dict:
        if isinstance(n, Input):
            return {p: int(x[p]) for p in self.places(n.name)}
        if isinstance(n, (Dense, Conv)):
            return self.synapse(n)
        if isinstance(n, Neuron):
            return self.neurons(n)
        if isinstance(n, Pool):
            return self.pool(n)
        if isinstance(n, Join):
            return self.join(n)
        if isinstance(n, (Offset, Unfold, Fold)):
            return {p: self.element(n, p, v, substep, before) for p, v in self.read(n.source).items()}
        return self.keep(n)

    def element(self, n: Offset | Unfold | Fold, p, value: int, substep: int, before: dict) -> int:
        source = n.source.source
        w = self.width(source)
        self.count(n.name, "other", "read", w, w * len(self.places(source)))
        if isinstance(n, Fold) and substep == 0:
            return value
        self.count(n.name, "other", "add", self.width(n.name))
        if isinstance(n, Fold):
            return before[p] + value
        if isinstance(n, Unfold):
            return int(value > substep)
        b = bits(int(n.offset.min()), int(n.offset.max()))
        self.count(n.name, "other", "read", b, b * n.offset.size)
        return value + int(n.offset[p])

    def synapse(self, n):
        source, size = n.source.source, len(self.places(n.name))
        fed, r, w = n.name in self.fed, self.proved[n.source.source], self.width(n.name)
        cause = (lambda c: "input") if fed else (lambda c: c)
        stored = bits(int(n.weight.min()), int(n.weight.max()))
        multiplies = r.low < -1 or r.high > 1
        address = bits(0, size - 1)
        sums = {}
        for p in self.places(n.name):
            sums[p] = 0
            self.count(n.name, cause("states"), "write", w, w * size)
        values = self.read(n.source)
        for value in values.values():
            if value:
                self.count(n.name, cause("spikes"), "read", *self.event(source), not fed)
                for operation in ("add", "add", "multiply", "multiply") if isinstance(n, Conv) else ():
                    self.count(n.name, cause("spikes"), operation, address, 0, not fed)
        for p, to, weight in self.connections[n.name]:
            if not values[p]:
                continue
            self.count(n.name, cause("spikes"), "add", address, 0, not fed)
            self.count(n.name, cause("weights"), "read", stored, stored * n.weight.size, not fed)
            if multiplies:
                self.count(n.name, cause("adds"), "multiply", max(stored, bits(r.low, r.high)), 0, not fed)
            if not (fed and multiplies):
                self.count(n.name, cause("states"), "read", w, w * size, not fed)
                self.count(n.name, cause("states"), "write", w, w * size, not fed)
            self.count(n.name, cause("adds"), "add", w, 0, not fed)
            sums[to] += weight * values[p]
        return sums

    def neurons(self, n: Neuron):
        currents = self.read(n.source)
        source = n.source.source
        codecs = {s.name: n.body.codec(s.name) for s in n.body.states}
        word = sum(c.bits for c in codecs.values())
        after = any(c.stores == "after reset" for c in codecs.values())
        word += bits(0, n.body.spikes) if after else 0
        sent = {}
        for p in self.places(n.name):
            here = self.width(source)
            self.count(n.name, "states", "read", here, here * len(self.places(source)))
            self.count(n.name, "states", "read", word, word * len(self.places(n.name)))
            codes, last = self.codes.get((n.name, p), ({s: c.rest for s, c in codecs.items()}, 0))
            new, spike = self.update(n, p[0], currents[p], codes, last, after)
            self.codes[n.name, p] = new, spike
            self.count(n.name, "states", "write", word, word * len(self.places(n.name)))
            sent[p] = spike
        return sent

    def update(self, n: Neuron, channel: int, current: int, codes, last: int, after: bool):
        body, r = n.body, self.proved[n.name]
        needed, stack = set(), [*body.stores, body.spike]
        while stack:
            k = stack.pop()
            if k not in needed:
                needed.add(k)
                i = body.instructions[k]
                stack += i.args[:-1] if i.op == "lookup" else i.args
        v: dict[int, int] = {}

        def span(k: int) -> int:
            return bits(int(r.steps[k][0].min()), int(r.steps[k][1].max()))

        def entry(name: str, *at: int) -> int:
            values = n.parameters[name]
            b = bits(int(values.min()), int(values.max()))
            self.count(n.name, "neurons", "read", b, b * values.size)
            return int(values[(channel, *at)])

        def does(operation: str, b: int) -> None:
            self.count(n.name, "neurons", operation, b)

        for k in sorted(needed):
            i = body.instructions[k]
            a = [v.get(j, 0) for j in i.args]
            wide = max([span(j) for j in (k, *i.args) if i.op not in ("lookup", "encode", "decode")] + [1])
            if i.op in ("add", "sub", "min", "max", "ge", "gt"):
                does("add", wide)
                v[k] = {
                    "add": a[0] + a[1], "sub": a[0] - a[1], "min": min(a), "max": max(a),
                    "ge": int(a[0] >= a[1]), "gt": int(a[0] > a[1]),
                }[i.op]  # fmt: skip
            elif i.op == "mul":
                v[k] = a[0] * a[1]
                masks = any(r.steps[j][0].min() >= 0 and r.steps[j][1].max() <= 1 for j in i.args)
                constants = [
                    n.parameters[body.instructions[j].name]
                    for j in i.args
                    if body.instructions[j].op == "parameter"
                ]
                powers = [c for c in constants if all(bin(abs(int(x))).count("1") == 1 for x in c)]
                if masks:
                    continue
                if not powers:
                    does("multiply", wide)
                elif powers[0].min() < 0:
                    does("add", wide)
            elif i.op == "shl":
                v[k] = a[0] * 2 ** a[1]
            elif i.op == "shr":
                v[k] = a[0] // 2 ** a[1]
            elif i.op == "select":
                v[k] = a[1] if a[0] else a[2]
            elif i.op == "cut":
                v[k] = a[0]
            elif i.op == "current":
                v[k] = current
            elif i.op == "state":
                v[k] = codes[i.name]
            elif i.op == "prev":
                for _ in range(0 if after else body.spikes):
                    does("add", sum(body.codec(s.name).bits for s in body.states))
                v[k] = last
            elif i.op == "parameter":
                v[k] = entry(i.name)
            elif i.op == "constant":
                v[k] = int(i.immediate)
            elif i.op == "lookup":
                at = a[0] - body.codec(body.instructions[i.args[0]].name).low
                v[k] = entry(i.name, at) if len(i.args) == 2 else entry(i.name, a[1], at)
            elif i.op == "decode":
                table = isinstance(body.codec(i.name), Table)
                v[k] = (
                    entry(f"{i.name}.levels", a[0])
                    if table
                    else a[0] * 2 ** int(n.parameters[f"{i.name}.shift"][channel])
                )
            else:
                assert i.op == "encode", i.op
                v[k] = self.encode(n, i, channel, a[0], span(i.args[0]), entry, does)
        return {s.name: v[k] for s, k in zip(body.states, body.stores, strict=True)}, v[body.spike]

    def encode(self, n, i, channel, x, wide, entry, does) -> int:
        codec = n.body.codec(i.name)
        if isinstance(codec, Table):
            low, high = 0, codec.high  # the code is in low..high: halve until it is one
            while low < high:
                middle = (low + high + 1) // 2
                does("add", wide)
                if x >= entry(f"{i.name}.boundaries", middle - 1):
                    low = middle
                else:
                    high = middle - 1
            return low
        shift = int(n.parameters[f"{i.name}.shift"][channel])
        if n.parameters[f"{i.name}.shift"].any():
            does("add", wide)
        code = (x + 2**shift // 2) // 2**shift
        if codec.wraps:
            return (code - codec.low) % 2**codec.bits + codec.low
        top = entry(f"{i.name}.high") if codec.has_top else codec.high
        does("add", wide)
        does("add", wide)
        return min(max(code, codec.low), top)

    def pool(self, n: Pool):
        values, source = self.read(n.source), n.source.source
        size, w = len(self.places(source)), self.width(source)
        made = {}
        for c, p, q in self.places(n.name):
            window = []
            for i, j in product(range(n.size[0]), range(n.size[1])):
                self.count(n.name, "other", "read", w, w * size)
                window.append(values[c, p * n.stride[0] + i, q * n.stride[1] + j])
            for _ in window[1:]:
                self.count(n.name, "other", "add", self.width(n.name))
            least = n.minimum is not None and n.minimum[c]
            made[c, p, q] = sum(window) if n.kind == "sum" else min(window) if least else max(window)
        return made

    def join(self, n: Join):
        sources, made = [self.read(e) for e in n.sources], {}
        for p in self.places(n.name):
            values = []
            for e, s in zip(n.sources, sources, strict=True):
                w = self.width(e.source)
                self.count(n.name, "other", "read", w, w * len(self.places(e.source)))
                values.append(s[p])
            for _ in values[1:]:
                self.count(n.name, "other", "add", self.width(n.name) if n.kind == "add" else 1)
            shifts = n.shifts or (0,) * len(values)
            on = [v > 0 for v in values]
            made[p] = {
                "add": sum(v * 2**k for v, k in zip(values, shifts, strict=True)),
                "and": int(all(on)),
                "iand": int(not on[0] and on[-1]),
            }[n.kind]
        return made

    def keep(self, n: Integrator | Readout):
        values, made = self.read(n.source), {}
        last = isinstance(n, Readout) and n.kind == "last"
        for p in self.places(n.name):
            if last and len(self.past) < self.timesteps:
                continue
            here, w, size = self.width(n.source.source), self.width(n.name), len(self.places(n.name))
            self.count(n.name, "other", "read", here, here * size)
            made[p] = values[p]
            if not last:
                self.count(n.name, "other", "read", w, w * size)
                self.count(n.name, "other", "add", w)
                self.count(n.name, "other", "write", w, w * size)
                before = self.kept.get((n.name, p))
                if before is not None:
                    greatest = isinstance(n, Readout) and n.kind == "maximum"
                    made[p] = max(before, values[p]) if greatest else before + values[p]
                self.kept[n.name, p] = made[p]
        return made

    def send(self, n, values) -> None:
        name, fed = n.name, n.name in self.fed
        read_by = [m for m in self.program if any(e.source == name for e in m.edges)]
        if any(isinstance(m, (Dense, Conv)) for m in read_by) and not isinstance(n, Input):
            for value in values.values():
                if value:
                    self.count(name, "input" if fed else "spikes", "write", *self.event(name), not fed)
        whole = any(not isinstance(m, (Dense, Conv)) for m in read_by)
        if whole and isinstance(n, (Neuron, Pool, Join, Offset, Unfold, Fold)):
            w = self.width(name)
            for _ in values:
                cause = "spikes" if isinstance(n, Neuron) else "other"
                self.count(name, cause, "write", w, w * len(values))
