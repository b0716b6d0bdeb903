"""What an import gives: a network, and every choice that was made on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from ..errors import NotImportable
from ..nn import Network
from .given import GivenSteps

Effect = Literal["same", "rounding", "training", "assumed"]
EFFECTS: Mapping[str, str] = {
    "same": "every spike is the same",
    "rounding": "the same, but where float32 rounds a membrane to the other side of its threshold (a tie)",
    "training": "the same when it runs; training differs",
    "assumed": "the source does not say; this was assumed or asked for",
}


@dataclass(frozen=True)
class Choice:
    """One field of another tool's model, and what it became.

    Attributes:
        layer: name in the network; empty for the whole of it.
        field: of the numeric contract.
        theirs, ours: in the words of each tool.
        effect: what follows for spikes, a key of `EFFECTS`.
    """

    layer: str
    field: str
    theirs: str
    ours: str
    effect: Effect = "same"


@dataclass(frozen=True)
class Refusal:
    """What of a model has no equal here, and the way out."""

    layer: str
    reason: str


@dataclass(frozen=True, eq=False)
class Imported:
    """A model of another tool as a network in full precision.

    Attributes:
        network: it.
        source: the tool and its version.
        choices: every semantic choice, in the order of the layers.
        original: runs the model in its own tool, where that is possible: for inputs [T, B, ...] the spikes of each
            layer [T, B, C, ...], by name.
        input_shape: of one frame, where the source says it.
        steps: of synapses whose weights were integers there, by name.
    """

    network: Network
    source: str
    choices: tuple[Choice, ...]
    original: Callable[[Tensor], dict[str, Tensor]] | None = None
    input_shape: tuple[int, ...] | None = None
    steps: Mapping[str, GivenSteps] = field(default_factory=dict[str, GivenSteps])

    def rows(self) -> list[tuple[str, ...]]:
        """The choices as rows: layer, field, theirs, ours, effect."""
        return [(c.layer or "network", c.field, c.theirs, c.ours, c.effect) for c in self.choices]

    def __str__(self) -> str:
        rows = [("layer", "field", self.source, "intspike", "effect"), *self.rows()]
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        lines = ["  ".join(x.ljust(w) for x, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        used = [e for e in EFFECTS if any(c.effect == e for c in self.choices)]
        return "\n".join([*lines, *(f"{e}: {EFFECTS[e]}" for e in used)])


START = Choice("", "start", "states as they were left", "each call starts at rest (0)")
SUMS = Choice("", "sums", "one timestep at a time", "all timesteps at once, bias last", "rounding")


def refuse(source: str, refusals: Sequence[Refusal]) -> None:
    """Raise where something is refused; all of it is named.

    Raises:
        NotImportable: there is a refusal.
    """
    if refusals:
        lines = "\n".join(f"  {r.layer}: {r.reason}" for r in refusals)
        raise NotImportable(f"a model of {source} must have an equal here to be imported, but\n{lines}")
