"""A program as a JSON document and named arrays, and back: format version 1.

The document holds everything but the numbers of arrays. Arrays are found by name: `node/weight`,
`node/minimum`, `node/offset`, `node/<parameter>`, and `name@unit` for units; a node's name holds neither `/` nor `@`.
The tables below name what each class stores; the classes and `ir.check` know the rules between the values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import IntspikeError
from ..ops import Body, Instruction
from ..ops.codec import Codec, State, Table, Uniform
from ..ops.surrogate import Surrogate
from .container import Flaw, must, shown
from .fields import BOOLEAN, NAME, REAL, Kind, integer, keyed, listed, one_of, read, text, write
from .nodes import (
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
    Readout,
    Unfold,
)
from .program import Program

VERSION = 1
_SIZE = integer(-(1 << 31), 1 << 31)  # `check` knows the narrower ranges
_INDEX = integer(0, 1 << 16)
_PAIR = listed(_SIZE, 2, 2)
_STORES = one_of("after reset", "before reset")


def _read_edge(what: str, x: Any) -> Edge:
    must(isinstance(x, list) and len(x) == 2, f"{what} must be a name and a delay, not {shown(x)}")
    return Edge(NAME.read(what, x[0]), _INDEX.read(what, x[1]))


_EDGE = Kind(_read_edge, lambda e: [e.source, operator.index(e.delay)])

_SURROGATES: Mapping[str, type[Surrogate]] = {c.__name__: c for c in get_args(Surrogate)}
_CODECS: Mapping[str, tuple[type[Codec], Mapping[str, Kind]]] = {
    "table": (Table, {"bits": _INDEX, "rest": _INDEX, "stores": _STORES}),
    "uniform": (
        Uniform,
        {"bits": _INDEX, "low": _SIZE, "overflow": one_of("saturate", "wrap"), "stores": _STORES},
    ),
}
_NODES: Mapping[str, tuple[type[Node], Mapping[str, Kind]]] = {
    "input": (Input, {"shape": listed(_SIZE, 1, 8), "low": _SIZE, "high": _SIZE}),
    "dense": (Dense, {"source": _EDGE}),
    "conv": (Conv, {"source": _EDGE, "stride": _PAIR, "padding": _PAIR, "groups": _SIZE}),
    "pool": (Pool, {"source": _EDGE, "kind": one_of("max", "sum", "or"), "size": _PAIR, "stride": _PAIR}),
    "join": (
        Join,
        {
            "sources": listed(_EDGE, 2, 1024),
            "kind": one_of("add", "and", "iand"),
            "shifts": listed(_INDEX, 0, 1024),
        },
    ),
    "offset": (Offset, {"source": _EDGE}),
    "unfold": (Unfold, {"source": _EDGE, "substeps": _INDEX}),
    "fold": (Fold, {"source": _EDGE}),
    "neuron": (Neuron, {"source": _EDGE}),
    "integrator": (Integrator, {"source": _EDGE, "bits": _INDEX}),
    "readout": (Readout, {"source": _EDGE, "kind": one_of("count", "last", "maximum")}),
}
# what a node stores of its arrays: nothing, whether there is one, or which body names them
_EXTRA: Mapping[str, Mapping[str, Kind]] = {"pool": {"minimum": BOOLEAN}, "neuron": {"body": _INDEX}}
_BODY: Mapping[str, Kind] = {
    "stores": listed(_INDEX, 1, 16),
    "membranes": listed(_INDEX, 1, 16),
    "reads": listed(_INDEX, 1, 16),
    "spike": _INDEX,
    "spikes": _INDEX,
    "reset": one_of("subtract", "zero", "none"),
    "strict": BOOLEAN,
}
_ARGS = listed(_INDEX, 0, 3)
_IMMEDIATE = integer(-(1 << 53), 1 << 53)  # what a float64 holds exactly
_OP = text(16)
_NOTE = text(10_000)
_MOST_NOTES = 100


# ---------------------------------------------------------------- writing


def document(program: Program) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The JSON document of a program and its arrays by name.

    Raises:
        Flaw: an array that is empty, or does not hold integers (units: finite numbers).
    """
    arrays: dict[str, NDArray[Any]] = {}
    bodies: dict[Body, int] = {}  # layers with one body share it
    nodes: list[dict[str, Any]] = []
    for n in program.nodes:
        type_, kinds = next((name, kinds) for name, (cls, kinds) in _NODES.items() if isinstance(n, cls))
        node = {"type": type_, "name": n.name, **write(n, kinds)}
        if isinstance(n, (Dense, Conv)):
            arrays[f"{n.name}/weight"] = _integers(n.name, n.weight)
        elif isinstance(n, Offset):
            arrays[f"{n.name}/offset"] = _integers(n.name, n.offset)
        elif isinstance(n, Pool):
            node["minimum"] = n.minimum is not None
            if n.minimum is not None:
                arrays[f"{n.name}/minimum"] = _integers(n.name, n.minimum)
        elif isinstance(n, Neuron):
            node["body"] = bodies.setdefault(n.body, len(bodies))
            arrays |= {f"{n.name}/{p}": _integers(n.name, n.parameters[p]) for p in n.body.parameters}
        nodes.append(node)
    for name, a in program.units.items():
        unit = np.asarray(a, np.float64)
        must(unit.size and np.isfinite(unit).all(), f"the unit of {shown(name)} must be finite numbers")
        arrays[f"{name}@unit"] = unit
    made = {
        "version": VERSION,
        "nodes": nodes,
        "bodies": [_write_body(b) for b in bodies],
        "units": sorted(program.units),
        "notes": dict(program.notes),
    }
    return made, arrays


def _integers(name: str, a: Any) -> NDArray[Any]:
    a = np.asarray(a)
    must(
        a.size and a.dtype.kind in "iub", f"an array of {name} must hold integers, not {a.size} of {a.dtype}"
    )
    return a.astype(np.int64, copy=False)


def _write_body(body: Body) -> dict[str, Any]:
    states: list[dict[str, Any]] = []
    for s in body.states:
        codec = body.codec(s.name)
        type_, kinds = next((name, kinds) for name, (cls, kinds) in _CODECS.items() if isinstance(codec, cls))
        states.append({"name": s.name, "type": type_, **write(codec, kinds)})
    return {
        "instructions": [[i.op, _ARGS.write(i.args), i.name, int(i.immediate)] for i in body.instructions],
        "states": states,
        **write(body, _BODY),
        "surrogate": {"type": type(body.surrogate).__name__, "slope": float(body.surrogate.slope)},
    }


# ---------------------------------------------------------------- reading


def program_parts(
    given: Any, arrays: Mapping[str, NDArray[Any]]
) -> tuple[tuple[Node, ...], dict[str, NDArray[Any]], dict[str, str]]:
    """The nodes, units and notes of a document and its arrays, of which only names and kinds are looked at.

    Raises:
        Flaw: a key, a value or an array that the format does not have, or does not have there.
    """
    keyed("the document", given, ("version", "nodes", "bodies", "units", "notes"))
    left = dict(arrays)

    def take(name: str, kind: str = "integers") -> NDArray[Any]:
        must(name in left, f"the array {shown(name)} is missing")
        a = left.pop(name)
        must((a.dtype.kind == "f") == (kind == "reals"), f"the array {shown(name)} must hold {kind}")
        return a

    try:
        bodies = [_read_body(f"body {k}", b) for k, b in enumerate(_items("bodies", given["bodies"]))]
        nodes = tuple(
            _read_node(f"node {k}", n, bodies, take) for k, n in enumerate(_items("nodes", given["nodes"]))
        )
    except IntspikeError as error:  # of a codec, a surrogate, or a body that names no codec
        raise Flaw(f"it breaks a rule of programs: {str(error)[:500]}") from error
    used = {id(n.body) for n in nodes if isinstance(n, Neuron)}
    must(all(id(b) in used for b in bodies), "a body belongs to no neuron")
    names = [NAME.read("a unit", name) for name in _items("units", given["units"])]
    must(names == sorted(set(names)), "the names of units must be sorted and differ")
    units = {name: take(f"{name}@unit", "reals") for name in names}
    must(not left, f"the array {shown(next(iter(left), None))} belongs to nothing")
    notes = given["notes"]
    must(isinstance(notes, dict) and len(notes) <= _MOST_NOTES, f"notes must be at most {_MOST_NOTES} texts")
    return nodes, units, {_NOTE.read("a note", k): _NOTE.read("a note", v) for k, v in notes.items()}


def _items(what: str, x: Any) -> Sequence[Any]:
    must(isinstance(x, list), f"{what} must be a list, not {shown(x)}")
    return x


def _typed(what: str, x: Any, known: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type that an object names, and its other values."""
    must(isinstance(x, dict) and "type" in x, f"{what} must be an object with a type, not {shown(x)}")
    return one_of(*known).read(f"the type of {what}", x["type"]), {k: v for k, v in x.items() if k != "type"}


def _read_node(what: str, x: Any, bodies: Sequence[Body], take: Callable[[str], NDArray[Any]]) -> Node:
    type_, rest = _typed(what, x, _NODES)
    cls, kinds = _NODES[type_]
    values = read(what, rest, {"name": NAME, **kinds, **_EXTRA.get(type_, {})})
    name = values["name"]
    if cls in (Dense, Conv):
        values["weight"] = take(f"{name}/weight")
    elif cls is Offset:
        values["offset"] = take(f"{name}/offset")
    elif cls is Pool:
        values["minimum"] = take(f"{name}/minimum") if values["minimum"] else None
    elif cls is Neuron:
        must(values["body"] < len(bodies), f"{what} has body {values['body']} of {len(bodies)}")
        body = bodies[values["body"]]
        values["body"], values["parameters"] = body, {p: take(f"{name}/{p}") for p in body.parameters}
    return cls(**values)


def _read_body(what: str, x: Any) -> Body:
    given = keyed(what, x, ("instructions", "states", "surrogate", *_BODY))
    values = read(what, {key: given[key] for key in _BODY}, _BODY)
    name, rest = _typed(f"the surrogate of {what}", given["surrogate"], _SURROGATES)
    return Body(
        instructions=tuple(_instruction(what, i) for i in _items("instructions", given["instructions"])),
        states=tuple(_state(f"a state of {what}", s) for s in _items("states", given["states"])),
        surrogate=_SURROGATES[name](**read("a surrogate", rest, {"slope": REAL})),
        **values,
    )


def _instruction(what: str, x: Any) -> Instruction:
    what = f"an instruction of {what}"
    must(isinstance(x, list) and len(x) == 4, f"{what} must be op, args, name and immediate, not {shown(x)}")
    name = NAME.read(what, x[2]) if x[2] != "" else ""
    return Instruction(_OP.read(what, x[0]), _ARGS.read(what, x[1]), name, _IMMEDIATE.read(what, x[3]))


def _state(what: str, x: Any) -> State:
    type_, rest = _typed(what, x, _CODECS)
    cls, kinds = _CODECS[type_]
    values = read(what, rest, {"name": NAME, **kinds})
    return State(values.pop("name"), cls(**values))
