"""Exported arrays: complete, readable without intspike, and named by nothing that a program says."""

from __future__ import annotations

import json
import re
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intspike.engine import reference
from intspike.errors import BadInput, RangeExceeded
from intspike.export.arrays import export_arrays
from intspike.fixed import bits_for
from intspike.ir import Conv, Dense, Integrator, Neuron, Pool, Program, artifact, ranges
from program_examples import EXAMPLES, dense

VECTORS = Path(__file__).parents[1] / "vectors"
every_example = pytest.mark.parametrize("name", EXAMPLES)


def exported(program: Program, folder: Path, **more: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The manifest, and every array on disk by file name."""
    written = export_arrays(program, folder, **more)
    assert sorted(written) == sorted(folder.iterdir())
    arrays = {p.name: np.load(p, allow_pickle=False) for p in written if p.suffix == ".npy"}
    return json.loads((folder / "manifest.json").read_text()), arrays


@every_example
def test_every_array_is_there_and_described(name: str, tmp_path: Path):
    program = EXAMPLES[name]()
    manifest, arrays = exported(program, tmp_path / "out")
    unseen = set(arrays)
    assert [n["name"] for n in manifest["nodes"]] == [n.name for n in program.nodes]
    for n, entry in zip(program.nodes, manifest["nodes"], strict=True):
        expected: dict[str, np.ndarray] = {}
        if isinstance(n, (Dense, Conv)):
            expected = {"weight": n.weight}
        elif isinstance(n, Pool) and n.minimum is not None:
            expected = {"minimum": n.minimum}
        elif isinstance(n, Neuron):
            expected = dict(n.parameters)
        assert entry["arrays"].keys() == expected.keys()
        for key, a in expected.items():
            described = entry["arrays"][key]
            stored = arrays[described["file"]]
            unseen.discard(described["file"])
            assert np.array_equal(stored, a)
            assert stored.dtype.kind in "iu"
            assert described["dtype"] == stored.dtype.name
            assert described["shape"] == list(a.shape)
            assert (described["bits"], described["signed"]) == bits_for(int(a.min()), int(a.max()))
            assert described["meaning"]
    for entry in manifest["units"]:
        unseen.discard(entry["file"])
        assert np.array_equal(arrays[entry["file"]], program.units[entry["of"]])
    assert not unseen
    assert manifest["content_hash"] == artifact.content_hash(program)


@every_example
def test_the_manifest_says_what_each_node_is(name: str, tmp_path: Path):
    program = EXAMPLES[name]()
    manifest, _ = exported(program, tmp_path / "out", timesteps=25)
    proved = ranges(program, 25)
    assert manifest["proved_timesteps"] == 25
    for n, entry in zip(program.nodes, manifest["nodes"], strict=True):
        r = proved[n.name]
        assert entry["shape"] == list(program.shapes[n.name])
        assert [(i["name"], i["delay"]) for i in entry["inputs"]] == [(e.source, e.delay) for e in n.edges]
        assert all(manifest["nodes"][i["node"]]["name"] == i["name"] for i in entry["inputs"])
        assert (entry["output"]["low"], entry["output"]["high"]) == (r.low, r.high)
        assert entry["accumulator"]["bits"] == r.bits
        if isinstance(n, Neuron):
            instructions = entry["body"]["instructions"]
            assert [i["op"] for i in instructions] == [i.op for i in n.body.instructions]
            assert {i["op"] for i in instructions} <= manifest["ops"].keys()
            assert [s["rest_code"] for s in entry["states"]] == [
                n.body.codec(s.name).rest for s in n.body.states
            ]
            sign = " > " if n.body.strict else " >= "
            assert sign in entry["comparison"]
            assert sign in entry["arrays"]["theta"]["meaning"]
        if isinstance(n, Integrator):
            assert entry["state_bits"] == n.bits


def simulated(manifest: dict[str, Any], arrays: dict[str, np.ndarray], frames: np.ndarray) -> list[list[int]]:
    """The neurons of dense() from nothing but its export: what a reader of the manifest would write."""
    _, fc, lif, _ = manifest["nodes"]
    weight = arrays[fc["arrays"]["weight"]["file"]].astype(int)
    constant = {name: arrays[a["file"]].astype(int) for name, a in lif["arrays"].items()}
    body, (state,) = lif["body"], lif["states"]
    spikes: list[list[int]] = []
    codes, last = [state["rest_code"]] * len(weight), [0] * len(weight)
    for frame in frames:
        out = []
        for c, total in enumerate(weight @ frame):
            row = {name: a[c] for name, a in constant.items()}
            v: list[int] = []
            for i in body["instructions"]:
                if "range" not in i:  # for training alone
                    v.append(0)
                    continue
                a = [v[k] for k in i["args"]]
                value = {
                    "current": lambda: total,  # noqa: B023
                    "parameter": lambda: row[i["name"]],  # noqa: B023
                    "constant": lambda: i["immediate"],  # noqa: B023
                    "state": lambda: codes[c],  # noqa: B023
                    "prev": lambda: last[c],  # noqa: B023
                    "mul": lambda: a[0] * a[1],  # noqa: B023
                    "add": lambda: a[0] + a[1],  # noqa: B023
                    "sub": lambda: a[0] - a[1],  # noqa: B023
                    "ge": lambda: int(a[0] >= a[1]),  # noqa: B023
                    "cut": lambda: a[0],  # noqa: B023
                    "decode": lambda: row["u.levels"][a[0]],  # noqa: B023
                    "encode": lambda: int((row["u.boundaries"] <= a[0]).sum()),  # noqa: B023
                    "lookup": lambda: row[i["name"]][a[0]],  # noqa: B023
                }[i["op"]]()
                v.append(int(value))
                assert i["range"]["low"] <= v[-1] <= i["range"]["high"]
            codes[c], last[c] = v[body["next_codes"]["u"]], v[body["output"]]
            out.append(last[c])
        spikes.append(out)
    return spikes


def test_tables_begin_at_the_lowest_code_as_the_manifest_says(tmp_path: Path):
    manifest, _ = exported(artifact.load(VECTORS / "neurons" / "model.intspike"), tmp_path / "out")
    seen = set[tuple[int, bool]]()
    for n in (n for n in manifest["nodes"] if "carry" in n["arrays"]):
        low, high = n["states"][0]["codes"]
        _, *outputs, entries = n["arrays"]["carry"]["shape"]
        instructions = n["body"]["instructions"]
        lookup = next(i for i in instructions if (i["op"], i["name"]) == ("lookup", "carry"))
        assert entries == high - low + 1
        assert outputs == ([n["spikes"] + 1] if len(lookup["args"]) == 3 else [])
        assert not outputs or instructions[lookup["args"][1]]["op"] == "prev"
        seen.add((len(outputs), low < 0))
    assert {(0, False), (1, True)} <= seen  # the cases that a reader could take for another


def test_the_export_alone_reproduces_every_spike(tmp_path: Path):
    manifest, arrays = exported(dense(), tmp_path / "out")
    frames = np.random.default_rng(0).integers(0, 1, (40, 6), endpoint=True)
    trace = reference.run(dense(), frames[:, None], 40)
    assert simulated(manifest, arrays, frames) == trace.spikes["lif"][:, 0].tolist()
    assert 0 < trace.spikes["lif"].sum() < trace.spikes["lif"].size


def test_names_of_a_program_reach_no_file_name(tmp_path: Path):
    program = dense()
    renamed = tuple(replace(n, name="CON") if n.name == "x" else n for n in program.nodes)
    renamed = tuple(
        replace(n, source=replace(n.source, source="CON")) if isinstance(n, Dense) else n for n in renamed
    )
    _, arrays = exported(Program(renamed, program.units), tmp_path / "out")
    assert all(re.fullmatch(r"[0-9]{3}_[a-z0-9_]+\.npy", file) for file in arrays)
    _, again = exported(program, tmp_path / "again")
    assert list(arrays) == list(again)


def test_a_folder_that_holds_files_is_refused(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(BadInput, match="new or empty"):
        export_arrays(dense(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_force_removes_the_arrays_of_an_older_export_and_nothing_else(tmp_path: Path):
    export_arrays(EXAMPLES["several_spikes"](), tmp_path)
    for name in ("mine.txt", "mine.npy", "12_weights.npy"):
        (tmp_path / name).write_text("keep")
    written = export_arrays(dense(), tmp_path, force=True)
    kept = {"mine.txt", "mine.npy", "12_weights.npy"}
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in written} | kept
    assert all((tmp_path / name).read_text() == "keep" for name in kept)


def test_an_unproved_program_writes_nothing(tmp_path: Path):
    with pytest.raises(RangeExceeded):
        export_arrays(EXAMPLES["resting"](), tmp_path / "out", timesteps=1 << 30)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_named_and_leaves_no_manifest(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the manifest is longer
    try:
        with pytest.raises(BadInput, match="free space"):
            export_arrays(dense(), tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_place_that_is_no_folder_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "inner"):
        with pytest.raises(BadInput, match="must be a folder"):
            export_arrays(dense(), place)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
