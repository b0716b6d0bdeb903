"""NIR graphs, imported: judged by the equations of NIR, stepped in plain float64, and by the tools that write files."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intspike import interop, nn
from intspike.errors import BadData, BadInput, IntspikeError, NotImportable
from intspike.lower import lower
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

nir = pytest.importorskip("nir")
DT = 2.0**-10


def stepped(graph: Any, x: np.ndarray, reset: str, order: str, strict: bool) -> np.ndarray:
    """The graph in float64 by its own equations, Euler steps of DT; spikes of the output [T, B, ...]."""
    state: dict[str, np.ndarray] = {}
    fired: dict[str, np.ndarray] = {}
    reads = {n: [a for a, b in graph.edges if b == n] for n in graph.nodes}
    out: list[np.ndarray] = []

    def values_at(frame: np.ndarray) -> dict[str, np.ndarray]:
        values: dict[str, np.ndarray] = {}

        def value(name: str) -> np.ndarray:
            if name in values:
                return values[name]
            n, kind = graph.nodes[name], type(graph.nodes[name]).__name__
            y = frame if kind == "Input" else sum(value(a) for a in reads[name])
            match kind:
                case "Linear" | "Affine":
                    y = y.reshape(len(y), -1) @ n.weight.T + getattr(n, "bias", 0)
                case "Conv2d":
                    size = [d + 2 * n.padding[0] - n.weight.shape[2] + 1 for d in y.shape[2:]]
                    padded = np.pad(y, [(0, 0), (0, 0)] + [(n.padding[0],) * 2] * 2)
                    y = np.zeros((len(y), len(n.weight), *size)) + n.bias[:, None, None]
                    for i, j in itertools.product(*map(range, n.weight.shape[2:])):
                        part = padded[:, :, i : i + size[0], j : j + size[1]]
                        y += np.einsum("oc,bcij->boij", n.weight[:, :, i, j], part)
                case "SumPool2d" | "AvgPool2d":
                    b, c, h, w = y.shape
                    y = y.reshape(b, c, h // 2, 2, w // 2, 2).sum((3, 5)) / (4 if kind == "AvgPool2d" else 1)
                case "Flatten":
                    y = y.reshape(len(y), -1)
                case "Scale":
                    y = y * n.scale
                case "Threshold":
                    y = (y > n.threshold if strict else y >= n.threshold) * 1.0
                case "LIF" | "IF":
                    v, s = state.get(name, np.zeros_like(y)), fired.get(name, np.zeros_like(y))
                    after = {
                        "zero": lambda v, s: v * (1 - s),
                        "subtract": lambda v, s: v - s * n.v_threshold,
                    }[reset]
                    v = after(v, s) if order == "before leak" else v
                    v = v + (DT / n.tau * (n.v_leak - v + n.r * y) if kind == "LIF" else DT * n.r * y)
                    v = after(v, s) if order == "after leak" else v
                    state[name], fired[name] = v, (v > n.v_threshold if strict else v >= n.v_threshold) * 1.0
                    y = fired[name]
            values[name] = y
            return y

        value("output")
        return values

    for frame in x:
        out.append(values_at(frame)["output"])  # noqa: PERF401
    return np.stack(out)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Any, np.ndarray, dict[str, str]]:
    """Graphs whose numbers are so short that float32 holds every sum and membrane of six timesteps exactly."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    reading = {
        "reset": draw(st.sampled_from(["zero", "subtract"])),
        "reset_order": draw(st.sampled_from(["before leak", "after leak"])),
        "compare": draw(st.sampled_from([">", ">="])),
    }

    def numbers(*shape: int) -> np.ndarray:
        return random.integers(-4, 5, shape) / 4

    def neuron(*shape: int) -> Any:
        theta = np.broadcast_to(random.integers(1, 9, shape[:1] + (1,) * (len(shape) - 1)) / 4, shape).copy()
        kind = draw(st.sampled_from(["LIF", "IF", "Threshold"]))
        tau = DT * 2.0 ** draw(st.integers(0, 2))
        if kind == "Threshold":
            return nir.Threshold(theta)
        if (kind == "IF" and reading["reset"] == "subtract") or (
            kind == "IF" and reading["reset_order"] == "before leak"
        ):
            return nir.IF(r=np.full(shape, 2.0 ** draw(st.integers(-1, 1)) / DT), v_threshold=theta)
        return nir.LIF(
            tau=np.full(shape, tau), r=np.full(shape, 2.0 ** draw(st.integers(-1, 2))),
            v_leak=np.full(shape, draw(st.sampled_from([0.0, 0.5, -1.0]))), v_threshold=theta,
        )  # fmt: skip

    parts: list[Any] = []
    if draw(st.booleans()):
        x, width = np.asarray(random.integers(-2, 5, (6, 2, 2, 4, 4)), float), 3 * 16
        conv = nir.Conv2d((4, 4), numbers(3, 2, 3, 3), 1, (1, 1), 1, 1, numbers(3))
        parts += [nir.Input({"input": np.array([2, 4, 4])}), conv, neuron(3, 4, 4)]
        pool = draw(st.sampled_from([None, nir.SumPool2d, nir.AvgPool2d]))
        if pool is not None:
            parts.append(pool(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])))
            width //= 4
        shape = np.array([3, 4, 4] if pool is None else [3, 2, 2])
        parts.append(nir.Flatten({"input": shape}, 0, -1))
    else:
        x, width = np.asarray(random.integers(-2, 5, (6, 3, 5)), float), 5
        parts.append(nir.Input({"input": np.array([5])}))
    for _ in range(draw(st.integers(1, 2))):
        outputs = draw(st.integers(1, 4))
        if draw(st.booleans()):
            parts.append(nir.Scale(random.choice([0.5, 1.0, 2.0], width)))
        weight = numbers(outputs, width)
        parts.append(nir.Affine(weight, numbers(outputs)) if draw(st.booleans()) else nir.Linear(weight))
        if draw(st.booleans()):
            parts.append(nir.Scale(np.full(outputs, draw(st.sampled_from([0.5, 2.0])))))
        parts.append(neuron(outputs))
        width = outputs
    return nir.NIRGraph.from_list(*parts, type_check=False), x, reading


def check_graph(graph: Any, x: np.ndarray, reading: dict[str, str]):
    imported = interop.from_nir(graph, DT, **reading)  # type: ignore[arg-type]
    want = stepped(graph, x, reading["reset"], reading["reset_order"], reading["compare"] == ">")
    got = imported.network(torch.from_numpy(x).float()).detach()
    assert (got.numpy() == want).all(), imported


@given(graphs())
@settings(max_examples=12, deadline=None)
def test_a_graph_does_what_its_equations_say(made: tuple[Any, np.ndarray, dict[str, str]]):
    check_graph(*made)


@pytest.mark.slow
@pytest.mark.timeout(900)
@given(graphs())
@settings(max_examples=300, deadline=None)
def test_many_graphs_do_what_their_equations_say(made: tuple[Any, np.ndarray, dict[str, str]]):
    check_graph(*made)


def small(n: int = 3, inputs: int = 2, **changes: Any) -> Any:
    """Affine -> LIF with leak 1/2 and gain 1."""
    random = np.random.default_rng(1)
    fields = {"tau": 2 * DT, "r": 2.0, "v_leak": 0.0, "v_threshold": 1.0} | changes
    full = {k: np.full(n, v) if np.isscalar(v) else v for k, v in fields.items()}
    return nir.NIRGraph.from_list(nir.Affine(random.random((n, inputs)), np.zeros(n)), nir.LIF(**full))


def test_a_file_and_an_object_are_one(tmp_path: Path):
    nir.write(tmp_path / "a.nir", small())
    x = torch.rand(12, 4, 2) * 3
    a, b = interop.from_nir(tmp_path / "a.nir", DT), interop.from_nir(small(), DT)
    assert torch.equal(a.network(x), b.network(x))
    assert a.network(x).any()
    assert a.source == "NIR 1.0.8" or a.source.startswith("NIR 1.")


def test_time_constants_become_leaks():
    """Euler is what NIR's exporters invert; exact is the other; either way the table says so."""
    euler = interop.from_nir(small(tau=0.01, r=1.0), 1e-3)
    exact = interop.from_nir(small(tau=0.01, r=1.0), 1e-3, discretisation="exact")
    assert euler.network.layers[0].neuron.beta.tolist() == pytest.approx([0.9] * 3)
    assert exact.network.layers[0].neuron.beta.tolist() == pytest.approx([np.exp(-0.1)] * 3)
    said = {c.field: c for c in exact.choices}
    assert said["discretisation"].ours == "exact: beta = exp(-dt / tau)"
    assert said["discretisation"].effect == said["beta"].effect == said["reset"].effect == "assumed"


def test_an_integrator_ends_a_network():
    random = np.random.default_rng(0)
    theta, weight = np.full(3, 1.0), random.integers(-4, 5, (2, 3)) / 4
    graph = nir.NIRGraph.from_list(
        nir.Affine(random.integers(-4, 5, (3, 2)) / 4, np.ones(3)), nir.IF(np.full(3, 1 / DT), theta),
        nir.Linear(weight), nir.I(r=np.array([2.0, 4.0]) / DT),
    )  # fmt: skip
    x = np.asarray(random.integers(0, 4, (7, 2, 2)), float)
    first = nir.NIRGraph(
        {k: v for k, v in graph.nodes.items() if k not in ("linear", "i")}, graph.edges[:2], type_check=False
    )
    first.nodes["output"] = nir.Output(output_type=np.array([3]))
    first.edges.append(("if", "output"))
    spikes = stepped(first, x, "zero", "before leak", True)
    record = interop.from_nir(graph, DT).network.record(torch.from_numpy(x).float())
    assert (record.readout.numpy() == (spikes.sum(0) @ weight.T) * [2.0, 4.0]).all()
    assert spikes.any()


# --- by thread --------------------------------------------------------------------------------------------


def exported(beta: Any, tmp_path: Path, **fields: Any) -> tuple[Path, Any, torch.nn.Sequential]:
    """A snnTorch network, written by snnTorch's own exporter."""
    snn = pytest.importorskip("snntorch")
    pytest.importorskip("nirtorch")
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), snn.Leaky(beta, init_hidden=True, **fields))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of nirtorch
        graph = export_to_nir(net, torch.rand(1, 6), ignore_dims=[0])
    nir.write(tmp_path / "theirs.nir", graph)
    return tmp_path / "theirs.nir", interop.from_snntorch(net), net


def test_a_leaky_comes_back_as_itself_only_where_everything_is_said(tmp_path: Path):
    """snnTorch writes a LIF of v_reset 0 with dt = 1e-4 for every Leaky: read as it stands, it is another neuron."""
    vector = torch.tensor([0.5, 0.75, 0.875, 0.9375])
    path, original, _ = exported(vector, tmp_path, threshold=torch.full((4,), 0.75))
    x = 3 * torch.rand(40, 8, 6, generator=torch.Generator().manual_seed(1))
    want = original.network(x)
    as_meant = interop.from_nir(path, 1e-4, reset="subtract", reset_order="after leak").network(x)
    as_written = interop.from_nir(path, 1e-4).network(x)
    assert want.sum() > 100
    assert int((as_meant != want).sum()) == 0
    assert int((as_written != want).sum()) > 10
    with pytest.raises(NotImportable, match="take a shorter timestep"):
        interop.from_nir(path, 1e-3)


def test_63_and_129_a_reset_that_a_file_does_not_say(tmp_path: Path):
    """NIR #63, #129: files before v_reset existed do not say it; the choice is the reader's, and is listed."""
    import h5py

    nir.write(tmp_path / "old.nir", small())
    with h5py.File(tmp_path / "old.nir", "a") as f:
        del f["node/nodes/lif/v_reset"]
    (said,) = [c for c in interop.from_nir(tmp_path / "old.nir", DT).choices if c.field == "reset"]
    assert (said.theirs, said.ours, said.effect) == (
        "not in the file; zero is taken for it", "'zero', 'before leak'", "assumed"
    )  # fmt: skip
    made = {r: interop.from_nir(tmp_path / "old.nir", DT, reset=r).network for r in ("zero", "subtract")}
    x = 3 * torch.rand(30, 4, 2, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(made["zero"](x), made["subtract"](x))
    with pytest.raises(NotImportable, match="v_reset must be 0, not -1"):
        interop.from_nir(small(v_reset=np.full(3, -1.0)), DT)


def test_176_one_parameter_for_each_neuron():
    """NIR #176: parameters are arrays of the neurons; one number is taken for all, another length is named."""
    graph = small()
    for field in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        setattr(graph.nodes["lif"], field, np.array([getattr(graph.nodes["lif"], field)[0]]))
    x = torch.rand(12, 4, 2) * 3
    assert torch.equal(interop.from_nir(graph, DT).network(x), interop.from_nir(small(), DT).network(x))
    graph.nodes["lif"].tau = np.full(2, 2 * DT)
    with pytest.raises(NotImportable, match=r"a leak must be one number or one for each of 3 channels"):
        interop.from_nir(graph, DT)


# --- refusals and hostile files ---------------------------------------------------------------------------


def test_what_has_no_equal_is_named():
    n = np.ones(3)
    cuba = nir.CubaLI(tau_syn=n, tau_mem=n, r=n, v_leak=n)
    graph = nir.NIRGraph.from_list(
        nir.Linear(np.eye(3)), cuba, nir.Linear(np.eye(3)), nir.LI(tau=n, r=n, v_leak=n)
    )
    with pytest.raises(NotImportable, match="cubali: CubaLI: a readout that leaks"):
        interop.from_nir(graph, DT)
    with pytest.raises(NotImportable, match="LI: a readout that leaks"):
        interop.from_nir(nir.NIRGraph.from_list(nir.Linear(np.eye(3)), nir.LI(tau=n, r=n, v_leak=n)), DT)
    with pytest.raises(NotImportable, match="threshold must be above 0"):
        interop.from_nir(small(v_threshold=0.0), DT)


def test_a_circle_of_two_layers_is_refused():
    graph = small()
    graph.nodes |= {"back": nir.Linear(np.eye(3)), "two": nir.Threshold(np.ones(3))}
    graph.edges += [("lif", "back"), ("back", "two"), ("two", "lif")]
    with pytest.raises(NotImportable, match=r"is recurrent: .*back"):
        interop.from_nir(graph, DT)


def test_a_graph_inside_a_graph_is_joined_in():
    outer = nir.NIRGraph(
        {"input": nir.Input(np.array([2])), "inner": small(), "output": nir.Output(np.array([3]))},
        [("input", "inner"), ("inner", "output")], type_check=False,
    )  # fmt: skip
    x = torch.rand(12, 4, 2) * 3
    assert torch.equal(interop.from_nir(outer, DT).network(x), interop.from_nir(small(), DT).network(x))


@pytest.mark.parametrize(
    ("field", "value"),
    [("timestep", 0.0), ("timestep", float("nan")), ("reset", "soft"), ("compare", "=="), ("reset_order", "never"),
     ("discretisation", "rk4")],
)  # fmt: skip
def test_readings_that_are_none(field: str, value: Any):
    with pytest.raises(BadInput, match=f"{field} must be"):
        interop.from_nir(small(), **({"timestep": DT} | {field: value}))


def spoiled(path: Path, change: Any) -> Path:
    import h5py

    nir.write(path, small())
    with h5py.File(path, "a") as f:
        change(f)
    return path


def without(name: str) -> Any:
    return lambda f: f.__delitem__(name)


def changed(name: str, value: Any, **more: Any) -> Any:
    def change(f: Any) -> None:
        del f[name]
        f.create_dataset(name, data=value, **more)

    return change


def external(f: Any) -> None:
    import h5py

    del f["node/nodes/lif/tau"]
    f["node/nodes/lif/tau"] = h5py.ExternalLink("/etc/passwd", "x")


def soft(f: Any) -> None:
    import h5py

    del f["node/nodes/lif/tau"]
    f["node/nodes/lif/tau"] = h5py.SoftLink("/node/nodes/lif/r")


def virtual(f: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    del f["node/nodes/lif/tau"]
    f.create_virtual_dataset("node/nodes/lif/tau", layout)


def raw(f: Any) -> None:
    del f["node/nodes/lif/tau"]
    f.create_dataset("node/nodes/lif/tau", (3,), "f8", external=[("/etc/passwd", 0, 24)])


def circle(f: Any) -> None:
    f["node/nodes/lif/metadata"] = f["node"]


def huge(f: Any) -> None:
    del f["node/nodes/affine/weight"]
    f.create_dataset("node/nodes/affine/weight", (1 << 20, 1 << 12), "f8", compression="gzip")


HOSTILE = {
    "a missing field": (without("node/nodes/lif/tau"), r"'lif' \(LIF\) must have the field tau"),
    "a missing type": (without("node/nodes/lif/type"), "'lif' must be one of"),
    "no graph": (without("node"), "node is nothing"),
    "no nodes": (without("node/nodes"), "must hold a NIRGraph with nodes"),
    "an unknown node": (changed("node/nodes/lif/type", "Izhikevich"), "not 'Izhikevich'"),
    "a wrong shape": (changed("node/nodes/affine/weight", np.ones(4)), r"weight must be \[outputs, inputs\]"),
    "a wrong bias": (changed("node/nodes/affine/bias", np.ones(5)), "bias must be one for each of 3 outputs"),
    "words for numbers": (changed("node/nodes/lif/tau", "fast"), "tau of the node 'lif'.*must be numbers"),
    "no number": (changed("node/nodes/lif/tau", np.full(3, np.nan)), "must be finite"),
    "infinite time": (changed("node/nodes/lif/tau", np.full(3, np.inf)), "must be written as IF"),
    "an edge to nowhere": (changed("node/edges", [["input", "nowhere"]]), "'nowhere' is none"),
    "an edge of three": (changed("node/edges", [["input", "affine", "lif"]]), "an edge must be two names"),
    "nothing read": (changed("node/edges", [["affine", "lif"], ["lif", "output"]]), "affine: Affine reads nothing"),
    "an external link": (external, "tau is ExternalLink"),
    "a soft link": (soft, "tau is SoftLink"),
    "a virtual data set": (virtual, "must be stored in the file itself"),
    "an external data set": (raw, "must be stored in the file itself"),
    "a circle of groups": (circle, "a tree of at most 8 levels"),
    "a huge array": (huge, "at most 268,435,456 numbers"),
    "another filter": (changed("node/nodes/lif/tau", np.ones(3), compression="lzf"), "plain or deflated"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name: str, tmp_path: Path):
    change, words = HOSTILE[name]
    with pytest.raises((BadData, NotImportable), match=words):
        interop.from_nir(spoiled(tmp_path / "x.nir", change), DT)


@pytest.mark.parametrize(("name", "words"), [("missing.nir", "does not exist"), ("", "is a folder")])
def test_what_is_no_file_is_said(name: str, words: str, tmp_path: Path):
    with pytest.raises(BadData, match=f"must be a NIR file, but {words}"):
        interop.from_nir(tmp_path / name, DT)


def test_no_file_and_no_graph(tmp_path: Path):
    (tmp_path / "x.nir").write_bytes(b"no HDF5")
    for given_ in (tmp_path / "x.nir", tmp_path / "missing.nir", tmp_path, 3, {}):
        with pytest.raises(BadData):
            interop.from_nir(given_, DT)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_damaged_bytes_give_one_of_our_errors(data: st.DataObject):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.nir"
        nir.write(path, small())
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(
            content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
        )
        with contextlib.suppress(IntspikeError):
            interop.from_nir(path, DT)


def test_an_imported_graph_lowers():
    net = nn.quantize(interop.from_nir(small(), DT).network, QuantConfig(Uniform(4), ThresholdCentred(4)))
    assert lower(net.eval(), input_shape=(2,)).neurons[0].name == "lif"
