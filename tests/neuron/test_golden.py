"""The worked example of the numeric contract, by every engine."""

import numpy as np
import pytest

from intspike.engine import exported, native, reference
from intspike.ir import Dense, Edge, Input, Neuron, Program, Readout, frozen
from intspike.native import compiler
from intspike.neuron import LIF
from intspike.neuron.constants import constants
from intspike.ops import Carry, Form, Table, Triangle, step_one, trace

NEURON = LIF(theta=1.0, beta=0.75, surrogate=Triangle())
WEIGHT = [7, 6, -5, 3]
INPUTS = [[0, 0, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 1], [0, 1, 0, 1], [1, 0, 0, 1]]
SUMS = [-5, 13, 13, 4, 9, 10]
AFTER = {"rest": 2, "fractions": [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95], "stores": "after reset"}
BEFORE = {"rest": 1, "fractions": [-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2], "stores": "before reset"}
EXPECTED = {  # (codec, decay): codes, spikes, stored membranes
    ("after reset", "guaranteed"): ([1, 5, 3, 4, 6, 3], [0, 0, 1, 0, 0, 1], [-40, 96, 192, 64, 128, 192]),
    ("after reset", "nearest"): (None, [0, 0, 0, 0, 1, 0], None),
    ("before reset", "guaranteed"): ([1, 4, 5, 2, 3, 4], [0, 0, 1, 0, 0, 0], [0, 120, 160, 40, 80, 120]),
    ("before reset", "nearest"): (None, [0, 0, 1, 0, 0, 1], None),
}
CARRY = {
    ("after reset", "nearest"): [-90, -30, 0, 24, 48, 72, 96, 114],
    ("after reset", "guaranteed"): [-80, -20, 0, 15, 47, 72, 96, 114],
    ("before reset", "nearest"): [-60, 0, 30, 60, 90, 0, 60, 180],
    ("before reset", "guaranteed"): [-40, 0, 19, 59, 90, 0, 60, 180],
}
LEVELS = {
    "after reset": [-120, -40, 0, 32, 64, 96, 128, 152],
    "before reset": [-80, 0, 40, 80, 120, 160, 240, 400],
}
EDGES = {
    "after reset": [-80, -20, 16, 48, 80, 112, 140],
    "before reset": [-40, 20, 60, 100, 160, 200, 320],
}


def golden(codec, decay):
    form = Form(Table(3, codec["rest"], codec["stores"]), Carry(decay))
    one = lambda x: np.array([x])  # noqa: E731
    made = constants(
        NEURON,
        form,
        gain=one(8),
        bias=one(3),
        theta=one(160),
        beta=np.array([0.75]),
        fractions=codec["fractions"],
    )
    return trace(NEURON, form), made


@pytest.mark.parametrize("codec", [AFTER, BEFORE], ids=["after", "before"])
@pytest.mark.parametrize("decay", ["guaranteed", "nearest"])
def test_definition(codec, decay):
    body, made = golden(codec, decay)
    assert made["u.levels"].tolist() == [LEVELS[codec["stores"]]]
    assert made["u.boundaries"].tolist() == [EDGES[codec["stores"]]]
    assert made["carry"].tolist() == [CARRY[codec["stores"], decay]]
    row = {name: a[0].tolist() for name, a in made.items()}
    codes, prev, seen = {"u": codec["rest"]}, 0, ([], [], [])
    for x, total in zip(INPUTS, SUMS, strict=True):
        assert sum(w * i for w, i in zip(WEIGHT, x, strict=True)) == total
        step = step_one(body, total, codes, prev, row)
        codes, prev = step.codes, step.spike
        for got, value in zip(seen, (codes["u"], prev, step.membranes["u"]), strict=True):
            got.append(value)
    for got, expected in zip(seen, EXPECTED[codec["stores"], decay], strict=True):
        assert expected is None or got == expected


@pytest.mark.parametrize("engine", [reference, native, exported], ids=lambda e: e.__name__.rpartition(".")[2])
@pytest.mark.parametrize("codec", [AFTER, BEFORE], ids=["after", "before"])
@pytest.mark.parametrize("decay", ["guaranteed", "nearest"])
def test_every_engine(engine, codec, decay):
    if engine is exported and compiler() is None:
        pytest.skip("no C compiler")
    body, made = golden(codec, decay)
    nodes = (
        Input("x", (4,), 0, 1),
        Dense("fc", Edge("x"), frozen([WEIGHT])),
        Neuron("lif", Edge("fc"), body, {p: frozen(a) for p, a in made.items()}),
        Readout("out", Edge("lif")),
    )
    trace = engine.run(Program(nodes), np.array(INPUTS)[:, None], len(INPUTS))
    codes, spikes, _ = EXPECTED[codec["stores"], decay]
    assert trace.spikes["lif"].ravel().tolist() == spikes
    assert codes is None or trace.codes["lif"]["u"].ravel().tolist() == codes
    assert trace.readout.tolist() == [[sum(spikes)]]


@pytest.mark.parametrize(
    ("codec", "low", "high"), [(AFTER, -195, 380), (BEFORE, -221, 360)], ids=["after", "before"]
)
def test_clamping_the_current_changes_no_code_and_no_spike(codec, low, high):
    """By brute force, from every pair that can be stored; and a narrower window would change some."""
    body, made = golden(codec, "guaranteed")
    row = {name: a[0].tolist() for name, a in made.items()} | {"gain": 1, "bias": 0}

    def after(current, code, spike):
        step = step_one(body, current, {"u": code}, spike, row)
        return step.codes["u"], step.spike

    wide = range(low - 200, high + 200)
    pairs = {(codec["rest"], 0)}
    while not pairs >= (more := {after(i, *p) for i in wide for p in pairs}):
        pairs |= more
    assert len(pairs) == (14 if codec is AFTER else 8)
    for p in pairs:
        assert [after(i, *p) for i in wide] == [after(min(max(i, low), high), *p) for i in wide]
    assert any(after(low, *p) != after(low + 1, *p) for p in pairs)
    assert any(after(high, *p) != after(high - 1, *p) for p in pairs)
