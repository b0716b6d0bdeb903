"""Codecs, exhaustively for up to 8 bits: what storing a membrane may never do to a neuron."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from itertools import product
from math import floor
from typing import Any

import numpy as np
import pytest

from intspike.errors import BadInput, BadProgram
from intspike.ir import Edge
from intspike.measure.codes import stuck_codes
from intspike.neuron import IF, LIF
from intspike.neuron.constants import constants
from intspike.ops import Carry, Dyadic, Form, Shift, Table, Uniform, step_many, step_one, trace
from intspike.ops.interpret import encode_many
from oracle import OneNeuron
from strategies import Recipe

BETAS = [0.0, 0.25, 0.5, 0.75, 0.9, 0.97, 1.0]


def even(bits: int, stores: str) -> list[float]:
    """Evenly spaced: below threshold a quarter of the codes under rest; before reset up to 1.5 thresholds."""
    quarter = 1 << (bits - 2)
    if stores == "after reset":
        return [-1 + j / quarter for j in range(quarter)] + [j / (3 * quarter) for j in range(3 * quarter)]
    return [(j - quarter) / (2 * quarter) for j in range(4 * quarter)]


@dataclass(frozen=True, eq=False)
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
    Levels(
        f"uniform {bits} bits from {low}, step {coarse}, {stores}",
        bits,
        stores,
        None,
        low,
        coarse,
        2 if bits > 2 else 1,
    )
    for bits, stores, coarse in product((1, 2, 3, 5, 8), ("after reset", "before reset"), (0, 2))
    for low in sorted({0, -(1 << (bits - 1)), 1 - (1 << bits)})
    if not (stores == "before reset" and low + (1 << bits) < 2) and (bits < 8 or (low, coarse) == (-128, 0))
]
every_set = pytest.mark.parametrize("levels", [*SETS, *UNIFORMS], ids=str)


def recipes(levels: Levels, decay: str = "guaranteed") -> list[Recipe]:
    """Neurons of every reset, comparison and number of spikes that the levels allow; a channel for each beta."""
    codec: Any
    fractions, shift = levels.fractions, None
    made = []
    orders = ("before leak", "after leak")
    resets = ("subtract", "zero") if levels.stores == "after reset" else ("subtract", "zero", "none")
    spikes = (1, levels.most) if levels.most > 1 else (1,)
    for reset, order, compare, d in product(resets, orders, (">=", ">"), spikes):
        neuron = LIF(reset=reset, reset_order=order, compare=compare, spikes=d)
        least = 1 << (levels.bits + 4)
        thetas = [(least, least + 77, 3 * least - 1)[k % 3] for k in range(len(BETAS))]
        if fractions is None:
            codec = Uniform(levels.bits, levels.low, "saturate", levels.stores)
            if levels.stores == "before reset":  # the last threshold must be a boundary
                shift = [
                    next(p for p in range(20) if (d * t + 1 + (1 << p)) >> p <= codec.high) for t in thetas
                ]
            else:
                shift = [max(0, t.bit_length() - levels.bits) for t in thetas]
            shift = [p + levels.coarse for p in shift]
        else:
            codec = Table(levels.bits, fractions.index(0), levels.stores)
        n = len(thetas)
        made.append(
            Recipe(neuron, Form(codec, Carry(decay)), [1] * n, [0] * n, thetas, BETAS, fractions, shift)
        )
    return made


@cache
def layers(levels: Levels, decay: str = "guaranteed") -> list[Layer]:
    return [Layer(r) for r in recipes(levels, decay)]


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
        return encode_many(
            self.codec,
            "u",
            np.broadcast_to(x, (*np.shape(x)[:-1], len(self.channels))),
            self.made,
            self.channels,
        )

    def level(self, codes: Any) -> Any:
        return self.levels[self.channels, codes - self.codec.low]

    def step(self, current: Any, codes: Any, last: Any) -> Any:
        return step_many(self.body, current, {"u": codes}, last, self.made, self.channels)

    def fires(self, x: Any) -> Any:
        return sum((x >= t + self.more).astype(int) for t in self.thetas)

    @cached_property
    def everything(self) -> Any:
        """Membranes from below the lowest level to above the highest, [K, 1]; all of them where they are few."""
        low, high = int(self.levels.min()), int(max(self.levels.max(), self.thetas.max()))
        near = {
            v + d
            for v in (*self.levels.ravel().tolist(), *self.thetas.ravel().tolist())
            for d in range(-2, 3)
        }
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
    for layer in layers(levels):
        x = layer.everything
        stored = layer.level(layer.encode(x))
        if levels.stores == "before reset":
            assert (layer.fires(stored) == layer.fires(x)).all(), layer.r.neuron
        else:  # the spike is stored; what is left of the membrane lies below threshold
            assert (layer.fires(stored) == 0).all(), layer.r.neuron


@every_set
def test_the_output_of_a_step_is_that_of_the_unquantized_membrane(levels: Levels):
    for layer in layers(levels):
        rest = np.full((len(layer.everything), len(layer.channels)), layer.codec.rest)
        x = np.broadcast_to(layer.everything, rest.shape)
        assert (layer.step(x, rest, 0 * rest).spike == layer.fires(x)).all(), layer.r.neuron


@every_set
def test_rest_stays_rest(levels: Levels):
    for layer in [*layers(levels), *layers(levels, "nearest")]:
        rest = np.full((1, len(layer.channels)), layer.codec.rest)
        assert (layer.encode(0 * rest) == rest).all()
        assert (layer.level(rest) == 0).all()
        step = layer.step(0 * rest, rest, 0 * rest)
        assert (step.codes["u"] == rest).all()
        assert (step.spike == 0).all()


@every_set
def test_encode_after_decode_is_the_identity_and_both_are_monotone(levels: Levels):
    for layer in layers(levels):
        again = layer.encode(layer.levels.T)  # [codes, C]
        assert (again == np.minimum(layer.codes[:, None], layer.top)).all()
        assert (np.diff(layer.levels, axis=1) > 0).all()
        assert (np.diff(layer.encode(layer.everything), axis=0) >= 0).all()


@every_set
def test_a_boundary_is_the_middle_or_a_threshold(levels: Levels):
    for layer in layers(levels):
        for c in layer.channels:
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


def pairs_of(layer: Layer) -> list[list[tuple[int, int]]]:
    """For each channel, every (code, output) that some current stores."""
    x = layer.everything
    amount = layer.thetas[0]
    if layer.codec.stores == "before reset":
        codes = layer.encode(x)
        s = layer.fires(layer.level(codes))
    else:
        x = np.concatenate([x + d * amount for d in range(4)])
        s = layer.fires(x)
        codes = layer.encode(x - s * amount if layer.r.neuron.reset == "subtract" else x * (s == 0))
    return [sorted(set(zip(codes[:, c].tolist(), s[:, c].tolist(), strict=True))) for c in layer.channels]


def alone(layer: Layer, steps: int) -> tuple[Any, Any]:
    """Codes and outputs [t, K, C] from every pair that can be stored, without current; until all are at rest."""
    pairs, rest = pairs_of(layer), (layer.codec.rest, 0)
    most = max(map(len, pairs))
    padded = np.array([p + [rest] * (most - len(p)) for p in pairs])  # [C, K, 2]
    codes, spikes = [padded[:, :, 0].T], [padded[:, :, 1].T]
    while len(codes) <= steps and ((codes[-1] != rest[0]) | (spikes[-1] != 0)).any():
        step = layer.step(0 * codes[-1], codes[-1], spikes[-1])
        codes.append(step.codes["u"])
        spikes.append(step.spike)
    return np.array(codes), np.array(spikes)


@every_set
def test_with_guaranteed_decay_every_membrane_comes_to_rest(levels: Levels):
    for layer in layers(levels):
        codes, spikes = alone(layer, 1 << levels.bits)
        assert (codes[-1] == layer.codec.rest).all(), layer.r.neuron
        assert (spikes[-1] == 0).all()
        assert (spikes[1:][spikes[:-1] == 0] == 0).all()  # once silent, always silent
        if levels.stores == "after reset":
            assert (spikes[1:] == 0).all()


@every_set
def test_with_guaranteed_decay_a_silent_membrane_moves_towards_rest_in_every_timestep(levels: Levels):
    for layer in layers(levels):
        codes, spikes = alone(layer, 1)
        if len(codes) == 1:  # rest is all there is
            continue
        was, now = codes[0] - layer.codec.rest, codes[1] - layer.codec.rest
        quiet = spikes[0] == 0
        assert (abs(now) < abs(was))[quiet & (was != 0)].all(), layer.r.neuron
        assert (now * was >= 0)[quiet].all()  # never to the other side


def stuck_by_hand(r: Recipe, c: int, pairs: list[tuple[int, int]]) -> list[int]:
    """Codes that the oracle's neuron keeps without current; rest and what has just fired are not stuck."""
    one, found = OneNeuron(r, c), []
    for code, s in pairs:
        one.code, one.last = code, s
        one.timestep(0)
        if one.code == code != r.form.codec.rest and not (one.after and s):
            found.append(code)
    return found


@every_set
def test_nearest_rounding_leaves_exactly_the_codes_stuck_that_the_helper_names(levels: Levels):
    for layer in layers(levels, "nearest"):
        expected: dict[int, int] = {}
        for c, pairs in enumerate(pairs_of(layer)):
            for code in stuck_by_hand(layer.r, c, pairs):
                expected[code] = expected.get(code, 0) + 1
        assert stuck_codes(layer.r.node("n", Edge("x"))) == expected, layer.r.neuron


@every_set
def test_guaranteed_decay_leaves_no_code_stuck(levels: Levels):
    for layer in layers(levels):
        assert stuck_codes(layer.r.node("n", Edge("x"))) == {}, layer.r.neuron


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
        (
            {"fractions": [0, 1, 1.5, 3.5], "codec": Table(2, 0, "before reset"), "spikes": 3},
            "at or above 2 threshold",
        ),
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
        (lambda: IF(spikes=16), r"must be in 1\.\.15, not 16"),
        (lambda: IF(refractory=-1), "refractory must be in"),
        (lambda: IF(reset="soft"), "reset must be one of"),
        (lambda: LIF(reset_order="never"), "reset_order must be one of"),
    ],
)
def test_fields_that_have_no_meaning_are_refused(make: Any, message: str):
    with pytest.raises(BadInput, match=message):
        make()


def test_a_step_that_branches_on_a_value_is_refused():
    """A value is always true for Python, so the other branch would vanish in silence."""

    @dataclass(frozen=True)
    class Branching(IF):
        def step(self, ops: Any, state: Any, current: Any) -> Any:
            return ops.fire("u", state["u"] + current if state["u"] > 0 else current)

    with pytest.raises(BadProgram, match="must not branch on a value"):
        trace(Branching(), Form(Table(2, 1)))
