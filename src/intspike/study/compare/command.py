"""The command `intspike compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ..terminal import Bars, drawn

if TYPE_CHECKING:
    from .run import Options

console = Console()
MaxEmd = Annotated[float | None, typer.Option(help="fail where the pooled EMD is above this")]
MaxPaired = Annotated[float | None, typer.Option(help="fail where the pooled paired distance is above this")]
MaxNewlyDead = Annotated[
    str | None, typer.Option(help="fail where more neurons, or more % of them, fell silent")
]


def compare(
    a: Annotated[
        Path,
        typer.Argument(help="the reference: a stored program, a name of intspike's own, or a checkpoint"),
    ],
    b: Annotated[Path, typer.Argument(help="what is compared with it")],
    data: Annotated[str, typer.Option(help="NAME, NAME=PATH, module:function, or a path")],
    samples: Annotated[int | None, typer.Option(help="test samples (default: all)")] = None,
    timesteps: Annotated[int | None, typer.Option(help="T (default: the data set's, else 25)")] = None,
    model: Annotated[str | None, typer.Option(help="of checkpoints: a name or module:function")] = None,
    second_seed: Annotated[Path | None, typer.Option(help="A trained with another seed")] = None,
    repeats: Annotated[int, typer.Option(help="of the timing; 0: none")] = 5,
    out: Annotated[Path, typer.Option(help="output folder")] = Path("runs/compare"),
    max_emd: MaxEmd = None,
    max_paired: MaxPaired = None,
    max_newly_dead: MaxNewlyDead = None,
) -> None:
    """Say how differently two networks fire on the same samples, in numbers with their noise floor and in pictures.

    intspike compare runs/demo/ptq-w8u8/model.intspike runs/demo/model.intspike --data fashion-mnist
    """
    from ... import pretrained
    from ...measure import judge, parse_gates
    from ..report import drift_table
    from .page import words, write
    from .run import Options
    from .run import compare as run

    gates = parse_gates(max_emd, max_newly_dead, max_paired)
    options = Options(
        pretrained.find(a), pretrained.find(b), data, samples, timesteps, second_seed, model, repeats
    )
    try:
        with Bars(console) as watch:
            found = run(options, watch)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    write(found, out, _again(options))
    console.print(drawn(drift_table(found.drift)))
    for line in words(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"Open {out / 'report.html'}; numbers are in {out / 'drift.json'} and {out / 'table.csv'}",
        soft_wrap=True,
    )
    judge(gates, {found.b.name: found.drift.pooled})


def _again(options: Options) -> str:
    """The command line that makes the same page."""
    made = f"intspike compare {options.a} {options.b} --data {options.data}"
    asked = {
        "samples": options.samples,
        "timesteps": options.timesteps,
        "model": options.model,
        "second-seed": options.second,
    }
    return made + "".join(f" --{name} {value}" for name, value in asked.items() if value is not None)
