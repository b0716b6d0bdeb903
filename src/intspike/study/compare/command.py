"""The command `intspike compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from .. import arguments
from ..terminal import drawn, print_object, under_bars

if TYPE_CHECKING:
    from .run import Comparison, Options

console = Console()


def compare(
    a: Annotated[
        Path,
        typer.Argument(help="the reference: a stored program, a name that travels along, or a checkpoint"),
    ],
    b: Annotated[Path, typer.Argument(help="what is compared with it")],
    data: arguments.DataSet = "fashion-mnist",
    samples: arguments.Samples = None,
    timesteps: arguments.RunTimesteps = None,
    model: arguments.CheckpointModel = None,
    second_seed: Annotated[
        Path | None, typer.Option(help="the reference trained with another seed, as a second noise floor")
    ] = None,
    repeats: Annotated[int, typer.Option(help="of the timing; 0: none")] = 5,
    out: arguments.Folder = Path("runs/compare"),
    max_emd: arguments.MaxEmd = None,
    max_paired: arguments.MaxPaired = None,
    max_newly_dead: arguments.MaxNewlyDead = None,
    as_json: arguments.Json = False,
) -> None:
    """Say how differently two networks fire on the same samples, in numbers with their noise floor and in pictures.

    intspike compare fashion-mnist-w4u4 fashion-mnist-w2u2 --data fashion-mnist
    """
    from ... import pretrained
    from ...measure import judge, parse_gates
    from ..folder import check_out
    from .page import write
    from .run import Options
    from .run import compare as run

    check_out(out)
    gates = parse_gates(max_emd, max_newly_dead, max_paired)
    options = Options(
        pretrained.find(a),
        pretrained.find(b),
        data,
        samples,
        timesteps,
        None if second_seed is None else pretrained.find(second_seed),
        model,
        repeats,
    )
    found = under_bars(lambda watch: run(options, watch), as_json)
    write(found, out, _again(options))
    if as_json:
        print_object(found.to_dict())
    else:
        _show(found, out)
    judge(gates, {found.b.name: found.drift.pooled})


def _show(found: Comparison, out: Path) -> None:
    from ..report import drift_table
    from .page import words

    console.print(drawn(drift_table(found.drift)))
    for line in words(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"Open {out / 'report.html'}; numbers are in {out / 'drift.json'} and {out / 'table.csv'}",
        soft_wrap=True,
    )


def _again(options: Options) -> str:
    """The command line that makes the same page."""
    from ... import pretrained

    made = (
        f"intspike compare {pretrained.typed(options.a)} {pretrained.typed(options.b)} --data {options.data}"
    )
    asked = {
        "samples": options.samples,
        "timesteps": options.timesteps,
        "model": options.model,
        "second-seed": options.second,
    }
    return made + "".join(f" --{name} {value}" for name, value in asked.items() if value is not None)
