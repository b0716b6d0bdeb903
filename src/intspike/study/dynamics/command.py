"""`intspike dynamics`: networks as maps on a finite set of integer states."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..terminal import Bars, drawn, need_torch

app = typer.Typer(no_args_is_help=True, help="Dynamics of integer networks: regimes, orbits, attractors.")
console = Console()


@app.callback()
def _group() -> None:
    """Dynamics of integer networks: regimes, orbits, attractors."""


@app.command()
def random(
    neurons: Annotated[
        str, typer.Option(help="N: numbers with commas, low..high or low..high:count")
    ] = "30..130",
    density: Annotated[str, typer.Option(help="probability of a connection, in the same form")] = "0.1..0.9",
    bits: Annotated[str, typer.Option(help="of the membrane potential, 1..16")] = "2,3,4,6,8,16",
    overflow: Annotated[str, typer.Option(help="saturate, wrap")] = "saturate",
    reset: Annotated[str, typer.Option(help="none, zero, subtract")] = "none",
    signed: Annotated[bool, typer.Option("--signed/--unsigned", help="codes below 0, or none")] = False,
    leak: Annotated[str, typer.Option(help="none or shift")] = "shift",
    leak_shift: Annotated[str, typer.Option(help="k of u - (u >> k)")] = "3",
    threshold: Annotated[str, typer.Option(help="fixed (8 LSB), scaled with the codes")] = "fixed,scaled",
    gain: Annotated[float, typer.Option(help="the largest weight, in thresholds")] = 0.5,
    inhibition: Annotated[float, typer.Option(help="share of negative weights")] = 0.5,
    steps: Annotated[int, typer.Option(help="timesteps whose spikes are counted")] = 1000,
    budget: Annotated[int, typer.Option(help="longest transient and period that are resolved")] = 20_000,
    seeds: Annotated[int, typer.Option(help="networks of each kind, from seed 0")] = 20,
    jobs: Annotated[int, typer.Option(help="cells at once on this machine")] = 1,
    out: Annotated[Path, typer.Option(help="the sweep's folder")] = Path("runs/dynamics"),
) -> None:
    """Sweep random recurrent networks over sizes, densities, widths and semantics: which regime does each end in?

    Finished cells are kept and never computed again, whatever stops the sweep: the same command goes on.
    """
    need_torch()
    from .sweep import Options, parse_axis, run
    from .sweep_report import networks_of, regime_table

    options = Options(
        parse_axis("neurons", neurons, int), parse_axis("density", density, float), parse_axis("bits", bits, int),
        tuple(overflow.split(",")), tuple(reset.split(",")), signed, leak,  # type: ignore[arg-type]
        parse_axis("leak-shift", leak_shift, int), tuple(threshold.split(",")), gain, inhibition,  # type: ignore[arg-type]
        steps, budget, seeds,
    )  # fmt: skip
    try:
        with Bars(console) as watch:
            finished = run(options, out, jobs=jobs, watch=watch)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    for table in regime_table(networks_of(finished)):
        console.print(drawn(table))
    failed = sum(f.status == "failed" for f in finished)
    words = f"; {failed} failed" if failed else ""
    console.print(
        f"{len(finished)} cells{words}. Open {out / 'report.html'}; numbers are in {out / 'table.csv'} and "
        f"{out / 'summary.json'}",
        soft_wrap=True,
    )
