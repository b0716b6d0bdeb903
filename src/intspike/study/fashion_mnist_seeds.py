"""The recipe `fashion-mnist` over several seeds: mean accuracies with their 95 % intervals.

python -m intspike.study.fashion_mnist_seeds --seeds 3 --out results/fashion-mnist
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..measure import mean_interval
from .fashion_mnist import MAIN, REFERENCE, Options, Watch, run
from .folder import write_atomic, write_json

GOALS = {REFERENCE: ">= 85.5", MAIN: ">= 85.0"}


def main(
    out: Annotated[Path, typer.Option(help="where tables are kept")] = Path("results/fashion-mnist"),
    work: Annotated[Path, typer.Option(help="where the runs are kept; a rerun resumes")] = Path("runs/seeds"),
    seeds: Annotated[int, typer.Option(help="how many seeds")] = 3,
) -> None:
    """Run every seed and write table.md and summary.json."""
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        result = run(Options(seed=seed), work / str(seed), watch=Watch())
        rows.append(result if isinstance(result, dict) else result.summary)
        print(seed, rows[-1]["accuracy"], rows[-1]["seconds"]["total"], flush=True)
        write_tables(out, rows)


def write_tables(out: Path, rows: list[dict[str, Any]]) -> None:
    """table.md and summary.json of finished runs."""
    command = "python -m intspike.study.fashion_mnist_seeds --out results/fashion-mnist"
    lines = ["| network | accuracy, % | 95 % interval | each seed | goal |", "|---|---|---|---|---|"]
    summary: list[dict[str, Any]] = []
    for name in rows[0]["accuracy"]:
        each = [100 * r["accuracy"][name] for r in rows]
        i = mean_interval(each)
        spread = "" if i.low is None or i.high is None else f"{i.low:.2f} .. {i.high:.2f}"
        goal = GOALS.get(name)
        lines.append(
            f"| {name} | {i.value:.2f} | {spread} | {', '.join(f'{x:.2f}' for x in each)} | {goal or ''} |"
        )
        entry = {
            "name": f"{name} accuracy, %",
            "value": i.value,
            "low": i.low,
            "high": i.high,
            "n": len(each),
        }
        summary.append({**entry, "goal": goal, "command": command})
    compared = sum(c["compared"] for r in rows for c in r["exact"])
    differ = sum(c["mismatches"] for r in rows for c in r["exact"])
    entry = {
        "name": "spikes and codes that differ",
        "value": differ,
        "low": None,
        "high": None,
        "n": compared,
    }
    summary.append({**entry, "goal": "<= 0", "command": command})
    r = rows[0]
    text = (
        f"`{command}`\n\n{r['data']}; T = {r['timesteps']}, {r['epochs']} epochs of each training, batches of "
        f"{r['options']['batch_size']}. 8-bit states are stored {r['codec']['ptq-w8u8']}, 4-bit states "
        f"{r['codec'][MAIN]}. {compared:,} spikes and stored codes were compared over all engines; {differ} differ.\n\n"
    )
    write_json(out / "summary.json", summary)
    write_atomic(out / "table.md", lambda p: p.write_text(text + "\n".join(lines) + "\n"))


if __name__ == "__main__":
    typer.run(main)
