"""What the low-bit recipe leaves open: one factor at a time against 2/2 bits, in the search setting of `lowbit`.

python -m intspike.study.lowbit_factors --data FOLDER --out results/lowbit-factors
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer

from .. import models, train
from ..data import Dataset
from ..measure import mean_interval
from ..nn import Network, quantize
from ..ops.surrogate import ShiftedArctan
from ..quant import LQNet, QuantConfig, ThresholdCentred, Uniform, WeightQuantizer
from ..quant.state.base import Gradient
from .folder import write_json, write_text
from .lowbit import EPOCHS, TIMESTEPS, setting


@dataclass(frozen=True)
class Recipe:
    """How one quantized network is trained; the defaults are the recipe that every factor changes.

    Attributes:
        name: of the factor, for people.
        weight_bits, state_bits: what is quantized.
        learning_rate: of the quantized training.
        slope: of the surrogate gradient, in both trainings.
        beta: leak, in both trainings.
        learn_theta: thresholds trained per channel.
        learn_step: weight steps trained as LSQ does.
        scratch: quantized from the first step on, for as many epochs as both trainings have together.
        gradient: where the straight-through gradient of the state is blocked.
        levels: of the weights: "" (-1, 0, 1 at 2 bits), "full range" (-2..1), "mid rise" (-3, -1, 1, 3), "lq-net".
    """

    name: str
    weight_bits: int | None = 2
    state_bits: int | None = 2
    learning_rate: float | None = 2e-3
    slope: float = 1.0
    beta: float = 0.75
    learn_theta: bool = False
    learn_step: bool = False
    scratch: bool = False
    gradient: Gradient = "pass"
    levels: Literal["", "full range", "mid rise", "lq-net"] = ""

    def key(self, seed: int) -> str:
        """Name of the cell's file: a hash of all that makes it but the name."""
        values = {**asdict(self), "seed": seed}
        del values["name"]
        if self.gradient == "pass":  # it was there before gradients could be blocked
            del values["gradient"]
        if not self.levels:  # it was there before levels could be chosen
            del values["levels"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def reference(self) -> Recipe:
        """The full-precision network it starts from."""
        return Recipe(
            f"full precision, slope {self.slope:g}, beta {self.beta:g}",
            None, None, None, self.slope, self.beta,
        )  # fmt: skip

    @property
    def weight(self) -> WeightQuantizer:
        """How weights are quantized."""
        assert self.weight_bits is not None
        if self.levels == "lq-net":
            return LQNet(self.weight_bits)
        full, mid = self.levels == "full range", self.levels == "mid rise"
        return Uniform(self.weight_bits, learn_step=self.learn_step, full_range=full, mid_rise=mid)


NOTE = (
    "Rows were computed at different times, and full precision trained again for later ones: what pairs rows is the "
    "seed, not the network they start from."
)
BASE = Recipe("recipe: 2/2")
RECIPES = (
    BASE,
    *(replace(BASE, name=f"learning rate {r:g}", learning_rate=r) for r in (5e-4, 1e-3, 4e-3, 8e-3)),
    *(replace(BASE, name=f"surrogate slope {s:g}", slope=s) for s in (0.5, 2.0)),
    *(replace(BASE, name=f"beta {b:g}", beta=b) for b in (0.5, 0.9375, 0.984375)),
    replace(BASE, name="thresholds learned per channel", learn_theta=True),
    replace(BASE, name="weight steps learned", learn_step=True),
    replace(BASE, name="weights in -2..1", levels="full range"),
    replace(BASE, name="weights in -3, -1, 1, 3", levels="mid rise"),
    replace(BASE, name="weights of LQ-Net", levels="lq-net"),
    replace(BASE, name="from scratch, 8 epochs", scratch=True),
    replace(BASE, name="gradient blocked where saturated", gradient="block saturated"),
    replace(BASE, name="gradient blocked at end codes", gradient="block ends"),
    *(
        replace(BASE, name=f"4/4, gradient: {g}", weight_bits=4, state_bits=4, gradient=g)
        for g in ("pass", "block saturated", "block ends")
    ),
    replace(BASE, name="3/3", weight_bits=3, state_bits=3),
    replace(BASE, name="3/2", weight_bits=3),
    replace(BASE, name="2/3", state_bits=3),
    replace(BASE, name="2/4", state_bits=4),
    replace(BASE, name="4/2", weight_bits=4),
)


def start(recipe: Recipe) -> Network:
    """An untrained network with the recipe's neurons."""
    net = models.squat_fmnist(beta=recipe.beta)
    for group in net.layers:
        neuron = group.neuron
        neuron.equation = replace(
            neuron.equation, surrogate=ShiftedArctan(recipe.slope), learn_theta=recipe.learn_theta
        )
        if recipe.learn_theta:
            theta = neuron.theta
            del neuron.theta
            neuron.theta = torch.nn.Parameter(theta)
    return net


def measure(
    recipe: Recipe, seed: int, dataset: Dataset, reference: Network | None
) -> tuple[Network, dict[str, Any]]:
    """Train one network and measure it on held-out training images."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    net, epochs = start(recipe), EPOCHS
    if recipe.weight_bits is not None and recipe.state_bits is not None:
        if recipe.scratch:
            epochs = 2 * EPOCHS
        else:
            assert reference is not None
            net.load_state_dict(reference.state_dict())
        config = QuantConfig(
            recipe.weight,
            ThresholdCentred(recipe.state_bits, gradient=recipe.gradient),
        )
        net = quantize(net, config)
    net = train.fit(
        net, dataset, epochs=epochs, timesteps=TIMESTEPS, seed=seed, learning_rate=recipe.learning_rate
    )
    right = train.correct_on(net, dataset.test, timesteps=TIMESTEPS)
    return net, {
        **asdict(recipe), "seed": seed, "accuracy": right / len(dataset.test), "n": len(dataset.test),
        "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip


def cells(seeds: int) -> Iterator[tuple[Recipe, int]]:
    """Every recipe, one seed after the other."""
    for seed in range(seeds):
        for recipe in RECIPES:
            yield recipe, seed


def main(
    path: Annotated[Path, typer.Option("--data", help="folder or file of the full Fashion-MNIST")],
    out: Annotated[Path, typer.Option(help="where results are kept; a rerun resumes")] = Path(
        "results/lowbit-factors"
    ),
    seeds: Annotated[int, typer.Option(help="how many seeds")] = 3,
) -> None:
    """Measure the factors; finished cells are kept and never repeated."""
    dataset = setting(path)
    references: dict[tuple[Recipe, int], Network] = {}

    def cell(recipe: Recipe, seed: int, reference: Network | None) -> Network | None:
        file = out / "cells" / f"{recipe.key(seed)}.json"
        if file.exists() and recipe.weight_bits is not None:
            return None
        net, result = measure(recipe, seed, dataset, reference)
        write_json(file, result)
        print(json.dumps(result), flush=True)
        return net

    for recipe, seed in cells(seeds):
        if (out / "cells" / f"{recipe.key(seed)}.json").exists():
            continue
        full = recipe.reference
        if not recipe.scratch and (full, seed) not in references:
            made = cell(full, seed, None)
            assert made is not None
            references[full, seed] = made
        cell(recipe, seed, references.get((full, seed)))
        write_tables(out, seeds)
    write_tables(out, seeds)


def write_tables(out: Path, seeds: int) -> None:
    """table.md and summary.json from the finished cells; differences to the recipe are paired by seed."""
    results: dict[tuple[Recipe, int], float] = {}
    wanted = dict.fromkeys(r for recipe in RECIPES for r in (recipe.reference, recipe))
    for recipe in wanted:
        for seed in range(seeds):
            file = out / "cells" / f"{recipe.key(seed)}.json"
            if file.exists():
                results[recipe, seed] = 100 * json.loads(file.read_text())["accuracy"]
    command = "python -m intspike.study.lowbit_factors --data FOLDER --out results/lowbit-factors"
    lines = [
        "| change | accuracy, % | 95 % interval | points above 2/2, paired | seeds |",
        "|---|---|---|---|---|",
    ]
    summary: list[dict[str, Any]] = []
    for recipe in wanted:
        each = {s: results[recipe, s] for s in range(seeds) if (recipe, s) in results}
        if not each:
            continue
        i = mean_interval(list(each.values()))
        spread = "" if i.low is None else f"{i.low:.2f} .. {i.high:.2f}"
        paired = [a - results[BASE, s] for s, a in each.items() if (BASE, s) in results]
        above = ""
        if paired and recipe != BASE:
            d = mean_interval(paired)
            above = f"{d.value:+.2f}" + ("" if d.low is None else f" ({d.low:+.2f} .. {d.high:+.2f})")
        listed = ", ".join(f"{a:.2f}" for a in each.values())
        lines.append(f"| {recipe.name} | {i.value:.2f} | {spread} | {above} | {listed} |")
        summary.append(
            {"name": recipe.name, "value": i.value, "low": i.low, "high": i.high, "n": len(each), "goal": None,
             "command": command}
        )  # fmt: skip
    write_json(out / "summary.json", summary)
    write_text(out / "table.md", f"`{command}`\n\n{NOTE}\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    typer.run(main)
