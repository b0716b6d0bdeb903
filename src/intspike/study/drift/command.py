"""`intspike study drift`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..terminal import Bars, closing, drawn, need_torch, numbers

console = Console()


def drift(
    dataset: Annotated[
        str, typer.Option(help="fashion-mnist, mnist, cifar10, cifar100, delayed-match, spoken-digits")
    ] = "fashion-mnist",
    model: Annotated[
        str | None, typer.Option(help="squat-fmnist, spiking-cnn, sew-resnet-8, sew-resnet-18, or yours")
    ] = None,
    parts: Annotated[
        str, typer.Option(help="what is quantized: weights, states, both, near (full precision)")
    ] = "weights,states,both,near",
    weights: Annotated[str, typer.Option(help="by which quantizers")] = "uniform,lsq,lq-net",
    states: Annotated[
        str, typer.Option(help="by which quantizers")
    ] = "uniform-signed,uniform-unsigned,threshold-centred,learned",
    seeds: Annotated[int, typer.Option(help="how many, from 0")] = 3,
    epochs: Annotated[int, typer.Option(help="of each training")] = 4,
    weight_bits: Annotated[str, typer.Option(help="of weights, 2..8")] = "2,3,4,8",
    clips: Annotated[
        str, typer.Option(help="ranges of weights in standard deviations, beside their own")
    ] = "1.5,2.5,5",
    state_bits: Annotated[str, typer.Option(help="of states, 1..8")] = "1,2,3,4,8",
    strength: Annotated[
        float, typer.Option(help="weight of the distance to full precision in a regularised loss")
    ] = 10.0,
    codec: Annotated[str, typer.Option(help="states are stored after-reset or before-reset")] = "after-reset",
    subset: Annotated[int | None, typer.Option(help="training samples (default: all)")] = None,
    timesteps: Annotated[int | None, typer.Option(help="T (default: the model's)")] = None,
    batch_size: Annotated[int, typer.Option(help="samples per training step")] = 50,
    learning_rate: Annotated[float, typer.Option(help="in full precision")] = 3e-3,
    quantized_learning_rate: Annotated[float, typer.Option(help="in quantized training")] = 2e-3,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="also other crops and, but for digits, mirror images (CIFAR)",
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="folder of the samples, or module:function")] = None,
    jobs: Annotated[int, typer.Option(help="cells at once on this machine")] = 1,
    backend: Annotated[str, typer.Option(help="loky (processes), dask or ray")] = "loky",
    address: Annotated[str | None, typer.Option(help="of a Dask or Ray cluster")] = None,
    out: Annotated[Path, typer.Option(help="the study's folder")] = Path("runs/drift"),
    tables: Annotated[
        Path | None, typer.Option(help="folder of tables and report (default: that of --out)")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="compute failed cells again")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait for another study on this folder")] = False,
) -> None:
    """How far quantizers, ranges and bits move firing rates, beside accuracy and the noise floor.

    Finished cells are kept and never computed again, whatever stops the study: the same command goes on.
    """
    need_torch()
    from ..rows import rows_of
    from .cells import DriftCell
    from .options import Options
    from .study import run
    from .tables import tables as tables_of

    options = Options(
        dataset, model, numbers(parts, "parts", str), numbers(weights, "weights", str), numbers(states, "states", str),
        seeds, epochs, numbers(weight_bits, "weight-bits", int),
        numbers(clips, "clips", float), numbers(state_bits, "state-bits", int), strength, codec, subset, timesteps,
        batch_size, learning_rate, quantized_learning_rate, augment, data,
    )  # fmt: skip
    try:
        with Bars(console) as watch:
            study = run(
                options, out, tables=tables, backend=backend, jobs=jobs, address=address, retry_failed=retry_failed,
                wait=wait, watch=watch,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    for table in tables_of(rows_of(study.cells, DriftCell), study.floors, options):
        console.print(drawn(table))
    console.print(closing(len(study.cells), len(study.failed), tables or out), soft_wrap=True)
