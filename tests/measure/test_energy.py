"""Energies: additive, monotone, linear; tables that are refused with their line; rivals and break-even by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intspike.engine.reference import run
from intspike.errors import BadData, BadInput
from intspike.ir import Conv, Dense, Edge, Input, Program, Readout, frozen, ranges
from intspike.measure import synops
from intspike.measure.energy import (
    CAUSES,
    LITERATURE,
    Coefficients,
    Count,
    Counts,
    Precision,
    Span,
    activity,
    ann_counts,
    break_even,
    crossbar_counts,
    energy,
    equal_information,
    event_counts,
    load,
    lossless_bits,
    names,
    read,
)
from intspike.measure.energy.price import cost
from measure.counting_machine import targets
from measure.small_programs import neuron_node, random_inputs, random_program
from program_examples import EXAMPLES

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
EVENTS = [load("horowitz-45nm"), load("lemaire-2022")]

counts = st.builds(
    lambda layer, cause, operation, bits, memory, number, driven: Count(
        layer,
        cause,
        operation,
        bits,
        memory if operation in ("read", "write") else 0,
        np.array(number, np.int64),
        driven,
    ),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(sorted(CAUSES)),
    st.sampled_from(["add", "multiply", "float add", "float multiply", "read", "write"]),
    st.integers(1, 32),
    st.integers(1, 1 << 25),
    st.lists(st.integers(0, 10**12), min_size=2, max_size=2),
    st.booleans(),
)
many = st.lists(counts, max_size=8).map(lambda c: Counts(tuple(c), ("a", "b", "c"), 2, 3))
tables = st.sampled_from(EVENTS)


def scaled(table: Coefficients, factor: Fraction) -> Coefficients:
    return replace(table, entries=tuple(replace(e, energy=e.energy * factor) for e in table.entries))


def only(c: Counts, **wanted: str) -> Counts:
    return replace(
        c, entries=tuple(x for x in c.entries if all(getattr(x, k) == v for k, v in wanted.items()))
    )


# ---------------------------------------------------------------- properties


@calm
@given(many, tables)
def test_energy_is_additive_over_layers_and_causes(c, table):
    whole = energy(c, table)
    for axis, values in (("layer", c.layers), ("cause", CAUSES)):
        parts = [energy(only(c, **{axis: v}), table) for v in values]
        assert sum((p.total for p in parts), Span()) == whole.total
    assert sum(whole.by_layer.values(), Span()) == whole.per_inference
    assert sum(whole.by_cause.values(), Span()) == whole.per_inference
    assert energy(c + c, table).total == whole.total * 2
    assert math.isclose(whole.each.sum(), float(whole.total.value), rel_tol=1e-12)


@calm
@given(many, many, tables)
def test_energy_is_monotone_in_counts(c, more, table):
    before, after = energy(c, table), energy(replace(c, entries=(*c.entries, *more.entries)), table)
    for end in ("low", "value", "high"):
        assert getattr(after.total, end) >= getattr(before.total, end) >= 0
        assert getattr(before.total, end) >= getattr(before.driven, end)
    assert before.total.low <= before.total.value <= before.total.high


@calm
@given(many, tables, st.fractions(0, 1000), st.fractions(0, 1000))
def test_energy_is_linear_in_the_coefficients(c, table, a, b):
    one, two = energy(c, scaled(table, a)).total, energy(c, scaled(table, b)).total
    assert energy(c, scaled(table, a + b)).total == one + two
    assert one == energy(c, table).total * a


@calm
@given(counts, tables, st.integers(1, 31), st.integers(1, 1 << 24))
def test_a_wider_number_or_a_larger_memory_never_costs_less(c, table, bits, memory):
    wider = replace(c, bits=max(c.bits, bits), memory=max(c.memory, memory) if c.memory else 0)
    for end in ("low", "value", "high"):
        assert getattr(cost(wider, table), end) >= getattr(cost(c, table), end)


# ---------------------------------------------------------------- tables


def test_prices_by_hand():
    table = load("horowitz-45nm")

    def price(operation, bits, kib=0):
        return cost(Count("x", "adds", operation, bits, kib * 8192, 1), table)

    def span(low, value, high):
        return Span(*(Fraction(str(x)) for x in (low, value, high)))

    assert price("add", 8) == span(0.025, 0.03, 0.035)
    assert price("add", 12) == span(0.025, 0.05, 0.055)  # on a 16-bit adder
    assert price("add", 4) == Span(Fraction("0.0125"), Fraction("0.03"), Fraction("0.035"))
    assert price("multiply", 4).low == Fraction("0.15") / 4  # the square of half the width
    assert price("multiply", 16) == span(0.15, 3.1, 3.15)
    assert price("read", 64, 8) == span(9.5, 10, 10.5)
    assert price("write", 16, 32) == span(19.5, 20, 20.5) * Fraction(1, 4)
    assert price("read", 64, 16) == span(9.5, 20, 20.5)
    assert price("read", 64, 4) == Span(Fraction("4.75"), Fraction(10), Fraction("10.5"))
    assert price("read", 64, 4096) == span(99.5, 1950, 2600)
    lemaire = load("lemaire-2022")
    for bits in (1, 64):
        found = cost(Count("x", "adds", "read", bits, 8000, 1), lemaire)
        assert found.value == Fraction("13.2") + 8000 * Fraction("0.0000109")


def test_the_line_of_lemaire_is_the_fit_to_horowitz():
    """Through 8, 32 and 1000 kB at 10, 20 and 100 pJ; its intercept's range holds all three distances."""
    base, slope = (load("lemaire-2022").of(k)[0].energy for k in ("access", "access per bit of memory"))
    bits, known = [8 * 8000, 8 * 32000, 8 * 10**6], [10, 20, 100]
    fitted = np.polyfit(bits, known, 1)
    assert (f"{fitted[0]:.3g}", f"{fitted[1]:.3g}") == (
        f"{float(slope.value):.3g}",
        f"{float(base.value):.3g}",
    )
    far = max(abs(base.value + slope.value * b - k) for b, k in zip(bits, known, strict=True))
    assert far <= base.high - base.value == base.value - base.low < far + Fraction(1, 100)
    sram = [e.energy.value for e in load("horowitz-45nm").of("access")][:3]
    assert sram == known


def test_tables_travel_and_name_their_sources():
    assert names() == ["crossbar", "fpga", "horowitz-45nm", "lemaire-2022"]
    for name in names():
        table = load(name)
        assert table.name == name
        assert all(e.source for e in table.entries)


GOOD = """name = "mine"
title = "a table"
machine = "events"

[[entry]]
operation = "add"
bits = 8
value = 0.03
range = [
  0.02,
  0.04,
]
unit = "pJ"
source = "a paper"

[[entry]]
operation = "multiply"
bits = 32
value = 3
range = [3, 4]
unit = "fJ"
source = '''
[[entry]]
operation'''

[[entry]]
operation = "access"
value = 10
range = [5, 15]
unit = "nJ"
source = "measured"
"""


def test_a_table_of_ones_own(tmp_path):
    (tmp_path / "my.toml").write_text(GOOD)
    table = load(tmp_path / "my.toml")
    assert table == read(GOOD, "x")
    assert table.of("multiply")[0].energy == Span(Fraction(3, 1000), Fraction(3, 1000), Fraction(4, 1000))
    assert table.of("access")[0].energy.value == 10_000


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("value = 0.03\n", "", 5, "the value of add must be a number from 0, not None"),
        ("value = 0.03", "value = -0.03", 8, "must be a number from 0, not -0.03"),
        ("value = 0.03", "value = nan", 8, "must be a number from 0, not NaN"),
        ("value = 0.03", "value = true", 8, "must be a number from 0, not True"),
        ("value = 0.03", 'value = "3"', 8, "must be a number from 0, not '3'"),
        ("  0.02,\n", "  0.035,\n", 12, r"the range of add must be \[low, high\] around 0.03"),
        ("  0.02,\n", "", 11, r"the range of add must be \[low, high\] around 0.03, not \['0.04'\]"),
        ("  0.02,\n", "  -1,\n", 12, "the range of add must be"),
        ('unit = "pJ"', 'unit = "eV"', 13, "unit of add must be one of fJ, pJ, nJ, uJ, not 'eV'"),
        ('unit = "pJ"\n', "", 5, "unit of add must be one of fJ, pJ, nJ, uJ, not None"),
        ('source = "a paper"', 'source = " "', 14, "add must name its source"),
        ('source = "measured"\n', "", 26, "access must name its source"),
        ("bits = 8", "bits = 0", 7, "bits of add must be a whole number from 1, not 0"),
        ("bits = 8\n", "", 5, "bits of add must be a whole number from 1, not None"),
        ("bits = 8", "bits = 8\nkib = 3", 8, "kib of add must be left out: it is no memory"),
        ("value = 10", "value = 10\nbits = 4", 29, "bits of access must be left out, not 4"),
        ("value = 10", "value = 10\nbits = 64\nkib = 0", 30, "kib of access must be a number above 0"),
        ('operation = "add"', 'operation = "ad"', 6, "no operation 'ad'; did you mean 'add'"),
        ('operation = "add"\n', "", 5, "no operation None"),
        ("bits = 8", "bit = 8", 7, "an entry has no 'bit'; did you mean 'bits'"),
        ('machine = "events"', 'machine = "quantum"', 3, "machine must be events, crossbar, cycles"),
        ('machine = "events"\n', "", 30, "machine must be events, crossbar, cycles, not None"),
        ('title = "a table"', "title = 3", 2, "title must be a text"),
        ('title = "a table"', 'title = "t"\nlanes = 3', 3, "there is no 'lanes'"),
        ('machine = "events"', 'machine = "cycles"', 6, "the machine 'cycles' has no operation 'add'"),
        ('operation = "access"', 'operation = "add"\nbits = 8', 26, "add is there twice"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(old, new, line, message):
    assert GOOD.count(old) == 1
    if "lanes" not in new and 'machine = "cycles"' in new:
        new += "\nlanes = 2"
        line += 1
    with pytest.raises(BadData, match=rf"my\.toml, line {line}: .*{message}"):
        read(GOOD.replace(old, new), "my.toml")


def test_what_a_table_lacks_is_named(tmp_path):
    without = GOOD[: GOOD.index('[[entry]]\noperation = "access"')]
    with pytest.raises(BadData, match="line 24: an entry of 'access' is missing"):
        read(without, "my.toml")
    with pytest.raises(BadData, match="line 3: lanes is missing, a size of the machine 'cycles'"):
        read('name = "a"\ntitle = "b"\nmachine = "cycles"\n', "my.toml")
    with pytest.raises(BadData, match=r"must be TOML, but: .*line 2"):
        read("name = 3\nx = \n", "my.toml")
    with pytest.raises(BadData, match=r"none\.toml must be a readable table of coefficients, but: No such"):
        load(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="no table of coefficients 'horowitz'; did you mean 'horowitz-45nm'"):
        load("horowitz")
    (tmp_path / "big.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(BadData, match="at most 1 MiB"):
        load(tmp_path / "big.toml")
    table = read(GOOD, "my.toml")
    for count, message in (
        (Count("fc", "adds", "float add", 32, 0, 1), "'mine' must hold an entry 'float add', which fc needs"),
        (Count("fc", "adds", "add", 9, 0, 1), "must hold an entry 'add' of 9 bits, which fc needs"),
    ):
        with pytest.raises(BadInput, match=message):
            cost(count, table)
    small = [e for e in load("horowitz-45nm").entries if e.kib != float("inf")]
    with pytest.raises(BadInput, match="must hold an entry 'access' to 2000 KiB, which fc needs"):
        cost(
            Count("fc", "weights", "read", 8, 2000 * 8192, 1),
            replace(load("horowitz-45nm"), entries=tuple(small)),
        )
    cycles = Counts((Count("fc", "adds", "cycle", 0, 0, np.array([3])),), ("fc",), 1, 1)
    with pytest.raises(BadInput, match="the table 'fpga' must hold an entry 'cycle'"):
        energy(cycles, load("fpga"))


# ---------------------------------------------------------------- crossbars


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_converters_lose_nothing_at_their_bits_and_something_below(seed, rows):
    """Against all columns, with the inputs that make each sum largest and smallest."""
    program = random_program(np.random.default_rng(seed))
    found = lossless_bits(program, rows)
    for n in program:
        if not isinstance(n, (Dense, Conv)):
            continue
        r = ranges(program, 1)[n.source.source]
        low = high = 0
        weight = n.weight.reshape(*n.weight.shape[:2], -1)
        for out, place, first in product(
            range(len(weight)), range(weight.shape[2]), range(0, weight.shape[1], rows)
        ):
            column = [int(w) for w in weight[out, first : first + rows, place]]
            high = max(high, sum(max(w * r.low, w * r.high) for w in column))
            low = min(low, sum(min(w * r.low, w * r.high) for w in column))
        bits = found[n.name]
        fits = (lambda b, low=low, high=high: high < 1 << b) if low == 0 else (
            lambda b, low=low, high=high: -(1 << b - 1) <= low and high < 1 << b - 1
        )  # fmt: skip
        assert fits(bits)
        assert bits == 1 or not fits(bits - 1)


def test_a_crossbar_by_hand():
    """The formula of SpikeSim, of one layer of 70 to 130 channels, 3 x 3, on 4 x 4 places and 5 timesteps."""
    nodes = (
        Input("x", (70, 4, 4), 0, 1),
        Conv("conv", Edge("x"), frozen(np.ones((130, 70, 3, 3), np.int64)), padding=(1, 1)),
        neuron_node("n", "conv", 130),
        Readout("out", Edge("n")),
    )
    program, table = Program(nodes), load("crossbar")
    x, k, of = 64, 3, {e.operation: e.energy.value for e in table.entries}
    array = k * k * of["crossbar read"] + x // 8 * (of["conversion"] + of["multiplexer"])
    cycle = of["tree"] + of["fetch"] + of["neuron module"] + x // 8 * array + x // 8 * 16 * of["subtraction"]
    cycle += x // 8 * of["local buffer"] + of["tile buffer"]
    found = energy(crossbar_counts(program, 3, 5, False, table), table)
    assert found.per_inference.value == 2 * 3 * 16 * 5 * cycle
    once = energy(crossbar_counts(program, 3, 5, True, table), table)
    assert once.per_inference.value * 5 == found.per_inference.value
    assert not found.driven.value


# ---------------------------------------------------------------- rivals


def three_layers(spikes: int = 1) -> Program:
    return Program(
        (
            Input("x", (1, 5, 5)),
            Conv(
                "conv", Edge("x"), frozen(np.arange(-9, 9).reshape(2, 1, 3, 3)), padding=(1, 1), stride=(2, 2)
            ),
            neuron_node("first", "conv", 2, spikes, theta=30),
            Dense("fc", Edge("first"), frozen(np.arange(72).reshape(4, 18) % 7 - 3)),
            neuron_node("second", "fc", 4),
            Readout("out", Edge("second")),
        )
    )


def test_products_of_an_ann_are_all_connections():
    program, p = three_layers(), Precision(4, 3)
    found = ann_counts(program, p, samples=2, frames=3)
    for name in ("conv", "fc"):
        n = program[name]
        sites = len(list(targets(n, program.shapes[n.source.source])))
        layer = lambda c, name=name: c.layer == name  # noqa: E731
        assert found.total("multiply", layer) == 2 * 3 * sites
        assert found.total("read", layer) == 2 * 2 * 3 * sites
        addresses = 25 + 18 + 2 * 9 if name == "conv" else sites
        assert found.total("add", layer) == 2 * 3 * (sites + addresses)
    assert found.total("write") == 2 * 3 * (18 + 4)  # every output once a frame
    widths = {(c.layer, c.cause, c.operation): c.bits for c in found.entries}
    assert widths["conv", "input", "multiply"] == 8
    assert widths["fc", "adds", "multiply"] == 4
    assert widths["second", "neurons", "multiply"] == widths["fc", "adds", "add"]
    assert widths["fc", "adds", "add"] == math.ceil(math.log2(18 * 7 * 7 + 1)) + 1


def test_an_ann_reads_the_input_as_declared_and_multiplies_by_no_single_bit():
    nodes = (
        Input("x", (6,), 0, 1),
        Dense("fc", Edge("x"), frozen(np.ones((3, 6), np.int64))),
        neuron_node("n", "fc", 3),
        Dense("out", Edge("n"), frozen(np.ones((2, 3), np.int64))),
        Readout("counts", Edge("out")),
    )
    found = ann_counts(Program(nodes), Precision(4, 3), 1)
    widths = {
        (c.layer, c.operation, c.cause): c.bits
        for c in found.entries
        if c.memory or c.operation == "multiply"
    }
    assert ("fc", "multiply", "input") not in widths
    assert widths["out", "multiply", "adds"] == 4
    assert {c.bits for c in found.entries if c.layer == "fc" and c.memory == 6} == {1}


@pytest.mark.parametrize(("timesteps", "bits"), [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (25, 5)])
def test_equal_information_has_a_level_for_every_count(timesteps, bits):
    found = equal_information(three_layers(), timesteps)
    assert found == Precision(5, bits)  # weights -9..8
    assert bits == math.ceil(math.log2(timesteps + 1))
    assert equal_information(three_layers(spikes=3), timesteps).activations == math.ceil(
        math.log2(3 * timesteps + 1)
    )


def test_delays_have_no_rival():
    with pytest.raises(BadInput, match="no artificial rival of one frame, but back reads one"):
        ann_counts(EXAMPLES["recurrent"](), Precision(8, 8), 1)


def test_floating_point_costs_what_floats_cost():
    """The same events; every synaptic word is 32 bits, every addition and product is a float's."""
    program, x = three_layers(), np.random.default_rng(0).integers(0, 256, (3, 1, 5, 5))
    trace = run(program, x, 6)
    whole, real = event_counts(program, trace, x), event_counts(program, trace, x, real=True)
    reads = lambda c: c.cause in ("weights", "states")  # noqa: E731
    assert real.total("read", reads) == whole.total("read", reads)
    assert real.total("write") == whole.total("write")
    assert real.total("float multiply", lambda c: c.cause == "input") == whole.total(
        "multiply", lambda c: c.cause == "input"
    ) - real.total("multiply", lambda c: c.cause == "input")
    assert real.total("float add", lambda c: c.cause == "adds") == whole.total(
        "add", lambda c: c.cause == "adds"
    )
    assert {c.bits for c in real.entries if c.cause == "weights"} == {32}
    # a leak is a product, the threshold a comparison: every update has both
    updates = 3 * 6 * (18 + 4)
    assert real.total("float multiply", lambda c: c.cause == "neurons") == updates
    assert energy(real, EVENTS[0]).total.low > energy(whole, EVENTS[0]).total.low
    assert energy(real, EVENTS[0]).total.value > energy(whole, EVENTS[0]).total.value


# ---------------------------------------------------------------- break-even


def test_break_even_is_where_the_energies_meet():
    """With s times as many spikes the energies are equal: scale every driven count and price again."""
    program, x = three_layers(), np.random.default_rng(1).integers(0, 256, (4, 1, 5, 5))
    trace = run(program, x, 6)
    counted = event_counts(program, trace, x)
    rival = ann_counts(program, Precision(8, 8), 4)
    for table in EVENTS:
        spiking, other = energy(counted, table), energy(rival, table)
        factor = break_even(spiking, other).factor
        assert factor is not None
        low, value, high = factor
        assert low <= value <= high
        fixed = spiking.total.value - spiking.driven.value
        assert fixed + value * spiking.driven.value == other.total.value


def test_without_spikes_there_is_no_break_even():
    table = load("crossbar")
    found = energy(crossbar_counts(three_layers(), 1, 4, True, table), table)
    assert break_even(found, found).factor is None
    assert break_even(found, found).rate(0.5) is None


def test_activity_by_hand():
    program, x = three_layers(), np.random.default_rng(1).integers(0, 256, (4, 1, 5, 5))
    trace = run(program, x, 6)
    found = activity(program, sum(int(s.sum()) for s in trace.spikes.values()), synops(program, trace, x))
    first, second = (int(trace.spikes[n].sum()) for n in ("first", "second"))
    assert first > 0
    assert found.spikes == (first + second) / 4
    assert found.per_neuron == (first + second) / (4 * 6 * 22)
    assert found.per_synapse == first * 4 / (4 * 4 * 18)  # each of 18 neurons has 4 synapses


def test_the_literature_has_its_verdicts():
    dampfhoffer, yan = LITERATURE
    assert [dampfhoffer.verdict(x) for x in (0.1, 0.15, 1, 1.38, 2)] == ["below", *["within"] * 3, "above"]
    assert (yan.low, yan.high) == (0.057, 0.064)
    assert all(limit.source for limit in LITERATURE)


def test_reports_are_plain_numbers():
    program, rng = three_layers(), np.random.default_rng(1)
    x = random_inputs(rng, program, 4, 2, True)
    found = energy(event_counts(program, run(program, x, 4), x), EVENTS[0])
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["per_inference"]["value"] == float(found.per_inference.value)
    assert set(told["layers"]) == {"conv", "first", "fc", "second", "out"}
    assert str(found).splitlines()[-1].startswith("total")
    assert str(Span(Fraction(1, 2), Fraction(1500), Fraction(2000))) == "1.5 nJ (0.0005 to 2)"
