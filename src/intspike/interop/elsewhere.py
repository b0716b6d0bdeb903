"""Networks that were quantized elsewhere: what of them lowers, and how far that is from them, measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import BadInput, NotLowerable
from ..lower import lowerability
from ..nn import Group, Network, quantize
from ..quant import QuantConfig, StateQuantizer, Uniform, UniformState, WeightQuantizer
from .given import GivenLevels, GivenSteps
from .imported import Choice, Imported


@dataclass(frozen=True)
class Mismatch:
    """How a network that lowers differs from the one it stands for, spike by spike.

    Attributes:
        layers: of each layer, how many spikes (or silences) were compared, and how many differ.
        samples, answers: how many inputs, and for how many another class has the most spikes.
        first: the first difference: timestep, layer, sample, neuron; None where there is none.
    """

    layers: tuple[tuple[str, int, int], ...]
    samples: int
    answers: int
    first: tuple[int, str, int, tuple[int, ...]] | None

    @property
    def differ(self) -> int:
        """Differences of all layers."""
        return sum(d for _, _, d in self.layers)

    @property
    def exact(self) -> bool:
        """Whether every spike is the same on these inputs."""
        return not self.differ

    def __str__(self) -> str:
        lines = [f"{name}: {d} of {n} spikes differ ({d / n:.2%})" for name, n, d in self.layers]
        lines.append(f"another answer for {self.answers} of {self.samples} samples")
        return "\n".join([*lines, *([] if self.first is None else [f"first {self.first}"])])


@dataclass(frozen=True, eq=False)
class Lowerable:
    """The network in integer codes that is nearest to one that was quantized elsewhere.

    Attributes:
        network: it; calibrated, trained and lowered as any other.
        imported: what it was made of.
        choices: what became of weights and states, with how far they moved.
        refused: why it does not lower all the same; empty where it does.
    """

    network: Network
    imported: Imported
    choices: tuple[Choice, ...]
    refused: tuple[str, ...]

    def mismatch(self, inputs: Tensor) -> Mismatch:
        """Run both on inputs [T, B, ...], this one in its codes, the other in its own tool, and compare every spike.

        Args:
            inputs: integer codes, as a quantized network reads them.

        Raises:
            NotLowerable: the network does not lower, so that there is nothing to compare.
            BadInput: the original cannot be run, or inputs that are no codes.
        """
        if self.refused:
            raise NotLowerable(f"a network must lower to be compared, but {'; '.join(self.refused)}")
        if self.imported.original is None:
            raise BadInput(
                f"an import from {self.imported.source} has no original that could be run beside it"
            )
        return _compared(self.imported.original(inputs), self.network.record(inputs).spikes)

    def __str__(self) -> str:
        rows = [(c.layer, c.field, c.theirs, c.ours, c.effect) for c in self.choices]
        heads = ("layer", "field", self.imported.source, "integers", "effect")
        widths = [max(len(row[k]) for row in (heads, *rows)) for k in range(5)]
        lines = [
            "  ".join(x.ljust(w) for x, w in zip(r, widths, strict=True)).rstrip() for r in (heads, *rows)
        ]
        return "\n".join([*lines, *(f"does not lower: {why}" for why in self.refused)])


def lowerable(
    imported: Imported,
    *,
    weight: WeightQuantizer | None = None,
    state: StateQuantizer | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> Lowerable:
    """Take over the integers of a network that was quantized elsewhere, and quantize what was not.

    Weights that were integers there (Brevitas) are the same integers. Levels of membranes (`state_quant`) are moved so
    that rest is one of them and the threshold a boundary, because only such levels have an integer program; how much
    that changes, `mismatch` measures.

    Args:
        weight: of weights that were not quantized; by default Uniform(8).
        state: of membranes that were not; by default UniformState(16).
        input_shape: of one frame, (C, H, W) or (N,); of a network that has run, and of one that begins with a Linear
            layer, it is known.
    """
    weight, state = weight or Uniform(8), state or UniformState(16)
    overrides: dict[str, dict[str, Any]] = {}
    for group in imported.network.layers:
        mine: dict[str, Any] = {}
        steps = [imported.steps.get(name) for name in group.synapse_names]
        if steps[0] is not None and all(s in (None, steps[0]) for s in steps):
            mine["weight"] = steps[0]
        if isinstance(group.neuron.comparison, GivenLevels):
            mine["state"] = group.neuron.comparison.lowerable(float(group.neuron.theta.flatten()[0]))
        overrides[group.name] = mine
    network = quantize(imported.network, QuantConfig(weight, state, overrides=overrides)).eval()
    network.input_shape = input_shape or _shape(imported)
    choices: list[Choice] = []
    for before, after in zip(imported.network.layers, network.layers, strict=True):
        choices += [_weights(before, after, imported), _states(before, after)]
    report = lowerability(network)
    refused = tuple(f"{p.layer}: {p.name}: {p.detail}" for p in report.refused)
    return Lowerable(network, imported, tuple(choices), refused)


def _shape(imported: Imported) -> tuple[int, ...] | None:
    first = imported.network.layers[0].modules_of_synapses[0]
    known = imported.input_shape or imported.network.input_shape
    return known or ((first.in_features,) if isinstance(first, torch.nn.Linear) else None)


@torch.no_grad()
def _weights(before: Group, after: Group, imported: Imported) -> Choice:
    """How far weights moved, in steps of the codes."""
    codes, step = after.coded()
    given = next((imported.steps[n] for n in before.synapse_names if n in imported.steps), None)
    theirs = "real" if given is None else f"{given.bits}-bit integers"
    moved = 0.0
    for m, c in zip(before.modules_of_synapses, codes, strict=True):
        per = step.reshape(-1, *(1,) * (c.ndim - 1))
        moved = max(moved, float(((m.weight - c * per) / per).abs().max()))
    if moved < 2.0**-16 and isinstance(after.weight, GivenSteps):  # code * step, rounded to float32
        return Choice(after.name, "weights", theirs, "the same integers")
    ours = f"{type(after.weight).__name__}, moved by up to {moved:.3f} steps"
    return Choice(after.name, "weights", theirs, ours, "rounding")


def _states(before: Group, after: Group) -> Choice:
    """How far levels moved, in thresholds."""
    given = before.neuron.comparison
    if not isinstance(given, GivenLevels):
        return Choice(after.name, "state", "real", repr(after.neuron.state), "rounding")
    theta = float(before.neuron.theta.flatten()[0])
    rest = min(abs(x) for x in given.levels) / theta
    ours = f"{len(given.levels)} levels, rest moved by {rest:.4f} thresholds, the threshold made a boundary"
    return Choice(after.name, "state", f"{len(given.levels)} levels", ours, "rounding")


def _compared(theirs: dict[str, Tensor], ours: dict[str, Tensor]) -> Mismatch:
    layers: list[tuple[str, int, int]] = []
    first: tuple[int, str, int, tuple[int, ...]] | None = None
    for name, want in theirs.items():
        wrong = want != ours[name]
        layers.append((name, wrong.numel(), int(wrong.sum())))
        if bool(wrong.any()):
            t, sample, *at = min(wrong.nonzero().tolist())
            if first is None or t < first[0]:
                first = t, name, sample, tuple(at)
    last = layers[-1][0]
    answers = theirs[last].sum(0).flatten(1).argmax(1) != ours[last].sum(0).flatten(1).argmax(1)
    return Mismatch(tuple(layers), len(answers), int(answers.sum()), first)
