"""`intspike dynamics`: networks as maps on a finite set of integer states."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .. import arguments
from ..bits import alike, parse_list
from ..terminal import drawn, need_torch, print_object, under_bars

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
    jobs: arguments.Jobs = 1,
    out: Annotated[Path, typer.Option(help="the sweep's folder")] = Path("runs/dynamics"),
) -> None:
    """Sweep random recurrent networks over sizes, densities, widths and semantics: which regime does each end in?

    Finished cells are kept and never computed again, whatever stops the sweep: the same command goes on.

    intspike dynamics random --neurons 60 --density 0.1,0.5 --seeds 10
    """
    need_torch()
    from .sweep import run
    from .sweep_options import Options, parse_axis
    from .sweep_report import networks_of, regime_table

    options = Options(
        parse_axis("neurons", neurons, int), parse_axis("density", density, float), parse_axis("bits", bits, int),
        tuple(overflow.split(",")), tuple(reset.split(",")), signed, leak,  # type: ignore[arg-type]
        parse_axis("leak-shift", leak_shift, int), tuple(threshold.split(",")), gain, inhibition,  # type: ignore[arg-type]
        steps, budget, seeds,
    )  # fmt: skip
    finished = under_bars(lambda watch: run(options, out, jobs=jobs, watch=watch))
    for table in regime_table(networks_of(finished)):
        console.print(drawn(table))
    failed = sum(f.status == "failed" for f in finished)
    words = f"; {failed} failed" if failed else ""
    _say_where(out, f"{len(finished)} cells{words}. ")


@app.command()
def robust(
    neurons: Annotated[int, typer.Option(help="N")] = 60,
    density: Annotated[float, typer.Option(help="probability of a connection")] = 0.3,
    bits: Annotated[str, typer.Option(help="of the membrane potential, numbers with commas")] = "4,6,8,12,16",
    reset: Annotated[str, typer.Option(help="none, zero, subtract")] = "subtract",
    signed: Annotated[bool, typer.Option("--signed/--unsigned", help="codes below 0, or none")] = True,
    leak_shift: Annotated[int, typer.Option(help="k of u - (u >> k)")] = 3,
    threshold: Annotated[str, typer.Option(help="fixed (8 LSB), scaled with the codes")] = "scaled",
    gain: Annotated[float, typer.Option(help="the largest weight, in thresholds")] = 0.5,
    inhibition: Annotated[float, typer.Option(help="share of negative weights")] = 0.5,
    drive: Annotated[float, typer.Option(help="constant, in thresholds")] = 0.15,
    steps: Annotated[int, typer.Option(help="timesteps whose outputs are compared")] = 300,
    budget: Annotated[
        int, typer.Option(help="longest transient and period that tell attractors apart")
    ] = 5000,
    seeds: Annotated[int, typer.Option(help="networks, from seed 0")] = 20,
    out: arguments.Folder = Path("runs/robust"),
) -> None:
    """Change weights and inputs of random integer networks, and of the real ones they were rounded from, alike.

    intspike dynamics robust --bits 4,8,16 --seeds 50
    """
    from ..folder import check_out
    from ..terminal import numbers
    from .robust import Options, run, tables

    check_out(out)
    widths = numbers(bits, "bits", int)
    options = Options(
        neurons, density, widths, reset, signed, leak_shift, threshold, gain, inhibition, drive, steps, budget, seeds  # type: ignore[arg-type]
    )  # fmt: skip
    rows = under_bars(lambda watch: run(options, out, watch))
    for table in tables(rows, options):
        console.print(drawn(table))
    _say_where(out)


@app.command()
def trained(
    neurons: Annotated[
        str, typer.Option(help="of the recurrent layer: LIF, CubaLIF, AdaptiveLIF")
    ] = "LIF,CubaLIF,AdaptiveLIF",
    bits: Annotated[str, typer.Option(help="4 of weights and of every state, with commas")] = "8,4",
    hidden: Annotated[int, typer.Option(help="recurrent neurons")] = 50,
    samples: Annotated[int, typer.Option(help="of the training split")] = 1000,
    epochs: Annotated[int, typer.Option(help="in full precision")] = 8,
    coded_epochs: Annotated[int, typer.Option(help="quantized")] = 3,
    stimuli: Annotated[int, typer.Option(help="streams of test samples")] = 20,
    steps: Annotated[int, typer.Option(help="timesteps of a stream, and after a kick")] = 180,
    budget: Annotated[
        int, typer.Option(help="longest transient and period that are resolved after a stream")
    ] = 20_000,
    seeds: Annotated[int, typer.Option(help="networks of each kind, from seed 0")] = 3,
    out: arguments.Folder = Path("runs/trained"),
) -> None:
    """Train small recurrent networks on delayed match, and follow what became of them as maps: how they forget, heal
    and fall silent.

    intspike dynamics trained --neurons LIF,CubaLIF --bits 8,4 --seeds 5
    """
    need_torch()
    from ..folder import check_out
    from .trained import run
    from .trained_network import Options
    from .trained_report import table

    check_out(out)
    widths = alike(parse_list(bits, low=2, full=False))
    options = Options(
        tuple(neurons.split(",")), widths, hidden, samples, epochs, coded_epochs, stimuli, steps, budget, seeds,
    )  # fmt: skip
    rows = under_bars(lambda watch: run(options, out, watch))
    console.print(drawn(table(rows, options)))
    _say_where(out)


@app.command()
def analyse(
    artifact: arguments.Artifact,
    drive: Annotated[str, typer.Option(help="an input code, or a .npy file of frames that repeat")] = "0",
    data: Annotated[
        str | None, typer.Option(help=f"{arguments.DATASET}: its test samples are stimuli")
    ] = None,
    samples: Annotated[int, typer.Option(help="test samples")] = 20,
    timesteps: Annotated[
        int | None, typer.Option(help="T of a stimulus (default: the data set's, else 25)")
    ] = None,
    states: Annotated[int, typer.Option(help="states that are drawn")] = 200,
    budget: Annotated[int, typer.Option(help="longest transient and period that are resolved")] = 100_000,
    steps: Annotated[int, typer.Option(help="timesteps that are followed after a kick or a stimulus")] = 300,
    exhaustive: Annotated[
        bool | None,
        typer.Option("--exhaustive/--sampled", help="every state, or drawn ones (default: by their number)"),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="stop then, with what there is")] = None,
    seed: Annotated[int, typer.Option(help="of states and stimuli")] = 0,
    ramp: Annotated[
        str, typer.Option(help="input codes that the drive rises and falls through, such as 0..8:9")
    ] = "",
    out: arguments.Folder = Path("runs/analysis"),
    as_json: arguments.Json = False,
) -> None:
    """What a stored program does in the long run: attractors, basins, transients, damage, proofs, how it forgets.

    intspike dynamics analyse fashion-mnist-w2u2 --data fashion-mnist
    """
    from ... import pretrained
    from ..folder import check_out
    from .analyse import analyse as run
    from .analyse_page import summary, to_dict, write
    from .analyse_tables import attractors_of, tables
    from .options import Options

    check_out(out)
    options = Options(
        pretrained.find(artifact),
        drive,
        data,
        samples,
        timesteps,
        states,
        budget,
        steps,
        exhaustive,
        seconds,
        seed,
        ramp,
    )
    found = under_bars(lambda watch: run(options, watch), as_json)
    write(found, out)
    rows = attractors_of(found)
    if as_json:
        print_object(to_dict(found, rows))
    else:
        for table in tables(found, rows, 12):
            console.print(drawn(table))
        console.print(summary(found, rows), soft_wrap=True, highlight=False, markup=False)
        console.print(
            f"Open {out / 'report.html'}; numbers are in {out / 'analysis.json'} and {out / 'attractors.csv'}",
            soft_wrap=True,
        )
    if found.interrupted:
        raise typer.Exit(130)
    if found.stopped and not as_json:
        console.print(f"This is not the whole analysis: {found.stopped}.", soft_wrap=True)


def _say_where(out: Path, before: str = "") -> None:
    console.print(
        f"{before}Open {out / 'report.html'}; numbers are in {out / 'table.csv'} and {out / 'summary.json'}",
        soft_wrap=True,
    )
