"""Traces as text, and vectors: written by us, by a plain C program, and by people who make mistakes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import program_examples
from intspike.engine import reference
from intspike.engine.compare import common, compare
from intspike.engine.trace import Trace
from intspike.engine.trace_text import read_trace, write_trace
from intspike.engine.vectors import FILES, random_inputs, write_vectors
from intspike.errors import BadData, BadInput, Divergence
from intspike.export.c import export_c
from intspike.ir.artifact import content_hash, load
from intspike.ir.nodes import NODES
from intspike.native import STRICT, compile_command, compiler

ROOT = Path(__file__).parents[2]


def run(name: str, samples: int = 3, timesteps: int = 5, seed: int = 0) -> Trace:
    program = program_examples.EXAMPLES[name]()
    return reference.run(
        program, random_inputs(program, samples, timesteps, timed=True, seed=seed), timesteps
    )


@given(st.sampled_from(list(program_examples.EXAMPLES)), st.integers(1, 4), st.integers(1, 6), st.randoms())
@settings(max_examples=20, deadline=None)
def test_a_trace_is_read_as_it_was_written_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, name: str, samples: int, timesteps: int, random: object
):
    path = tmp_path_factory.mktemp("trace") / "a.trace"
    trace = run(name, samples, timesteps)
    write_trace(trace, path)
    lines = path.read_text().splitlines()
    body = next(k for k, line in enumerate(lines) if line.startswith("#"))
    records = lines[body:]
    random.shuffle(records)  # type: ignore[attr-defined]
    path.write_text("\n".join([*lines[:body], "", *records, "  # the end"]))
    back = read_trace(path)
    values = sum(a.size for a in trace.spikes.values()) + trace.readout.size
    values += sum(a.size for codes in trace.codes.values() for a in codes.values())
    found = compare(trace, back, ("written", "read"))
    assert (found.compared, found.mismatches) == (values, 0)
    assert {n: s.shape for n, s in back.spikes.items()} == {n: s.shape for n, s in trace.spikes.items()}


SPOILED = {
    "another file": (lambda s: "hello\n" + s, "must begin with the line"),
    "nothing": (lambda s: "", "must begin with the line"),
    "no header": (lambda s: s.split("\n")[0], "a header that ends with the readout"),
    "a word in the header": (lambda s: s.replace("samples 2", "batch 2"), "line 3: the header must be"),
    "a layer out of order": (lambda s: s.replace("layer 0", "layer 1"), "counted from 0"),
    "a shape": (lambda s: s.replace("layer 0 3", "layer 0 0"), "sizes must be positive"),
    "too large": (lambda s: s.replace("layer 0 3", "layer 0 999999x999999"), "268,435,456 values"),
    "a short record": (lambda s: s.replace("\n0 0 0 0 ", "\n0 0 0 "), r"line 8: a record must be"),
    "a word": (lambda s: s.replace("\n0 0 0 0 ", "\n0 0 0 zero "), r"line 8: a record must be"),
    "a layer that is none": (lambda s: s.replace("\n0 0 0 0 ", "\n0 0 7 0 "), r"line 8: a record must be"),
    "a negative timestep": (lambda s: s.replace("\n0 0 0 0 ", "\n0 -1 0 0 "), "out of range"),
    "a late timestep": (lambda s: s.replace("\n0 0 0 0 ", "\n0 99 0 0 "), r"line 8: a record must be"),
    "a large value": (lambda s: s.replace("\n0 0 0 0 ", "\n0 0 0 0 " + "9" * 30 + " "), "out of range"),
    "a readout too early": (lambda s: s.replace("\n0 2 -1 0 ", "\n0 1 -1 0 "), "a record must be"),
    "a record twice": (lambda s: s + s.strip().split("\n")[-1] + "\n", "it comes twice"),
    "a record missing": (
        lambda s: s.replace("\n0 1 0 0 ", "\n#0 1 0 0 "),
        "sample 0, timestep 1, layer 0, field 0 is",
    ),
    "a readout missing": (lambda s: s.replace("\n1 2 -1 0 ", "\n#1 2 -1 0 "), "sample 1 has none"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_trace_is_named_by_its_line(name: str, tmp_path: Path):
    spoil, words = SPOILED[name]
    write_trace(run("dense", 2, 2), tmp_path / "a.trace")
    text = (tmp_path / "a.trace").read_text()
    spoiled = spoil(text)
    assert spoiled != text
    (tmp_path / "a.trace").write_text(spoiled)
    with pytest.raises(BadData, match=words):
        read_trace(tmp_path / "a.trace")


def test_no_text(tmp_path: Path):
    (tmp_path / "a.trace").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "a.trace", tmp_path / "missing", tmp_path):
        with pytest.raises(BadData):
            read_trace(path)


def test_what_two_traces_have_in_common():
    a = run("dense")
    b = Trace(a.spikes, {}, a.readout, a.timesteps)
    x, y, left = common(a, b)
    assert left == ["state u of lif"]
    assert compare(x, y, ("a", "b")).mismatches == 0
    with pytest.raises(BadInput, match="same layers and shapes"):
        compare(a, b, ("a", "b"))


# --- a plain C program ------------------------------------------------------------------------------------

MAIN = """
#include "program.h"
#include <stdio.h>
#include <stdlib.h>

/* Reads the frames of inputs.txt and prints a trace; nothing of it comes from intspike. */
int main(int argc, char **argv)
{
    static program_state state;
    program_input x[PROGRAM_INPUTS];
    int samples = atoi(argv[1]), steps = atoi(argv[2]), fault = argc > 3, b, t, k, sample, step, value;
    printf("intspike trace 1\\ntimesteps %d\\nsamples %d\\nlayer 0 3 lif\\nstate 0 u\\nreadout 3\\n", steps, samples);
    for (b = 0; b < samples; b++) {
        program_reset(&state);
        for (t = 0; t < steps; t++) {
            if (scanf("%d %d", &sample, &step) != 2 || sample != b || step != t)
                return 1;
            for (k = 0; k < PROGRAM_INPUTS; k++) {
                if (scanf("%d", &value) != 1)
                    return 2;
                x[k] = (program_input)value;
            }
            program_step(&state, x, 1);
            if (fault && b == 1 && t == 4) /* a bit of a memory flips */
                state.s2_0[2] ^= 1;
            printf("%d %d 0 0 %d %d %d\\n", b, t, state.y2[0], state.y2[1], state.y2[2]);
            printf("%d %d 0 1 %d %d %d\\n", b, t, state.s2_0[0], state.s2_0[1], state.s2_0[2]);
        }
        printf("%d %d -1 0 %d %d %d\\n", b, steps, (int)program_readout(&state, 0), (int)program_readout(&state, 1),
               (int)program_readout(&state, 2));
    }
    return 0;
}
"""


def test_a_trace_of_a_plain_c_program_is_equal_and_a_planted_fault_is_found(tmp_path: Path):
    cc = compiler()
    if cc is None:
        pytest.skip("no C compiler")
    program = program_examples.dense()
    x = random_inputs(program, 4, 12, timed=True, seed=1)
    write_vectors(program, x, 12, tmp_path / "vectors")
    export_c(program, tmp_path / "c")
    (tmp_path / "c" / "plain.c").write_text(MAIN)
    sources = [str(tmp_path / "c" / name) for name in ("plain.c", "program.c")]
    compile_command(cc, [*STRICT, *sources, "-o", str(tmp_path / "plain")], tmp_path)
    given_ = (tmp_path / "vectors" / "inputs.txt").read_bytes()
    for arguments in (["4", "12"], ["4", "12", "fault"]):
        done = subprocess.run([tmp_path / "plain", *arguments], input=given_, capture_output=True, check=True)
        (tmp_path / f"{len(arguments)}.trace").write_bytes(done.stdout)
    want = read_trace(tmp_path / "vectors" / "expected.trace")
    assert compare(want, read_trace(tmp_path / "2.trace"), ("vectors", "plain C")).mismatches == 0
    with pytest.raises(Divergence) as caught:
        compare(want, read_trace(tmp_path / "3.trace"), ("vectors", "plain C"))
    e = caught.value
    assert (e.timestep, e.layer, e.sample, e.neuron, e.quantity) == (4, "lif", 1, (2,), "stored code of u")
    assert e.got == e.expected ^ 1


# --- vectors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("name", ["dense", "convolution"])
def test_vectors_hold_the_run_as_text_and_as_words(name: str, timed: bool, tmp_path: Path):
    program = program_examples.EXAMPLES[name]()
    x = random_inputs(program, 3, 4, timed=timed, seed=0)
    trace = write_vectors(program, x, 4, tmp_path / "v")
    assert {p.name for p in (tmp_path / "v").iterdir()} == set(FILES)
    manifest = json.loads((tmp_path / "v" / "manifest.json").read_text())
    assert (
        manifest["content_hash"]
        == content_hash(load(tmp_path / "v" / "model.intspike"))
        == content_hash(program)
    )
    assert manifest["classes"] == trace.classes.tolist()
    frames = np.loadtxt(tmp_path / "v" / "inputs.txt", dtype=int, ndmin=2)
    order = x.swapaxes(0, 1) if timed else x[:, None]
    assert (frames[:, 2:] == order.reshape(-1, *program.input.shape).reshape(len(frames), -1)).all()
    for part in ("inputs", "expected"):
        words = [int(w, 16) for w in (tmp_path / "v" / f"{part}.hex").read_text().split()]
        signed = [w - (1 << 32) if w >> 31 else w for w in words]
        text = (
            (tmp_path / "v" / ("inputs.txt" if part == "inputs" else "expected.trace"))
            .read_text()
            .splitlines()
        )
        skip = 2 if part == "inputs" else 4
        body = (
            text if part == "inputs" else text[next(k for k, t in enumerate(text) if t.startswith("#")) + 1 :]
        )
        assert signed == [int(v) for line in body for v in line.split()[skip:]]
    with pytest.raises(BadInput, match="new or empty"):
        write_vectors(program, x, 4, tmp_path / "v")


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_vectors", ROOT / "tools" / "make_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_published_vectors_are_what_the_definition_gives(tmp_path: Path):
    tool().make(tmp_path)
    published = ROOT / "tests" / "vectors"
    made = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    assert made == {p.relative_to(published) for p in published.rglob("*") if p.is_file()}
    for name in made:
        if name.name == "model.intspike":  # how it is stored may change, what it is may not
            assert content_hash(load(published / name)) == content_hash(load(tmp_path / name))
        else:
            assert (published / name).read_bytes() == (tmp_path / name).read_bytes(), name
    assert sum((published / name).stat().st_size for name in made) < 300_000


def test_the_published_vectors_cover_every_node_and_every_variant_of_a_neuron():
    programs = tool().programs().values()
    nodes = [n for p in programs for n in p]
    assert {type(n) for n in nodes} == set(NODES)
    neurons = [n for p in programs for n in p.neurons]
    bodies = [n.body for n in neurons]
    assert {b.reset for b in bodies} == {"subtract", "zero", "none"}
    assert {b.strict for b in bodies} == {True, False}
    assert {1, 3} <= {b.spikes for b in bodies}
    stored = [s.codec for b in bodies for s in b.states if s.codec]
    codecs = {(type(c).__name__, c.stores, getattr(c, "overflow", "")) for c in stored}
    assert codecs == {
        ("Table", "after reset", ""), ("Table", "before reset", ""), ("Uniform", "after reset", "saturate"),
        ("Uniform", "before reset", "saturate"), ("Uniform", "before reset", "wrap"),
    }  # fmt: skip
    assert {s.name for b in bodies for s in b.states} == {"u", "r", "i", "a"}
    assert any("current" not in b.provenance[b.spike] for b in bodies)  # reads its last synaptic current
    leaks = {k for n in neurons for k in ("carry", "leak.shift", "leak.multiplier") if k in n.parameters}
    assert leaks == {"carry", "leak.shift", "leak.multiplier"}
    others = {f"{state}.{leak}" for state in ("i", "a") for leak in leaks}
    assert {name for n in neurons for name in n.parameters} >= others
    ops = {i.op for b in bodies for i in b.instructions}
    assert ops >= {
        "add",
        "sub",
        "mul",
        "shr",
        "max",
        "ge",
        "gt",
        "select",
        "lookup",
        "encode",
        "decode",
        "cut",
    }
    assert {n.parameters["carry"].ndim for n in neurons if "carry" in n.parameters} == {2, 3}
    kinds = {(type(n).__name__, n.kind) for n in nodes if hasattr(n, "kind")}  # type: ignore[attr-defined]
    assert {k for k in kinds if k[0] == "Pool"} == {("Pool", k) for k in ("max", "sum", "or")}
    assert {k for k in kinds if k[0] == "Join"} == {("Join", k) for k in ("add", "and", "iand")}
    assert {k for k in kinds if k[0] == "Readout"} == {("Readout", k) for k in ("count", "last", "maximum")}
    assert any(e.delay for n in nodes for e in n.edges)
