"""`intspike search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..errors import BadInput
from . import arguments
from .terminal import need_torch, numbers, print_object, under_bars

console = Console()


def search(
    budget: Annotated[str, typer.Option(help="the most it may cost: 12KiB, or a number of bits or SynOps")],
    dataset: Annotated[str, typer.Option(help="a data set by its name, as in study squat")] = "fashion-mnist",
    cost: Annotated[str, typer.Option(help="what the budget limits: bits or synops")] = "bits",
    weight_bits: Annotated[str, typer.Option(help="what a layer's weights may have")] = "1,2,3,4,5,6,8",
    state_bits: Annotated[str, typer.Option(help="what a layer's states may have")] = "1,2,3,4,5,6,8",
    trials: Annotated[int, typer.Option(help="candidates that are measured")] = 60,
    samples: Annotated[int, typer.Option(help="validation samples that judge a candidate")] = 1000,
    epochs: arguments.Epochs = 4,
    subset: arguments.Subset = None,
    timesteps: Annotated[int | None, typer.Option(help="T (default: the data set's)")] = None,
    batch_size: arguments.BatchSize = 50,
    seed: arguments.Seed = 0,
    data: arguments.Data = None,
    model: arguments.OwnModel = None,
    out: arguments.Folder = Path("runs/search"),
    force: arguments.Force = False,
    as_json: arguments.Json = False,
) -> None:
    """Find weight and state bits for every layer under a budget, train the best, lower and verify it.

    intspike search --budget 12KiB
    """
    need_torch()
    from . import search_run

    if cost not in ("bits", "synops"):
        raise BadInput(f"--cost must be bits or synops, not {cost!r}")
    dataset, data = arguments.data_of(dataset, data)
    options = search_run.Options(
        search_run.parse_budget(budget), dataset, cost, numbers(weight_bits, "weight-bits", int),
        numbers(state_bits, "state-bits", int), trials, samples, epochs, subset, timesteps, batch_size, seed, data,
        model,
    )  # fmt: skip
    result = under_bars(
        lambda watch: search_run.run(options, out, force=force, watch=watch),
        as_json,
        "the same command goes on behind the last finished trial",
    )
    if as_json:
        print_object(result)
        return
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
