"""The analysis of a program: its numbers are those of orbits and engines, and a stopped one keeps what it has."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.graph_objects
import pytest
from typer.testing import CliRunner

from intspike.cli import app
from intspike.dynamics import IntegerNetwork, ProgramMap, as_network, orbit
from intspike.engine import reference
from intspike.errors import BadInput
from intspike.ir import Dense, Edge, Input, Program, Readout
from intspike.ir.artifact import save
from intspike.measure import wilson
from intspike.neuron import LIF
from intspike.ops import Form, Table
from intspike.study.dynamics import analyse as module
from intspike.study.dynamics.analyse import analyse
from intspike.study.dynamics.analyse_page import page, to_dict, write
from intspike.study.dynamics.analyse_tables import attractors_of
from intspike.study.dynamics.options import Options
from program_examples import EXAMPLES, neuron, weights

PAIR = IntegerNetwork([[0, 6], [6, 0]], threshold=6, bits=5, reset="zero", leak=2)


def stored(tmp_path: Path, program: Program) -> Path:
    path = tmp_path / "model.intspike"
    save(program, path)
    return path


def test_a_small_network_is_known_in_whole(tmp_path):
    path = stored(tmp_path, PAIR.program())
    found = analyse(Options(path, steps=20, samples=3))
    assert found.graph is not None
    rows = [r for r, _ in attractors_of(found)]
    assert sum(r["state_attractors"] for r in rows) == found.graph.attractors == 18
    assert [r["regime"] for r in rows] == [
        "quiescent (zero) / quiescent (dead zone)",
        "limit cycle P(2)",
        "saturated",
    ]
    assert sum(r["share"] for r in rows) == pytest.approx(1)
    kinds = [c.kind for c in found.certificates]
    assert kinds.count("trap") == 3  # silence, and one around each active cycle: bistable, proved
    write(found, tmp_path / "out")
    kept = json.loads((tmp_path / "out/analysis.json").read_text())
    assert (kept["exhaustive"], kept["stopped"], kept["recurrent"]) == (True, None, True)
    assert kept["observable_attractors"] == rows
    assert len(list(csv.DictReader((tmp_path / "out/attractors.csv").read_text().splitlines()))) == 3
    assert (tmp_path / "out/states.dot").read_text().count(" -> ") == PAIR.size
    assert "18 state attractors, 3 observable" in (tmp_path / "out/report.html").read_text("utf-8")


def test_drawn_states_are_followed_one_by_one(tmp_path):
    path = stored(tmp_path, EXAMPLES["recurrent"]())
    found = analyse(Options(path, drive="-2", states=25, budget=900, samples=2, timesteps=7, steps=10))
    net = ProgramMap(EXAMPLES["recurrent"](), -2)
    ends = [orbit(net, u, 900) for u in net.random_states(25, 0)]
    assert [o.transient for o in found.orbits] == [o.transient for o in ends]
    for r, cycle in attractors_of(found):
        hits = sum(o.cycle is not None and o.cycle.observable == r["observable"] for o in ends)
        share = wilson(hits, 25)
        assert (r["share"], r["low"], r["high"]) == (share.value, share.low, share.high)
        assert cycle.observable == r["observable"]
    # two states under one stimulus, by two sessions of the engine
    program, after = net.program, found.after
    x = np.random.default_rng(0).integers(-3, 3, (7, 2, 4), endpoint=True)
    sessions = [reference.Session(program, 2) for _ in range(2)]
    other = net.random_states(2, 1)
    sessions[1].codes["lif"] = {"u": other[:, net.part("lif", "u").place]}
    sessions[1].spikes["lif"] = other[:, net.part("lif", "spikes").place]
    for back in (3, 2, 1):
        sessions[1].past["lif"].append(
            other[:, net.part("lif", "spikes" if back == 1 else f"past {back}").place]
        )
    apart = []
    for t in range(7):
        for s in sessions:
            s.step(x[t])
        apart.append((sessions[0].spikes["lif"] != sessions[1].spikes["lif"]).mean())
    assert after.apart.tolist() == apart
    assert after.timesteps == 7


def test_a_program_without_recurrence_says_its_bounds(tmp_path):
    found = analyse(Options(stored(tmp_path, EXAMPLES["dense"]()), samples=4))
    assert found.settled[0].layer == "lif"
    assert found.graph is not None
    assert int(found.graph.longest.max()) == found.settled[0].within
    kept = to_dict(found, attractors_of(found))
    assert (kept["recurrent"], kept["settled"][0]["output"]) == (False, found.settled[0].output)
    assert found.after is not None
    assert (found.after.silent >= 0).all()
    assert found.after.silent.max() <= found.settled[0].within


def test_test_samples_are_stimuli(tmp_path):
    form = Form(Table(2, 1, "before reset"))
    program = Program(
        (
            Input("x", (1, 28, 28)),
            Dense("fc", Edge("x"), weights(10, 784, most=3)),
            neuron("lif", Edge("fc"), 10, LIF(), form, fractions=[-0.5, 0, 0.5, 1]),
            Readout("out", Edge("lif")),
        )
    )
    path = stored(tmp_path, program)
    found = analyse(Options(path, data="fashion-mnist", samples=5, timesteps=4, states=3, steps=5))
    assert found.after is not None
    assert (found.after.merged >= 1).all()  # nothing is remembered where nothing recurs
    with pytest.raises(BadInput, match="must read frames"):
        analyse(Options(stored(tmp_path, EXAMPLES["dense"]()), data="fashion-mnist"))


def test_every_picture_is_one_that_plotly_knows(tmp_path):
    found = analyse(Options(stored(tmp_path, EXAMPLES["recurrent"]()), states=20, samples=3, steps=15))
    made = page(found, attractors_of(found))
    assert [s.key for s in made.sections if s.panels] == [
        "attractors",
        "rasters",
        "transients",
        "damage",
        "stimuli",
    ]

    def plain(x: object) -> object:
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        if isinstance(x, list):
            return [plain(v) for v in x]
        return "black" if isinstance(x, str) and x.startswith("$") else x

    for p in (p for s in made.sections for p in s.panels):
        plotly.graph_objects.Figure(data=plain(p.data), layout=plain(p.layout))
        assert p.data


def test_ctrl_c_keeps_what_there_is(tmp_path, monkeypatch):
    path, count = stored(tmp_path, EXAMPLES["recurrent"]()), [0]

    def stop(*arguments: object, **more: object):
        count[0] += 1
        if count[0] == 5:
            raise KeyboardInterrupt
        return orbit(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "orbit", stop)
    made = CliRunner().invoke(app, ["dynamics", "analyse", str(path), "--out", str(tmp_path / "out")])
    assert made.exit_code == 130
    kept = json.loads((tmp_path / "out/analysis.json").read_text())
    assert (kept["drawn"], kept["stopped"]) == (3, "it was stopped")
    assert "This is not the whole analysis" in (tmp_path / "out/report.html").read_text("utf-8")


def test_when_its_time_is_over_it_says_so(tmp_path):
    path, out = stored(tmp_path, EXAMPLES["recurrent"]()), tmp_path / "out"
    made = CliRunner().invoke(app, ["dynamics", "analyse", str(path), "--seconds", "1e-9", "--out", str(out)])
    assert made.exit_code == 0, made.output
    assert "This is not the whole analysis: the 1e-09 seconds of --seconds were over" in made.output
    assert json.loads((out / "analysis.json").read_text())["drawn"] == 0


def test_the_command_prints_json(tmp_path):
    path, out = stored(tmp_path, PAIR.program()), tmp_path / "out"
    made = CliRunner().invoke(
        app, ["dynamics", "analyse", str(path), "--json", "--steps", "5", "--out", str(out)]
    )
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout) == json.loads((out / "analysis.json").read_text())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"budget": 0}, r"--budget must be in 1\.\.100,000,000, not 0"),
        ({"states": 0}, "--states must be in"),
        ({"timesteps": 0}, "--timesteps must be in"),
        ({"seconds": 0.0}, "--seconds must be positive, not 0.0"),
        ({"drive": "much"}, "--drive must be an integer or a .npy file, not 'much'"),
        ({"drive": "none.npy"}, "but none.npy cannot be read"),
        ({"drive": "9"}, r"a drive must hold input codes -3\.\.3, not 9\.\.9"),
    ],
)
def test_options_that_cannot_be(tmp_path, fields, words):
    with pytest.raises(BadInput, match=words):
        analyse(Options(stored(tmp_path, EXAMPLES["recurrent"]()), **fields))


def test_too_many_states_for_all_of_them(tmp_path):
    path = stored(tmp_path, EXAMPLES["convolution"]())
    with pytest.raises(
        BadInput, match=r"up to 2\^26 = 67,108,864 states, but this program has 2\^114 states; leave"
    ):
        analyse(Options(path, exhaustive=True))


def test_a_command_says_what_differs_from_its_defaults():
    options = Options(Path("m.intspike"), drive="3", exhaustive=False, seed=2)
    assert options.command == "intspike dynamics analyse m.intspike --drive 3 --seed 2 --sampled"
    assert replace(options, exhaustive=None).command.endswith("--seed 2")


def test_a_program_that_is_an_integer_network_is_recognised():
    for net in (PAIR, IntegerNetwork([[1, -2], [3, 0]], [4, 5], 4, reset="subtract", drive=[[1, 0], [0, 2]])):
        found = as_network(ProgramMap(net.program(), net.drive))
        assert found is not None
        assert found.plain() == net.plain()
        assert found.bits == net.bits
    for name in EXAMPLES:
        assert as_network(ProgramMap(EXAMPLES[name]())) is None


def test_a_ramp_and_its_pulses(tmp_path):
    drive = [[-3, -3], [3, 3]]
    net = IntegerNetwork([[0, 6], [6, 0]], 6, 5, reset="zero", leak=2, drive=drive)
    options = Options(stored(tmp_path, net.program()), ramp="-3..3:7", states=5, samples=2, steps=10)
    found = analyse(options)
    assert options.command.endswith("--ramp -3..3:7")
    assert found.ramp is not None
    assert {0, 1} <= set(found.ramp.loop)
    assert [p.switched for p in found.pulses] == [True, True]
    rows = attractors_of(found)
    kept = to_dict(found, rows)
    assert kept["hysteresis"]["differs"] == found.ramp.loop
    assert [s.key for s in page(found, rows).sections][-2] == "ramp"
    with pytest.raises(BadInput, match="--ramp must be at least two different input codes, not '3'"):
        Options(Path("x"), ramp="3")
