"""NIR graphs as plain data: read from files that are not trusted, or taken from the `nir` package's objects.

A file is HDF5, so it may point elsewhere, claim any size, or be wired in a circle; see `data.hdf5`. Nothing but named
fields of known nodes is read. Format: NIR 1.0 (neuroir.org), a group "node" of type NIRGraph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..data.hdf5 import Hdf5, opened
from ..errors import BadData

MAX_NUMBERS, MAX_NODES, MAX_DEPTH = 1 << 28, 10_000, 8
METADATA = "metadata"
INSIDE = "/"  # no name of a file has it
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Affine": ("weight", "bias"),
    "AvgPool2d": ("kernel_size", "stride", "padding"),
    "Conv1d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "Conv2d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "w_in"),
    "Delay": ("delay",),
    "Flatten": ("start_dim", "end_dim"),
    "I": ("r",),
    "IF": ("r", "v_threshold"),
    "Input": ("shape",),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold"),
    "Linear": ("weight",),
    "Output": ("shape",),
    "Scale": ("scale",),
    "SumPool2d": ("kernel_size", "stride", "padding"),
    "Threshold": ("threshold",),
}
_OPTIONAL = ("v_reset", "input_type")
_TEXT = ("padding",)  # a word in some files


@dataclass(frozen=True, eq=False)
class Node:
    """A node: its type and its fields, numbers as arrays, words as text."""

    kind: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph without graphs inside: those are joined in, as outer/inner.

    Attributes:
        where: the file, or what it was given as; errors name it.
        nodes, edges: nodes by name, and pairs of names.
        metadata: of the whole graph, arrays and text.
        version: of NIR, where it is known.
    """

    where: str
    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str = ""


def read(path: Path | str) -> Graph:
    """The graph of a file.

    Raises:
        BadData: no NIR file, a hostile or damaged one, fields that are missing.
    """
    path = Path(path)
    if not path.is_file():
        raise BadData(
            f"{path} must be a NIR file, but {'is a folder' if path.is_dir() else 'does not exist'}"
        )
    with opened(path) as file:
        tree = _Reader(file).group("node", 0)
        version = file.text("version")[0] if "version" in file.file else ""
    return _graph(str(path), tree, version)


def of(graph: Any) -> Graph:
    """The graph of a `nir.NIRGraph`, or of a file."""
    if isinstance(graph, Graph):
        return graph
    if isinstance(graph, (str, Path)):
        return read(graph)
    if not hasattr(graph, "to_dict"):
        raise BadData(f"a NIR graph must be a nir.NIRGraph or the path of a file, not {type(graph).__name__}")
    return _graph("the graph", graph.to_dict(), "")


class _Reader:
    """Groups of a file as dictionaries, with one bound on everything that is read."""

    def __init__(self, file: Hdf5):
        self.file, self.left, self.names = file, MAX_NUMBERS, MAX_NODES * 16

    def group(self, name: str, depth: int) -> dict[str, Any]:
        import h5py

        found = self.file.own(name)
        if not isinstance(found, h5py.Group) or depth > MAX_DEPTH:
            raise BadData(
                f"{name} in {self.file.path} must be a group in a tree of at most {MAX_DEPTH} levels, not a data set "
                "or a circle; write the graph with the nir package"
            )
        self.names -= len(found)
        if self.names < 0:
            raise BadData(f"{self.file.path} must have at most {MAX_NODES:,} nodes")
        made: dict[str, Any] = {}
        for key in found:
            below = f"{name}/{key}"
            made[str(key)] = (
                self.group(below, depth + 1)
                if isinstance(self.file.own(below), h5py.Group)
                else self.data(below)
            )
        return made

    def data(self, name: str) -> Any:
        import h5py

        found = self.file.own(name)
        if h5py.check_string_dtype(found.dtype) is not None:
            words = self.file.text(name)
            return words[0] if found.shape == () else np.array(words, dtype=object).reshape(found.shape)
        if found.dtype.kind not in "iufb" or found.shape is None:
            raise BadData(f"{name} in {self.file.path} must be numbers or text, but is {found.dtype}")
        self.left -= int(found.size)
        if self.left < 0:
            raise BadData(
                f"{self.file.path} must have at most {MAX_NUMBERS:,} numbers in all, but {name} goes beyond"
            )
        return np.asarray(found[()])


def _graph(where: str, tree: Mapping[str, Any], version: str) -> Graph:
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    _join(where, tree, "", nodes, edges, 0)
    if not nodes:
        raise BadData(f"{where} must have nodes, but has none")
    for a, b in edges:
        for end in (a, b):
            if end not in nodes:
                raise BadData(f"{where}: the edge {a!r} -> {b!r} must join two nodes, but {end!r} is none")
    metadata = tree.get(METADATA)
    return Graph(
        where, nodes, tuple(dict.fromkeys(edges)), metadata if isinstance(metadata, Mapping) else {}, version
    )


def _join(
    where: str,
    tree: Mapping[str, Any],
    prefix: str,
    nodes: dict[str, Node],
    edges: list[tuple[str, str]],
    depth: int,
) -> None:
    """Take the nodes of a graph in; an inner graph is entered at its inputs and left at its outputs."""
    inside, given = tree.get("nodes"), tree.get("edges", ())
    if tree.get("type") != "NIRGraph" or not isinstance(inside, Mapping) or depth > MAX_DEPTH:
        raise BadData(f"{where} must hold a NIRGraph with nodes, but holds {tree.get('type', 'none')!r}")
    enter: dict[str, list[str]] = {}
    leave: dict[str, list[str]] = {}
    for key, node in inside.items():
        name, kind = prefix + str(key), node.get("type") if isinstance(node, Mapping) else None
        if kind == "NIRGraph":
            _join(where, node, name + INSIDE, nodes, edges, depth + 1)
            own = [
                n
                for n in nodes
                if n.startswith(name + INSIDE) and INSIDE not in n.removeprefix(name + INSIDE)
            ]
            enter[name] = [n for n in own if nodes[n].kind == "Input"]
            leave[name] = [n for n in own if nodes[n].kind == "Output"]
        else:
            nodes[name] = _node(where, name, kind, node)
    pairs = given.tolist() if isinstance(given, np.ndarray) else list(given)
    for pair in pairs:
        if len(pair) != 2:
            raise BadData(f"{where}: an edge must be two names, not {pair!r}")
        a, b = (prefix + (x.decode() if isinstance(x, bytes) else str(x)) for x in pair)
        edges += [(x, y) for x in leave.get(a, [a]) for y in enter.get(b, [b])]


def _node(where: str, name: str, kind: Any, given: Any) -> Node:
    if kind not in FIELDS:
        raise BadData(
            f"{where}: the node {name!r} must be one of {', '.join(sorted(FIELDS))}, not {kind!r}; "
            "update intspike, or write the graph without it"
        )
    fields: dict[str, Any] = {}
    for f in FIELDS[kind] + _OPTIONAL:
        value = given.get(f)
        if value is None:
            if f in FIELDS[kind] and (kind, f) not in (("Conv2d", "bias"), ("Conv1d", "bias")):
                raise BadData(f"{where}: the node {name!r} ({kind}) must have the field {f}, but has not")
            continue
        if isinstance(value, Mapping):  # the type of an Input, as objects have it
            value = next(iter(value.values()), None)
        if isinstance(value, (str, bytes)) and f in _TEXT:
            fields[f] = value.decode() if isinstance(value, bytes) else value
            continue
        a = np.asarray(value)
        if a.dtype.kind not in "iufb" or (f != "input_type" and not a.size):
            raise BadData(f"{where}: {f} of the node {name!r} ({kind}) must be numbers, not {a.dtype}")
        if a.dtype.kind == "f" and not np.isfinite(a).all():
            raise BadData(
                f"{where}: {f} of the node {name!r} ({kind}) must be finite, but holds NaN or infinity; a time "
                "constant of infinity (a leak of 1) must be written as IF"
            )
        fields[f] = a
    return Node(kind, fields)
