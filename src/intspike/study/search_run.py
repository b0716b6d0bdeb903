"""`intspike search`: train in full precision, search the bits of every layer, train the best, prove and keep it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .. import train
from ..data import Dataset
from ..errors import BadInput
from ..ir.artifact import save
from ..lower import lower_with_report, verify
from ..lower.drift import drift
from ..measure import Drift, size_bits, wilson
from ..nn import Network, quantize
from . import custom
from .folder import RunFolder, clear_disk_errors, write_atomic, write_json
from .report import Page, Section, Table, drift_table, write_report
from .report.style import Figure, Panel, axis, colour, layout, line, note, plain, size, text
from .search import Candidate, Cost, Found, search
from .splits import few
from .squat.tasks import LOSSES, Where, build, load, task_of
from .trained_for import noted
from .watch import Watch

_UNITS = {"": 1, "b": 1, "bits": 1, "kib": 8 * 1024, "mib": 8 * 1024 * 1024, "kb": 8000, "mb": 8_000_000}


@dataclass(frozen=True)
class Options:
    """Options of `intspike search`.

    Attributes:
        dataset, data, model, subset: as in `intspike study squat`.
        budget: the most the program may cost, in bits or synaptic operations.
        cost: "bits" or "synops".
        weight_bits, state_bits: what a layer may have.
        trials: candidates that are measured.
        samples: validation samples that judge one.
        epochs: of each of the two trainings.
        timesteps: None is the data set's own.
        seed: of weights, sample order and search.
    """

    budget: float
    dataset: str = "fashion-mnist"
    cost: Cost = "bits"
    weight_bits: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8)
    state_bits: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8)
    trials: int = 60
    samples: int = 1000
    epochs: int = 4
    subset: int | None = None
    timesteps: int | None = None
    batch_size: int = 50
    seed: int = 0
    data: str | None = None
    model: str | None = None


def parse_budget(words: str) -> float:
    """A number, or a size such as 12KiB, 0.1MiB, 50kB; sizes are in bits.

    Raises:
        BadInput: neither.
    """
    match = re.fullmatch(r"([0-9]*\.?[0-9]+(?:e[0-9]+)?) ?([a-z]*)", words.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise BadInput(f"--budget must be a number or a size such as 12KiB, not {words!r}")
    return float(match[1]) * _UNITS[match[2]]


def run(options: Options, out: Path, *, force: bool = False, watch: Watch | None = None) -> dict[str, Any]:
    """Search into a folder; a search that was stopped goes on, a finished one is only read.

    Returns:
        What search.json holds: the front, the chosen bits, and the trained network's test accuracy and size.

    Raises:
        BadInput, BadData: options, data, model or folder cannot be used; a budget that nothing meets.
    """
    told = watch or Watch()
    task = task_of(options.dataset)
    where = Where(options.dataset, options.data, options.model)
    data = load(where)
    data = data if options.subset is None else few(data, options.subset)
    timesteps = options.timesteps or task.timesteps
    network = build(where, data)
    custom.check_fits(network, data, options.model or f"the network of {options.dataset}")
    own = "" if options.model is None else custom.fingerprint(options.model)
    with clear_disk_errors(out):
        folder = RunFolder(out, {"recipe": "search", **_plain(options), "own_model": own}, force)
        finished = folder.done("finished")
        if finished is not None:
            return finished
        torch.manual_seed(options.seed)
        net = _trained(folder, "fp32", network, data, options, timesteps, told)
        tell = told.start("search", options.trials)

        def progress(done: int, of: int, last: Candidate) -> None:
            tell(done, f"{last.accuracy:.1%}, {size(last.bits)}")

        found = search(
            net, data, budget=options.budget, cost=options.cost, weight_bits=options.weight_bits,
            state_bits=options.state_bits, trials=options.trials, timesteps=timesteps, samples=options.samples,
            seed=options.seed, journal=out / "trials.log", progress=progress,
        )  # fmt: skip
        best = found.best
        told.say(f"within the budget: {best} ({best.accuracy:.1%} on validation samples before training)")
        made = _trained(folder, "best", quantize(net, best.config), data, options, timesteps, told)
        program, report = lower_with_report(made, input_shape=data.frame)
        bits = size_bits(program, report.packing).total
        if options.cost == "bits" and bits > options.budget:  # constants may have become wider
            told.say(f"training made it {bits - options.budget:,.0f} bits larger than the budget")
        exact = verify(made, program, data.test, timesteps=timesteps, samples=16, native_samples=250)
        save(noted(program, timesteps), out / "model.intspike")
        test = wilson(train.correct_on(made, data.test, timesteps=timesteps), len(data.test))
        full = wilson(train.correct_on(net, data.test, timesteps=timesteps), len(data.test))
        drifted = drift(net, made, data, timesteps=timesteps, names=("full precision", str(best)))
        result = {
            "data": data.source,
            "front": [{**asdict(c), "config": str(c)} for c in found.front],
            "candidates": len(found.candidates),
            "best": {**asdict(best), "config": str(best)},
            "bits": bits,
            "test": test.to_dict(),
            "full_precision": full.to_dict(),
            "drift": drifted.to_dict(),
            "compared": sum(c.compared for c in exact),
            "options": _plain(options),
        }
        write_json(out / "search.json", result)
        write_atomic(out / "table.md", lambda p: p.write_text(_markdown(found) + "\n"))
        write_report(out / "report.html", _page(found, drifted, result, timesteps))
        folder.finish("finished", result)
    return result


def _plain(options: Options) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(options).items()}


def _trained(
    folder: RunFolder, name: str, net: Network, data: Dataset, options: Options, timesteps: int, told: Watch
) -> Network:
    """A network of a finished step, or a new one that is then kept."""
    if folder.done(name) is not None:
        net.load_state_dict(folder.tensors(name))
        return net.eval()
    batch = min(options.batch_size, len(data.train))
    total = options.epochs * (len(data.train) // batch)
    tell = told.start(f"train {name}", total)
    made = train.fit(
        net, data, epochs=options.epochs, batch_size=batch, timesteps=timesteps, seed=options.seed,
        loss=LOSSES[task_of(options.dataset).loss](), progress=lambda p: tell(p.done, f"loss {p.loss:.3f}"),
    )  # fmt: skip
    folder.finish(name, {"epochs": options.epochs}, made.state_dict())
    return made


def _rows(candidates: Sequence[Candidate]) -> list[list[str]]:
    return [[str(c), f"{100 * c.accuracy:.2f}", size(c.bits), f"{c.synops:,.0f}"] for c in candidates]


COLUMNS = ("weight bits / state bits", "validation accuracy, %", "packed", "SynOps per inference")


def _markdown(found: Found) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|---:|---:|---:|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in _rows(found.front))])


def _page(found: Found, drifted: Drift, result: dict[str, Any], timesteps: int) -> Page:
    best, test, full = found.best, result["test"], result["full_precision"]
    summary = (
        f"Within the budget, {best} is the most accurate of {len(found.candidates)} candidates. Trained, it reaches "
        f"{test['value']:.1%} of test samples in {size(result['bits'])}; full precision reaches {full['value']:.1%}."
    )
    looks = "Each point is calibrated, not trained, and judged on validation samples; the line is what none beats."
    made = [
        Section("front", "Accuracy and cost", looks, [_panel(found)], wide=True,
                tables=[Table("The front, cheapest first", COLUMNS, _rows(found.front))]),
        Section("drift", "Firing drift", "How differently it fires from full precision, on the test samples.",
                tables=[drift_table(drifted)]),
    ]  # fmt: skip
    notes = [
        f"Data: {result['data']}. T = {timesteps}. Test samples serve only for the last numbers.",
        f"{result['compared']:,} spikes and stored codes of the chosen network were compared between torch, the "
        "reference engine and compiled code; none differs.",
    ]
    return Page("Bits for every layer", summary, made, ("candidate", "front", "chosen"), notes)


def _panel(found: Found) -> Panel:
    scale = 8192 if found.cost == "bits" else 1e6
    unit = "packed size (KiB)" if found.cost == "bits" else "synaptic operations (millions)"

    def points(chosen: Sequence[Candidate], index: int, **more: Any) -> Figure:
        return {
            "type": "scatter",
            "x": plain([c.cost(found.cost) / scale for c in chosen]),
            "y": plain([100 * c.accuracy for c in chosen]),
            "text": [text(c) for c in chosen],
            "marker": {"color": colour(index), "size": 7 if index < 2 else 12},
            "line": {"color": colour(index), "width": 1.5},
            "hovertemplate": "%{text}: %{y:.2f} %<extra></extra>",
        } | more

    data = [
        points(found.candidates, 0, mode="markers"),
        points(found.front, 1, mode="lines+markers"),
        points([found.best], 2, mode="markers"),
    ]
    x, low = found.budget / scale, min(100 * c.accuracy for c in found.candidates)
    edge = line(x, x, 0, 1, yref="paper")
    shown = layout(
        axis(unit, showgrid=False), axis("validation accuracy (%)"), shapes=[edge],
        annotations=[note("budget", x, low, xanchor="left", xshift=4)],
    )  # fmt: skip
    return Panel("Candidates", data, shown, 420)
