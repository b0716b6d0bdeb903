"""What a reader of the tables must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..grid import Finished
from . import paper
from .cells import SquatCell, uniform_range
from .options import Options
from .rows import Row, printed
from .tasks import TASKS


def notes(finished: Sequence[Finished], rows: Mapping[str, Row], options: Options) -> list[str]:
    """What a reader must know of data, codec, intervals and the paper's numbers."""
    cell = next(iter(rows.values())).cell
    records = [f.record for f in finished if f.record is not None]
    task = TASKS.get(cell.dataset)
    seeds = max((len(r.done) for r in rows.values()), default=0)
    lowest = min((f.cell.low for f in finished if isinstance(f.cell, SquatCell)), default=-1.0)
    low, high = uniform_range(options.stores, lowest)
    made = [
        f"Data: {records[0]['data'] if records else cell.dataset}; {records[0]['n'] if records else 0:,} test samples "
        f"a seed. T = {cell.timesteps} in training and {cell.test_timesteps} in the test, {_epochs(cell.epochs)} of "
        f"each training in batches of {cell.batch_size}. Models are chosen on validation samples; spikes are counted.",
        f"States are stored {options.stores}; uniform ones cover {low:g}..{high:g} thresholds (1 bit: from rest)"
        f"{_centred(lowest)}. Only what is kept between timesteps is so narrow. 1-bit weights are binary, others "
        f"{_weights(options)}. PTQ lets the levels of each layer reach up to 32 times further from the threshold, "
        "whichever keep most spikes of training samples as they are in full precision, and estimates batch norms again "
        "from 10 batches, with everything quantized; QAT goes on from full precision for as many epochs, so its "
        "networks have trained twice as long. "
        "Memoryless networks start every timestep at rest (beta = 0): what they reach needs no membrane potential, and "
        "of a static input one timestep is computed, which all others repeat.",
        "Intervals are Student's t over folds; folds share training samples, so they are somewhat too narrow."
        if options.folds
        else "Intervals are Student's t over seeds."
        if seeds > 1
        else "There is one seed: intervals are Wilson's, of its test samples, and say nothing of other seeds.",
        "Networks with a float part have weights or states in full precision and no integer program. In the others, "
        "torch, the reference engine and compiled code agree in every spike and stored code of the samples compared.",
    ]
    if options.folds:
        made.append(
            f"Seed s is trained on the other folds and tested on fold s of {options.folds}, of all samples pooled."
        )
    if task is not None and any(printed(r) is not None for r in rows.values()):
        same = "the same data set" if task.same else "another data set: compare the shape, not the level"
        made.append(
            f"Paper: arXiv 2404.19668, {task.paper}, {same}; means of 3 trials after up to 100 epochs or more."
        )
        made += paper.faults(task.paper)
    if len({f.code for f in finished if f.code}) > 1:
        made.append("Some cells were computed by an earlier intspike than others.")
    return made


def _weights(options: Options) -> str:
    ways = "uniform" if options.weights == "uniform" else "those of LQ-Net up to 6 bits"
    if options.gradient == "block-saturated":
        return ways
    where = "passes everywhere" if options.gradient == "pass" else "stops at both end codes"
    return f"{ways}; the straight-through gradient of states {where}"


def _centred(low: float) -> str:
    return "" if low == -1 else f", and from 4 bits on levels around the threshold begin at {low:g}"


def _epochs(n: int) -> str:
    return f"{n} epoch" if n == 1 else f"{n} epochs"
