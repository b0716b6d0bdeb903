"""`intspike study drift`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import arguments
from ..terminal import need_torch, numbers, run_shown


def drift(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Option(help="fashion-mnist, mnist, cifar10, cifar100, delayed-match, spoken-digits")
    ] = "fashion-mnist",
    model: arguments.Model = None,
    parts: Annotated[
        str, typer.Option(help="what is quantized: weights, states, both (4 bits), near (full precision)")
    ] = "weights,states,both,near",
    weights: Annotated[str, typer.Option(help="by which quantizers")] = "uniform,lsq,lq-net",
    states: Annotated[
        str, typer.Option(help="by which quantizers")
    ] = "uniform-signed,uniform-unsigned,threshold-centred,learned",
    seeds: arguments.Seeds = 3,
    epochs: arguments.Epochs = 4,
    weight_bits: Annotated[str, typer.Option(help="of weights alone, 2..8")] = "2,3,4,8",
    clips: Annotated[
        str, typer.Option(help="ranges of weights in standard deviations, beside their own")
    ] = "1.5,2.5,5",
    state_bits: Annotated[str, typer.Option(help="of states alone, 1..8")] = "1,2,3,4,8",
    strength: Annotated[
        float, typer.Option(help="weight of the distance to full precision in a regularised loss")
    ] = 10.0,
    codec: arguments.Codec = "after-reset",
    subset: arguments.Subset = None,
    timesteps: Annotated[int | None, typer.Option(help="T (default: the model's)")] = None,
    batch_size: arguments.BatchSize = 50,
    learning_rate: arguments.LearningRate = 3e-3,
    quantized_learning_rate: arguments.QuantizedLearningRate = 2e-3,
    augment: arguments.Augment = None,
    data: arguments.Data = None,
    jobs: arguments.Jobs = 1,
    backend: arguments.Backend = "loky",
    address: arguments.Address = None,
    out: arguments.Out = Path("runs/drift"),
    tables: arguments.Tables = None,
    resume: arguments.Resume = False,
    retry_failed: arguments.RetryFailed = False,
    wait: arguments.Wait = False,
    max_emd: arguments.MaxEmd = None,
    max_paired: arguments.MaxPaired = None,
    max_newly_dead: arguments.MaxNewlyDead = None,
    as_json: arguments.Json = False,
) -> None:
    """How far quantizers, ranges and bits move firing rates, beside accuracy and the noise floor.

    Finished cells are kept and never computed again, whatever stops the study: the same command goes on.

    intspike study drift --dataset fashion-mnist --seeds 1 --epochs 1 --subset 1000 --timesteps 8
    """
    need_torch()
    from ...measure import parse_gates
    from ..asked import options_of
    from .options import Options
    from .study import run

    gates = parse_gates(max_emd, max_newly_dead, max_paired)
    dataset, data = arguments.data_of(dataset, data)
    given: dict[str, Any] = {
        "dataset": dataset, "model": model, "parts": numbers(parts, "parts", str),
        "weights": numbers(weights, "weights", str), "states": numbers(states, "states", str), "seeds": seeds,
        "epochs": epochs, "weight_bits": numbers(weight_bits, "weight-bits", int),
        "clips": numbers(clips, "clips", float), "state_bits": numbers(state_bits, "state-bits", int),
        "strength": strength, "codec": codec, "subset": subset, "timesteps": timesteps, "batch_size": batch_size,
        "learning_rate": learning_rate, "quantized_learning_rate": quantized_learning_rate, "augment": augment,
        "data": data,
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
