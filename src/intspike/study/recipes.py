"""`intspike run`: recipes from training to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from ..errors import BadInput, did_you_mean
from . import arguments
from .bits import words as bits_words
from .terminal import drawn, need_torch, numbers, under_bars

console = Console()


class Recipes(TyperGroup):
    """Commands of which a misspelt one names the nearest, as data sets do."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            raise BadInput(f"there is no recipe {args[0]!r}; {did_you_mean(args[0], list(self.commands))}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Recipes,
    no_args_is_help=True,
    help="Recipes: train, quantize, lower, verify, report; a killed run resumes.",
)


@app.command("fashion-mnist")
def fashion_mnist(
    epochs: arguments.Epochs = 4,
    seed: arguments.Seed = 0,
    timesteps: arguments.FixedTimesteps = 25,
    batch_size: arguments.BatchSize = 50,
    data: Annotated[
        Path | None, typer.Option(help="folder or file of the full set: idx, idx.gz or npz")
    ] = None,
    out: arguments.Folder = Path("runs/fashion-mnist"),
    force: arguments.Force = False,
    quick: Annotated[bool, typer.Option("--quick", help="a first look in about a minute")] = False,
    loss: Annotated[
        str, typer.Option(help="cross entropy on 'counts', or on 'steps' as SQUAT prints it")
    ] = "counts",
    max_emd: arguments.MaxEmd = None,
    max_paired: arguments.MaxPaired = None,
    max_newly_dead: arguments.MaxNewlyDead = None,
) -> None:
    """SQUAT's network on Fashion-MNIST: train, quantize, lower, verify and export.

    intspike run fashion-mnist --quick --out runs/first
    """
    if loss not in ("counts", "steps"):
        raise BadInput(f"--loss must be counts or steps, not {loss!r}")
    need_torch()
    from ..measure import judge, parse_gates
    from . import console as tables
    from . import fashion_mnist as recipe

    gates = parse_gates(max_emd, max_newly_dead, max_paired)
    options = recipe.Options(
        epochs, seed, timesteps, batch_size, str(data.resolve()) if data else None, quick, loss
    )
    result = under_bars(
        lambda watch: recipe.run(options, out, force=force, watch=watch),
        stopped="the same command resumes from the last finished step",
    )
    summary = result if isinstance(result, dict) else result.summary
    if isinstance(result, dict):
        console.print(f"{out} holds this run already, finished; --force repeats it")
    console.print(tables.table(summary))
    console.print(tables.closing(summary, out), soft_wrap=True)
    judge(gates, tables.pooled(summary))


@app.command("mnist")
def mnist(
    epochs: arguments.Epochs = 3,
    seeds: arguments.Seeds = 1,
    timesteps: Annotated[str, typer.Option(help="each T of the tests, increasing")] = "1,2,4,5,10,20",
    train_timesteps: Annotated[str, typer.Option(help="of which each training batch draws one")] = "1,2,4",
    batch_size: arguments.BatchSize = 50,
    subset: arguments.Subset = None,
    bits: arguments.SeveralBits = "fp32,8,4,2",
    encode: Annotated[str, typer.Option(help="direct, rate or latency")] = "direct",
    data: Annotated[str | None, typer.Option(help="folder or file of MNIST: idx, idx.gz or npz")] = None,
    jobs: arguments.Jobs = 1,
    out: arguments.Folder = Path("runs/mnist"),
    tables: arguments.Tables = None,
    force: arguments.Force = False,
    quick: Annotated[bool, typer.Option("--quick", help="a first look in some minutes")] = False,
    wait: arguments.Wait = False,
) -> None:
    """The MNIST timestep study's two networks at 32, 8, 4 and 2 bits, artificial rivals, and a research report.

    intspike run mnist --data FOLDER --quick --out runs/first-mnist
    """
    need_torch()
    from .mnist.options import Options
    from .mnist.study import run
    from .mnist.tables import accuracies, goal_table

    options = Options(
        epochs, seeds, numbers(timesteps, "timesteps", int), numbers(train_timesteps, "train-timesteps", int),
        batch_size, subset, data, quick, encode, bits_words(bits),
    )  # fmt: skip
    found = under_bars(
        lambda watch: run(options, out, tables=tables, jobs=jobs, force=force, wait=wait, watch=watch)
    )
    for table in (accuracies(found), goal_table(found)):
        console.print(drawn(table))
    folder = tables or out
    console.print(
        f"Open {folder / 'report.html'}; its text is {folder / 'report.md'}, numbers are in {folder / 'summary.json'}",
        soft_wrap=True,
    )
