"""`intspike study timesteps`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import arguments
from ..bits import words
from ..terminal import need_torch, numbers, run_shown


def timesteps(
    context: typer.Context,
    dataset: Annotated[str, typer.Option(help="fashion-mnist, mnist, cifar10, cifar100")] = "fashion-mnist",
    model: arguments.Model = None,
    timesteps: Annotated[str, typer.Option(help="each T, increasing")] = "1,2,5,10,20",
    train: Annotated[
        str, typer.Option(help="per-T, fixed-T (the largest), random-T (one network for all)")
    ] = "per-T,random-T",
    train_timesteps: Annotated[
        str | None, typer.Option(help="each T of the trainings (default: all that are tested)")
    ] = None,
    bits: arguments.SeveralBits = "fp32,8,4,2",
    seeds: arguments.Seeds = 3,
    epochs: arguments.Epochs = 4,
    within: Annotated[float, typer.Option(help="points below the best that saturation allows")] = 1.0,
    exit: Annotated[float, typer.Option(help="points that early exit may lose on validation samples")] = 0.1,
    ann: Annotated[bool, typer.Option(help="also artificial networks of the same layers")] = True,
    subset: arguments.Subset = None,
    batch_size: arguments.BatchSize = 50,
    learning_rate: arguments.LearningRate = 3e-3,
    quantized_learning_rate: arguments.QuantizedLearningRate = 2e-3,
    augment: arguments.Augment = None,
    encode: Annotated[str, typer.Option(help="direct, rate, latency or delta")] = "direct",
    data: arguments.Data = None,
    jobs: arguments.Jobs = 1,
    backend: arguments.Backend = "loky",
    address: arguments.Address = None,
    out: arguments.Out = Path("runs/timesteps"),
    tables: arguments.Tables = None,
    resume: arguments.Resume = False,
    retry_failed: arguments.RetryFailed = False,
    wait: arguments.Wait = False,
    max_emd: arguments.MaxEmd = None,
    max_paired: arguments.MaxPaired = None,
    max_newly_dead: arguments.MaxNewlyDead = None,
    as_json: arguments.Json = False,
) -> None:
    """Where timesteps pay: accuracy, latency, operations and energy for each T, trained per T and tested at all.

    Finished cells are kept and never computed again, whatever stops the study: the same command goes on.

    intspike study timesteps --data mnist=FOLDER
    """
    need_torch()
    from ...measure import parse_gates
    from ..asked import options_of
    from .options import Options
    from .study import run

    gates = parse_gates(max_emd, max_newly_dead, max_paired)
    dataset, data = arguments.data_of(dataset, data)
    given: dict[str, Any] = {
        "dataset": dataset, "model": model, "timesteps": numbers(timesteps, "timesteps", int),
        "train": tuple(train.split(",")), "bits": words(bits), "seeds": seeds, "epochs": epochs,
        "within": within, "exit": exit, "ann": ann, "subset": subset, "batch_size": batch_size,
        "learning_rate": learning_rate, "quantized_learning_rate": quantized_learning_rate, "augment": augment,
        "data": data, "encode": encode,
        "train_timesteps": None if train_timesteps is None else numbers(train_timesteps, "train-timesteps", int),
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
