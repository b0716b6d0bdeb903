"""What simulators of integer chips got wrong, by thread: every engine is held to plain arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from intspike import native as compilers
from intspike.engine import exported, native, reference
from intspike.engine.trace import Trace
from intspike.ir import Dense, Edge, Input, Neuron, Program, Readout, frozen
from intspike.neuron import IF, CubaLIF
from intspike.neuron.base import Neuron as Equation
from intspike.neuron.constants import constants
from intspike.ops import Dyadic, Form, Uniform, trace
from intspike.ops.trace import Kept

ENGINES = pytest.mark.parametrize("run", [reference.run, native.run, exported.run])


@pytest.fixture(autouse=True)
def _needs_a_compiler():
    if compilers.compiler() is None:
        pytest.skip("no C compiler")


def run_one(run: Any, equation: Equation, form: Form, received: list[int], **numbers: Any) -> Trace:
    """One neuron that receives so much in every timestep, by one engine."""
    one = lambda x: np.array([x])  # noqa: E731
    others = {
        "beta": numbers.get("beta"), "leaks": numbers.get("leaks"),
        "shifts": {k.state: one(0) for k in form.others},
    }  # fmt: skip
    made = constants(
        equation, form, gain=one(1), bias=one(numbers.get("bias", 0)), theta=one(numbers["theta"]), shift=one(0),
        **others,
    )  # fmt: skip
    low, high = min(received), max(received)
    program = Program((
        Input("x", (1,), min(low, 0), max(high, 1)), Dense("w", Edge("x"), np.array([[1]])),
        Neuron("n", Edge("w"), trace(equation, form), {k: frozen(a) for k, a in made.items()}),
        Readout("count", Edge("n"), "count"),
    ))  # fmt: skip
    x = np.array(received)[:, None, None]
    return run(program, x, len(x))


@ENGINES
@pytest.mark.parametrize("compare", [">", ">="])
def test_lava_322_threshold_and_current_decay(run: Any, compare: Any):
    """lava #322: the simulator's decay of the current and its threshold are not the chip's, and spikes differ.

    A decay of du / 4096 is a leak alpha = 1 - du / 4096 here, rounded down (theirs goes toward zero, which differs by
    one below zero); whether theta itself fires is a field.
    """
    du, dv, theta = 409, 1024, 90
    equation = CubaLIF(reset="zero", compare=compare)
    codec = Uniform(12, -2048, "saturate", "before reset")
    form = Form(codec, Dyadic(12), others=(Kept("i", codec, Dyadic(12)),))
    received = [90, -30, 0, 77, 0, 0, -200, 0, 0, 300, 11, 0, 0, 5] * 3
    got = run_one(
        run, equation, form, received, theta=theta, beta=np.array([1 - dv / 4096]),
        leaks={"i": np.array([1 - du / 4096])},
    )  # fmt: skip
    i = u = fired = ties = 0
    for t, x in enumerate(received):
        i = (4096 - du) * i // 4096 + x
        u = 0 if fired else (4096 - dv) * u // 4096
        u += i
        ties += u == theta
        fired = u > theta if compare == ">" else u >= theta
        found = (
            int(got.codes["n"]["i"][t, 0, 0]),
            int(got.codes["n"]["u"][t, 0, 0]),
            int(got.spikes["n"][t, 0, 0]),
        )
        assert found == (i, u, fired), t
    assert ties, "the threshold itself must be met, or the comparison is not tried"


@ENGINES
def test_lava_329_a_large_bias_keeps_its_sign(run: Any):
    """lava #329: a bias of (2^12 - 1) * 2^5 came out as -32, for an array type was too narrow."""
    codec = Uniform(16, -(1 << 15), "saturate", "before reset")
    got = run_one(run, IF(reset="zero"), Form(codec), [0] * 3, bias=((1 << 12) - 1) << 5, theta=1 << 14)
    assert got.codes["n"]["u"].ravel().tolist() == [(1 << 15) - 1] * 3


@ENGINES
def test_lava_334_what_wraps_comes_in_at_the_other_end(run: Any):
    """lava #334: an overflow went to 0, not to the other end of the range."""
    codec = Uniform(8, -128, "wrap", "before reset")
    got = run_one(run, IF(reset="none"), Form(codec), [100, 27, 1, -1, -100], theta=10)
    assert got.codes["n"]["u"].ravel().tolist() == [100, 127, -128, 127, 27]
