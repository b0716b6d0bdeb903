"""`intspike energy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .. import arguments

console = Console()


def energy(
    artifact: arguments.Artifact,
    data: arguments.DataSet = "fashion-mnist",
    samples: Annotated[int | None, typer.Option(help="test samples (default: 200)")] = None,
    timesteps: arguments.RunTimesteps = None,
    model: Annotated[
        str, typer.Option(help="of costs: horowitz-45nm, lemaire-2022, crossbar, fpga, or a .toml file")
    ] = "horowitz-45nm",
    out: Annotated[
        Path | None, typer.Option(help="folder for report.html, energy.json, table.csv and summary.json")
    ] = None,
    as_json: arguments.Json = False,
) -> None:
    """What an inference costs: exact counts times a table of sourced coefficients, beside other networks.

    intspike energy fashion-mnist-w4u4 --data fashion-mnist --model lemaire-2022
    """
    from ... import pretrained
    from ..folder import check_out
    from ..terminal import drawn, print_object, under_bars
    from . import page
    from .costs import Options
    from .run import measure
    from .tables import tables

    if out is not None:
        check_out(out)
    options = Options(pretrained.find(artifact), data, model, samples, timesteps)
    found = under_bars(lambda watch: measure(options, watch), as_json)
    if out is not None:
        page.write(found, out)
    if as_json:
        print_object(found.to_dict())
        return
    for table in tables(found, brief=True):
        console.print(drawn(table))
    if found.refused:
        console.print(f"No energy: {found.refused}", soft_wrap=True, highlight=False, markup=False)
    if out is not None:
        console.print(f"Open {out / 'report.html'}; numbers are in {out / 'energy.json'}", soft_wrap=True)
