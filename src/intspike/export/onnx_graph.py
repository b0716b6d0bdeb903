"""A growing ONNX graph: nodes by their operator, constants once each, and a neuron's body on int64 tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NotLowerable
from ..ir import Neuron
from ..ops import Body, Instruction
from ..ops.codec import Table
from ..ops.interpret import forward_roots, live
from ..ops.table import OPS

INT64 = 7  # TensorProto.INT64
FLOAT, BOOL = 1, 9
_PLAIN = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "min": "Min",
    "max": "Max",
    "abs": "Abs",
    "cut": "Identity",
}


class Graph:
    """Nodes and constants of a graph; every name is a number.

    Args:
        onnx: the package.
    """

    def __init__(self, onnx: Any):
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._done: dict[tuple[Any, ...], str] = {}

    def constant(self, value: Any, kind: Any = np.int64) -> str:
        """The name of a constant; equal ones are one."""
        a = np.array(value, kind, order="C")  # which leaves numbers without dimensions
        key = (a.dtype.str, a.shape, a.tobytes())
        if key not in self._known:
            self._known[key] = f"c{len(self._known)}"
            self.constants.append(self.onnx.numpy_helper.from_array(a, self._known[key]))
        return self._known[key]

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """The name of a node's output; a node that exists already is taken."""
        key = (op, inputs, tuple(sorted((k, str(v)) for k, v in attributes.items())))
        if key not in self._done:
            self._done[key] = f"v{len(self._done)}"
            self.nodes.append(self.onnx.helper.make_node(op, list(inputs), [self._done[key]], **attributes))
        return self._done[key]

    def cast(self, x: str, kind: int) -> str:
        return self.node("Cast", x, to=kind)

    def floor_divide(self, x: str, by: str) -> str:
        """floor(x / by) of integers, by > 0: ONNX divides towards 0, its remainder has the divisor's sign."""
        return self.node("Div", self.node("Sub", x, self.node("Mod", x, by)), by)

    def neuron(
        self, n: Neuron, shape: tuple[int, ...], current: str, codes: Mapping[str, str], prev: str
    ) -> tuple[dict[str, str], str]:
        """One timestep of a layer: the next codes of its states, and its output."""
        values = _Step(self, n, shape, current, codes, prev).run()
        body = n.body
        stored = {s.name: values[k] for s, k in zip(body.states, body.stores, strict=True)}
        return stored, values[body.spike]


class _Step:
    """A body's instructions as nodes; see `ops.interpret` for what each means."""

    def __init__(
        self,
        graph: Graph,
        n: Neuron,
        shape: tuple[int, ...],
        current: str,
        codes: Mapping[str, str],
        prev: str,
    ):
        self.g, self.n, self.body = graph, n, n.body
        self.shape, self.current, self.codes, self.prev = shape, current, codes, prev
        self.known: dict[int, NDArray[np.int64]] = {}  # instructions whose value is a constant per channel

    def per_channel(self, row: Any) -> NDArray[np.int64]:
        """[C] against neurons [B, C, ...]; a table [C, K] against [B, C, ..., K]."""
        a = np.asarray(row, np.int64)
        return a.reshape(len(a), *(1,) * (len(self.shape) - 1), *a.shape[1:])

    def run(self) -> dict[int, str]:
        body: Body = self.body
        values: dict[int, str] = {}
        for k in live(body, *forward_roots(body), *body.membranes):
            i = body.instructions[k]
            if i.op == "parameter":
                self.known[k] = self.per_channel(self.n.parameters[i.name])
            elif i.op == "constant":
                self.known[k] = np.asarray(int(i.immediate), np.int64)
            values[k] = self.value(k, i, [values.get(a, "") for a in i.args])
        return values

    def value(self, k: int, i: Instruction, args: Sequence[str]) -> str:
        g = self.g
        if k in self.known:
            return g.constant(self.known[k])
        match i.op:
            case "current":
                return self.current
            case "state":
                return self.codes[i.name]
            case "prev":
                return self.prev
            case "ge" | "gt":
                return g.cast(g.node("GreaterOrEqual" if i.op == "ge" else "Greater", *args), INT64)
            case "select":
                return g.node("Where", g.cast(args[0], BOOL), args[1], args[2])
            case "shl":
                return g.node("Mul", args[0], g.constant(np.int64(1) << self.amount(i)))
            case "shr":
                return g.floor_divide(args[0], g.constant(np.int64(1) << self.amount(i)))
            case "wrap":
                low, bits = (int(self.known[a]) for a in i.args[1:])
                return self.wrapped(args[0], low, bits)
            case "lookup":
                return self.lookup(i, args)
            case "encode":
                return self.encode(i.name, args[0])
            case "decode":
                return self.decode(i.name, args[0])
            case _ if i.op in _PLAIN:
                return g.node(_PLAIN[i.op], *args)
            case _:
                assert i.op in OPS
                raise NotLowerable(f"{self.n.name}: the op {i.op} has no integer form in ONNX")

    def amount(self, i: Instruction) -> NDArray[np.int64]:
        if i.args[1] not in self.known:
            raise NotLowerable(f"{self.n.name}: ONNX must shift by constants, not by values")
        return self.known[i.args[1]]

    def wrapped(self, x: str, low: int, bits: int) -> str:
        g = self.g
        above = g.node("Mod", g.node("Sub", x, g.constant(low)), g.constant(1 << bits))
        return g.node("Add", above, g.constant(low))

    def pick(self, table: NDArray[np.int64], code: str, row: str | None = None) -> str:
        """table[c, (row,) code] of every neuron, read from the flat table."""
        g, entries = self.g, table.shape[-1]
        first = np.arange(len(table)) * int(np.prod(table.shape[1:]))
        at = g.node("Add", code, g.constant(self.per_channel(first)))
        if row is not None:
            at = g.node("Add", at, g.node("Mul", row, g.constant(entries)))
        return g.node("Gather", g.constant(table.ravel()), at, axis=0)

    def lookup(self, i: Instruction, args: Sequence[str]) -> str:
        codec = self.body.codec(self.body.instructions[i.args[0]].name)
        code = args[0] if codec.low == 0 else self.g.node("Sub", args[0], self.g.constant(codec.low))
        return self.pick(self.n.parameters[i.name], code, args[1] if len(i.args) == 3 else None)

    def encode(self, state: str, x: str) -> str:
        g, codec, p = self.g, self.body.codec(state), self.n.parameters
        if isinstance(codec, Table):
            edges = self.per_channel(p[f"{state}.boundaries"])
            above = g.node("GreaterOrEqual", g.node("Unsqueeze", x, g.constant([-1])), g.constant(edges))
            return g.node("ReduceSum", g.cast(above, INT64), g.constant([-1]), keepdims=0)
        shift = self.per_channel(p[f"{state}.shift"])
        size = np.int64(1) << shift
        code = g.floor_divide(g.node("Add", x, g.constant(size >> 1)), g.constant(size))
        if codec.overflow == "wrap":
            return self.wrapped(code, codec.low, codec.bits)
        top = self.per_channel(p[f"{state}.high"]) if codec.has_top else np.int64(codec.high)
        return g.node("Max", g.node("Min", code, g.constant(top)), g.constant(codec.low))

    def decode(self, state: str, code: str) -> str:
        p = self.n.parameters
        if isinstance(self.body.codec(state), Table):
            return self.pick(p[f"{state}.levels"], code)
        return self.g.node("Mul", code, self.g.constant(np.int64(1) << self.per_channel(p[f"{state}.shift"])))
