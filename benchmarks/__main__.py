"""The command line of the benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from intspike.errors import IntspikeError

from . import catalog, machine, results

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console, errors = Console(), Console(stderr=True)
SECONDS = 240  # of one benchmark, after which it counts as failed


@app.command()
def run(
    only: Annotated[str | None, typer.Option(help="one benchmark by name")] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="rounds of each (default: its own number)")
    ] = None,
    pin: Annotated[bool, typer.Option("--pin", help="bind threads to cores, one each")] = False,
    names: Annotated[bool, typer.Option("--list", help="list the benchmarks, run none")] = False,
) -> None:
    """Measure, keep the rows in benchmarks/results.json, print the table.

    Finished rows are kept whatever happens later. A run without --pin adds the column "unpinned" to pinned rows.
    """
    if names:
        table = Table("name", "work", "peers")
        for b in catalog.BENCHMARKS:
            table.add_row(b.name, b.what, "\n".join(g.peer for g in b.goals))
        console.print(table)
        return
    # memory does not depend on where threads run
    wanted = [b for b in catalog.chosen(only) if pin or only or b.unit == "ms"]
    try:
        failed = _run(wanted, rounds, pin)
    except KeyboardInterrupt:
        errors.print("stopped; finished rows are kept")
        raise typer.Exit(130) from None
    console.print(f"{results.RESULTS} and {results.TABLE}", soft_wrap=True, highlight=False)
    if failed:
        raise typer.Exit(1)


def _run(benchmarks: Sequence[catalog.Benchmark], rounds: int | None, pin: bool) -> bool:
    """Run benchmarks, keep and print their rows; returns whether any failed or was unequal."""
    failed = False
    with Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console,
    ) as progress:  # fmt: skip
        for b in benchmarks:
            rows = _measure(b, rounds or b.rounds, pin, progress)
            failed |= rows is None
            if rows:
                results.publish(results.keep(rows))
                for r in rows:
                    progress.console.print(_line(r), highlight=False)
                    failed |= not r["equal"]
    return failed


def _line(r: results.Row) -> str:
    """A finished row in short, and what is wrong with it."""
    wrong = "" if r["equal"] else "  [bold red]NOT EQUAL[/]"
    if results.busy(r):
        wrong += f"  [yellow]other work took {r['others']:.0%} of the machine[/]"
    return f"{r['name']}: {r['ratio']:g} x {r['peer']}{wrong}"


def _measure(b: catalog.Benchmark, rounds: int, pin: bool, progress: Progress) -> list[results.Row] | None:
    """The rows of a benchmark; [] where it cannot run here, None where it failed. Both are said."""
    task = progress.add_task(b.name, total=rounds)
    command = [sys.executable, "-m", f"{__package__}.worker", b.name, str(rounds), str(pin)]
    environment = machine.environment(pin, keep_pages=b.unit == "ms")
    with (
        tempfile.TemporaryFile("w+") as said_wrong,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said_wrong, text=True) as p,
    ):
        assert p.stdout is not None
        late = threading.Timer(SECONDS, p.kill)
        late.daemon = True  # an interruption does not wait for it
        late.start()
        answer: dict[str, Any] = {}
        try:
            for line in p.stdout:
                said = json.loads(line)
                if isinstance(said, dict):
                    answer = said
                else:
                    progress.update(task, completed=said[1], total=said[2])
            p.wait()
        finally:
            p.kill()  # where this is interrupted; it does nothing to what has ended
        expired = not late.is_alive()
        late.cancel()
        said_wrong.seek(0)
        wrong = said_wrong.read().strip()[-2000:]
    if "rows" in answer:
        return answer["rows"]
    if "missing" in answer:
        progress.console.print(f"{b.name}: left out, {answer['missing']}", highlight=False, markup=False)
        return []
    why = f"longer than {SECONDS} s" if expired else wrong
    progress.console.print(f"{b.name} failed: {why}", highlight=False, markup=False)
    return None


def main() -> None:
    """Entry point: errors raised on purpose become one line."""
    try:
        app()
    except IntspikeError as e:
        errors.print(f"error: {e}", highlight=False, markup=False, soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
