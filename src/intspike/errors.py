"""Every error intspike raises on purpose. A message says what must hold, what was given, and what to do.

IntspikeError
├── BadInput            an argument or option that cannot be used         (also a ValueError)
├── BadData             a data file that is missing, corrupt or of another shape
├── BadArtifact         a stored program that is truncated, altered, hostile or of another version
├── BadProgram          a program that breaks a rule of the integer program
├── NotLowerable        a model, or a part of one, that has no exact integer form
├── NotImportable       a model of another tool, or a part of one, that has no equal here
├── RangeExceeded       an integer that could leave the range it was proved or declared to stay in
├── Divergence          two engines that should agree and do not
├── DriftExceeded       firing that drifted further than a gate allows
├── BuildFailed         the C compiler refused generated code
└── MissingDependency   an optional package or tool that a feature needs  (also an ImportError)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class IntspikeError(Exception):
    """Base of all errors that intspike raises on purpose."""


class BadInput(IntspikeError, ValueError):
    """An argument or option that cannot be used."""


class BadData(IntspikeError):
    """A data file that is missing, corrupt or of another shape than expected."""


class BadArtifact(IntspikeError):
    """A stored program that is truncated, altered, hostile or of another version."""


class BadProgram(IntspikeError):
    """A program that breaks a rule of the integer program."""


class NotLowerable(IntspikeError):
    """A model, or a part of one, that has no exact integer form."""


class NotImportable(IntspikeError):
    """A model of another tool, or a part of one, that has no equal here."""


class RangeExceeded(IntspikeError):
    """An integer that could leave the range it was proved or declared to stay in."""


class DriftExceeded(IntspikeError):
    """Firing that drifted further than a gate allows."""


class BuildFailed(IntspikeError):
    """The C compiler refused generated code."""


class MissingDependency(IntspikeError, ImportError):
    """An optional package or tool that a feature needs."""


class Divergence(IntspikeError):
    """Two engines that should agree and do not, at their first difference.

    Attributes:
        timestep, layer, neuron, quantity: where the first difference is (`neuron` is an index into
            the layer's shape, `quantity` is "spike" or the name of a stored state).
        sample: index of the sample in the compared batch.
        expected, got: the two integers.
        compared, mismatches: how many values were compared and how many differ.
    """

    def __init__(
        self,
        *,
        timestep: int,
        layer: str,
        neuron: tuple[int, ...],
        sample: int,
        quantity: str,
        expected: int,
        got: int,
        names: tuple[str, str] = ("expected", "got"),
        compared: int = 0,
        mismatches: int = 1,
    ):
        self.timestep, self.layer, self.neuron, self.sample = timestep, layer, neuron, sample
        self.quantity, self.expected, self.got, self.names = quantity, expected, got, names
        self.compared, self.mismatches = compared, mismatches
        super().__init__(
            f"{names[0]} and {names[1]} must agree in every spike and stored code, but first differ at "
            f"timestep {timestep}, layer {layer!r}, neuron {neuron}, sample {sample}: {quantity} is "
            f"{expected} in {names[0]} and {got} in {names[1]} "
            f"({mismatches} of {compared} compared values differ)"
        )


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A sentence that lists what is known and names the nearest to what was given."""
    known = sorted(known)
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(known)}"
