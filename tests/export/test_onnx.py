"""ONNX files of programs: ONNX Runtime is the judge, and every spike, stored code and readout is the reference's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import program_examples
from intspike.engine import reference
from intspike.engine.compare import compare
from intspike.engine.trace import Trace
from intspike.engine.vectors import random_inputs
from intspike.errors import BadInput, NotLowerable
from intspike.export.onnx import export_onnx
from intspike.ir import Conv, Dense, Edge, Input, Pool, Program, Readout, ranges
from intspike.ir.artifact import load
from strategies import programs

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
PUBLISHED = Path(__file__).parents[1] / "vectors"


def run(program: Program, x: np.ndarray, timesteps: int, path: Path, *, timed: bool) -> Trace:
    """The program in ONNX Runtime, as a trace."""
    export_onnx(program, path, timesteps=timesteps, timed=timed, trace=True, force=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    out = dict(zip(names, session.run(names, {"input": x.astype(np.int64)}), strict=True))
    spikes, codes = {}, {}
    for k, n in enumerate(program.neurons):
        spikes[n.name] = out[f"spikes/{k}"]
        codes[n.name] = {s.name: out[f"codes/{k}/{j}"] for j, s in enumerate(n.body.states)}
    return Trace(spikes, codes, out["readout"], timesteps)


def named() -> Iterator[tuple[str, Program]]:
    yield from ((name, make()) for name, make in program_examples.EXAMPLES.items())
    yield from ((p.parent.name, load(p)) for p in sorted(PUBLISHED.glob("*/model.intspike")))


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("name", [name for name, _ in named()])
def test_onnx_runtime_gives_every_integer_of_the_reference(name: str, timed: bool, tmp_path: Path):
    program = dict(named())[name]
    x = random_inputs(program, 4, 5, timed=timed, seed=3)
    want = reference.run(program, x, 5)
    found = compare(want, run(program, x, 5, tmp_path / "x.onnx", timed=timed), ("reference", "ONNX Runtime"))
    assert found.mismatches == 0
    assert found.compared > 100
    assert any(s.any() for s in want.spikes.values())


def check_random(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    case = data.draw(programs())
    path = tmp_path_factory.mktemp("onnx") / "x.onnx"
    timed = data.draw(st.booleans())
    x = random_inputs(case.program, 3, 4, timed=timed, seed=data.draw(st.integers(0, 99)))
    try:
        got = run(case.program, x, 4, path, timed=timed)
    except NotLowerable:
        proved = ranges(case.program, 4)
        wide = [n.name for n in case.program if isinstance(n, (Conv, Pool))]
        event("too wide for float32")
        assert max(max(-proved[n].sum_low, proved[n].sum_high) for n in wide) >= 1 << 24
        return
    assert compare(reference.run(case.program, x, 4), got, ("reference", "ONNX Runtime")).mismatches == 0


@given(st.data())
@settings(max_examples=6, deadline=None)
def test_random_programs(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    check_random(tmp_path_factory, data)


@pytest.mark.slow
@pytest.mark.timeout(900)
@given(st.data())
@settings(max_examples=200, deadline=None)
def test_many_random_programs(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    check_random(tmp_path_factory, data)


def test_wide_sums_multiply_in_int64_and_wide_convolutions_are_refused(tmp_path: Path):
    wide = np.full((2, 4), (1 << 22) + 1)
    dense = Program((Input("x", (4,), 0, 9), Dense("d", Edge("x"), wide), Readout("out", Edge("d"))))
    x = np.array([[9, 9, 9, 8], [1, 2, 3, 4]])
    got = run(dense, x, 3, tmp_path / "x.onnx", timed=False)
    assert (got.readout == 3 * x @ wide.T).all()
    assert got.readout.max() > 1 << 24
    conv = Program(
        (
            Input("x", (1, 2, 2), 0, 9),
            Conv("c", Edge("x"), wide.reshape(2, 1, 2, 2)),
            Readout("out", Edge("c")),
        )
    )
    with pytest.raises(NotLowerable, match=r"^c: sums of a convolution must stay below 2\^24"):
        export_onnx(conv, tmp_path / "y.onnx", timesteps=2)
    assert not (tmp_path / "y.onnx").exists()


def test_options_are_checked(tmp_path: Path):
    program = program_examples.dense()
    export_onnx(program, tmp_path / "x.onnx", timesteps=2)
    with pytest.raises(BadInput, match="exists"):
        export_onnx(program, tmp_path / "x.onnx", timesteps=2)
    for timesteps in (0, 5000):
        with pytest.raises(BadInput, match="timesteps must be"):
            export_onnx(program, tmp_path / "y.onnx", timesteps=timesteps)
