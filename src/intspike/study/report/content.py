"""What a report shows, as plain data: no model, no data set, no torch, so that it can be made and tested anywhere.

Everything but the title and the variants may be left out; its section then does not appear. Membranes and levels
are in units of the threshold theta, firing rates in spikes per timestep, sizes in bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import BadInput
from ...measure import FiringReport, Latency

Reals = NDArray[np.float64]
NONE: Mapping[str, Any] = {}


def _must(condition: object, message: str) -> None:
    if not condition:
        raise BadInput(message)


@dataclass(frozen=True)
class Variant:
    """One network of the comparison. The first of a report is the reference, in full precision.

    Attributes:
        name: short and unique, such as "fp32" or "qat-w4u4"; has one colour throughout the report.
        accuracy: on the test set, in 0..1, with its 95 % interval low..high where known.
        n: number of test samples.
        description: a few words, such as "4-bit weights and states, trained".
        size: packed size by part (weights, tables, states, ...), in bits.
        synops: synaptic operations per inference by layer; `multiplies` names the layers that multiply.
        exact: verdict of the exactness checks, such as "exact"; empty where none applies.
        train_loss, validation_accuracy: one number an epoch.
        rates: firing rate of each neuron, [N] a layer.
        firing: against the reference.
        floor: of the reference: its two halves of the test set, the noise floor of every drift.
        latency: of one inference on the native engine.
    """

    name: str
    accuracy: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    description: str = ""
    size: Mapping[str, int] = field(default_factory=lambda: NONE)
    synops: Mapping[str, float] = field(default_factory=lambda: NONE)
    multiplies: Sequence[str] = ()
    exact: str = ""
    train_loss: Sequence[float] = ()
    validation_accuracy: Sequence[float] = ()
    rates: Mapping[str, ArrayLike] = field(default_factory=lambda: NONE)
    firing: FiringReport | None = None
    floor: FiringReport | None = None
    latency: Latency | None = None

    def __post_init__(self) -> None:
        _must(
            0 <= self.accuracy <= 1,
            f"{self.name}: an accuracy must be in 0..1, not {self.accuracy}; divide per cent by 100",
        )


@dataclass(frozen=True)
class MembraneTrace:
    """One neuron's membrane on one sample, in full precision and quantized, [T] each, in units of theta.

    Attributes:
        layer, neuron, sample: which one.
        names: the two variants: full precision, quantized.
        reference, quantized: the membrane that fires; quantized: decoded from its stored code.
        reference_spikes, quantized_spikes: outputs.
        levels: what the quantized membrane can be between two timesteps.
        fired_levels: what it can be in a timestep in which it fires, where the codec stores it after its reset.
    """

    layer: str
    neuron: tuple[int, ...]
    sample: int
    names: tuple[str, str]
    reference: ArrayLike
    quantized: ArrayLike
    reference_spikes: ArrayLike
    quantized_spikes: ArrayLike
    levels: ArrayLike
    fired_levels: ArrayLike = ()

    def __post_init__(self) -> None:
        sizes = [
            np.shape(getattr(self, k))
            for k in ("reference", "quantized", "reference_spikes", "quantized_spikes")
        ]
        _must(
            len(set(sizes)) == 1 and len(sizes[0]) == 1 and sizes[0][0] > 0,
            f"both membranes of {self.layer} and their spikes must be [T], not {sizes}",
        )


@dataclass(frozen=True)
class Raster:
    """Spikes of one layer on one sample, [T, *shape], of two variants; the same evenly spaced neurons are drawn."""

    layer: str
    sample: int
    names: tuple[str, str]
    reference: ArrayLike
    quantized: ArrayLike

    def __post_init__(self) -> None:
        a, b = np.shape(self.reference), np.shape(self.quantized)
        _must(
            a == b and len(a) >= 2, f"the rasters of {self.layer} must both be [T, *shape], not {a} and {b}"
        )


@dataclass(frozen=True)
class QuantizerPicture:
    """The state codec of one neuron, in units of theta.

    Attributes:
        variant, layer, channel: which one.
        levels, boundaries: [2^n] and [2^n - 1], increasing; code = number of boundaries at or below the value.
        rest: the code whose level is 0.
        stores: "after reset" (the spike is kept beside the code; levels at and above theta cannot be reached and
            are left out) or "before reset".
        silent: for each code, the code one timestep later without input; a code that is its own, but not rest,
            is stuck. Left out where it is not known.
    """

    variant: str
    layer: str
    channel: int
    levels: ArrayLike
    boundaries: ArrayLike
    rest: int
    stores: Literal["after reset", "before reset"]
    silent: Sequence[int] = ()

    def __post_init__(self) -> None:
        size = np.size(self.levels)
        levels = np.asarray(self.levels, float).reshape(-1)
        _must(
            size and (np.diff(levels) > 0).all() and levels[0] < 1,
            f"the levels of {self.layer} must increase from below the threshold (1), not be {levels[:8].tolist()}",
        )
        _must(
            np.size(self.boundaries) == size - 1 and len(self.silent) in (0, size) and 0 <= self.rest < size,
            f"a quantizer of {self.layer} with {size} levels must have {size - 1} boundaries, {size} or no "
            f"successors and a rest code among them, not {np.size(self.boundaries)}, {len(self.silent)}, {self.rest}",
        )

    @property
    def stuck(self) -> list[int]:
        """Codes other than rest that stay where they are without input."""
        return [c for c, after in enumerate(self.silent) if after == c != self.rest]


@dataclass(frozen=True)
class Table:
    """A table for people, such as a lowerability report; cells are shown as they are.

    A first word of "exact" or "refused" in a cell is marked as good or bad.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.rows}
        _must(
            widths <= {len(self.columns)},
            f"each row of table {self.title!r} must have {len(self.columns)} cells, not {sorted(widths)}",
        )


@dataclass(frozen=True)
class ReportContent:
    """A whole report.

    Attributes:
        title: of the page.
        summary: one sentence: what came out.
        variants: what is compared; the first is the reference.
        membranes, rasters, quantizers: pictures of single neurons, samples and codecs.
        lowering: lowerability reports.
        exact: comparisons between engines: {a, b, compared, mismatches} and, optionally, variant and samples.
        listings: integer programs as text, by variant.
        environment: versions, machine, seed and the like.
        command: the command line that made it.
        notes: sentences on data and method, shown below the summary.
    """

    title: str
    summary: str
    variants: Sequence[Variant]
    membranes: Sequence[MembraneTrace] = ()
    rasters: Sequence[Raster] = ()
    quantizers: Sequence[QuantizerPicture] = ()
    lowering: Sequence[Table] = ()
    exact: Sequence[Mapping[str, Any]] = ()
    listings: Mapping[str, str] = field(default_factory=lambda: NONE)
    environment: Mapping[str, str] = field(default_factory=lambda: NONE)
    command: str = ""
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        names = [v.name for v in self.variants]
        _must(names, "a report must show at least one variant, but was given none")
        _must(len(set(names)) == len(names), f"variants must have different names, not {', '.join(names)}")
        for row in self.exact:
            missing = {"a", "b", "compared", "mismatches"} - set(row)
            _must(
                not missing,
                f"an exactness row must have a, b, compared and mismatches, but lacks {sorted(missing)}",
            )
        shown = {n for picture in (*self.membranes, *self.rasters) for n in picture.names}
        shown |= {q.variant for q in self.quantizers}
        _must(
            shown <= set(names),
            f"pictures must be of the variants {names}, not of {sorted(shown - set(names))}",
        )

    def index(self, name: str) -> int:
        """Position of a variant, which decides its colour."""
        return [v.name for v in self.variants].index(name)
