"""The recipe `fashion-mnist` over several seeds: mean accuracies with their 95 % intervals.

python -m intspike.study.fashion_mnist_seeds --seeds 3 --out results/fashion-mnist
python -m intspike.study.fashion_mnist_seeds --data FOLDER --epochs 10 --batch-size 100 --out results/fashion-mnist/full
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..measure import mean_interval
from .fashion_mnist import run
from .fashion_mnist_result import MAIN, REFERENCE, Options
from .folder import write_atomic, write_json

GOALS = {REFERENCE: ">= 85.5", MAIN: ">= 85.0"}
FULL_GOALS = {REFERENCE: ">= 90.9"}  # the SQUAT paper: 90.87
GAPS = {MAIN: "<= 0.7", "ptq-w8u8": "<= 0.5"}  # points below full precision, on the full set


def main(
    out: Annotated[Path, typer.Option(help="where tables are kept")] = Path("results/fashion-mnist"),
    work: Annotated[Path, typer.Option(help="where the runs are kept; a rerun resumes")] = Path("runs/seeds"),
    seeds: Annotated[int, typer.Option(help="how many seeds")] = 3,
    first: Annotated[int, typer.Option(help="the first seed to run; tables hold all that are finished")] = 0,
    data: Annotated[Path | None, typer.Option(help="folder or file of the full set")] = None,
    epochs: Annotated[int, typer.Option(help="epochs of each training")] = Options.epochs,
    batch_size: Annotated[int, typer.Option(help="images per training step")] = Options.batch_size,
) -> None:
    """Run every seed and write table.md and summary.json."""
    options = Options(epochs, 0, batch_size=batch_size, data=str(data.resolve()) if data else None)
    rows: dict[int, dict[str, Any]] = {}
    for seed in (*range(first, seeds), *range(first)):
        result = run(replace(options, seed=seed), work / str(seed))
        rows[seed] = result if isinstance(result, dict) else result.summary
        print(seed, rows[seed]["accuracy"], rows[seed]["seconds"]["total"], flush=True)
        write_tables(out, [rows[k] for k in sorted(rows)])


def write_tables(out: Path, rows: list[dict[str, Any]]) -> None:
    """table.md and summary.json of finished runs."""
    options = rows[0]["options"]
    full = options["data"] is not None
    command = "python -m intspike.study.fashion_mnist_seeds"
    if full:
        command += f" --data FOLDER --epochs {options['epochs']} --batch-size {options['batch_size']}"
    command += f" --out results/fashion-mnist{'/full' if full else ''}"
    goals = FULL_GOALS if full else GOALS
    lines = ["| network | accuracy, % | 95 % interval | each seed | goal |", "|---|---|---|---|---|"]
    summary: list[dict[str, Any]] = []

    def add(name: str, each: list[float], goal: str | None) -> None:
        i = mean_interval(each)
        spread = "" if i.low is None or i.high is None else f"{i.low:.2f} .. {i.high:.2f}"
        shown = ", ".join(f"{x:.2f}" for x in each)
        lines.append(f"| {name} | {i.value:.2f} | {spread} | {shown} | {goal or ''} |")
        found = {"name": name, "value": i.value, "low": i.low, "high": i.high, "n": len(each)}
        summary.append({**found, "goal": goal, "command": command})

    accuracy = {name: [100 * r["accuracy"][name] for r in rows] for name in rows[0]["accuracy"]}
    for name, each in accuracy.items():
        add(name, each, goals.get(name))
    for name, goal in GAPS.items() if full else ():
        below = [a - b for a, b in zip(accuracy[REFERENCE], accuracy[name], strict=True)]
        add(f"{name}: points below {REFERENCE}", below, goal)
    compared = sum(c["compared"] for r in rows for c in r["exact"])
    differ = sum(c["mismatches"] for r in rows for c in r["exact"])
    counted = {
        "name": "spikes and codes that differ",
        "value": differ,
        "low": None,
        "high": None,
        "n": compared,
    }
    summary.append({**counted, "goal": "<= 0", "command": command})
    r = rows[0]
    text = (
        f"`{command}`\n\n{r['data']}; T = {r['timesteps']}, {r['epochs']} epochs of each training, batches of "
        f"{options['batch_size']}. 8-bit states are stored {r['codec']['ptq-w8u8']}, 4-bit states "
        f"{r['codec'][MAIN]}. {compared:,} spikes and stored codes were compared over all engines; {differ} differ.\n\n"
    )
    write_json(out / "summary.json", summary)
    write_atomic(out / "table.md", lambda p: p.write_text(text + "\n".join(lines) + "\n"))


if __name__ == "__main__":
    typer.run(main)
