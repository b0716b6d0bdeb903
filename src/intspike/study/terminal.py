"""What commands share: progress on the terminal, one JSON object for scripts, and torch or a word about it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from ..errors import BadInput, MissingDependency
from .watch import Watch

if TYPE_CHECKING:
    from ..measure import Gates
    from .report.content import Table
    from .runner import Study


N = TypeVar("N")
T = TypeVar("T")


class Bars(Watch):
    """Progress bars; lines of text go above them. Where there is no terminal, only the lines are written."""

    def __init__(self, console: Console):
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
        )

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def start(self, task: str, total: int) -> Callable[[int, str], None]:
        bar: TaskID = self._progress.add_task(task, total=total, words="")
        return lambda done, words: self._progress.update(bar, completed=done, words=words)

    def say(self, text: str) -> None:
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)


def drawn(table: Table) -> RichTable:
    """A report's table as the terminal shows it."""
    made = RichTable(title=escape(table.title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for k, column in enumerate(table.columns):
        made.add_column(escape(str(column)), justify="right" if k else "left", overflow="fold")
    for row in table.rows:
        made.add_row(*(escape(str(cell)) for cell in row))
    return made


def numbers(text: str, option: str, kind: Callable[[str], N], example: str = "8,4,2") -> tuple[N, ...]:
    """The numbers of an option such as 8,4,2; none where it is empty.

    Raises:
        BadInput: something else.
    """
    try:
        return tuple(kind(x) for x in text.split(",")) if text else ()
    except ValueError:
        raise BadInput(f"--{option} must be numbers with commas, such as {example}, not {text!r}") from None


def under_bars(run: Callable[[Watch], T], as_json: bool = False, stopped: str = "") -> T:
    """What it returns, under progress bars; Ctrl-C ends the command.

    Args:
        as_json: a JSON object goes to standard output, so that progress goes to standard error.
        stopped: what to say after Ctrl-C.
    """
    try:
        with Bars(Console(stderr=as_json)) as watch:
            return run(watch)
    except KeyboardInterrupt:
        if stopped:
            Console(stderr=True).print(f"stopped; {stopped}", soft_wrap=True)
        raise typer.Exit(130) from None


def print_object(value: Mapping[str, Any]) -> None:
    """What `--json` prints: one object on standard output, of numbers that JSON has."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def run_shown(
    run: Callable[[Watch], Study[Any]], folder: Path, gates: Gates | None = None, as_json: bool = False
) -> None:
    """Run a study under progress bars, then show its tables and say where the rest lies, or print its summary.

    Args:
        folder: where tables and report are written.
        gates: how far the firing of any network may drift from full precision.
        as_json: print one JSON object and nothing else.

    Raises:
        DriftExceeded: one drifted further; everything is written before.
    """
    study = under_bars(run, as_json)
    if as_json:
        print_object(study.to_dict() | {"folder": str(folder)})
    else:
        console = Console()
        for table in study.tables:
            console.print(drawn(table))
        console.print(closing(len(study.cells), len(study.failed), folder), soft_wrap=True)
    if gates is not None:
        from ..measure import judge
        from .drifted import pooled

        judge(gates, pooled(study.cells))


def closing(cells: int, failed: int, folder: Path) -> str:
    """The last words of a study."""
    again = f"; {failed} cells failed, --retry-failed computes them again" if failed else ""
    return (
        f"{cells} cells{again}. Open {folder / 'report.html'}; numbers are in {folder / 'summary.json'}, "
        f"{folder / 'table.csv'} and {folder / 'table.md'}"
    )


def need_torch() -> None:
    """Raise MissingDependency where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise MissingDependency(
            "this command needs torch, which is not installed; run: pip install 'intspike[torch]'"
        )
