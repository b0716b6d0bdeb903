"""`intspike train` and `intspike evaluate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..terminal import Bars, drawn, need_torch

console = Console()


def train(
    model: Annotated[str, typer.Option(help="module:function, or a model of intspike such as squat_fmnist")],
    data: Annotated[str, typer.Option(help="NAME, NAME=PATH, module:function, or a path")] = "fashion-mnist",
    bits: Annotated[
        str, typer.Option(help="of weights and membrane potentials, such as 4-4; fp32: none")
    ] = "4-4",
    start: Annotated[
        Path | None, typer.Option(help="checkpoint in full precision to go on from, not trained again")
    ] = None,
    epochs: Annotated[int, typer.Option(help="of each training")] = 5,
    timesteps: Annotated[int | None, typer.Option(help="T (default: the data set's, else 25)")] = None,
    batch_size: Annotated[int, typer.Option(help="samples per training step")] = 50,
    learning_rate: Annotated[
        float | None, typer.Option(help="at the start (default: 0.003, quantized 0.002)")
    ] = None,
    seed: Annotated[int, typer.Option(help="of weights and sample order")] = 0,
    devices: Annotated[int, typer.Option(help="processes that share each batch")] = 1,
    precision: Annotated[str, typer.Option(help="32-true or bf16-mixed")] = "32-true",
    out: Annotated[Path, typer.Option(help="output folder")] = Path("runs/train"),
    force: Annotated[bool, typer.Option("--force", help="replace what is there")] = False,
) -> None:
    """Train one network in full precision, then at few bits; write its checkpoints and its verified program.

    intspike train --model my_module:build --data my_module:load --bits 2-2
    """
    need_torch()
    from . import training

    options = training.Options(
        model, data, bits, start, epochs, timesteps, batch_size, learning_rate, seed, devices, precision
    )
    try:
        with Bars(console) as watch:
            record = training.run(options, out, force=force, watch=watch)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; the same command goes on from the last finished epoch")
        raise typer.Exit(130) from None
    for name in ("full-precision", "quantized"):
        if name in record and record[name]["test"] is not None:
            console.print(f"{name}: {record[name]['test']['value']:.2%} of test samples", highlight=False)
    written = training.FULL if bits == "fp32" else f"{training.QUANTIZED}, {training.PROGRAM}"
    console.print(f"{out} holds {written} and {training.RECORD}", soft_wrap=True)


def evaluate(
    network: Annotated[
        Path, typer.Argument(help="a stored program, a name of intspike's own, or a checkpoint")
    ],
    data: Annotated[str, typer.Option(help="NAME, NAME=PATH, module:function, or a path")] = "fashion-mnist",
    model: Annotated[str | None, typer.Option(help="of a checkpoint: a name or module:function")] = None,
    bits: Annotated[str | None, typer.Option(help="a checkpoint was quantized to, such as 4-4")] = None,
    samples: Annotated[int | None, typer.Option(help="test samples (default: all)")] = None,
    timesteps: Annotated[int | None, typer.Option(help="T (default: the data set's, else 25)")] = None,
    exit: Annotated[
        float | None, typer.Option(help="early exit: points it may lose on validation samples")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Accuracy, firing and operations of one network on test samples.

    intspike evaluate runs/train/model.intspike --data my_module:load --exit 0.1
    """
    from ... import pretrained
    from . import evaluation

    options = evaluation.Options(pretrained.find(network), data, model, bits, samples, timesteps, exit)
    try:
        if as_json:
            found = evaluation.evaluate(options)
        else:
            with Bars(console) as watch:
                found = evaluation.evaluate(options, watch)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if as_json:
        sys.stdout.write(json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n")
    else:
        console.print(drawn(evaluation.table(found)))
