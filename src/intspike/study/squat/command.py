"""`intspike study squat`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import arguments
from ..bits import alike, parse_list
from ..terminal import need_torch, run_shown

PAIRS = "; pairs of different bits are --pairs"


def squat(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Option(
            help="fashion-mnist, delayed-match, fashion-rows, spoken-digits, events, shd, dvs-gesture"
        ),
    ] = "fashion-mnist",
    seeds: arguments.Seeds = 3,
    epochs: arguments.Epochs = 4,
    bits: Annotated[str, typer.Option(help="4 of weights and states, with commas")] = "8,4,2",
    pairs: Annotated[
        str | None,
        typer.Option(help="in place of the grid, 3-5 of weights and states, with commas, or 1,2,4x1,2,3"),
    ] = None,
    ranges: Annotated[
        str | None,
        typer.Option(help="the clipping study in place of the grid: thresholds such as 1.5,2,4,10"),
    ] = None,
    codec: arguments.Codec = "after-reset",
    weights: Annotated[str, typer.Option(help="uniform or lq-net, of 2..6 bits")] = "uniform",
    gradient: Annotated[
        str, typer.Option(help="where that of states stops: block-saturated, block-ends or pass (nowhere)")
    ] = "block-saturated",
    subset: arguments.Subset = None,
    folds: Annotated[
        int | None, typer.Option(help="cross-validate: seed s is tested on fold s of so many")
    ] = None,
    timesteps: Annotated[int | None, typer.Option(help="T (default: the data set's)")] = None,
    test_timesteps: Annotated[
        int | None, typer.Option(help="T in the test (default: the data set's)")
    ] = None,
    batch_size: arguments.BatchSize = 50,
    learning_rate: arguments.LearningRate = 3e-3,
    quantized_learning_rate: arguments.QuantizedLearningRate = 2e-3,
    beta: Annotated[float | None, typer.Option(help="leak of all neurons (default: the data set's)")] = None,
    loss: Annotated[str | None, typer.Option(help="counts, steps or mse (default: the data set's)")] = None,
    data: arguments.Data = None,
    model: arguments.OwnModel = None,
    jobs: arguments.Jobs = 1,
    backend: arguments.Backend = "loky",
    address: arguments.Address = None,
    out: arguments.Out = Path("runs/squat"),
    tables: arguments.Tables = None,
    resume: arguments.Resume = False,
    retry_failed: arguments.RetryFailed = False,
    wait: arguments.Wait = False,
    max_emd: arguments.MaxEmd = None,
    max_paired: arguments.MaxPaired = None,
    max_newly_dead: arguments.MaxNewlyDead = None,
    as_json: arguments.Json = False,
) -> None:
    """Weights, membrane potentials and both at few bits, after training and in training, beside the paper's numbers.

    Finished cells are kept and never computed again, whatever stops the study: the same command goes on.

    intspike study squat --seeds 3 --epochs 4 --jobs 2
    """
    need_torch()
    from ...measure import parse_gates
    from ..asked import options_of
    from .clipping import parse_ranges
    from .options import Options
    from .study import run

    gates = parse_gates(max_emd, max_newly_dead, max_paired)
    dataset, data = arguments.data_of(dataset, data)
    given: dict[str, Any] = {
        "dataset": dataset, "seeds": seeds, "epochs": epochs, "bits": alike(parse_list(bits, full=False), repair=PAIRS),
        "pairs": () if pairs is None else parse_list(pairs, "pairs", full=False),
        "ranges": () if ranges is None else parse_ranges(ranges), "codec": codec, "weights": weights,
        "gradient": gradient, "subset": subset, "folds": folds, "timesteps": timesteps,
        "test_timesteps": test_timesteps, "batch_size": batch_size, "learning_rate": learning_rate,
        "quantized_learning_rate": quantized_learning_rate, "beta": beta, "loss": loss, "data": data, "model": model,
    }  # fmt: skip
    options = options_of(context, Options(), given, out, resume)
    run_shown(
        lambda watch: run(
            options, out, tables=tables, watch=watch, backend=backend, jobs=jobs, address=address,
            retry_failed=retry_failed, wait=wait,
        ),
        tables or out,
        gates,
        as_json,
    )  # fmt: skip
