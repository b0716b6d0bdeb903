"""Artifacts: what is saved loads equal, nothing else loads, and a failed save leaves what was there."""

from __future__ import annotations

import json
import os
import re
import resource
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike.errors import BadArtifact, BadInput, BadProgram, IntspikeError
from intspike.fixed import bits_for
from intspike.ir import Conv, Dense, Edge, Input, Neuron, Pool, Program, Readout, artifact, container, frozen
from intspike.neuron import IF, LIF
from intspike.ops import Blocked, Carry, Form, Instruction, Shift, Table, Uniform
from program_examples import AFTER, EXAMPLES, dense, neuron

GOLDEN = Path(__file__).parent / "golden"
every_example = pytest.mark.parametrize("name", EXAMPLES)


def arrays_of(program: Program) -> dict[str, np.ndarray]:
    """Every integer array of a program, found without the code under test."""
    made: dict[str, np.ndarray] = {}
    for n in program:
        if isinstance(n, (Dense, Conv)):
            made[f"{n.name}/weight"] = n.weight
        if isinstance(n, Pool) and n.minimum is not None:
            made[f"{n.name}/minimum"] = n.minimum
        if isinstance(n, Neuron):
            made |= {f"{n.name}/{p}": a for p, a in n.parameters.items()}
    return made


def assert_equal(a: Program, b: Program) -> None:
    assert str(a) == str(b)
    assert artifact.content_hash(a) == artifact.content_hash(b)
    left, right = arrays_of(a), arrays_of(b)
    assert left.keys() == right.keys()
    assert all(np.array_equal(left[k], right[k]) for k in left)
    assert [n.body for n in a.neurons] == [n.body for n in b.neurons]
    assert {k: v.tolist() for k, v in a.units.items()} == {k: v.tolist() for k, v in b.units.items()}
    assert dict(a.notes) == dict(b.notes)
    assert dict(a.shapes) == dict(b.shapes)


def parts(path: Path) -> tuple[dict, dict, bytes]:
    """The header (without metadata), the document, and the bytes of the tensors of a stored program."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    return header, json.loads(header.pop("__metadata__")["intspike"]), raw[8 + length :]


def pack(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def repacked(header: dict, document: object, data: bytes, rehash: bool = False) -> bytes:
    """A file of these parts; with `rehash` it also has the right hash, so that only its content can be refused."""
    if rehash and isinstance(document, dict):
        dtypes = {name: container.DTYPES[t["dtype"]] for name, t in header.items()}
        arrays = {
            name: np.frombuffer(data[slice(*t["data_offsets"])], dtypes[name]).reshape(t["shape"])
            for name, t in header.items()
        }
        rest = {k: v for k, v in document.items() if k != "hash"}
        document = {**rest, "hash": artifact._digest(rest, arrays)}
    return pack({"__metadata__": {"intspike": json.dumps(document)}, **header}, data)


def refused(path: Path, raw: bytes | None = None) -> BadArtifact:
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(BadArtifact) as caught:
        artifact.load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "; " in message
    assert len(message) < 1000 + len(str(path))
    return caught.value


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "model.intspike"
    artifact.save(dense(), path)
    return path


# ---------------------------------------------------------------- what is saved loads equal


@every_example
def test_round_trip(name: str, tmp_path: Path):
    program = EXAMPLES[name]()
    artifact.save(program, tmp_path / "a")
    again = artifact.load(str(tmp_path / "a"))
    assert_equal(program, again)
    assert all(a.dtype == np.int64 and not a.flags.writeable for a in arrays_of(again).values())
    artifact.save(again, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@every_example
def test_it_is_a_safetensors_file_of_the_smallest_integers(name: str, tmp_path: Path):
    program = EXAMPLES[name]()
    artifact.save(program, tmp_path / "a")
    with safetensors.safe_open(tmp_path / "a", "np") as file:
        assert list(file.metadata()) == ["intspike"]
    tensors = safetensors.numpy.load_file(tmp_path / "a")
    for key, a in arrays_of(program).items():
        assert np.array_equal(tensors[key], a)
        bits, signed = bits_for(int(a.min()), int(a.max()))
        width = next(w for w in (8, 16, 32, 64) if w >= bits)
        assert tensors[key].dtype == f"{'int' if signed else 'uint'}{width}"


def test_the_hash_does_not_see_how_numbers_are_stored(stored: Path, tmp_path: Path):
    with safetensors.safe_open(stored, "np") as file:
        metadata = file.metadata()
    tensors = safetensors.numpy.load_file(stored)
    wide = {k: a if a.dtype.kind == "f" else a.astype(np.int64) for k, a in tensors.items()}
    safetensors.numpy.save_file(wide, tmp_path / "wide", metadata)
    assert (tmp_path / "wide").stat().st_size > stored.stat().st_size
    assert_equal(artifact.load(tmp_path / "wide"), dense())


def test_the_hash_sees_every_value_and_no_layout():
    program = dense()
    n = program.neurons[0]

    def with_neuron(**changes: object) -> Program:
        nodes = tuple(replace(m, **changes) if m is n else m for m in program.nodes)
        return Program(nodes, program.units, program.notes)

    backwards = dict(reversed(n.parameters.items()))
    turned = {p: np.asfortranarray(a) for p, a in n.parameters.items()}
    same = [
        with_neuron(parameters=backwards),
        with_neuron(parameters=turned),
        Program(program.nodes, dict(reversed(program.units.items())), dict(reversed(program.notes.items()))),
    ]
    assert {artifact.content_hash(p) for p in same} == {artifact.content_hash(program)}
    assert {str(p) for p in same} == {str(program)}
    others = [
        with_neuron(parameters={**n.parameters, "bias": frozen(n.parameters["bias"] + [0, 0, 1])}),
        with_neuron(body=replace(n.body, surrogate=replace(n.body.surrogate, slope=1.5))),
        Program(program.nodes, program.units, {}),
        Program(program.nodes, {}, program.notes),
        Program(program.nodes, {**program.units, "fc": np.array([0.05, 0.1, 1.1e-9])}, program.notes),
    ]
    assert len({artifact.content_hash(p) for p in [program, *others]}) == 1 + len(others)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """One or two layers of any codec, with weights of any width."""
    channels, inputs = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    low = draw(st.integers(-5, 0))
    weight = st.integers(-(1 << draw(st.integers(0, 30))), 1 << draw(st.integers(0, 30)))
    nodes: list = [Input("x", (inputs,), low, draw(st.integers(0, 300)))]
    stores = draw(st.sampled_from(["after reset", "before reset"]))
    for k in range(draw(st.integers(1, 2))):
        source = nodes[-1].name
        rows = st.lists(weight, min_size=inputs, max_size=inputs)
        matrix = frozen(draw(st.lists(rows, min_size=channels, max_size=channels)))
        nodes.append(Dense(f"fc{k}", Edge(source, draw(st.integers(0, 3))), matrix))
        reset = draw(st.sampled_from(["subtract", "zero"]))
        equation = draw(st.sampled_from([LIF, IF]))(reset=reset, compare=draw(st.sampled_from([">", ">="])))
        if draw(st.booleans()):
            rest, fractions = (
                (2, AFTER) if stores == "after reset" else (1, [-0.5, 0, 0.2, 0.4, 0.6, 1, 2, 3])
            )
            form, more = Form(Table(3, rest, stores), Carry()), {"fractions": fractions}
        else:
            bits = draw(st.integers(4, 12))
            form = Form(
                Uniform(bits, -(1 << (bits - 1)), stores=stores),
                Shift(),
                draw(st.sampled_from(get_args(Blocked))),
            )
            more = {"shift": np.full(channels, max(0, 11 - bits))}
        nodes.append(neuron(f"neuron{k}", Edge(f"fc{k}"), channels, equation, form, **more))
        inputs = channels
    nodes.append(Readout("out", Edge(nodes[-1].name)))
    reals = st.floats(allow_nan=False, allow_infinity=False)
    units = {"fc0": np.array(draw(st.lists(reals, min_size=channels, max_size=channels)))}
    shown = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20)
    return Program(tuple(nodes), units, draw(st.dictionaries(shown, shown, max_size=3)))


@settings(max_examples=60, deadline=None)
@given(program=programs())
def test_random_programs_round_trip(program: Program, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("random") / "a"
    artifact.save(program, path)
    assert_equal(program, artifact.load(path))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.intspike")), ids=lambda p: p.stem)
def test_artifacts_of_every_version_load(path: Path):
    assert str(artifact.load(path)) == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_golden_artifacts_are_there():
    assert {p.name for p in GOLDEN.iterdir()} >= {"v1-loop.intspike", "v1-images.intspike"}


# ---------------------------------------------------------------- nothing else loads


def test_every_truncation_is_refused(stored: Path, tmp_path: Path):
    raw = stored.read_bytes()
    for k in range(len(raw)):
        refused(tmp_path / "short", raw[:k])
    refused(tmp_path / "long", raw + b"\0")


@pytest.mark.parametrize("bit", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, 8))])
def test_bit_flips_are_refused(stored: Path, tmp_path: Path, bit: int):
    raw = stored.read_bytes()
    expected, accepted = dense(), 0
    for k in range(len(raw)):
        flipped = bytearray(raw)
        flipped[k] ^= 1 << (bit + k) % 8
        (tmp_path / "flipped").write_bytes(flipped)
        try:
            again = artifact.load(tmp_path / "flipped")
        except BadArtifact:
            continue
        assert_equal(again, expected)  # a flip in white space changes nothing
        accepted += 1
    assert accepted < 8


def tensor(dtype: object = "U8", shape: object = (1,), offsets: object = (0, 1)) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


META = {"__metadata__": {"intspike": "{}"}}
HUGE = 1 << 60
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "too few"),
    "seven bytes": (b"\0" * 7, "too few"),
    "no header": (b"\0" * 8, "JSON object"),
    "length of 2^64": (b"\xff" * 8, "header claims"),
    "length beyond the cap": (pack(b"{}", length=container.MOST_HEADER_BYTES + 1), "header claims"),
    "a zip file": (b"PK\x03\x04" + b"\0" * 20, "it is a zip file"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n", "it is an HDF5 file"),
    "an image": (b"\x89PNG\r\n\x1a\n" + b"\0" * 8, "it is a PNG image"),
    "text": (b"import torch\n", "it is text, which begins with 'import t'"),
    "a pickle": (b"\x80\x04\x95\x10\0\0\0\0\0\0\0", "it is a pickle"),
    "length beyond the file": (pack(b"{}", length=3), "bytes, but 2 follow"),
    "length of zero": (pack(b"", length=0), "JSON object"),
    "not JSON": (pack(b"{not json}"), "cannot be read"),
    "a list": (pack(b"[]"), "JSON object"),
    "leading space": (pack(b" {}"), "JSON object"),
    "two objects": (pack(b"{}{}"), "cannot be read"),
    "not ASCII": (pack('{"ä":1}'.encode()), "ASCII"),
    "not UTF-8": (pack(b'{"\xff":1}'), "ASCII"),
    "deep lists": (pack(b'{"a":' + b"[" * 200_000), "nested deeper"),
    "deep objects": (pack(b'{"a":' * 100_000), "nested deeper"),
    "brackets in an open string": (pack(b'{"' + b"[" * 500_000), "cannot be read"),
    "escaped quotes in an open string": (pack(b'{"' + b'\\"' * 500_000 + b"\\"), "cannot be read"),
    "deep document": (pack({"__metadata__": {"intspike": "[" * 100_000}}), "nested deeper"),
    "many lists": (pack(b'{"a":[' + b"[]," * 300_000 + b"[]]}"), "tokens"),
    "many keys": (pack(b"{" + b'"a":0,' * 150_000 + b'"b":0}'), "tokens"),
    "many tensors": (pack({**META, **{str(k): tensor() for k in range(9_000)}}), "tokens"),
    "huge integer": (pack(b'{"a":' + b"9" * 100_000 + b"}"), "64 bits"),
    "huge exponent": (pack(b'{"a":1e999}'), "not finite"),
    "nan": (pack(b'{"a":NaN}'), "not a number"),
    "infinity": (pack(b'{"a":-Infinity}'), "not a number"),
    "key twice": (pack(b'{"__metadata__":{"intspike":"{}"},"__metadata__":{"intspike":"{}"}}'), "twice"),
    "key twice by escape": (pack(b'{"a":1,"\\u0061":1}'), "twice"),
    "no metadata": (pack({"a": tensor()}, b"\0"), "metadata"),
    "another tool's metadata": (pack({"__metadata__": {"format": "pt"}}), "metadata"),
    "metadata twice": (pack({"__metadata__": {"intspike": "{}", "more": ""}}), "metadata"),
    "metadata is no text": (pack({"__metadata__": {"intspike": {}}}), "metadata"),
    "metadata is a list": (pack({"__metadata__": []}), "metadata"),
    "astral document": (pack({"__metadata__": {"intspike": '"\U0001f600"'}}), "ASCII"),
    "tensor is no object": (pack({**META, "a": 3}), "must have a dtype"),
    "tensor with more keys": (pack({**META, "a": {**tensor(), "b": 1}}), "must have a dtype"),
    "tensor without a shape": (pack({**META, "a": {"dtype": "U8"}}), "must have a dtype"),
    "unknown dtype": (pack({**META, "a": tensor("F16", [1], [0, 2])}), "unknown dtype"),
    "pickled objects": (pack({**META, "a": tensor("O")}, b"\0"), "unknown dtype"),
    "dtype is a list": (pack({**META, "a": tensor([])}), "unknown dtype"),
    "2^60 elements": (pack({**META, "a": tensor("U8", [HUGE], [0, HUGE])}), "too large"),
    "product overflows": (pack({**META, "a": tensor("U8", [1 << 40] * 8, [0, 0])}), "too large"),
    "product wraps to 0": (pack({**META, "a": tensor("U8", [1 << 32, 1 << 32], [0, 0])}), "too large"),
    "nine dimensions": (pack({**META, "a": tensor("U8", [1] * 9)}, b"\0"), "dimensions"),
    "empty tensor": (pack({**META, "a": tensor("U8", [0], [0, 0])}), "empty"),
    "negative dimension": (pack({**META, "a": tensor("U8", [-1])}), "sizes and offsets"),
    "negative pair": (pack({**META, "a": tensor("U8", [-1, -1])}, b"\0"), "sizes and offsets"),
    "true as a dimension": (pack({**META, "a": tensor("U8", [True])}, b"\0"), "sizes and offsets"),
    "1.0 as a dimension": (pack({**META, "a": tensor("U8", [1.0])}, b"\0"), "sizes and offsets"),
    "text as offsets": (pack({**META, "a": tensor("U8", [1], "01")}), "sizes and offsets"),
    "one offset": (pack({**META, "a": tensor("U8", [1], [0])}, b"\0"), "must lie at"),
    "no offsets": (pack({**META, "a": tensor("U8", [1], [])}, b"\0"), "must lie at"),
    "offsets too wide": (pack({**META, "a": tensor("U8", [1], [0, 2])}, b"\0\0"), "must lie at"),
    "offsets reversed": (pack({**META, "a": tensor("U8", [1], [1, 0])}, b"\0"), "must lie at"),
    "beyond the file": (pack({**META, "a": tensor("I64", [4], [0, 32])}, b"\0" * 31), "follow the header"),
    "bytes left over": (pack({**META, "a": tensor()}, b"\0\0"), "follow the header"),
    "a gap": (pack({**META, "a": tensor("U8", [1], [1, 2])}, b"\0\0"), "begin at"),
    "an overlap": (pack({**META, "a": tensor(), "b": tensor()}, b"\0"), "begin at"),
    "document is a number": (pack({"__metadata__": {"intspike": "3"}}), "format version"),
    "document is a list": (pack({"__metadata__": {"intspike": "[]"}}), "format version"),
    "no version": (pack(META), "format version"),
    "version true": (pack({"__metadata__": {"intspike": '{"version":true}'}}), "format version"),
    "version 1.0": (pack({"__metadata__": {"intspike": '{"version":1.0}'}}), "format version"),
    "version 0": (pack({"__metadata__": {"intspike": '{"version":0}'}}), "format version 0"),
    "version 7": (pack({"__metadata__": {"intspike": '{"version":7}'}}), "install the newest intspike"),
    "only a version": (pack({"__metadata__": {"intspike": '{"version":1}'}}), "lacks the keys"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_cheaply(name: str, tmp_path: Path):
    raw, expected = HOSTILE[name]
    path = tmp_path / "hostile"
    path.write_bytes(raw)
    del raw
    tracemalloc.start()
    try:
        error = refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert expected in str(error)
    assert peak < 10e6


def test_large_files_are_refused_before_they_are_read(stored: Path, tmp_path: Path):
    header, document, _ = parts(stored)
    size = 200 << 20
    claims = {**META, "a": tensor("U8", [size], [0, size])}
    known = {**header, "fc/weight": tensor("U8", [size], [0, size])}
    known = {"fc/weight": known["fc/weight"]}
    cases = [
        ("over the cap", pack(META), container.MOST_FILE_BYTES + 1),
        ("unknown document", pack(claims), len(pack(claims)) + size),
        ("missing arrays", repacked(known, document, b""), len(repacked(known, document, b"")) + size),
    ]
    for name, start, end in cases:
        path = tmp_path / "large"
        with path.open("wb") as file:  # a sparse file: nothing is really on the disk
            file.write(start)
            file.truncate(end)
        tracemalloc.start()
        refused(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10e6, name


CHANGES = {  # dotted place in the document of dense(), new value (None: remove), part of the message
    "unknown key": ("more", 1, "unknown keys"),
    "missing key": ("units", None, "lacks the keys"),
    "unknown node key": ("nodes.0.more", 1, "unknown keys"),
    "missing node key": ("nodes.1.source", None, "lacks the keys"),
    "unknown node type": ("nodes.1.type", "attention", "must be one of"),
    "node type is a list": ("nodes.1.type", [], "must be one of"),
    "node is a list": ("nodes.1", [], "must be an object"),
    "nodes are an object": ("nodes", {}, "must be a list"),
    "no nodes": ("nodes", [], "belongs to no neuron"),
    "true as an integer": ("nodes.0.high", True, "must be an integer"),
    "1.0 as an integer": ("nodes.0.high", 1.0, "must be an integer"),
    "text as an integer": ("nodes.0.high", "1", "must be an integer"),
    "null as an integer": ("nodes.0.high", {"a": None}, "must be an integer"),
    "1 as a truth": ("bodies.0.strict", 1, "true or false"),
    "1 as a real": ("bodies.0.surrogate.slope", 1, "decimal point"),
    "negative slope": ("bodies.0.surrogate.slope", -1.0, "slope"),
    "unknown surrogate": ("bodies.0.surrogate.type", "Sigmoid", "must be one of"),
    "a path as a name": ("nodes.1.name", "../../etc", "must be a name"),
    "a name with a line": ("nodes.1.name", "fc\n", "must be a name"),
    "a long name": ("nodes.1.name", "f" * 65, "must be a name"),
    "another name": ("nodes.1.name", "fd", "is missing"),
    "a name twice": ("nodes.0.name", "fc", "used twice"),
    "a source that is not there": ("nodes.1.source", ["y", 0], "does not exist"),
    "a source behind": ("nodes.1.source", ["lif", 0], "must stand behind"),
    "a negative delay": ("nodes.1.source", ["x", -1], "must be an integer"),
    "three parts of a source": ("nodes.1.source", ["x", 0, 0], "a name and a delay"),
    "another shape": ("nodes.0.shape", [7], "columns"),
    "a huge shape": ("nodes.0.shape", [1 << 62], "must be an integer"),
    "a large shape": ("nodes.0.shape", [1 << 20, 1 << 20], "elements"),
    "no shape": ("nodes.0.shape", [], "entries"),
    "body that is not there": ("nodes.2.body", 1, "body 1 of 1"),
    "negative body": ("nodes.2.body", -1, "must be an integer"),
    "unknown op": ("bodies.0.instructions.2", ["system", [0, 1], "", 0], "op table"),
    "backward op": ("bodies.0.instructions.2", ["div", [0, 1], "", 0], "integers"),
    "too few arguments": ("bodies.0.instructions.2", ["mul", [0], "", 0], "arguments"),
    "later argument": ("bodies.0.instructions.2", ["mul", [0, 9], "", 0], "earlier values"),
    "negative argument": ("bodies.0.instructions.2", ["mul", [0, -1], "", 0], "must be an integer"),
    "name with a quote": ("bodies.0.instructions.1", ["parameter", [], '"', 0], "must be a name"),
    "half an immediate": ("bodies.0.instructions.0", ["current", [], "", 0.5], "must be an integer"),
    "five parts": ("bodies.0.instructions.0", ["current", [], "", 0, 0], "op, args, name and immediate"),
    "unknown codec": ("bodies.0.states.0.type", "none", "must be one of"),
    "too many bits": ("bodies.0.states.0.bits", 9, "1..8"),
    "other bits": ("bodies.0.states.0.bits", 2, "must be"),
    "rest out of range": ("bodies.0.states.0.rest", 8, "rest code"),
    "other rest": ("bodies.0.states.0.rest", 3, "level of the rest code"),
    "unknown store": ("bodies.0.states.0.stores", "never", "must be one of"),
    "no states": ("bodies.0.states", [], "belongs to nothing"),
    "a store out of range": ("bodies.0.stores", [99], "stored and read"),
    "an output out of range": ("bodies.0.spike", 99, "must be"),
    "no spikes": ("bodies.0.spikes", 0, "1..15"),
    "a threshold too few": ("bodies.0.spikes", 2, "thresholds"),
    "unknown reset": ("bodies.0.reset", "soft", "must be one of"),
    "another comparison": ("bodies.0.strict", True, "compare as the body says"),
    "an unused body": ("bodies", [], "body 0 of 0"),
    "an unknown unit": ("units", ["fc", "lif", "x"], "is missing"),
    "a unit too few": ("units", ["fc"], "belongs to nothing"),
    "units out of order": ("units", ["lif", "fc"], "sorted"),
    "a note that is a number": ("notes", {"a": 1}, "a text"),
    "a note with an escape": ("notes", {"a": "\x1b[2J"}, "printable"),
    "a note of half a character": ("notes", {"a": "\ud800"}, "printable"),
    "a long note": ("notes", {"a": "a" * 10_001}, "at most"),
    "many notes": ("notes", {str(k): "" for k in range(101)}, "at most"),
    "notes are a list": ("notes", [], "texts"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_documents_with_the_right_hash_but_a_wrong_value_are_refused(name: str, stored: Path, tmp_path: Path):
    place, value, expected = CHANGES[name]
    header, document, data = parts(stored)
    *way, last = [int(k) if k.isdigit() else k for k in place.split(".")]
    target = document
    for k in way:
        target = target[k]
    if value is None:
        del target[last]
    else:
        target[last] = value
    error = refused(tmp_path / "changed", repacked(header, document, data, rehash=True))
    assert expected in str(error)
    assert "hash" not in str(error)
    refused(tmp_path / "changed", repacked(header, document, data))


def test_a_wrong_hash_is_named(stored: Path, tmp_path: Path):
    header, document, data = parts(stored)
    for claimed in ("0" * 64, "", 3, [], {}):
        raw = repacked(header, {**document, "hash": claimed}, data)
        assert "hash" in str(refused(tmp_path / "altered", raw))
    del document["hash"]
    assert "hash" in str(refused(tmp_path / "altered", repacked(header, document, data)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_units_must_be_finite(value: float, stored: Path, tmp_path: Path):
    header, document, data = parts(stored)
    begin, end = header["fc@unit"]["data_offsets"]
    data = data[:begin] + np.full((end - begin) // 8, value).tobytes() + data[end:]
    assert "finite" in str(refused(tmp_path / "nan", repacked(header, document, data, rehash=True)))
    program = dense()
    with pytest.raises(BadProgram, match="finite"):
        artifact.save(Program(program.nodes, {"fc": np.array([value])}), tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_integers_and_reals_are_not_exchanged(stored: Path, tmp_path: Path):
    document = parts(stored)[1]
    for name, dtype in (("fc@unit", "I64"), ("fc/weight", "F64")):
        tensors = safetensors.numpy.load_file(stored)
        tensors[name] = tensors[name].astype(container.DTYPES[dtype])
        document["hash"] = artifact._digest({k: v for k, v in document.items() if k != "hash"}, tensors)
        safetensors.numpy.save_file(tensors, tmp_path / "other", {"intspike": json.dumps(document)})
        assert "must hold" in str(refused(tmp_path / "other"))


def test_what_is_no_file_is_refused(tmp_path: Path):
    refused(tmp_path)
    assert "no such file or directory; check the path" in str(refused(tmp_path / "missing"))
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe")
    refused(Path("/dev/zero"))
    refused(tmp_path / "a\0b")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 70)
    | st.sampled_from([1 << 31, 1 << 53, -(1 << 62), 0.0, 1.5, -1e300, "", "u", "theta", "lif", "fc", "x"])
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(x: object, way: tuple = ()) -> list[tuple]:
    """Every place in a JSON value."""
    inner = x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else ()
    return [way, *(p for k, v in inner for p in places(v, (*way, k)))]


def mutated(draw: st.DrawFn, document: dict) -> dict:
    """The document with one to four values removed, replaced, nudged or copied from elsewhere."""
    for _ in range(draw(st.integers(1, 4))):
        found = [p for p in places(document) if p and p[0] not in ("version", "hash")]
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        target, source = document, document
        for k in way:
            target = target[k]
        for k in draw(st.sampled_from(found)):
            source = source[k]
        change = draw(st.sampled_from(["remove", "replace", "nudge", "nudge", "copy", "copy"]))
        if change == "remove":
            del target[last]
        elif change == "replace":
            target[last] = draw(JSON)
        elif change == "copy":
            target[last] = json.loads(json.dumps(source))
        elif isinstance(target[last], int):
            target[last] = int(target[last]) + draw(st.sampled_from([-1, 1, 2, 1 << 20]))
        elif isinstance(target[last], list) and target[last]:
            target[last] = draw(st.permutations(target[last]))
    return document


STRANGE = [0, 1, -1, 31, 32, 1 << 31, 1 << 40, -(1 << 63), (1 << 63) - 1]


@settings(max_examples=400, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(EXAMPLES)), rehash=st.booleans())
def test_mutated_documents_never_raise_anything_else(
    data: st.DataObject, name: str, rehash: bool, tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    if not path.exists():
        artifact.save(EXAMPLES[name](), path)
    header, document, raw = parts(path)
    if data.draw(st.booleans()):
        document = data.draw(st.composite(mutated)(document))
    else:  # one strange number in one array
        tensors = safetensors.numpy.load_file(path)
        key = data.draw(st.sampled_from([k for k, a in tensors.items() if a.dtype.kind != "f"]))
        a = tensors[key] = tensors[key].astype(np.int64)
        a.flat[data.draw(st.integers(0, a.size - 1))] = data.draw(st.sampled_from(STRANGE))
        text, order = container.header_bytes(tensors, "intspike", "{}")
        header = json.loads(text[8:])
        del header["__metadata__"]
        raw = b"".join(tensors[t.name].astype(t.dtype).tobytes() for t in order)
    (path.parent / "mutant").write_bytes(repacked(header, document, raw, rehash))
    try:
        program = artifact.load(path.parent / "mutant")
    except BadArtifact as error:
        flaw = error.__cause__
    else:
        assert str(program).startswith("program")
        return
    # refused by a rule, not by an accident that load had to catch
    assert isinstance(flaw, container.Flaw)
    assert isinstance(flaw.__cause__, (IntspikeError, type(None))), flaw


# ---------------------------------------------------------------- saving is whole or not at all


def test_what_cannot_be_loaded_is_not_saved(tmp_path: Path):
    program = dense()
    n = program.neurons[0]

    def changed(**values: object) -> Program:
        return Program(tuple(replace(m, **values) if m is n else m for m in program.nodes))

    body = replace(n.body, instructions=(*n.body.instructions, Instruction("current", name="odd name")))
    for bad, expected in [
        (changed(body=body), "must be a name"),
        (Program(program.nodes, {"a/b": np.ones(1)}), "must be a name"),
        (Program(program.nodes, {"a": np.ones(0)}), "finite numbers"),
        (Program(program.nodes, {}, {"a": "\x1b"}), "printable"),
        (Program(program.nodes, {}, {"a": "a" * 10_001}), "at most"),
    ]:
        with pytest.raises(BadProgram, match=expected):
            artifact.save(bad, tmp_path / "never")
        with pytest.raises(BadProgram, match=expected):
            artifact.content_hash(bad)
    notes = {str(k): "ä" * 10_000 for k in range(100)}
    with pytest.raises(BadProgram, match="header"):
        artifact.save(Program(program.nodes, {}, notes), tmp_path / "never")
    assert list(tmp_path.iterdir()) == []


def test_the_caps_hold_for_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for cap, expected in [
        ("MOST_ELEMENTS", "too large"),
        ("MOST_JSON_TOKENS", "tokens"),
        ("MOST_FILE_BYTES", "bytes"),
    ]:
        with monkeypatch.context() as patched:
            patched.setattr(container, cap, 10)
            with pytest.raises(BadProgram, match=expected):
                artifact.save(dense(), tmp_path / "never")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_failed_save_leaves_what_was_there(
    stored: Path, fails: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
):
    before = stored.read_bytes()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, fails, fail)
    expected = BadInput if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        artifact.save(EXAMPLES["recurrent"](), stored)
    if expected is BadInput:
        assert re.search("No space left.*free space or choose another path", str(caught.value))
    monkeypatch.undo()
    assert stored.read_bytes() == before
    assert list(stored.parent.iterdir()) == [stored]


def test_a_write_that_stops_in_the_middle_leaves_nothing(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # as a disk with room for 1000 bytes
    try:
        with pytest.raises(BadInput, match="free space"):
            artifact.save(dense(), tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    for path in (tmp_path / "missing" / "model", tmp_path / "folder", tmp_path / "a\0b"):
        with pytest.raises(BadInput, match="must be a file that can be written"):
            artifact.save(dense(), path)
    assert [p.name for p in tmp_path.rglob("*")] == ["folder", "inner"]


def test_a_place_without_a_program_is_said_in_one_clean_sentence(tmp_path: Path):
    missing = tmp_path / "nope.intspike"
    with pytest.raises(BadArtifact) as caught:
        artifact.load(missing)
    assert str(caught.value) == (
        f"{missing} must be a stored program that can be read, but: no such file or directory; check the path"
    )
    with pytest.raises(
        BadArtifact, match=r"but it is a folder; give the file itself, whose name ends in \.intspike"
    ):
        artifact.load(tmp_path)


def test_saving_replaces_whole_files_with_ordinary_permissions(stored: Path):
    artifact.save(EXAMPLES["recurrent"](), stored)
    assert_equal(artifact.load(stored), EXAMPLES["recurrent"]())
    mask = os.umask(0)
    os.umask(mask)
    assert stored.stat().st_mode & 0o777 == 0o666 & ~mask
