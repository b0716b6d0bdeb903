"""The report's sentences around its results: question, method, comparisons, limits; they, too, follow the numbers."""

from __future__ import annotations

from .findings import Findings, goals
from .options import README
from .paper import ROWS


def summary(f: Findings) -> str:
    """What came out, in a sentence."""
    full, few = f.accuracy(None, f.at), f.accuracy(4, f.at)
    if full is None and few is None:
        return "No network is finished."
    parts = [] if full is None else [f"{full.value:.2f} % in full precision"]
    if few is not None:
        parts.append(
            f"{few.value:.2f} % with 4-bit weights and membrane potentials, in {f.share(4):.1f} % of the memory"
        )
    return f"On {f.tested:,} test images and T = {f.at}: {' and '.join(parts)}."


def question() -> list[str]:
    """Why the study is repeated."""
    return [
        "How do accuracy, latency and energy of a spiking network trade over its timesteps, and how few bits does it "
        "need? "
        "The MNIST timestep study asked the first half with one network of two convolutions and two dense layers, "
        f"and reports {ROWS[1].accuracy:.2f} to {ROWS[20].accuracy:.2f} % for 1 to 20 timesteps.",
        "Its answer cannot settle the question. What its README describes and what its code trains are two networks: "
        "leaky "
        "neurons whose spikes are pooled, against neurons without a leak behind pooled currents. Nothing in it is "
        "quantized. It trained once, at T = 10, tested at every T with those weights, and chose the model on test "
        "images; "
        "and it takes accuracy per spike for energy.",
    ]


def method(f: Findings) -> list[str]:
    """What was done."""
    o = f.options.study(README)
    seeds = "one seed" if o.seeds == 1 else f"{o.seeds} seeds"
    images = (
        f"{o.subset:,} training images"
        if o.subset
        else "all training images but a tenth, which chooses the model"
    )
    given = "images are shifted by up to two pixels"
    if o.encode != "direct":
        given = f"images are given as spikes, by {o.encode} encoding"
    trained = ", ".join(map(str, o.train_timesteps or o.timesteps))
    exact = (
        f" In all, {f.compared:,} spikes and stored codes of torch, the reference interpreter and the native engine "
        "were "
        "compared, and none differs."
        if f.compared
        else ""
    )
    return [
        "Both networks have 32 and 64 filters of 3x3, 256 hidden neurons, and ten sums that never fire: an integrator, "
        "whose largest sum is the class. Batch norms, which the study does not have, are folded into the integers. "
        f"Training: {o.epochs} epochs in batches of {o.batch_size}, {images}, {seeds}; {given}; "
        f"each batch draws T from {trained}. Test images choose nothing.",
        "The quantized networks go on from full precision for as many epochs. Weights and stored membrane potentials "
        "have "
        "equally many bits; the sums inside a timestep are wide. Each is lowered to integers." + exact,
        "A run of T timesteps is the beginning of every longer one, so one run tests all T. Spikes and synaptic "
        "operations are counted, not estimated. Energy is these counts times a published table (45 nm); latency is "
        "that "
        "of the native engine on one machine, one thread.",
    ]


def comparisons(f: Findings) -> list[str]:
    """Which goals are reached."""
    known = [g for g in goals(f) if g.reached is not None]
    if not known:
        return []
    missed = [g for g in known if not g.reached]
    if not missed:
        return [f"All {len(known)} goals that could be measured are reached."]
    names = "; ".join(f"{g.text}: {g.measured:.2f} against {g.limit:g}" for g in missed)
    return [f"{len(known) - len(missed)} of {len(known)} measured goals are reached. Missed: {names}."]


def limits(f: Findings) -> list[str]:
    """What these numbers cannot say."""
    o = f.options.study(README)
    made: list[str] = []
    if o.seeds == 1:
        made.append(
            "One seed was trained: intervals are those of test images, and say nothing of other seeds."
        )
    if o.subset:
        made.append(
            f"Training saw {o.subset:,} images, so accuracies are below what the whole set gives, and goals set for "
            "it are "
            "judged on a part."
        )
    if any(r.failed for rows in f.rows.values() for r in rows.values()):
        made.append("Some networks failed and are missing from all tables.")
    made += [
        "MNIST is easy: differences of a tenth of a point are ten test images. What holds here need not hold "
        "elsewhere.",
        "An energy is a count times a table, not a measurement, and the table leaves out clocks, leakage and routing. "
        "Latency is one machine's.",
        "Artificial networks of equal bits are trained as long as the spiking ones, and not tuned further.",
    ]
    return made
