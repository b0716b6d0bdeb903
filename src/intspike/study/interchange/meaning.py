"""What a NIR file means, what it leaves open, and what tools read differently."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ...errors import IntspikeError, NotImportable
from ...interop import from_nir
from ...interop.nir_file import Graph, Node, read
from ...interop.nir_program import program_in
from ...ir.artifact import content_hash
from ..folder import clear_disk_errors, write_json
from ..report.content import Table
from ..terminal import drawn, print_object

console = Console()


@dataclass(frozen=True)
class Meaning:
    """A NIR file, explained.

    Attributes:
        file, version: which.
        nodes: name, type, what it says.
        open: what the file does not say, and who reads it how.
        program: hash of the integer program that it carries; empty where it carries none.
        imports: why `intspike import` refuses it; empty where it does not.
    """

    file: str
    version: str
    nodes: tuple[tuple[str, str, str], ...]
    open: tuple[tuple[str, str, str], ...]
    program: str
    imports: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    def tables(self) -> list[Table]:
        nodes = Table(
            f"{self.file}, NIR {self.version}".rstrip(),
            ("node", "type", "says"),
            [list(r) for r in self.nodes],
        )
        heads = ("node", "not said", "read as")
        return (
            [nodes, Table("What it leaves open", heads, [list(r) for r in self.open])]
            if self.open
            else [nodes]
        )


_READINGS = {
    "timestep": ("the timestep", "an argument of intspike; snnTorch writes with 1e-4 s"),
    "euler": ("how time is made discrete", "intspike and snnTorch: 1 - dt/tau; exp(-dt/tau) if asked for"),
    "reset": (
        "whether a spike subtracts or sets v_reset",
        "the equations say v = v_reset; snnTorch writes the same file for both",
    ),
    "order": (
        "whether the reset comes before the leak",
        "intspike, Norse: before; snnTorch: one timestep later",
    ),
    "compare": (
        "v > or >= v_threshold at the timestep",
        "the equations and snnTorch: >; SpikingJelly, lava-dl: >=",
    ),
    "flatten": ("whether dimension 0 is the batch", "the definition: no; some exporters count it"),
    "v_reset": ("v_reset, which older files lack", "0 in the nir package; other tools subtract"),
}


def explain(path: Path, as_json: bool, out: Path | None) -> None:
    """Print what a file means; a file that cannot be imported ends with the reason.

    Raises:
        NotImportable: nodes without an equal here, after everything was printed.
    """
    found = meaning(path)
    if out is not None:
        with clear_disk_errors(out, keeps=False):
            write_json(out, found.to_dict())
    if as_json:
        print_object(found.to_dict())
    else:
        for table in found.tables():
            console.print(drawn(table))
        if found.program:
            console.print(
                f"It carries an integer program of intspike, {found.program[:16]}: intspike import {path}",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
    if found.imports:
        raise NotImportable(found.imports)


def meaning(path: Path) -> Meaning:
    """Explain a file.

    Raises:
        BadData: no NIR file, or a hostile or damaged one.
    """
    graph = read(path)
    program = program_in(graph)
    found: list[tuple[str, str, str]] = []
    neurons = [n for n, x in graph.nodes.items() if x.kind in ("LIF", "IF", "CubaLIF")]
    if any(x.kind in ("LIF", "CubaLIF", "LI", "CubaLI", "IF", "I") for x in graph.nodes.values()):
        found.append(("all", *_READINGS["timestep"]))
    if any(f.startswith("tau") for x in graph.nodes.values() for f in x.fields):
        found.append(("all", *_READINGS["euler"]))
    for name in neurons:
        found += [(name, *_READINGS[k]) for k in ("reset", "order", "compare")]
        if "v_reset" not in graph.nodes[name].fields:
            found.append((name, *_READINGS["v_reset"]))
    found += [(n, *_READINGS["flatten"]) for n, x in graph.nodes.items() if x.kind == "Flatten"]
    return Meaning(
        path.name,
        graph.version,
        tuple((n, x.kind, _says(x)) for n, x in graph.nodes.items()),
        tuple(found),
        "" if program is None else content_hash(program),
        "" if program is not None else _refusal(graph),
    )


def _refusal(graph: Graph) -> str:
    """Why an import refuses it, at a timestep that is short enough."""
    taus = [t.min() for x in graph.nodes.values() for name, t in x.fields.items() if name.startswith("tau")]
    timestep = float(min(taus, default=np.float64(1e-3)))
    try:
        from_nir(graph, timestep if timestep > 0 else 1e-3)
    except IntspikeError as e:
        return str(e)
    return ""


def _says(x: Node) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in x.fields.items() if name != "input_type")


def _short(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)
    if value.size <= 4:
        between = " x " if value.dtype.kind in "iu" else ", "  # sizes, or the numbers of a few channels
        return between.join(f"{v:g}" for v in value.ravel().tolist())
    low, high = float(value.min()), float(value.max())
    shape = " x ".join(map(str, value.shape))
    return f"{low:g} ({shape})" if low == high else f"{low:.4g}..{high:.4g} ({shape})"
