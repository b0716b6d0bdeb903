"""`intspike export nir` and `intspike export onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ...errors import BadInput
from .. import arguments

console = Console()


def export_nir(
    artifact: arguments.Artifact,
    out: Annotated[Path, typer.Option(help="the NIR file")] = Path("model.nir"),
    timestep: Annotated[float, typer.Option(help="dt of its time constants (s)")] = 1e-3,
    program_only: Annotated[
        bool,
        typer.Option("--program-only", help="for programs that NIR cannot say: the integer program alone"),
    ] = False,
    force: arguments.Force = False,
) -> None:
    """Write a stored program as NIR: real parameters for every tool, and the integer program in the metadata.

    intspike export nir fashion-mnist-w4u4 --program-only --out model.nir
    """
    from ... import pretrained
    from ...export.nir import export_nir as write
    from ...ir.artifact import load
    from ..folder import check_new

    check_new(out, force, file=True)
    snaps = write(
        load(pretrained.find(artifact)), out, timestep=timestep, program_only=program_only, force=force
    )
    for s in snaps:
        leak, theta = (
            f"{low:g}" if low == high else f"{low:g}..{high:g}" for low, high in (s.value, s.theta)
        )
        of = "leak" if s.leak == "beta" else "leak of the current"
        console.print(
            f"{s.layer}: {of} {leak}, at most {s.lsb} LSB from its table (threshold: {theta} LSB)",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"{out} holds the integer program; intspike import {out} restores it bit by bit", soft_wrap=True
    )


def export_onnx(
    artifact: arguments.Artifact,
    out: Annotated[Path, typer.Option(help="the ONNX file")] = Path("model.onnx"),
    timesteps: Annotated[int, typer.Option(help="timesteps T")] = 25,
    timed: arguments.Timed = False,
    trace: Annotated[bool, typer.Option("--trace", help="also give every spike and stored code")] = False,
    force: arguments.Force = False,
) -> None:
    """Write a stored program as ONNX, unrolled over T: ONNX Runtime gives the same integers.

    intspike export onnx fashion-mnist-w4u4 --timesteps 25
    """
    from ... import pretrained
    from ...export.onnx import export_onnx as write
    from ...export.onnx_model import MOST_STEPS
    from ...ir.artifact import load
    from ..folder import check_new

    if not 1 <= timesteps <= MOST_STEPS:
        raise BadInput(
            f"--timesteps must be in 1..{MOST_STEPS}, because the graph holds each of them, not {timesteps}"
        )
    check_new(out, force, file=True)
    program = load(pretrained.find(artifact))
    write(program, out, timesteps=timesteps, timed=timed, trace=trace, force=force)
    shape = ", ".join(map(str, program.input.shape))
    frames = f"[{timesteps}, batch, {shape}]" if timed else f"[batch, {shape}]"
    console.print(
        f"{out} reads int64 codes {frames} and gives readout{', spikes/K and codes/K/J' if trace else ''}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
