"""`intspike study neurons`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import arguments
from ..bits import words
from ..terminal import need_torch, run_shown


def neurons(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Option(
            help="fashion-mnist, mnist, cifar10, cifar100, spoken-digits, events, text-classification, language"
        ),
    ] = "fashion-mnist",
    model: arguments.Model = None,
    neurons: Annotated[
        str, typer.Option(help="of IF, LIF, PLIF, I-LIF, NI-LIF, ASN, NASN")
    ] = "IF,LIF,PLIF,I-LIF,NI-LIF,ASN,NASN",
    spikes: Annotated[int, typer.Option(help="D: the largest output of integer neurons")] = 4,
    timesteps: Annotated[
        int | None, typer.Option(help="T of integer neurons (default: 1 for images, else the network's)")
    ] = None,
    bits: arguments.SeveralBits = "fp32,4",
    beta: Annotated[
        float | None, typer.Option(help="leak that neurons start from (default: 0.5, of language 0.9)")
    ] = None,
    seeds: arguments.Seeds = 3,
    epochs: arguments.Epochs = 4,
    subset: arguments.Subset = None,
    batch_size: arguments.BatchSize = 50,
    learning_rate: arguments.LearningRate = 3e-3,
    quantized_learning_rate: arguments.QuantizedLearningRate = 2e-3,
    augment: arguments.Augment = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="also a GRU and a transformer (language), a bag of words (text)",
        ),
    ] = True,
    data: arguments.Data = None,
    jobs: arguments.Jobs = 1,
    backend: arguments.Backend = "loky",
    address: arguments.Address = None,
    out: arguments.Out = Path("runs/neurons"),
    tables: arguments.Tables = None,
    resume: arguments.Resume = False,
    retry_failed: arguments.RetryFailed = False,
    wait: arguments.Wait = False,
    max_emd: arguments.MaxEmd = None,
    max_paired: arguments.MaxPaired = None,
    max_newly_dead: arguments.MaxNewlyDead = None,
    as_json: arguments.Json = False,
) -> None:
    """Ordinary, integer and adaptive neurons in one network: accuracy, spikes sent, operations, drift at few bits.

    Finished cells are kept and never computed again, whatever stops the study: the same command goes on.

    intspike study neurons --neurons LIF,I-LIF --seeds 1
    """
    need_torch()
    from ...measure import parse_gates
    from ..asked import options_of
    from .options import Options
    from .study import run

    gates = parse_gates(max_emd, max_newly_dead, max_paired)
    dataset, data = arguments.data_of(dataset, data)
    given: dict[str, Any] = {
        "dataset": dataset, "model": model, "neurons": tuple(neurons.split(",")), "spikes": spikes,
        "timesteps": timesteps, "bits": words(bits), "beta": beta, "seeds": seeds, "epochs": epochs,
        "subset": subset, "batch_size": batch_size, "learning_rate": learning_rate,
        "quantized_learning_rate": quantized_learning_rate, "augment": augment, "baselines": baselines, "data": data,
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
