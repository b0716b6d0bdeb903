"""`intspike study`: grids of trainings, kept cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..errors import BadInput
from .drift.command import drift
from .neurons.command import neurons
from .terminal import Bars, closing, drawn, need_torch, numbers
from .timesteps.command import timesteps

app = typer.Typer(no_args_is_help=True, help="Grids of trainings: kept cell by cell, resumed, reported.")
app.command()(drift)
app.command()(timesteps)
app.command()(neurons)
console = Console()


@app.callback()
def _group() -> None:
    """Grids of trainings: kept cell by cell, resumed, reported."""


@app.command()
def squat(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Option(
            help="fashion-mnist, delayed-match, fashion-rows, spoken-digits, events, shd, dvs-gesture"
        ),
    ] = "fashion-mnist",
    seeds: Annotated[int, typer.Option(help="how many, from 0")] = 3,
    epochs: Annotated[int, typer.Option(help="of each training")] = 4,
    bits: Annotated[str, typer.Option(help="of weights and states, 1..8")] = "8,4,2",
    pairs: Annotated[
        str | None, typer.Option(help="weight-state bits in place of the grid: 3-5,2-1 or 1,2,4x1,2,3")
    ] = None,
    ranges: Annotated[
        str | None,
        typer.Option(help="the clipping study in place of the grid: thresholds such as 1.5,2,4,10"),
    ] = None,
    codec: Annotated[str, typer.Option(help="states are stored after-reset or before-reset")] = "after-reset",
    weights: Annotated[str, typer.Option(help="uniform or lq-net, of 2..6 bits")] = "uniform",
    gradient: Annotated[
        str, typer.Option(help="where that of states stops: block-saturated, block-ends or pass (nowhere)")
    ] = "block-saturated",
    subset: Annotated[int | None, typer.Option(help="training samples (default: all)")] = None,
    folds: Annotated[
        int | None, typer.Option(help="cross-validate: seed s is tested on fold s of so many")
    ] = None,
    timesteps: Annotated[int | None, typer.Option(help="T in training (default: the data set's)")] = None,
    test_timesteps: Annotated[
        int | None, typer.Option(help="T in the test (default: the data set's)")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="samples per training step")] = 50,
    learning_rate: Annotated[float, typer.Option(help="in full precision")] = 3e-3,
    quantized_learning_rate: Annotated[float, typer.Option(help="in quantized training")] = 2e-3,
    beta: Annotated[float | None, typer.Option(help="leak of all neurons (default: the data set's)")] = None,
    loss: Annotated[str | None, typer.Option(help="counts, steps or mse (default: the data set's)")] = None,
    data: Annotated[str | None, typer.Option(help="folder of the samples, or module:function")] = None,
    model: Annotated[
        str | None, typer.Option(help="your model in place of the paper's, module:function")
    ] = None,
    jobs: Annotated[int, typer.Option(help="cells at once on this machine")] = 1,
    backend: Annotated[str, typer.Option(help="loky (processes), dask or ray")] = "loky",
    address: Annotated[str | None, typer.Option(help="of a Dask or Ray cluster")] = None,
    out: Annotated[Path, typer.Option(help="the study's folder")] = Path("runs/squat"),
    tables: Annotated[
        Path | None, typer.Option(help="folder of tables and report (default: that of --out)")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="take the options of the folder's last study")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="compute failed cells again")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait for another study on this folder")] = False,
) -> None:
    """Weights, membrane potentials and both at few bits, after training and in training, beside the paper's numbers.

    Finished cells are kept and never computed again, whatever stops the study: the same command goes on.
    """
    need_torch()
    from .squat.clipping import parse_ranges
    from .squat.options import Options, recall
    from .squat.pairs import parse_pairs
    from .squat.rows import rows_of
    from .squat.study import run
    from .squat.tables import tables as tables_of

    given: dict[str, Any] = {
        "dataset": dataset, "seeds": seeds, "epochs": epochs, "bits": numbers(bits, "bits", int),
        "pairs": () if pairs is None else parse_pairs(pairs),
        "ranges": () if ranges is None else parse_ranges(ranges), "codec": codec, "weights": weights,
        "gradient": gradient, "subset": subset, "folds": folds, "timesteps": timesteps,
        "test_timesteps": test_timesteps, "batch_size": batch_size, "learning_rate": learning_rate,
        "quantized_learning_rate": quantized_learning_rate, "beta": beta, "loss": loss, "data": data, "model": model,
    }  # fmt: skip
    if resume:
        said = {name: value for name, value in given.items() if _on_command_line(context, name)}
        options = recall(out, said)
    else:
        options = Options(**given)
    try:
        with Bars(console) as watch:
            study = run(
                options, out, tables=tables, backend=backend, jobs=jobs, address=address, retry_failed=retry_failed,
                wait=wait, watch=watch,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    for table in tables_of(rows_of(study.cells), options):
        console.print(drawn(table))
    console.print(closing(len(study.cells), len(study.failed), tables or out), soft_wrap=True)


def search(
    budget: Annotated[str, typer.Option(help="the most it may cost: 12KiB, or a number of bits or SynOps")],
    dataset: Annotated[str, typer.Option(help="as in intspike study squat")] = "fashion-mnist",
    cost: Annotated[str, typer.Option(help="what the budget limits: bits or synops")] = "bits",
    weight_bits: Annotated[str, typer.Option(help="what a layer's weights may have")] = "1,2,3,4,5,6,8",
    state_bits: Annotated[str, typer.Option(help="what a layer's states may have")] = "1,2,3,4,5,6,8",
    trials: Annotated[int, typer.Option(help="candidates that are measured")] = 60,
    samples: Annotated[int, typer.Option(help="validation samples that judge a candidate")] = 1000,
    epochs: Annotated[int, typer.Option(help="of each of the two trainings")] = 4,
    subset: Annotated[int | None, typer.Option(help="training samples (default: all)")] = None,
    timesteps: Annotated[int | None, typer.Option(help="T (default: the data set's)")] = None,
    batch_size: Annotated[int, typer.Option(help="samples per training step")] = 50,
    seed: Annotated[int, typer.Option(help="of weights, sample order and search")] = 0,
    data: Annotated[str | None, typer.Option(help="folder of the samples, or module:function")] = None,
    model: Annotated[str | None, typer.Option(help="your model, module:function")] = None,
    out: Annotated[Path, typer.Option(help="output folder")] = Path("runs/search"),
    force: Annotated[bool, typer.Option("--force", help="replace what is there")] = False,
) -> None:
    """Find weight and state bits for every layer under a budget, train the best, lower and verify it.

    intspike search --budget 12KiB
    """
    need_torch()
    from . import search_run

    if cost not in ("bits", "synops"):
        raise BadInput(f"--cost must be bits or synops, not {cost!r}")
    options = search_run.Options(
        search_run.parse_budget(budget), dataset, cost, numbers(weight_bits, "weight-bits", int),
        numbers(state_bits, "state-bits", int), trials, samples, epochs, subset, timesteps, batch_size, seed, data,
        model,
    )  # fmt: skip
    try:
        with Bars(console) as watch:
            result = search_run.run(options, out, force=force, watch=watch)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; the same command goes on behind the last finished trial")
        raise typer.Exit(130) from None
    if "drift" in result:  # finished searches of earlier versions have none
        pooled, floor = (r["pooled"] for r in (result["drift"], result["drift"]["noise_floor"]["halves"]))
        console.print(
            f"against full precision: EMD {pooled['emd']:.4f} (noise floor {floor['emd']:.4f}), paired distance "
            f"{pooled['paired_distance']:.4f} ({floor['paired_distance']:.4f}), {pooled['newly_dead']} newly dead",
            soft_wrap=True,
        )
    test, full = result["test"]["value"], result["full_precision"]["value"]
    console.print(
        f"{result['best']['config']}: {test:.1%} on test samples ({full:.1%} in full precision), "
        f"{result['bits'] / 8192:.1f} KiB. Open {out / 'report.html'}; the network is {out / 'model.intspike'}",
        soft_wrap=True,
    )


def _on_command_line(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
