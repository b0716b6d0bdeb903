"""The table of docs/neurons-of-others.md: every neuron of other tools, imported or refused by the importers themselves.

`python -m intspike.interop.docs docs/neurons-of-others.md` renews it; all tools must be installed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from ..errors import NotImportable
from .imported import Imported
from .nir import from_nir
from .norse import from_norse
from .snntorch import from_snntorch
from .spikingjelly import from_spikingjelly

BEGIN, END = "<!-- table: neurons -->", "<!-- end -->"
_SHOWN = ("reset", "reset_order", "compare")
_NUMBERS = ("alpha", "beta", "gain", "bias", "synapse", "recurrence", "reads")
Case = tuple[str, str, Callable[[], Imported]]


def _chain(read: Callable[[Any], Imported], neuron: Callable[[], Any]) -> Callable[[], Imported]:
    def read_it() -> Imported:
        made = neuron()
        return read([made] if hasattr(made, "input_weights") else [torch.nn.Linear(2, 2), made])

    return read_it


def cases() -> Iterator[Case]:
    """Tool, neuron with its fields, and the import of it."""
    yield from _snntorch()
    yield from _spikingjelly()
    yield from _norse()
    yield from _nir()


def _snntorch() -> Iterator[Case]:
    snn = importlib.import_module("snntorch")
    made: dict[str, Callable[[], Any]] = {
        "Leaky": lambda: snn.Leaky(0.9),
        "Leaky, zero": lambda: snn.Leaky(0.9, reset_mechanism="zero"),
        "Leaky, zero, reset_delay=False": lambda: snn.Leaky(0.9, reset_mechanism="zero", reset_delay=False),
        "Leaky, none": lambda: snn.Leaky(0.9, reset_mechanism="none"),
        "Leaky, reset_delay=False": lambda: snn.Leaky(0.9, reset_delay=False),
        "Leaky, graded_spikes_factor": lambda: snn.Leaky(0.9, graded_spikes_factor=2.0),
        "Leaky, state_quant": lambda: snn.Leaky(0.9, state_quant=lambda u: u),
        "Lapicque": lambda: snn.Lapicque(R=1.0, C=4.0),
        "Lapicque, zero": lambda: snn.Lapicque(R=1.0, C=4.0, reset_mechanism="zero"),
        "Synaptic, alpha=0": lambda: snn.Synaptic(0.0, 0.9),
        "Synaptic": lambda: snn.Synaptic(0.5, 0.9),
        "Synaptic, zero": lambda: snn.Synaptic(0.5, 0.9, reset_mechanism="zero"),
        "Alpha": lambda: snn.Alpha(0.9, 0.8),
        "RLeaky": lambda: snn.RLeaky(0.9, linear_features=2),
        "RLeaky, all_to_all=False": lambda: snn.RLeaky(0.9, all_to_all=False, V=1.0),
        "RSynaptic": lambda: snn.RSynaptic(0.5, 0.9, linear_features=2),
    }
    yield from (("snnTorch", name, _chain(from_snntorch, make)) for name, make in made.items())


def _spikingjelly() -> Iterator[Case]:
    nodes = importlib.import_module("spikingjelly.activation_based.neuron")
    made: dict[str, Callable[[], Any]] = {
        "IFNode": nodes.IFNode,
        "IFNode, v_reset=None": lambda: nodes.IFNode(v_reset=None),
        "LIFNode": nodes.LIFNode,
        "LIFNode, decay_input=False": lambda: nodes.LIFNode(decay_input=False),
        "LIFNode, v_reset=None": lambda: nodes.LIFNode(v_reset=None),
        "LIFNode, v_reset=-0.5": lambda: nodes.LIFNode(v_reset=-0.5),
        "ParametricLIFNode": nodes.ParametricLIFNode,
        "CUBALIFNode": nodes.CUBALIFNode,
        "QIFNode": nodes.QIFNode,
        "EIFNode": nodes.EIFNode,
    }
    yield from (("SpikingJelly", name, _chain(from_spikingjelly, make)) for name, make in made.items())


def _norse() -> Iterator[Case]:
    norse = importlib.import_module("norse.torch")
    still = {"tau_syn_inv": torch.as_tensor(1000.0)}
    made: dict[str, Callable[[], Any]] = {
        "LIFBoxCell": norse.LIFBoxCell,
        "IAFCell": norse.IAFCell,
        "LIFCell, tau_syn_inv = 1 / dt": lambda: norse.LIFCell(norse.LIFParameters(**still)),
        "LIFCell": norse.LIFCell,
        "LIFRecurrentCell": lambda: norse.LIFRecurrentCell(2, 2),
        "LIFRefracCell": norse.LIFRefracCell,
        "LIFExCell": norse.LIFExCell,
    }
    yield from (("Norse", name, _chain(from_norse, make)) for name, make in made.items())


def _nir() -> Iterator[Case]:
    nir, np = importlib.import_module("nir"), importlib.import_module("numpy")
    one = np.ones(2)
    lif = {"tau": 0.01 * one, "r": one, "v_leak": 0 * one, "v_threshold": one}
    made: dict[str, Callable[[], Any]] = {
        "LIF": lambda: nir.LIF(**lif),
        "LIF, v_leak": lambda: nir.LIF(**(lif | {"v_leak": one / 2})),
        "IF": lambda: nir.IF(one, one),
        "Threshold": lambda: nir.Threshold(one),
        "LIF, v_reset": lambda: nir.LIF(**lif, v_reset=-one),
        "CubaLIF": lambda: nir.CubaLIF(0.01 * one, 0.02 * one, one, 0 * one, one),
        "LI": lambda: nir.LI(one, one, 0 * one),
    }
    for name, make in made.items():
        yield (
            "NIR",
            name,
            lambda make=make: from_nir(nir.NIRGraph.from_list(nir.Linear(np.eye(2)), make()), 1e-3),
        )


def rows() -> list[list[str]]:
    """A row a neuron: tool, neuron, what it is here, what is folded elsewhere; or why it is refused."""
    made: list[list[str]] = []
    for tool, name, make in cases():
        try:
            found = make()
        except NotImportable as e:
            reason = str(e).splitlines()[-1].split(": ", 1)[-1].strip()
            made.append([tool, f"`{name}`", "refused", reason])
            continue
        equation = found.network.layers[0].neuron.equation
        shown = {f.name: getattr(equation, f.name) for f in fields(equation) if f.name in _SHOWN}
        group = found.network.layers[0]
        kind = type(equation).__name__
        text = ", ".join(f"{k}={v!r}" for k, v in shown.items() if not (v == "before leak" and kind == "IF"))
        also = [c for c in found.choices if c.layer and c.field in _NUMBERS]
        made.append(
            [
                tool,
                f"`{name}`",
                f"`Recurrent({kind}({text}))`" if group.delay else f"`{kind}({text})`",
                "; ".join(f"{c.field}: {c.theirs} -> {c.ours}" for c in also),
            ]
        )
    return made


def renewed(text: str) -> str:
    """A page with its table as it is now."""
    head = ["tool", "neuron", "intspike", "numbers, or why it is refused"]
    lines = [head, ["---"] * 4, *rows()]
    table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return "".join([before, begin, "\n\n", "\n".join(table), "\n\n", end, after])


def main() -> None:
    """Renew the page that is named."""
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
