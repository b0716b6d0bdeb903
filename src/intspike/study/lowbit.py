"""The measurement every low-bit default rests on: bits, codec and decay, in a small search setting.

Fashion-MNIST, 12,000 training images, T = 8, beta 0.75; 4 epochs in full precision, then 4 quantized from there;
1,000 further training images choose the epoch, 10,000 others give the number; test images are not touched.

    python -m intspike.study.lowbit --data FOLDER --out results/lowbit
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from .. import data, models, train
from ..data import Dataset, Split
from ..measure import mean_interval
from ..nn import Network, quantize
from ..quant import QuantConfig, ThresholdCentred, Uniform
from .folder import write_atomic, write_json

TIMESTEPS, EPOCHS = 8, 4


@dataclass(frozen=True)
class Cell:
    """One configuration and seed. Without bits it is the full-precision reference.

    Attributes:
        bits: of weights and states.
        stores, decay: of the state.
        seed: of weights and image order.
    """

    bits: int | None
    stores: Any = "after reset"
    decay: Any = "guaranteed"
    seed: int = 0

    @property
    def key(self) -> str:
        """Name of the cell's file: a hash of everything that makes it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def config(self) -> QuantConfig:
        assert self.bits is not None
        state = ThresholdCentred(self.bits, stores=self.stores, decay=self.decay, gradient="pass")
        return QuantConfig(Uniform(self.bits), state)


def cells(seeds: int) -> Iterator[Cell]:
    """The grid, one seed after the other, so that every seed is whole before the next begins."""
    for seed in range(seeds):
        yield Cell(None, seed=seed)
        for bits in (2, 4):
            for stores in ("after reset", "before reset"):
                for decay in ("guaranteed", "nearest"):
                    yield Cell(bits, stores, decay, seed=seed)


def setting(path: Path) -> Dataset:
    """The search setting: all splits are training images of the original set."""
    full = data.fashion_mnist(path, validation=0.0)
    images, labels = full.train.inputs, full.train.labels

    def split(first: int, last: int) -> Split:
        return Split(images[first:last], labels[first:last])

    return Dataset(
        full.name, split(0, 12000), split(12000, 13000), split(13000, 23000), full.classes,
        "12,000 + 1,000 + 10,000 training images of the original set",
    )  # fmt: skip


def measure(cell: Cell, dataset: Dataset, reference: Network | None) -> tuple[Network, dict[str, Any]]:
    """Train one cell and measure it on held-out training images."""
    began = time.perf_counter()
    torch.manual_seed(cell.seed)
    start = models.squat_fmnist() if reference is None else quantize(reference, cell.config())
    net = train.fit(start, dataset, epochs=EPOCHS, timesteps=TIMESTEPS, seed=cell.seed)
    right = train.correct_on(net, dataset.test, timesteps=TIMESTEPS)
    seconds = round(time.perf_counter() - began, 1)
    return net, {
        **asdict(cell),
        "accuracy": right / len(dataset.test),
        "n": len(dataset.test),
        "seconds": seconds,
    }


def main(
    path: Annotated[Path, typer.Option("--data", help="folder or file of the full Fashion-MNIST")],
    out: Annotated[Path, typer.Option(help="where results are kept; a rerun resumes")] = Path(
        "results/lowbit"
    ),
    seeds: Annotated[int, typer.Option(help="how many seeds")] = 3,
) -> None:
    """Measure the grid; finished cells are kept and never repeated."""
    dataset = setting(path)
    reference: dict[int, Network] = {}
    done: list[dict[str, Any]] = []
    for cell in cells(seeds):
        file = out / "cells" / f"{cell.key}.json"
        if file.exists() and (cell.bits is not None or _finished(out, seeds, cell.seed)):
            done.append(json.loads(file.read_text()))
            continue
        if cell.bits is not None and cell.seed not in reference:
            reference[cell.seed] = measure(Cell(None, seed=cell.seed), dataset, None)[0]
        net, result = measure(cell, dataset, reference.get(cell.seed) if cell.bits else None)
        if cell.bits is None:
            reference[cell.seed] = net
        write_json(file, result)
        done.append(result)
        print(json.dumps(result), flush=True)
        write_tables(out, done)
    write_tables(out, done)


def _finished(out: Path, seeds: int, seed: int) -> bool:
    return all((out / "cells" / f"{c.key}.json").exists() for c in cells(seeds) if c.seed == seed)


def write_tables(out: Path, results: Sequence[dict[str, Any]]) -> None:
    """results.csv, table.md and summary.json from the finished cells."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for r in results:
        key = (r["bits"],) if r["bits"] is None else (r["bits"], r["stores"], r["decay"])
        groups.setdefault(key, []).append(r)
    command = "python -m intspike.study.lowbit --data FOLDER --out results/lowbit"
    lines = [
        "| W / U | codec | decay | accuracy, % | 95 % interval | seeds |",
        "|---|---|---|---|---|---|",
    ]
    summary: list[dict[str, Any]] = []
    for key, rows in groups.items():
        interval = mean_interval([100 * r["accuracy"] for r in rows])
        each = ", ".join(f"{100 * r['accuracy']:.2f}" for r in sorted(rows, key=lambda r: r["seed"]))
        name = "full precision" if key[0] is None else f"{key[0]}/{key[0]}"
        rest = ("", "") if key[0] is None else (key[1], key[2])
        spread = "" if interval.low is None else f"{interval.low:.2f} .. {interval.high:.2f}"
        lines.append(f"| {name} | {' | '.join(rest)} | {interval.value:.2f} | {spread} | {each} |")
        summary.append(
            {
                "name": " ".join([name, *rest]).strip(),
                "value": interval.value,
                "low": interval.low,
                "high": interval.high,
                "n": len(rows),
                "goal": None,
                "command": command,
            }
        )
    write_json(out / "summary.json", summary)
    write_atomic(out / "table.md", lambda p: p.write_text(f"`{command}`\n\n" + "\n".join(lines) + "\n"))


if __name__ == "__main__":
    typer.run(main)
