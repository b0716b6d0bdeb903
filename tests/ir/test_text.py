"""The listing of a program is stable: a changed line here is a changed contract, or a changed habit of reading."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from intspike.ir import Conv, Dense, Edge, Input, Integrator, Join, Pool, Program, Readout, frozen
from intspike.ir.text import describe
from intspike.neuron import IF, LIF
from intspike.ops import Form, Shift, Table, Triangle, Uniform
from strategies import Recipe, random_program

LISTING = """\
program, ranges proved for 1024 timesteps
x: input 0..255 -> 1x3x3  in 0..255, sum 0..255 (u8)
conv: conv(x) weight [[[[1, -2], [3, 0]]], [[[0, 1], [-1, 2]]]] stride 1,1 padding 0,0 groups 1 -> 2x2x2  in -510..1020, sum -510..1020 (s11)
pool: max pool(conv) 2x2 stride 2,2 minimum [0, 1] -> 2x1x1  in -510..1020, sum -510..1020 (s11)
back: dense(lif[t-1]) weight [[1, -1], [2, 0]] -> 2  in -1..2, sum -1..2 (s3)
flat: dense(pool) weight [[1, 0], [0, 1]] -> 2  in -510..1020, sum -510..1020 (s11)
both: add(flat, back) shifts 0,3 -> 2  in -518..1028, sum -518..1028 (s12)
lif: neuron(both), subtract reset, spikes 0..1 -> 2  in 0..1, sum -3326..4187 (s14)
    state u: table of 2 bits, rest 1, after reset
    gain: [4, -4]
    bias: [3, -2]
    u.levels: [[-80, 0, 64, 144], [-80, 0, 64, 144]]
    reset: [160, 160]
    carry: [[-40, 0, 31, 72], [-40, 0, 31, 72]]
    theta: [160, 160]
    u.boundaries: [[-40, 32, 104], [-40, 32, 104]]
    %0 = current
    %1 = parameter gain
    %2 = mul %0 %1
    %3 = parameter bias
    %4 = add %2 %3
    %5 = state u
    %6 = decode %5 u
    %7 = parameter reset
    %8 = prev
    %9 = mul %7 %8
    %10 = add %6 %9
    %11 = cut %8
    %12 = mul %7 %11
    %13 = sub %10 %12
    %14 = lookup %5 %13 carry
    %15 = add %14 %4
    %16 = parameter theta
    %17 = ge %15 %16 u
    %18 = cut %17
    %19 = mul %7 %18
    %20 = sub %15 %19
    %21 = encode %20 u
    %22 = decode %21 u
    %23 = add %22 %19
    store u <- %21
    spike <- %17
sum: integrator(lif) 16 bits -> 2  in 0..1024, sum 0..1024 (u11)
out: last readout(sum) -> 2  in 0..1024, sum 0..1024 (u11)
"""  # noqa: E501


def small(bits: int = 16, weight: int = 3) -> Program:
    fractions = [-0.5, 0, 0.4, 0.9]
    r = Recipe(
        LIF(surrogate=Triangle()), Form(Table(2, 1)), [4, -4], [3, -2], [160] * 2, [0.5] * 2, fractions
    )
    return Program(
        (
            Input("x", (1, 3, 3)),
            Conv("conv", Edge("x"), frozen([[[[1, -2], [weight, 0]]], [[[0, 1], [-1, 2]]]])),
            Pool("pool", Edge("conv"), "max", (2, 2), (2, 2), frozen([0, 1])),
            Dense("back", Edge("lif", 1), frozen([[1, -1], [2, 0]])),
            Dense("flat", Edge("pool"), frozen([[1, 0], [0, 1]])),
            Join("both", (Edge("flat"), Edge("back")), shifts=(0, 3)),
            r.node("lif", Edge("both")),
            Integrator("sum", Edge("lif"), bits),
            Readout("out", Edge("sum"), "last"),
        )
    )


def test_the_listing_of_a_small_program():
    assert str(small()) == LISTING


def test_a_changed_number_changes_the_listing():
    assert str(small(weight=4)) != LISTING


@pytest.mark.parametrize("size", [16, 17, 5000])
def test_a_changed_number_in_a_large_array_changes_its_digest(size: int):
    def text(last: int) -> str:
        weight = np.arange(size)[None] % 9 - 4
        weight[0, size // 2] = last
        n = Dense("fc", Edge("x"), frozen(weight))
        return str(Program((Input("x", (size,), 0, 1), n, Readout("out", Edge("fc")))))

    assert text(1) == text(1)
    assert text(1) != text(2)
    assert ("#" in text(1)) == (size > 16)
    assert all(len(line) < 200 for line in text(1).splitlines())


def test_a_program_that_cannot_be_proved_is_listed_all_the_same():
    lines = str(small(bits=4)).splitlines()
    assert lines[0] == (
        "program, ranges not proved for 1024 timesteps: sum: an integrator of 4 bits must hold 1024 timesteps, "
        "but needs 11 bits; declare more bits or prove a shorter run"
    )
    assert lines[1] == "x: input 0..255 -> 1x3x3"
    assert len(lines) == len(LISTING.splitlines())


def test_the_order_of_a_mapping_means_nothing():
    made = small()
    n = made["lif"]
    turned = type(n)(n.name, n.source, n.body, dict(reversed(n.parameters.items())))
    assert str(Program(tuple(turned if m is n else m for m in made))) == LISTING


def test_codecs_in_words():
    assert describe(Table(3, 2, "before reset")) == "table of 3 bits, rest 2, before reset"
    assert describe(Uniform(5, -16, "wrap")) == "uniform -16..15 (5 bits), wrap, after reset"


def test_the_listing_does_not_depend_on_the_process():
    """Hash seeds, dict orders, sets: two fresh processes print the same."""
    code = (
        "import random, sys; sys.path[:0] = ['tests', 'src']\n"
        "from strategies import random_program\n"
        "for seed in range(5): print(random_program(random.Random(seed)).program)"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in (1, 2)
    }  # fmt: skip
    assert len(texts) == 1
    import random

    assert texts.pop() == "".join(f"{random_program(random.Random(seed)).program}\n" for seed in range(5))


def test_every_kind_of_neuron_is_listed():
    for neuron, form, more in (
        (
            IF(spikes=3, refractory=2, compare=">"),
            Form(Uniform(6, -9, stores="before reset"), Shift()),
            {"shift": [5]},
        ),
        (
            LIF(reset_order="after leak", leak_on="sum"),
            Form(Uniform(12, 0), Shift()),
            {"shift": [0], "beta": [0.5]},
        ),
    ):
        r = Recipe(neuron, form, [1], [0], [200], **more)
        text = str(Program((Input("x", (1,)), r.node("n", Edge("x")), Readout("out", Edge("n")))))
        assert text.count("state ") == len(neuron.states(form)) * 2  # declared, and read by the body
        assert f"spikes 0..{neuron.spikes}" in text
