"""A program as plain arrays and one manifest, for those who have hardware or a simulator of their own to feed.

Every array is one `.npy` file in the smallest integers that hold it. `manifest.json` says in the field's words
what each array means, what each node computes, how wide its sums are, and in which order a timestep runs.
Files are named by the index of a node and by words of this module, never by a name from the program.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..fixed import bits_for
from ..ir import (
    Conv,
    Dense,
    Fold,
    Input,
    Integrator,
    Join,
    Neuron,
    Node,
    Offset,
    Pool,
    Program,
    Range,
    Readout,
    Unfold,
    ranges,
)
from ..ir.artifact import content_hash, write_whole
from ..ir.container import storage
from ..ops.body import Body, codec_parameters
from ..ops.codec import State, Table
from ..ops.table import LEAVES, OPS
from ..ops.trace import threshold_name
from .words import CODEC_MEANINGS, CONVENTIONS, KINDS, MEANINGS, UNIT

MANIFEST = "manifest.json"
_OURS = re.compile(r"[0-9]{3,}_[a-z0-9_]+\.npy\Z")  # what an older export may have left


def export_arrays(
    program: Program, folder: Path | str, *, timesteps: int = 1024, force: bool = False
) -> list[Path]:
    """Write every array of a program and a manifest into a folder.

    Args:
        timesteps: the longest run for which ranges and widths are proved.
        force: write into a folder that holds files; the arrays of an older export are removed from it.

    Returns:
        The written files, the manifest last.

    Raises:
        BadInput: the folder holds files and `force` is not given, or it cannot be written.
        RangeExceeded: a sum could leave its range within that run.
    """
    folder = Path(folder)
    arrays, manifest = _described(program, timesteps)
    try:
        if folder.exists() and any(folder.iterdir()) and not force:
            raise BadInput(
                f"the output folder must be new or empty, but {folder} is not; choose another, or force=True"
            )
        folder.mkdir(parents=True, exist_ok=True)
        # without a manifest an export is unfinished, whatever else is there
        (folder / MANIFEST).unlink(missing_ok=True)
        for old in folder.iterdir():
            if _OURS.match(old.name):
                old.unlink()
        for name, a in arrays.items():
            np.save(folder / name, a, allow_pickle=False)
        write_whole(folder / MANIFEST, [json.dumps(manifest, indent=1).encode(), b"\n"])
    except OSError as error:
        raise BadInput(
            f"{folder} must be a folder that can be written, but: {error}; free space or choose another"
        ) from error
    return [folder / name for name in (*arrays, MANIFEST)]


class _Files:
    """Arrays to write, by generated file name."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}

    def add(self, index: int, slot: str, a: NDArray[Any], meaning: str) -> dict[str, Any]:
        """Take an array in; returns its entry in the manifest."""
        stored = np.ascontiguousarray(a).astype(storage(a))
        file = f"{index:03d}_{slot}.npy"
        assert file not in self.arrays
        self.arrays[file] = stored
        entry = {"file": file, "shape": list(stored.shape), "dtype": stored.dtype.name, "meaning": meaning}
        return (
            entry if stored.dtype.kind == "f" else {**entry, **_width(int(stored.min()), int(stored.max()))}
        )


def _width(low: int, high: int) -> dict[str, Any]:
    bits, signed = bits_for(low, high)
    return {"low": low, "high": high, "bits": bits, "signed": signed}


def _described(program: Program, timesteps: int) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays by file name, and the manifest."""
    proved = ranges(program, timesteps)
    index = {n.name: k for k, n in enumerate(program.nodes)}
    files = _Files()
    nodes = [_node(program, n, index, proved[n.name], files) for n in program.nodes]
    units = [
        {"of": name, **files.add(index.get(name, len(index) + k), "unit", np.asarray(a, np.float64), UNIT)}
        for k, (name, a) in enumerate(sorted(program.units.items()))
    ]
    used = sorted({i.op for n in program.neurons for i in n.body.instructions})
    manifest = {
        "format": "intspike arrays",
        "version": 1,
        "content_hash": content_hash(program),
        "proved_timesteps": timesteps,
        "conventions": CONVENTIONS,
        "ops": {op: OPS[op].doc if op in OPS else LEAVES[op] for op in used},
        "nodes": nodes,
        "units": units,
        "notes": dict(program.notes),
    }
    return files.arrays, manifest


def _node(program: Program, n: Node, index: Mapping[str, int], r: Range, files: _Files) -> dict[str, Any]:
    kind, meaning = KINDS[type(n)]
    k = index[n.name]
    return {
        "index": k,
        "name": n.name,
        "kind": kind,
        "meaning": meaning,
        "inputs": [{"node": index[e.source], "name": e.source, "delay": e.delay} for e in n.edges],
        "shape": list(program.shapes[n.name]),
        "output": _width(r.low, r.high),
        "accumulator": _width(r.sum_low, r.sum_high),
        **_particulars(n),
        **(_body(n, r) if isinstance(n, Neuron) else {}),
        "arrays": _arrays(n, k, files),
    }


def _particulars(n: Node) -> dict[str, Any]:
    match n:
        case Input():
            return {"range": [n.low, n.high]}
        case Conv():
            return {"stride": list(n.stride), "padding": list(n.padding), "groups": n.groups}
        case Pool():
            return {"pool": n.kind, "window": list(n.size), "stride": list(n.stride)}
        case Join():
            return {"join": n.kind, "shifts": list(n.shifts or (0,) * len(n.sources))}
        case Integrator():
            return {"state_bits": n.bits}
        case Readout():
            return {"readout": n.kind}
        case Unfold():
            return {"substeps": n.substeps}
        case Dense() | Neuron() | Offset() | Fold():
            return {}


def _arrays(n: Node, k: int, files: _Files) -> dict[str, Any]:
    match n:
        case Dense() | Conv():
            return {"weight": files.add(k, "weight", n.weight, "weight codes")}
        case Offset():
            return {"offset": files.add(k, "offset", n.offset, "what is added to each sum")}
        case Pool() if n.minimum is not None:
            meaning = "1 for a channel that takes the minimum, because a negative gain follows"
            return {"minimum": files.add(k, "minimum", n.minimum, meaning)}
        case Neuron():
            named = [(p, *_parameter(n.body, p, j)) for j, p in enumerate(n.body.parameters)]
            return {p: files.add(k, slot, n.parameters[p], meaning) for p, slot, meaning in named}
        case _:
            return {}


def _parameter(body: Body, name: str, position: int) -> tuple[str, str]:
    """A word for the file of a parameter, and what it means."""
    for d in range(body.spikes):
        if name == threshold_name(d):
            sign = ">" if body.strict else ">="
            return (
                f"threshold_{d + 1}",
                f"threshold theta: spike {d + 1} fires where {_fires_from(body)} {sign} it",
            )
    for j, s in enumerate(body.states):
        reads = {p for op in ("encode", "decode") for p in codec_parameters(s.name, body.codec(s.name), op)}
        if name in reads:
            what = name.rpartition(".")[2]
            return f"state_{j}_{what}", f"{CODEC_MEANINGS[what]} (state {s.name})"
    if name in MEANINGS:
        return name.replace(".", "_"), MEANINGS[name]
    return f"parameter_{position}", "a constant that the body names"


def _fires_from(body: Body) -> str:
    return "membrane potential" if body.raises is None else f"membrane potential - state {body.raises}"


def _body(n: Neuron, r: Range) -> dict[str, Any]:
    body = n.body
    return {
        "reset": body.reset,
        "comparison": f"{_fires_from(body)} {'>' if body.strict else '>='} threshold theta",
        "spikes": body.spikes,
        "states": [_state(s, body) for s in body.states],
        "body": {
            "instructions": [
                {
                    "op": i.op,
                    "args": list(i.args),
                    "name": i.name,
                    "immediate": int(i.immediate),
                    **(
                        {"range": _width(int(r.steps[k][0].min()), int(r.steps[k][1].max()))}
                        if k in r.steps
                        else {}
                    ),
                }
                for k, i in enumerate(body.instructions)
            ],
            "next_codes": {s.name: k for s, k in zip(body.states, body.stores, strict=True)},
            "membranes": {s.name: k for s, k in zip(body.states, body.membranes, strict=True)},
            "output": body.spike,
        },
    }


def _state(s: State, body: Body) -> dict[str, Any]:
    codec = body.codec(s.name)
    table = isinstance(codec, Table)
    return {
        "name": s.name,
        "meaning": "membrane potential"
        if s.name in body.firing
        else "a counter, or another state of the neuron",
        "codec": "table" if table else "uniform",
        "stores": codec.stores,
        "state_bits": codec.bits,
        "codes": [codec.low, codec.high],
        "rest_code": codec.rest,
        "overflow": "saturate" if table else codec.overflow,
    }
