"""Codecs, exhaustively for up to 8 bits: what storing a membrane may never do to a neuron."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import floor
from typing import Any

import numpy as np
import pytest

from intspike.errors import BadInput
from intspike.ir import Edge
from intspike.measure.codes import stuck_codes
from intspike.neuron import IF, LIF
from intspike.neuron.constants import constants
from intspike.ops import Carry, Dyadic, Form, Shift, Table, Uniform, step_many, step_one, trace
from intspike.ops.interpret import encode_many
from strategies import Recipe

BETAS = [0.0, 0.25, 0.5, 0.75, 0.9, 0.97, 1.0]


def even(bits: int, stores: str) -> list[float]:
    """Evenly spaced: below threshold a quarter of the codes under rest; before reset up to 1.5 thresholds."""
    quarter = 1 << (bits - 2)
    if stores == "after reset":
        return [-1 + j / quarter for j in range(quarter)] + [j / (3 * quarter) for j in range(3 * quarter)]
    return [(j - quarter) / (2 * quarter) for j in range(4 * quarter)]


@dataclass(frozen=True)
class Levels:
    """A set of levels as fractions of the threshold, or the codes of a uniform state."""

    name: str
    bits: int
    stores: str
    fractions: list[float] | None = None
    low: int = 0
    coarse: int = 0
    most: int = 1  # the largest number of spikes that it can tell apart

    def __str__(self) -> str:
        return self.name


SETS = [
    Levels("golden after", 3, "after reset", [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95], most=3),
    Levels("golden before", 3, "before reset", [-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2], most=2),
    Levels("1 bit after", 1, "after reset", [0, 0.95], most=3),
    Levels("1 bit before", 1, "before reset", [0, 1.2]),
    Levels("2 bits after", 2, "after reset", [-1 / 2, 0, 1 / 3, 2 / 3], most=3),
    Levels("2 bits before", 2, "before reset", [0, 0.4, 0.8, 1.2]),
    Levels("2 bits, all above", 2, "before reset", [0, 1, 2, 3], most=3),
    Levels("close to threshold", 2, "before reset", [-1e-2, 0, 0.999, 1.001]),
    *(Levels(f"{n} bits even after", n, "after reset", even(n, "after reset"), most=2) for n in range(3, 9)),
    *(Levels(f"{n} bits even before", n, "before reset", even(n, "before reset")) for n in range(3, 9)),
]
UNIFORMS = [
    Levels(f"uniform {bits} bits from {low}, step {coarse}, {stores}", bits, stores, None, low, coarse, 2 if bits > 2 else 1)
    for bits, stores, coarse in product((1, 2, 3, 5, 8), ("after reset", "before reset"), (0, 2))
    for low in sorted({0, -(1 << (bits - 1)), 1 - (1 << bits)})
    if not (stores == "before reset" and low + (1 << bits) < 2)
]
every_set = pytest.mark.parametrize("levels", [*SETS, *UNIFORMS], ids=str)


def recipes(levels: Levels, decay: str = "guaranteed") -> list[Recipe]:
    """Neurons of every reset, comparison and number of spikes that the levels allow; a channel for each beta and theta."""
    codec: Any
    fractions, shift = levels.fractions, None
    made = []
    orders = ("before leak", "after leak")
    resets = ("subtract", "zero") if levels.stores == "after reset" else ("subtract", "zero", "none")
    spikes = (1, levels.most) if levels.most > 1 else (1,)
    for reset, order, compare, d in product(resets, orders, (">=", ">"), spikes):
        neuron = LIF(reset=reset, reset_order=order, compare=compare, spikes=d)
        least = 1 << (levels.bits + 4)
        thetas = [t for t in (least, least + 77, 3 * least - 1) for _ in BETAS]
        betas = BETAS * 3
        if fractions is None:
            codec = Uniform(levels.bits, levels.low, "saturate", levels.stores)
            if levels.stores == "before reset":  # the last threshold must be a boundary
                shift = [next(p for p in range(20) if (d * t + 1 + (1 << p)) >> p <= codec.high) for t in thetas]
            else:
                shift = [max(0, t.bit_length() - levels.bits) for t in thetas]
            shift = [p + levels.coarse for p in shift]
        else:
            codec = Table(levels.bits, fractions.index(0), levels.stores)
        n = len(thetas)
        made.append(Recipe(neuron, Form(codec, Carry(decay)), [1] * n, [0] * n, thetas, betas, fractions, shift))
    return made


class Layer:
    """The constants of a recipe, and what follows from them without the body: thresholds, tops, levels of codes."""

    def __init__(self, r: Recipe):
        self.r, self.codec, self.made = r, r.form.codec, r.constants()
        self.body = trace(r.neuron, r.form)
        self.channels = np.arange(len(r.theta))
        self.more = int(r.neuron.compare == ">")
        names = [n for n in self.made if n.startswith("theta")]
        self.thetas = np.array([self.made[n] for n in sorted(names)])
        self.codes = np.arange(self.codec.low, self.codec.high + 1)
        if isinstance(self.codec, Table):
            self.levels = self.made["u.levels"]
        else:
            self.levels = self.codes[None] * 2 ** self.made["u.shift"][:, None]
        self.top = self.made.get("u.high", np.full(len(r.theta), self.codec.high))
        self.used = self.codes[None] <= self.top[:, None]  # [C, codes]

    def encode(self, x: Any) -> Any:
        """Codes of x [..., C]."""
        return encode_many(self.codec, "u", np.broadcast_to(x, (*np.shape(x)[:-1], len(self.channels))), self.made, self.channels)

    def level(self, codes: Any) -> Any:
        return self.levels[self.channels, codes - self.codec.low]

    def fires(self, x: Any) -> Any:
        return sum((x >= t + self.more).astype(int) for t in self.thetas)

    def everything(self) -> Any:
        """Membranes from below the lowest level to above the highest, [K, 1]; all of them where they are few."""
        low, high = int(self.levels.min()), int(max(self.levels.max(), self.thetas.max()))
        near = {v + d for v in (*self.levels.ravel().tolist(), *self.thetas.ravel().tolist()) for d in range(-2, 3)}
        if "u.boundaries" in self.made:
            near |= {v + d for v in self.made["u.boundaries"].ravel().tolist() for d in (-1, 0)}
        else:
            near |= {v + s // 2 + d for v, s in zip(*self._steps(), strict=True) for d in (-1, 0, 1)}
        dense = range(low - 40, high + 41, max(1, (high - low) // 3000))
        return np.array(sorted(near | set(dense)))[:, None]

    def _steps(self) -> tuple[list[int], list[int]]:
        steps = np.broadcast_to(2 ** self.made["u.shift"][:, None], self.levels.shape)
        return self.levels.ravel().tolist(), steps.ravel().tolist()


@every_set
def test_encoding_never_creates_or_removes_a_spike(levels: Levels):
    for r in recipes(levels):
        layer = Layer(r)
        x = layer.everything()
        stored = layer.level(layer.encode(x))
        if levels.stores == "before reset":
            assert (layer.fires(stored) == layer.fires(x)).all(), r.neuron
        else:  # the spike is stored; what is left of the membrane lies below threshold
            assert (layer.fires(stored) == 0).all(), r.neuron


@every_set
def test_the_output_of_a_step_is_that_of_the_unquantized_membrane(levels: Levels):
    for r in recipes(levels):
        layer = Layer(r)
        x = layer.everything()
        codes = {"u": np.full((len(x), len(layer.channels)), layer.codec.rest)}
        step = step_many(layer.body, np.broadcast_to(x, codes["u"].shape), codes, 0 * codes["u"], layer.made, layer.channels)
        assert (step.spike == layer.fires(x)).all(), r.neuron


@every_set
def test_rest_stays_rest(levels: Levels):
    for decay, (leak, r) in product(("guaranteed", "nearest"), ((None, r) for r in recipes(levels))):
        del leak
        layer = Layer(Recipe(**{**vars(r), "form": Form(r.form.codec, Carry(decay))}))
        rest = np.full((1, len(layer.channels)), layer.codec.rest)
        assert (layer.encode(0 * rest) == rest).all()
        assert (layer.level(rest) == 0).all()
        step = step_many(layer.body, 0 * rest, {"u": rest}, 0 * rest, layer.made, layer.channels)
        assert (step.codes["u"] == rest).all()
        assert (step.spike == 0).all()


@every_set
def test_encode_after_decode_is_the_identity_and_both_are_monotone(levels: Levels):
    for r in recipes(levels):
        layer = Layer(r)
        again = layer.encode(layer.levels.T)  # [codes, C]
        assert (again == np.minimum(layer.codes[:, None], layer.top)).all()
        assert (np.diff(layer.levels, axis=1) > 0).all()
        assert (np.diff(layer.encode(layer.everything()), axis=0) >= 0).all()


@every_set
def test_a_boundary_is_the_middle_or_a_threshold(levels: Levels):
    for r in recipes(levels):
        layer = Layer(r)
        for c in range(len(r.theta)):
            row, firsts = layer.levels[c].tolist(), [int(t) + layer.more for t in layer.thetas[:, c]]
            if isinstance(layer.codec, Table):
                edges = layer.made["u.boundaries"][c].tolist()
            else:
                half = 2 ** int(layer.made["u.shift"][c]) // 2
                edges = [v - half for v in row[1:]]
            for j, edge in enumerate(edges):
                between = [t for t in firsts if row[j] < t <= row[j + 1]] * (levels.stores == "before reset")
                middle = floor(Fraction(row[j] + row[j + 1] + 1, 2))
                assert edge == (between[0] if between else middle) or edge == middle - 1 == row[j + 1] - half


def pairs_of(layer: Layer, c: int) -> list[tuple[int, int]]:
    """Every (code, output) of a channel that some current stores."""
    r, codec = layer.r, layer.codec
    codes = layer.codes[layer.used[c]].tolist()
    levels, thetas = layer.levels[c].tolist(), layer.thetas[:, c].tolist()
    if codec.stores == "before reset":
        return [(k, sum(levels[k - codec.low] >= t + layer.more for t in thetas)) for k in codes]
    if r.neuron.reset == "zero":
        return [(k, 0) for k in codes] + [(codec.rest, s) for s in range(1, r.neuron.spikes + 1)]
    x = layer.everything()[:, 0]
    x = np.concatenate([x, x + int(thetas[0]), x + 2 * int(thetas[0]), x + 3 * int(thetas[0])])
    s = sum((x >= t + layer.more).astype(int) for t in thetas)
    left = np.repeat((x - s * thetas[0])[:, None], len(layer.channels), 1)
    return sorted(set(zip(layer.encode(left)[:, c].tolist(), s.tolist(), strict=True)))


def alone(layer: Layer, steps: int) -> tuple[Any, Any]:
    """Codes and outputs [t, K, C] from every pair that can be stored, without current; missing pairs are at rest."""
    pairs = [pairs_of(layer, c) for c in layer.channels]
    most = max(map(len, pairs))
    padded = np.array([p + [(layer.codec.rest, 0)] * (most - len(p)) for p in pairs])  # [C, K, 2]
    code, s = padded[:, :, 0].T, padded[:, :, 1].T
    codes, spikes = [code], [s]
    for _ in range(steps):
        step = step_many(layer.body, 0 * code, {"u": code}, s, layer.made, layer.channels)
        code, s = step.codes["u"], step.spike
        codes.append(code)
        spikes.append(s)
    return np.array(codes), np.array(spikes)


@every_set
def test_with_guaranteed_decay_every_membrane_comes_to_rest(levels: Levels):
    for r in recipes(levels):
        layer = Layer(r)
        codes, spikes = alone(layer, 1 << levels.bits)
        rest = layer.codec.rest
        assert (codes[-1] == rest).all(), r.neuron
        assert (spikes[-1] == 0).all()
        # once silent, always silent; and at rest, always at rest
        silent = spikes[:-1] == 0
        assert (spikes[1:][silent] == 0).all()
        assert (codes[1:][(codes[:-1] == rest) & silent] == rest).all()
        if levels.stores == "after reset":
            assert (spikes[1:] == 0).all()


@every_set
def test_with_guaranteed_decay_a_silent_membrane_moves_towards_rest_in_every_timestep(levels: Levels):
    for r in recipes(levels):
        layer = Layer(r)
        codes, spikes = alone(layer, 1)
        rest, quiet = layer.codec.rest, spikes[0] == 0
        assert (abs(codes[1] - rest) < abs(codes[0] - rest))[quiet & (codes[0] != rest)].all(), r.neuron
        assert ((codes[1] - rest) * (codes[0] - rest) >= 0)[quiet].all()  # never to the other side


def stuck_by_hand(layer: Layer, c: int, beta: float) -> list[int]:
    """Codes that rounding to the nearest maps to themselves: (code, output) -> the same code, and silent."""
    found = []
    for code, s in pairs_of(layer, c):
        if code == layer.codec.rest or (layer.codec.stores == "after reset" and s):
            continue
        v = int(layer.levels[c][code - layer.codec.low])
        n, amount = layer.r.neuron, int(layer.thetas[0, c])
        if n.reset != "none" and n.reset_order == "before leak":
            v = v - amount * s if n.reset == "subtract" else v * (s == 0)
        x = floor(Fraction(beta * v) + Fraction(1, 2))
        if n.reset != "none" and n.reset_order == "after leak":
            x = x - amount * s if n.reset == "subtract" else x * (s == 0)
        if int(layer.encode(np.full((1, len(layer.channels)), x))[0, c]) == code:
            found.append(code)
    return found


@every_set
def test_nearest_rounding_leaves_exactly_the_codes_stuck_that_the_helper_names(levels: Levels):
    for r in recipes(levels, "nearest"):
        layer = Layer(r)
        expected: dict[int, int] = {}
        for c, beta in enumerate(r.beta):
            for code in stuck_by_hand(layer, c, beta):
                expected[code] = expected.get(code, 0) + 1
        assert stuck_codes(r.node("n", Edge("x"))) == expected, r.neuron
        guaranteed = Recipe(**{**vars(r), "form": Form(r.form.codec)})
        if r.neuron.reset != "none":
            assert stuck_codes(guaranteed.node("n", Edge("x"))) == {}


def test_the_worked_example_names_its_stuck_codes():
    for levels, stuck in ((SETS[0], [0, 1, 3, 4]), (SETS[1], [0, 2, 3])):
        codec = Table(3, levels.fractions.index(0), levels.stores)
        r = Recipe(LIF(), Form(codec, Carry("nearest")), [8], [3], [160], [0.75], levels.fractions)
        assert list(stuck_codes(r.node("n", Edge("x")))) == stuck
        r = Recipe(LIF(), Form(codec), [8], [3], [160], [0.75], levels.fractions)
        assert stuck_codes(r.node("n", Edge("x"))) == {}


def test_a_shift_leaves_codes_stuck_that_a_guaranteed_carry_does_not():
    """Why the carry is the default: v - (v >> m) never takes the last steps."""
    for leak in (Shift(), Dyadic(8)):
        r = Recipe(LIF(beta=0.75), Form(Uniform(8, -128), leak), [1], [0], [160], [0.75], shift=[1])
        assert set(stuck_codes(r.node("n", Edge("x")))) & {1, 2}


# --- a second state can silence a code that fires ------------------------------------------------------------


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_a_refractory_neuron_that_is_still_above_threshold_is_reset_once(reset: Any):
    """Stored before reset, 2.5 thresholds leave 1.5: silent while refractory, and nothing more is taken."""
    fractions = [-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2]
    neuron = LIF(reset=reset, refractory=3, beta=1.0)
    made = constants(
        neuron, Form(Table(3, 1, "before reset"), Carry("nearest")), gain=np.array([1]), bias=np.array([0]),
        theta=np.array([160]), beta=np.array([1.0]), fractions=fractions,
    )  # fmt: skip
    row = {name: a[0].tolist() for name, a in made.items()}
    body = trace(neuron, Form(Table(3, 1, "before reset"), Carry("nearest")))
    codes, s, seen = {"u": 1, "r": 0}, 0, []
    for current in (400, 0, 0, 0, 0, 0):
        step = step_one(body, current, codes, s, row)
        codes, s = step.codes, step.spike
        seen.append((step.membranes["u"], s))
    if reset == "zero":
        assert seen == [(400, 1), *[(0, 0)] * 5]
    else:
        assert seen == [(400, 1), (240, 0), (240, 0), (240, 0), (240, 1), (80, 0)]


# --- what is refused -----------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"codec": Table(2, 1), "fractions": [-0.5, 0, 0.4, 0.9], "theta": 64}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fractions": [-0.5, 0, 0.4]}, "must have 4 increasing levels"),
        ({"fractions": [-0.5, 0, 0.4, 0.4]}, "must have 4 increasing levels"),
        ({"fractions": [-0.5, 0.1, 0.4, 0.9]}, "with 0 at code 1"),
        ({"fractions": [-0.5, 0, 0.4, 1.0]}, "must lie below threshold"),
        ({"fractions": [-0.5, 0, 0.4, 0.9], "codec": Table(2, 1, "before reset")}, "at or above 1 threshold"),
        ({"fractions": [0, 1, 1.5, 3.5], "codec": Table(2, 0, "before reset"), "spikes": 3}, "at or above 2 threshold"),
        ({"theta": 2}, "must stay distinct"),
        ({"fractions": None}, "needs its levels"),
        ({"beta": None}, "needs its leak beta"),
        ({"codec": Uniform(4, 0)}, "needs its shift"),
        ({"codec": None}, "not in full precision"),
    ],
)
def test_levels_that_cannot_be_are_refused(change: dict[str, Any], message: str):
    given = {**GOOD, "spikes": 1, "beta": np.array([0.5]), **change}
    with pytest.raises(BadInput, match=message):
        constants(
            LIF(spikes=given["spikes"]), Form(given["codec"]), gain=np.array([1]), bias=np.array([0]),
            theta=np.array([given["theta"]]), beta=given["beta"], fractions=given["fractions"],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Table(0, 0), r"bits of a table state must be an integer in 1\.\.8, not 0"),
        (lambda: Table(9, 0), "more bits fit a uniform code"),
        (lambda: Table(2, 4), r"rest code must be one of the codes 0\.\.3"),
        (lambda: Uniform(17, 0), r"in 1\.\.16"),
        (lambda: Uniform(2, 1), "must hold 0"),
        (lambda: Uniform(2, -4), "must hold 0"),
        (lambda: Dyadic(0), r"in 1\.\.15"),
        (lambda: trace(IF(reset="none"), Form(Table(2, 1))), "needs a reset"),
        (lambda: trace(LIF(leak_on="sum"), Form(Table(2, 1))), "must be a Shift"),
        (lambda: trace(LIF(), Form(Uniform(9, 0))), "at most 8 state bits"),
        (lambda: trace(IF(spikes=2), Form(Table(1, 0, "before reset"))), "at least 2 bits"),
        (lambda: LIF(beta=1.5), r"beta must be a number in 0\.\.1"),
        (lambda: LIF(theta=0), "theta must be a positive number"),
        (lambda: IF(spikes=16), r"spikes must be in 1\.\.15"),
        (lambda: IF(refractory=-1), "refractory must be in"),
        (lambda: IF(reset="soft"), "reset must be one of"),
        (lambda: LIF(reset_order="never"), "reset_order must be one of"),
    ],
)
def test_fields_that_have_no_meaning_are_refused(make: Any, message: str):
    with pytest.raises(BadInput, match=message):
        make()
