"""The command line: `intspike --help` lists every command, docs/cli.md every option."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from . import pretrained
from .errors import BadInput, IntspikeError, did_you_mean
from .study import arguments
from .study.check.command import check
from .study.commands import app as study_app
from .study.compare.command import compare
from .study.demo.command import demo
from .study.dynamics.command import app as dynamics_app
from .study.energy.command import energy
from .study.interchange.export_commands import export_nir, export_onnx
from .study.interchange.import_command import import_
from .study.interchange.trace_commands import diff, vectors
from .study.language.command import generate, tiny_language
from .study.recipes import app as run_app
from .study.search_command import search
from .study.steps.commands import evaluate, train
from .study.terminal import need_torch, print_object

app = typer.Typer(
    no_args_is_help=True,
    help="Quantized spiking neural networks, from training to exact integers.",
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(no_args_is_help=True, help="Data sets.")
export_app = typer.Typer(no_args_is_help=True, help="Write a program in another form.")
run_app.command("tiny-language")(tiny_language)
app.add_typer(run_app, name="run")
app.add_typer(data_app, name="data")
app.add_typer(export_app, name="export")
app.add_typer(study_app, name="study")
app.add_typer(dynamics_app, name="dynamics")
app.command()(demo)
app.command()(train)
app.command()(evaluate)
app.command()(search)
app.command()(energy)
app.command()(compare)
app.command()(generate)
app.command()(check)
app.command("import")(import_)
app.command()(diff)
app.command()(vectors)
export_app.command("nir")(export_nir)
export_app.command("onnx")(export_onnx)

console = Console()


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="which data set: fashion-mnist")],
    folder: Annotated[Path | None, typer.Option(help="output folder (default: the user's cache)")] = None,
) -> None:
    """Download a data set and check it.

    intspike data get fashion-mnist
    """
    if name != "fashion-mnist":
        raise BadInput(f"there is no data set {name!r} to download; {did_you_mean(name, ['fashion-mnist'])}")
    from .data import get_fashion_mnist

    where = get_fashion_mnist(folder)
    console.print(f"{where}\nuse it: intspike run fashion-mnist --data {where}", soft_wrap=True)


@app.command()
def show(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="a stored program, the name of one that travels with intspike, or the word quantizer"
        ),
    ],
    name: Annotated[
        str, typer.Argument(help="of a state quantizer: threshold-centred, uniform, exponential, ...")
    ] = "threshold-centred",
    bits: Annotated[int, typer.Option(help="of a state quantizer")] = 4,
    codec: Annotated[
        str, typer.Option(help="of a state quantizer: after-reset or before-reset")
    ] = "after-reset",
    decay: Annotated[str, typer.Option(help="of a state quantizer: guaranteed or nearest")] = "guaranteed",
    beta: Annotated[float, typer.Option(help="leak per timestep of the decay")] = 0.9,
    out: Annotated[Path | None, typer.Option(help="also draw a state quantizer into this HTML file")] = None,
) -> None:
    """Print a stored program: nodes, constants, bodies, proved widths. Or a state quantizer: levels and decay.

    intspike show fashion-mnist-w4u4

    intspike show quantizer threshold-centred --bits 2 --decay nearest --out quantizer.html
    """
    if what == "quantizer":
        _show_quantizer(name, bits, codec, decay, beta, out)
        return
    from .ir.artifact import load

    _refuse_options_of_a_quantizer(context, what)
    sys.stdout.write(str(load(pretrained.find(Path(what)))))


def _refuse_options_of_a_quantizer(context: typer.Context, program: str) -> None:
    given = [
        parameter
        for parameter in ("name", "bits", "codec", "decay", "beta", "out")
        if getattr(context.get_parameter_source(parameter), "name", "") == "COMMANDLINE"
    ]
    if given:
        first = given[0]
        words = repr(context.params[first]) if first == "name" else f"--{first}"
        raise BadInput(f"{words} must come with the word quantizer, but {program} is a program; leave it out")


def _show_quantizer(name: str, bits: int, codec: str, decay: str, beta: float, out: Path | None) -> None:
    if codec not in ("after-reset", "before-reset"):
        raise BadInput(f"--codec must be after-reset or before-reset, not {codec!r}")
    if decay not in ("guaranteed", "nearest"):
        raise BadInput(f"--decay must be guaranteed or nearest, not {decay!r}")
    need_torch()
    from rich.table import Table

    from .study import quantizer

    stores = "after reset" if codec == "after-reset" else "before reset"
    shown = quantizer.code_table(quantizer.named(name, bits, stores, decay), beta)
    table = Table(title=f"{shown.title}, beta = {beta:g}; membranes in thresholds", title_justify="left")
    for column in ("code", "level", "membranes", "next code", "timesteps to rest"):
        table.add_column(column, justify="right")
    for row in quantizer.lines(shown):
        table.add_row(*row)
    console.print(table)
    if out is not None:
        quantizer.write_figure(shown, out)
        console.print(f"{out} shows it", soft_wrap=True)


@app.command()
def integers(
    artifact: arguments.Artifact,
    out: Annotated[Path | None, typer.Option(help="folder (default: the artifact's name, -integers)")] = None,
    force: arguments.Force = False,
) -> None:
    """Take the integers away: every array as .npy, and a manifest in the field's words.

    intspike integers fashion-mnist-w4u4
    """
    from .export.arrays import export_arrays
    from .ir.artifact import load
    from .study.folder import check_new

    folder = out or artifact.with_name(f"{artifact.stem}-integers")
    check_new(folder, force)
    export_arrays(load(pretrained.find(artifact)), folder, force=force)
    console.print(f"{folder / 'manifest.json'} names every array", soft_wrap=True)


@export_app.command("c")
def export_c(
    artifact: arguments.Artifact,
    out: Annotated[Path, typer.Option(help="folder for the C files")] = Path("c"),
    force: arguments.Force = False,
) -> None:
    """Write a stored program as C99.

    intspike export c fashion-mnist-w4u4 --out c
    """
    from .export.c import c_size
    from .export.c import export_c as write
    from .ir.artifact import load
    from .study.folder import check_new

    check_new(out, force)
    program = load(pretrained.find(artifact))
    write(program, out, force=force)
    console.print(
        f"{out / 'program.h'} is the interface; make -C {out} builds a process. Beside its code it takes "
        f"{c_size(program)}",
        soft_wrap=True, highlight=False,
    )  # fmt: skip


@app.command()
def info(
    as_json: arguments.Json = False,
    clear_cache: Annotated[bool, typer.Option("--clear-cache", help="delete the compiled libraries")] = False,
) -> None:
    """Say what this machine offers: versions, compiler, instruction sets, cache, threads.

    intspike info --json
    """
    import dataclasses
    import platform

    from . import __version__, native

    if clear_cache:
        for library in native.libraries():
            library.unlink(missing_ok=True)
    found = native.info()
    torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
    facts = {
        "intspike": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__) if torch else None,
        **dataclasses.asdict(found),
        **({"threads": int(torch.get_num_threads())} if torch else {}),
    }
    if as_json:
        print_object(facts)
        return
    size = f"{found.cached_libraries} libraries, {found.cached_bytes / 1e6:.1f} MB"
    rows = {
        "intspike": __version__,
        "Python": facts["python"],
        "torch": facts["torch"] or "not installed: pip install 'intspike[torch]'",
        "compiler": f"{found.version} ({found.compiler})" if found.compiler else _no_compiler(),
        "instruction sets": ", ".join(found.sets) or "none without a compiler",
        "native means": ", ".join(found.native) or "not known",
        "cache": f"{found.cache_folder}: {size}",
        "threads": str(facts["threads"]),
    }
    width = max(map(len, rows))
    for name, text in rows.items():
        console.print(f"{name:{width}}  {text}", highlight=False, markup=False, soft_wrap=True)


def _no_compiler() -> str:
    if os.environ.get("INTSPIKE_COMPILER", "").strip():
        return "none, because INTSPIKE_COMPILER=none: numpy and torch do the work"
    return "not found: numpy and torch do the work, about ten times slower; install gcc or clang"


def main() -> None:
    """Entry point: errors raised on purpose become one line, an interruption says how to resume."""
    try:
        app()
    except IntspikeError as e:
        Console(stderr=True).print(f"[bold red]error:[/] {_escaped(str(e))}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
