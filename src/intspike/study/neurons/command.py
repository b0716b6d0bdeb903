"""`intspike study neurons`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..terminal import Bars, closing, drawn, need_torch

console = Console()


def neurons(
    dataset: Annotated[
        str,
        typer.Option(
            help="fashion-mnist, mnist, cifar10, cifar100, spoken-digits, events, text-classification"
        ),
    ] = "fashion-mnist",
    model: Annotated[
        str | None,
        typer.Option(help="squat-fmnist, spiking-cnn, sew-resnet-8, squat-shd, squat-dvs, or yours"),
    ] = None,
    neurons: Annotated[
        str, typer.Option(help="of IF, LIF, PLIF, I-LIF, NI-LIF, ASN, NASN")
    ] = "IF,LIF,PLIF,I-LIF,NI-LIF,ASN,NASN",
    spikes: Annotated[int, typer.Option(help="D: the largest output of integer neurons")] = 4,
    timesteps: Annotated[
        int | None, typer.Option(help="T of integer neurons (default: 1 for images, else the network's)")
    ] = None,
    bits: Annotated[str, typer.Option(help="fp32 and numbers of bits of weights and states")] = "fp32,4",
    beta: Annotated[float, typer.Option(help="leak that neurons start from")] = 0.5,
    seeds: Annotated[int, typer.Option(help="how many, from 0")] = 3,
    epochs: Annotated[int, typer.Option(help="of each training")] = 4,
    subset: Annotated[int | None, typer.Option(help="training samples (default: all)")] = None,
    batch_size: Annotated[int, typer.Option(help="samples per training step")] = 50,
    learning_rate: Annotated[float, typer.Option(help="in full precision")] = 3e-3,
    quantized_learning_rate: Annotated[float, typer.Option(help="in quantized training")] = 2e-3,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment", help="also other crops and, but for digits, mirror images (CIFAR)"
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="folder of the samples, or module:function")] = None,
    jobs: Annotated[int, typer.Option(help="cells at once on this machine")] = 1,
    backend: Annotated[str, typer.Option(help="loky (processes), dask or ray")] = "loky",
    address: Annotated[str | None, typer.Option(help="of a Dask or Ray cluster")] = None,
    out: Annotated[Path, typer.Option(help="the study's folder")] = Path("runs/neurons"),
    tables: Annotated[
        Path | None, typer.Option(help="folder of tables and report (default: that of --out)")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="compute failed cells again")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait for another study on this folder")] = False,
) -> None:
    """Ordinary, integer and adaptive neurons in one network: accuracy, spikes sent, operations, drift at few bits.

    Finished cells are kept and never computed again, whatever stops the study: the same command goes on.
    """
    need_torch()
    from ..rows import rows_of
    from .cells import NeuronCell
    from .options import Options
    from .study import run
    from .tables import tables as tables_of

    options = Options(
        dataset, model, tuple(neurons.split(",")), spikes, timesteps, tuple(bits.split(",")), beta, seeds, epochs,
        subset, batch_size, learning_rate, quantized_learning_rate, augment, data,
    )  # fmt: skip
    try:
        with Bars(console) as watch:
            study = run(
                options, out, tables=tables, backend=backend, jobs=jobs, address=address, retry_failed=retry_failed,
                wait=wait, watch=watch,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    for table in tables_of(rows_of(study.cells, NeuronCell)):
        console.print(drawn(table))
    console.print(closing(len(study.cells), len(study.failed), tables or out), soft_wrap=True)
