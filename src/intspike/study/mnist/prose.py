"""The report's sentences. Each depends on the numbers, and none is written where its numbers are missing."""

from __future__ import annotations

from ..timesteps.growth import growth, spikes_per_step
from ..timesteps.rivals import claim, rivals
from ..timesteps.saturation import Saturation, one_training, saturations
from ..timesteps.tables import spikes
from .findings import MODELS, NAMES, Findings, goals
from .options import CODE, README
from .paper import LOSS, ROWS, SIZE, spikes_a_timestep
from .tables import KINDS, kind


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
        f"Training: {o.epochs} epochs in batches of {o.batch_size}, {images}, {seeds}; images are shifted by up to two "
        f"pixels; each batch draws T from {trained}. Test images choose nothing.",
        "The quantized networks go on from full precision for as many epochs. Weights and stored membrane potentials "
        "have "
        "equally many bits; the sums inside a timestep are wide. Each is lowered to integers." + exact,
        "A run of T timesteps is the beginning of every longer one, so one run tests all T. Spikes and synaptic "
        "operations are counted, not estimated. Energy is these counts times a published table (45 nm); latency is "
        "that "
        "of the native engine on one machine, one thread.",
    ]


def accuracy(f: Findings) -> list[str]:
    """Where timesteps stop to pay."""
    made = [_saturated(s, f) for s in saturations(f.rows[README], f.options.study(README).within)]
    a, b = (f.accuracy(None, f.at, m) for m in MODELS)
    if a is not None and b is not None:
        better, worse = (README, CODE) if a.value >= b.value else (CODE, README)
        made.append(
            f"In full precision and at T = {f.at}, the network with {NAMES[better]} is {abs(a.value - b.value):.2f} "
            "points "
            f"above the one with {NAMES[worse]}."
        )
    return made


def _saturated(s: Saturation, f: Findings) -> str:
    name = s.curve.removeprefix("trained at random T, ")
    ends = "" if s.low == s.high else f" (95 % interval {s.low} to {s.high})"
    return (
        f"With {name}{' bits' if '/' in name else ''}, T = {s.timesteps}{ends} is within "
        f"{f.options.study(README).within:g} point of the best: {s.accuracy:.2f} of {s.best:.2f} %."
    )


def beside(f: Findings) -> list[str]:
    """The study's four rows and ours."""
    shared = [t for t in ROWS if t in f.times and f.row(None, CODE) is not None]
    if not shared:
        return []
    gains = {t: a.value - ROWS[t].accuracy for t in shared if (a := f.accuracy(None, t, CODE)) is not None}
    low, high = min(gains.values()), max(gains.values())
    words = f"{low:+.2f} to {high:+.2f}" if len(gains) > 1 else f"{low:+.2f}"
    made = [
        f"The network that its code trains differs by {words} points from the study's numbers, in full precision, with "
        "batch norms and T drawn in training."
    ]
    own, last = f.row(None, CODE), max(shared)
    if own is not None:
        made.append(
            f"At T = {last} it sends {spikes(own, last) / ROWS[last].spikes:.2f} times the study's spikes."
        )
    first = f.accuracy(4, f.at)
    if first is not None and f.at in ROWS:
        gap = first.value - ROWS[f.at].accuracy
        side = "above" if gap >= 0 else "below"
        made.append(
            f"The 4-bit leaky network is {abs(gap):.2f} points {side} the study's full precision at T = {f.at}."
        )
    return made


def bits(f: Findings) -> list[str]:
    """What few bits cost."""
    made: list[str] = []
    for b in KINDS[1:]:
        assert b is not None
        change, share = f.change(b, f.at), f.share(b)
        if change is None or share is None:
            continue
        known = change.low is not None and change.high is not None
        sure = known and not change.low <= 0 <= change.high  # type: ignore[operator]
        side = "loses" if change.value < 0 else "gains"
        verdict = "" if sure else ", which these pairs do not tell from nothing" if known else " (one number)"
        made.append(
            f"At {b} bits the network takes {share:.1f} % of float32 and {side} {abs(change.value):.2f} "
            f"points{verdict}."
        )
    wanted = next((g for g in goals(f) if g.name == "study-size"), None)
    if wanted is not None and wanted.measured is not None:
        met = "is met" if wanted.measured <= LOSS else "is not met"
        made.append(f"The study's own target, {SIZE:g} % of the size for less than {LOSS:g} point, {met}.")
    if f.share(8) is not None:
        made.append(
            "Packed size counts everything: weights, biases, thresholds, level and leak tables and states. At 8 bits "
            "the "
            f"tables of every channel weigh most, so that the whole takes {f.share(8):.1f} % although weights take a "
            "quarter."
        )
    return made


def growing(f: Findings) -> list[str]:
    """Whether spikes are linear in T."""
    made: list[str] = []
    for m in MODELS:
        found = {r.cell.bits: growth(spikes_per_step(r)) for r in one_training(f.rows[m])}
        lines = [g for g in found.values() if g is not None]
        if not found:
            continue
        if len(lines) == len(found):
            start, worst = max(g.start for g in lines), max(g.worst for g in lines)
            made.append(
                f"With {NAMES[m]}, spikes grow linearly from t = {start} on at the latest, at every number of bits: "
                "no sum "
                f"departs from its line by more than {100 * worst:.2f} %."
            )
        else:
            never = ", ".join(kind(b) for b, g in found.items() if g is None)
            made.append(f"With {NAMES[m]}, {max(f.times)} timesteps do not show a line for {never}.")
    each = spikes_a_timestep()
    made.append(
        f"The study's own rows say the same: between them its spikes grow by {each[0]:,.0f}, {each[1]:,.0f} and "
        f"{each[2]:,.0f} a timestep, after {ROWS[1].spikes:,.0f} in the first."
    )
    return made


def costs(f: Findings) -> list[str]:
    """Energy, against floating point and against networks without spikes."""
    made = claim(f.rows[README])
    for r in rivals(f.rows[README]):
        if r.timesteps != f.at or r.precision is None:
            continue
        less = "more" if r.precision < 1 else "less"
        times = 1 / r.precision if r.precision < 1 else r.precision
        made.append(
            f"At {r.row.cell.bits} bits and T = {f.at} the spiking network takes {times:.1f} times {less} energy "
            "than an "
            "artificial network of the same layers and bits."
        )
    for bits_ in (4, 2):
        own = f.accuracy(bits_, f.at)
        rival = next(
            (
                r
                for r in f.rows[README].values()
                if not r.cell.trained and r.cell.bits == bits_ and not r.cell.activations
            ),
            None,
        )
        if own is not None and rival is not None and rival.interval is not None:
            gap = own.value - rival.interval.value
            made.append(f"In accuracy it is {gap:+.2f} points beside that network at {bits_} bits.")
    return made


def exits(f: Findings) -> list[str]:
    """What early exit saves."""
    made: list[str] = []
    for b, e in f.exits().items():
        whole = f.accuracy(b, f.at)
        if whole is None:
            continue
        gap = e.accuracy - whole.value
        made.append(
            f"At {b} bits an image runs {e.timesteps:.2f} timesteps on average, {gap:+.2f} points against all {f.at}."
        )
    return made


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
