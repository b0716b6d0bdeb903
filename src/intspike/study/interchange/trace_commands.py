"""`intspike diff` and `intspike vectors`. They need no torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from ...errors import BadInput
from .. import arguments
from ..terminal import print_object

console = Console()


def diff(
    a: Annotated[Path, typer.Argument(help="the reference: a trace, or a folder of vectors")],
    b: Annotated[Path, typer.Argument(help="what is compared with it")],
    common: Annotated[
        bool, typer.Option("--common", help="compare what both hold, and say what is left out")
    ] = False,
    as_json: arguments.Json = False,
) -> None:
    """Compare two traces in every spike and stored code, and name the first difference; status 1 where there is one.

    intspike diff vectors/ simulator.trace
    """
    from ...engine.compare import common as both
    from ...engine.compare import compare
    from ...engine.trace_text import read_trace
    from ...errors import Divergence

    x, y = (read_trace(_trace_file(p)) for p in (a, b))
    names = (str(a), str(b)) if a != b else ("A", "B")
    left: list[str] = []
    if common:
        x, y, left = both(x, y)
    if not x.spikes:
        raise BadInput(f"{a} and {b} must have layers in common, but have none; write the same layers")
    try:
        found = compare(x, y, names)
    except Divergence as e:
        if as_json:
            where = {k: v for k, v in vars(e).items() if k != "names"}
            print_object({"equal": False, **where, "left_out": left})
        raise
    if as_json:
        print_object({"equal": True, **asdict(found), "left_out": left})
        return
    for what in left:
        console.print(f"not in both: {what}", highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"0 of {found.compared} values differ, in {found.samples} samples and {x.timesteps} timesteps",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _trace_file(path: Path) -> Path:
    from ...engine.vectors import EXPECTED

    return path / EXPECTED if path.is_dir() else path


def vectors(
    artifact: arguments.Artifact,
    samples: Annotated[int, typer.Option(help="test samples, or random inputs")] = 20,
    timesteps: arguments.FixedTimesteps = 25,
    data: Annotated[
        str | None,
        typer.Option(help=f"{arguments.DATASET} (default: random inputs)"),
    ] = None,
    timed: Annotated[bool, typer.Option("--timed", help="random inputs are new at every timestep")] = False,
    seed: Annotated[int, typer.Option(help="of random inputs")] = 0,
    out: arguments.Folder = Path("vectors"),
    force: arguments.Force = False,
    as_json: arguments.Json = False,
) -> None:
    """Write inputs and every spike and stored code of a program, for people who build their own hardware.

    intspike vectors fashion-mnist-w2u2 --samples 20 --data fashion-mnist --out vectors
    """
    from ... import pretrained
    from ...engine.vectors import random_inputs, write_vectors
    from ...ir.artifact import load
    from ..folder import check_new, check_out

    check_out(out)
    check_new(out, force)
    for name, value in (("samples", samples), ("timesteps", timesteps)):
        if not 1 <= value <= 10_000:
            raise BadInput(f"--{name} must be in 1..10000, not {value}")
    if timed and data is not None:
        raise BadInput(
            "--timed is of random inputs; with --data the data set says whether frames change, leave it out"
        )
    program = load(pretrained.find(artifact))
    if data is None:
        inputs: Any = random_inputs(program, samples, timesteps, timed=timed, seed=seed)
    else:
        from ..samples import check_fits, read_data

        found = read_data(data)
        check_fits(str(artifact), program, found)
        count = min(samples, len(found.test))
        inputs = found.test.batch(np.arange(count), timesteps)
    trace = write_vectors(program, inputs, timesteps, out, force=force)
    size = sum(s.size for s in trace.spikes.values()) + sum(
        c.size for codes in trace.codes.values() for c in codes.values()
    )
    if as_json:
        found = {"samples": len(trace.readout), "timesteps": trace.timesteps, "spikes_and_codes": size}
        print_object({**found, "classes": trace.classes.tolist(), "manifest": str(out / "manifest.json")})
        return
    console.print(
        f"{len(trace.readout)} samples, {trace.timesteps} timesteps, {size} spikes and codes. {out / 'manifest.json'} "
        f"names every file; compare with: intspike diff {out} YOURS.trace",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
