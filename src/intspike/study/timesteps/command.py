"""`intspike study timesteps`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..terminal import Bars, closing, drawn, need_torch, numbers

console = Console()


def timesteps(
    dataset: Annotated[str, typer.Option(help="fashion-mnist, mnist, cifar10, cifar100")] = "fashion-mnist",
    model: Annotated[
        str | None, typer.Option(help="squat-fmnist, spiking-cnn, sew-resnet-8, sew-resnet-18, or yours")
    ] = None,
    timesteps: Annotated[str, typer.Option(help="each T, increasing")] = "1,2,5,10,20",
    train: Annotated[
        str, typer.Option(help="per-T, fixed-T (the largest), random-T (one network for all)")
    ] = "per-T,random-T",
    train_timesteps: Annotated[
        str | None, typer.Option(help="each T of the trainings (default: all that are tested)")
    ] = None,
    bits: Annotated[str, typer.Option(help="fp32 and numbers of bits of weights and states")] = "fp32,8,4,2",
    seeds: Annotated[int, typer.Option(help="how many, from 0")] = 3,
    epochs: Annotated[int, typer.Option(help="of each training")] = 4,
    within: Annotated[float, typer.Option(help="points below the best that saturation allows")] = 1.0,
    exit: Annotated[float, typer.Option(help="points that early exit may lose on validation samples")] = 0.1,
    ann: Annotated[bool, typer.Option(help="also artificial networks of the same layers")] = True,
    subset: Annotated[int | None, typer.Option(help="training samples (default: all)")] = None,
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
    encode: Annotated[str, typer.Option(help="direct, rate, latency or delta")] = "direct",
    data: Annotated[str | None, typer.Option(help="folder of the samples, or module:function")] = None,
    jobs: Annotated[int, typer.Option(help="cells at once on this machine")] = 1,
    backend: Annotated[str, typer.Option(help="loky (processes), dask or ray")] = "loky",
    address: Annotated[str | None, typer.Option(help="of a Dask or Ray cluster")] = None,
    out: Annotated[Path, typer.Option(help="the study's folder")] = Path("runs/timesteps"),
    tables: Annotated[
        Path | None, typer.Option(help="folder of tables and report (default: that of --out)")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="compute failed cells again")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait for another study on this folder")] = False,
) -> None:
    """Where timesteps pay: accuracy, latency, operations and energy for each T, trained per T and tested at all.

    Finished cells are kept and never computed again, whatever stops the study: the same command goes on.
    """
    need_torch()
    from ..rows import rows_of
    from .cells import TimestepCell
    from .options import Options
    from .study import run
    from .tables import tables as tables_of

    options = Options(
        dataset, model, numbers(timesteps, "timesteps", int), tuple(train.split(",")), tuple(bits.split(",")), seeds,
        epochs, within, exit, ann, subset, batch_size, learning_rate, quantized_learning_rate, augment, data,
        None if train_timesteps is None else numbers(train_timesteps, "train-timesteps", int), encode,
    )  # fmt: skip
    try:
        with Bars(console) as watch:
            study = run(
                options, out, tables=tables, backend=backend, jobs=jobs, address=address, retry_failed=retry_failed,
                wait=wait, watch=watch,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    for table in tables_of(rows_of(study.cells, TimestepCell), study.latency, options)[:2]:
        console.print(drawn(table))
    console.print(closing(len(study.cells), len(study.failed), tables or out), soft_wrap=True)
