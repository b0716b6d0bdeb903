"""`intspike train` and `intspike evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .. import arguments
from ..terminal import drawn, need_torch, print_object, under_bars

console = Console()


def train(
    model: Annotated[str, typer.Option(help=arguments.NETWORK)],
    data: arguments.DataSet = "fashion-mnist",
    bits: arguments.Bits = "4-4",
    codec: arguments.Codec = "after-reset",
    start: Annotated[
        Path | None, typer.Option(help="checkpoint in full precision to go on from, not trained again")
    ] = None,
    epochs: arguments.Epochs = 5,
    timesteps: arguments.Timesteps = None,
    batch_size: arguments.BatchSize = 50,
    learning_rate: Annotated[
        float | None, typer.Option(help="at the start (default: 0.003, quantized 0.002)")
    ] = None,
    seed: arguments.Seed = 0,
    devices: Annotated[int, typer.Option(help="processes that share each batch")] = 1,
    precision: Annotated[str, typer.Option(help="32-true or bf16-mixed")] = "32-true",
    out: arguments.Folder = Path("runs/train"),
    force: arguments.Force = False,
    as_json: arguments.Json = False,
) -> None:
    """Train one network in full precision, then at few bits; write its checkpoints and its verified program.

    intspike train --model my_module:build --data my_module:load --bits 2-2
    """
    need_torch()
    from . import training

    options = training.Options(
        model,
        data,
        bits,
        start,
        epochs,
        timesteps,
        batch_size,
        learning_rate,
        seed,
        devices,
        precision,
        codec,
    )
    record = under_bars(
        lambda watch: training.run(options, out, force=force, watch=watch),
        as_json,
        "the same command goes on from the last finished epoch",
    )
    if as_json:
        print_object(record)
        return
    for name in ("full-precision", "quantized"):
        if name in record and record[name]["test"] is not None:
            console.print(f"{name}: {record[name]['test']['value']:.2%} of test samples", highlight=False)
    written = [] if start is not None else [training.FULL]
    written += [] if options.config is None else [training.QUANTIZED, training.PROGRAM]
    console.print(f"{out} holds {', '.join(written)} and {training.RECORD}", soft_wrap=True)


def evaluate(
    network: arguments.Network,
    data: arguments.DataSet = "fashion-mnist",
    model: arguments.CheckpointModel = None,
    bits: Annotated[str | None, typer.Option(help=f"a checkpoint was quantized to: {arguments.BITS}")] = None,
    codec: Annotated[
        str | None, typer.Option(help="of a checkpoint: after-reset (default) or before-reset")
    ] = None,
    samples: arguments.Samples = None,
    timesteps: arguments.RunTimesteps = None,
    exit: Annotated[
        float | None, typer.Option(help="early exit: points it may lose on validation samples")
    ] = None,
    as_json: arguments.Json = False,
) -> None:
    """Accuracy, firing and operations of one network on test samples.

    intspike evaluate runs/train/model.intspike --data my_module:load --exit 0.1
    """
    from ... import pretrained
    from . import evaluation

    options = evaluation.Options(pretrained.find(network), data, model, bits, samples, timesteps, exit, codec)
    found = under_bars(lambda watch: evaluation.evaluate(options, watch), as_json)
    if as_json:
        print_object(found.to_dict())
    else:
        console.print(drawn(evaluation.table(found)))
